"""A world whose cluster says what a test has it say: each answer may be altered, and somebody may act at a request.

It is put back to one moment: svc-a v2.0.0 runs in production. With `quick` the clock's waits cost nothing.
"""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.kube.marks import STOPPED
from reconciler.sandbox.cluster_http import Asked
from reconciler.sandbox.world import World
from tests.failpoints.theatre import Theatre
from tests.faults.far_cluster import FarCluster, is_write
from tests.faults.release import cluster_of
from tests.story.clock import MovableClock
from tests.story.stage import DEPLOYMENT, Stage

PODS = "api/v1/namespaces/svc-a/pods"
Alter = Callable[[dict[str, Any]], None]


def makes_job(asked: Asked) -> bool:
    return is_write(asked) and "/jobs/" in asked.path and asked.method == "PATCH"


class Altered(FarCluster):
    """`before` is told of each request, `on_made` when a Job was made; `status` may change what is said of svc-a's
    Deployment where it has pods. `when_made`: how many pods each Deployment of svc-a was to have then."""

    def __init__(self) -> None:
        super().__init__()
        self.when_made: list[dict[str, int]] = []
        self.act_no_more()

    def act_no_more(self) -> None:
        self.before: Callable[[Asked], None] = lambda _asked: None
        self.on_made: Callable[[], None] = lambda: None
        self.status: Alter | None = None

    def numbers(self) -> dict[str, int]:
        """How many pods each Deployment of svc-a is to have."""
        found = [one for one in self.contents().values() if one["kind"] == "Deployment"]
        mine = (one for one in found if one["metadata"]["namespace"] == "svc-a")
        return {one["metadata"]["name"]: one["spec"].get("replicas", 1) for one in mine}

    def _respond(self, asked: Asked) -> tuple[int, str | bytes]:
        self.before(asked)
        code, answer = super()._respond(asked)
        if code == 201 and makes_job(asked):
            self.when_made.append(self.numbers())
            self.on_made()
        if self.status is None or code != 200 or asked.method != "GET" or not asked.path.endswith(DEPLOYMENT):
            return code, answer
        body = json.loads(answer)
        if body["spec"].get("replicas"):
            self.status(body)
        return code, json.dumps(body)

    def place_pod(self, name: str, labels: dict[str, str]) -> None:
        """A pod that runs, whoever made it."""
        metadata = {"name": name, "labels": labels}
        body = {"metadata": metadata, "spec": {"containers": []}, "status": {"phase": "Running"}}
        self.place(PODS, {"apiVersion": "v1", "kind": "Pod", **body}, "kube-controller-manager")

    def pods(self) -> list[str]:
        return [one["metadata"]["name"] for one in self.contents().values() if one["kind"] == "Pod"]

    def running(self) -> list[str]:
        """Jobs that may go on."""
        found = [one for one in self.contents().values() if one["kind"] == "Job" and not one["spec"].get("suspend")]
        return [one["metadata"]["name"] for one in found if not (one.get("status") or {}).get("conditions")]


def _world(folder: Path, clock: MovableClock) -> World:
    return World(folder, clock=clock, hosts_wanted=(), make_cluster=lambda _name: Altered())


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with Theatre.opened(tmp_path_factory.mktemp("altered"), _world) as opened:
        opened.stage.accept_first()
        opened.keep("first")
        yield opened


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock waits by moving on."""

    def wait(self: MovableClock, duration: timedelta) -> bool:
        self.advance(duration)
        return False

    monkeypatch.setattr(MovableClock, "wait", wait)


@pytest.fixture
def stage(theatre: Theatre) -> Iterator[Stage]:
    found = theatre.play("first", lambda _: None)
    altered(found).when_made.clear()
    yield found
    altered(found).act_no_more()
    altered(found).heal()


def altered(stage: Stage) -> Altered:
    found = cluster_of(stage)
    assert isinstance(found, Altered)
    return found


def mark(stage: Stage) -> str | None:
    """How many pods svc-a had, where it was stopped."""
    found = cluster_of(stage).look(DEPLOYMENT)
    assert found is not None
    said: str | None = found["metadata"]["annotations"].get(STOPPED)
    return said
