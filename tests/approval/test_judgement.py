"""What a judgement says: the catalogue key of each reason, and when it grants a return (G21)."""

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.approval.judgement import Counted, Ignored, Judgement, Verdict, Way, Why
from tests.approval.builders import ALPHA, NOW

# Who may not is denied; what is about something else does not match; what came at the wrong time is still required.
KEYS: Mapping[str, frozenset[Why]] = {
    "approval_permission_denied": frozenset(
        {
            *(Why.UNSIGNED, Why.UNKNOWN_PERSON, Why.OTHER_PERSON, Why.BOT, Why.AI),
            *(Why.SELF, Why.CONTRIBUTOR, Why.NO_ROLE),
        }
    ),
    "approval_ticket_scope_mismatch": frozenset({Why.WRONG_BASE, Why.WRONG_HEAD, Why.OTHER_DECISION}),
    "approval_required": frozenset(
        {
            *(Why.TOO_EARLY, Why.FROM_THE_FUTURE, Why.AFTER_MERGE, Why.BEFORE_HELD),
            *(Why.UNQUOTED, Why.NO_EMERGENCY, Why.SUPERSEDED),
        }
    ),
    "validation_error": frozenset({Why.UNREADABLE}),
    "preview_expired": frozenset({Why.ENDED}),
}


@pytest.mark.parametrize("why", Why)
def test_the_key_of_an_ignored_statement_says_what_kind_of_reason_it_is(why: Why) -> None:
    assert [key for key, reasons in KEYS.items() if why in reasons] == [Ignored("1", "bob", why, "words").key]


def judged(**fields: Any) -> Judgement:
    given = {"environment": "prod", "verdict": Verdict.APPROVED, "key": "", "reasons": (), "required": 1, **fields}
    return Judgement(**given)


def counted(**fields: Any) -> Counted:
    return Counted("1", "bob", Way.REVIEW, NOW, NOW, frozenset({ALPHA}), **fields)


@pytest.mark.parametrize(
    ("fields", "grants"),
    [
        ({"approvals": (counted(),)}, True),
        ({"approvals": (counted(), counted(exclude_return=True))}, False),
        ({"emergency": "bob"}, False),
        ({"emergency": "bob", "approvals": (counted(),)}, False),
        ({"verdict": Verdict.PENDING}, False),
        ({"verdict": Verdict.ADDRESSES_ACCEPTED}, False),
    ],
)
def test_g21_people_grant_a_return_where_none_of_them_excludes_it(fields: dict[str, Any], *, grants: bool) -> None:
    assert judged(**fields).grants_return is grants
