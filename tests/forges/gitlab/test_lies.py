"""A GitLab that lies (T5): every field of every answer, one at a time. No lie grants anything or lifts a block."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.forge_gitlab import GitLabUnderTest
from tests.contracts.forge_world import ANA, BEN, CLEO, How, Says, opened
from tests.forges.gitlab.lying import FUTURE, MISSING, Truth, another_type, leaves, put, value_at, words_of_the_adapter
from tests.forges.gitlab.server import FakeGitLab
from tests.forges.gitlab.state import DEVELOPER

DORA, EVE, HELPER = "dora", "eve", "helper"
LISTS = ("/merge_requests", "/notes", "/versions", "/reviewers")
TIMES = ("created_at", "updated_at", "merged_at", "closed_at", "approved_at")


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Truth]:
    """Merge requests in every state, with everything that people do to them."""
    folder = tmp_path_factory.mktemp("lies")
    with FakeGitLab(folder / "gitlab") as server:
        yield _truth(folder, server)


def _truth(folder: Path, server: FakeGitLab) -> Truth:
    world = GitLabUnderTest(folder, server)
    for name in (DORA, HELPER):
        world.project.members[server.state.add_user(name, bot=name == HELPER).id] = DEVELOPER
    server.state.add_user(EVE)
    world.push(CLEO, "release", {"release.yaml": "r: 1\n"})

    pushed = opened(world, "pushed")
    world.review(BEN, pushed, Says.APPROVE)
    world.push(ANA, "pushed", {"second.yaml": "second: 2\n"})
    world.review(CLEO, pushed, Says.APPROVE)
    world.review(HELPER, pushed, Says.APPROVE)
    world.review(DORA, pushed, Says.REJECT)
    world.review(BEN, pushed, Says.COMMENT, "/reconciler retry")
    identity = world.comment(BEN, pushed, "harmless")
    world.edit_comment(BEN, pushed, identity, "/reconciler cancel")
    world.comment(CLEO, pushed, "/reconciler preview")
    world.comment(HELPER, pushed, "/reconciler hold")
    world.ask("POST", f"/merge_requests/{pushed}/notes", {"body": "/reconciler hold", "internal": True}, as_=BEN)

    moved = opened(world, "moved")
    world.review(BEN, moved, Says.APPROVE)
    world.retarget(ANA, moved, "release")
    world.review(CLEO, moved, Says.APPROVE)
    world.dismiss(CLEO, moved, "")

    world.open_from_fork(EVE, {"fork.yaml": "fork: 1\n"})
    closed = opened(world, "closed")
    world.review(BEN, closed, Says.REJECT)
    world.close(ANA, closed)

    landed = []
    for how in How:
        number = opened(world, f"by-{how}")
        world.review(BEN, number, Says.APPROVE)
        world.merge(CLEO, number, how)
        landed.append(world.tip("main"))
    direct = world.push(BEN, "main", {"direct.yaml": "d: 1\n"})
    return Truth(world, (*landed, direct))


def test_the_truth_is_believed(truth: Truth) -> None:
    """So that a lie has something to take away and something to add to."""
    beliefs = truth.beliefs
    assert not beliefs.refused
    assert {fact for fact in beliefs.grants if fact[0] in {"approve", "comment"}} == {
        ("approve", "1", CLEO),
        *(("approve", str(number), BEN) for number in (5, 6, 7)),
        ("comment", "1", CLEO, "/reconciler preview"),
    }
    assert {fact[2] for fact in beliefs.grants if fact[0] == "brought"} == {"5", "6", "7"}
    assert {fact[1] for fact in beliefs.grants if fact[0] == "open"} == {"1", "2", "3"}
    assert {fact[1] for fact in beliefs.grants if fact[0] == "trusted"} == {"1", "2", "4", "5", "6", "7"}
    assert beliefs.blocks == {("reject", "1", DORA), ("reject", "4", BEN)}


def answers(truth: Truth) -> list[tuple[str, Any]]:
    kept = [(path, getattr(answer, "content", None)) for (_, path, _), answer in truth.kept.answers.items()]
    honest = set().union(*truth.asked.values())  # a lie may make it ask for more
    return [(path, content) for path, content in kept if content is not None and path in honest]


def everything_wrong(truth: Truth, change: Callable[[Any], Any]) -> list[str]:
    """What each lie made believe, for a change of every value that the adapter reads of every answer."""
    found = []
    lies = 0
    for path, content in answers(truth):
        for at in leaves(content):
            if isinstance(at[-1], str) and at[-1] not in words_of_the_adapter():
                continue
            value = value_at(content, at)
            new = change(value)
            if new is not MISSING and new == value:
                continue
            lies += 1
            said = truth.wrong((path, put(at, new)))
            if said:
                found.append(f"{path} {at}: {said}")
    assert lies > 500
    return found


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda _: MISSING, id="missing"),
        pytest.param(lambda _: None, id="null"),
        pytest.param(another_type, id="another type"),
    ],
)
def test_t5_no_field_that_is_missing_or_malformed_is_believed(truth: Truth, change: Callable[[Any], Any]) -> None:
    assert everything_wrong(truth, change) == []


@pytest.mark.parametrize("content", [None, {}, [], "ok", 7, True], ids=repr)
def test_t5_no_answer_of_another_shape_is_believed(truth: Truth, content: Any) -> None:
    wrong = [said for path, _ in answers(truth) if (said := truth.wrong((path, lambda _: content)))]
    if content == []:  # an empty list is an answer: a rejection is lost where GitLab says that there never was one
        wrong = [said for said in wrong if not said.startswith("grants []")]
    assert wrong == []


def test_t5_no_time_in_the_future_grants_anything(truth: Truth) -> None:
    def later(content: Any) -> Iterator[tuple[str | int, ...]]:
        return (at for at in leaves(content) if at[-1] in TIMES and value_at(content, at) is not None)

    lies = [(path, at) for path, content in answers(truth) for at in later(content)]
    assert len(lies) > 50
    assert [(path, at, said) for path, at in lies if (said := truth.wrong((path, put(at, FUTURE))))] == []


def places(truth: Truth, name: str) -> list[tuple[str, tuple[str | int, ...]]]:
    found = [(path, at) for path, content in answers(truth) for at in leaves(content) if at[-1] == name]
    assert found
    return found


@pytest.mark.parametrize("name", ["id", "iid", "project_id", "target_project_id", "noteable_iid", "merge_request_id"])
def test_t5_no_number_of_another_thing_is_believed(truth: Truth, name: str) -> None:
    """Of another project, another merge request, another account. (Of the list of open ones nobody knows the numbers
    before: what is asked next about such a number is refused.)"""
    lies = [place for place in places(truth, name) if not (name == "iid" and place[0].endswith("state/merge_requests"))]
    assert [(path, at, said) for path, at in lies if (said := truth.wrong((path, put(at, 999_999))))] == []


@pytest.mark.parametrize("name", ["iid", "project_id", "target_project_id", "noteable_iid", "merge_request_id"])
def test_t5_an_answer_about_something_else_is_refused(truth: Truth, name: str) -> None:
    one_by_one = [
        (path, at)
        for path, at in places(truth, name)
        if not (name == "project_id" and path.endswith("/notes")) and not path.endswith("/merge_requests")
    ]
    assert [(path, at) for path, at in one_by_one if not truth.look((path, put(at, 999_999))).refused] == []


@pytest.mark.parametrize("kind", ["Issue", "Commit", "Snippet", "mergerequest", ""])
def test_t5_a_note_of_another_kind_of_thing_with_the_same_number_is_refused(truth: Truth, kind: str) -> None:
    """An issue has numbers of its own, which merge requests have too."""
    told = places(truth, "noteable_type")
    assert [(path, at) for path, at in told if not truth.look((path, put(at, kind))).refused] == []


def test_t5_answers_about_another_merge_request_are_not_believed(truth: Truth) -> None:
    """The whole answer of one merge request where another one's was asked for."""
    kept = dict(answers(truth))
    wrong = []
    for path, content in kept.items():
        for other, instead in kept.items():
            same = path.rpartition("/")[2].isdigit() == other.rpartition("/")[2].isdigit()
            kind = path.rpartition("/")[2] == other.rpartition("/")[2] or same
            if path != other and kind and type(content) is type(instead) and "approvals" not in path:
                said = truth.wrong((path, lambda _, instead=instead: instead))  # type: ignore[misc]
                wrong += [f"{path} <- {other}: {said}"] if said and "lost" not in said else []
    assert wrong == []


def test_t5_a_head_that_is_another_commit_lets_no_approval_count(truth: Truth) -> None:
    swaps = {"sha": "base", "head_commit_sha": "base_commit_sha", "base_commit_sha": "head_commit_sha"}
    wrong = []
    for path, content in answers(truth):
        for at in leaves(content):
            if at[-1] not in swaps or "/merge_requests" not in path:
                continue
            inner = value_at(content, at[:-1])
            other = truth.commits[0] if swaps[str(at[-1])] == "base" else inner[swaps[str(at[-1])]]
            said = truth.wrong((path, put(at, other)))
            wrong += [f"{path} {at}: {said}"] if said else []
    assert wrong == []


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"state": "merged"}, id="merged, and nothing else"),
        pytest.param({"state": "merged", "merge_commit_sha": "a" * 40}, id="merged without a time"),
        pytest.param({"state": "merged", "merged_at": FUTURE}, id="merged in the future"),
        pytest.param({"state": "approved"}, id="a state that nobody knows"),
    ],
)
def test_t5_a_merge_that_does_not_fit_together_is_not_believed(truth: Truth, said: dict[str, Any]) -> None:
    for path, content in answers(truth):
        if isinstance(content, dict) and content.get("state") == "opened":
            assert not truth.wrong((path, lambda old: {**old, **said})), path


def test_t5_a_commit_that_came_another_way_is_no_merge_requests(truth: Truth) -> None:
    """A direct push, and GitLab names a merged merge request for it: as it is, and without its merge commit."""
    direct = truth.commits[-1]
    path = next(path for path, _ in answers(truth) if direct in path)
    merged = [content for _, content in answers(truth) if isinstance(content, dict) and content.get("merged_at")]
    assert merged
    for one in merged:
        for change in ({}, {"merge_commit_sha": None}, {"squash_commit_sha": None, "merge_commit_sha": None}):
            assert not truth.wrong((path, lambda _, said={**one, **change}: [said]))  # type: ignore[misc]
