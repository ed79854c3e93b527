"""A kube-apiserver that dies, stands still or comes back in the middle of a rollout (F16, F18).

An admission webhook is what knows the moment: the server is taken away while the webhook holds the write of a
Deployment, so what came before it is stored, and this very write is lost, or is stored after everybody gave it up.
"""

import pytest

from reconciler.kube import client
from tests.servers.apiserver import ApiServer
from tests.story.real_targets import RealCluster
from tests.story.real_webhooks import VALIDATING, Registered, at_the_write
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
from tests.story.test_real_admission import APPLY, CONFIG

pytestmark = pytest.mark.real

LIVE_CONFIG = "api/v1/namespaces/svc-a/configmaps/svc-a"


def both(stage: Stage) -> dict[str, str]:
    """A version that changes the ConfigMap, and then the Deployment."""
    return {RELEASE: stage.release_text("v2.0.1"), CONFIG: stage.world.example()[CONFIG] + "  more: 'yes'\n"}


def generation(target: RealCluster) -> int:
    found = target.look(DEPLOYMENT)
    assert found is not None
    return int(found["metadata"]["generation"])


def check_finished_once(stage: Stage, target: RealCluster, number: int, before: int) -> None:
    actions = stage.actions(ticket=number)
    assert (actions.count("applied"), actions.count("failed")) == (1, 0)
    assert "rollback_requested" not in actions
    assert stage.image() == "v2.0.1"
    assert generation(target) == before + 1
    config = target.look(LIVE_CONFIG)
    assert config is not None
    assert config["data"]["more"] == "yes"


@VALIDATING
def test_f16_a_rollout_is_finished_once_after_its_server_died(
    registered: Registered,
    real_apiserver: ApiServer,
    real_stage: Stage,
    cluster: RealCluster,
) -> None:
    before = generation(cluster)
    number = real_stage.propose(both(real_stage))
    real_stage.approve(number)
    try:
        with at_the_write(registered, real_apiserver.stop_api) as met:
            merged = real_stage.merge(number)
        assert met.is_set()
        state, words = real_stage.statuses(merged)[APPLY]
        assert (state, words.startswith("waits for ")) == ("pending", True), words
        real_stage.restart()
        real_stage.settle()
        assert real_stage.statuses(merged)[APPLY][0] == "pending"
        assert "applied" not in real_stage.actions(ticket=number)
    finally:
        real_apiserver.start_api()
    assert real_stage.image() == "v2.0.0"  # the write was lost with the server
    real_stage.settle()
    assert real_stage.statuses(merged)[APPLY][0] == "success"
    check_finished_once(real_stage, cluster, number, before)


@VALIDATING
def test_f18_a_server_that_stands_still_and_writes_late_changes_the_object_once(
    registered: Registered,
    real_apiserver: ApiServer,
    real_stage: Stage,
    cluster: RealCluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = generation(cluster)
    number = real_stage.propose(both(real_stage))
    real_stage.approve(number)
    monkeypatch.setattr(client, "READ_SECONDS", 1.0)
    try:
        with at_the_write(registered, real_apiserver.pause) as met:
            merged = real_stage.merge(number)
        assert met.is_set()
        state, words = real_stage.statuses(merged)[APPLY]
        assert (state, words.startswith("waits for ")) == ("pending", True), words
        assert "applied" not in real_stage.actions(ticket=number)
    finally:
        real_apiserver.resume()
    monkeypatch.undo()
    real_stage.settle()
    assert real_stage.statuses(merged)[APPLY][0] == "success"
    check_finished_once(real_stage, cluster, number, before)
