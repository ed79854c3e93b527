"""Merging as a person: what it needs, what it makes, and what titles cannot do in its messages."""

import pygit2
import pytest

from reconciler.errors import Refused
from reconciler.forges.embedded import record as rec
from reconciler.forges.embedded.merging import message_of, neutral
from reconciler.forges.embedded.person import REQUIRED
from reconciler.forges.embedded.record import Method
from reconciler.git import history, signatures
from reconciler.git.signatures import Standing
from reconciler.names import Revision
from reconciler.state.forge import CommitStatus, PullRequestState, StatusState
from tests.forges.embedded.world import World


def opened(world: World, title: str = "Add feature", body: str = "") -> int:
    world.commit("feature", {"feature.yaml": "new: 1\n"})
    return world.person("ana").open("feature", "main", title, body)


def head_of(world: World, branch: str = "feature") -> Revision:
    found = world.tip(branch)
    assert found
    return found


def test_a_merge_needs_its_statuses(world: World) -> None:
    number = opened(world)
    forge = world.forge()
    strict = world.door("ben", required=REQUIRED)
    head = head_of(world)
    with pytest.raises(Refused, match="reconciler/approval is missing") as caught:
        strict.merge(number, Method.MERGE, expected_head=head)
    assert caught.value.key == "approval_required"
    for context in REQUIRED:
        forge.set_status(head, CommitStatus(context, StatusState.SUCCESS, "", ""))
    forge.set_status(head, CommitStatus("reconciler/approval", StatusState.PENDING, "", ""))
    with pytest.raises(Refused, match=r"^merging #1: reconciler/approval is pending$"):
        strict.merge(number, Method.MERGE, expected_head=head)
    forge.set_status(head, CommitStatus("reconciler/approval", StatusState.SUCCESS, "", ""))
    assert strict.merge(number, Method.MERGE, expected_head=head) == world.tip("main")


def test_t5_a_status_by_anybody_else_lets_nothing_through(world: World) -> None:
    number = opened(world)
    for context in REQUIRED:
        said = rec.StatusSet(revision=head_of(world), context=context, state=StatusState.SUCCESS, description="")
        world.slip_in(world.record(said, "ana", 0), world.keys["ana"])
    with pytest.raises(Refused, match="is missing"):
        world.door("ben", required=REQUIRED).merge(number, Method.MERGE, expected_head=head_of(world))


@pytest.mark.parametrize("method", list(Method))
def test_a_conflict_is_refused_with_its_paths(world: World, method: Method) -> None:
    world.commit("feature", {"a.yaml": "a: 2\n"})
    number = world.person("ana").open("feature", "main", "Raise a")
    direct = world.commit("main", {"a.yaml": "a: 3\n"})
    with pytest.raises(Refused, match=r"conflicts: a\.yaml") as caught:
        world.person("ben").merge(number, method, expected_head=head_of(world))
    assert caught.value.key == "resource_conflict"
    assert "resolve" in caught.value.hint()
    assert world.tip("main") == direct
    assert world.forge().pull_request(number).state is PullRequestState.OPEN


def test_histories_without_anything_in_common_are_not_merged(world: World) -> None:
    root = world.tree_commit({"x": "x\n"}, [])
    world.set_ref("refs/heads/stranger", root)
    number = world.person("ana").open("stranger", "main", "From nowhere")
    with pytest.raises(Refused, match="nothing in common"):
        world.person("ben").merge(number, Method.MERGE, expected_head=root)


def test_what_is_in_already_is_not_merged_again(world: World) -> None:
    number = opened(world)
    world.set_ref("refs/heads/main", head_of(world))
    with pytest.raises(Refused, match="has everything of it already"):
        world.person("ben").merge(number, Method.MERGE, expected_head=head_of(world))


def test_a_rebase_of_what_is_there_in_other_words_is_refused(world: World) -> None:
    number = opened(world)
    world.commit("main", {"feature.yaml": "new: 1\n"})
    with pytest.raises(Refused, match="nothing is left"):
        world.person("ben").merge(number, Method.REBASE, expected_head=head_of(world))


@pytest.mark.parametrize("method", [Method.MERGE, Method.SQUASH])
def test_a_merge_is_by_the_person_and_names_the_pull_request(world: World, method: Method) -> None:
    number = opened(world, "Add feature")
    made = world.door("ben", name="Ben Example").merge(number, method, expected_head=head_of(world))
    commit = world.store[made].peel(pygit2.Commit)
    assert {(one.name, one.email) for one in (commit.author, commit.committer)} == {("Ben Example", "ben@example.org")}
    assert f"{number}" in commit.message.splitlines()[0]
    assert "Add feature" in commit.message.splitlines()[0]
    assert commit.message.splitlines()[-1] == f"Pull-Request: {number}"


def test_a_rebase_keeps_authors_and_messages(world: World) -> None:
    world.commit("feature", {"one.yaml": "1\n"}, author="ana", message="one")
    world.commit("feature", {"two.yaml": "2\n"}, author="cleo", message="two")
    number = world.person("ana").open("feature", "main", "Two")
    world.commit("main", {"direct.yaml": "d\n"})
    before = head_of(world, "main")
    made = world.person("ben").merge(number, Method.REBASE, expected_head=head_of(world))
    commits = [world.store[one].peel(pygit2.Commit) for one in world.between(before, made)]
    assert {(one.author.name, one.committer.name, one.message.strip()) for one in commits} == {
        ("ana", "ben", "one"),
        ("cleo", "ben", "two"),
    }


@pytest.mark.parametrize("method", list(Method))
def test_a_merge_can_be_signed_and_is_found_as_well(world: World, method: Method) -> None:
    number = opened(world)
    world.commit("main", {"direct.yaml": "d\n"})
    made = world.person("ben").merge(number, method, expected_head=head_of(world), sign=True)
    forge = world.forge()
    assert dict(forge.merged_pull_requests([made])) == {made: number}
    found = signatures.verify_commit(history.commit(forge.ledger.mirror.repository, made))
    assert (found.standing, found.key) == (Standing.VERIFIED, world.keys["ben"].public.line)


HOSTILE_TITLES = [
    "Approval-Ticket: dep-appr-1",
    "[skip ci] harmless",
    "# a comment for git",
    "@everyone look",
    "Merge pull request 7: another",
    "Closes #4, fixes org/repo!12",
    "<script>alert(1)</script>",
    "${HOME} $(reboot) `reboot` %n",
    "--force",
    "漢字とカナ",
    "a" * 256,
]


@pytest.mark.parametrize("title", HOSTILE_TITLES)
@pytest.mark.parametrize("method", [Method.MERGE, Method.SQUASH])
def test_t27_a_title_is_text_in_a_merge_message_and_nothing_else(world: World, title: str, method: Method) -> None:
    number = opened(world, title)
    pull = world.forge().pull_request(number)
    assert pull.title == title
    first, blank, last, *rest = message_of(pull, method).splitlines()
    assert (blank, last, rest) == ("", f"Pull-Request: {number}", [])
    assert len(first) < 200
    assert not first.startswith("#")
    for word in ("@everyone", "[skip ci]", "#4", "!12"):
        assert word not in first
    made = world.person("ben").merge(number, method, expected_head=head_of(world))
    assert world.store[made].peel(pygit2.Commit).message.splitlines() == [first, blank, last]


def test_a_title_of_nothing_but_signs_still_names_something() -> None:
    assert neutral("   ") == "untitled"
