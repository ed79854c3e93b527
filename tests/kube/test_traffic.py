"""How many pods a stopped workload gets, and what is written of it: functions over JSON."""

from typing import Any

import pytest

from reconciler.errors import Refused
from reconciler.kube import pods, traffic
from reconciler.kube.marks import EVENT, STOPPED, STOPPED_OF
from reconciler.kube.traffic import Turned, concerns, mark_of, pods_to_be, rescued, restoring, stopping, without_number
from reconciler.names import ObjectRef
from reconciler.ports import Back

GONE, UNREADABLE = "its mark is gone", "its mark 'x' says no number"
LOST = Back(least=2, unmarked=True)


def live(pods: int | None, mark: str | None = None, *, manager: str = "reconciler", **marks: str) -> dict[str, Any]:
    """A Deployment whose number of pods this manager says."""
    spec = {} if pods is None else {"replicas": pods}
    fields = {"f:metadata": {"f:annotations": {"f:kept": {}}}, "f:spec": {"f:replicas": {}}}
    entry = {"manager": manager, "operation": "Apply", "fieldsV1": fields}
    annotations = {"kept": "yes", "theirs": "no", **({} if mark is None else {STOPPED: mark}), **marks}
    metadata = {"name": "web", "namespace": "web", "uid": "u", "resourceVersion": "1", "managedFields": [entry]}
    said = {**metadata, "annotations": annotations}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": said, "spec": spec}


def hourly(mark: str | None = None, **spec: Any) -> dict[str, Any]:
    return {**live(None, mark), "apiVersion": "batch/v1", "kind": "CronJob", "spec": spec}


STOPS: dict[str, tuple[dict[str, Any], Turned | None]] = {
    "it runs": (live(3), Turned(0, {STOPPED: "3"})),
    "nobody says how many": (live(None), Turned(0, {STOPPED: "1"})),
    "it is so already": (live(0, "3"), None),
    "it is so already, and nobody can tell since when": (live(0, "x"), None),
    "it has none, and no mark says so": (live(0), Turned(0, {STOPPED: "0"})),
    "it got pods again": (live(5, "3"), Turned(0, {STOPPED: "5"})),
    "others say how many": (live(3, manager="hpa"), Turned(0, {STOPPED: "3", STOPPED_OF: "hpa"})),
    "a CronJob": (hourly(), Turned(0, {STOPPED: "1"})),
    "a CronJob that rests": (hourly(suspend=True), Turned(0, {STOPPED: "0"})),
    "a CronJob, already": (hourly("1", suspend=True), None),
}


@pytest.mark.parametrize(("body", "turned"), STOPS.values(), ids=STOPS)
def test_what_stops_a_workload(body: dict[str, Any], turned: Turned | None) -> None:
    found = stopping(body)
    if turned is not None and body["kind"] == "CronJob":
        turned = Turned(0, {**turned.mark, STOPPED_OF: "nobody"})  # nobody says whether it rests
    assert found == turned


def test_g21_what_takes_its_claims_along_is_not_stopped() -> None:
    body = live(3)
    body["spec"]["persistentVolumeClaimRetentionPolicy"] = {"whenScaled": "Delete"}
    with pytest.raises(Refused, match="the data in them, would go with its pods"):
        stopping(body)


# its pods, its mark, what is known of it, and what it gets
GIVEN: dict[str, tuple[dict[str, Any], Back, Turned | None]] = {
    "as many as it had": (live(0, "3"), Back(), Turned(3, handed=True)),
    "as many as its source says": (live(0, "3"), Back(own=5), Turned(5)),
    "none, as its source says": (live(0, "3"), Back(own=0), Turned(0)),
    "as few as its autoscaler allows": (live(0, "1"), Back(floor=2), Turned(2, handed=True)),
    "what the server says, where its number went with the version that had it": (
        live(0, "0"),
        Back(silent=True),
        Turned(1, handed=True),
    ),
    "as many as others had given it": (
        live(0, "3", **{STOPPED_OF: "kubectl"}),
        Back(silent=True),
        Turned(3, handed=True),
    ),
    "none, as others had given it none": (
        live(0, "0", **{STOPPED_OF: "kubectl"}),
        Back(silent=True),
        Turned(0, handed=True),
    ),
    "what came back where nobody says how many": (live(6, "0"), Back(silent=True), Turned(6, handed=True)),
    "a CronJob whose rest went with the version that had it": (
        hourly("0", suspend=True),
        Back(silent=True),
        Turned(1, handed=True),
    ),
    "what came back meanwhile": (live(6, "3"), Back(), Turned(6, handed=True)),
    "what came back beside a mark without a number": (
        live(6, "x"),
        Back(least=2),
        Turned(6, handed=True, words=UNREADABLE),
    ),
    "a mark without a number": (live(0, "x"), Back(least=2), Turned(2, handed=True, words=UNREADABLE)),
    "a mark without a number, and its source says": (live(0, "x"), Back(own=5), Turned(5, words=UNREADABLE)),
    "an empty mark": (live(0, ""), Back(), Turned(1, handed=True, words="its mark '' says no number")),
    "a long mark": (live(0, "x" * 30), Back(own=1), Turned(1, words=f"its mark '{'x' * 20}' says no number")),
    "never stopped": (live(3), Back(own=5, unmarked=True), None),
    "no mark, and nobody says that it had one": (live(0), Back(own=5), None),
    "its mark is gone": (live(0), LOST, Turned(2, handed=True, words=GONE)),
    "its mark is gone, and its source says": (live(0), Back(own=5, unmarked=True), Turned(5, words=GONE)),
    "no mark, and none is what its source says": (live(0), Back(own=0, unmarked=True), None),
    "a CronJob goes on": (hourly("1", suspend=True), Back(), Turned(1, handed=True)),
    "a CronJob that rested": (hourly("0", suspend=True), Back(), Turned(0, handed=True)),
}


@pytest.mark.parametrize(("body", "back", "turned"), GIVEN.values(), ids=GIVEN)
def test_what_a_workload_is_given_back(body: dict[str, Any], back: Back, turned: Turned | None) -> None:
    assert restoring(body, back) == turned


def test_a_stopped_workload_keeps_its_mark_and_whose_the_number_was() -> None:
    assert mark_of(live(0, "3")) == {STOPPED: "3"}
    assert mark_of(live(0, "3", **{STOPPED_OF: "hpa"})) == {STOPPED: "3", STOPPED_OF: "hpa"}


def test_what_a_write_says_is_what_is_ours_with_this_mark_and_this_number() -> None:
    before = live(0, "3", **{STOPPED_OF: "hpa", EVENT: "event-1"})
    fields = before["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:annotations"]
    fields |= {f"f:{name}": {} for name in (STOPPED, STOPPED_OF)}
    given = traffic.written(before, Turned(3))
    assert (given["metadata"]["annotations"], given["spec"]) == ({"kept": "yes"}, {"replicas": 3})
    assert given["metadata"]["resourceVersion"] == "1"
    handed = traffic.written(before, Turned(3, handed=True))
    assert (handed["metadata"]["annotations"], "spec" in handed) == ({"kept": "yes"}, False)
    again = traffic.written(before, Turned(0, {STOPPED: "4"}))
    assert (again["metadata"]["annotations"], again["spec"]) == ({"kept": "yes", STOPPED: "4"}, {"replicas": 0})


def test_what_is_read_without_its_number_says_everything_else() -> None:
    body = live(3)
    assert without_number("Deployment", body) == {key: value for key, value in body.items() if key != "spec"}
    more = {**body, "spec": {"replicas": 3, "paused": True}}
    assert without_number("Deployment", more)["spec"] == {"paused": True}
    assert without_number("CronJob", body) == body


# what an apply sends, what stands, whether others have the number, and what it gets: None is what is sent
RESCUED: dict[str, tuple[dict[str, Any], dict[str, Any], bool, int | None]] = {
    "the source says": (live(2), live(0, "3"), False, None),
    "an autoscaler has it": (live(2), live(0, "3"), True, 3),
    "as many as others had given it": (live(None), live(0, "3", **{STOPPED_OF: "kubectl"}), False, 3),
    "its number was of the version that was stopped": (live(None), live(0, "3"), False, 1),
    "somebody gave it pods": (live(None), live(6, "3"), False, 6),
    "a mark without a number": (live(None), live(0, "x"), False, 1),
    "none, as others had given it none": (live(None), live(0, "0", **{STOPPED_OF: "kubectl"}), False, 0),
    "it has none, by whoever has its number": (live(None), live(0, "0"), True, 0),
    "a CronJob whose rest was of the version that was stopped": (hourly(), hourly("0", suspend=True), False, 1),
    "a CronJob whose rest is left to others": (hourly(), hourly("0", suspend=True), True, 0),
    "a CronJob that says nothing": (hourly(), hourly("1", suspend=True), False, 1),
    "a CronJob that says so": (hourly(suspend=True), hourly("1", suspend=True), False, None),
}


@pytest.mark.parametrize(("sent", "stands", "others", "given"), RESCUED.values(), ids=RESCUED)
def test_what_a_later_apply_gives_to_what_was_left_stopped(
    sent: dict[str, Any],
    stands: dict[str, Any],
    others: bool,  # noqa: FBT001
    given: int | None,
) -> None:
    assert rescued(sent, stands, others=others) == given


@pytest.mark.parametrize(("body", "number"), [(live(4), 4), (live(0, "3"), 3), (live(0), 0), (live(0, "x"), 0)])
def test_how_many_pods_it_is_to_have_counts_those_that_were_taken_away(body: dict[str, Any], number: int) -> None:
    assert pods_to_be(body) == number


def test_only_what_has_pods_is_stopped_or_given_them_back() -> None:
    web, settings = (ObjectRef(group, "v1", kind, "a", "b") for group, kind in (("apps", "Deployment"), ("", "Secret")))
    assert concerns(web, None, stopped=True)
    assert concerns(web, live(0, "3"), stopped=False)
    assert not concerns(web, live(3), stopped=False)
    assert not concerns(web, None, stopped=False)
    assert not concerns(settings, live(0, "3"), stopped=True)


# its status, and how many of its pods count as ready
READY: dict[str, tuple[dict[str, Any], int]] = {
    "as its controller says": ({"observedGeneration": 3, "readyReplicas": 2}, 2),
    "of those before they were taken away": ({"observedGeneration": 2, "readyReplicas": 2}, 0),
    "none yet": ({"observedGeneration": 3}, 0),
    "its controller never saw it": ({}, 0),
}


@pytest.mark.parametrize(("status", "count"), READY.values(), ids=READY)
def test_only_pods_that_its_controller_saw_since_the_newest_change_are_ready(
    status: dict[str, Any], count: int
) -> None:
    body = live(2)
    body["metadata"]["generation"] = 3
    assert pods.ready({**body, "status": status}) == count


def test_a_cron_job_is_ready_where_it_goes_on() -> None:
    assert (pods.ready(hourly()), pods.ready(hourly(suspend=True))) == (1, 0)


@pytest.mark.parametrize(
    ("metadata", "conditions", "going"),
    [
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, [{"type": "Ready", "status": "True"}], True),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, [{"type": "Ready", "status": "False"}], False),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, None, False),
        ({}, [{"type": "Ready", "status": "True"}], False),
    ],
)
def test_a_pod_on_its_way_out_is_told_though_its_statefulset_counts_it(
    metadata: dict[str, Any],
    conditions: list[dict[str, str]] | None,
    going: bool,  # noqa: FBT001
) -> None:
    assert pods.is_going({"metadata": metadata, "status": {"conditions": conditions}}) is going
