"""Break glass where a pull request covers two environments, and decisions that are dated ahead (G12, G23)."""

from datetime import timedelta

from reconciler.app.decisions import submit
from reconciler.approval.decision import Decision, PullSubject, Verb
from reconciler.git.commits import Person as Name
from reconciler.names import Revision
from tests.story.stage import DEPLOYMENT, Stage
from tests.story.test_emergency import Heard, break_glass, scaled


def _split(stage: Stage) -> tuple[int, Revision]:
    """An emergency in two environments, of which the second moved before the merge and is held."""
    stage.world.opened.reconciler.emergencies.announcer = Heard()
    number = stage.propose(scaled(stage, 5), branch="scale")
    break_glass(stage, number)
    stage.world.sandbox("staging").edit(DEPLOYMENT, {"spec": {"replicas": 7}})
    merged = stage.merge(number, settle=False)
    stage.world.opened.reconciler.look()
    return number, merged


def test_g23_an_emergency_whose_other_environment_is_held_still_gets_its_second_look(stage: Stage) -> None:
    number, merged = _split(stage)
    stage.settle()
    assert list(stage.ledger.emergencies) == [(f"dep-appr-{number}", "env-k8s-prod")]
    assert (f"dep-appr-{number}", "env-staging") in stage.ledger.refusals
    stage.world.sandbox("staging").edit(DEPLOYMENT, {"spec": {"replicas": 9}})  # it moves again while it is held
    stage.settle()
    stage.desk("approver_user").decide_commit(stage.preview(number), merged, Verb.APPROVE, reason="was right")
    stage.settle()
    assert not [fault for fault in stage.world.opened.reconciler.faults if fault.startswith("internal_error")]
    assert not stage.ledger.emergencies


def test_g12_a_decision_that_is_dated_ahead_does_not_outlive_the_time_of_an_approval(stage: Stage) -> None:
    number = stage.propose()
    state, desk = stage.preview(number), stage.desk("approver_user")
    now = stage.clock.now()
    ahead = Decision(
        repository=desk.repository(),
        subject=PullSubject(number, "main", stage.pull(number).head),
        verb=Verb.APPROVE,
        digest=state.previewed.digest,
        event=str(state.event),
        reason="some day",
        at=now + timedelta(days=60),
    )
    submit(desk.mirror, ahead, ticket=state.previewed.ticket, key=desk.key, person=Name(desk.login, desk.email(), now))
    stage.settle()
    head = stage.pull(number).head
    stage.clock.advance(timedelta(days=60, minutes=1))
    stage.settle()
    assert stage.statuses(head)["reconciler/approval"][0] != "success"
