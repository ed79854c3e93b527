"""Tags are pinned to what a listed registry says in the preview: that is approved, applied, kept and returned to."""

from typing import Any

import pytest

from reconciler.approval.decision import Verb
from reconciler.plan.change import Operation, Plan, Severity
from reconciler.plan.units import Cutter
from tests.registries.far import FarRegistry
from tests.story.stage import DEPLOYMENT, RELEASE, Stage

HOST, NAME, UNIT = "registry.example.invalid", "svc-a", "release/svc-a"
APPLY = "reconciler/apply: env-k8s-prod"
CONFIG = "releases/svc-a/manifests/configmap.yaml"
LONGER = frozenset(
    {
        "test_g28_a_release_takes_its_pins_along_under_a_new_name",
        "test_g22_a_heal_puts_the_pin_back_and_asks_nobody",
        "test_what_is_suspended_is_asked_when_it_is_no_more",
        "test_a_revert_is_the_very_artifact_that_ran_before",
    }
)


def live(stage: Stage) -> str:
    found = stage.world.clusters["prod"].look(DEPLOYMENT)
    assert found is not None
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def plan(stage: Stage, number: int) -> Plan:
    return next(one for one in stage.plans(number).plans if one.environment == "env-k8s-prod")


def infos(stage: Stage, number: int) -> list[str]:
    return [check.message for check in plan(stage, number).checks if check.severity is Severity.INFO]


def released(stage: Stage, tag: str, **more: Any) -> int:
    """A version that was proposed, approved and merged."""
    number = stage.propose(tag=tag, **more)
    stage.approve(number)
    stage.merge(number)
    return number


def tagged(tag: str, digest: str = "") -> str:
    return f"{HOST}/{NAME}:{tag}" + (f"@{digest}" if digest else "")


def test_g9_a_changed_tag_is_asked_once_and_its_digest_is_shown_approved_and_applied(
    listed: Stage, far: FarRegistry
) -> None:
    digest = far.push(NAME, "v2.0.1")
    number = listed.propose()
    assert far.manifests() == [("HEAD", f"{NAME}:v2.0.1")]
    (found,) = [change for change in plan(listed, number).changes if change.subject.startswith("Deployment")]
    assert tagged("v2.0.1", digest) in {field.after for field in found.fields}
    assert infos(listed, number) == [f"{UNIT}: 1 of 1 images pinned by digest, 1 of them by registry {HOST}"]
    listed.settle()
    listed.approve(number)
    merged = listed.merge(number)
    assert listed.statuses(merged)[APPLY][0] == "success"
    assert live(listed) == tagged("v2.0.1", digest)
    listed.settle()
    assert len(far.asked) == 1  # nothing at rest, nothing to apply


def test_what_is_accepted_carries_its_pins_and_who_knows_nothing_derives_the_same(
    listed: Stage, far: FarRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = far.push(NAME, "v2.0.1")
    released(listed, "v2.0.1")
    accepted = listed.ledger.units[UNIT].accepted
    assert [(pin.image, pin.digest) for pin in accepted.pins] == [(tagged("v2.0.1"), digest)]
    far.stop()
    listed.restart()
    units = listed.world.opened.planner.desires.at(accepted.revision).units
    found = {str(ref): unit for ref, unit in units.items()}[UNIT]
    assert (found.artifact, found.base) == (accepted.artifact, accepted.base)
    listed.ledger.pins.moves += 1  # as when another release is accepted
    again = listed.world.opened.planner.desires.at(accepted.revision).units
    assert {str(ref): unit for ref, unit in again.items()}[UNIT] is found  # what is made of the same is taken over
    effects = listed.effects()
    cut: list[object] = []
    real = Cutter.pinned
    monkeypatch.setattr(Cutter, "pinned", lambda *asked: cut.append(asked[-1]) or real(*asked))  # type: ignore[func-returns-value]
    assert listed.settle() == []
    listed.world.opened.reconciler.look_for_drift()
    assert listed.world.opened.reconciler.faults == []
    assert listed.effects() == effects
    assert "drift_detected" not in listed.actions()
    assert cut == []
    far.start()


def test_g20_a_plan_that_was_cut_off_is_finished_with_its_pins_and_no_registry(
    listed: Stage, far: FarRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = far.push(NAME, "v2.0.1")
    number = listed.propose()
    listed.approve(number)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("reconciler.app.perform.Performer.apply", crash)
        with pytest.raises(KeyboardInterrupt):
            listed.merge(number)
    far.push(NAME, "v2.0.1", "another")
    asked = len(far.asked)
    listed.restart()
    assert listed.settle() == []
    assert live(listed) == tagged("v2.0.1", digest)
    assert len(far.asked) == asked


def test_a_tag_that_moves_after_it_was_applied_changes_nothing(listed: Stage, far: FarRegistry) -> None:
    digest = far.push(NAME, "v2.0.1")
    released(listed, "v2.0.1")
    far.push(NAME, "v2.0.1", "another")
    asked, effects = len(far.asked), listed.effects()
    config = listed.world.example()[CONFIG].replace("${log_level}", "loud")
    assert config != listed.world.example()[CONFIG]
    listed.world.opened.reconciler.look_for_drift()
    number = listed.propose({CONFIG: config}, branch="config")
    shown = {change.subject: change for change in plan(listed, number).changes}
    assert "Deployment.apps svc-a/svc-a" not in shown
    assert infos(listed, number) == [f"{UNIT}: 1 of 1 images pinned by digest, 1 of them by registry {HOST}"]
    listed.approve(number)
    listed.merge(number)
    assert (live(listed), len(far.asked)) == (tagged("v2.0.1", digest), asked)
    assert listed.effects() > effects


def test_g11_a_tag_that_moved_gives_the_next_look_another_digest_and_voids_approvals(
    listed: Stage, far: FarRegistry
) -> None:
    far.push(NAME, "v2.0.1")
    number = listed.propose()
    listed.approve(number)
    first = listed.preview(number).previewed.digest
    moved = far.push(NAME, "v2.0.1", "another")
    listed.desk("dev_user").person().comment(number, "/reconciler preview")
    listed.settle()
    assert listed.preview(number).previewed.digest != first
    merged = listed.force_merge(number)
    state, words = listed.statuses(merged)[APPLY]
    assert (state, "approval" in words, words.endswith(f"dep-appr-{number}")) == ("pending", True, True), words
    assert live(listed) == tagged("v2.0.0")
    listed.desk("approver_user").decide_commit(listed.preview(number), merged, Verb.APPROVE, reason="the new one")
    listed.settle()
    assert live(listed) == tagged("v2.0.1", moved)


def test_what_was_approved_is_what_is_applied_wherever_its_tag_points_at_the_merge(
    listed: Stage, far: FarRegistry
) -> None:
    digest = far.push(NAME, "v2.0.1")
    number = listed.propose()
    listed.approve(number)
    far.push(NAME, "v2.0.1", "another")
    asked = len(far.asked)
    listed.merge(number)
    assert (live(listed), len(far.asked)) == (tagged("v2.0.1", digest), asked)


def test_g21_a_return_goes_to_the_pin_that_ran_and_asks_nobody(listed: Stage, far: FarRegistry) -> None:
    first = far.push(NAME, "v2.0.1")
    released(listed, "v2.0.1")
    far.push(NAME, "v2.0.2")
    released(listed, "v2.0.2")
    far.push(NAME, "v2.0.1", "another")
    asked = len(far.asked)
    listed.desk("dev_user").order(UNIT, Verb.ROLLBACK, reason="it hurts")
    listed.settle()
    assert live(listed) == tagged("v2.0.1", first)
    assert listed.ledger.units[UNIT].outcome == "rolled_back"
    assert len(far.asked) == asked


def test_a_revert_is_the_very_artifact_that_ran_before(listed: Stage, far: FarRegistry) -> None:
    first = far.push(NAME, "v2.0.1")
    released(listed, "v2.0.1")
    before = listed.ledger.units[UNIT].accepted.artifact
    far.push(NAME, "v2.0.2")
    released(listed, "v2.0.2")
    far.push(NAME, "v2.0.1", "another")
    asked = len(far.asked)
    released(listed, "v2.0.1", branch="revert")
    assert listed.ledger.units[UNIT].accepted.artifact == before
    assert (live(listed), len(far.asked)) == (tagged("v2.0.1", first), asked)


def test_what_was_accepted_without_a_pin_stays_so_until_it_changes(listed: Stage, far: FarRegistry) -> None:
    far.push(NAME, "v2.0.0")
    text = listed.release_text("v2.0.0", **{"health: {timeout: 5m}": "health: {timeout: 6m}"})
    config = listed.world.example()[CONFIG].replace("${log_level}", "loud")
    number = listed.propose({RELEASE: text, CONFIG: config}, branch="slower")
    assert infos(listed, number) == [
        f"{UNIT}: 0 of 1 images pinned by digest; by tag only: {tagged('v2.0.0')} (unchanged, and accepted without)"
    ]
    assert far.asked == []


def test_g17_a_push_is_held_with_its_pins_and_approved_as_they_are(listed: Stage, far: FarRegistry) -> None:
    digest = far.push(NAME, "v2.0.1")
    pushed = listed.world.commit("pushed", {RELEASE: listed.release_text("v2.0.1")}, author="dev_user")
    listed.settle()
    listed.settle()
    assert far.manifests() == [("HEAD", f"{NAME}:v2.0.1")]
    far.push(NAME, "v2.0.1", "another")
    state = listed.ledger.previews[f"dep-appr-{pushed[:12]}"]
    listed.desk("approver_user").decide_commit(state, pushed, Verb.APPROVE, reason="fine")
    listed.settle()
    assert live(listed) == tagged("v2.0.1", digest)
    assert len(far.asked) == 1


def test_g28_a_release_takes_its_pins_along_under_a_new_name(listed: Stage, far: FarRegistry) -> None:
    far.push(NAME, "v2.0.1")
    released(listed, "v2.0.1")
    before, asked = live(listed), len(far.asked)
    far.push(NAME, "v2.0.1", "another")
    text = listed.release_text("v2.0.1").replace("metadata: {name: svc-a}", "metadata: {name: svc-new}")
    number = listed.propose({RELEASE: None, "releases/new.yaml": text}, branch="rename", author="admin")
    found = {change.operation: change for change in plan(listed, number).changes if "Deployment" in change.subject}
    assert [field for field in found[Operation.HAND_OVER].fields if "image" in field.path] == []
    listed.approve(number)
    listed.merge(number)
    assert (live(listed), len(far.asked)) == (before, asked)


def test_g22_a_heal_puts_the_pin_back_and_asks_nobody(listed: Stage, far: FarRegistry) -> None:
    digest = far.push(NAME, "v2.0.1")
    released(listed, "v2.0.1")
    spec = "environments/env-k8s-prod.yaml"
    healed = listed.world.example()[spec].replace("drift: report", "drift: heal")
    number = listed.propose({spec: healed, RELEASE: listed.release_text("v2.0.1", timeout="timeout")}, branch="heal")
    listed.approve(number)
    listed.merge(number)
    far.push(NAME, "v2.0.2")
    released(listed, "v2.0.2")
    asked = len(far.asked)
    wanted = live(listed)
    listed.world.sandbox("prod").edit(
        DEPLOYMENT, {"spec": {"template": {"spec": {"containers": [{"name": NAME, "image": "x"}]}}}}, "kubectl-edit"
    )
    assert live(listed) != wanted
    listed.world.opened.reconciler.look_for_drift()
    assert (live(listed), len(far.asked)) == (wanted, asked)
    assert digest not in wanted


def test_what_is_suspended_is_asked_when_it_is_no_more(listed: Stage, far: FarRegistry) -> None:
    digest = far.push(NAME, "v2.0.1")
    text = listed.release_text("v2.0.1")
    number = listed.propose({RELEASE: text + "  suspend: true\n"}, branch="asleep")
    listed.approve(number)
    listed.merge(number)
    assert (live(listed), far.asked) == (tagged("v2.0.0"), [])
    number = listed.propose({RELEASE: text}, branch="awake")
    assert len(far.asked) == 1
    listed.approve(number)
    listed.merge(number)
    assert live(listed) == tagged("v2.0.1", digest)
