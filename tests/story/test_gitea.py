"""The main job on a real Gitea with three people and a protected branch: the same stories as on the embedded forge."""

import pytest

from reconciler.forges.gitea.forge import GiteaForge
from reconciler.forges.keeping import SETTLED
from reconciler.forges.sending import Sender
from tests.story.gitea_people import Site
from tests.story.stage import Stage
from tests.story.test_acceptance import (
    test_c07_a_ticket_is_created_assigned_and_approved_in_this_order as test_c07_on_gitea,
)
from tests.story.test_main_job import (
    test_c01_a_release_is_previewed_approved_and_applied_under_one_ticket as test_c01_on_gitea,
)
from tests.story.test_main_job import (
    test_c02_a_rejected_release_changes_nothing as test_c02_on_gitea,
)
from tests.story.test_main_job import (
    test_c03_a_direct_push_is_refused_held_and_previewed as test_c03_direct_push_on_gitea,
)
from tests.story.test_main_job import (
    test_c03_what_changed_after_the_preview_is_preview_mismatch as test_c03_mismatch_on_gitea,
)
from tests.story.test_main_job import (
    test_c04_somebody_without_the_role_cannot_approve_and_it_is_recorded as test_c04_on_gitea,
)
from tests.story.test_main_job import (
    test_c06_a_failed_rollout_goes_back_and_is_never_shown_as_success as test_c06_on_gitea,
)
from tests.story.test_main_job import (
    test_c08_the_proposer_goes_away_and_nothing_is_applied_twice as test_c08_on_gitea,
)
from tests.story.test_main_job import (
    test_g18_a_held_commit_is_approved_by_a_signed_decision_of_somebody_else as test_g18_held_on_gitea,
)
from tests.story.test_main_job import (
    test_g18_the_revert_of_what_was_rolled_back_needs_no_approval_and_changes_nothing as test_g18_revert_on_gitea,
)

pytestmark = pytest.mark.real

__all__ = [
    "test_c01_on_gitea",
    "test_c02_on_gitea",
    "test_c03_direct_push_on_gitea",
    "test_c03_mismatch_on_gitea",
    "test_c04_on_gitea",
    "test_c06_on_gitea",
    "test_c07_on_gitea",
    "test_c08_on_gitea",
    "test_g18_held_on_gitea",
    "test_g18_revert_on_gitea",
]


@pytest.fixture
def stage(gitea_stage: Stage) -> Stage:
    return gitea_stage


def asked(stage: Stage) -> Sender:
    forge = stage.world.opened.forge
    assert isinstance(forge, GiteaForge)
    return forge._sender


def test_a_look_at_rest_asks_gitea_once_however_many_pull_requests_are_open(stage: Stage) -> None:
    for index in range(3):
        stage.propose({f"NOTES-{index}.md": "hello\n"}, branch=f"notes-{index}")
    number = stage.propose()
    stage.approve(number)
    for _ in range(2):  # stamps have to stand for a while before anything is kept
        stage.clock.advance(SETTLED)
        stage.world.opened.reconciler.look()
    sender = asked(stage)
    before = sender.requests
    stage.world.opened.reconciler.look()
    assert sender.requests - before == 1


def test_a_review_that_was_deleted_unseen_does_not_count_when_it_is_merged(stage: Stage, site: Site) -> None:
    """Nothing tells of the deletion but the list of reviews, which whoever judges reads anew (G13)."""
    number = stage.propose()
    stage.approve(number)
    for _ in range(2):
        stage.clock.advance(SETTLED)
        stage.world.opened.reconciler.look()
    (review,) = stage.world.opened.forge.reviews(number)
    site.ask("DELETE", f"/pulls/{number}/reviews/{review.id}")
    merged = stage.merge(number)
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] != "success"
    assert f"dep-appr-{number}" in stage.ledger.waiting
    assert stage.image() == "v2.0.0"


def test_what_one_pull_request_costs_in_requests_to_gitea(stage: Stage) -> None:
    """From its opening to the applied change; what docs/forges/gitea.md says."""
    sender = asked(stage)
    before = sender.requests
    number = stage.propose()
    previewed = sender.requests
    stage.approve(number)
    approved = sender.requests
    stage.merge(number)
    assert stage.image() == "v2.0.1"
    assert previewed - before <= 14
    assert approved - previewed <= 17
    assert sender.requests - approved <= 24
