"""A merge that holds more than its pull request: who made it wrote that part, and does not approve it (G14, G17)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.approval.decision import Verb
from reconciler.git.commits import Person
from reconciler.git.write import commit_tree
from reconciler.names import Revision
from tests.story.clock import MovableClock
from tests.story.github_people import GitHubWorld
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


def merge_with_more(stage: Stage, number: int, who: str, tag: str) -> Revision:
    """Merge on one's own machine, change the result, and push it: GitHub calls the pull request merged by it."""
    world = stage.world
    assert isinstance(world, GitHubWorld)
    hub = world.fake.hub
    pull, base = hub.pull(number), hub.tip("main")
    assert base is not None
    pull.commits = hub.commits_of(pull)
    made = commit_tree(
        hub.git,
        files={RELEASE: stage.release_text(tag).encode()},
        parents=[base, pull.head],
        message=f"Merge pull request #{number}",
        author=Person(who, f"{who}@example.invalid", stage.clock.now()),
        signer=world.keys[who],
    )
    hub.git.set_ref("refs/heads/main", made)
    now = hub.now()
    pull.state, pull.merged_at, pull.closed_at, pull.merged_by = "closed", now, now, who
    pull.merge_commit, pull.updated_at, pull.brought = made, now, (made, pull.head)
    hub.settle()
    stage.settle()
    return made


def test_g14_who_put_more_into_a_merge_does_not_approve_it(stage: Stage) -> None:
    number = stage.propose()
    made = merge_with_more(stage, number, "approver_user", "v6.6.6")
    assert "preview_mismatch" in stage.statuses(made)["reconciler/apply: env-k8s-prod"][1]
    stage.desk("approver_user").decide_commit(stage.preview(number), made, Verb.APPROVE, reason="my own words")
    stage.settle()
    assert stage.image() == "v2.0.0"
    stage.desk("admin").decide_commit(stage.preview(number), made, Verb.APPROVE, reason="looked at all of it")
    stage.settle()
    assert stage.image() == "v6.6.6"
