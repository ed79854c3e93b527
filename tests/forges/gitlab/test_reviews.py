"""What an approval on GitLab is worth (G13): for which head and base, from when, and until when."""

from datetime import timedelta

import pytest

from reconciler.errors import Rejected, Unavailable
from reconciler.forges.gitlab.reviews import LATE, NOTHING, SKEW
from reconciler.state.forge import Review, Verdict
from tests.contracts.forge_gitlab import GitLabUnderTest
from tests.contracts.forge_world import ANA, BEN, CLEO, Says, opened
from tests.forges.gitlab.state import DEVELOPER, MergeRequest, SteppingClock


def request_of(world: GitLabUnderTest, number: int) -> MergeRequest:
    return world.project.merge_requests[number - 1]


def only(world: GitLabUnderTest, number: int) -> Review:
    (review,) = world.forge.reviews(number)
    return review


def step(world: GitLabUnderTest, by: timedelta) -> None:
    """From now on this much time lies between two things that happen."""
    world.server.state.now = SteppingClock(world.server.state.now(), by).now


# --- for which head


def test_g13_an_approval_whose_note_was_written_after_a_push_is_for_the_head_before(world: GitLabUnderTest) -> None:
    number = opened(world)
    approved = world.tip("feature")
    world.server.state.approval_notes_wait = True
    world.ask("POST", f"/merge_requests/{number}/approve", {"sha": approved}, as_=BEN)
    world.push(ANA, "feature", {"evil.yaml": "evil: 1\n"})
    world.server.state.write_waiting_notes()
    review = only(world, number)
    assert (review.verdict, review.commit) == (Verdict.APPROVE, approved)


def test_an_approval_without_its_note_does_not_count_yet(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.server.state.approval_notes_wait = True
    world.ask("POST", f"/merge_requests/{number}/approve", {}, as_=BEN)
    assert world.forge.reviews(number) == ()
    world.server.state.write_waiting_notes()
    assert only(world, number).verdict is Verdict.APPROVE


def test_an_older_note_does_not_stand_for_a_newer_approval(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.review(BEN, number, Says.APPROVE)
    world.server.state.approval_notes_wait = True
    world.ask("POST", f"/merge_requests/{number}/unapprove", {}, as_=BEN)
    world.ask("POST", f"/merge_requests/{number}/approve", {}, as_=BEN)
    assert only(world, number).verdict is Verdict.DISMISSED
    world.server.state.write_waiting_notes()
    assert [one.verdict for one in world.forge.reviews(number)] == [Verdict.DISMISSED, Verdict.APPROVE]


@pytest.mark.parametrize(("told", "doubt"), [(True, SKEW), (False, LATE)], ids=["time told", "only a note"])
def test_g13_an_approval_soon_after_a_push_is_for_the_head_before(
    world: GitLabUnderTest, *, told: bool, doubt: timedelta
) -> None:
    world.server.state.tells_approval_times = told
    number = opened(world)
    before = world.tip("feature")
    step(world, doubt / 2 - timedelta(seconds=1))  # the approval, then its note
    pushed = world.push(ANA, "feature", {"more.yaml": "more: 1\n"})
    world.review(BEN, number, Says.APPROVE)
    assert only(world, number).commit == before
    step(world, doubt * 2)
    world.review(CLEO, number, Says.APPROVE)
    assert {one.author: one.commit for one in world.forge.reviews(number)} == {BEN: before, CLEO: pushed}


def test_the_first_head_may_be_approved_at_once(world: GitLabUnderTest) -> None:
    step(world, timedelta(seconds=1))
    number = opened(world)
    world.review(BEN, number, Says.APPROVE)
    assert only(world, number).commit == world.tip("feature")


def test_g13_where_the_first_versions_are_missing_an_approval_before_the_others_is_for_nothing(
    world: GitLabUnderTest,
) -> None:
    number = opened(world)
    step(world, timedelta(seconds=1))
    world.push(ANA, "feature", {"more.yaml": "more: 1\n"})
    world.review(BEN, number, Says.APPROVE)
    del request_of(world, number).versions[0]
    assert (only(world, number).commit, only(world, number).base) == (NOTHING, "")


def test_f13_a_push_between_two_answers_is_waited_out(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.review(BEN, number, Says.APPROVE)
    world.server.lies.append(lambda path, said: said[1:] if path.endswith("/versions") else said)
    with pytest.raises(Unavailable, match="changed meanwhile"):
        world.forge.reviews(number)


# --- for which base


def test_g13_a_base_that_was_deleted_is_not_the_base_now(world: GitLabUnderTest) -> None:
    world.push(CLEO, "release", {"release.yaml": "r: 1\n"})
    number = opened(world)
    request_of(world, number).target_branch = "release"
    world.review(BEN, number, Says.APPROVE)
    one = request_of(world, number)
    words = "deleted the `release` branch. This merge request now targets the `main` branch"
    one.target_branch = "main"
    world.server.state.happened(one, world.server.state.user(CLEO), words)
    assert only(world, number).base == "release"
    step(world, SKEW / 2)
    one.notes[-1].created_at = world.server.state.now()  # it happened just now
    world.review(CLEO, number, Says.APPROVE)
    assert [review.base for review in world.forge.reviews(number)] == ["release", ""]


def test_g13_a_change_of_the_base_that_no_note_tells_makes_earlier_approvals_be_for_none(
    world: GitLabUnderTest,
) -> None:
    world.push(CLEO, "release", {"release.yaml": "r: 1\n"})
    number = opened(world)
    world.review(BEN, number, Says.APPROVE)
    world.retarget(ANA, number, "release")
    request_of(world, number).notes.pop()
    assert only(world, number).base == ""


def test_g13_notes_that_contradict_the_base_now_make_approvals_be_for_none(world: GitLabUnderTest) -> None:
    world.push(CLEO, "release", {"release.yaml": "r: 1\n"})
    number = opened(world)
    world.retarget(ANA, number, "release")
    world.review(BEN, number, Says.APPROVE)
    assert only(world, number).base == "release"
    request_of(world, number).target_branch = "main"
    assert only(world, number).base == ""


def test_g13_an_approval_at_the_moment_of_a_change_of_the_base_is_for_neither(world: GitLabUnderTest) -> None:
    world.push(CLEO, "release", {"release.yaml": "r: 1\n"})
    number = opened(world)
    step(world, timedelta(seconds=2))
    world.review(BEN, number, Says.APPROVE)
    world.retarget(ANA, number, "release")
    world.review(CLEO, number, Says.APPROVE)
    assert [one.base for one in world.forge.reviews(number)] == ["", ""]


# --- until when


def test_an_approval_that_gitlab_took_back_without_a_note_is_none(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.review(BEN, number, Says.APPROVE)
    request_of(world, number).approvals.clear()  # as `reset_approvals` and a push may
    assert only(world, number).verdict is Verdict.DISMISSED


def test_an_approval_that_was_taken_back_is_none_whatever_else_gitlab_says(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.review(BEN, number, Says.APPROVE)
    stood = dict(request_of(world, number).approvals)
    world.dismiss(BEN, number, "")
    request_of(world, number).approvals.update(stood)  # an old answer of a cache
    assert only(world, number).verdict is Verdict.DISMISSED


def test_an_approval_that_is_given_again_counts_from_then(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.review(BEN, number, Says.APPROVE)
    world.dismiss(BEN, number, "")
    world.review(BEN, number, Says.APPROVE)
    first, second = world.forge.reviews(number)
    assert (first.verdict, second.verdict) == (Verdict.DISMISSED, Verdict.APPROVE)
    assert second.submitted_at == next(iter(request_of(world, number).approvals.values()))


def test_g13_a_rejection_stands_when_its_reviewer_is_removed_or_asked_again(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.review(BEN, number, Says.REJECT)
    request_of(world, number).reviewers.clear()
    assert [one.verdict for one in world.forge.reviews(number)] == [Verdict.REJECT]
    world.review(BEN, number, Says.APPROVE)
    assert [one.verdict for one in world.forge.reviews(number)] == [Verdict.REJECT, Verdict.APPROVE]


def test_g13_a_rejection_that_no_note_tells_stands_and_is_the_latest(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.review(BEN, number, Says.APPROVE)
    ben = world.server.state.user(BEN)
    request_of(world, number).reviewers[ben.id] = "requested_changes"
    approval, rejection = world.forge.reviews(number)
    assert (rejection.author, rejection.verdict) == (BEN, Verdict.REJECT)
    assert rejection.submitted_at >= approval.submitted_at


# --- whose


@pytest.mark.parametrize("words", ["approved this merge request", "requested changes"])
def test_t5_what_a_person_writes_is_no_system_note(world: GitLabUnderTest, words: str) -> None:
    number = opened(world)
    request_of(world, number).approvals[world.server.state.user(BEN).id] = world.server.state.now()
    world.comment(BEN, number, words)
    assert world.forge.reviews(number) == ()


def test_t5_an_imported_note_is_nobodys_approval(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.review(BEN, number, Says.APPROVE)
    request_of(world, number).notes[-1].imported = True
    assert world.forge.reviews(number) == ()


@pytest.mark.parametrize(
    ("username", "bot"), [("project_7_bot_0af3", False), ("helper", True), ("service_account_x", False)]
)
def test_t4_a_bots_approval_says_so(world: GitLabUnderTest, *, username: str, bot: bool) -> None:
    made = world.server.state.add_user(username, bot=bot)
    world.project.members[made.id] = DEVELOPER
    number = opened(world)
    world.review(username, number, Says.APPROVE)
    assert only(world, number).author_is_bot


def test_t4_who_was_blocked_or_is_unknown_counts_as_a_bot(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.review(BEN, number, Says.APPROVE)
    world.server.state.user(BEN).state = "blocked"
    assert only(world, number).author_is_bot


@pytest.mark.parametrize("other", [{"id": 4711}, {"username": "somebody"}], ids=str)
def test_t4_an_account_whose_page_is_another_ones_counts_as_a_bot(
    world: GitLabUnderTest, other: dict[str, object]
) -> None:
    number = opened(world)
    world.review(BEN, number, Says.APPROVE)
    world.server.lies.append(lambda path, said: {**said, **other} if path.startswith("/users/") else said)
    assert only(world, number).author_is_bot


def test_versions_whose_times_contradict_their_order_are_no_answer(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.push(ANA, "feature", {"more.yaml": "more: 1\n"})
    world.review(BEN, number, Says.APPROVE)
    request_of(world, number).versions[0].created_at += timedelta(days=1)
    with pytest.raises(Rejected, match="versions"):
        world.forge.reviews(number)
