"""Admission webhooks in force for svc-a's namespace on a real API server, and what happens at a moment that they know.

Imported by name: `registered`, parametrized by VALIDATING or one of its kin, and the `webhook` that it needs.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.processes import wait_until
from tests.servers.webhook import ALLOWED, ROOT, Asked, Verdict, Webhook
from tests.story.real_targets import RealCluster
from tests.story.stage import DEPLOYMENT, Stage

NAME = "svc-a-admission"
SECONDS = 60.0


class Registered:
    """A webhook in force for svc-a's namespace."""

    def __init__(self, webhook: Webhook, target: RealCluster, plural: str) -> None:
        self.webhook = webhook
        self._target = target
        self._path = f"{ROOT}/{plural}"
        self._probes = 0

    def judge(self, verdict: Callable[[Asked], Verdict]) -> None:
        self.webhook.verdict = verdict

    def wait_in_force(self) -> None:
        wait_until(lambda: self._is_asked(), f"{self._path} to be in force", SECONDS)

    def remove(self) -> None:
        self._target.delete(f"{self._path}/{NAME}")
        wait_until(lambda: not self._is_asked(), f"{self._path} to be out of force", SECONDS)

    def _is_asked(self) -> bool:
        """Whether a dry run of somebody's that changes something comes by."""
        self._probes += 1
        before = len(self.webhook.asked)
        patch = {"metadata": {"annotations": {"probed": str(self._probes)}}}
        kind = {"Content-Type": "application/merge-patch+json"}
        self._target._ask("PATCH", f"{DEPLOYMENT}?dryRun=All", patch, kind)
        return len(self.webhook.asked) > before


@pytest.fixture
def webhook(tmp_path: Path) -> Iterator[Webhook]:
    with Webhook(tmp_path) as made:
        yield made


@pytest.fixture
def registered(
    webhook: Webhook,
    cluster: RealCluster,
    real_stage: Stage,
    request: pytest.FixtureRequest,
) -> Iterator[Registered]:
    kind, plural, seconds = request.param
    assert real_stage.image() == "v2.0.0"
    cluster.place(f"{ROOT}/{plural}", webhook.registration(kind, NAME, "svc-a", seconds=seconds))
    made = Registered(webhook, cluster, plural)
    made.wait_in_force()
    yield made
    made.judge(lambda _asked: ALLOWED)
    webhook.answer_again()
    made.remove()


def _by(kind: str, plural: str, seconds: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("registered", [(kind, plural, seconds)], indirect=True, ids=[""])


VALIDATING = _by("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", 1)
PATIENT = _by("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", 30)
MUTATING = _by("MutatingWebhookConfiguration", "mutatingwebhookconfigurations", 1)


@contextmanager
def at_the_write(webhook: Registered, act: Callable[[], None]) -> Iterator[threading.Event]:
    """Do this when the first write of a Deployment that is meant comes by; the write itself is allowed after it."""
    done = threading.Event()

    def judge(asked: Asked) -> Verdict:
        if not asked["dryRun"] and not done.is_set():
            done.set()
            act()
        return ALLOWED

    webhook.judge(judge)
    yield done
    webhook.judge(lambda _asked: ALLOWED)
