"""Which commits a merge request brought (G17), for every way in which GitLab merges; and how often GitLab is asked."""

from collections.abc import Callable
from datetime import timedelta

import pygit2
import pytest

from reconciler.errors import Rejected, Unavailable
from reconciler.forges.gitlab.forge import GitLabForge
from reconciler.forges.gitlab.requests import Project
from reconciler.names import Revision
from reconciler.state.forge import CommitStatus, PullRequestState, StatusState
from tests.contracts.forge_gitlab import PATH, GitLabUnderTest
from tests.contracts.forge_world import ANA, BEN, CLEO, How, Says, opened
from tests.forges.embedded.world import TickingClock
from tests.forges.gitlab.server import FakeGitLab
from tests.forges.gitlab.state import MergeRequest
from tests.story.clock import MovableClock


def request_of(world: GitLabUnderTest, number: int) -> MergeRequest:
    return world.project.merge_requests[number - 1]


def test_g17_a_squashed_one_with_a_merge_commit_names_both(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.push(ANA, "feature", {"second.yaml": "second: 2\n"})
    world.ask("PUT", f"/merge_requests/{number}/merge", {"squash": True}, as_=CLEO)
    one = request_of(world, number)
    assert world.forge.pull_request(number).merge_commit == one.merge_commit == world.tip("main")
    both = [Revision(one.merge_commit or ""), Revision(one.squash_commit or "")]
    assert dict(world.forge.merged_pull_requests(both)) == dict.fromkeys(both, number)


def test_g17_a_fast_forward_is_its_merge_requests_only_where_git_says_so(world: GitLabUnderTest) -> None:
    """GitLab calls it merged, and the tracked branch does not hold its head."""
    number = opened(world)
    head = world.tip("feature")
    one = request_of(world, number)
    one.state, one.merged_at, one.merge_user = "merged", world.server.state.now(), one.author
    assert world.forge.pull_request(number).state is PullRequestState.MERGED
    assert dict(world.forge.merged_pull_requests([head])) == {}


def test_g17_a_branch_that_somebody_pushed_onto_the_tracked_one_names_its_merge_request(
    world: GitLabUnderTest,
) -> None:
    """GitLab then calls it merged by whoever pushed, and it is judged like any other."""
    number = opened(world)
    head = world.tip("feature")
    world.project.git.references["refs/heads/main"].set_target(pygit2.Oid(hex=head))
    one = request_of(world, number)
    one.state, one.merged_at, one.merge_user = "merged", world.server.state.now(), world.server.state.user(BEN)
    assert dict(world.forge.merged_pull_requests([head])) == {head: number}
    assert world.forge.pull_request(number).merged_by == BEN


def test_g17_of_two_that_hold_a_commit_the_one_that_was_merged_first_brought_it(world: GitLabUnderTest) -> None:
    number = opened(world)
    longer = world.push(ANA, "longer", {"longer.yaml": "l: 1\n"}, on=world.tip("feature"))
    world.open(ANA, "longer")
    commit = world.tip("feature")
    world.merge(CLEO, number, How.REBASE)
    world.ask("PUT", "/merge_requests/2/merge", {"forward": True}, as_=CLEO)
    assert dict(world.forge.merged_pull_requests([commit, longer])) == {commit: number, longer: 2}


def test_g17_a_commit_is_not_named_for_a_merge_request_that_does_not_say_so_itself(world: GitLabUnderTest) -> None:
    """The list of a commit's merge requests gives it another one's number."""
    number, other = opened(world), opened(world, "other")
    world.merge(CLEO, number, How.MERGE)
    landed = world.tip("main")
    world.merge(CLEO, other, How.MERGE)
    world.server.lies.append(
        lambda path, said: [{**one, "iid": other} for one in said] if f"{landed}/merge_requests" in path else said
    )
    assert dict(world.forge.merged_pull_requests([landed])) == {}


def test_t4_a_membership_of_somebody_else_gives_no_right(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.server.lies.append(lambda path, said: {**said, "id": 4711} if "/members/all/" in path else said)
    with pytest.raises(Rejected, match="account 4711"):
        world.forge.pull_request(number)


def test_a_clock_that_was_set_back_ends_what_is_believed_of_rights(world: GitLabUnderTest) -> None:
    number, clock = opened(world), MovableClock()
    world.door._clock = clock
    assert world.forge.pull_request(number).author_can_write
    del world.project.members[world.server.state.user(ANA).id]
    clock.advance(-timedelta(days=1))
    assert not world.forge.pull_request(number).author_can_write


def test_a_merge_that_lies_ahead_is_waited_for_and_the_words_say_when(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.merge(CLEO, number, How.MERGE)
    world.server.lies.append(
        lambda _, said: (
            {**said, "merged_at": "2999-01-01T00:00:00Z"} if isinstance(said, dict) and said.get("merged_at") else said
        )
    )
    with pytest.raises(Unavailable, match="merged in the future, at 2999-01-01"):
        world.forge.pull_request(number)


def test_a_merge_request_that_is_being_merged_is_not_merged_yet(world: GitLabUnderTest) -> None:
    number = opened(world)
    request_of(world, number).state = "locked"
    assert world.forge.pull_request(number).state is PullRequestState.OPEN


def test_a_merge_request_without_a_commit_hides_no_other(world: GitLabUnderTest) -> None:
    """GitLab makes such ones from issues."""
    number = opened(world)
    world.server.lies.append(
        lambda path, said: [*said, {**said[0], "iid": 77, "sha": None}] if path.endswith("/merge_requests") else said
    )
    assert [one.number for one in world.forge.open_pull_requests()] == [number]


def test_a_fork_that_is_gone_is_a_fork(world: GitLabUnderTest) -> None:
    number = world.open_from_fork(CLEO, {"fork.yaml": "fork: 1\n"})
    world.server.lies.append(
        lambda path, said: {**said, "source_project_id": None} if path.endswith(f"/{number}") else said
    )
    assert world.forge.pull_request(number).from_fork


def test_a_project_that_was_moved_is_not_read_under_its_old_name(world: GitLabUnderTest) -> None:
    opened(world)
    world.server.lies.append(
        lambda path, said: {**said, "path_with_namespace": "else/where"} if path.count("/") == 2 else said
    )
    with pytest.raises(Exception, match="another project"):
        world.forge.open_pull_requests()


# --- how often GitLab is asked: docs/forges/gitlab.md gives these numbers


def counted(server: FakeGitLab, act: Callable[[], object]) -> int:
    before = len(server.asked)
    act()
    return len(server.asked) - before


def test_an_idle_look_is_one_request(world: GitLabUnderTest) -> None:
    forge = world.forge
    forge.open_pull_requests()
    assert [counted(world.server, forge.open_pull_requests) for _ in range(3)] == [1, 1, 1]


def test_an_idle_look_at_open_merge_requests_is_one_request_and_their_authors_rarely(
    fake_gitlab: FakeGitLab, world: GitLabUnderTest
) -> None:
    """An account's rights are asked again after ten minutes."""
    fake_gitlab.largest_page = 100
    for name in ("one", "two", "three"):
        opened(world, name)
    clock = TickingClock()
    forge = GitLabForge(world.sender, Project(PATH), world.mirror, clock, tracked="main", key="")
    assert counted(world.server, forge.open_pull_requests) == 3  # the list, the project, ana
    assert counted(world.server, forge.open_pull_requests) == 1
    clock.at = clock.at.replace(minute=clock.at.minute + 11)
    assert counted(world.server, forge.open_pull_requests) == 2


def test_a_merge_request_costs_what_the_page_says(world: GitLabUnderTest) -> None:
    """From being opened to its result, with three looks, a preview, an approval and a merge."""
    world.server.largest_page = 100
    number = opened(world)
    forge, writer = world.forge, world.writer
    asked: dict[str, int] = {}

    def note(name: str, act: Callable[[], object]) -> None:
        asked[name] = counted(world.server, act)

    note("list", forge.open_pull_requests)
    head = forge.open_pull_requests()[0].head
    note("reviews without any", lambda: forge.reviews(number))
    note("comments", lambda: forge.comments(number))
    note("comment", lambda: writer.write_comment(number, "marker", "a preview"))
    note("first status", lambda: writer.set_status(head, CommitStatus("reconciler/preview", StatusState.PENDING, "")))
    note("second status", lambda: writer.set_status(head, CommitStatus("reconciler/approval", StatusState.PENDING, "")))
    world.review(BEN, number, Says.APPROVE)
    note("reviews with an approval", lambda: forge.reviews(number))
    note("reviews again", lambda: forge.reviews(number))
    world.merge(CLEO, number, How.MERGE)
    world.mirror.sync()
    note("merged", lambda: forge.merged_pull_requests([world.tip("main")]))
    assert asked == {
        "list": 3,
        "reviews without any": 3,
        "comments": 1,
        "comment": 3,
        "first status": 3,
        "second status": 1,
        "reviews with an approval": 6,
        "reviews again": 5,
        "merged": 2,
    }
