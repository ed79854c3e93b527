"""What the preview of a revert shows of its steps: what is stopped."""

from reconciler.plan.change import Told
from tests.failpoints.scenes import JOB, MANIFEST, job
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import RELEASE, Stage
from tests.story.test_way_back import land, plan_of, text
from tests.story.test_way_back_made import renamed


def test_the_preview_of_a_revert_names_the_workloads_that_are_stopped(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), MANIFEST: renamed(stage), JOB: job("downgrade")}, "good")
    files = {RELEASE: stage.release_text("v2.0.0"), JOB: None, MANIFEST: stage.world.example()[MANIFEST]}
    number = stage.propose(files, branch="revert")
    (line,) = (one for unit in plan_of(stage, number).units for one in unit.way if one.told is Told.STEP_STOP)
    assert dict(line.values)["names"] == "Deployment.apps svc-a/svc-a-next"
