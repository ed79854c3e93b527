"""Asks what a release's spec wants to be asked: by HTTP, by TCP, many times; and says what was wanted and answered.

A Service of the release's cluster is asked from the target's side, through the API server; everything else is asked
from here, with no secret, no proxy and no redirect. Answers are strangers' words: of one at most 64 KiB are looked at,
and nothing of it is ever repeated, of Prometheus only the number. Nothing here is asked for a preview. Where a step of
a way back asks, all of its questions share its time: each is asked once at least, of many requests ten, and nothing is
begun when it is over.
"""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from urllib.parse import urlsplit

from reconciler.app.prometheus import Measured, judged, query_url
from reconciler.app.step_times import Term
from reconciler.errors import Rejected, Unavailable
from reconciler.plan.questions import words_of
from reconciler.ports import Answered, Clock, GetThrough, KubeApi
from reconciler.specs.kinds.probes import HttpProbe, Probe, PrometheusProbe, TcpProbe, TrafficProbe

TRIES = 3  # of one question; one good answer is enough
BETWEEN = timedelta(milliseconds=500)
AT_ONCE = 10  # requests in flight
MOST = 64 * 1024  # bytes of an answer
SLOW = 0.95  # the share that has to be as fast as `maxP95`
PORTS = {"http": "80", "https": "443"}

AT_LEAST = timedelta(seconds=1)  # that one answer may take, however little time is left

Get = Callable[[str, timedelta], Answered]


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks for one cluster's release. `service`: namespace and name where an address names a Service there."""

    api: KubeApi
    clock: Clock
    service: Callable[[str], tuple[str, str] | None]
    stopping: Callable[[], bool] = lambda: False
    term: Term | None = None

    def ask(self, place: str, probe: Probe, instead: str = "") -> None:
        """Raises Rejected where it is not answered well. `instead`: the Service that is asked for the named one."""
        tries = 1 if probe.traffic is not None else TRIES
        wrong, asked = "", 0
        for number in range(tries):
            if number and (self.clock.wait(BETWEEN) or self.stopping()):
                raise Unavailable(f"asking {place}: the reconciler is stopping")
            wrong, asked = self._once(probe, instead), number + 1
            if not wrong:
                return
            if isinstance(wrong, Measured):  # nobody asks until a number pleases
                break
            if self._over():
                wrong = f"{wrong}{self._late}"
                break
        of = f" of {instead}" if instead else ""
        times = f", asked {asked} times" if asked > 1 else ""
        message = f"{place}{of} is not answered well: wanted {words_of(probe)}; {wrong}{times}"
        raise Rejected(message, key="release_apply_failed")

    def _once(self, probe: Probe, instead: str) -> str:
        """What is wrong with the answer; empty: nothing."""
        if probe.tcp is not None:
            return _connects(probe.tcp, self._timeout(probe))
        get, timeout = self._getter(instead), self._timeout(probe)
        if probe.http is not None:
            return _answers(get, probe.http, timeout)
        if probe.prometheus is not None:
            return self._measures(probe.prometheus, timeout)
        assert probe.traffic is not None  # noqa: S101  exactly one of four
        return _carries(get, probe.traffic, lambda: self._timeout(probe), lambda: self._late if self._over() else "")

    def _over(self) -> bool:
        return self.term is not None and self.term.over(self.clock.now())

    @property
    def _late(self) -> str:
        return f"; the {self.term.limit} that all questions of the step have are over" if self.term is not None else ""

    def _timeout(self, probe: Probe) -> timedelta:
        """How long one answer may take: within what is left to the step."""
        left = max(AT_LEAST, self.term.left(self.clock.now())) if self.term is not None else probe.timeout
        return min(probe.timeout, left)

    def _measures(self, probe: PrometheusProbe, timeout: timedelta) -> str:
        """A number decides; it is asked for at a Service of the cluster and nowhere else."""
        url = query_url(probe, timeout)
        found = self.service(url)
        if found is None:
            return "this is no Service of the release's cluster, and nothing else is asked for numbers"
        return judged(probe, self.api.ask_service(_request(url, *found, timeout)))

    def _getter(self, instead: str) -> Get:
        def get(url: str, timeout: timedelta) -> Answered:
            found = self.service(url)
            if found is None:
                return get_directly(url, timeout)
            return self.api.ask_service(_request(url, found[0], instead or found[1], timeout))

        return get


def _request(url: str, namespace: str, service: str, timeout: timedelta) -> GetThrough:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    port = str(parts.port) if parts.port is not None else PORTS[parts.scheme]
    return GetThrough(namespace, service, parts.scheme, port, path, timeout)


def get_directly(url: str, timeout: timedelta) -> Answered:
    """One GET from here; status 0 where nobody answered in time."""
    import httpx  # lazily: few releases are asked directly

    begun = time.monotonic()
    deadline = begun + timeout.total_seconds()
    try:
        with (
            httpx.Client(trust_env=False, follow_redirects=False, timeout=timeout.total_seconds()) as client,
            client.stream("GET", url) as answer,
        ):
            body = b"".join(_first(answer.iter_raw(), deadline))
            return Answered(answer.status_code, body, timedelta(seconds=time.monotonic() - begun))
    except (httpx.HTTPError, httpx.InvalidURL, OSError):
        return Answered(0, b"", timedelta(seconds=time.monotonic() - begun))


def _first(parts: Iterator[bytes], deadline: float) -> Iterator[bytes]:
    left = MOST
    for part in parts:
        if time.monotonic() > deadline:
            raise TimeoutError
        yield part[:left]
        left -= len(part)
        if left <= 0:
            return


def _connects(probe: TcpProbe, timeout: timedelta) -> str:
    host, _, port = probe.address.rpartition(":")
    try:
        with closing(socket.create_connection((host.strip("[]"), int(port)), timeout.total_seconds())):
            return ""
    except (OSError, ValueError, OverflowError) as error:
        return f"the connection failed ({type(error).__name__})"


def _answers(get: Get, probe: HttpProbe, timeout: timedelta) -> str:
    answer = get(probe.url, timeout)
    if answer.status != probe.status:
        return f"got {answer.status}" if answer.status else f"no answer within {timeout}"
    if probe.contains is not None and probe.contains.encode() not in answer.body:
        return f"the answer ({len(answer.body)} bytes) does not contain it"
    return ""


def _carries(get: Get, probe: TrafficProbe, timeout: Callable[[], timedelta], late: Callable[[], str]) -> str:
    """Many requests: which share was good, and how slow the slowest but a twentieth were."""
    failures, times = 0, list[timedelta]()
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        left = probe.requests
        while left:  # by tens, so that what is hopeless already is not asked to the end
            limit = timeout()
            batch = [pool.submit(get, probe.url, limit) for _ in range(min(AT_ONCE, left))]
            answers = [job.result() for job in batch]
            left -= len(batch)
            failures += sum(not 200 <= answer.status < 300 for answer in answers)
            times += [answer.took for answer in answers]
            if failures > probe.requests * (1 - probe.min_success_rate) + 1e-9:
                break
            if left and (words := late()):
                return f"{failures} of {len(times)} answers were no 2xx, and {left} more were not asked for{words}"
    if failures > len(times) * (1 - probe.min_success_rate) + 1e-9:
        return f"{failures} of {len(times)} answers were no 2xx"
    slow = sorted(times)[ceil(SLOW * len(times)) - 1]
    return f"p95 was {slow.total_seconds():.3f} s" if slow > probe.max_p95 else ""
