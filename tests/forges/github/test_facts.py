"""What GitHub does where one would expect otherwise, and what the adapter makes of it (docs/forges/github.md)."""

from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.errors import Rejected, Unavailable
from reconciler.forges.github.forge import GitHubForge
from reconciler.forges.github.requests import Repository
from reconciler.forges.keeping import LONGEST
from reconciler.state.forge import CommitStatus, StatusState, Verdict
from tests.contracts.forge_github import OURS, GitHubUnderTest
from tests.contracts.forge_world import ANA, BEN, CLEO, How, Says, opened
from tests.forges.github import hub as pages
from tests.forges.github.server import FakeGitHub
from tests.story.clock import MovableClock

QUOTE = "digest 0123456789ab"
SAID = CommitStatus("reconciler/approval", StatusState.SUCCESS, "1 of 1")


@pytest.fixture
def world(tmp_path: Path, fake_github: FakeGitHub) -> GitHubUnderTest:
    return GitHubUnderTest(tmp_path, fake_github)


# --- reviews


def test_g13_words_that_somebody_put_into_a_review_afterwards_quote_nothing(world: GitHubUnderTest) -> None:
    """Whoever may push can edit anybody's review, and REST does not tell."""
    number = opened(world)
    own = world.review(BEN, number, Says.APPROVE, QUOTE)
    put = world.review(CLEO, number, Says.APPROVE, "fine")
    assert [one.body for one in world.forge.reviews(number)] == [QUOTE, "fine"]
    world.hub.edit_review(number, int(put), QUOTE)
    assert {one.id: (one.body, one.verdict) for one in world.forge.reviews(number)} == {
        own: (QUOTE, Verdict.APPROVE),
        put: ("", Verdict.APPROVE),
    }


def test_graphql_is_asked_only_where_a_review_may_quote_and_once_for_the_same_words(world: GitHubUnderTest) -> None:
    number = opened(world)
    world.review(BEN, number, Says.APPROVE, "looks good")
    world.review(BEN, number, Says.REJECT, QUOTE)
    world.forge.reviews(number)
    assert world.fake.counts.graph == 0
    world.review(CLEO, number, Says.APPROVE, QUOTE)
    for _ in range(3):
        assert len(world.forge.reviews(number)) == 3
    assert world.fake.counts.graph == 1


def test_f13_words_that_the_two_apis_tell_differently_quote_nothing_and_are_asked_for_again(
    world: GitHubUnderTest,
) -> None:
    number = opened(world)
    world.review(BEN, number, Says.APPROVE, QUOTE)
    world.fake.lie = lambda what, content: {"data": {"nodes": [None]}} if what == "graph" else content
    assert [one.body for one in world.forge.reviews(number)] == [""]
    world.fake.lie = lambda _, content: content
    assert [one.body for one in world.forge.reviews(number)] == [QUOTE]


@pytest.mark.parametrize("error", [{"type": "RATE_LIMITED"}, {"type": "FORBIDDEN", "message": "not for you"}])
def test_what_graphql_refuses_is_no_answer(world: GitHubUnderTest, error: dict[str, str]) -> None:
    number = opened(world)
    world.review(BEN, number, Says.APPROVE, QUOTE)
    world.fake.lie = lambda what, content: {"data": None, "errors": [error]} if what == "graph" else content
    with pytest.raises((Unavailable, Rejected)) as refused:
        world.forge.reviews(number)
    assert (refused.value.key == "rate_limited") == (error["type"] == "RATE_LIMITED")


def test_t4_no_account_but_a_persons_speaks_for_a_person(world: GitHubUnderTest) -> None:
    number = opened(world)
    world.hub.bots.add("helper[bot]")
    for who in ("helper[bot]", "", BEN):  # the empty one: an account that is gone
        world.hub.review(who, number, "APPROVED")
        world.hub.say(who, number, "/reconciler retry")
    world.hub.say(BEN, number, "/reconciler retry")["app"] = "some-app"
    assert [one.author_is_bot for one in world.forge.reviews(number)] == [True, True, False]
    assert [one.author_is_bot for one in world.forge.comments(number)] == [True, True, False, True]


# --- who may write


def test_t1_who_may_only_read_cannot_write_and_a_right_that_was_taken_ends(world: GitHubUnderTest) -> None:
    world.push(ANA, "feature", {"f.yaml": "f: 1\n"})
    number = world.open("reader", "feature")
    assert not world.forge.pull_request(number).author_can_write
    other = opened(world, "other")
    assert world.forge.pull_request(other).author_can_write
    world.hub.roles[ANA] = "read"
    world.hub.clock.wait(timedelta(minutes=10))
    assert not world.forge.pull_request(other).author_can_write


def test_t1_where_github_does_not_tell_nobody_can_write(world: GitHubUnderTest) -> None:
    number = opened(world)
    world.fake.refuse = lambda what: (403, {}, b"{}") if "permission" in what else None
    assert not world.forge.pull_request(number).author_can_write
    world.hub.bots.add("renovate[bot]")
    world.push(ANA, "bump", {"b.yaml": "b: 1\n"})
    assert not world.forge.pull_request(world.open("renovate[bot]", "bump")).author_can_write


def test_a_clock_that_was_set_back_ends_what_is_believed_of_rights(world: GitHubUnderTest) -> None:
    number, clock = opened(world), MovableClock()
    world.door._clock = clock
    assert world.forge.pull_request(number).author_can_write
    world.hub.roles[ANA] = "read"
    clock.advance(-timedelta(days=1))
    assert not world.forge.pull_request(number).author_can_write


def test_a_time_that_lies_ahead_is_said_to_be_of_a_wrong_clock(world: GitHubUnderTest) -> None:
    number = opened(world)
    world.fake.lie = lambda what, said: {**said, "created_at": "2999-01-01T00:00:00Z"} if "/pulls/" in what else said
    with pytest.raises(Rejected, match="created_at lies in the future") as refused:
        world.forge.pull_request(number)
    assert "set this machine's clock (NTP)" in refused.value.hint()
    assert "the forge's is not" in refused.value.hint()


# --- what was merged


@pytest.mark.parametrize("how", list(How))
def test_g17_a_merge_that_github_does_not_name_for_its_commits_yet_is_found_among_the_latest(
    world: GitHubUnderTest, how: How
) -> None:
    number = opened(world)
    world.push(ANA, "feature", {"second.yaml": "second: 2\n"})
    before = world.tip("main")
    world.merge(CLEO, number, how)
    world.hub.lags = True
    after = world.tip("main")
    on_main = [after] if how is How.MERGE else list(world.brought(before, after))
    direct = world.push(BEN, "main", {"direct.yaml": "d: 1\n"})
    assert world.forge.merged_pull_requests([*on_main, direct]) == dict.fromkeys(on_main, number)


def test_g17_a_tracked_branch_that_is_not_the_default_one_is_served_too(world: GitHubUnderTest) -> None:
    world.push(CLEO, "live", {"live.yaml": "l: 1\n"})
    world.push(ANA, "feature", {"f.yaml": "f: 1\n"}, on=world.tip("live"))
    number = world.open(ANA, "feature", base="live")
    world.merge(CLEO, number, How.SQUASH)
    world.mirror.sync()
    here = Repository(world.hub.owner, world.hub.name)
    door = GitHubForge(world.account, here, world.mirror, world.hub.clock, tracked="live", key="")
    assert door.merged_pull_requests([world.tip("live")]) == {world.tip("live"): number}


def test_g17_a_repository_out_of_sight_is_an_error_and_not_a_commit_of_nobody(world: GitHubUnderTest) -> None:
    world.merge(CLEO, opened(world), How.MERGE)
    door = world.forge
    world.fake.refuse = lambda _: (404, {}, b'{"message": "Not Found"}')
    with pytest.raises(Rejected, match="404"):
        door.merged_pull_requests([world.tip("main")])


def test_g17_a_commit_is_nobodys_only_while_the_repository_itself_answers(world: GitHubUnderTest) -> None:
    """The list of what was merged of late may answer all the same, out of a cache."""
    direct = world.push(BEN, "main", {"direct.yaml": "d: 1\n"})
    door = world.forge
    world.fake.refuse = lambda what: (404, {}, b"{}") if what.startswith("GET /commits/") else None
    assert door.merged_pull_requests([direct]) == {}
    world.fake.refuse = lambda what: None if what.startswith("GET /pulls") else (404, {}, b"{}")
    with pytest.raises(Rejected, match="reading the repository"):
        door.merged_pull_requests([direct])


def test_g17_a_commit_that_only_github_says_to_be_of_a_rebase_is_nobodys(world: GitHubUnderTest) -> None:
    """`/commits/{sha}/pulls` may name what it likes: the mirror knows which commits the rebase made."""
    number = opened(world)
    direct = world.push(BEN, "main", {"direct.yaml": "d: 1\n"})
    world.merge(CLEO, number, How.REBASE)
    world.hub.pulls[number].brought += (direct,)
    assert world.forge.merged_pull_requests([direct, world.tip("main")]) == {world.tip("main"): number}


# --- statuses


def test_t5_a_status_that_somebody_else_set_is_not_taken_for_ours(world: GitHubUnderTest) -> None:
    """Where a protection asks for a status of our App, only ours lets anything through."""
    said = {"context": SAID.context, "state": SAID.state.value, "description": SAID.description}
    world.hub.set_status(CLEO, world.tip("main"), said)
    world.writer.set_status(world.tip("main"), SAID)
    world.writer.set_status(world.tip("main"), SAID)
    assert [one["creator"] for one in world.hub.statuses] == [CLEO, OURS]


def test_t5_a_success_that_somebody_else_set_over_ours_is_seen_after_a_while(world: GitHubUnderTest) -> None:
    pending = CommitStatus(SAID.context, StatusState.PENDING, "waits for ben")
    clock = MovableClock()
    world.door._believed.clock = clock
    world.writer.set_status(world.tip("main"), pending)
    forged = {"context": SAID.context, "state": SAID.state.value, "description": SAID.description}
    world.hub.set_status(CLEO, world.tip("main"), forged)
    clock.advance(LONGEST)
    world.writer.set_status(world.tip("main"), pending)
    assert [(one["creator"], one["state"]) for one in world.hub.statuses] == [
        (OURS, "pending"),
        (CLEO, "success"),
        (OURS, "pending"),
    ]


def test_a_new_process_reads_what_was_said_before_it_says_it_again(world: GitHubUnderTest) -> None:
    world.writer.set_status(world.tip("main"), SAID)
    here = Repository(world.hub.owner, world.hub.name)
    again = GitHubForge(world.account, here, world.mirror, world.hub.clock, tracked="main", key="")
    again.set_status(world.tip("main"), SAID)
    assert len(world.hub.statuses) == 1


def test_the_thousandth_status_of_a_commit_is_the_last_and_says_so(
    world: GitHubUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LATEST_STATUSES", 1)
    world.writer.set_status(world.tip("main"), CommitStatus(SAID.context, StatusState.PENDING, ""))
    with pytest.raises(Rejected, match="maximum number of statuses"):
        world.writer.set_status(world.tip("main"), SAID)
