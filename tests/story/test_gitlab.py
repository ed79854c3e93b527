"""The main job on the stand-in for GitLab, with three people and a pipeline that must succeed.

The stories are those of the embedded forge. The ones marked `real` need no server: they only take longer together than
the default run has time for.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.errors import Refused
from reconciler.forges.embedded.record import Method
from reconciler.forges.gitlab.forge import GitLabForge
from reconciler.forges.keeping import SETTLED
from tests.forges.gitlab.server import FakeGitLab
from tests.story import test_main_job as main_job
from tests.story.clock import MovableClock
from tests.story.gitlab_people import GitLabWorld, Site
from tests.story.stage import Stage

LONGER = (
    main_job.test_c03_a_direct_push_is_refused_held_and_previewed,
    main_job.test_c03_what_changed_after_the_preview_is_preview_mismatch,
    main_job.test_c04_somebody_without_the_role_cannot_approve_and_it_is_recorded,
    main_job.test_c06_a_failed_rollout_goes_back_and_is_never_shown_as_success,
    main_job.test_c08_the_proposer_goes_away_and_nothing_is_applied_twice,
    main_job.test_g18_a_held_commit_is_approved_by_a_signed_decision_of_somebody_else,
    main_job.test_g18_the_revert_of_what_was_rolled_back_needs_no_approval_and_changes_nothing,
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with FakeGitLab(tmp_path / "gitlab") as server:
        yield Site(server, MovableClock())


@pytest.fixture
def stage(tmp_path: Path, site: Site) -> Iterator[Stage]:
    world = GitLabWorld(tmp_path / "world", clock=site.clock, hosts_wanted=(), site=site)
    try:
        built = Stage.on(world, site.clock)
        built.accept_first()
        yield built
    finally:
        world.close()


@pytest.mark.parametrize(
    "method", [Method.MERGE, *(pytest.param(one, marks=pytest.mark.real) for one in Method if one is not Method.MERGE)]
)
def test_c01_on_gitlab_a_release_is_previewed_approved_and_applied(stage: Stage, method: Method) -> None:
    main_job.test_c01_a_release_is_previewed_approved_and_applied_under_one_ticket(stage, method)


@pytest.mark.real
def test_c02_on_gitlab_a_rejected_release_changes_nothing_and_cannot_be_merged(stage: Stage) -> None:
    number = stage.propose()
    before = stage.effects()
    head = stage.pull(number).head
    stage.desk("approver_user").person().reject(number, reason="not on a Friday", expected_head=head)
    stage.settle()
    assert "rejected" in stage.actions(ticket=number)
    assert stage.statuses(head)["reconciler/approval"][0] == "failure"
    with pytest.raises(Refused, match="405"):
        stage.merge(number)
    stage.force_merge(number)
    assert "applying" not in stage.actions(ticket=number)
    assert (stage.effects(), stage.image()) == (before, "v2.0.0")


@pytest.mark.real
def test_g13_on_gitlab_an_approval_before_another_push_does_not_count_when_it_is_merged(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    head = stage.world.commit("more", {"NOTES.md": "hello\n"}, author="dev_user", branch="change-v2.0.1")
    stage.settle()
    assert stage.statuses(head)["reconciler/approval"][0] == "pending"
    stage.force_merge(number)
    assert stage.image() == "v2.0.0"


@pytest.mark.real
def test_an_idle_look_at_open_merge_requests_asks_gitlab_once(stage: Stage) -> None:
    for index in range(3):
        stage.propose({f"NOTES-{index}.md": "hello\n"}, branch=f"notes-{index}")
    number = stage.propose()
    stage.approve(number)
    for _ in range(2):  # stamps have to stand for a while before anything is kept
        stage.clock.advance(SETTLED)
        stage.world.opened.reconciler.look()
    forge = stage.world.opened.forge
    assert isinstance(forge, GitLabForge)
    before = forge._sender.requests
    stage.world.opened.reconciler.look()
    assert forge._sender.requests - before == 1


@pytest.mark.real
@pytest.mark.parametrize("story", LONGER, ids=lambda story: story.__name__.removeprefix("test_"))
def test_on_gitlab(stage: Stage, story: Callable[[Stage], None]) -> None:
    story(stage)
