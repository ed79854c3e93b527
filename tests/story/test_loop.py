"""The loop when something dies, is away or is defect: nothing is lost, the rest goes on, and what ended is said."""

from datetime import timedelta

import pytest

from reconciler.app import way_back
from reconciler.app.landings import Landings
from reconciler.app.previews import Previews
from reconciler.app.rollouts import _Run
from reconciler.approval.decision import Verb
from reconciler.errors import ReconcilerError, Unavailable
from reconciler.forges.embedded.forge import EmbeddedForge
from reconciler.ports import DesiredObjects
from reconciler.state.forge import PullRequest
from tests.story.stage import RELEASE, Stage

STAGING = "releases/svc-a/staging.yaml"


def test_g18_a_crash_between_refusal_and_preview_leaves_a_ticket(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    pushed = stage.world.commit("straight to main", {RELEASE: stage.release_text("v2.0.2")}, author="dev_user")
    with monkeypatch.context() as patch:
        patch.setattr(Previews, "post", crash)
        with pytest.raises(KeyboardInterrupt):
            stage.settle()
    stage.restart()
    stage.settle()
    ticket = f"dep-appr-{pushed[:12]}"
    assert ticket in stage.ledger.previews
    assert stage.statuses(pushed)["reconciler/apply: env-k8s-prod"][0] == "failure"
    stage.desk("approver_user").decide(stage.ledger.previews[ticket], Verb.APPROVE, reason="looked at it")
    stage.settle()
    assert stage.image() == "v2.0.2"


@pytest.mark.parametrize(("tag", "state"), [("v2.0.1", "success"), ("v2.0.1-broken", "failure")])
def test_an_end_that_could_not_be_said_is_said_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tag: str, state: str
) -> None:
    def away(*_: object) -> None:
        raise Unavailable("setting a status: the forge is away")

    number = stage.propose(tag=tag)
    stage.approve(number)
    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedForge, "set_status", away)
        merged = stage.merge(number)
        assert stage.image() == (tag if state == "success" else "v2.0.0")
    stage.settle()
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == state


def test_f16_a_return_waits_for_a_cluster_that_is_away(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    record = _Run._record_return
    cluster = stage.world.clusters["prod"]

    def then_away(run: _Run, rollout: object) -> None:
        record(run, rollout)  # type: ignore[arg-type]
        cluster.stop()

    number = stage.propose(tag="v2.0.1-broken")
    stage.approve(number)
    with monkeypatch.context() as patch:
        patch.setattr(_Run, "_record_return", then_away)
        merged = stage.merge(number)
    assert stage.ledger.running()
    cluster.start()
    stage.settle()
    assert stage.image() == "v2.0.0"
    assert stage.ledger.units["release/svc-a"].outcome == "rolled_back"
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "failure"


def test_g23_a_hold_is_heard_while_a_rollout_runs(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bool] = []

    def slow(_run: _Run) -> None:
        stage.desk("dev_user").order("environment/env-k8s-prod", Verb.HOLD, reason="stop")
        for _ in range(100):
            stage.clock.wait(timedelta(milliseconds=200))
            if stage.ledger.holds:
                break
        heard.append(bool(stage.ledger.holds))

    number = stage.propose()
    stage.approve(number)
    with monkeypatch.context() as patch:
        patch.setattr(_Run, "go", slow)
        stage.merge(number, settle=False)
        stage.world.opened.reconciler.look()
    assert heard == [True]


def test_g24_a_recorded_plan_is_finished_while_the_repository_is_away(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = stage.propose()
    stage.approve(number)
    with monkeypatch.context() as patch:
        patch.setattr(_Run, "go", lambda _run: None)
        stage.merge(number)
    assert stage.ledger.running()
    hidden = stage.world.origin.with_name("away.git")
    stage.world.origin.rename(hidden)
    with pytest.raises(ReconcilerError):
        stage.settle()
    assert stage.image() == "v2.0.1"
    hidden.rename(stage.world.origin)
    stage.settle()
    assert stage.ledger.units["release/svc-a"].outcome == "applied"
    assert stage.statuses(stage.tip())["reconciler/apply: env-k8s-prod"][0] == "success"


def test_a_defect_about_one_landing_stops_no_other(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Landings.pass_or_hold

    def defect(landings: Landings, waiting: object, environment: str) -> None:
        if environment == "env-k8s-prod":
            raise KeyError(environment)
        judge(landings, waiting, environment)  # type: ignore[arg-type]

    stage.world.commit("one", {RELEASE: stage.release_text("v2.0.2")}, author="dev_user")
    stage.settle()
    text = stage.world.example()[STAGING].replace("v2.0.0", "v2.0.1")
    number = stage.propose({STAGING: text}, branch="staging")
    stage.approve(number)
    monkeypatch.setattr(Landings, "pass_or_hold", defect)
    stage.merge(number)
    assert stage.image("staging") == "v2.0.1"
    assert [fault for fault in stage.world.opened.reconciler.faults if "internal_error" in fault]


def test_a_look_that_cannot_see_pull_requests_does_not_end_well(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was approved is carried out before; health and metrics must not call such a look a success."""
    number = stage.propose()
    stage.approve(number)
    stage.merge(number, settle=False)
    reconciler = stage.world.opened.reconciler

    def away() -> tuple[PullRequest, ...]:
        raise Unavailable("listing open pull requests: ConnectError")

    monkeypatch.setattr(reconciler.forge, "open_pull_requests", away)
    for _ in range(4):
        with pytest.raises(Unavailable, match="ConnectError"):
            reconciler.look()
    assert stage.image() == "v2.0.1"


def test_g25_a_return_writes_nothing_before_the_rollout_is_fenced(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_targets: object, wanted: list[DesiredObjects], *_: object) -> None:
        assert [one.release for one in wanted] == ["svc-a"]
        raise Unavailable("fencing: the cluster is away")

    number = stage.propose(tag="v2.0.1-broken")
    stage.approve(number)
    with monkeypatch.context() as patch:
        patch.setattr(way_back, "fence", away)
        stage.merge(number)
        assert stage.image() == "v2.0.1-broken"
    stage.settle()
    assert stage.image() == "v2.0.0"
    assert stage.ledger.units["release/svc-a"].outcome == "rolled_back"
