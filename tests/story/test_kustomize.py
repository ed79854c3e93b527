"""A release from a kustomization: previewed as what it renders to, and nothing else is ever sent."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.plan.change import Severity
from reconciler.sandbox.world import World
from reconciler.specs.kustomization import NAMES
from tests.specs.renderers import Stub
from tests.story.stage import DEPLOYMENT, RELEASE, Stage

FOLDER = "releases/svc-a/rendered"
PARTS = ("configmap.yaml", "deployment.yaml", "service.yaml")


class Echo(Stub):
    """Says its folder's files, which is what a kustomization of nothing but resources renders to."""

    def render(self, files: Mapping[str, bytes], folder: str, *names: str) -> bytes:
        super().render(files, folder, *names)
        texts = [text for path, text in sorted(self.given[-1].items()) if Path(path).name not in NAMES]
        return b"\n---\n".join(text.replace(b"replicas: 2", self.text.encode()) for text in texts)


def kustomized(stage: Stage, tag: str = "v2.0.1") -> dict[str, str | None]:
    text = stage.release_text(tag).replace("type: manifests", "type: kustomize").replace("/manifests}", "/rendered}")
    parts = {f"{FOLDER}/{part}": stage.world.example()[f"releases/svc-a/manifests/{part}"] for part in PARTS}
    return {RELEASE: text, f"{FOLDER}/kustomization.yaml": f"resources: [{', '.join(PARTS)}]\n", **parts}


def with_renderer(stage: Stage, renderer: Stub) -> Stub:
    stage.world.opened.planner.desires.renderer = renderer
    return renderer


def test_it_is_previewed_applied_and_taken_for_unchanged_afterwards(stage: Stage) -> None:
    echo = with_renderer(stage, Echo(text="replicas: 2"))
    number = stage.propose(kustomized(stage))
    (plan,) = stage.plans(number).plans
    assert plan.blocked == ()
    assert sorted(change.subject for change in plan.changes) == ["ConfigMap svc-a/svc-a", "Deployment.apps svc-a/svc-a"]
    stage.approve(number)
    merged = stage.merge(number)
    assert stage.image() == "v2.0.1"
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "success"
    rendered, written = len(echo.given), stage.effects()
    stage.settle()
    assert (len(echo.given), stage.effects()) == (rendered, written)


def test_without_a_tool_its_plan_is_blocked_with_words_and_nothing_is_removed(stage: Stage) -> None:
    stub = with_renderer(stage, Echo(text="replicas: 2", version=""))
    number = stage.propose(kustomized(stage))
    (plan,) = stage.plans(number).plans
    (check,) = plan.blocked
    assert (check.severity, check.key) == (Severity.ERROR, "k8s_binary_missing")
    assert check.message == "release svc-a: looking for it: it is not there"
    assert plan.changes == ()
    stub.version = "stub v1"
    stage.desk("dev_user").person().comment(number, "/reconciler preview")
    stage.settle()
    (plan,) = stage.plans(number).plans
    assert plan.blocked == ()
    assert len(plan.changes) == 2


def begun(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An approved plan is recorded as being applied, and the process dies before its first effect."""

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    number = stage.propose(kustomized(stage))
    stage.approve(number)
    with monkeypatch.context() as patch:
        patch.setattr("reconciler.app.perform.Performer.apply", crash)
        with pytest.raises(KeyboardInterrupt):
            stage.merge(number)
    assert stage.ledger.running()


def forget_what_was_rendered(world: World) -> None:
    for left in (world.opened.settings.cache).glob("specs.sqlite*"):
        left.unlink()


def test_a_rollout_goes_on_after_a_restart_without_cache(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with_renderer(stage, Echo(text="replicas: 2"))
    begun(stage, monkeypatch)
    forget_what_was_rendered(stage.world)
    stage.restart()
    echo = with_renderer(stage, Echo(text="replicas: 2", version=""))
    stage.settle()
    assert stage.ledger.running()  # the tool is away: it waits
    assert stage.image() == "v2.0.0"
    echo.version = "stub v2"
    stage.clock.advance(timedelta(minutes=30))
    stage.settle()
    assert stage.image() == "v2.0.1"
    assert stage.ledger.units["release/svc-a"].outcome == "applied"


def test_g20_what_renders_to_something_else_after_a_restart_is_not_sent(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_renderer(stage, Echo(text="replicas: 2"))
    begun(stage, monkeypatch)
    forget_what_was_rendered(stage.world)
    stage.restart()
    with_renderer(stage, Echo(text="replicas: 9", version="stub v2"))
    before = stage.world.clusters["prod"].look(DEPLOYMENT)
    stage.settle()
    live = stage.world.clusters["prod"].look(DEPLOYMENT)
    assert before is not None
    assert live is not None
    assert live["spec"] == before["spec"]
    assert stage.ledger.units["release/svc-a"].outcome == "rolled_back"
    assert any("it renders to something else now than what was approved" in row.text for row in stage.rows())
