"""A way back by steps that is refused, held or suspended where traffic is stopped: what is done, and what is said."""

from collections.abc import Callable

import pytest

from reconciler.app import rollouts
from reconciler.approval.decision import Verb
from reconciler.names import Revision
from reconciler.sandbox.cluster_http import Asked
from tests.failpoints.scenes import JOB, MANIFEST, job
from tests.faults.far_cluster import is_write
from tests.faults.release import cluster_of
from tests.story.altered import altered, mark
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
from tests.story.test_way_back import OURS, land, made, pods, text
from tests.story.test_way_back_pods import revert

NOW = "AND TRAFFIC IS STOPPED"
BACK = "no pod is ready"  # what a status keeps of its words, too
ENVIRONMENT = "environments/env-k8s-prod.yaml"
LONGER = frozenset(
    {
        "test_a_return_that_may_not_even_look_does_not_say_what_nobody_did",
        "test_a_retry_that_may_not_go_on_gives_back_what_was_left_stopped",
        "test_a_retry_goes_on_from_traffic_that_was_left_stopped",
        "test_no_migration_is_run_where_somebody_gave_pods_back_meanwhile",
        "test_a_workload_that_is_deleted_and_not_made_again_is_told_as_stopped_traffic",
        "test_a_release_that_is_suspended_while_its_traffic_is_stopped_gets_it_back",
        "test_a_revert_that_fails_while_traffic_is_stopped_says_so_everywhere",
        "test_f15_a_credential_that_ends_while_traffic_is_stopped_is_waited_for_and_said",
        "test_g23_a_hold_waits_until_the_traffic_that_is_stopped_is_back",
        "test_a_return_that_fails_and_gives_pods_back_says_that_in_every_place",
    }
)


def gives(asked: Asked) -> bool:
    """A write that would have svc-a run pods."""
    return is_write(asked) and asked.path.endswith("/deployments/svc-a") and bool(asked.body["spec"].get("replicas"))


def after_stop(stage: Stage, wanted: Callable[[Asked], bool]) -> Callable[[Asked], bool]:
    """The same, once its traffic was stopped."""
    return lambda asked: mark(stage) is not None and wanted(asked)


def sinks(stage: Stage, merged: Revision, action: str) -> dict[str, str]:
    """What each place says of how it ended: status, timeline, event, record."""
    (event,) = (one for one in stage.world.opened.journal.events if one.action == action)
    ended = [one for (name, _), one in stage.ledger.rollouts.items() if name == "env-k8s-prod"][-1].finished
    assert ended is not None
    (row,) = (row.text for row in stage.rows(release="svc-a") if row.action == action)
    return {
        "status": stage.statuses(merged)[OURS][1],
        "timeline": row,
        "event": str(event.detail.get("summary")),
        "record": ended.message,
    }


def test_a_return_that_may_not_give_pods_back_says_in_every_place_that_traffic_is_stopped(stage: Stage) -> None:
    cluster_of(stage).refuse(403, after_stop(stage, gives))
    merged = land(stage, {RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade")}, "bad")
    assert (pods(stage), mark(stage)) == (0, "2")
    assert {place: NOW in words for place, words in sinks(stage, merged, "rollback_failed").items()} == {
        "status": True,
        "timeline": True,
        "event": True,
        "record": True,
    }
    # the next plan that touches it gives them back
    cluster_of(stage).heal()
    merged = land(stage, {RELEASE: text(stage, "v2.0.2"), JOB: job("downgrade")}, "next")
    assert stage.statuses(merged)[OURS][0] == "success"
    assert (pods(stage), mark(stage)) == (2, None)


def test_a_return_that_fails_and_gives_pods_back_says_that_in_every_place(stage: Stage) -> None:
    merged = land(stage, {RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade", "broken")}, "bad")
    assert (pods(stage), mark(stage)) == (2, None)
    found = sinks(stage, merged, "rollback_failed")
    assert all(BACK in words for words in found.values()), found
    assert not any(NOW in words for words in found.values())


def test_traffic_that_was_never_stopped_is_not_said_to_be(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    cluster_of(stage).refuse(403, is_write)  # so it may not be taken either, to be given back
    merged = revert(stage)
    assert (pods(stage), mark(stage)) == (2, None)
    found = sinks(stage, merged, "failed")
    assert not any(NOW in words for words in found.values()), found
    assert "Deployment.apps svc-a/svc-a was never stopped" in found["record"]


def test_a_return_that_may_not_even_look_does_not_say_what_nobody_did(stage: Stage) -> None:
    cluster_of(stage).refuse(403, lambda _asked: any(one.returning for one in stage.ledger.rollouts.values()))
    merged = land(stage, {RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade")}, "bad")
    assert (pods(stage), mark(stage)) == (2, None)
    found = sinks(stage, merged, "rollback_failed")
    assert not any(NOW in words for words in found.values()), found
    assert "nobody may look whether it has its pods" in found["record"]


@pytest.mark.parametrize(("refused", "stands"), [(gives, "v2.0.0"), (is_write, "v2.0.1-broken")], ids=["old", "new"])
def test_a_retry_goes_on_from_traffic_that_was_left_stopped(
    stage: Stage, refused: Callable[[Asked], bool], stands: str
) -> None:
    cluster_of(stage).refuse(403, after_stop(stage, refused))
    land(stage, {RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade")}, "bad")
    assert (stage.image(), pods(stage), mark(stage)) == (stands, 0, "2")
    cluster_of(stage).heal()
    stage.desk("dev_user").order("release/svc-a", Verb.RETRY, reason="again")
    stage.settle()
    assert stage.ledger.units["release/svc-a"].outcome == "rolled_back"
    assert (stage.image(), pods(stage), mark(stage)) == ("v2.0.0", 2, None)


def test_a_retry_that_may_not_go_on_gives_back_what_was_left_stopped(stage: Stage) -> None:
    cluster = cluster_of(stage)
    cluster.refuse(403, after_stop(stage, gives))
    land(stage, {RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade")}, "bad")
    cluster.heal()
    somebodys = {
        "spec": {"template": {"spec": {"containers": [{"name": "svc-a", "image": "registry.example.invalid/x"}]}}}
    }
    cluster.edit(DEPLOYMENT, somebodys, "kubectl-edit")  # so nobody knows what a return would meet
    stage.desk("dev_user").order("release/svc-a", Verb.RETRY, reason="again")
    stage.settle()
    assert stage.ledger.units["release/svc-a"].outcome == "failed"
    assert (pods(stage), mark(stage)) == (2, None)
    words = stage.statuses(stage.tip())[OURS][1]
    assert "target_changed: traffic was given back" in words  # what somebody wrote there runs


def test_a_revert_that_fails_while_traffic_is_stopped_says_so_everywhere(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    cluster_of(stage).refuse(403, after_stop(stage, gives))
    merged = revert(stage)
    assert (pods(stage), mark(stage)) == (0, "2")
    found = sinks(stage, merged, "failed")
    assert all(NOW in words for words in found.values()), found


def waiting(stage: Stage, way: str, code: int) -> Revision:
    """A way back whose traffic is stopped, and that waits: each write is answered with this."""
    if way == "revert":
        land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    cluster_of(stage).refuse(code, after_stop(stage, is_write))
    if way == "revert":
        merged = revert(stage)
    else:
        merged = land(stage, {RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade")}, "bad")
    state, words = stage.statuses(merged)[OURS]
    assert (state, NOW in words, pods(stage)) == ("pending", True, 0), words
    return merged


@pytest.mark.parametrize("way", ["return", "revert"])
def test_f15_a_credential_that_ends_while_traffic_is_stopped_is_waited_for_and_said(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(rollouts, "replaceable", lambda _desired, _plan: False)  # as where it is sealed in Git
    waiting(stage, way, 401)
    cluster_of(stage).heal()
    stage.settle()
    assert (stage.image(), pods(stage), mark(stage), len(made(stage))) == ("v2.0.0", 2, None, 1)


@pytest.mark.parametrize("way", ["return", "revert"])
def test_g23_a_hold_waits_until_the_traffic_that_is_stopped_is_back(stage: Stage, way: str) -> None:
    merged = waiting(stage, way, 503)
    stage.desk("dev_user").order("release/svc-a", Verb.HOLD, reason="wait")
    stage.settle()
    cluster_of(stage).heal()
    stage.settle()
    assert (stage.image(), pods(stage), mark(stage)) == ("v2.0.0", 2, None)
    if way == "revert":
        assert stage.statuses(merged)[OURS][1].startswith("held by")  # before what it asks at its end
        stage.desk("dev_user").order("release/svc-a", Verb.RESUME, reason="go on")
        stage.settle()
        assert stage.statuses(merged)[OURS][0] == "success"


def test_a_release_that_is_suspended_while_its_traffic_is_stopped_gets_it_back(stage: Stage) -> None:
    waiting(stage, "revert", 503)
    number = stage.propose({ENVIRONMENT: stage.world.example()[ENVIRONMENT] + "  suspend: true\n"}, branch="suspend")
    stage.approve(number)
    stage.merge(number)
    cluster_of(stage).heal()
    stage.settle()
    assert (stage.image(), pods(stage), mark(stage)) == ("v2.0.0", 2, None)


def test_no_migration_is_run_where_somebody_gave_pods_back_meanwhile(stage: Stage) -> None:
    merged, cluster = waiting(stage, "return", 503), altered(stage)
    cluster.heal()
    cluster.edit(DEPLOYMENT, {"spec": {"replicas": 3}}, "kubectl-edit")
    cluster.place_pod("svc-a-1", {"app": "svc-a"})
    stage.settle()
    words = stage.statuses(merged)[OURS][1]
    assert (stage.ledger.units["release/svc-a"].outcome, made(stage)) == ("rollback_failed", []), words
    assert (pods(stage), mark(stage)) == (3, None)
    told = next(row.text for row in stage.rows(release="svc-a") if row.action == "rollback_failed")
    assert "Deployment.apps svc-a/svc-a has pods again" in told


def test_a_workload_that_is_deleted_and_not_made_again_is_told_as_stopped_traffic(stage: Stage) -> None:
    old = stage.world.example()[MANIFEST]
    old = old.replace("metadata:\n", "metadata:\n  annotations: {opspilot.spec/replace: allowed}\n", 1)
    land(stage, {MANIFEST: old}, "allowed")
    other = old.replace("{app: svc-a}", "{app: svc-a, side: web}")
    files: dict[str, str | None] = {RELEASE: text(stage, "v2.0.1-broken"), MANIFEST: other, JOB: job("downgrade")}
    cluster = cluster_of(stage)
    cluster.refuse(403, lambda asked: bool(made(stage)) and is_write(asked) and cluster.look(DEPLOYMENT) is None)
    merged = land(stage, files, "bad")
    assert cluster.look(DEPLOYMENT) is None
    found = sinks(stage, merged, "rollback_failed")
    assert all(NOW in words for words in found.values()), found
