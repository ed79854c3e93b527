"""G13: when a review counts, and what it must have been given for."""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.approval.clocks import CLOCK_SKEW
from reconciler.approval.decision import CommitSubject, Posting, Verb
from reconciler.approval.judgement import Verdict, Why
from reconciler.names import SHORT, Digest, EventId
from reconciler.plan.change import Risk
from reconciler.state.forge import Verdict as Said
from tests.approval.builders import (
    HELD,
    NOW,
    OTHER_HEAD,
    PLAN_DIGEST,
    POSTED,
    TICKET_DIGEST,
    always,
    ask,
    commit,
    decision,
    key,
    merged,
    minutes,
    plan,
    preview,
    pull,
    review,
    signed,
    signed_review,
    why,
)

SECOND = timedelta(seconds=1)
LONG_BEFORE = POSTED - timedelta(hours=9)
CHANGED: dict[str, Any] = {"preview": preview(changed_at=POSTED)}


def test_g13_a_review_after_the_posting_of_this_digest_approves() -> None:
    judgement = ask(reviews=(review(),))
    assert judgement.verdict is Verdict.APPROVED
    assert [counted.person for counted in judgement.approvals] == ["bob"]
    assert judgement.reasons == ("approved by bob",)
    assert judgement.key == ""


@pytest.mark.parametrize(
    ("at", "counts"),
    [(POSTED - SECOND, False), (POSTED, False), (POSTED + timedelta(microseconds=1), True)],
)
def test_g13_a_review_counts_only_after_the_digest_was_posted(at: object, *, counts: bool) -> None:
    judgement = ask(reviews=(review(at=at),))  # type: ignore[arg-type]
    assert judgement.approved is counts
    assert why(judgement) == ([] if counts else [Why.TOO_EARLY])


@pytest.mark.parametrize(("after", "counts"), [(1, False), (59, False), (60, False), (60.000001, True), (61, True)])
def test_g13_after_a_change_of_digest_a_review_settles_for_sixty_seconds(after: float, *, counts: bool) -> None:
    judgement = ask(reviews=(review(at=POSTED + timedelta(seconds=after)),), **CHANGED)
    assert judgement.approved is counts
    if not counts:
        (ignored,) = judgement.ignored
        assert ignored.why is Why.TOO_EARLY
        assert f"submitted {after:g} s after the digest changed" in ignored.words


def test_g13_too_early_is_answered_in_words_with_the_seconds() -> None:
    (ignored,) = ask(reviews=(review(at=POSTED - 12 * SECOND),)).ignored
    assert ignored.words == "submitted 12 s before this digest was posted"
    assert ignored.key == "approval_required"


def test_g13_the_sixty_seconds_count_from_the_later_of_change_and_posting() -> None:
    late = preview(changed_at=POSTED - timedelta(minutes=5))
    assert not ask(preview=late, reviews=(review(at=POSTED + 30 * SECOND),)).approved
    assert ask(preview=late, reviews=(review(at=POSTED + 61 * SECOND),)).approved


@pytest.mark.parametrize("digest", [PLAN_DIGEST, TICKET_DIGEST])
def test_g13_a_review_that_quotes_the_digest_need_not_settle(digest: str) -> None:
    body = f"looks right: {digest[:SHORT]}"
    assert ask(reviews=(review(at=POSTED + SECOND, body=body),), **CHANGED).approved


@pytest.mark.parametrize("shift", [timedelta(), -SECOND])
def test_g13_quoting_does_not_help_before_the_posting(shift: timedelta) -> None:
    assert not ask(reviews=(review(at=POSTED + shift, body=TICKET_DIGEST),), **CHANGED).approved


@pytest.mark.parametrize(
    "body",
    [
        "",
        TICKET_DIGEST[: SHORT - 1],
        TICKET_DIGEST[:SHORT] + "0000",
        "0" + TICKET_DIGEST[:SHORT],
        "0" * 64,
        TICKET_DIGEST[4:20],
    ],
)
def test_g13_a_quote_that_is_not_the_digest_is_none(body: str) -> None:
    assert not ask(reviews=(review(at=POSTED + SECOND, body=body),), **CHANGED).approved


def test_g13_without_an_earlier_digest_nothing_has_to_settle() -> None:
    assert ask(reviews=(review(at=POSTED + SECOND),)).approved


@pytest.mark.parametrize(("before", "counts"), [(SECOND, True), (timedelta(), False), (-SECOND, False)])
def test_g13_a_review_counts_only_before_the_merge(before: timedelta, *, counts: bool) -> None:
    judgement = ask(pull=merged(at=minutes(15)), reviews=(review(at=minutes(15) - before),))
    assert judgement.approved is counts
    assert why(judgement) == ([] if counts else [Why.AFTER_MERGE])


@pytest.mark.parametrize("late", [False, True])
def test_g13_a_decision_that_came_to_us_after_the_merge_does_not_count_whatever_its_date(*, late: bool) -> None:
    judgement = ask(pull=merged(at=minutes(15)), decisions=(signed(at=minutes(10), late=late),))
    assert judgement.approved is not late
    assert why(judgement) == ([Why.AFTER_MERGE] if late else [])


def test_g13_a_decision_about_what_is_held_comes_after_what_landed() -> None:
    fields: dict[str, Any] = {"held": HELD, "preview": preview(head=HELD), "commits": (commit(revision=HELD),)}
    given = signed(made=decision(subject=CommitSubject(HELD)), late=True)
    assert ask(pull=merged(at=minutes(5), head=HELD), decisions=(given,), **fields).approved


@pytest.mark.parametrize(
    ("behind", "told"), [(timedelta(minutes=4), False), (CLOCK_SKEW, True), (timedelta(hours=9), True)]
)
def test_g13_a_clock_of_the_forge_that_is_behind_is_said_with_what_to_do(behind: timedelta, *, told: bool) -> None:
    """The preview was posted while it was open, so no merge can be older."""
    before = POSTED - behind
    slow = ask(pull=merged(at=before), reviews=(review(at=before - SECOND),))
    assert not slow.approved
    assert ("the forge's clock is behind ours; set both (NTP)" in slow.reasons[0]) is told
    again = ask(pull=merged(at=before), held=HELD, reviews=(review(at=minutes(12)),))
    assert again.approved  # held, and reviewed again when the clocks were right


@pytest.mark.parametrize(
    "fields",
    [
        {"pull": pull(merged_at=LONG_BEFORE)},
        {"pull": merged(at=LONG_BEFORE), "held": HELD},
    ],
)
def test_g13_a_preview_of_what_is_held_or_open_says_nothing_of_clocks(fields: dict[str, Any]) -> None:
    """What is held was merged before it was previewed; what is open was not merged, whatever else is said."""
    judgement = ask(commits=(commit(), commit(revision=HELD)), **fields)
    assert judgement.verdict is Verdict.PENDING
    assert not [words for words in judgement.reasons if "NTP" in words]


def test_g13_a_review_that_quotes_a_digest_of_its_future_proves_the_forges_clock_wrong() -> None:
    early = ask(reviews=(review(at=POSTED - SECOND, body=PLAN_DIGEST[:SHORT]),))
    assert why(early) == [Why.TOO_EARLY]
    assert "set both (NTP), then review it again" in early.ignored[0].words
    assert "NTP" not in ask(reviews=(review(at=POSTED - SECOND),)).ignored[0].words


def test_g13_a_clock_of_the_forge_that_is_ahead_is_waited_for() -> None:
    ahead = review(at=NOW + CLOCK_SKEW + SECOND)
    early = ask(reviews=(ahead,))
    assert (early.approved, "ahead of ours" in early.ignored[0].words) == (False, True)
    assert ask(None, NOW + 2 * SECOND, reviews=(ahead,)).approved


def test_g13_a_decision_that_was_seen_before_the_merge_counts_whatever_the_forges_clock_says() -> None:
    assert ask(pull=merged(at=minutes(8)), decisions=(signed(at=minutes(10)),)).approved


def test_g13_a_merge_of_unknown_time_blocks() -> None:
    judgement = ask(pull=merged(at=None), reviews=(review(),))  # type: ignore[arg-type]
    assert judgement.verdict is Verdict.PENDING
    assert "does not say when" in judgement.reasons[0]


def test_g13_a_review_from_the_future_counts_only_within_the_skew_of_clocks() -> None:
    assert ask(reviews=(review(at=NOW + CLOCK_SKEW),)).approved
    judgement = ask(reviews=(review(at=NOW + CLOCK_SKEW + SECOND),))
    assert why(judgement) == [Why.FROM_THE_FUTURE]
    assert not judgement.approved


def test_g13_a_fast_clock_gives_no_longer_approval() -> None:
    (counted,) = ask(reviews=(review(at=NOW + CLOCK_SKEW),)).approvals
    assert counted.ends == NOW + timedelta(hours=24)


@pytest.mark.parametrize("base", ["release", "", "MAIN"])
def test_g13_a_review_for_another_base_does_not_count(base: str) -> None:
    judgement = ask(reviews=(review(base=base),))
    assert why(judgement) == [Why.WRONG_BASE]
    assert judgement.ignored[0].key == "approval_ticket_scope_mismatch"
    assert not judgement.approved


def test_g13_a_retargeted_pull_request_needs_a_new_preview() -> None:
    judgement = ask(pull=pull(base="release"), reviews=(review(),))
    assert judgement.verdict is Verdict.PENDING
    assert judgement.key == "preview_required"


def test_g13_after_a_retarget_reviews_for_the_old_base_stay_with_it() -> None:
    judgement = ask(pull=pull(base="release"), preview=preview(base="release"), reviews=(review(),))
    assert why(judgement) == [Why.WRONG_BASE]


def test_g13_a_review_for_another_head_does_not_count() -> None:
    judgement = ask(reviews=(review(commit=OTHER_HEAD),))
    assert why(judgement) == [Why.WRONG_HEAD]
    assert not judgement.approved


def test_g13_a_review_for_a_head_that_only_merged_the_tracked_branch_counts() -> None:
    judgement = ask(reviews=(review(commit=OTHER_HEAD),), equivalent_heads=frozenset({OTHER_HEAD}))
    assert judgement.approved


def test_g13_the_pull_request_may_have_moved_to_an_equivalent_head() -> None:
    moved = pull(head=OTHER_HEAD)
    assert ask(pull=moved, reviews=(review(),), equivalent_heads=frozenset({OTHER_HEAD})).approved


def test_t3_a_push_after_the_approval_blocks_until_it_is_previewed() -> None:
    judgement = ask(pull=pull(head=OTHER_HEAD), reviews=(review(),))
    assert judgement.verdict is Verdict.PENDING
    assert judgement.key == "preview_required"
    assert OTHER_HEAD[:SHORT] in judgement.reasons[0]


CRITICAL: dict[str, Any] = {"plan": plan(risk=Risk.CRITICAL)}


@pytest.mark.parametrize("digest", [PLAN_DIGEST, TICKET_DIGEST])
@pytest.mark.parametrize("shape", ["{}", "approve `{}` please", "> {}\n", "{}."])
def test_g13_for_critical_risk_an_unsigned_review_quotes_twelve_digits(digest: str, shape: str) -> None:
    assert ask(reviews=(review(body=shape.format(digest[:SHORT].upper())),), **CRITICAL).approved


@pytest.mark.parametrize("body", ["", "LGTM", TICKET_DIGEST[:11], "0" * 12])
def test_g13_for_critical_risk_a_review_without_the_digits_does_not_count(body: str) -> None:
    judgement = ask(reviews=(review(body=body),), **CRITICAL)
    assert why(judgement) == [Why.UNQUOTED]
    assert TICKET_DIGEST[:SHORT] in judgement.ignored[0].words
    assert not judgement.approved


def test_g13_for_high_risk_nothing_need_be_quoted() -> None:
    assert ask(reviews=(review(),), plan=plan(risk=Risk.HIGH)).approved


def test_g13_for_critical_risk_a_signed_review_quotes_nothing() -> None:
    assert ask(reviews=(signed_review(),), **CRITICAL).approved


@pytest.mark.parametrize("ending", [Said.DISMISSED, Said.REJECT])
def test_g13_a_later_dismissal_or_rejection_ends_an_approval(ending: Said) -> None:
    judgement = ask(reviews=(review(at=minutes(5)), review(verdict=ending, at=minutes(6))))
    assert not judgement.approved
    assert judgement.approvals == ()
    assert why(judgement) == [Why.SUPERSEDED]


def test_g13_a_dismissed_review_is_no_approval() -> None:
    assert ask(reviews=(review(verdict=Said.DISMISSED),)).verdict is Verdict.PENDING


def test_g13_a_dismissal_does_not_revive_an_older_approval() -> None:
    reviews = (review(at=minutes(5)), review(at=minutes(6), verdict=Said.DISMISSED))
    assert not ask(reviews=reviews).approved
    assert not ask(reviews=reviews[::-1]).approved


def test_g13_a_dismissal_before_the_approval_changes_nothing() -> None:
    assert ask(reviews=(review(at=minutes(5), verdict=Said.DISMISSED), review(at=minutes(6)))).approved


def test_g13_a_dismissal_never_lifts_another_rejection() -> None:
    reviews = (review(at=minutes(5), verdict=Said.REJECT), review(at=minutes(6), verdict=Said.DISMISSED))
    assert ask(reviews=reviews).verdict is Verdict.REJECTED


def test_g13_a_re_review_after_a_rejection_approves() -> None:
    judgement = ask(reviews=(review(verdict=Said.REJECT, at=minutes(5)), review(at=minutes(6))))
    assert judgement.approved
    assert why(judgement) == [Why.SUPERSEDED]


def test_g13_an_ignored_re_review_does_not_lift_the_rejection() -> None:
    reviews = (review(verdict=Said.REJECT, at=minutes(5)), review(at=minutes(6), commit=OTHER_HEAD))
    assert ask(reviews=reviews).verdict is Verdict.REJECTED


def test_g13_at_one_moment_the_rejection_is_the_later_word() -> None:
    reviews = (review(verdict=Said.REJECT), review())
    assert ask(reviews=reviews).verdict is Verdict.REJECTED
    assert ask(reviews=reviews[::-1]).verdict is Verdict.REJECTED


def test_g13_a_comment_is_no_verdict() -> None:
    judgement = ask(reviews=(review(), review(verdict=Said.COMMENT, at=minutes(11), body="no!")))
    assert judgement.approved
    assert judgement.ignored == ()


@pytest.mark.parametrize(
    "fields",
    [{"commit": OTHER_HEAD}, {"base": "release"}, {"at": POSTED - timedelta(days=3)}, {"body": "not like this"}],
)
def test_g13_a_rejection_by_anyone_who_could_approve_blocks_whenever_given(fields: dict[str, object]) -> None:
    rejection = review("carol", Said.REJECT, **fields)  # type: ignore[arg-type]
    judgement = ask(reviews=(rejection, review()))
    assert judgement.verdict is Verdict.REJECTED
    assert judgement.key == "approval_ticket_not_approved"
    assert [(one.person, one.comment) for one in judgement.rejections] == [("carol", rejection.body)]
    assert judgement.reasons == ("rejected by carol",)


def test_g13_a_rejection_from_an_account_that_the_forge_marks_as_bot_does_not_block() -> None:
    assert ask(reviews=(review(verdict=Said.REJECT, author_is_bot=True), review("carol"))).approved


@pytest.mark.parametrize("signer", [key("an old key"), key("carol"), key("bob")])
def test_g13_a_rejection_blocks_by_the_account_whatever_key_signed_its_decision(signer: str) -> None:
    rejection = signed_review(made=decision(Verb.REJECT), verdict=Said.REJECT, signer=signer)
    judgement = ask(reviews=(rejection, review("carol")))
    assert [one.person for one in judgement.rejections] == ["bob"]


@pytest.mark.parametrize("by", ["stranger", "robot", "oracle", "nobody"])
def test_g13_a_rejection_by_somebody_who_could_never_approve_does_not_block(by: str) -> None:
    assert ask(reviews=(review(by, Said.REJECT), review())).approved


def test_g13_a_rejection_by_a_contributor_with_the_role_blocks() -> None:
    assert ask(reviews=(review("alice", Said.REJECT), review())).verdict is Verdict.REJECTED


def test_g13_the_order_in_which_reviews_arrive_does_not_matter() -> None:
    reviews = (review(at=minutes(5)), review(verdict=Said.REJECT, at=minutes(6)), review(at=minutes(7)))
    assert ask(reviews=reviews[::-1]).approved


def test_g10_an_approval_stands_while_another_environments_part_of_the_ticket_moved() -> None:
    before = Posting(EventId("00-earlier"), Digest("5" * 64))
    old = signed_review(made=decision(digest=before.digest, event=before.event))
    assert not ask(reviews=(old,)).approved
    assert ask(reviews=(old,), preview=preview(earlier=(before,))).approved
    quoting = review(body=before.digest[:SHORT])
    assert not ask(reviews=(quoting,), **CRITICAL).approved
    assert ask(reviews=(quoting,), preview=preview(earlier=(before,)), **CRITICAL).approved


def test_g13_when_an_account_is_written_in_other_letters_it_is_the_same() -> None:
    assert ask(reviews=(review(author="BOB-Login"),)).approved


def test_g3_all_of_the_settings_required_approvals_are_needed() -> None:
    two = always(approvals={"high": 2})
    judgement = ask(two, reviews=(review(),))
    assert judgement.verdict is Verdict.PENDING
    assert judgement.key == "approval_required"
    assert [(one.missing, one.may_approve) for one in judgement.open_scopes] == [(1, ("admin", "carol", "dave"))]
    assert ask(two, reviews=(review(), review("carol"))).approved
    assert not ask(two, reviews=(review(), review(at=minutes(12)))).approved
