"""What people get for a command in a comment: done where they may, answered once, and never an approval (G22, G23)."""

from reconciler.machine.entry import Hold
from reconciler.report.comment_commands import MOST
from tests.story.stage import Stage


def say(stage: Stage, number: int, *bodies: str, login: str = "dev_user") -> list[str]:
    """Comment and let the reconciler look twice; what it answered to these, oldest first."""
    before = len(answers(stage, number))
    for body in bodies:
        stage.desk(login).person().comment(number, body)
    stage.settle()
    stage.restart()
    stage.settle()
    return answers(stage, number)[before:]


def answers(stage: Stage, number: int) -> list[str]:
    comments = stage.desk("admin").person().show(number).comments
    return [comment.body for comment in comments if "reconciler:answer" in comment.body]


def test_every_command_is_answered_once_and_none_approves(stage: Stage) -> None:
    number = stage.propose()
    (unknown,) = say(stage, number, "/reconciler approve")
    assert "`/reconciler approve`" in unknown
    assert "| `/reconciler hold` |" in unknown
    explained, held, retried = say(
        stage, number, "/reconciler explain 32002", "/reconciler hold", "/reconciler retry", login="admin"
    )
    assert "preview_expired" in explained
    assert "24 hours" in held
    assert all(isinstance(hold, Hold) and hold.by == "admin" for hold in stage.ledger.holds.values())
    assert "Not done: `release_state_invalid`" in retried
    resumed, cancelled = say(stage, number, "/reconciler resume", "/reconciler cancel", login="admin")
    assert "Going on" in resumed
    assert not stage.ledger.holds
    assert "by closing it" in cancelled
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] == "pending"


def test_edited_comments_and_a_flood_are_not_obeyed(stage: Stage) -> None:
    number = stage.propose()
    person = stage.desk("admin").person()
    person.edit_comment(number, person.comment(number, "looks fine"), "/reconciler hold")
    assert say(stage, number) == []
    assert not stage.ledger.holds
    said = say(stage, number, *["/reconciler help"] * (MOST + 3), "/reconciler hold", login="admin")
    assert len(said) == MOST + 1
    assert "`rate_limited`" in said[-1]
    assert not stage.ledger.holds
    (heard,) = say(stage, number, "/reconciler hold", login="dev_user")
    assert "24 hours" in heard
    assert stage.ledger.holds
