"""More stories on the stand-in for GitHub: those of the embedded forge, and what a pull request costs of the limit."""

import pytest

from tests.story.stage import Stage
from tests.story.test_github import stage, world_of
from tests.story.test_main_job import (
    test_c01_a_release_is_previewed_approved_and_applied_under_one_ticket as test_c01_on_github,
)
from tests.story.test_main_job import test_c02_a_rejected_release_changes_nothing as test_c02_on_github
from tests.story.test_main_job import test_c03_a_direct_push_is_refused_held_and_previewed as test_c03_on_github
from tests.story.test_main_job import (
    test_c04_somebody_without_the_role_cannot_approve_and_it_is_recorded as test_c04_on_github,
)
from tests.story.test_main_job import (
    test_c06_a_failed_rollout_goes_back_and_is_never_shown_as_success as test_c06_on_github,
)
from tests.story.test_main_job import (
    test_g18_a_held_commit_is_approved_by_a_signed_decision_of_somebody_else as test_g18_on_github,
)

pytestmark = pytest.mark.real

__all__ = [
    "stage",
    "test_c01_on_github",
    "test_c02_on_github",
    "test_c03_on_github",
    "test_c04_on_github",
    "test_c06_on_github",
    "test_g18_on_github",
]


def test_what_a_pull_request_costs_of_githubs_limit(stage: Stage) -> None:
    """What docs/forges/github.md says. An unchanged answer is free (304)."""
    fake = world_of(stage).fake
    before = fake.counts.paid
    number = stage.propose()
    previewed = fake.counts.paid
    stage.approve(number)
    approved = fake.counts.paid
    stage.merge(number)
    assert stage.image() == "v2.0.1"
    spent = (previewed - before, approved - previewed, fake.counts.paid - approved, fake.counts.graph)
    assert all(one <= most for one, most in zip(spent, (12, 7, 13, 2), strict=True)), spent
