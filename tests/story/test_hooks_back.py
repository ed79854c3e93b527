"""A return that is ordered while a hook runs: it waits for the hook, and never undoes its work beside it."""

from datetime import timedelta

import pytest

from reconciler.approval.decision import Verb
from reconciler.sandbox.cluster_http import Asked
from tests.failpoints.scenes import JOB, job
from tests.story.altered import Altered, altered
from tests.story.altered import quick as quick  # a fixture
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import RELEASE, Stage
from tests.story.test_way_back import land, made, text
from tests.story.test_way_back_again import outcome
from tests.story.test_way_back_beside import unread
from tests.story.test_way_back_pods import order_back, told

HOOKS = "hooks: [{name: up, when: before, job: upgrade, timeout: 2m}]"
ENDS = {"status": {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}}


def begun(stage: Stage, *, steps: bool) -> Altered:
    """A version whose hook runs on, and which is ordered back; nobody looked since."""
    release = text(stage, "v2.0.1") if steps else stage.release_text("v2.0.1")
    cluster = altered(stage)
    cluster.refuse(503, lambda asked: bool(made(stage)) and unread(asked))
    jobs = job("upgrade", "hanging") + "---\n" + job("downgrade")
    land(stage, {RELEASE: f"{release.rstrip()}\n  {HOOKS}\n", JOB: jobs}, "hooked")
    (run,) = cluster.running()
    assert (outcome(stage), run.startswith("upgrade-")) == ("", True)
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="now")
    cluster.heal()
    return cluster


def ran(stage: Stage) -> list[str]:
    """What was made, in order."""
    return list(dict.fromkeys(one.rpartition("-")[0] for one in made(stage)))


@pytest.mark.parametrize(("steps", "after"), [(False, ["upgrade"]), (True, ["upgrade", "downgrade"])])
def test_it_goes_back_when_the_hook_has_ended(stage: Stage, *, steps: bool, after: list[str]) -> None:
    cluster = begun(stage, steps=steps)
    (run,), beside = cluster.running(), list[list[str]]()
    looks: list[str] = []

    def work(asked: Asked) -> None:
        looks.extend([asked.path] * (unread(asked) and asked.path.endswith(run)))
        if len(looks) > 2:
            cluster.before = lambda _: None
            cluster.edit(f"apis/batch/v1/namespaces/svc-a/jobs/{run}", ENDS)

    cluster.before = work
    cluster.on_made = lambda: beside.append(cluster.running())
    stage.settle()
    assert all(run not in one for one in beside), beside
    assert (outcome(stage), stage.image(), ran(stage), cluster.running()) == ("rolled_back", "v2.0.0", after, [])
    assert "Job upgrade (up) ran" in told(stage, "deploy_apply_succeeded")


def test_a_hook_that_hangs_has_its_own_time_and_is_told(stage: Stage) -> None:
    cluster = begun(stage, steps=True)
    since = stage.clock.now()
    stage.settle()
    assert stage.clock.now() - since > timedelta(minutes=2)
    # it is a hook that failed before anything was changed: nothing is to be walked back
    assert (outcome(stage), stage.image(), ran(stage), cluster.running()) == ("rolled_back", "v2.0.0", ["upgrade"], [])
    assert "had not ended" in told(stage, "deploy_apply_failed")


def test_nothing_goes_back_beside_a_hook_that_nobody_may_look_at(stage: Stage) -> None:
    cluster = begun(stage, steps=True)
    (run,) = cluster.running()
    cluster.refuse(403, lambda asked: unread(asked) and asked.path.endswith(run))
    stage.settle()
    assert (outcome(stage), ran(stage)) == ("rollback_failed", ["upgrade"])
    assert f"Job.batch svc-a/{run} MAY STILL RUN" in told(stage, "rollback_failed")
    cluster.heal()
    order_back(stage)
    assert (outcome(stage), cluster.running()) == ("rolled_back", [])
