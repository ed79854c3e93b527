"""Drift is told, and put right where the approved preview said so: what was applied, and never for ever (G22)."""

import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.approval.decision import Verb
from reconciler.approval.inbox import Ask, View, Viewer
from reconciler.doors import inbox
from reconciler.doors.reading import Json
from reconciler.errors import Unavailable
from reconciler.git.audit_branch import AuditBranch
from reconciler.kube.target import KubeTarget
from reconciler.sandbox.world import World
from tests.story.clock import MovableClock
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
from tests.story.twins import twin

ENVIRONMENT = "env-k8s-prod"
SPEC = f"environments/{ENVIRONMENT}.yaml"
HEALTH, APPLY = f"reconciler/health: {ENVIRONMENT}", f"reconciler/apply: {ENVIRONMENT}"
LONGER = frozenset({"test_g20_killed_at_each_write_it_is_put_right_once", "test_g25_of_two_reconcilers_one_heals"})
UNIT = "release/svc-a"
MOST_WRITES = 5  # of one heal and whoever goes on with it
CONFIG = "api/v1/namespaces/svc-a/configmaps/svc-a"


class HealingWorld(World):
    """The example with `drift: heal` in production from the first commit on."""

    def example(self) -> dict[str, str]:
        files = super().example()
        return {**files, SPEC: files[SPEC].replace("drift: report", "drift: heal")}


@pytest.fixture
def healing(tmp_path: Path) -> Iterator[Stage]:
    """svc-a v2.0.0 runs in production, whose accepted spec says heal."""
    clock = MovableClock()
    world = HealingWorld(tmp_path / "world", clock=clock, hosts_wanted=())
    try:
        stage = Stage.on(world, clock)
        stage.accept_first()
        yield stage
    finally:
        world.close()


def meddle(stage: Stage, level: str | None = "trace", manager: str = "kubectl-edit") -> None:
    stage.world.sandbox("prod").edit(CONFIG, {"data": {"LOG_LEVEL": level}}, manager)


def look(stage: Stage) -> list[str]:
    """What the timer does; what went wrong."""
    stage.world.opened.reconciler.faults = []
    stage.world.opened.reconciler.look_for_drift()
    return stage.world.opened.reconciler.faults


def level(stage: Stage) -> str:
    found = stage.world.clusters["prod"].look(CONFIG)
    return str(found["data"].get("LOG_LEVEL", "removed")) if found is not None else "gone"


def told(stage: Stage, action: str) -> list[str]:
    events = stage.world.opened.journal.events
    return [str(event.detail["summary"]) for event in events if event.action == action]


def health(stage: Stage) -> tuple[str, str]:
    return stage.statuses(stage.ledger.units[UNIT].accepted.revision)[HEALTH]


def waits(stage: Stage) -> list[Json]:
    """What stands in the inbox beside tickets."""
    opened = stage.world.opened
    reading: Any = _Reading(opened.journal.events, opened.journal.ledger, stage.clock)
    policy = opened.planner.policy()
    person = policy.persons.by_login("approver_user")
    assert person is not None
    page = inbox.page(reading, Viewer(person, policy), Ask(view=View.MINE))
    return [one for one in page["tickets"] if one["next"]]


class _Reading:
    """What the inbox reads, of this process."""

    def __init__(self, events: Any, ledger: Any, clock: Any) -> None:
        self.events, self.ledger, self.clock = events, ledger, clock

    def stopped(self) -> dict[str, Any]:
        """No way back has stopped any traffic."""
        return {}


def merged(stage: Stage, files: dict[str, str | None], branch: str) -> int:
    number = stage.propose(files, branch=branch)
    stage.approve(number, reason=stage.preview(number).previewed.digest[:12])
    stage.merge(number)
    return number


class Killed(BaseException):
    """The process is gone."""


WRITES = (
    (KubeTarget, "begin", 1),
    (KubeTarget, "apply", 1),
    *((AuditBranch, "append", number) for number in (1, 2, 3)),  # to begin, before the batch, at the end
)


def dying(method: Any, number: int, *, after: bool) -> Any:
    """The same, killed before or after the nth time that it is called."""
    calls: list[int] = []

    def dies(*args: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) != number:
            return method(*args, **named)
        if after:
            method(*args, **named)
        raise Killed

    return dies


def killed(stage: Stage, owner: type, name: str, number: int, *, after: bool) -> None:
    """Drift, a process that dies at one write of putting it right, and the next process."""
    wanted, healed, effects = level(stage), len(told(stage, "drift_healed")), stage.effects()
    generation = stage.ledger.units[UNIT].generation
    meddle(stage)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, dying(getattr(owner, name), number, after=after))
        with pytest.raises(Killed):
            look(stage)
    stage.restart()
    stage.settle()
    assert look(stage) == []
    assert (level(stage), health(stage)[0]) == (wanted, "success")
    assert len(told(stage, "drift_healed")) == healed + 1
    assert stage.ledger.units[UNIT].generation == generation + 1
    # the parent twice, whose fields are taken back, and the object; the parent once more by who goes on
    assert stage.effects() - effects <= MOST_WRITES, (name, number, after)


def test_g22_drift_is_reported_once_on_the_commit_and_in_the_inbox_until_it_is_gone(stage: Stage) -> None:
    wanted, effects = level(stage), stage.effects()
    assert health(stage)[0] == "success"
    meddle(stage)
    assert (look(stage), look(stage)) == ([], [])
    stage.restart()
    stage.settle()
    assert look(stage) == []
    (words,) = told(stage, "drift_detected")
    assert "LOG_LEVEL" in words
    assert "trace" not in words
    assert "not put right" not in words  # nobody asked for it
    assert health(stage) == ("failure", "drift: releases 1, objects 1; reconciler explain-drift svc-a")
    (item,) = waits(stage)
    assert (item["ref"], item["next"]) == ("drift-svc-a", "reconciler explain-drift svc-a")
    assert (item["required_role"], item["environment"]) == ("", ENVIRONMENT)
    stage.world.clusters["prod"].stop()
    look(stage)
    assert health(stage)[0] == "failure"  # what cannot be seen is not over
    stage.world.clusters["prod"].start()
    stage.clock.advance(timedelta(hours=1))
    meddle(stage, wanted)
    assert (look(stage), look(stage)) == ([], [])
    assert len(told(stage, "drift_healed")) == 1
    assert health(stage)[0] == "success"
    assert waits(stage) == []
    assert (stage.effects(), told(stage, "drift_detected")) == (effects, [words])


def test_g22_a_release_accepted_before_heals_only_from_its_next_approved_plan_on(stage: Stage) -> None:
    text = stage.world.example()[SPEC]
    number = merged(stage, {SPEC: text.replace("drift: report", "drift: heal")}, "heal")
    (plan,) = stage.plans(number).plans
    assert any("from its next approved change on" in check.message for check in plan.checks)
    meddle(stage, None)  # nobody holds it, so it stops no preview
    assert look(stage) == []
    assert level(stage) == "removed"
    assert "did not say" in told(stage, "drift_detected")[-1]
    number = merged(stage, {RELEASE: stage.release_text("v2.0.1")}, "next")
    (plan,) = stage.plans(number).plans
    assert any("drift is put right without asking" in check.message for check in plan.checks)
    wanted = level(stage)
    assert wanted != "removed"
    meddle(stage)
    assert look(stage) == []
    assert level(stage) == wanted
    merged(stage, {SPEC: text}, "report")
    meddle(stage)
    assert look(stage) == []
    assert level(stage) == "trace"  # the accepted spec counts at that moment


def test_g22_drift_is_put_right_under_a_generation_of_its_own(healing: Stage) -> None:
    before, wanted = healing.ledger.units[UNIT], level(healing)
    cluster = healing.world.sandbox("prod")
    cluster.edit(CONFIG, {"data": {"LOG_LEVEL": "trace", "THEIRS": "kept"}}, "kubectl-edit")
    assert look(healing) == []
    assert level(healing) == wanted
    body = cluster.look(CONFIG)
    assert body is not None
    assert body["data"]["THEIRS"] == "kept"  # no field of ours, so no drift
    held = {entry["manager"]: entry["fieldsV1"] for entry in body["metadata"]["managedFields"]}
    assert held["kubectl-edit"]["f:data"] == {"f:THEIRS": {}}  # exactly what drifted was taken back
    after = healing.ledger.units[UNIT]
    assert (after.outcome, after.accepted, after.generation) == ("applied", before.accepted, before.generation + 1)
    passed = healing.ledger.rollouts[ENVIRONMENT, after.generation].passed
    assert (passed.heals, passed.return_granted, passed.returns) == (before.generation, False, False)
    assert [len(told(healing, name)) for name in ("drift_detected", "drift_healed")] == [1, 1]
    assert health(healing) == ("success", "as applied again; drift: 1 objects")
    assert healing.statuses(after.accepted.revision)[APPLY][0] == "success"
    effects = healing.effects()
    healing.restart()
    healing.settle()
    assert look(healing) == []
    assert (healing.effects(), healing.ledger.units[UNIT]) == (effects, after)
    assert health(healing)[0] == "success"


def _away(*_args: Any, **_named: Any) -> None:
    raise Unavailable("pushing: nobody answers")


def test_g22_nothing_is_healed_while_something_else_is_going_on_there(healing: Stage) -> None:
    meddle(healing)
    desk = healing.desk("dev_user")
    desk.order(UNIT, Verb.HOLD, reason="wait")
    healing.settle()
    assert (look(healing), level(healing)) == ([], "trace")
    desk.order(UNIT, Verb.RESUME, reason="go on")
    healing.settle()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AuditBranch, "append", _away)
        assert look(healing) != []
        assert level(healing) == "trace"  # what is not recorded does not begin (G24)
    pushed = healing.world.commit("straight", {RELEASE: healing.release_text("v2.0.1")}, author="dev_user")
    healing.world.opened.catch_up()
    assert (look(healing), level(healing)) == ([], "trace")  # it landed, and nobody looked at it yet
    healing.settle()
    assert f"dep-appr-{pushed[:12]}" in healing.ledger.waiting
    assert (look(healing), level(healing)) == ([], "trace")
    assert len(told(healing, "drift_detected")) == 1
    desk = healing.desk("approver_user")
    desk.decide(healing.ledger.previews[f"dep-appr-{pushed[:12]}"], Verb.REJECT, reason="no")
    healing.settle()
    assert look(healing) == []
    assert level(healing) != "trace"


def test_g25_of_two_reconcilers_one_heals(healing: Stage, tmp_path: Path) -> None:
    other = twin(healing, tmp_path)
    try:
        other.catch_up()
        other.reconciler.look()
        generation = healing.ledger.units[UNIT].generation
        meddle(healing)
        assert healing.world.opened.reconciler.drift.look(taken_in=True)  # it began, and stands still
        other.reconciler.look_for_drift()
        other.reconciler.look()  # the other one goes on with what was recorded
        assert look(healing) == []
        healing.settle()
        other.catch_up()
        assert other.journal.ledger.units[UNIT] == healing.ledger.units[UNIT]
        assert healing.ledger.units[UNIT].generation == generation + 1
        assert len(told(healing, "drift_healed")) == 1
        assert level(healing) != "trace"
    finally:
        other.close()


def test_g21_a_heal_uses_no_return_up_and_the_approved_plan_is_what_goes_back_and_forward(
    healing: Stage,
) -> None:
    merged(healing, {RELEASE: healing.release_text("v2.0.1")}, "next")
    wanted = level(healing)
    meddle(healing)
    assert look(healing) == []
    assert level(healing) == wanted
    healed = healing.ledger.units[UNIT].generation
    assert healing.ledger.rollouts[ENVIRONMENT, healed].passed.heals == healed - 1
    healing.desk("dev_user").order(UNIT, Verb.ROLLBACK, reason="back")
    assert healing.settle() == []
    assert healing.image() == "v2.0.0"
    assert healing.ledger.units[UNIT].outcome == "rolled_back"
    meddle(healing)
    look(healing)
    assert level(healing) == "trace"  # what was rolled back is left alone
    meddle(healing, wanted)
    healing.desk("dev_user").order(UNIT, Verb.RETRY, reason="forward again")
    healing.settle()
    assert healing.image() == "v2.0.1"  # the approved plan whole, and not what the heal was


def test_g22_whoever_changes_it_again_and_again_is_not_fought_also_through_kills(healing: Stage) -> None:
    wanted = level(healing)
    killed(healing, KubeTarget, "apply", 1, after=True)
    killed(healing, AuditBranch, "append", 1, after=True)
    killed(healing, AuditBranch, "append", 3, after=False)
    meddle(healing)
    assert (look(healing), look(healing)) == ([], [])
    healing.clock.advance(timedelta(hours=5))
    healing.restart()
    healing.settle()
    assert look(healing) == []
    assert level(healing) == "trace"
    left = [words for words in told(healing, "drift_detected") if "3 times within an hour" in words]
    assert len(left) == 1
    assert health(healing)[0] == "failure"
    assert [item["risk_level"] for item in waits(healing)] == ["high"]
    healing.desk("dev_user").order(UNIT, Verb.RETRY, reason="the other controller is gone")
    assert healing.settle() == []
    assert look(healing) == []
    assert (level(healing), health(healing)[0]) == (wanted, "success")


def test_g22_a_heal_that_does_not_become_ready_is_a_failure_and_is_left(healing: Stage) -> None:
    cluster = healing.world.sandbox("prod")
    with httpx.Client(verify=ssl.create_default_context(cadata=cluster.ca_pem), trust_env=False) as http:
        who = {"Authorization": f"Bearer {cluster.token}"}
        assert http.delete(f"{cluster.endpoint}/{CONFIG}", headers=who).is_success
    assert look(healing) == []
    assert level(healing) != "gone"  # what is gone comes back
    healed = told(healing, "drift_healed")
    body = cluster.look(DEPLOYMENT)
    assert body is not None
    containers = body["spec"]["template"]["spec"]["containers"]
    hotfix = {**containers[0], "image": "registry.example/svc-a:hotfix"}
    beside = {"name": "theirs", "image": "registry.example/theirs:broken"}  # no field of ours, so no drift, so it stays
    cluster.edit(DEPLOYMENT, {"spec": {"template": {"spec": {"containers": [hotfix, beside]}}}}, "kubectl-edit")
    look(healing)
    assert healing.image() == "v2.0.0"
    assert healing.ledger.units[UNIT].outcome == "failed"
    assert told(healing, "drift_healed") == healed
    state, words = health(healing)
    assert state == "failure"
    assert words.startswith("drift of svc-a was not put right: ")
    generation = healing.ledger.units[UNIT].generation
    meddle(healing)
    healing.restart()
    healing.settle()
    look(healing)
    assert healing.ledger.units[UNIT].generation == generation
    assert (level(healing), health(healing)[0]) == ("trace", "failure")
    assert [item["ref"] for item in waits(healing)] == ["drift-svc-a"]


def test_g20_killed_at_each_write_it_is_put_right_once(healing: Stage) -> None:
    for owner, name, number in WRITES:
        for after in (False, True):
            healing.clock.advance(timedelta(hours=2))
            killed(healing, owner, name, number, after=after)


def test_what_is_being_deleted_is_no_end_of_drift(stage: Stage) -> None:
    cluster = stage.world.sandbox("prod")
    cluster.edit(CONFIG, {"data": {"LOG_LEVEL": "trace"}}, "kubectl-edit")
    assert look(stage) == []
    assert health(stage)[0] == "failure"
    cluster.edit(CONFIG, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, "kubectl-delete")
    assert look(stage) == []
    assert told(stage, "drift_healed") == []
    assert health(stage)[0] == "failure"
