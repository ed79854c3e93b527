"""The contract of stopping and giving back while somebody writes in between, and of what is waited for then.

On the sandbox cluster and on a real kube-apiserver; where they differ, the sandbox is wrong.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from reconciler.errors import Refused, Rejected, Unavailable
from reconciler.kube.marks import GENERATION, STOPPED
from reconciler.names import ObjectRef
from reconciler.ports import Back, GivenBack
from tests.contracts.kube_targets import Body, Lab
from tests.contracts.test_kube_api_given_back import cron_job
from tests.contracts.test_kube_api_traffic import at_rest, live, stopped
from tests.contracts.test_kube_api_traffic import lab as lab  # a fixture
from tests.kube.test_windows import Between

Meanwhile = Callable[[Lab], None]


def edits(**patch: Any) -> Meanwhile:
    def edit(lab: Lab) -> None:
        lab.outside.edit(lab.path("deployments", "web", "apps"), patch)

    return edit


def say(lab: Lab, path: str, **status: Any) -> None:
    """What a controller or a node writes; the sandbox has no such subresource."""
    there = lab.outside.get(f"{path}/status") is not None
    lab.outside.edit(f"{path}/status" if there else path, {"status": status}, "kube-controller-manager")


def only_its_status(lab: Lab) -> None:
    say(lab, lab.path("deployments", "web", "apps"), observedGeneration=1)


def test_what_is_stopped_already_is_not_written_again(lab: Lab) -> None:
    _, ref, uid = stopped(lab)
    lab.kube.client.requests.clear()
    lab.kube.stop(lab.release, ref, generation=2, expected_uid=uid)
    assert lab.kube.client.requests["PATCH"] == 0


def test_what_was_never_stopped_is_written_once_in_each_turn_and_keeps_its_pods(lab: Lab) -> None:
    body = lab.deployment(replicas=3)
    lab.roll(body, generation=1)
    ref, uid = lab.ref(body), lab.see(body).uid
    for generation in (2, 3):
        lab.kube.begin(lab.release, lab.namespace, generation, f"event-{generation}")
        for writes in (1, 0):
            lab.kube.client.requests.clear()
            assert lab.kube.restore(lab.release, ref, generation=generation, expected_uid=uid, back=Back()) is None
            # more than one only where a controller wrote its status in between, which refuses a write
            assert bool(lab.kube.client.requests["PATCH"]) is bool(writes)
        annotations = lab.outside.must_get(lab.path("deployments", "web", "apps"))["metadata"]["annotations"]
        assert (annotations[GENERATION], live(lab)) == (str(generation), (3, None))


def test_a_workload_that_is_not_the_previewed_one_is_not_stopped(lab: Lab) -> None:
    body = lab.deployment(replicas=3)
    lab.roll(body, generation=1)
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2")
    with pytest.raises(Refused) as refused:
        lab.kube.stop(lab.release, lab.ref(body), generation=2, expected_uid="another")
    assert (refused.value.key, live(lab)) == ("target_changed", (3, None))


def test_a_workload_that_is_gone_is_told_as_changed_and_not_waited_for(lab: Lab) -> None:
    _, ref, uid = stopped(lab)
    lab.outside.delete(lab.path("deployments", "web", "apps"))
    with pytest.raises(Refused) as refused:
        lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back())
    assert refused.value.key == "target_changed"


@pytest.mark.parametrize("own", [None, 3])
def test_giving_back_goes_on_where_only_the_status_moved(
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    own: int | None,
) -> None:
    ref, uid = at_rest(lab)
    Between(monkeypatch, "PATCH", lab.path("deployments", "web", "apps"), lambda: only_its_status(lab))
    lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back(own=own))
    assert live(lab) == (3, None)


def test_another_version_of_what_an_autoscaler_scales_is_one_write_while_it_is_stopped(lab: Lab) -> None:
    """Its number is not handed over first: there is none."""
    body, scaler = lab.deployment(replicas=3), lab.autoscaler()
    lab.roll(body, scaler)
    ref, uid = lab.ref(body), lab.see(body, scaler).uid
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2")
    lab.kube.stop(lab.release, ref, generation=2, expected_uid=uid)
    other = lab.deployment(image="registry.example/web:v0", replicas=3)
    lab.kube.observe([replace(lab.desired(other, scaler), stopped=True)])
    path = lab.path("deployments", "web", "apps")
    before = lab.outside.must_get(path)["metadata"]["generation"]
    lab.kube.apply(lab.release, other, generation=2, expected_uid=uid, stopped=True)
    after = lab.outside.must_get(path)["metadata"]["generation"]
    assert (live(lab), after - before) == ((0, "1"), 1)


def test_why_it_is_given_so_many_is_told_also_where_its_status_moves_between_two_writes(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref, uid = at_rest(lab)
    path = lab.path("deployments", "web", "apps")
    edits(metadata={"annotations": {STOPPED: None}})(lab)

    def kept() -> None:  # the number is kept by now, and its mark is to go
        Between(monkeypatch, "PATCH", path, partial(only_its_status, lab))

    Between(monkeypatch, "PATCH", path, kept)
    back = Back(least=2, unmarked=True)
    given = lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=back)
    assert given == GivenBack(2, "its mark is gone")
    assert live(lab) == (2, None)


def test_a_number_that_moves_under_giving_it_back_to_others_is_looked_at_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref, uid = at_rest(lab)
    path = lab.path("deployments", "web", "apps")
    Between(monkeypatch, "PATCH", path, partial(edits(spec={"replicas": 8}), lab))
    with pytest.raises(Unavailable):
        lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back())
    assert live(lab) == (8, "3")
    lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back())
    assert live(lab) == (8, None)


# what somebody does between the write that gives the pods back and the one that takes a foreign mark away
BETWEEN: dict[str, tuple[Meanwhile, tuple[int, str | None]]] = {
    "its status moves": (only_its_status, (5, None)),
    "it is stopped again": (edits(spec={"replicas": 0}, metadata={"annotations": {STOPPED: "4"}}), (0, "4")),
}


@pytest.mark.parametrize(("meanwhile", "after"), BETWEEN.values(), ids=BETWEEN)
def test_a_mark_that_somebody_wrote_into_goes_with_the_pods_that_came_back_and_no_other(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, meanwhile: Meanwhile, after: tuple[int, str | None]
) -> None:
    ref, uid = at_rest(lab)
    path = lab.path("deployments", "web", "apps")
    edits(metadata={"annotations": {STOPPED: "9"}})(lab)

    def given() -> None:  # the next write is the one that takes the mark away
        Between(monkeypatch, "PATCH", path, partial(meanwhile, lab))

    Between(monkeypatch, "PATCH", path, given)
    lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back(own=5))
    assert live(lab) == after


def pod(name: str, app: str) -> Body:
    spec = {"containers": [{"name": "it", "image": "registry.example/web:v1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}}, "spec": spec}


def test_its_own_pods_that_have_not_ended_are_waited_for(lab: Lab) -> None:
    body = lab.deployment(replicas=0)
    lab.roll(body)
    for name, app, phase in (
        ("a", "web", "Running"),
        ("b", "web", "Succeeded"),
        ("c", "web", "Failed"),
        ("d", "o", ""),
    ):
        made = pod(name, app)
        if name == "a":  # whoever made it; what nobody made is deleted where a controller looks
            maker = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "debug"}}
            uid = lab.outside.create(lab.path("configmaps"), maker)["metadata"]["uid"]
            owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "debug", "uid": uid, "controller": True}
            made["metadata"]["ownerReferences"] = [owner]
        lab.outside.create(lab.path("pods"), made)
        if phase:
            say(lab, lab.path("pods", name), phase=phase)
    assert lab.kube.pods_left(lab.ref(body)) == ("a of ConfigMap debug",)


def test_pods_that_its_controller_calls_ready_are_counted(lab: Lab) -> None:
    body = lab.deployment(replicas=2)
    lab.roll(body)
    path = lab.path("deployments", "web", "apps")
    seen = lab.outside.must_get(path)["metadata"]["generation"]  # else it may be of pods on their way out
    say(lab, path, replicas=2, readyReplicas=1, observedGeneration=seen)
    for _ in range(100):  # where a controller is, it says meanwhile what is so
        before, ready, after = (
            lab.outside.must_get(path),
            lab.kube.pods_ready(lab.ref(body)),
            lab.outside.must_get(path),
        )
        if before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]:
            break
    assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
    assert ready == before["status"].get("readyReplicas", 0)
    lab.outside.delete(path)
    assert lab.kube.pods_ready(lab.ref(body)) == 0


def test_pods_of_a_job_are_counted_by_its_name_also_where_it_is_gone(lab: Lab) -> None:
    for name, job in (("a", "run-1"), ("b", "run-2")):
        body = pod(name, "web")
        body["metadata"]["labels"]["job-name"] = job
        lab.outside.create(lab.path("pods"), body)
    assert lab.kube.pods_left(ObjectRef("batch", "v1", "Job", lab.namespace, "run-1")) == ("a of nobody",)


def test_the_pods_of_what_is_gone_are_not_counted_as_none(lab: Lab) -> None:
    body = lab.deployment(replicas=0)
    lab.roll(body)
    lab.outside.delete(lab.path("deployments", "web", "apps"))
    with pytest.raises(Rejected, match="it is gone"):
        lab.kube.pods_left(lab.ref(body))


def test_jobs_of_a_cron_job_that_are_over_are_not_waited_for(lab: Lab) -> None:
    body = cron_job(lab)
    lab.roll(body)
    uid, path = lab.see(body).uid, lab.path("jobs", "", "batch")
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "hourly", "uid": uid, "controller": True}
    runs: dict[str, tuple[str, Body]] = {
        "runs": ("hanging", {}),
        "rests": ("v1", {"suspend": True}),
        "done": ("v1", {"completions": 0}),
        "bad": ("broken", {"activeDeadlineSeconds": 1}),
    }
    for name, (tag, more) in runs.items():
        spec = {**pod("", "")["spec"], "restartPolicy": "Never"}
        spec["containers"][0]["image"] = f"registry.example/web:{tag}"
        metadata = {"name": name, "ownerReferences": [owner]}
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata,
            "spec": {"template": {"spec": spec}, **more},
        }
        lab.outside.create(path, job)
    looks = (lab.kube.pods_left(lab.ref(body)) for _ in range(5000))  # a real controller needs a moment
    assert next((left for left in looks if len(left) == 2), None) is not None
    assert lab.kube.pods_left(lab.ref(body)) == ("rests", "runs")


def of_job(name: str, uid: str, *, job: str, kind: str = "Job") -> Body:
    """A pod that something called a Job made."""
    body = pod(name, "web")
    owner = {"apiVersion": "batch/v1", "kind": kind, "name": job, "uid": uid, "controller": True}
    labels = {"job-name": job, "batch.kubernetes.io/controller-uid": uid}  # else its Job lets go of it
    body["metadata"] = {"name": name, "labels": labels, "ownerReferences": [owner]}
    return body


def test_pods_whose_job_is_gone_are_waited_for_with_the_jobs_of_a_cron_job(lab: Lab) -> None:
    body = cron_job(lab)
    lab.roll(body, generation=1)
    metadata, job = {"name": "other"}, body["spec"]["jobTemplate"]["spec"]
    other = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {**job, "suspend": True}}
    lab.outside.create(lab.path("jobs", "", "batch"), other)
    uid = lab.outside.must_get(lab.path("jobs", "other", "batch"))["metadata"]["uid"]
    for one in (of_job("a", uid, job="other"), of_job("b", uid, job="train", kind="Training"), pod("c", "web")):
        lab.outside.create(lab.path("pods"), one)
    assert len(lab.kube.pods_left(lab.ref(body))) == 0
    orphan = pod("d", "web")
    orphan["metadata"]["labels"]["job-name"] = "by-hand"
    lab.outside.create(lab.path("pods"), orphan)
    assert len(lab.kube.pods_left(lab.ref(body))) == 1
    say(lab, lab.path("pods", "d"), phase="Succeeded")
    assert len(lab.kube.pods_left(lab.ref(body))) == 0
