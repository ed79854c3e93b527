"""The contract of giving pods back: how many, whose number it is then, and who may still do it.

On the sandbox cluster and on a real kube-apiserver; where they differ, the sandbox is wrong.
"""

from typing import Any

import pytest

from reconciler.errors import Refused, Unavailable
from reconciler.kube.marks import STOPPED, STOPPED_OF
from reconciler.ports import Back
from tests.contracts.kube_targets import Lab
from tests.contracts.test_kube_api_traffic import at_rest, live, see, stopped
from tests.contracts.test_kube_api_traffic import lab as lab  # a fixture
from tests.kube.test_windows import Between

LOST = Back(own=None, least=2, unmarked=True)


def made_while_stopped(lab: Lab, replicas: int | None, more: int = 0) -> tuple[dict[str, Any], str]:
    """A Deployment that a return makes, or makes anew, while there is no traffic."""
    body = lab.deployment(replicas=replicas)
    lab.kube.begin(lab.release, lab.namespace, 1, "event-1")
    lab.kube.observe([lab.desired(body)])
    lab.kube.apply(lab.release, body, generation=1, expected_uid="", stopped=True, replicas=more)
    return body, see(lab, body, away=True).uid


@pytest.mark.parametrize(("replicas", "more", "given"), [(3, 0, 3), (None, 0, 1), (None, 4, 4), (0, 0, 0)])
def test_what_is_made_while_it_is_stopped_says_how_many_pods_it_gets(
    lab: Lab, replicas: int | None, more: int, given: int
) -> None:
    body, uid = made_while_stopped(lab, replicas, more)
    assert live(lab) == (0, str(given))
    lab.kube.restore(lab.release, lab.ref(body), generation=1, expected_uid=uid, back=Back())
    assert live(lab) == (given, None)


def test_what_was_made_anew_meanwhile_gets_its_pods_under_its_new_uid(lab: Lab) -> None:
    body, ref, uid = stopped(lab)
    lab.kube.delete(lab.release, ref, generation=2, expected_uid=uid, forget=False)
    lab.kube.apply(lab.release, body, generation=2, expected_uid="", stopped=True)
    lab.kube.restore(lab.release, ref, generation=2, expected_uid="", back=Back(own=3))
    assert live(lab) == (3, None)


@pytest.mark.parametrize("mark", ["x", "-3", "", "3.5", "99999999999"])
@pytest.mark.parametrize(("own", "given"), [(None, 2), (5, 5)])
def test_a_mark_that_says_no_number_is_told_and_the_source_counts(
    lab: Lab, mark: str, own: int | None, given: int
) -> None:
    ref, uid = at_rest(lab)
    lab.outside.edit(lab.path("deployments", "web", "apps"), {"metadata": {"annotations": {STOPPED: mark}}})
    found = lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back(own=own, least=2))
    assert live(lab) == (given, None)
    assert found is not None
    assert (found.pods, found.words) == (given, f"its mark {mark[:20]!r} says no number")


def test_a_later_plan_reads_a_mark_that_says_no_number_as_one_pod(lab: Lab) -> None:
    body, _, uid = stopped(lab, None)
    lab.outside.edit(lab.path("deployments", "web", "apps"), {"metadata": {"annotations": {STOPPED: "x"}}})
    lab.kube.begin(lab.release, lab.namespace, 3, "event-3")
    assert see(lab, body, away=False).result["spec"]["replicas"] == 1
    lab.kube.apply(lab.release, body, generation=3, expected_uid=uid)
    assert live(lab) == (1, None)


def test_a_mark_that_is_gone_is_told_and_what_has_pods_is_left_alone(lab: Lab) -> None:
    _, ref, uid = stopped(lab)
    path = lab.path("deployments", "web", "apps")
    lab.outside.edit(path, {"metadata": {"annotations": {STOPPED: None}}})
    lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back())  # not of what may never have had it
    assert live(lab) == (0, None)
    found = lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=LOST)
    assert found is not None
    assert (found.pods, found.words, live(lab)) == (2, "its mark is gone", (2, None))
    lab.outside.edit(path, {"spec": {"replicas": 7}})
    assert lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=LOST) is None
    assert live(lab) == (7, None)


def test_a_number_that_others_set_is_theirs_again_and_no_later_plan_takes_it_away(lab: Lab) -> None:
    body = lab.deployment(replicas=None)
    lab.roll(body, generation=1)
    lab.outside.edit(lab.path("deployments", "web", "apps"), {"spec": {"replicas": 4}})
    ref, uid = lab.ref(body), lab.see(body).uid
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2")
    lab.kube.stop(lab.release, ref, generation=2, expected_uid=uid)
    annotations = lab.outside.must_get(lab.path("deployments", "web", "apps"))["metadata"]["annotations"]
    assert annotations[STOPPED_OF] == "kubectl-edit"
    lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back())
    assert live(lab) == (4, None)
    found = see(lab, body, away=False)
    assert (found.live, found.stopped) == (found.result, None)
    for generation in (3, 4):
        lab.kube.begin(lab.release, lab.namespace, generation, f"event-{generation}")
        lab.kube.apply(lab.release, body, generation=generation, expected_uid=uid)
        assert live(lab) == (4, None)


@pytest.mark.parametrize("away", [True, False])
def test_what_a_later_plan_gives_back_stays_with_the_plan_after_it(lab: Lab, away: bool) -> None:  # noqa: FBT001
    """`away`: by the return that stopped it."""
    body, ref, uid = stopped(lab, None)
    lab.outside.edit(lab.path("deployments", "web", "apps"), {"metadata": {"annotations": {STOPPED: "4"}}})
    if away:
        lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back())
    for generation in (3, 4):
        lab.kube.begin(lab.release, lab.namespace, generation, f"event-{generation}")
        lab.kube.apply(lab.release, body, generation=generation, expected_uid=uid)
        assert live(lab) == (4, None)


def test_pods_that_came_back_meanwhile_are_those_that_are_given_back(lab: Lab) -> None:
    _, ref, uid = stopped(lab)
    lab.outside.edit(lab.path("deployments", "web", "apps"), {"spec": {"replicas": 6}})
    lab.kube.stop(lab.release, ref, generation=2, expected_uid=uid)
    assert live(lab) == (0, "6")
    lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back())
    assert live(lab) == (6, None)


@pytest.mark.parametrize("by_hand", [0, 6])
def test_a_number_that_others_set_on_the_version_that_is_left_does_not_beat_the_source(lab: Lab, by_hand: int) -> None:
    body = lab.deployment(replicas=3)
    lab.roll(body, generation=1)
    ref, uid = lab.ref(body), lab.see(body).uid
    lab.outside.edit(lab.path("deployments", "web", "apps"), {"spec": {"replicas": by_hand}})
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2")
    lab.kube.stop(lab.release, ref, generation=2, expected_uid=uid)
    assert live(lab) == (0, str(by_hand))
    lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back(own=3))
    assert live(lab) == (3, None)


def test_what_its_autoscaler_scales_never_gets_fewer_pods_than_that_leaves_it(lab: Lab) -> None:
    body = lab.deployment(replicas=None)
    lab.roll(body, generation=1)
    ref, uid = lab.ref(body), lab.see(body).uid
    lab.outside.edit(lab.path("deployments", "web", "apps"), {"spec": {"replicas": 0}})
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2")
    lab.kube.stop(lab.release, ref, generation=2, expected_uid=uid)
    lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back(floor=2))
    assert live(lab) == (2, None)


def test_g25_who_stood_still_in_an_earlier_step_stops_nothing_after_it_was_given_back(lab: Lab) -> None:
    body = lab.deployment(replicas=3)
    lab.roll(body, generation=1)
    ref, uid = lab.ref(body), lab.see(body).uid
    stands_still = lab.connect()
    stands_still.begin(lab.release, lab.namespace, 2, "event-2", 5)
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2", 5)
    lab.kube.stop(lab.release, ref, generation=2, expected_uid=uid)
    lab.kube.begin(lab.release, lab.namespace, 2, "event-3", 6)
    lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back(own=3))
    with pytest.raises(Refused):
        stands_still.stop(lab.release, ref, generation=2, expected_uid=uid)
    assert live(lab) == (3, None)


def test_g25_giving_back_moves_what_was_never_stopped_so_that_an_order_on_its_way_fails(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = lab.deployment(replicas=3)
    lab.roll(body, generation=1)
    ref, uid, path = lab.ref(body), lab.see(body).uid, lab.path("deployments", "web", "apps")
    stands_still = lab.connect()
    stands_still.begin(lab.release, lab.namespace, 2, "event-2", 5)

    def another() -> None:
        lab.kube.begin(lab.release, lab.namespace, 2, "event-3", 6)
        assert lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back()) is None
        lab.kube.client.requests.clear()
        lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back())
        assert lab.kube.client.requests["PATCH"] == 0, "once in each turn"

    Between(monkeypatch, "PATCH", path, another)
    with pytest.raises((Refused, Unavailable)):
        stands_still.stop(lab.release, ref, generation=2, expected_uid=uid)
    assert live(lab) == (3, None)


def test_a_number_that_moves_under_a_stop_is_looked_at_again_by_whoever_decided_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = lab.deployment(replicas=3)
    lab.roll(body, generation=1)
    ref, uid, path = lab.ref(body), lab.see(body).uid, lab.path("deployments", "web", "apps")
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2")

    def another() -> None:
        lab.outside.edit(path, {"spec": {"replicas": 8}})

    Between(monkeypatch, "PATCH", path, another)
    with pytest.raises(Unavailable):
        lab.kube.stop(lab.release, ref, generation=2, expected_uid=uid)
    assert live(lab) == (8, None)


def cron_job(lab: Lab, **spec: Any) -> dict[str, Any]:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "it", "image": "registry.example/web:v1"}]}}
    body = {"schedule": "0 0 29 2 *", "jobTemplate": {"spec": {"template": template}}, **spec}  # no Job of its own
    metadata = {"name": "hourly", "namespace": lab.namespace}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": body}


def suspended(lab: Lab) -> tuple[bool, str | None]:
    body = lab.outside.must_get(lab.path("cronjobs", "hourly", "batch"))
    return body["spec"].get("suspend", False), body["metadata"]["annotations"].get(STOPPED)


@pytest.mark.parametrize("said", [{}, {"suspend": False}, {"suspend": True}])
def test_a_cron_job_is_suspended_meanwhile_and_goes_on_as_it_was(lab: Lab, said: dict[str, bool]) -> None:
    body = cron_job(lab, **said)
    was = said.get("suspend", False)
    lab.roll(body, generation=1)
    ref, uid = lab.ref(body), lab.see(body).uid
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2")
    lab.kube.stop(lab.release, ref, generation=2, expected_uid=uid)
    assert suspended(lab) == (True, str(int(not was)))
    other = cron_job(lab, **{**said, "schedule": "0 * * * *"})
    lab.kube.apply(lab.release, other, generation=2, expected_uid=uid, stopped=True)
    assert suspended(lab) == (True, str(int(not was)))
    seen = see(lab, other, away=True)
    assert seen.live == seen.result
    lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back())
    assert suspended(lab) == (was, None)
    seen = see(lab, other, away=False)
    assert seen.live == seen.result


def test_the_jobs_of_a_cron_job_that_run_are_waited_for(lab: Lab) -> None:
    body = cron_job(lab)
    lab.roll(body, generation=1)
    ref = lab.ref(body)
    assert lab.kube.pods_left(ref) == ()
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": "hourly",
        "uid": lab.see(body).uid,
        "controller": True,
    }
    made = {**body["spec"]["jobTemplate"], "apiVersion": "batch/v1", "kind": "Job"}
    for name, owners in (("hourly-1", [owner]), ("other", [])):
        metadata = {"name": name, "namespace": lab.namespace, "ownerReferences": owners}
        lab.outside.create(lab.path("jobs", "", "batch"), {**made, "metadata": metadata})
    assert lab.kube.pods_left(ref) == ("hourly-1",)


def test_giving_a_number_back_keeps_what_else_is_left_to_others(lab: Lab) -> None:
    body = lab.deployment(replicas=None)
    body["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 7
    lab.roll(body, generation=1)
    path, ref, uid = lab.path("deployments", "web", "apps"), lab.ref(body), lab.see(body).uid
    lab.outside.edit(path, {"spec": {"replicas": 4}})
    way = (("spec", "template", "spec", "terminationGracePeriodSeconds"),)
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2")
    lab.kube.apply(lab.release, body, generation=2, expected_uid=uid, ignored=way)
    lab.kube.stop(lab.release, ref, generation=2, expected_uid=uid)
    lab.kube.restore(lab.release, ref, generation=2, expected_uid=uid, back=Back())
    assert live(lab) == (4, None)
    lab.kube.begin(lab.release, lab.namespace, 3, "event-3")
    lab.kube.apply(lab.release, body, generation=3, expected_uid=uid, ignored=way)
    assert live(lab) == (4, None)
    assert lab.outside.must_get(path)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 7
