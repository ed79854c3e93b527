"""The fold alone: who may say what, what it does, and how time goes. No Git here."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.forges.embedded import record as rec
from reconciler.forges.embedded.fold import RECONCILER, SKEW, Entry, Fold
from reconciler.names import Revision
from reconciler.state.forge import StatusState, Verdict

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
LATER = START + timedelta(days=1)
A, B, C = (Revision(sign * 40) for sign in "abc")
OPENED = rec.Opened(title="t", body="", base="main", head_ref="feature", head=A)
APPROVED = rec.Reviewed(verdict="approve", commit=A, base="main", body="")
REJECTED = rec.Reviewed(verdict="reject", commit=A, base="main", body="")
STATUS = rec.StatusSet(revision=A, context="c", state=StatusState.SUCCESS, description="")

Line = tuple[str, int, rec.Something]  # author, pull request, what


def entry(position: int, author: str, number: int, said: Any, at: datetime, key: str = "") -> Entry:
    record = rec.Record(repository="r", previous="", number=number, author=author, time=rec.written(at), said=said)
    return Entry(position, Revision(f"{position:040x}"), record, key or f"key of {author}")


def entries(*lines: Line) -> list[Entry]:
    return [
        entry(position, author, number, said, START + timedelta(minutes=position))
        for position, (author, number, said) in enumerate(lines, start=1)
    ]


def folded(given_entries: Sequence[Entry], now: datetime = LATER) -> Fold:
    fold = Fold(lambda login, key: key == f"key of {login}")
    fold.extend(given_entries, now)
    return fold


def reasons(fold: Fold) -> dict[int, str]:
    return {one.position: one.reason for one in fold.ignored}


def test_numbers_are_given_in_order() -> None:
    second = OPENED.model_copy(update={"head_ref": "other"})
    fold = folded(entries(("ana", 1, OPENED), ("ben", 2, second)))
    assert {number: thread.head_ref for number, thread in fold.threads.items()} == {1: "feature", 2: "other"}
    assert fold.ignored == []


def test_a_number_that_is_not_the_next_is_ignored_and_moves_no_other() -> None:
    fold = folded(entries(("ana", 7, OPENED), ("ana", 1, OPENED), ("ana", 3, OPENED)))
    assert set(fold.threads) == {3}
    assert set(reasons(fold)) == {1, 2}


def test_a_number_taken_by_a_stranger_is_not_given_again() -> None:
    """Otherwise a key that comes or goes in the policy would renumber what people have talked about."""
    lines = entries(("ana", 1, OPENED), ("ben", 2, OPENED))
    lines[0] = replace(lines[0], signer="somebody's key")
    fold = folded(lines)
    assert set(fold.threads) == {2}
    assert "not one of ana" in reasons(fold)[1]


NOT_ALLOWED: dict[str, tuple[list[Line], str]] = {
    "a status by a person": ([("ana", 0, STATUS)], "only the reconciler"),
    "a status with a number": ([(RECONCILER, 1, STATUS)], "only the reconciler"),
    "a marker by a person": (
        [("ana", 1, OPENED), ("ana", 1, rec.Commented(body="fake", marker="m"))],
        "only the reconciler marks",
    ),
    "a review by the reconciler": ([("ana", 1, OPENED), (RECONCILER, 1, APPROVED)], "reviews nothing"),
    "a comment on nothing": ([("ana", 1, rec.Commented(body="hello"))], "no pull request 1"),
    "another's comment edited": (
        [("ana", 1, OPENED), ("ana", 1, rec.Commented(body="x")), ("ben", 1, rec.CommentEdited(comment="2", body="y"))],
        "not one of its author's",
    ),
    "our comment edited by a person": (
        [
            ("ana", 1, OPENED),
            (RECONCILER, 1, rec.Commented(body="x", marker="m")),
            ("ana", 1, rec.CommentEdited(comment="2", body="y")),
        ],
        "not one of its author's",
    ),
    "a comment of another pull request edited": (
        [
            ("ana", 1, OPENED),
            ("ana", 2, OPENED),
            ("ana", 1, rec.Commented(body="x")),
            ("ana", 2, rec.CommentEdited(comment="3", body="y")),
        ],
        "not one of its author's",
    ),
    "a review dismissed that is none": (
        [("ana", 1, OPENED), ("ana", 1, rec.ReviewDismissed(review="1"))],
        "no review 1",
    ),
    "a rejection dismissed by another": (
        [("ana", 1, OPENED), ("ben", 1, REJECTED), ("ana", 1, rec.ReviewDismissed(review="2"))],
        "only its author ben",
    ),
    "a branch that is its own base": ([("ana", 1, OPENED.model_copy(update={"base": "feature"}))], "its own base"),
    "a base that is the branch": ([("ana", 1, OPENED), ("ana", 1, rec.Retargeted(base="feature"))], "its own base"),
    "closed twice": ([("ana", 1, OPENED), ("ana", 1, rec.Closed(head=A)), ("ben", 1, rec.Closed(head=B))], "already"),
    "reopened while open": ([("ana", 1, OPENED), ("ana", 1, rec.Reopened())], "not closed"),
    "merged while closed": (
        [
            ("ana", 1, OPENED),
            ("ana", 1, rec.Closed(head=A)),
            ("ana", 1, rec.Merged(method=rec.Method.MERGE, base="main", parent=B, head=A, merge_commit=C)),
        ],
        "closed",
    ),
    "merged into another base": (
        [
            ("ana", 1, OPENED),
            ("ana", 1, rec.Merged(method=rec.Method.MERGE, base="release", parent=B, head=A, merge_commit=C)),
        ],
        "the base is main",
    ),
    "begun in the middle": ([("ana", 1, OPENED), ("ana", 0, rec.Began())], "began before"),
}


@pytest.mark.parametrize(("lines", "reason"), NOT_ALLOWED.values(), ids=NOT_ALLOWED.keys())
def test_what_may_not_be_is_ignored_and_says_why(lines: list[Line], reason: str) -> None:
    fold = folded(entries(*lines))
    assert list(reasons(fold)) == [len(lines)]
    assert reason in reasons(fold)[len(lines)]
    before = folded(entries(*lines[:-1]))
    assert (fold.threads, fold.statuses) == (before.threads, before.statuses)


def test_a_record_that_does_not_count_takes_no_other_with_it() -> None:
    fold = folded(
        entries(
            ("ana", 1, OPENED), ("ana", 9, APPROVED), ("ana", 0, STATUS), ("ben", 1, APPROVED), ("zoe", 1, REJECTED)
        )
    )
    assert [review.author for review in fold.threads[1].reviews.values()] == ["ben", "zoe"]
    assert set(reasons(fold)) == {2, 3}


def test_an_approval_can_be_dismissed_by_anybody_and_a_rejection_by_its_author() -> None:
    fold = folded(
        entries(
            ("ana", 1, OPENED),
            ("ben", 1, APPROVED),
            ("zoe", 1, REJECTED),
            ("ana", 1, rec.ReviewDismissed(review="2")),
            ("zoe", 1, rec.ReviewDismissed(review="3")),
        )
    )
    assert [review.verdict for review in fold.threads[1].reviews.values()] == [Verdict.DISMISSED] * 2


def test_a_dismissed_rejection_cannot_be_dismissed_back_into_an_approval() -> None:
    fold = folded(entries(("ana", 1, OPENED), ("ben", 1, APPROVED), *[("ana", 1, rec.ReviewDismissed(review="2"))] * 2))
    assert fold.threads[1].reviews["2"].verdict is Verdict.DISMISSED


def test_statuses_keep_the_latest_of_each_context() -> None:
    failed = STATUS.model_copy(update={"state": StatusState.FAILURE})
    fold = folded(entries(*[(RECONCILER, 0, STATUS), (RECONCILER, 0, failed)] * 50))
    assert [one.state for one in fold.statuses[A].values()] == [StatusState.FAILURE]


def test_the_signature_of_a_decision_is_that_of_its_key_and_nobody_elses() -> None:
    opened, approved = entries(("ana", 1, OPENED), ("ben", 1, APPROVED))
    fold = folded([opened, replace(approved, decision_signer="ssh-ed25519 AAAA")])
    assert fold.threads[1].reviews["2"].signer == "ssh-ed25519 AAAA"
    assert folded([opened, approved]).threads[1].reviews["2"].signer == ""


# --- time


def test_time_never_goes_back() -> None:
    lines = [
        entry(1, "ana", 1, OPENED, START + timedelta(hours=1)),
        entry(2, "ben", 1, APPROVED, START),
        entry(3, "zoe", 1, REJECTED, START + timedelta(hours=1)),
    ]
    thread = folded(lines).threads[1]
    times = [thread.created_at, *(review.submitted_at for review in thread.reviews.values())]
    assert times == sorted(set(times)), "not one after the other"
    assert times[0] == START + timedelta(hours=1)


@given(st.lists(st.integers(min_value=-(10**9), max_value=10**9), min_size=1, max_size=20))
def test_whatever_clocks_say_the_order_of_the_log_is_the_order_of_time(seconds: list[int]) -> None:
    lines = [entry(1, "ana", 1, OPENED, START)]
    lines += [
        entry(place, "ben", 1, APPROVED, START + timedelta(seconds=second))
        for place, second in enumerate(seconds, start=2)
    ]
    thread = folded(lines, now=START + timedelta(seconds=2 * 10**9)).threads[1]
    times = [thread.created_at, *(review.submitted_at for review in thread.reviews.values())]
    assert len(times) == len(seconds) + 1
    assert all(one < other for one, other in pairwise(times))


def test_a_record_from_the_future_does_not_count() -> None:
    """A far future would otherwise be the time of everything after it: approvals without an end."""
    now = START + timedelta(minutes=10)
    lines = [
        entry(1, "ana", 1, OPENED, START),
        entry(2, "ben", 1, APPROVED, now + SKEW + timedelta(seconds=1)),
        entry(3, "zoe", 1, APPROVED, now + SKEW),
    ]
    fold = folded(lines, now)
    assert [review.author for review in fold.threads[1].reviews.values()] == ["zoe"]
    assert "future" in reasons(fold)[2]


def test_a_record_from_the_future_does_not_count_later_either() -> None:
    """Our own next record says what time it was."""
    lines = [
        entry(1, "ana", 1, OPENED, START),
        entry(2, "ben", 1, APPROVED, START + timedelta(days=365)),
        entry(3, RECONCILER, 0, STATUS, START + timedelta(minutes=1)),
        entry(4, "zoe", 1, APPROVED, START + timedelta(minutes=2)),
    ]
    fold = folded(lines, now=START + timedelta(days=1000))
    assert [review.author for review in fold.threads[1].reviews.values()] == ["zoe"]
    assert fold.threads[1].reviews["4"].submitted_at == START + timedelta(minutes=2)


def test_a_reader_whose_own_clock_is_slow_believes_ours() -> None:
    lines = [
        entry(1, "ana", 1, OPENED, START),
        entry(2, RECONCILER, 0, STATUS, START + timedelta(minutes=1)),
        entry(3, "ben", 1, APPROVED, START + timedelta(minutes=2)),
    ]
    fold = folded(lines, now=START - timedelta(days=1))
    assert fold.ignored == []
    fold.extend([entry(4, "zoe", 1, APPROVED, START + timedelta(minutes=3))], START - timedelta(days=1))
    assert fold.ignored == []


# --- in pieces


lines_of_any_kind = st.lists(
    st.tuples(
        st.sampled_from(["ana", "ben", RECONCILER]),
        st.integers(0, 3),
        st.sampled_from(
            [
                OPENED,
                APPROVED,
                REJECTED,
                STATUS,
                rec.Began(),
                rec.Commented(body="x"),
                rec.Commented(body="x", marker="m"),
                rec.CommentEdited(comment="2", body="y"),
                rec.ReviewDismissed(review="2"),
                rec.ReviewDismissed(review="3"),
                rec.Assigned(assignees=["ana"]),
                rec.Retargeted(base="release"),
                rec.Retargeted(base="main"),
                rec.Closed(head=A),
                rec.Reopened(),
                rec.Merged(method=rec.Method.MERGE, base="main", parent=B, head=A, merge_commit=C),
            ]
        ),
    ),
    max_size=25,
)


@given(lines_of_any_kind, st.integers(0, 25))
def test_reading_in_two_pieces_gives_what_reading_at_once_gives(lines: list[Line], cut: int) -> None:
    given_entries = entries(*lines)
    whole = folded(given_entries)
    pieces = folded(given_entries[:cut])
    pieces.extend(given_entries[cut:], LATER)
    assert (pieces.threads, pieces.statuses, pieces.ignored) == (whole.threads, whole.statuses, whole.ignored)


@given(lines_of_any_kind)
def test_every_record_counts_or_is_reported(lines: list[Line]) -> None:
    fold = folded(entries(*lines))
    assert {one.position for one in fold.ignored} <= set(range(1, len(lines) + 1))
    assert len({one.position for one in fold.ignored}) == len(fold.ignored)


# --- our own clock was wrong


AHEAD = START + timedelta(days=2)


def test_what_was_recorded_ahead_of_time_is_no_later_time_of_anything() -> None:
    """When that time comes, an approval from before it would look as if it had just been given."""
    lines = [
        entry(1, "ana", 1, OPENED, START),
        entry(2, RECONCILER, 0, STATUS, AHEAD),
        entry(3, "zoe", 1, APPROVED, START + timedelta(minutes=5)),
        entry(4, RECONCILER, 0, STATUS, START + timedelta(minutes=6)),
    ]
    for now in (START + timedelta(minutes=7), AHEAD + timedelta(hours=1)):
        assert folded(lines, now).threads[1].reviews["3"].submitted_at == START + timedelta(minutes=5)


def test_what_was_read_under_a_clock_that_was_ahead_is_folded_again() -> None:
    opened, ours, approved = (
        entry(1, "ana", 1, OPENED, START),
        entry(2, RECONCILER, 0, STATUS, AHEAD),
        entry(3, "zoe", 1, APPROVED, START + timedelta(minutes=5)),
    )
    fold = folded([opened, ours], AHEAD)
    assert not fold.outdated([], AHEAD + timedelta(minutes=1))
    assert fold.outdated([approved], START + timedelta(minutes=6))


def test_our_own_record_that_says_earlier_has_all_folded_again_once() -> None:
    fold = folded([entry(1, "ana", 1, OPENED, START), entry(2, RECONCILER, 0, STATUS, AHEAD)], AHEAD)
    right = entry(3, RECONCILER, 0, STATUS, START + timedelta(minutes=6))
    assert fold.outdated([right], AHEAD)
    again = folded([*entries(("ana", 1, OPENED)), entry(2, RECONCILER, 0, STATUS, AHEAD), right], AHEAD)
    assert not again.outdated([entry(4, RECONCILER, 0, STATUS, START + timedelta(minutes=7))], AHEAD)


def test_a_time_that_was_not_believed_is_read_again_when_it_comes() -> None:
    fold = folded([entry(1, "ana", 1, OPENED, START), entry(2, "ben", 1, APPROVED, AHEAD)], START)
    assert not fold.outdated([], AHEAD - timedelta(seconds=1))
    assert fold.outdated([], AHEAD)


def test_under_a_slow_clock_we_write_no_time_that_makes_a_persons_record_one_from_the_future() -> None:
    """Read again from the start, the pull request would be gone for good."""
    lines = [entry(1, "ana", 1, OPENED, START)]
    slow = START - timedelta(days=3650)
    fold = Fold(lambda login, key: key == f"key of {login}")
    fold.extend([entry(1, RECONCILER, 0, STATUS, START), entry(2, "ana", 1, OPENED, START)], slow)
    assert 1 in fold.threads
    lines = [*lines, entry(2, RECONCILER, 0, STATUS, fold.our_tick(slow))]
    assert folded(lines, LATER).ignored == []
