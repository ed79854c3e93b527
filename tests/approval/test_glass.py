"""G23, G18, G21 as the judge says them: the glass broken, and what restores an approved state."""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.approval.decision import Decision, Verb
from reconciler.approval.hearing import eligible
from reconciler.approval.judgement import Judgement, Unasked, Verdict, Why
from reconciler.approval.question import OpenEmergency
from reconciler.names import Digest
from tests.approval.builders import (
    ALPHA,
    HELD,
    ask,
    commit,
    decision,
    key,
    minutes,
    policy,
    pull,
    question,
    review,
    signed,
)
from tests.approval.test_acts import BREAKERS, SCALED

BURNS = decision(Verb.EMERGENCY, reason="it burns")


def broken(by: str = "bob", made: Decision = BURNS, **fields: Any) -> Judgement:
    return ask(BREAKERS, **{"plan": SCALED, "decisions": (signed(by, made),), **fields})


def test_g23_broken_glass_approves_and_says_who_and_why() -> None:
    judgement = broken()
    assert (judgement.verdict, judgement.key, judgement.way) == (Verdict.APPROVED, "", Unasked.EMERGENCY)
    assert (judgement.emergency, judgement.required, judgement.blocks) == ("bob", 0, ())
    assert judgement.reasons == ("emergency approval of bob: it burns",)
    assert judgement.until == minutes(30) - timedelta(seconds=5)


def test_g23_where_a_review_is_enough_no_glass_is_broken() -> None:
    judgement = broken(reviews=(review("dave"),))
    assert judgement.approved
    assert judgement.emergency == ""
    assert [one.person for one in judgement.approvals] == ["dave"]


def test_g23_open_glass_holds_what_is_no_emergency_and_not_the_next_one() -> None:
    still = (OpenEmergency(ticket="dep-appr-6", person="dave"),)
    assert broken(emergencies=still).emergency == "bob"
    assert not ask(BREAKERS, plan=SCALED, emergencies=still, reviews=(review("dave"),)).approved


@pytest.mark.parametrize(
    ("by", "made", "person", "why"),
    [
        ("carol", BURNS, "carol", Why.NO_ROLE),
        ("mallory", BURNS, "unknown", Why.NO_ROLE),
        ("bob", decision(Verb.EMERGENCY, reason=" "), "bob", Why.NO_EMERGENCY),
        ("bob", decision(Verb.EMERGENCY, reason="x", digest=Digest("0" * 64)), "bob", Why.NO_EMERGENCY),
    ],
)
def test_g23_an_attempt_that_does_not_count_is_answered_in_words(
    by: str, made: Decision, person: str, why: Why
) -> None:
    judgement = broken(by, made)
    assert not judgement.approved
    assert judgement.key == "approval_required"
    (ignored,) = [one for one in judgement.ignored if one.id == "emergency 1"]
    assert (ignored.person, ignored.why) == (person, why)
    assert ignored.words


def test_g23_only_a_decision_to_break_the_glass_does() -> None:
    judgement = broken(by="alice", made=decision())
    assert not judgement.approved
    assert [one.why for one in judgement.ignored if one.id.startswith("emergency")] == []


# What restores an approved state (G18, G21)


def test_g18_what_restores_needs_no_approval_no_right_and_no_signature_of_a_user() -> None:
    judgement = ask(restores=True)
    assert (judgement.verdict, judgement.way) == (Verdict.APPROVED, Unasked.RESTORES)
    stranger: dict[str, Any] = {"pull": pull(author="stranger-login"), "commits": (commit(pusher="stranger-login"),)}
    assert ask(restores=True, **stranger).approved
    assert not ask(**stranger).approved


# Who counts, and when (G13, G14)


def test_g14_neither_the_author_nor_a_contributor_is_named_as_approver() -> None:
    by_bob = (commit(), commit(revision=HELD, pusher="bob-login", signing_key=key("bob")))
    names = set(eligible(question(commits=by_bob), policy(), ALPHA))
    assert "dave" in names
    assert not names & {"alice", "bob"}


def test_g13_who_never_had_the_role_and_who_got_it_too_late_are_told_apart() -> None:
    ignored = {one.person: one.words for one in ask(reviews=(review("stranger"),)).ignored}
    assert ignored == {"stranger": f"no role of stranger covers {ALPHA}"}
