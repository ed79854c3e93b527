"""A release that stays as it is is reached over the connection that was accepted last for its cluster, and no other."""

from reconciler.approval.decision import Verb
from tests.story.connecting import NAME, TOKEN, rotation, withdraw
from tests.story.stage import RELEASE, Stage
from tests.story.test_healing import UNIT, healing, health, level, look, meddle, merged, told  # noqa: F401

LONGER = frozenset(
    {
        "test_g21_a_return_on_order_and_forward_again_after_the_old_access_was_withdrawn",
        "test_g21_a_release_goes_back_over_the_connection_that_changed_with_it",
    }
)


def rotated(stage: Stage) -> None:
    """The rotation is accepted, and the old access withdrawn."""
    before = stage.ledger.units[UNIT]
    merged(stage, rotation(stage), "rotate")
    assert stage.ledger.units[f"cluster/{NAME}"].outcome == "applied"
    assert stage.ledger.units[UNIT] == before  # the release stands where it stood
    withdraw(stage)


def test_drift_is_told_after_the_old_access_was_withdrawn(stage: Stage) -> None:
    rotated(stage)
    meddle(stage)
    assert look(stage) == []
    assert health(stage)[0] == "failure"
    assert "LOG_LEVEL" in told(stage, "drift_detected")[-1]


def test_g22_drift_is_put_right_after_the_old_access_was_withdrawn(healing: Stage) -> None:  # noqa: F811
    wanted = level(healing)
    rotated(healing)
    accepted = healing.ledger.units[UNIT].accepted
    meddle(healing)
    assert look(healing) == []
    assert (level(healing), health(healing)[0]) == (wanted, "success")
    assert healing.ledger.units[UNIT].accepted == accepted  # the same revision with the same artifact
    withdraw(healing, TOKEN)
    meddle(healing)
    assert look(healing) == []
    assert (level(healing), len(told(healing, "drift_detected"))) == ("trace", 1)  # nobody is reached: nothing is told


def test_g21_a_failed_version_goes_back_after_the_old_access_was_withdrawn(stage: Stage) -> None:
    rotated(stage)
    before = stage.image()
    merged(stage, {RELEASE: stage.release_text("v2.0.1-broken")}, "broken")
    assert (stage.ledger.units[UNIT].outcome, stage.image()) == ("rolled_back", before)


def test_g21_a_return_on_order_and_forward_again_after_the_old_access_was_withdrawn(stage: Stage) -> None:
    merged(stage, {RELEASE: stage.release_text("v2.0.1")}, "next")
    rotated(stage)
    stage.desk("dev_user").order(UNIT, Verb.ROLLBACK, reason="back")
    assert stage.settle() == []
    assert (stage.ledger.units[UNIT].outcome, stage.image()) == ("rolled_back", "v2.0.0")
    stage.desk("dev_user").order(UNIT, Verb.RETRY, reason="forward again")
    assert stage.settle() == []
    assert (stage.ledger.units[UNIT].outcome, stage.image()) == ("applied", "v2.0.1")


def test_g2_a_connection_that_was_only_pushed_is_used_by_nothing(stage: Stage) -> None:
    stage.world.commit("straight", {k: v or "" for k, v in rotation(stage).items()}, author="dev_user")
    stage.settle()
    withdraw(stage, TOKEN)  # whoever used it would find nobody
    meddle(stage)
    assert look(stage) == []
    assert health(stage)[0] == "failure"
    meddle(stage, "info")
    assert any(ticket != "dep-appr-0" for ticket in stage.ledger.waiting)  # it is held


def test_g21_a_release_goes_back_over_the_connection_that_changed_with_it(stage: Stage) -> None:
    before = stage.image()
    merged(stage, {**rotation(stage), RELEASE: stage.release_text("v2.0.1-broken")}, "both")
    assert stage.ledger.units[UNIT].outcome == "failed"
    withdraw(stage)
    stage.desk("dev_user").order(UNIT, Verb.ROLLBACK, reason="back")
    assert stage.settle() == []
    assert (stage.ledger.units[UNIT].outcome, stage.image()) == ("rolled_back", before)


def test_g11_another_cluster_under_the_name_is_neither_looked_at_nor_written_to(healing: Stage) -> None:  # noqa: F811
    rotated(healing)
    meddle(healing)
    cluster = healing.world.sandbox("prod")
    home = cluster._store.objects["", "namespaces", "", "kube-system"]["metadata"]
    home["uid"] = home["uid"][::-1]
    effects = healing.effects()
    assert look(healing) == []
    assert told(healing, "drift_detected") == []
    healing.desk("dev_user").order(UNIT, Verb.ROLLBACK, reason="back")
    healing.settle()
    number = healing.propose({RELEASE: healing.release_text("v2.0.1")}, branch="next")
    assert [check.key for check in healing.plans(number).plans[0].blocked] == ["target_changed"]
    assert (healing.effects(), level(healing)) == (effects, "trace")


def test_g11_a_return_writes_nothing_to_another_cluster_under_the_name(stage: Stage) -> None:
    merged(stage, {RELEASE: stage.release_text("v2.0.1")}, "next")
    cluster = stage.world.sandbox("prod")
    home = cluster._store.objects["", "namespaces", "", "kube-system"]["metadata"]
    home["uid"] = home["uid"][::-1]
    effects = stage.effects()
    stage.desk("dev_user").order(UNIT, Verb.ROLLBACK, reason="back")
    stage.settle()
    assert stage.effects() == effects
    assert stage.ledger.units[UNIT].outcome == "rollback_failed"
    assert "another cluster" in told(stage, "rollback_failed")[-1]
