"""Fields that a release leaves to others, from the pull request to the cluster: looked at, applied, healed."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from reconciler.app.perform import Performer
from reconciler.approval.decision import Verb
from reconciler.plan.change import Action, Severity
from tests.story.stage import RELEASE, Stage
from tests.story.test_healing import UNIT, healing, health, level, look, meddle, merged, told  # noqa: F401

RULE = '  ignoreDifferences:\n    - {kind: ConfigMap, name: svc-a, jsonPointers: ["/data/LOG_LEVEL"]}\n'
CONFIG = "releases/svc-a/manifests/configmap.yaml"

LONGER = frozenset(
    {
        "test_g9_a_value_that_comes_together_with_its_rule_is_blocked",
        "test_g9_a_value_that_was_accepted_while_it_was_suspended_is_not_left_unseen",
        "test_g21_a_rollout_that_fails_goes_back_over_the_rule_that_it_brought",
        "test_what_is_not_left_any_more_is_shown_first_and_then_ours_again",
        "test_g21_a_return_leaves_what_its_own_version_left",
        "test_a_preview_without_a_rule_says_nothing_of_others",
    }
)


def with_rule(stage: Stage, tag: str = "v2.0.0") -> str:
    return stage.release_text(tag).rstrip() + "\n" + RULE


def said(stage: Stage, number: int) -> list[str]:
    return [check.message for plan in stage.plans(number).plans for check in plan.checks]


def test_what_is_left_to_others_is_no_drift_and_outlives_the_next_version(stage: Stage) -> None:
    meddle(stage)
    assert look(stage) == []
    assert health(stage)[0] == "failure"
    effects = stage.effects()
    number = merged(stage, {RELEASE: with_rule(stage)}, "leave")
    assert "release/svc-a: 1 field is left to others: ConfigMap svc-a/svc-a data.LOG_LEVEL" in said(stage, number)
    assert look(stage) == []
    assert (stage.effects(), level(stage), len(told(stage, "drift_detected"))) == (effects, "trace", 1)
    assert UNIT not in stage.ledger.drifts.told
    merged(stage, {RELEASE: with_rule(stage, "v2.0.1")}, "next")
    assert (stage.image(), level(stage)) == ("v2.0.1", "trace")
    assert look(stage) == []
    assert (health(stage)[0], level(stage), len(told(stage, "drift_detected"))) == ("success", "trace", 1)


def test_g9_another_value_in_the_source_is_blocked_while_the_field_is_left(stage: Stage) -> None:
    """It would be neither compared nor sent, and made all the same by a heal: nobody would have seen it."""
    merged(stage, {RELEASE: with_rule(stage)}, "leave")
    fatal = stage.world.example()[CONFIG].replace("${log_level}", "fatal")
    number = stage.propose({CONFIG: fatal}, branch="fatal")
    [check] = [check for plan in stage.plans(number).plans for check in plan.blocked]
    assert (check.message, check.hint) == (
        "ConfigMap svc-a/svc-a data.LOG_LEVEL is left to others, and the source has another value there now",
        "take the rule out, or leave the value as it was accepted",
    )
    number = stage.propose({CONFIG: fatal, RELEASE: stage.release_text("v2.0.0")}, branch="both")
    plans = stage.plans(number).plans
    assert not [check for plan in plans for check in plan.blocked]
    assert {one.path for plan in plans for change in plan.changes for one in change.fields} == {"data.LOG_LEVEL"}


def test_g9_a_value_that_comes_together_with_its_rule_is_blocked(stage: Stage) -> None:
    fatal = stage.world.example()[CONFIG].replace("${log_level}", "fatal")
    number = stage.propose({CONFIG: fatal, RELEASE: with_rule(stage)}, branch="both")
    assert any("another value" in check.message for plan in stage.plans(number).plans for check in plan.blocked)


def test_g9_a_value_that_was_accepted_while_it_was_suspended_is_not_left_unseen(stage: Stage) -> None:
    fatal = stage.world.example()[CONFIG].replace("${log_level}", "fatal")
    merged(stage, {CONFIG: fatal, RELEASE: stage.release_text("v2.0.0").rstrip() + "\n  suspend: true\n"}, "asleep")
    number = stage.propose({RELEASE: with_rule(stage)}, branch="leave")
    assert any("nothing of it was shown" in one.message for plan in stage.plans(number).plans for one in plan.blocked)


def test_g9_what_is_taken_over_is_not_left_before_it_was_seen(stage: Stage) -> None:
    """An object that runs already and that no accepted source has: its value in the source is not shown."""
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "more", "namespace": "svc-a"},
        "data": {"A": "1"},
    }
    stage.world.sandbox("prod").place("api/v1/namespaces/svc-a/configmaps", body)
    text = stage.world.example()[CONFIG]
    more = f'{text.rstrip()}\n---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: more}}, data: {{A: "2"}}}}\n'
    rule = RULE.replace("name: svc-a", "name: more").replace("LOG_LEVEL", "A")
    number = stage.propose({CONFIG: more, RELEASE: stage.release_text("v2.0.0").rstrip() + "\n" + rule}, branch="more")
    assert any("it is there already" in one.message for plan in stage.plans(number).plans for one in plan.blocked)


def test_what_is_not_left_any_more_is_shown_first_and_then_ours_again(stage: Stage) -> None:
    wanted = level(stage)
    merged(stage, {RELEASE: with_rule(stage)}, "leave")
    meddle(stage)
    merged(stage, {RELEASE: with_rule(stage, "v2.0.1")}, "next")
    number = stage.propose({RELEASE: stage.release_text("v2.0.1")}, branch="ours")
    assert any("kubectl-edit" in check.message for plan in stage.plans(number).plans for check in plan.blocked)
    meddle(stage, wanted)  # the other one gives way
    stage.desk("dev_user").person().comment(number, "/reconciler preview")
    stage.settle()
    stage.approve(number, reason=stage.preview(number).previewed.digest[:12])
    stage.merge(number)
    assert level(stage) == wanted
    meddle(stage)
    assert look(stage) == []
    assert health(stage)[0] == "failure"


def test_g22_a_heal_puts_the_rest_right_and_leaves_what_is_left(healing: Stage) -> None:  # noqa: F811
    merged(healing, {RELEASE: with_rule(healing)}, "leave")
    body = healing.world.sandbox("prod").look("api/v1/namespaces/svc-a/configmaps/svc-a")
    assert body is not None
    other = next(key for key in body["data"] if key != "LOG_LEVEL")
    before = body["data"][other]
    change = {"data": {"LOG_LEVEL": "trace", other: "changed"}}
    healing.world.sandbox("prod").edit("api/v1/namespaces/svc-a/configmaps/svc-a", change, "kubectl-edit")
    assert look(healing) == []
    after = healing.world.sandbox("prod").look("api/v1/namespaces/svc-a/configmaps/svc-a")
    assert after is not None
    assert (after["data"]["LOG_LEVEL"], after["data"][other]) == ("trace", before)


def test_g21_a_return_leaves_what_its_own_version_left(stage: Stage) -> None:
    merged(stage, {RELEASE: with_rule(stage)}, "leave")
    merged(stage, {RELEASE: with_rule(stage, "v2.0.1")}, "next")
    meddle(stage)
    stage.desk("dev_user").order(UNIT, Verb.ROLLBACK, reason="back")
    assert stage.settle() == []
    assert (stage.image(), level(stage)) == ("v2.0.0", "trace")


def test_g21_a_return_over_the_version_that_brought_the_rule(stage: Stage) -> None:
    merged(stage, {RELEASE: with_rule(stage, "v2.0.1")}, "leave")
    meddle(stage)  # as it may
    assert look(stage) == []
    stage.desk("dev_user").order(UNIT, Verb.ROLLBACK, reason="back")
    assert stage.settle() == []
    assert (stage.image(), level(stage), stage.ledger.units[UNIT].outcome) == ("v2.0.0", "trace", "rolled_back")


def test_g21_a_rollout_that_fails_goes_back_over_the_rule_that_it_brought(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may set the field from the apply on, and the automatic return meets them."""
    number = stage.propose({RELEASE: with_rule(stage, "v2.0.1-broken")}, branch="leave")
    stage.approve(number, reason=stage.preview(number).previewed.digest[:12])
    verify = Performer.verify
    done: list[int] = []

    def meddled(self: Performer, batch: Sequence[Action], timeouts: Mapping[str, timedelta]) -> None:
        if not done:
            done.append(1)
            meddle(stage)
        verify(self, batch, timeouts)

    monkeypatch.setattr(Performer, "verify", meddled)
    stage.merge(number)
    assert (done, stage.image(), level(stage)) == ([1], "v2.0.0", "trace")
    assert stage.ledger.units[UNIT].outcome == "rolled_back"


def test_what_cannot_be_left_is_a_problem_of_the_pull_request(stage: Stage) -> None:
    text = with_rule(stage).replace("/data/LOG_LEVEL", "/data/NONE")
    number = stage.propose({RELEASE: text}, branch="wrong")
    assert stage.statuses(stage.pull(number).head)["reconciler/validate"][0] == "failure"


def test_a_preview_without_a_rule_says_nothing_of_others(stage: Stage) -> None:
    number = stage.propose()
    checks = [check for plan in stage.plans(number).plans for check in plan.checks]
    assert not [check for check in checks if check.severity is Severity.INFO and "left to others" in check.message]
