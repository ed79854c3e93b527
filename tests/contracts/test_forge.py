"""What the gate relies on, of any forge: each test is a rule that G13 to G18 need, or a fault (F11 to F13)."""

from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from reconciler.errors import Rejected
from reconciler.names import Revision
from reconciler.ports import Forge
from reconciler.state.forge import PullRequestState, Verdict
from tests.contracts.forge_world import ANA, BEN, CLEO, FORGES, REAL, Feature, ForgeUnderTest, How, Says, opened


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.real] * (name in REAL)) for name in sorted(FORGES)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> ForgeUnderTest:
    """Each forge in turn."""
    return FORGES[request.param](tmp_path, request.getfixturevalue)


# --- pull requests


def test_an_open_pull_request_says_who_wants_what_where(world: ForgeUnderTest) -> None:
    head = world.push(ANA, "feature", {"a.yaml": "a: 2\n"})
    number = world.open(ANA, "feature", title="Raise a to 2", body="It is time.\n\nReally.")
    pull = world.forge.pull_request(number)
    assert (pull.number, pull.title, pull.body.strip()) == (number, "Raise a to 2", "It is time.\n\nReally.")
    assert (pull.author, pull.base, pull.head_ref, pull.head) == (ANA, "main", "feature", head)
    assert (pull.state, pull.merge_commit, pull.merged_by, pull.merged_at) == (PullRequestState.OPEN, None, "", None)
    assert world.forge.open_pull_requests() == (pull,)


def test_the_head_is_the_tip_of_the_branch_now(world: ForgeUnderTest) -> None:
    number = opened(world)
    pushed = world.push(ANA, "feature", {"more.yaml": "more: 1\n"})
    assert world.forge.pull_request(number).head == pushed
    forced = world.push(ANA, "feature", {"other.yaml": "other: 1\n"}, on=world.tip("main"))
    assert world.forge.pull_request(number).head == forced


def test_a_branch_of_the_repository_is_no_fork_and_its_author_can_write(world: ForgeUnderTest) -> None:
    pull = world.forge.pull_request(opened(world))
    assert (pull.from_fork, pull.author_can_write) == (False, True)


def test_a_pull_request_from_a_fork_says_so(world: ForgeUnderTest) -> None:
    if Feature.FORKS not in world.features:
        pytest.skip(f"{type(world).__name__} has no forks")
    number = world.open_from_fork(CLEO, {"fork.yaml": "fork: 1\n"})
    assert world.forge.pull_request(number).from_fork


def test_assignees_are_named(world: ForgeUnderTest) -> None:
    number = opened(world)
    assert world.forge.pull_request(number).assignees == ()
    world.assign(ANA, number, (BEN, CLEO))
    assert set(world.forge.pull_request(number).assignees) == {BEN, CLEO}
    world.assign(ANA, number, (CLEO,))
    assert world.forge.pull_request(number).assignees == (CLEO,)


def test_a_closed_pull_request_is_not_open_until_it_is_reopened(world: ForgeUnderTest) -> None:
    number = opened(world)
    world.close(BEN, number)
    pull = world.forge.pull_request(number)
    assert (pull.state, pull.merge_commit) == (PullRequestState.CLOSED, None)
    assert pull.closed_at is not None
    assert world.forge.open_pull_requests() == ()
    world.reopen(BEN, number)
    pull = world.forge.pull_request(number)
    assert (pull.state, pull.closed_at) == (PullRequestState.OPEN, None)
    assert [one.number for one in world.forge.open_pull_requests()] == [number]


def test_a_pull_request_whose_branch_is_gone_can_still_be_read_and_is_not_merged(world: ForgeUnderTest) -> None:
    number = opened(world)
    world.review(BEN, number, Says.APPROVE)
    head = world.tip("feature")
    world.delete_branch(ANA, "feature")
    pull = world.forge.pull_request(number)
    assert pull.state is not PullRequestState.MERGED
    assert (pull.head, pull.head_ref) == (head, "feature")
    assert len(world.forge.reviews(number)) == 1


def test_every_open_pull_request_is_listed_beyond_one_page(world: ForgeUnderTest) -> None:
    numbers = [opened(world, f"feature-{index}") for index in range(world.many)]
    assert sorted(one.number for one in world.forge.open_pull_requests()) == sorted(numbers)


def test_times_are_utc_and_in_order(world: ForgeUnderTest) -> None:
    number = opened(world)
    world.comment(BEN, number, "looks fine")
    world.review(BEN, number, Says.APPROVE)
    world.merge(CLEO, number, How.MERGE)
    pull = world.forge.pull_request(number)
    assert pull.merged_at is not None
    times = [
        pull.created_at,
        world.forge.comments(number)[0].created_at,
        world.forge.reviews(number)[0].submitted_at,
        pull.merged_at,
    ]
    assert all(time.utcoffset() == timedelta(0) for time in times)
    assert times == sorted(times)
    assert pull.created_at.tzinfo == UTC


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda forge: forge.pull_request(4711), id="pull_request"),
        pytest.param(lambda forge: forge.reviews(4711), id="reviews"),
        pytest.param(lambda forge: forge.comments(4711), id="comments"),
    ],
)
def test_a_number_that_does_not_exist_is_an_error_and_not_an_empty_answer(
    world: ForgeUnderTest, ask: Callable[[Forge], object]
) -> None:
    opened(world)
    with pytest.raises(Rejected, match="4711"):
        ask(world.forge)


# --- reviews


@pytest.mark.parametrize(
    ("says", "verdict"),
    [(Says.APPROVE, Verdict.APPROVE), (Says.REJECT, Verdict.REJECT), (Says.COMMENT, Verdict.COMMENT)],
)
def test_a_review_says_who_said_what_about_which_commit(world: ForgeUnderTest, says: Says, verdict: Verdict) -> None:
    number = opened(world)
    identity = world.review(BEN, number, says, "I looked at it")
    (review,) = world.forge.reviews(number)
    assert (review.id, review.author, review.verdict) == (identity, BEN, verdict)
    assert (review.commit, review.base) == (world.tip("feature"), "main")
    wordless = Feature.WORDLESS in world.features and says is not Says.COMMENT
    assert ("I looked at it" in review.body) is not wordless
    assert not review.author_is_bot


def test_g13_a_review_keeps_the_commit_that_it_was_given_for(world: ForgeUnderTest) -> None:
    number = opened(world)
    reviewed = world.tip("feature")
    world.review(BEN, number, Says.APPROVE)
    pushed = world.push(ANA, "feature", {"more.yaml": "more: 1\n"})
    assert world.forge.reviews(number)[0].commit == reviewed != pushed
    forced = world.push(ANA, "feature", {"evil.yaml": "evil: 1\n"}, on=world.tip("main"))
    assert world.forge.reviews(number)[0].commit == reviewed != forced
    world.review(CLEO, number, Says.APPROVE)
    assert [review.commit for review in world.forge.reviews(number)] == [reviewed, forced]


def test_g13_a_review_keeps_the_base_that_it_was_given_for(world: ForgeUnderTest) -> None:
    number = opened(world)
    world.push(CLEO, "release", {"release.yaml": "r: 1\n"})
    world.review(BEN, number, Says.APPROVE)
    world.retarget(ANA, number, "release")
    assert world.forge.pull_request(number).base == "release"
    assert world.forge.reviews(number)[0].base == "main"
    world.review(CLEO, number, Says.APPROVE)
    assert [review.base for review in world.forge.reviews(number)] == ["main", "release"]


def test_g13_a_dismissed_review_is_no_approval_any_more(world: ForgeUnderTest) -> None:
    number = opened(world)
    dismissed = world.review(BEN, number, Says.APPROVE)
    world.review(CLEO, number, Says.APPROVE)
    world.dismiss(BEN, number, dismissed)
    assert {review.author: review.verdict for review in world.forge.reviews(number)} == {
        BEN: Verdict.DISMISSED,
        CLEO: Verdict.APPROVE,
    }


def test_g13_each_verdict_of_a_person_is_there_in_order(world: ForgeUnderTest) -> None:
    number = opened(world)
    world.review(BEN, number, Says.APPROVE)
    world.review(BEN, number, Says.REJECT, "on second thought")
    verdicts = [(review.author, review.verdict) for review in world.forge.reviews(number)]
    assert verdicts[-1] == (BEN, Verdict.REJECT)
    times = [review.submitted_at for review in world.forge.reviews(number)]
    assert times == sorted(times)


def test_every_review_is_listed_beyond_one_page(world: ForgeUnderTest) -> None:
    number = opened(world)
    identities = [world.review(BEN, number, Says.COMMENT, f"remark {index}") for index in range(world.many)]
    assert [review.id for review in world.forge.reviews(number)] == identities


# --- comments


def test_a_comment_says_who_said_what_and_is_not_edited(world: ForgeUnderTest) -> None:
    number = opened(world)
    identity = world.comment(BEN, number, "/reconciler preview")
    (comment,) = world.forge.comments(number)
    assert (comment.id, comment.author, comment.body) == (identity, BEN, "/reconciler preview")
    assert (comment.edited, comment.author_is_bot) == (False, False)


def test_an_edited_comment_is_flagged(world: ForgeUnderTest) -> None:
    number = opened(world)
    edited = world.comment(BEN, number, "harmless")
    world.comment(BEN, number, "left alone")
    world.edit_comment(BEN, number, edited, "/reconciler retry")
    assert {comment.body: comment.edited for comment in world.forge.comments(number)} == {
        "/reconciler retry": True,
        "left alone": False,
    }


def test_every_comment_is_listed_beyond_one_page(world: ForgeUnderTest) -> None:
    number = opened(world)
    identities = [world.comment(BEN, number, f"remark {index}") for index in range(world.many)]
    assert [comment.id for comment in world.forge.comments(number)] == identities


# --- merging


@pytest.mark.parametrize("how", list(How))
def test_g17_every_commit_of_a_merge_names_its_pull_request(world: ForgeUnderTest, how: How) -> None:
    number = opened(world)
    head = world.push(ANA, "feature", {"second.yaml": "second: 2\n"})
    before = world.tip("main")
    assert [one.number for one in world.forge.open_pull_requests()] == [number]  # as every look does
    world.merge(CLEO, number, how)
    after = world.tip("main")
    brought = world.brought(before, after)
    assert len(brought) == {How.MERGE: 3, How.SQUASH: 1, How.REBASE: 2}[how]
    on_main = [after] if how is How.MERGE else list(brought)
    assert {commit: world.forge.merged_pull_requests(on_main).get(commit) for commit in on_main} == dict.fromkeys(
        on_main, number
    )
    pull = world.forge.pull_request(number)
    assert (pull.state, pull.merged_by, pull.merge_commit) == (PullRequestState.MERGED, CLEO, after)
    assert pull.head == head
    assert world.forge.open_pull_requests() == ()


@pytest.mark.parametrize("how", list(How))
def test_g17_a_merge_onto_a_branch_that_went_on_is_found_too(world: ForgeUnderTest, how: How) -> None:
    number = opened(world)
    world.push(ANA, "feature", {"second.yaml": "second: 2\n"})
    direct = world.push(CLEO, "main", {"meanwhile.yaml": "m: 1\n"})
    world.merge(CLEO, number, how)
    after = world.tip("main")
    on_main = [after] if how is How.MERGE else list(world.brought(direct, after))
    world.push(BEN, "main", {"later.yaml": "l: 1\n"})
    assert dict(world.forge.merged_pull_requests([*on_main, direct, world.tip("main")])) == dict.fromkeys(
        on_main, number
    )


def test_g17_a_direct_push_names_no_pull_request(world: ForgeUnderTest) -> None:
    opened(world)
    direct = world.push(BEN, "main", {"a.yaml": "a: 99\n"})
    assert dict(world.forge.merged_pull_requests([direct])) == {}


def test_g17_a_commit_that_exists_nowhere_names_no_pull_request(world: ForgeUnderTest) -> None:
    number = opened(world)
    world.merge(CLEO, number, How.MERGE)
    nowhere = Revision("0123456789abcdef0123456789abcdef01234567")
    assert dict(world.forge.merged_pull_requests([nowhere, world.tip("main")])) == {world.tip("main"): number}


def test_g17_the_head_of_an_open_pull_request_names_none(world: ForgeUnderTest) -> None:
    opened(world)
    assert dict(world.forge.merged_pull_requests([world.tip("feature"), world.tip("main")])) == {}


def test_g17_each_merge_names_its_own_pull_request(world: ForgeUnderTest) -> None:
    named: dict[Revision, int] = {}
    for index, how in enumerate(How):
        number = opened(world, f"feature-{index}")
        world.merge(CLEO, number, how)
        named[world.tip("main")] = number
    assert dict(world.forge.merged_pull_requests(list(named))) == named


def test_g17_a_merge_into_another_branch_is_none_into_the_tracked_one(world: ForgeUnderTest) -> None:
    world.push(CLEO, "release", {"release.yaml": "r: 1\n"})
    world.push(ANA, "feature", {"feature.yaml": "f: 1\n"}, on=world.tip("release"))
    number = world.open(ANA, "feature", base="release")
    world.merge(CLEO, number, How.SQUASH)
    pull = world.forge.pull_request(number)
    assert (pull.state, pull.base, pull.merge_commit) == (PullRequestState.MERGED, "release", world.tip("release"))
    world.push(BEN, "main", {"direct.yaml": "d: 1\n"}, on=world.tip("release"))  # a direct push brings all of it along
    assert dict(world.forge.merged_pull_requests([world.tip("release"), world.tip("main")])) == {}


def test_a_merged_pull_request_keeps_its_head_and_reviews_when_its_branch_is_gone(world: ForgeUnderTest) -> None:
    number = opened(world)
    head = world.tip("feature")
    world.review(BEN, number, Says.APPROVE)
    world.merge(CLEO, number, How.SQUASH)
    world.delete_branch(ANA, "feature")
    pull = world.forge.pull_request(number)
    assert (pull.state, pull.head) == (PullRequestState.MERGED, head)
    (review,) = world.forge.reviews(number)
    assert (review.verdict, review.commit) == (Verdict.APPROVE, head)
    assert pull.merged_at is not None
    assert review.submitted_at <= pull.merged_at
