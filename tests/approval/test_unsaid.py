"""What nobody said has no power and no words: the defaults of what is written down about people and tickets.

Every value is made within its test, so that a changed default is seen (docs/decisions/0012).
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from reconciler.approval.denial import Denial
from reconciler.approval.inbox import Ask
from reconciler.approval.judgement import Counted, Way
from reconciler.approval.persons import Person
from reconciler.approval.question import Question
from reconciler.approval.roles import Permission
from reconciler.approval.statements import Statement
from reconciler.approval.tickets import REQUIRED_ROLE, Ticket, TicketAction, TicketEvent, TicketFacts, TicketStatus
from reconciler.names import Digest, Revision
from reconciler.plan.change import PlanSet
from reconciler.state.forge import Verdict as Said
from tests.approval.builders import NOW, plan, preview


def bare_question() -> Question:
    one = plan()
    return Question(
        repository="r", ticket="t", plans=PlanSet(plans=(one,), digest=Digest("0" * 64)), plan=one, preview=preview(),
        sides=(), pull=None, held=None, commits=(), reviews=(), author_is_bot=False, requester=None, changed_kinds=None,
    )  # fmt: skip


UNSAID: Mapping[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "a denial": (lambda: Denial("key", "words"), {"hint": ""}),
    "an approval": (
        lambda: Counted("1", "bob", Way.REVIEW, NOW, NOW, frozenset()),
        {"own": False, "root": False, "exclude_return": False},
    ),
    "a person": (lambda: Person("bob"), {"groups": frozenset(), "bot": False, "ai": False}),
    "a question": (
        bare_question,
        {"proposed_approvals": 0, "first": False, "restores": False, "decisions": (), "emergencies": ()},
    ),
    "an event": (
        lambda: TicketEvent("t", TicketAction.VIEWED, "bob", NOW),
        {"comment": "", "person": "", "expires_at": None, "facts": None},
    ),
    "facts": (lambda: TicketFacts((), "alice", "deployment_ui", "words"), {"detail": "", "digest": ""}),
    "a statement": (
        lambda: Statement(
            id="1", way=Way.REVIEW, verdict=Said.APPROVE, at=NOW, login="", signer="", base="", commit=Revision("")
        ),
        {"body": "", "bot": False, "decision": None, "unreadable": "", "late": None},
    ),
    "a ticket": (
        lambda: Ticket("t", TicketFacts((), "", "", ""), TicketStatus.PENDING, NOW, NOW, NOW),
        {"assigned_to": "", "approved_by": "", "rejected_by": "", "approved_at": None, "events": ()},
    ),
    "a look at the inbox": (lambda: Ask(), {"page": 1, "page_size": 50, "text": "", "descending": False}),
}


@pytest.mark.parametrize("name", UNSAID)
def test_what_nobody_said_is_not_there(name: str) -> None:
    make, expected = UNSAID[name]
    made = make()
    assert {field: getattr(made, field) for field in expected} == expected


def test_the_role_that_every_ticket_asks_for_is_the_permission_to_approve() -> None:
    assert REQUIRED_ROLE == Permission.SERVICE_APPROVE
