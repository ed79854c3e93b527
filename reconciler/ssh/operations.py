"""One hook under one operation id: start it, wait for it, find it again after a lost connection.

Knows the runner's verbs and how a run can end. The rule (faults F20): the host decides whether a run begins; here it is
only asked, and every question may be asked again. A run that was interrupted (power cut, reboot) goes on where the hook
is retryable, else it is `Rejected`: nobody knows how far it came, so a person has to look.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.canonical import canonical_json
from reconciler.errors import Rejected, Unavailable
from reconciler.ports import Clock, StepResult
from reconciler.ssh.runner import Answer, Runner
from reconciler.ssh.text import masked, printable

OPERATION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
OUTPUT: Final = re.compile(r"([a-z][a-z0-9_]{0,63})=(.{0,4096})")
ASKING: Final = timedelta(seconds=60)
SLICE: Final = timedelta(seconds=20)  # one wait on the host; between two the connection is known to be alive
STEPS: Final = 1_000  # questions without an end in sight mean a host that plays with us


@dataclass(frozen=True, slots=True)
class Request:
    """What a run is. Variables are not part of its fingerprint: a join token may be renewed."""

    operation: str
    generation: int
    digest: str
    runtime: str
    hook: str
    sha256: str
    task: str
    timeout: timedelta
    most_retries: int
    outputs: tuple[str, ...]
    context: str
    variables: Mapping[str, str]
    grace: timedelta
    retry_delay: timedelta

    @property
    def fingerprint(self) -> str:
        """The same for the same hook of the same bundle."""
        return hashlib.sha256(canonical_json([self.digest, self.runtime, self.hook, self.sha256])).hexdigest()

    @property
    def longest(self) -> timedelta:
        """When a run that obeys its timeouts must have ended."""
        return (self.timeout + self.grace + self.retry_delay) * (self.most_retries + 1) + timedelta(minutes=2)

    def fields(self) -> list[str | int]:
        """As runner.sh reads them."""
        return [
            self.operation,
            self.generation,
            self.fingerprint,
            self.digest,
            self.runtime,
            self.hook,
            self.sha256,
            self.task,
            int(self.timeout.total_seconds()),
            int(self.grace.total_seconds()),
            self.most_retries,
            int(self.retry_delay.total_seconds()),
            self.context,
            len(self.variables),
            *(f"{name}={value}" for name, value in sorted(self.variables.items())),
        ]


class Operation:
    """One run being followed. `away_for` is how long a host may be unreachable before the caller is told."""

    def __init__(self, runner: Runner, clock: Clock, request: Request, secrets: Sequence[str]) -> None:
        self._runner, self._clock, self._request, self._secrets = runner, clock, request, secrets
        self._lost_at: datetime | None = None

    def follow(self, away_for: timedelta) -> StepResult:
        """The result of this id's one run. Raises Unavailable where the host stays away: asked again, it goes on."""
        begun = self._clock.now()
        ask: Callable[[], Answer] = self._start
        for _ in range(STEPS):
            try:
                answer = ask()
            except Unavailable as error:
                if error.key != "ssh_unreachable":
                    raise
                self._wait_for_host(error, away_for)
                continue
            self._lost_at = None
            match self._state(answer):
                case "done":
                    return self._result(answer)
                case "unknown":
                    raise self._interrupted()
                case "interrupted" | "absent":  # the host decides whether it may begin again
                    ask = self._start
                case _:
                    ask = self._attach
            if self._clock.now() - begun > self._request.longest:
                break
        raise Unavailable(
            f"waiting for {self._request.hook} on {self._runner.name}: it still runs after all its timeouts",
            key="resource_locked",
            hint=f"look at operation {self._request.operation} on the host",
        )

    def _start(self) -> Answer:
        return self._runner.ask("start", self._request.fields(), timeout=ASKING)

    def _attach(self) -> Answer:
        tenths = int(SLICE.total_seconds() * 10)
        return self._runner.ask("attach", (self._request.operation, tenths), timeout=SLICE + ASKING)

    def _state(self, answer: Answer) -> str:
        try:
            return answer.text("state")
        except ValueError as error:
            raise self._runner.misread("run a hook", error) from error

    def _wait_for_host(self, error: Unavailable, away_for: timedelta) -> None:
        now = self._clock.now()
        self._lost_at = self._lost_at or now
        if now - self._lost_at >= away_for or self._clock.wait(timedelta(seconds=1)):
            raise Unavailable(
                f"{error.message}; {self._request.hook} may still run there and is found again by its operation id",
                key=error.key,
            ) from error

    def _result(self, answer: Answer) -> StepResult:
        try:
            log, stderr = (self._shown(answer.content(name)) for name in ("log", "stderr"))
            outputs = self._outputs(self._shown(answer.content("outputs")))
            if answer.text("timed_out") == "1":
                stderr += f"[ERROR] runner=timeout after_seconds={self._request.timeout.total_seconds():g}\n"
            if missing := [name for name in self._request.outputs if name not in outputs]:
                log += f"[WARN] runner=outputs missing={','.join(missing)}\n"
            return StepResult(
                exit_code=answer.whole("exit"),
                duration=timedelta(milliseconds=answer.whole("duration_ms")),
                log=log,
                stderr=stderr,
                outputs=outputs,
            )
        except ValueError as error:
            raise self._runner.misread("run a hook", error) from error

    def _shown(self, content: bytes) -> str:
        return masked(printable(content), self._secrets)

    def _outputs(self, text: str) -> dict[str, str]:
        found = (OUTPUT.fullmatch(line) for line in text.split("\n"))
        return {match[1]: match[2] for match in found if match}

    def _interrupted(self) -> Rejected:
        return Rejected(
            f"running {self._request.hook} on {self._runner.name}: it was interrupted (power cut, reboot or kill) and "
            f"left no result, so how far it came is unknown; not run again, retries: {self._request.most_retries}",
            key="script_hook_exec_failed",
            hint="look at the host and at the operation's log there, put it right, then retry",
        )
