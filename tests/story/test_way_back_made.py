"""What a way back by steps makes anew, what it does not have to walk, and which version it leads back to."""

from datetime import timedelta

import pytest

from reconciler.approval.decision import Verb
from reconciler.errors import Rejected, Unavailable
from reconciler.kube.marks import STOPPED
from reconciler.kube.target import KubeTarget
from tests.failpoints.scenes import JOB, MANIFEST, job
from tests.story.stage import RELEASE, Stage
from tests.story.test_way_back import OURS, entries, land, made, plan_of, pods, text

LONGER = frozenset(
    {
        "test_a_workload_that_a_failed_return_had_made_anew_gets_pods",
        "test_a_workload_that_is_replaced_on_the_way_back_gets_its_pods",
        "test_a_return_of_a_renamed_workload_that_is_cut_before_it_restores_ends_with_pods",
        "test_a_hook_that_ended_well_before_the_failure_is_walked_back",
        "test_what_failed_before_anything_was_done_is_reverted_without_steps",
        "test_a_first_write_that_is_refused_walks_nothing_back",
        "test_a_return_from_what_was_only_scaled_walks_nothing",
    }
)
BEFORE = "hooks: [{name: up, when: before, job: upgrade}]"


def given(stage: Stage) -> dict[str, tuple[int, str | None]]:
    """Of each Deployment of svc-a: how many pods it is to have, and its mark."""
    found = [one for one in stage.world.sandbox("prod").contents().values() if one["kind"] == "Deployment"]
    return {
        one["metadata"]["name"]: (one["spec"].get("replicas", 1), one["metadata"]["annotations"].get(STOPPED))
        for one in found
    }


def renamed(stage: Stage) -> str:
    """The next version's workload has another name: the way back makes the old one anew."""
    old = stage.world.example()[MANIFEST]
    return old.replace("kind: Deployment\nmetadata:\n  name: svc-a", "kind: Deployment\nmetadata:\n  name: svc-a-next")


def order_back(stage: Stage) -> None:
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="now")
    stage.settle()


def test_a_workload_that_a_failed_return_had_made_anew_gets_pods(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise Rejected("deleting it: not today", key="release_apply_failed")

    land(stage, {RELEASE: text(stage, "v2.0.1"), MANIFEST: renamed(stage), JOB: job("downgrade")}, "good")
    assert given(stage) == {"svc-a-next": (2, None)}
    monkeypatch.setattr(KubeTarget, "delete", refused)
    order_back(stage)
    assert stage.ledger.units["release/svc-a"].outcome == "rollback_failed"
    assert given(stage) == {"svc-a": (2, None), "svc-a-next": (2, None)}
    told = next(row.text for row in stage.rows(release="svc-a") if row.action == "rollback_failed")
    assert "Deployment.apps svc-a/svc-a is given back its 2 pods" in told


def test_a_workload_that_is_replaced_on_the_way_back_gets_its_pods(stage: Stage) -> None:
    old = stage.world.example()[MANIFEST]
    old = old.replace("metadata:\n", "metadata:\n  annotations: {opspilot.spec/replace: allowed}\n", 1)
    land(stage, {MANIFEST: old}, "allowed")
    files: dict[str, str | None] = {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}
    land(stage, {**files, MANIFEST: old.replace("{app: svc-a}", "{app: svc-a, side: web}")}, "replaced")
    found = stage.world.sandbox("prod").look("apis/apps/v1/namespaces/svc-a/deployments/svc-a")
    assert found is not None
    order_back(stage)
    assert stage.ledger.units["release/svc-a"].outcome == "rolled_back"
    after = stage.world.sandbox("prod").look("apis/apps/v1/namespaces/svc-a/deployments/svc-a")
    assert after is not None
    assert after["metadata"]["uid"] != found["metadata"]["uid"]
    assert given(stage) == {"svc-a": (2, None)}


def test_a_return_of_a_renamed_workload_that_is_cut_before_it_restores_ends_with_pods(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(stage, {MANIFEST: stage.world.example()[MANIFEST].replace("  replicas: 2\n", "")}, "unsaid")
    next_one = renamed(stage).replace("  replicas: 2\n", "")
    land(stage, {RELEASE: text(stage, "v2.0.1"), MANIFEST: next_one, JOB: job("downgrade")}, "good")
    real = KubeTarget.restore
    cut: list[int] = []

    def restore(*asked: object, **named: object) -> object:
        if not cut:
            cut.append(1)
            raise Unavailable("the network is cut", key="cluster_connect_failed")
        return real(*asked, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(KubeTarget, "restore", restore)
    order_back(stage)
    assert cut
    stage.clock.advance(timedelta(minutes=2))
    stage.settle()
    assert stage.ledger.units["release/svc-a"].outcome == "rolled_back"
    assert given(stage) == {"svc-a": (1, None)}


def hooked(stage: Stage, tag: str, hook: str) -> dict[str, str | None]:
    release = f"{text(stage, tag).rstrip()}\n  {BEFORE}\n"
    return {RELEASE: release, JOB: job("upgrade", hook) + "---\n" + job("downgrade")}


def test_what_failed_before_anything_was_done_walks_nothing_back(stage: Stage) -> None:
    merged = land(stage, hooked(stage, "v2.0.1", "broken"), "bad")
    assert stage.statuses(merged)[OURS][1].startswith("rolled back")
    assert ([name.rpartition("-")[0] for name in made(stage)], entries(stage)) == (["upgrade"], [])
    assert (stage.image(), given(stage)) == ("v2.0.0", {"svc-a": (2, None)})


def test_a_hook_that_ended_well_before_the_failure_is_walked_back(stage: Stage) -> None:
    merged = land(stage, hooked(stage, "v2.0.1-broken", "v1"), "bad")
    assert stage.statuses(merged)[OURS][1].startswith("rolled back")
    assert [name.rpartition("-")[0] for name in made(stage)] == ["upgrade", "downgrade"]
    assert (stage.image(), given(stage)) == ("v2.0.0", {"svc-a": (2, None)})


def test_a_first_write_that_is_refused_walks_nothing_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    real = KubeTarget.apply

    def refused(*asked: object, **named: object) -> object:
        body = asked[2]
        assert isinstance(body, dict)
        if "v2.0.1" in str(body):
            raise Rejected("applying it: not today", key="release_apply_failed")
        return real(*asked, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(KubeTarget, "apply", refused)
    merged = land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "bad")
    assert stage.statuses(merged)[OURS][1].startswith("rolled back")
    assert (made(stage), entries(stage)) == ([], [])


def test_what_failed_before_anything_was_done_is_reverted_without_steps(stage: Stage) -> None:
    files = hooked(stage, "v2.0.1", "broken")
    release = str(files[RELEASE]).replace("automatic: true", "automatic: false")
    land(stage, {**files, RELEASE: release}, "bad")
    assert stage.ledger.units["release/svc-a"].outcome == "failed"
    plan = plan_of(stage, stage.propose({RELEASE: stage.release_text("v2.0.0"), JOB: None}, branch="revert"))
    assert not [action for batch in plan.batches for action in batch if action.step]


def test_a_version_that_was_scaled_since_is_left_by_its_steps(stage: Stage) -> None:
    """The revert asks for another number of pods than before, which makes it no other version."""
    old = stage.world.example()[MANIFEST]
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    land(stage, {MANIFEST: old.replace("replicas: 2", "replicas: 6")}, "scaled")
    assert (pods(stage), made(stage)) == (6, [])
    files = {RELEASE: stage.release_text("v2.0.0"), JOB: None, MANIFEST: old.replace("s: 2", "s: 3")}
    number = stage.propose(files, branch="revert")
    plan = plan_of(stage, number)
    assert {action.step for batch in plan.batches for action in batch if action.step} == {1, 2, 3, 4, 5}
    stage.approve(number, reason=stage.preview(number).previewed.digest)
    merged = stage.merge(number)
    assert stage.statuses(merged)[OURS][0] == "success", stage.statuses(merged)
    assert (stage.image(), pods(stage), len(made(stage))) == ("v2.0.0", 3, 1)


def test_a_return_from_what_was_only_scaled_walks_nothing(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    land(stage, {MANIFEST: stage.world.example()[MANIFEST].replace("replicas: 2", "replicas: 5")}, "scaled")
    order_back(stage)
    assert (stage.image(), pods(stage), made(stage)) == ("v2.0.1", 2, [])
