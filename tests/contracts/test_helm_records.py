"""The contract of ports.KubeApi about releases of Helm, on the sandbox cluster and on a real kube-apiserver.

Where the mark is `real`, Helm itself is asked what it reads there.
"""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import Refused, Unavailable
from reconciler.kube.helm_records import begun
from reconciler.kube.target import KubeTarget
from reconciler.ports import DesiredObjects, HelmEntry, HelmOutcome
from reconciler.specs.chart import Chart
from reconciler.state.observed import HelmRevision
from tests.contracts.kube_targets import Lab, real_lab, sandbox_lab
from tests.servers.apiserver import ApiServer

LABS = {"sandbox": sandbox_lab, "real": real_lab}
AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
CHART = Chart({"apiVersion": "v2", "name": "web", "version": "1.2.3", "appVersion": "7"}, {"color": "red"})


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with LABS[request.param](request) as found:
        yield found


def wanted(lab: Lab, *bodies: Any) -> DesiredObjects:
    return DesiredObjects(lab.release, lab.namespace, bodies, chart=CHART)


def seen(lab: Lab, kube: KubeTarget | None = None) -> HelmRevision | None:
    return (kube or lab.kube).observe([wanted(lab)])[lab.release].helm


def enter(
    lab: Lab, outcome: HelmOutcome, generation: int, artifact: str = "a", *, kube: KubeTarget | None = None
) -> None:
    """As a plan that was just made would."""
    before = str(seen(lab, kube) or "")
    entry = HelmEntry(outcome, generation, AT, artifact, before, f"generation {generation}")
    (kube or lab.kube).record_helm(wanted(lab, lab.config(color=artifact)), entry)


def take(lab: Lab, generation: int, kube: KubeTarget | None = None, *, turn: int = 0) -> None:
    (kube or lab.kube).begin(lab.release, lab.namespace, generation, f"event-{generation}", turn)


def deploy(lab: Lab, generation: int, artifact: str) -> None:
    take(lab, generation)
    enter(lab, HelmOutcome.BEGUN, generation, artifact)
    enter(lab, HelmOutcome.DEPLOYED, generation, artifact)


def records(lab: Lab) -> dict[int, dict[str, Any]]:
    found = lab.outside.must_get(lab.path("secrets") + f"?labelSelector=owner%3Dhelm,name%3D{lab.release}")["items"]
    return {int(one["metadata"]["labels"]["version"]): one for one in found}


def statuses(lab: Lab) -> dict[int, str]:
    return {number: one["metadata"]["labels"]["status"] for number, one in sorted(records(lab).items())}


def by_hand(lab: Lab, number: int, status: str, **labels: str | None) -> None:
    """What `helm upgrade` by hand leaves: the next revision, with the labels of the one before."""
    body = records(lab)[number - 1]
    kept = {**body["metadata"]["labels"], "status": status, "version": str(number), **labels}
    metadata = {"name": f"sh.helm.release.v1.{lab.release}.v{number}", "labels": {k: v for k, v in kept.items() if v}}
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": body["type"], "data": body["data"]}
    lab.outside.create(lab.path("secrets"), made, "helm")


def test_a_release_begins_pending_and_is_deployed_at_its_end(lab: Lab) -> None:
    assert seen(lab) is None
    take(lab, 1)
    enter(lab, HelmOutcome.BEGUN, 1)
    assert statuses(lab) == {1: "pending-install"}
    enter(lab, HelmOutcome.DEPLOYED, 1)
    found = seen(lab)
    assert found is not None
    assert (found.number, found.status, found.ours, found.by_us, found.artifact) == (1, "deployed", True, True, "a")
    assert records(lab)[1]["type"] == "helm.sh/release.v1"


def test_the_next_one_takes_its_place(lab: Lab) -> None:
    deploy(lab, 1, "a")
    deploy(lab, 2, "b")
    assert statuses(lab) == {1: "superseded", 2: "deployed"}


def test_g22_what_was_begun_before_a_crash_is_not_begun_again(lab: Lab) -> None:
    deploy(lab, 1, "a")
    take(lab, 2)
    enter(lab, HelmOutcome.BEGUN, 2, "b")
    resumed = lab.connect()
    take(lab, 2, resumed, turn=1)
    enter(lab, HelmOutcome.BEGUN, 2, "b", kube=resumed)
    enter(lab, HelmOutcome.DEPLOYED, 2, "b", kube=resumed)
    enter(lab, HelmOutcome.BEGUN, 2, "b", kube=resumed)
    enter(lab, HelmOutcome.DEPLOYED, 2, "b", kube=resumed)
    assert statuses(lab) == {1: "superseded", 2: "deployed"}


def test_what_failed_stays_in_the_history_and_the_return_is_a_revision(lab: Lab) -> None:
    deploy(lab, 1, "a")
    take(lab, 2)
    enter(lab, HelmOutcome.BEGUN, 2, "b")
    enter(lab, HelmOutcome.FAILED, 2)
    enter(lab, HelmOutcome.BEGUN, 2, "a")
    enter(lab, HelmOutcome.DEPLOYED, 2, "a")
    assert statuses(lab) == {1: "superseded", 2: "failed", 3: "deployed"}


def test_what_another_plan_left_pending_has_failed(lab: Lab) -> None:
    take(lab, 1)
    enter(lab, HelmOutcome.BEGUN, 1)
    deploy(lab, 2, "b")
    assert statuses(lab) == {1: "failed", 2: "deployed"}


def test_a_failure_is_said_of_nothing_but_the_own_revision(lab: Lab) -> None:
    deploy(lab, 1, "a")
    enter(lab, HelmOutcome.FAILED, 1)
    take(lab, 2)
    enter(lab, HelmOutcome.BEGUN, 2, "b")
    take(lab, 3)
    enter(lab, HelmOutcome.FAILED, 3)
    assert statuses(lab) == {1: "deployed", 2: "pending-upgrade"}


def test_g25_an_older_plan_enters_nothing(lab: Lab) -> None:
    older, newer = lab.connect(), lab.connect()
    take(lab, 1, older)
    take(lab, 2, newer)
    with pytest.raises(Refused) as refused:
        enter(lab, HelmOutcome.BEGUN, 1, kube=older)
    assert refused.value.key == "resource_conflict"
    assert records(lab) == {}


def test_g25_of_two_that_begin_the_same_revision_one_does(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older plan read everything, stood still, and goes on after a newer one began."""
    place = "reconciler.kube.helm_releases.begun"
    deploy(lab, 1, "a")
    older = lab.connect()
    take(lab, 2, older)

    def late(*arguments: Any) -> Any:
        monkeypatch.setattr(place, begun)
        deploy(lab, 3, "c")
        return begun(*arguments)

    monkeypatch.setattr(place, late)
    with pytest.raises(Refused) as refused:
        enter(lab, HelmOutcome.BEGUN, 2, "b", kube=older)
    assert refused.value.key == "target_changed"
    assert statuses(lab) == {1: "superseded", 2: "deployed"}
    assert seen(lab) == HelmRevision(2, "deployed", ours=True, by_us=True, artifact="c", generation=3, installed=True)


def test_g20_helm_run_by_hand_since_the_preview_stops_the_plan(lab: Lab) -> None:
    deploy(lab, 1, "a")
    by_hand(lab, 2, "deployed")
    found = seen(lab)
    assert found is not None
    assert (found.ours, found.by_us) == (True, False)
    take(lab, 2)
    for outcome in (HelmOutcome.BEGUN, HelmOutcome.DEPLOYED, HelmOutcome.UNINSTALLED):
        with pytest.raises(Refused) as refused:
            lab.kube.record_helm(wanted(lab), HelmEntry(outcome, 2, AT, "b", "1 deployed"))
        assert refused.value.key == "target_changed"
    assert len(records(lab)) == 2
    deploy(lab, 2, "b")  # once it was previewed so, the next revision is ours again
    assert statuses(lab) == {1: "superseded", 2: "superseded", 3: "deployed"}


def test_helm_at_work_by_hand_is_waited_for(lab: Lab) -> None:
    deploy(lab, 1, "a")
    by_hand(lab, 2, "pending-upgrade")
    take(lab, 2)
    with pytest.raises(Refused) as refused:
        enter(lab, HelmOutcome.BEGUN, 2, "b")
    assert refused.value.key == "resource_conflict"


def test_a_release_of_somebody_else_is_never_touched(lab: Lab) -> None:
    deploy(lab, 1, "a")
    theirs = records(lab)[1]["metadata"]["labels"]
    foreign = {key: None for key in theirs if key.startswith("opspilot.spec/")}
    by_hand(lab, 2, "deployed", **foreign)
    lab.outside.delete(lab.path("secrets", f"sh.helm.release.v1.{lab.release}.v1"))
    before = records(lab)
    take(lab, 2)
    with pytest.raises(Refused) as refused:
        enter(lab, HelmOutcome.BEGUN, 2, "b")
    assert refused.value.key == "owned_by_another"
    for outcome in (HelmOutcome.FAILED, HelmOutcome.UNINSTALLED, HelmOutcome.FORGOTTEN):
        enter(lab, outcome, 2, "b")
    assert records(lab) == before


def test_ten_revisions_are_kept(lab: Lab) -> None:
    for generation in range(1, 13):
        deploy(lab, generation, f"a{generation}")
    assert list(statuses(lab)) == list(range(3, 13))


def test_uninstalled_it_has_no_history(lab: Lab) -> None:
    deploy(lab, 1, "a")
    deploy(lab, 2, "b")
    take(lab, 3)
    enter(lab, HelmOutcome.UNINSTALLED, 3)
    enter(lab, HelmOutcome.UNINSTALLED, 3)
    assert records(lab) == {}


def test_forgotten_it_is_an_ordinary_release_of_helm(lab: Lab) -> None:
    deploy(lab, 1, "a")
    take(lab, 2)
    enter(lab, HelmOutcome.FORGOTTEN, 2)
    enter(lab, HelmOutcome.FORGOTTEN, 2)
    assert statuses(lab) == {1: "deployed"}
    found = seen(lab)
    assert found is not None
    assert not found.ours


def test_a_record_that_helm_did_not_write_is_no_answer(lab: Lab) -> None:
    deploy(lab, 1, "a")
    lab.outside.edit(lab.path("secrets", f"sh.helm.release.v1.{lab.release}.v1"), {"data": {"release": "bm9uc2Vuc2U="}})
    take(lab, 2)
    with pytest.raises(Unavailable, match="no record of Helm"):
        enter(lab, HelmOutcome.BEGUN, 2, "b")


@pytest.mark.real
def test_helm_itself_reads_the_history(
    real_apiserver: ApiServer, official_helm: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with real_lab(request) as lab:
        deploy(lab, 1, "a")
        take(lab, 2)
        enter(lab, HelmOutcome.BEGUN, 2, "b")
        enter(lab, HelmOutcome.FAILED, 2, "b")
        enter(lab, HelmOutcome.BEGUN, 2, "a")
        enter(lab, HelmOutcome.DEPLOYED, 2, "a")
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(real_apiserver.kubeconfig(real_apiserver.admin_token))

        def helm(*arguments: str) -> str:
            command = [str(official_helm), *arguments, "--namespace", lab.namespace, "--kubeconfig", str(kubeconfig)]
            found = subprocess.run(command, check=True, capture_output=True, text=True, env={"HOME": str(tmp_path)})
            return found.stdout

        history = json.loads(helm("history", lab.release, "--output", "json"))
        assert [(one["revision"], one["status"], one["chart"], one["app_version"]) for one in history] == [
            (1, "superseded", "web-1.2.3", "7"),
            (2, "failed", "web-1.2.3", "7"),
            (3, "deployed", "web-1.2.3", "7"),
        ]
        assert json.loads(helm("status", lab.release, "--output", "json"))["info"]["status"] == "deployed"
        assert json.loads(helm("get", "values", lab.release, "--output", "json")) == {"color": "red"}
        assert '"color": "a"' in helm("get", "manifest", lab.release)
        assert [one["name"] for one in json.loads(helm("list", "--output", "json"))] == [lab.release]
        helm("rollback", lab.release, "1")
        found = seen(lab)
        assert found is not None
        assert (found.number, found.ours, found.by_us) == (4, True, False)
        assert lab.outside.must_get(lab.path("configmaps", "settings"))["data"] == {"color": "a"}
        helm("uninstall", lab.release)
        assert records(lab) == {}
