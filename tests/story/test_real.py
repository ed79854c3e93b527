"""The main story on a real kube-apiserver and real OpenSSH hosts (acceptance.md: C-01, C-02, C-03, C-06, C-11).

The API server has no nodes: a Deployment with replicas 0 is ready, one with replicas 1 never is.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.servers.hosts import Host
from tests.story.clock import MovableClock
from tests.story.real_server import MANIFEST, Zeroed
from tests.story.real_targets import RealCluster, by_name
from tests.story.stage import DEPLOYMENT, RELEASE, Stage

pytestmark = pytest.mark.real

NAMES = ("cp-1", "wk-1", "wk-2")


def test_c01_on_a_real_api_server(real_stage: Stage) -> None:
    number = real_stage.propose()
    real_stage.approve(number)
    merged = real_stage.merge(number)
    assert real_stage.image() == "v2.0.1"
    assert real_stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "success"
    told = real_stage.actions(ticket=number, release="svc-a")
    assert [one for one in told if one in {"previewed", "pending_approval", "applying", "applied"}] == [
        "previewed",
        "pending_approval",
        "applying",
        "applied",
    ]


def test_c02_rejected_on_a_real_api_server_changes_nothing(real_stage: Stage, cluster: RealCluster) -> None:
    before = cluster.look(DEPLOYMENT)
    number = real_stage.propose()
    state = real_stage.preview(number)
    real_stage.desk("approver_user").person().reject(
        number,
        reason="no",
        expected_head=real_stage.pull(number).head,
        digest=state.previewed.digest,
        event=str(state.event),
    )
    real_stage.force_merge(number)
    assert before is not None
    after = cluster.look(DEPLOYMENT)
    assert after is not None
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert "applying" not in real_stage.actions(ticket=number)


def test_c03_refusals_on_a_real_api_server(real_stage: Stage, cluster: RealCluster) -> None:
    number = real_stage.propose()
    real_stage.approve(number)
    image = "registry.example.invalid/svc-a:by-hand"
    containers = [{"name": "svc-a", "image": image}]
    cluster.edit(DEPLOYMENT, {"spec": {"template": {"spec": {"containers": containers}}}})
    merged = real_stage.force_merge(number)
    state, words = real_stage.statuses(merged)["reconciler/apply: env-k8s-prod"]
    assert (state, "preview_mismatch" in words) == ("failure", True)
    assert real_stage.image() == "by-hand"


def test_c03_an_approval_that_ended_on_a_real_api_server(real_stage: Stage) -> None:
    number = real_stage.propose()
    real_stage.approve(number)
    real_stage.clock.advance(timedelta(hours=25))
    merged = real_stage.force_merge(number)
    state, words = real_stage.statuses(merged)["reconciler/apply: env-k8s-prod"]
    assert (state, "preview_expired" in words) == ("failure", True)
    assert real_stage.image() == "v2.0.0"


def test_c03_a_direct_push_on_a_real_api_server(real_stage: Stage) -> None:
    pushed = real_stage.world.commit("push", {RELEASE: real_stage.release_text("v2.0.2")}, author="dev_user")
    real_stage.settle()
    state, words = real_stage.statuses(pushed)["reconciler/apply: env-k8s-prod"]
    assert (state, "preview_required" in words) == ("failure", True)
    assert real_stage.image() == "v2.0.0"


def test_c06_a_rollout_that_never_becomes_ready_goes_back_on_a_real_api_server(real_stage: Stage) -> None:
    manifest = real_stage.world.example()[MANIFEST].replace("replicas: 0", "replicas: 1")
    number = real_stage.propose({MANIFEST: manifest, RELEASE: real_stage.release_text("v2.0.1")}, branch="stuck")
    real_stage.approve(number)
    merged = real_stage.merge(number)
    told = real_stage.actions(ticket=number)
    assert told.index("rollback_requested") < told.index("rollback_completed")
    assert real_stage.image() == "v2.0.0"
    state, words = real_stage.statuses(merged)["reconciler/apply: env-k8s-prod"]
    assert (state, words.startswith("rolled back")) == ("failure", True)


def test_c11_and_c12_hosts_are_installed_by_hooks_and_an_unreachable_one_is_said(
    tmp_path: Path, cluster: RealCluster, real_hosts: tuple[Host, ...]
) -> None:
    for host in real_hosts:  # other tests of this run left plans of later generations there
        assert host.exec(["rm", "-rf", "/opt/opspilot"]).returncode == 0
    clock = MovableClock()
    made = by_name(real_hosts, NAMES)
    world = Zeroed(
        tmp_path / "world",
        clock=clock,
        hosts_wanted=NAMES,
        clusters_wanted=("prod",),
        make_cluster=lambda _: cluster,
        make_host=lambda name, _folder, _key: made[name],
        login_key=real_hosts[0].private_key_pem,
    )
    try:
        stage = Stage.on(world, clock)
        real_hosts[2].partition()
        try:
            stage.settle()
            state = next(iter(stage.ledger.previews.values()))
            plans = stage.world.opened.reconciler.landings.previews.artifact(state)
            keys = {check.key for plan in plans.plans for check in plan.blocked}
            assert keys == {"ssh_unreachable"}
        finally:
            real_hosts[2].heal()
        stage.settle()
        stage.accept_first()
        unit = stage.ledger.units["environment/env-k8s-prod"]
        assert unit.outcome == "applied"
        steps = [event for event in world.opened.journal.events if event.action == "install_step_succeeded"]
        hooks = {(event.detail["host_id"], event.detail["step_name"]) for event in steps if event.detail["log"]}
        assert {host for host, _ in hooks} == set(NAMES)
        assert {hook for _, hook in hooks} >= {"preflight.sh", "post-install-verify.sh"}
        for event in steps:
            if event.detail["log"]:
                assert world.opened.journal.file(event.detail["log"])
        installed = real_hosts[0].exec(["cat", "/opt/opspilot/installed.json"]).stdout
        assert '"env-k8s-prod"' in installed
    finally:
        world.close()
