"""When targets are looked at: only where the author has the right on every side, and never for nothing (G4, G11)."""

from reconciler.app.proposals import _MayLook
from reconciler.approval.decision import Verb
from reconciler.specs.desired import Desired
from tests.story.stage import RELEASE, Stage

PROD = "environments/env-k8s-prod.yaml"


def test_an_idle_round_writes_nothing_where_one_part_may_not_be_looked_at(stage: Stage) -> None:
    cluster = stage.world.clusters["staging"]
    example = stage.world.example()
    files = {
        path: example[path].replace(cluster.endpoint, "https://127.0.0.1:9")
        for path in ("clusters/clusters.yaml", "credentials/credentials.yaml")
    }
    number = stage.propose({**files, RELEASE: stage.release_text("v2.0.1")}, branch="both")
    assert {plan.static for plan in stage.plans(number).plans} == {True, False}
    events = len(stage.world.opened.journal.events)
    for _ in range(3):
        stage.world.opened.reconciler.look()
    assert len(stage.world.opened.journal.events) == events


def test_g4_an_environment_that_changes_hands_is_looked_at_only_with_both_rights(stage: Stage) -> None:
    number = stage.propose()
    pull = stage.pull(number)
    opened = stage.world.opened
    accepted = opened.planner.desires.at(stage.tip()).desired
    other = stage.world.example()[PROD].replace("project: proj-alpha", "project: proj-other")
    moved = stage.world.commit("mine now", {PROD: other}, author="dev_user", branch="mine")
    opened.mirror.sync()
    proposed = opened.planner.desires.at(moved).desired

    def may_look(*sides: Desired) -> bool:
        return _MayLook(opened.planner.policy(), pull, sides)("env-k8s-prod")

    assert may_look(accepted)
    assert not may_look(accepted, proposed)
    sides = opened.reconciler.proposals.may_look(pull, proposed, stage.tip()).sides
    assert sides[0] is proposed
    assert any("env-k8s-prod" in side.environments for side in sides[1:])
    assert not may_look(*sides)


def test_g6_a_plan_that_stood_on_what_nobody_had_approved_is_made_again_when_that_passed(fresh: Stage) -> None:
    """The tip does not move by that, and the preview would say for ever what is not so any more."""
    fresh.settle()
    number = fresh.propose()
    blocked = {check.key for plan in fresh.plans(number).plans for check in plan.blocked}
    assert "environment_status_invalid" in blocked
    fresh.desk("root").decide(fresh.ledger.previews[min(fresh.ledger.waiting)], Verb.APPROVE, reason="first plan")
    fresh.settle()
    fresh.settle()
    assert [plan.blocked for plan in fresh.plans(number).plans] == [()]
