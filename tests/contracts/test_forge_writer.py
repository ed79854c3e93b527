"""What the reconciler writes to any forge: our comment, statuses and proposals, each safe to repeat (F11 to F13)."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from reconciler.errors import ReconcilerError, Refused, Rejected
from reconciler.state.forge import CommitStatus, PullRequestState, StatusState
from tests.contracts.forge_world import ANA, BEN, CLEO, FORGES, REAL, Feature, ForgeUnderTest, opened

T = TypeVar("T")

MARKER = "reconciler:preview:7f3a"


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.real] * (name in REAL)) for name in sorted(FORGES)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> ForgeUnderTest:
    """Each forge in turn."""
    return FORGES[request.param](tmp_path, request.getfixturevalue)


def status(
    context: str = "reconciler/preview", state: StatusState = StatusState.PENDING, text: str = ""
) -> CommitStatus:
    return CommitStatus(context, state, text, "")


# --- comments


def test_our_comment_is_edited_in_place(world: ForgeUnderTest) -> None:
    number = opened(world)
    world.comment(BEN, number, "first!")
    identity = world.writer.write_comment(number, MARKER, "two changes")
    assert world.writer.write_comment(number, MARKER, "three changes") == identity
    ours = [comment for comment in world.forge.comments(number) if comment.author == world.own_login]
    assert [(comment.id, comment.author_is_bot) for comment in ours] == [(identity, True)]
    assert "three changes" in ours[0].body
    assert "two changes" not in ours[0].body


def test_saying_the_same_again_writes_nothing(world: ForgeUnderTest) -> None:
    number = opened(world)
    identity = world.writer.write_comment(number, MARKER, "two changes")
    before = world.writes()
    assert world.writer.write_comment(number, MARKER, "two changes") == identity
    assert world.writes() == before
    assert len(world.forge.comments(number)) == 1


def test_another_marker_is_another_comment(world: ForgeUnderTest) -> None:
    number = opened(world)
    first = world.writer.write_comment(number, MARKER, "preview")
    second = world.writer.write_comment(number, f"{MARKER}:voided", "voided")
    assert first != second
    assert world.writer.write_comment(number, MARKER, "preview again") == first
    assert len(world.forge.comments(number)) == 2


def test_t27_nobody_can_pass_off_a_comment_as_ours(world: ForgeUnderTest) -> None:
    number = opened(world)
    ours = world.writer.write_comment(number, MARKER, "the real preview")
    copied = next(comment.body for comment in world.forge.comments(number) if comment.id == ours)
    other = opened(world, "other")
    fake = world.comment(CLEO, other, f"{copied}\n<!-- {MARKER} -->")
    identity = world.writer.write_comment(other, MARKER, "preview of the other")
    assert identity != fake
    bodies = {comment.id: comment.body for comment in world.forge.comments(other)}
    assert "the real preview" in bodies[fake]
    assert "preview of the other" in bodies[identity]


def test_f12_a_comment_whose_answer_was_lost_is_there_once(world: ForgeUnderTest) -> None:
    if Feature.LOST_ANSWERS not in world.features:
        pytest.skip(f"{type(world).__name__} cannot lose answers")
    number = opened(world)
    identity = patiently(world, lambda: world.writer.write_comment(number, MARKER, "two changes"))
    assert [comment.id for comment in world.forge.comments(number)] == [identity]
    patiently(world, lambda: world.writer.write_comment(number, MARKER, "three changes"))
    assert [comment.id for comment in world.forge.comments(number)] == [identity]
    assert "three changes" in world.forge.comments(number)[0].body


def test_commenting_on_a_number_that_does_not_exist_is_an_error(world: ForgeUnderTest) -> None:
    with pytest.raises(Rejected, match="4711"):
        world.writer.write_comment(4711, MARKER, "hello")


# --- statuses


def test_a_status_is_the_latest_of_its_context(world: ForgeUnderTest) -> None:
    head = world.push(ANA, "feature", {"a.yaml": "a: 2\n"})
    assert world.writer.statuses(head) == ()
    world.writer.set_status(head, status())
    world.writer.set_status(head, status("reconciler/validate", StatusState.FAILURE, "1 problem"))
    world.writer.set_status(head, status(state=StatusState.SUCCESS, text="2 changes"))
    found = {one.context: (one.state, one.description) for one in world.writer.statuses(head)}
    assert found == {
        "reconciler/preview": (StatusState.SUCCESS, "2 changes"),
        "reconciler/validate": (StatusState.FAILURE, "1 problem"),
    }


@pytest.mark.parametrize("state", list(StatusState))
def test_every_state_can_be_said_and_read(world: ForgeUnderTest, state: StatusState) -> None:
    said = CommitStatus("reconciler/apply: prod", state, "1 of 3", "https://reconciler.example.org/task/1")
    world.writer.set_status(world.tip("main"), said)
    assert world.writer.statuses(world.tip("main")) == (said,)


def test_a_status_that_says_the_same_is_not_written_again(world: ForgeUnderTest) -> None:
    world.writer.set_status(world.tip("main"), status())
    before = world.writes()
    world.writer.set_status(world.tip("main"), status())
    assert world.writes() == before
    world.writer.set_status(world.tip("main"), status(state=StatusState.SUCCESS))
    assert world.writes() == before + 1


def test_a_status_belongs_to_one_commit(world: ForgeUnderTest) -> None:
    head = world.push(ANA, "feature", {"a.yaml": "a: 2\n"})
    world.writer.set_status(head, status())
    assert world.writer.statuses(world.tip("main")) == ()


def test_every_context_is_listed_beyond_one_page(world: ForgeUnderTest) -> None:
    contexts = [f"reconciler/apply: env-{index:03}" for index in range(world.many)]
    for context in contexts:
        world.writer.set_status(world.tip("main"), status(context))
    assert sorted(one.context for one in world.writer.statuses(world.tip("main"))) == contexts


def test_f12_a_status_whose_answer_was_lost_is_right(world: ForgeUnderTest) -> None:
    if Feature.LOST_ANSWERS not in world.features:
        pytest.skip(f"{type(world).__name__} cannot lose answers")
    patiently(world, lambda: world.writer.set_status(world.tip("main"), status(state=StatusState.SUCCESS)))
    assert world.writer.statuses(world.tip("main")) == (status(state=StatusState.SUCCESS),)


# --- proposing


def test_a_proposal_is_a_pull_request_of_ours(world: ForgeUnderTest) -> None:
    head = world.local_commit({"a.yaml": "a: 3\n"})
    number = world.writer.propose("reconciler/raise-a", head, "Raise a to 3", "asked by ana")
    pull = world.forge.pull_request(number)
    assert (pull.author, pull.base, pull.head_ref, pull.head) == (world.own_login, "main", "reconciler/raise-a", head)
    assert (pull.title, pull.state) == ("Raise a to 3", PullRequestState.OPEN)
    assert world.tip("reconciler/raise-a") == head


def test_proposing_again_finds_the_same_pull_request(world: ForgeUnderTest) -> None:
    head = world.local_commit({"a.yaml": "a: 3\n"})
    number = world.writer.propose("reconciler/raise-a", head, "Raise a to 3", "")
    assert world.writer.propose("reconciler/raise-a", head, "Raise a to 3", "") == number
    other = world.local_commit({"a.yaml": "a: 4\n"})
    assert world.writer.propose("reconciler/raise-a", other, "Raise a to 4", "") == number
    assert world.forge.pull_request(number).head == other
    assert len(world.forge.open_pull_requests()) == 1


def test_a_proposal_never_moves_a_branch_of_somebody_else(world: ForgeUnderTest) -> None:
    theirs = world.push(BEN, "work", {"b.yaml": "b: 1\n"})
    head = world.local_commit({"a.yaml": "a: 3\n"})
    with pytest.raises(Refused, match="work"):
        world.writer.propose("work", head, "Raise a", "")
    with pytest.raises(Refused, match="main"):
        world.writer.propose("main", head, "Raise a", "")
    assert world.tip("work") == theirs
    assert world.forge.open_pull_requests() == ()


def test_a_proposal_never_drops_what_somebody_added_to_it(world: ForgeUnderTest) -> None:
    world.writer.propose("reconciler/raise-a", world.local_commit({"a.yaml": "a: 3\n"}), "Raise a", "")
    theirs = world.push(BEN, "reconciler/raise-a", {"b.yaml": "b: 1\n"})
    with pytest.raises(Refused, match="raise-a"):
        world.writer.propose("reconciler/raise-a", world.local_commit({"a.yaml": "a: 4\n"}), "Raise a", "")
    assert world.tip("reconciler/raise-a") == theirs


@pytest.mark.parametrize("lost", [1, 2])
def test_f12_a_proposal_whose_answer_was_lost_is_there_once(world: ForgeUnderTest, lost: int) -> None:
    if Feature.LOST_ANSWERS not in world.features:
        pytest.skip(f"{type(world).__name__} cannot lose answers")
    opened(world)
    head = world.local_commit({"a.yaml": "a: 3\n"})
    number = patiently(world, lambda: world.writer.propose("reconciler/raise-a", head, "Raise a", ""))
    for _ in range(lost):
        assert world.writer.propose("reconciler/raise-a", head, "Raise a", "") == number
    ours = [pull for pull in world.forge.open_pull_requests() if pull.author == world.own_login]
    assert [(pull.number, pull.head) for pull in ours] == [(number, head)]


def patiently(world: ForgeUnderTest, write: Callable[[], T]) -> T:
    """Write while the answer gets lost, and again if that was told as an error: what the loop does."""
    with world.lost_answer():
        try:
            return write()
        except ReconcilerError:
            pass
    return write()
