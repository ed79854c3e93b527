"""The main job on the stand-in for GitHub: proposed, previewed, approved by a review, merged, applied; then rest.

`make real` tells more stories there (test_github_longer.py).
"""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from reconciler.doors import propose
from reconciler.doors.reading import read
from reconciler.errors import Refused
from reconciler.forges.keeping import SETTLED
from tests.story.clock import MovableClock
from tests.story.github_people import BOT, TOKEN_VARIABLE, GitHubWorld
from tests.story.stage import RELEASE, Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    clock = MovableClock()
    world = GitHubWorld(tmp_path / "world", clock=clock, hosts_wanted=(), clusters_wanted=("prod",))
    try:
        built = Stage.on(world, clock)
        built.accept_first()
        yield built
    finally:
        world.close()


def world_of(stage: Stage) -> GitHubWorld:
    assert isinstance(stage.world, GitHubWorld)
    return stage.world


def ours(stage: Stage, number: int) -> list[str]:
    return [said["body"] for said in world_of(stage).fake.hub.pull(number).comments if said["user"] == BOT]


def test_a_release_is_approved_by_a_review_and_applied_and_neither_a_stale_review_nor_a_lost_answer_counts(
    stage: Stage,
) -> None:
    fake = world_of(stage).fake
    fake.cut, fake.cut_at = True, "/comments"
    number = stage.propose()
    assert not fake.cut, "nothing was written, so no answer was lost"
    stage.restart()  # the process that never got its answer is gone
    stage.settle()
    assert len(ours(stage, number)) == 1

    fake.cut = True
    stage.clock.advance(timedelta(seconds=2))
    stage.approve(number)
    stage.world.commit(
        "second thoughts", {RELEASE: stage.release_text("v2.0.2")}, author="dev_user", branch="change-v2.0.1"
    )
    stage.clock.advance(timedelta(seconds=2))
    stage.settle()
    head = fake.hub.pull(number).head
    assert stage.statuses(head)["reconciler/approval"][0] == "pending", "the review was for another head"

    stage.approve(number)
    assert {context: state for context, (state, _) in stage.statuses(head).items()} == {
        "reconciler/validate": "success",
        "reconciler/preview": "success",
        "reconciler/approval": "success",
    }
    merged = stage.merge(number)
    assert stage.image() == "v2.0.2"
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "success"
    written = [(one["sha"], one["context"], one["state"], one["description"]) for one in fake.hub.statuses]
    assert all(one != before for before, one in pairwise(written))
    bodies = ours(stage, number)
    assert len(set(bodies)) == len(bodies)
    _rest_is_free(stage)


def test_a_person_proposes_with_a_token_of_their_own_and_is_the_author(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = world_of(stage).fake
    fake.tokens["github_pat_of_somebody"] = "dev_user"
    desk = stage.desk("dev_user")
    reading = read(desk.settings, stage.clock)
    with monkeypatch.context() as patch:
        patch.delenv(TOKEN_VARIABLE)
        with pytest.raises(Refused, match="there is no token") as refused:
            propose.release(reading, desk, "svc-a", "env-k8s-prod", {"image_tag": "v2.0.7"})
        patch.setenv(TOKEN_VARIABLE, "github_pat_of_somebody")
        made = propose.release(reading, desk, "svc-a", "env-k8s-prod", {"image_tag": "v2.0.7"})
    assert TOKEN_VARIABLE in refused.value.hint()
    pull = stage.pull(made.number)
    assert (pull.author, pull.head_ref, pull.title) == ("dev_user", made.branch, "svc-a: image_tag v2.0.7")
    stage.settle()
    assert len(ours(stage, made.number)) == 1


def _rest_is_free(stage: Stage) -> None:
    """What docs/forges/github.md says of an idle hour: of 5,000 requests that GitHub gives, none but a few."""
    fake = world_of(stage).fake
    stage.world.commit("a note", {"NOTES.md": "hello\n"}, author="dev_user", branch="notes")
    stage.desk("dev_user").person().open("notes", "main", "a note")
    stage.settle()
    for _ in range(2):  # stamps have to stand for a while before anything is kept
        stage.clock.advance(SETTLED)
        stage.world.opened.reconciler.look()
    paid, asked = fake.counts.paid, len(fake.counts.seen)
    for _ in range(4):
        stage.world.opened.reconciler.look()
    assert (fake.counts.paid - paid, fake.counts.seen[asked:]) == (0, ["GET /pulls"] * 4)
