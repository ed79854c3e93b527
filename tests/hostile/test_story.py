"""Hostile words through a whole story: what we write of them acts on no forge and on no terminal (T27, T28, T32)."""

import json
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.approval.decision import Verb
from reconciler.state.forge import CommitStatus, PullRequest
from tests.cli.terminal import Terminal
from tests.git.world import git
from tests.hostile.hostile_world import (
    BODY,
    BRANCH,
    CONFIG,
    HIDDEN,
    LONG_RELEASE,
    MANIFEST,
    MESSAGE,
    REASON,
    RELEASE,
    SEEN,
    TITLE,
    WORDS,
    HostileWorld,
    hostile_object,
    quoted,
)
from tests.report.markdown import dangers
from tests.story.clock import MovableClock
from tests.story.stage import Stage

LONGEST_CONTEXT = 255  # characters, GitHub's
LONGEST_DESCRIPTION = 140
LONGEST_COMMENT = 65_536
COMMANDS = (
    ("timeline",),
    ("events",),
    ("tree",),
    ("pr", "list", "--state", "all"),
    ("pr", "show", "1"),
    ("pr", "show", "2"),
    ("--as", "admin", "inbox", "--view", "all"),
    ("get", "release"),
    ("describe", "release", LONG_RELEASE),
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Proposed, asked about, approved, merged, applied, rolled back; the last pull request is our own revert."""
    clock = MovableClock()
    world = HostileWorld(tmp_path_factory.mktemp("hostile") / "world", clock=clock, hosts_wanted=())
    try:
        stage = Stage.on(world, clock)
        stage.accept_first()
        _play(stage)
        yield stage
    finally:
        world.close()


def _play(stage: Stage) -> None:
    world, author = stage.world, stage.desk("dev_user")
    files = {
        RELEASE: world.example()[RELEASE].replace("v2.0.0", "v2.0.1"),
        CONFIG: world.example()[CONFIG] + f"  HOSTILE: {quoted(WORDS)}\n",
        MANIFEST: hostile_object(),
    }
    world.commit(MESSAGE, files, author="dev_user", branch=BRANCH)
    git(world.origin, "update-ref", HIDDEN, BRANCH)
    number = author.person().open(BRANCH, "main", TITLE, BODY)
    for asked in (f"/reconciler explain {WORDS}", f"/reconciler {SEEN}", f"{WORDS}\n\n```\n/reconciler hold\n```\n"):
        author.person().comment(number, asked)
    assert stage.settle() == []
    stage.approve(number, reason=REASON)
    stage.merge(number)
    assert stage.image() == "v2.0.1"
    author.order(f"release/{LONG_RELEASE}", Verb.ROLLBACK, reason=REASON)
    assert stage.settle() == []
    assert stage.image() == "v2.0.0"


def _pulls(stage: Stage) -> tuple[PullRequest, ...]:
    return stage.desk("admin").person().pull_requests()


def _bodies(stage: Stage) -> Iterator[str]:
    """Every text of ours under a pull request, and those of our own pull requests."""
    for pull in _pulls(stage):
        if pull.author == "reconciler":
            yield pull.title
            yield pull.body
        for comment in stage.world.opened.forge.comments(pull.number):
            if comment.author == "reconciler":
                yield comment.body


def _statuses(stage: Stage) -> list[CommitStatus]:
    commits = git(stage.world.origin, "rev-list", "--branches").split()
    return [one for commit in commits for one in stage.world.opened.forge.statuses(commit)]  # type: ignore[arg-type]


def hidden(text: str) -> set[str]:
    """Characters that a reader does not see, or a terminal obeys."""
    return {
        f"{ord(c):x}" for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    }


def test_t27_no_comment_or_pull_request_of_ours_makes_anything_of_their_words(told: Stage) -> None:
    bodies = list(_bodies(told))
    assert len(bodies) >= 5
    assert any("alert" in body for body in bodies), "nothing of theirs is shown at all"
    for body in bodies:
        assert dangers(body) == [], body[:200]
        assert hidden(body) == set(), body[:200]
        assert len(body) <= LONGEST_COMMENT


def test_t27_our_revert_takes_no_word_of_the_reason_into_its_commit(told: Stage) -> None:
    """Forges close issues and call people for what a commit says, in whatever quotes."""
    (revert,) = [pull for pull in _pulls(told) if pull.author == "reconciler"]
    assert "everyone" not in git(told.world.origin, "show", "--no-patch", "--format=%B", revert.head)


def test_t27_statuses_fit_every_forge_and_act_on_nothing(told: Stage) -> None:
    statuses = _statuses(told)
    assert len(statuses) > 5
    for one in statuses:
        assert len(one.context) <= LONGEST_CONTEXT
        assert len(one.description) <= LONGEST_DESCRIPTION
        assert hidden(one.context + one.description) == set()


def test_t32_a_word_in_a_code_block_or_title_asks_nothing(told: Stage) -> None:
    assert told.ledger.holds == {}


def test_t32_audit_events_keep_every_word_as_it_was(told: Stage) -> None:
    said = [value for event in told.world.opened.journal.events for value in event.detail.values()]
    assert any(REASON in str(value) for value in said)


@pytest.fixture
def reader(told: Stage, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, monkeypatch, ("--repo", str(told.world.origin)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_t32_no_listing_holds_what_a_terminal_obeys(words: tuple[str, ...], reader: Terminal) -> None:
    seen = reader.well(*words)
    assert len(seen.out.splitlines()) > 1
    assert hidden(seen.out + seen.err) == set()
    for_programs = reader.well(*words, "-o", "json")
    assert for_programs.out.isascii()
    assert hidden(for_programs.out) == set()
    json.loads(for_programs.out)


def test_t32_programs_get_titles_and_reasons_as_they_are(reader: Terminal) -> None:
    page = reader.well("pr", "show", "1", "-o", "json").json
    assert page["title"] == TITLE
    assert page["head_ref"] == BRANCH
    assert REASON in [review["body"] for review in page["reviews"]] + [
        review.get("reason") for review in page["reviews"]
    ]
