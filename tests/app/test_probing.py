"""What is asked of something running: how often, what counts as good, and what is said where it is not."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from reconciler.app.probing import AT_ONCE, TRIES, Asker
from reconciler.errors import Rejected, Unavailable
from reconciler.ports import Answered, GetThrough
from reconciler.specs.kinds.probes import Probe


@dataclass
class Clock:
    stopped: bool = False

    def now(self) -> datetime:
        return datetime(2026, 1, 5, tzinfo=UTC)

    def wait(self, duration: timedelta) -> bool:
        return self.stopped


@dataclass
class Api:
    """A cluster whose Services answer these, the last one from then on."""

    answers: list[Answered]
    asked: list[GetThrough] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    busy: int = 0
    busiest: int = 0

    def ask_service(self, asked: GetThrough) -> Answered:
        with self.lock:
            self.asked.append(asked)
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
            found = self.answers[min(len(self.asked), len(self.answers)) - 1]
        with self.lock:
            self.busy -= 1
        return found


def answer(status: int = 200, body: bytes = b"", took: float = 0.0) -> Answered:
    return Answered(status, body, timedelta(seconds=took))


def ask(api: Any, spec: dict[str, Any], instead: str = "", *, ours: bool = True, clock: Clock | None = None) -> None:
    asker = Asker(api, clock or Clock(), lambda _: ("ns", "web") if ours else None)
    asker.ask("health.checks[0]", Probe.model_validate(spec), instead)


URL = "http://web.ns.svc:8080/healthz?deep=1"
HTTP = {"http": {"url": URL}}


def traffic(**more: Any) -> dict[str, Any]:
    return {"traffic": {"url": URL, "requests": 100, "minSuccessRate": 0.95, "maxP95": "1s", **more}}


def test_a_service_is_asked_through_the_cluster_with_its_port_path_and_time() -> None:
    api = Api([answer()])
    ask(api, {**HTTP, "timeout": "3s"})
    ask(api, {"http": {"url": "https://web.ns.svc"}}, "web-1a2b3c4d")
    assert api.asked == [
        GetThrough("ns", "web", "http", "8080", "/healthz?deep=1", timedelta(seconds=3)),
        GetThrough("ns", "web-1a2b3c4d", "https", "443", "/", timedelta(seconds=10)),
    ]


def test_one_good_answer_of_some_is_enough() -> None:
    api = Api([answer(503)] * (TRIES - 1) + [answer()])
    ask(api, HTTP)
    assert len(api.asked) == TRIES


@pytest.mark.parametrize(
    ("spec", "given", "said"),
    [
        (HTTP, answer(500, b"top secret"), "wanted GET http://web.ns.svc:8080/healthz?...: 200; got 500"),
        (HTTP, answer(302), "got 302"),
        (HTTP, answer(0), "no answer within 0:00:10"),
        ({"http": {"url": URL, "contains": "ready"}}, answer(200, b"top secret"), "the answer (10 bytes) does not"),
        ({"http": {"url": URL, "status": 204}}, answer(200), "got 200"),
    ],
)
def test_what_was_wanted_and_answered_is_said_and_nothing_of_the_answer(
    spec: dict[str, Any], given: Answered, said: str
) -> None:
    api = Api([given])
    with pytest.raises(Rejected) as raised:
        ask(api, spec)
    assert said in raised.value.message
    assert "secret" not in raised.value.message
    assert len(api.asked) == TRIES


def test_traffic_is_asked_some_at_a_time_and_the_share_counts() -> None:
    api = Api([answer(500)] * 5 + [answer()])
    ask(api, traffic())
    assert len(api.asked) == 100
    assert api.busiest <= AT_ONCE
    with pytest.raises(Rejected, match="6 of 10 answers were no 2xx"):
        ask(hopeless := Api([answer(500)] * 6 + [answer()]), traffic())
    assert len(hopeless.asked) == 10  # what is hopeless is not asked to the end


def test_the_slowest_twentieth_does_not_count() -> None:
    ask(Api([answer(took=9)] * 5 + [answer()]), traffic())
    with pytest.raises(Rejected, match="p95 was 9"):
        ask(Api([answer(took=9)] * 6 + [answer()]), traffic())


def test_who_is_asked_to_stop_says_nothing_about_the_answer() -> None:
    with pytest.raises(Unavailable):
        ask(Api([answer(500)]), HTTP, clock=Clock(stopped=True))


class Page(BaseHTTPRequestHandler):
    """Sends on to somewhere else, and remembers who came."""

    seen: list[tuple[str, str]] = []  # noqa: RUF012  one list for the one server of this module

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"fine")

    def log_message(self, *args: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def site() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        Page.seen.clear()
        yield server
        server.shutdown()
        thread.join()


def test_what_is_no_service_of_ours_is_asked_directly_without_a_secret(site: ThreadingHTTPServer) -> None:
    where = f"127.0.0.1:{site.server_port}"
    ask(None, {"http": {"url": f"http://{where}/x", "contains": "fine"}}, ours=False)
    ask(None, {"tcp": {"address": where}}, ours=False)
    with pytest.raises(Rejected, match="got 302"):
        ask(None, {"http": {"url": f"http://{where}/away"}}, ours=False)
    assert set(Page.seen) == {("/x", ""), ("/away", "")}  # nobody is followed


def test_who_does_not_listen_is_said_to_fail() -> None:
    with pytest.raises(Rejected, match="the connection failed"):
        ask(None, {"tcp": {"address": "127.0.0.1:1"}}, ours=False)
    with pytest.raises(Rejected, match="no answer within"):
        ask(None, {"http": {"url": "http://127.0.0.1:1/"}}, ours=False)
