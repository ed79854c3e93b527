"""The contract of the parts of ports.KubeApi that stop and restore traffic and run Jobs.

On the sandbox cluster and on a real kube-apiserver; where they differ, the sandbox is wrong.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from reconciler.errors import LeftBehind, Refused
from reconciler.kube.answers import Answer
from reconciler.kube.client import Client, Request
from reconciler.names import ObjectRef
from reconciler.plan.jobs import TRIED
from reconciler.ports import Back
from reconciler.state.observed import JobSeen, ObservedObject
from tests.contracts.kube_targets import Lab, real_lab, sandbox_lab
from tests.kube.test_windows import Between

LABS = {"sandbox": sandbox_lab, "real": real_lab}
STOPPED = "opspilot.spec/stopped"
RUN = "1234567890"


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with LABS[request.param](request) as found:
        yield found


def stopped(lab: Lab, replicas: int | None = 3) -> tuple[dict[str, Any], ObjectRef, str]:
    """A Deployment whose pods were taken away: as it is wanted, and who it is."""
    body = lab.deployment(replicas=replicas)
    lab.roll(body, generation=1)
    ref, uid = lab.ref(body), lab.see(body).uid
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2")
    lab.kube.stop(lab.release, ref, generation=2, expected_uid=uid)
    return body, ref, uid


def at_rest(lab: Lab) -> tuple[ObjectRef, str]:
    """A stopped Deployment whose controller, where there is one, has written its own annotation."""
    _, ref, uid = stopped(lab)
    path = lab.path("deployments", "web", "apps")
    looks = (lab.outside.must_get(path)["metadata"]["annotations"] for _ in range(5000))
    if lab.outside.get(f"{path}/status") is not None:
        assert any("deployment.kubernetes.io/revision" in one for one in looks)
    return ref, uid


def live(lab: Lab) -> tuple[int, str | None]:
    """How many pods it is to have, and what its mark says."""
    body = lab.outside.must_get(lab.path("deployments", "web", "apps"))
    return body["spec"]["replicas"], body["metadata"]["annotations"].get(STOPPED)


def see(lab: Lab, body: dict[str, Any], *, away: bool) -> ObservedObject:
    asked = replace(lab.desired(body), stopped=away)
    return lab.kube.observe([asked])[lab.release].objects[lab.ref(body)]


def test_what_is_stopped_says_how_many_pods_it_had_and_gets_them_back(lab: Lab) -> None:
    _, ref, uid = stopped(lab)
    assert live(lab) == (0, "3")
    lab.kube.stop(lab.release, ref, generation=2, expected_uid=uid)  # again, as after a crash
    assert live(lab) == (0, "3")
    lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back())
    assert live(lab) == (3, None)
    lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back())
    assert live(lab) == (3, None)


def test_the_number_that_another_manager_set_is_kept_too(lab: Lab) -> None:
    body = lab.deployment(replicas=None)
    lab.roll(body, generation=1)
    lab.outside.edit(lab.path("deployments", "web", "apps"), {"spec": {"replicas": 4}})
    ref, uid = lab.ref(body), lab.see(body).uid
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2")
    lab.kube.stop(lab.release, ref, generation=2, expected_uid=uid)
    assert live(lab) == (0, "4")
    lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back())
    assert live(lab) == (4, None)


def test_while_it_is_stopped_another_version_is_applied_without_pods(lab: Lab) -> None:
    _, ref, uid = stopped(lab)
    other = lab.deployment(image="registry.example/web:v0", replicas=2)
    seen = see(lab, other, away=True)
    assert "replicas" not in seen.live["spec"]
    assert "replicas" not in seen.result["spec"]
    lab.kube.apply(lab.release, other, generation=2, expected_uid=uid, stopped=True)
    assert live(lab) == (0, "3")
    assert see(lab, other, away=True).live == see(lab, other, away=True).result
    lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back(own=2))
    assert live(lab) == (2, None)
    found = see(lab, other, away=False)
    assert found.live == found.result  # and nothing is left to be done


def test_what_is_made_while_it_is_stopped_has_no_pods(lab: Lab) -> None:
    body = lab.deployment(replicas=3)
    lab.kube.begin(lab.release, lab.namespace, 1, "event-1")
    lab.kube.observe([lab.desired(body)])
    lab.kube.apply(lab.release, body, generation=1, expected_uid="", stopped=True)
    assert live(lab)[0] == 0
    lab.kube.restore(lab.release, lab.ref(body), generation=1, expected_uid="", back=Back(own=3))
    assert live(lab) == (3, None)


@pytest.mark.parametrize("replicas", [3, None])
def test_a_later_plan_gives_the_pods_back_to_what_was_left_stopped(lab: Lab, replicas: int | None) -> None:
    body, _, uid = stopped(lab, replicas)
    found = see(lab, body, away=False)
    assert (found.live["spec"]["replicas"], found.stopped) == (0, replicas or 1)
    assert found.result["spec"]["replicas"] == (replicas or 1)  # the preview of anything says so
    lab.kube.begin(lab.release, lab.namespace, 3, "event-3")
    lab.kube.apply(lab.release, body, generation=3, expected_uid=uid)
    assert live(lab) == (replicas or 1, None)


def test_g25_an_older_plan_neither_stops_nor_restores(lab: Lab) -> None:
    _, ref, uid = stopped(lab)
    lab.connect().begin(lab.release, lab.namespace, 3, "event-3")
    lab.kube.begin(lab.release, lab.namespace, 3, "event-3")
    with pytest.raises(Refused):
        lab.kube.stop(lab.release, ref, generation=2, expected_uid=uid)
    with pytest.raises(Refused):
        lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back())
    assert live(lab) == (0, "3")


def job(lab: Lab, name: str = "migrate-1") -> dict[str, Any]:
    container = {"name": "it", "image": "registry.example/db:v1"}
    spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}, "backoffLimit": 0}
    metadata = {"name": name, "namespace": lab.namespace}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def test_a_job_is_made_once_and_is_known_as_a_run_of_its_release(lab: Lab) -> None:
    body = job(lab)
    ref = lab.ref(body)
    assert lab.kube.job(ref) is None
    lab.kube.begin(lab.release, lab.namespace, 1, "event-1")
    lab.kube.run_job(lab.release, body, run=RUN, generation=1)
    uid = lab.outside.must_get(lab.path("jobs", "migrate-1", "batch"))["metadata"]["uid"]
    lab.kube.run_job(lab.release, body, run=RUN, generation=1)
    assert lab.outside.must_get(lab.path("jobs", "migrate-1", "batch"))["metadata"]["uid"] == uid
    seen = lab.kube.job(ref)
    assert seen is not None
    assert (seen.run, seen.owner, seen.suspended) == ("1234567890", lab.release, False)
    found = lab.kube.observe([lab.desired()])[lab.release].objects[ref]
    assert (found.run, found.owner) == ("1234567890", lab.release)
    assert "opspilot.spec/run" not in str(found.live)  # no mark enters a digest


def test_a_job_is_stopped_for_good_whoever_suspended_it_and_would_let_it_go_on(lab: Lab) -> None:
    body = job(lab)
    ref, path = lab.ref(body), lab.path("jobs", "migrate-1", "batch")
    lab.kube.begin(lab.release, lab.namespace, 1, "event-1")
    lab.kube.run_job(lab.release, body, run=RUN, generation=1)
    lab.outside.edit(path, {"spec": {"suspend": True}})
    seen = lab.kube.job(ref)
    assert seen is not None
    assert (seen.suspended, seen.stopped) == (True, False)
    for _ in range(2):  # again, as after a crash
        lab.kube.stop_job(lab.release, ref, generation=1, expected_uid=seen.uid)
        found = lab.kube.job(ref)
        assert found is not None
        assert (found.run, found.uid, found.suspended, found.stopped) == ("1234567890", seen.uid, True, True)
    lab.outside.edit(path, {"spec": {"suspend": False}})
    spec = lab.outside.must_get(path)["spec"]
    assert (spec["parallelism"], spec["activeDeadlineSeconds"]) == (0, 1)
    # a pod that no node ever had (there is none) has no log, and that is said
    assert lab.kube.job_log(lab.ref(body)).partition("pod migrate-")[0] in {"", "(the log of "}


def test_g25_an_older_plan_runs_no_job(lab: Lab) -> None:
    lab.kube.begin(lab.release, lab.namespace, 1, "event-1")
    lab.connect().begin(lab.release, lab.namespace, 2, "event-2")
    other = lab.connect()
    with pytest.raises(Refused):
        other.run_job(lab.release, job(lab), run=RUN, generation=1)
    with pytest.raises(Refused):
        other.stop_job(lab.release, lab.ref(job(lab)), generation=1, expected_uid="x")
    assert lab.kube.job(lab.ref(job(lab))) is None


def test_g25_a_migration_that_comes_after_the_traffic_was_given_back_does_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = job(lab)
    stands_still = lab.connect()
    stands_still.begin(lab.release, lab.namespace, 2, "event-2", 5)

    def another() -> None:  # gives the traffic back: a later turn
        lab.kube.begin(lab.release, lab.namespace, 2, "event-3", 6)

    Between(monkeypatch, "PATCH", lab.path("jobs", "migrate-1", "batch"), another)
    with pytest.raises(Refused):
        stands_still.run_job(lab.release, body, run=RUN, generation=2)
    found = lab.kube.job(lab.ref(body))
    assert found is None or found.stopped


def test_g25_a_run_that_somebody_found_and_counts_on_is_not_taken_away_by_who_made_it_late(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = lab.ref(job(lab))
    stands_still = lab.connect()
    stands_still.begin(lab.release, lab.namespace, 2, "event-2", 5)

    def finds_it() -> None:  # while the answer is on its way: it waits for the run, and goes on
        lab.kube.begin(lab.release, lab.namespace, 2, "event-2", 5)
        found = lab.kube.job(ref)
        assert found is not None
        assert not found.claimed
        lab.kube.claim_job(lab.release, job(lab), run=RUN, generation=2, expected_uid=found.uid)
        lab.kube.begin(lab.release, lab.namespace, 2, "event-3", 6)

    Between(monkeypatch, "PATCH", lab.path("jobs", "migrate-1", "batch"), finds_it, answered=True)
    with pytest.raises(Refused):
        stands_still.run_job(lab.release, job(lab), run=RUN, generation=2)
    found = lab.kube.job(ref)
    assert found is not None
    assert (found.run, found.claimed, found.stopped) == ("1234567890", True, False)
    assert "opspilot.spec/claimed-by" not in str(lab.kube.observe([lab.desired()])[lab.release].objects[ref].live)


def test_g25_who_was_overtaken_claims_no_run(lab: Lab) -> None:
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2", 5)
    lab.kube.run_job(lab.release, job(lab), run=RUN, generation=2)
    late = lab.connect()
    late.begin(lab.release, lab.namespace, 2, "event-2", 5)
    seen = late.job(lab.ref(job(lab)))
    assert seen is not None
    lab.kube.begin(lab.release, lab.namespace, 2, "event-3", 6)
    with pytest.raises(Refused):
        late.claim_job(lab.release, job(lab), run=RUN, generation=2, expected_uid=seen.uid)
    found = lab.kube.job(lab.ref(job(lab)))
    assert found is not None
    assert found.claimed


OTHERS: dict[str, tuple[dict[str, Any], str]] = {  # what somebody else's Job of a run's name says, and what is told
    "another image": ({"template": {"spec": {"image": "evil.example/true:1"}}}, "[name=it].image"),
    "a command that the approved one has not": ({"template": {"spec": {"command": ["true"]}}}, "[name=it].command"),
    "nothing to complete": ({"completions": 0}, "spec.completions"),
    "more time": ({"activeDeadlineSeconds": 600}, "spec.activeDeadlineSeconds"),
    "any time": ({"activeDeadlineSeconds": None}, "spec.activeDeadlineSeconds"),
    "a controller of its own": ({"managedBy": "evil.example/controller"}, "spec.managedBy"),
}
OURS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "less time was left": {"activeDeadlineSeconds": 20},
    "it waits, and says where its pods may run": {"suspend": True, "template": {"at": {"nodeSelector": {"a": "b"}}}},
    "it was stopped": {"suspend": True, "parallelism": 0, "completions": 1, "activeDeadlineSeconds": 1},
}


def found_run(lab: Lab, change: dict[str, Any]) -> tuple[dict[str, Any], JobSeen]:
    """The approved run, and another Job of its name with all its marks, which was not made by who looks now."""
    lab.kube.begin(lab.release, lab.namespace, 1, "event-1")
    lab.kube.run_job(lab.release, job(lab), run=RUN, generation=1)
    marked = lab.outside.must_get(lab.path("jobs", "migrate-1", "batch"))["metadata"]
    body = job(lab, "migrate-2")
    body["spec"]["activeDeadlineSeconds"] = 60
    other = deepcopy(body)
    other["metadata"] |= {key: marked[key] for key in ("labels", "annotations")}
    pods = change.get("template", {})
    other["spec"] |= {key: value for key, value in change.items() if key != "template"}
    other["spec"]["template"]["spec"] |= pods.get("at", {})
    other["spec"]["template"]["spec"]["containers"][0] |= pods.get("spec", {})
    lab.outside.create(lab.path("jobs", group="batch"), other)
    seen = lab.kube.job(lab.ref(body))
    assert seen is not None
    assert (seen.run, seen.owner, seen.claimed, seen.known) == (RUN, lab.release, True, False)
    return body, seen


def said_of(job: dict[str, Any]) -> tuple[Any, ...]:
    """All but what a controller writes while it runs."""
    return job["spec"], *(job["metadata"].get(key) for key in ("uid", "labels", "annotations"))


@pytest.mark.parametrize(("change", "words"), OTHERS.values(), ids=OTHERS)
def test_a_run_that_is_not_made_of_what_was_approved_is_nobodys(lab: Lab, change: dict[str, Any], words: str) -> None:
    """Whoever may make Jobs there can make one with every mark of a run, the name of our process among them."""
    body, seen = found_run(lab, change)
    path = lab.path("jobs", "migrate-2", "batch")
    before = said_of(lab.outside.must_get(path))
    for _ in range(2):  # it is not known after it was refused
        with pytest.raises(Refused) as refused:
            lab.kube.claim_job(lab.release, body, run=RUN, generation=1, expected_uid=seen.uid)
        told = str(refused.value)
        assert (refused.value.key, words in told, "evil" in told) == ("target_changed", True, False)
    with pytest.raises(Refused):  # nor where it appears just before the creation
        lab.kube.run_job(lab.release, body, run=RUN, generation=1)
    assert said_of(lab.outside.must_get(path)) == before
    found = lab.kube.job(lab.ref(body))
    assert found is not None
    assert not found.known


@pytest.mark.parametrize("change", OURS.values(), ids=OURS)
def test_a_run_that_is_found_counts_whatever_became_of_it_since(lab: Lab, change: dict[str, Any]) -> None:
    body, seen = found_run(lab, change)
    lab.kube.claim_job(lab.release, body, run=RUN, generation=1, expected_uid=seen.uid)
    found = lab.kube.job(lab.ref(body))
    assert found is not None
    assert (found.known, found.claimed, found.uid) == (True, True, seen.uid)
    assert lab.outside.get(lab.path("jobs", f"migrate-2{TRIED}", "batch")) is None


def test_a_run_whose_trial_has_a_name_that_is_taken_is_not_known(lab: Lab) -> None:
    body, seen = found_run(lab, {})
    lab.outside.create(lab.path("jobs", group="batch"), job(lab, f"migrate-2{TRIED}"))
    with pytest.raises(Refused, match="already exists"):
        lab.kube.claim_job(lab.release, body, run=RUN, generation=1, expected_uid=seen.uid)


@pytest.mark.parametrize(
    ("refused", "words"), [({"DELETE"}, ""), ({"DELETE", "PATCH"}, "was made too late and may run")]
)
def test_g25_a_late_migration_that_may_not_be_deleted_is_stopped_or_told(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, refused: set[str], words: str
) -> None:
    body, path = job(lab), lab.path("jobs", "migrate-1", "batch")
    stands_still = lab.connect()
    stands_still.begin(lab.release, lab.namespace, 2, "event-2", 5)

    def another() -> None:  # gives the traffic back, and nobody is let near the Job any more
        lab.kube.begin(lab.release, lab.namespace, 2, "event-3", 6)
        real = Client.ask

        def ask(client: Client, request: Request) -> Answer:
            if request.path == path and request.method in refused:
                return Answer(403, b"{}", request.what)
            return real(client, request)

        monkeypatch.setattr(Client, "ask", ask)

    Between(monkeypatch, "PATCH", path, another, answered=True)
    with pytest.raises(Refused) as raised:
        stands_still.run_job(lab.release, body, run=RUN, generation=2)
    assert isinstance(raised.value, LeftBehind) is bool(words)
    assert words in raised.value.message
    found = lab.kube.job(lab.ref(body))
    assert found is not None
    assert found.stopped is not bool(words)
