"""A return on order that failed, and is ordered again: it leads where the first one did, never forward.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.app.settings import FILE_NAME
from reconciler.sandbox.cluster_http import Asked
from tests.cli.terminal import Terminal
from tests.failpoints.scenes import JOB, job
from tests.failpoints.stepped import with_steps
from tests.specs.renderers import Stub
from tests.story.altered import altered, makes_job
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import RELEASE, Stage
from tests.story.test_kustomize import FOLDER, Echo, forget_what_was_rendered, kustomized, with_renderer
from tests.story.test_way_back import OURS, land, made, pods, text
from tests.story.test_way_back_pods import order_back

LONGER = frozenset(
    {
        "test_a_second_order_after_a_job_that_failed_goes_back",
        "test_g21_without_the_tool_that_tells_its_steps_no_version_is_left",
    }
)
ASKS = "success: [{http: {url: 'http://svc-a.svc-a.svc.cluster.local/healthz'}}]"


def is_probe(asked: Asked) -> bool:
    return "proxy" in asked.path


def outcome(stage: Stage) -> str:
    return stage.ledger.units["release/svc-a"].outcome


def test_a_second_order_after_questions_that_failed_leaves_the_old_version_on_the_old_database(stage: Stage) -> None:
    merged = land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    altered(stage).refuse(503, is_probe)
    order_back(stage)
    assert (outcome(stage), stage.image(), len(set(made(stage)))) == ("rollback_failed", "v2.0.0", 1)
    altered(stage).heal()
    order_back(stage)
    assert (outcome(stage), stage.image(), pods(stage)) == ("rolled_back", "v2.0.0", 2), stage.statuses(merged)[OURS]
    assert len(set(made(stage))) == 2  # another operation: its Job finds that it is done


def test_a_second_order_after_a_job_that_failed_goes_back(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    altered(stage).refuse(403, makes_job)
    order_back(stage)
    assert (outcome(stage), stage.image(), pods(stage)) == ("rollback_failed", "v2.0.1", 2)
    altered(stage).heal()
    order_back(stage)
    assert (outcome(stage), stage.image(), pods(stage)) == ("rolled_back", "v2.0.0", 2)


def test_g21_a_second_order_of_a_plain_release_goes_where_the_first_one_did(stage: Stage) -> None:
    plain = "rollback: {automatic: true"
    land(stage, {RELEASE: stage.release_text("v2.0.1").replace(plain, f"{plain}, {ASKS}")}, "good")
    altered(stage).refuse(503, is_probe)
    order_back(stage)
    assert (outcome(stage), stage.image()) == ("rollback_failed", "v2.0.0")
    altered(stage).heal()
    order_back(stage)
    assert (outcome(stage), stage.image()) == ("rolled_back", "v2.0.0")


@pytest.mark.parametrize("way", ["order", "return"])
def test_nothing_says_applied_or_healthy_while_the_traffic_is_stopped(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    altered(stage).refuse(503, makes_job)
    tag = "v2.0.1-broken" if way == "return" else "v2.0.1"
    merged = land(stage, {RELEASE: text(stage, tag), JOB: job("downgrade")}, "next")
    if way == "order":
        order_back(stage)
    assert pods(stage) == 0
    person = Terminal(tmp_path / "person", monkeypatch, ("--config", str(stage.world.home / FILE_NAME)), 220)
    (line,) = [one for one in person.type("tree").out.splitlines() if "release svc-a " in one]
    assert "rolling_back" in line
    assert "rolling_back" in person.type("get", "release", "svc-a").out
    assert "rollback_requested" in person.type("timeline", "--release", "svc-a").out
    assert stage.statuses(merged)["reconciler/health: env-k8s-prod"][0] == "pending"


def rendered(stage: Stage) -> dict[str, str | None]:
    """The version with steps as a kustomization with its Job, and how it is left."""
    files = kustomized(stage)
    names = "resources: [configmap.yaml, deployment.yaml, job.yaml, service.yaml]\n"
    more = {f"{FOLDER}/kustomization.yaml": names, f"{FOLDER}/job.yaml": job("downgrade")}
    return {**files, **more, RELEASE: with_steps(str(files[RELEASE]), said=", reversible: true")}


def ordered_without_its_tool(stage: Stage, renderer: Stub) -> None:
    """A return from what this machine has never rendered."""
    with_renderer(stage, Echo(text="replicas: 2"))
    land(stage, rendered(stage), "good")
    assert (outcome(stage), stage.image()) == ("applied", "v2.0.1")
    forget_what_was_rendered(stage.world)
    stage.restart()
    with_renderer(stage, renderer)
    order_back(stage)


def test_g21_without_the_tool_that_tells_its_steps_no_version_is_left(stage: Stage) -> None:
    tool = Echo(text="replicas: 2", version="")
    ordered_without_its_tool(stage, tool)
    assert (made(stage), stage.image(), pods(stage)) == ([], "v2.0.1", 2)
    tool.version = "stub v2"
    stage.clock.advance(timedelta(minutes=30))
    stage.settle()
    assert (outcome(stage), stage.image(), len(set(made(stage)))) == ("rolled_back", "v2.0.0", 1)


def test_g21_a_tool_that_tells_other_steps_leaves_no_version(stage: Stage) -> None:
    ordered_without_its_tool(stage, Echo(text="replicas: 9", version="stub v2"))
    assert (outcome(stage), made(stage), stage.image(), pods(stage)) == ("rollback_failed", [], "v2.0.1", 2)
