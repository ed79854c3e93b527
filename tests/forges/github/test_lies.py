"""A GitHub that lies (T5): every field of every answer, one at a time. No lie grants anything or lifts a block."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.names import Revision
from tests.contracts.forge_github import GitHubUnderTest
from tests.contracts.forge_world import ANA, BEN, CLEO, How, Says, opened
from tests.forges.embedded.world import TickingClock
from tests.forges.github.hub import Hub
from tests.forges.github.lying import FUTURE, Truth
from tests.forges.github.server import FakeGitHub
from tests.forges.gitlab.lying import MISSING, another_type, leaves, put, value_at

DORA, EVE, HELPER = "dora", "eve", "helper[bot]"
TIMES = ("created_at", "merged_at", "submitted_at", "createdAt")
QUOTE = "I looked at 0123456789abcdef"
# GitHub may say null there in truth, so nobody can tell: no App wrote it, nobody edited it, the account is gone.
AS_TRUE_AS_NOT = ("performed_via_github_app", "lastEditedAt", "user")


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Truth]:
    """Pull requests in every state, with everything that people do to them."""
    folder = tmp_path_factory.mktemp("lies")
    with FakeGitHub(Hub(folder / "github", TickingClock())) as fake:
        yield _truth(folder, fake)


def _truth(folder: Path, fake: FakeGitHub) -> Truth:
    world, hub = GitHubUnderTest(folder, fake), fake.hub
    hub.roles[DORA] = "maintain"
    hub.bots.add(HELPER)
    world.push(CLEO, "release", {"release.yaml": "r: 1\n"})

    pushed = opened(world, "pushed")
    world.review(BEN, pushed, Says.APPROVE)
    world.push(ANA, "pushed", {"second.yaml": "second: 2\n"})
    world.review(CLEO, pushed, Says.APPROVE, QUOTE)
    world.review(HELPER, pushed, Says.APPROVE)
    world.review(DORA, pushed, Says.REJECT)
    hub.edit_review(pushed, int(world.review(DORA, pushed, Says.APPROVE)), QUOTE)
    world.dismiss(ANA, pushed, world.review(BEN, pushed, Says.APPROVE))
    world.edit_comment(BEN, pushed, world.comment(BEN, pushed, "harmless"), "/reconciler cancel")
    world.comment(CLEO, pushed, "/reconciler preview")
    world.comment(HELPER, pushed, "/reconciler hold")
    hub.say(BEN, pushed, "/reconciler hold")["app"] = "some-app"

    moved = opened(world, "moved")
    world.review(BEN, moved, Says.APPROVE)
    world.retarget(ANA, moved, "release")
    world.review(CLEO, moved, Says.APPROVE)

    world.open_from_fork(EVE, {"fork.yaml": "fork: 1\n"})
    closed = opened(world, "closed")
    world.review(BEN, closed, Says.REJECT)
    world.close(ANA, closed)

    landed: list[Revision] = []
    for how in How:
        number = opened(world, f"by-{how}")
        world.push(ANA, f"by-{how}", {f"second-{how}.yaml": "second: 2\n"})
        world.review(BEN, number, Says.APPROVE)
        before = world.tip("main")
        world.merge(CLEO, number, how)
        landed += [world.tip("main")] if how is How.MERGE else world.brought(before, world.tip("main"))
    direct = world.push(BEN, "main", {"direct.yaml": "d: 1\n"})
    return Truth(world, (*landed, direct))


def test_the_truth_is_believed(truth: Truth) -> None:
    """So that a lie has something to take away and something to add to."""
    beliefs = truth.beliefs
    assert not beliefs.refused
    assert {fact for fact in beliefs.grants if fact[0] in {"approve", "comment", "says"}} == {
        ("approve", "1", CLEO),
        ("says", "1", CLEO, QUOTE),
        ("approve", "1", DORA),
        ("approve", "2", CLEO),
        *(("approve", str(number), BEN) for number in (5, 6, 7)),
        ("comment", "1", CLEO, "/reconciler preview"),
    }
    assert sorted(fact[2] for fact in beliefs.grants if fact[0] == "brought") == ["5", "6", "7", "7"]
    assert {fact[1] for fact in beliefs.grants if fact[0] == "open"} == {"1", "2", "3"}
    assert {fact[1] for fact in beliefs.grants if fact[0] == "trusted"} == {"1", "2", "4", "5", "6", "7"}
    assert beliefs.blocks == {("reject", "1", DORA), ("reject", "4", BEN)}


def places(truth: Truth) -> Iterator[tuple[str, Any, tuple[str | int, ...]]]:
    """Every value that the adapter reads of every answer."""
    for what, content in truth.answers():
        for at in leaves(content):
            if (what, at) in truth.read:
                yield what, content, at


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda _: MISSING, id="missing"),
        pytest.param(lambda _: None, id="null"),
        pytest.param(another_type, id="another type"),
    ],
)
def test_t5_no_field_that_is_missing_or_malformed_is_believed(truth: Truth, change: Callable[[Any], Any]) -> None:
    found, lies = [], 0
    for what, content, at in places(truth):
        new = change(value_at(content, at))
        if (new is None and at[-1] in AS_TRUE_AS_NOT) or (new is not MISSING and new == value_at(content, at)):
            continue
        lies += 1
        if isinstance(at[-1], int) and new is MISSING:
            continue  # a list without one of its entries is an answer
        if said := truth.wrong((what, put(at, new))):
            found.append((what, at, said))
    assert lies > 500
    assert found == []


@pytest.mark.parametrize("content", [None, {}, "ok", 7, True], ids=repr)
def test_t5_no_answer_of_another_shape_is_believed(truth: Truth, content: Any) -> None:
    assert [said for what, _ in truth.answers() if (said := truth.wrong((what, lambda _: content)))] == []


def test_t5_no_time_in_the_future_grants_anything(truth: Truth) -> None:
    lies = [(what, at) for what, content, at in places(truth) if at[-1] in TIMES and value_at(content, at)]
    assert len(lies) > 30
    assert [(what, at, said) for what, at in lies if (said := truth.wrong((what, put(at, FUTURE))))] == []


def test_t5_nothing_of_another_repository_or_another_number_is_believed(truth: Truth) -> None:
    """Each name, URL and number by itself. (Of the list of open ones nobody knows the numbers before: what is asked
    next about such a number is refused.)"""
    found, lies = [], 0
    for what, content, at in places(truth):
        value = value_at(content, at)
        others: list[Any] = []
        if isinstance(value, str) and "house/desired" in value:
            others = [value.replace("house/desired", "house/other"), value.replace("house/desired", "eve/desired")]
            others += [f"{value}9"] if value.startswith("http") else []
        elif at[-1] == "number" and "listing open" not in what:
            others = [999_999]
        elif at[-1] == "id" and at[-2:] != ("repo", "id"):
            others = [999_999] if isinstance(value, int) else ["PRR_999999"]
        for other in others:
            lies += 1
            if said := truth.wrong((what, put(at, other))):
                found.append((what, at, other, said))
    assert lies > 100
    assert found == []


def test_t5_an_answer_that_is_about_something_else_as_a_whole_is_refused(truth: Truth) -> None:
    """Another repository's, another pull request's, another account's: all of it fits, but it is not what was asked."""
    kinds = ("reading pull request", "listing the reviews", "listing the comments", "asking w", "listing open", "bases")
    refused, lies = [], 0
    for what, content in truth.answers():
        text = json.dumps(content)
        others = [text.replace("house/desired", "house/other")]
        if "may do" in what:
            others = [text.replace(f'"login": "{ANA}"', '"login": "x"')]
        if number := re.search(r"pull request (\d+)$", what):
            others.append(re.sub(rf'(pulls/|issues/|"number": ){number[1]}\b', r"\g<1>77", text))
        for other in others if any(kind in what for kind in kinds) else ():
            if other == text:
                continue
            lies += 1
            now = truth.look((what, lambda _, other=other: json.loads(other)))  # type: ignore[misc]
            asked = {name for name, whats in truth.asked.items() if what in whats}
            refused += [] if asked <= now.refused else [(what, asked - now.refused)]
    assert lies > 25
    assert refused == []


def test_t5_no_pull_request_with_head_and_base_swapped_grants_anything(truth: Truth) -> None:
    def swapped(content: Any) -> Any:
        for one in content if isinstance(content, list) else [content]:
            if isinstance(one, dict) and {"head", "base"} <= one.keys():
                one["head"], one["base"] = one["base"], one["head"]
        return content

    whats = [what for what, content in truth.answers() if '"base"' in json.dumps(content)]
    wrong = [said for what in whats if (said := truth.wrong((what, swapped)))]
    assert len(whats) > 10
    # a merge is then told as one into the head's branch: nobody takes that for one into the tracked one
    assert [said for said in wrong if "'main'" in said or "approve" in said or "brought" in said] == []


@pytest.mark.parametrize(
    ("name", "others"),
    [
        pytest.param("merged", (True, False), id="merged"),
        pytest.param("merged_at", (None, "2026-03-01T12:00:01Z"), id="merged_at"),
        pytest.param("state", ("open", "closed", "merged", "APPROVED "), id="state"),
        pytest.param("permission", ("owner", "WRITE", ""), id="permission"),
        pytest.param("event", ("", "BASE_REF_CHANGED", "reopened"), id="event"),
    ],
)
def test_t5_no_word_that_contradicts_the_others_is_believed(truth: Truth, name: str, others: tuple[Any, ...]) -> None:
    found, lies = [], 0
    for what, content, at in places(truth):
        for other in others if at[-1] == name else ():
            value = value_at(content, at)
            if other == value or "base_ref" in str(value) or (name == "merged_at" and value and other):
                continue  # the same, or as true as what was said
            lies += 1
            if said := truth.wrong((what, put(at, other))):
                found.append((what, at, other, said))
    assert lies > 3
    assert found == []


def test_t5_no_other_commit_is_taken_for_what_a_pull_request_brought(truth: Truth) -> None:
    others = [*truth.commits, "f" * 40]
    found = [
        (what, at, said)
        for what, content, at in places(truth)
        if at[-1] == "merge_commit_sha"
        for other in others
        if other != value_at(content, at) and (said := truth.wrong((what, put(at, other))))
    ]
    assert found == []
