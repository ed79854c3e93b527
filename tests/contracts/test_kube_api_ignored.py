"""Fields that are left to others on a cluster: neither compared nor sent, and given up as they stand."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from reconciler.errors import Unavailable
from reconciler.kube.adopt import TAKING
from reconciler.kube.answers import Answer
from reconciler.kube.client import Request
from reconciler.kube.marks import HAND_OVER_MANAGER
from reconciler.names import ObjectRef
from reconciler.ports import DesiredObjects
from reconciler.specs.ways import REPLICAS, Way
from reconciler.state.observed import ObservedObject
from tests.contracts.kube_targets import Body, Lab, real_lab, sandbox_lab

TARGETS = {"sandbox": sandbox_lab, "real": real_lab}
LEVEL: Way = ("data", "level")
SIZE: Way = ("data", "size")


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with TARGETS[request.param](request) as made:
        yield made


def ref(lab: Lab, body: Body) -> ObjectRef:
    return lab.ref(body)


def wanted(lab: Lab, body: Body, *ways: Way) -> DesiredObjects:
    return replace(lab.desired(body), ignored={ref(lab, body): ways} if ways else {})


def see(lab: Lab, body: Body, *ways: Way) -> ObservedObject:
    one = wanted(lab, body, *ways)
    return lab.kube.observe([one])[one.release].objects[ref(lab, body)]


def roll(lab: Lab, body: Body, *ways: Way, generation: int = 1) -> None:
    """As lab.roll, with fields that are left to others."""
    uid = see(lab, body, *ways).uid
    lab.kube.begin(lab.release, lab.namespace, generation, f"event-{generation}")
    lab.kube.observe([wanted(lab, body, *ways)])
    lab.kube.apply(lab.release, body, generation=generation, expected_uid=uid, ignored=ways)
    seen = see(lab, body, *ways)
    assert (seen.live, seen.conflicts, seen.failure) == (seen.result, (), None)


def live(lab: Lab, name: str = "settings") -> Body:
    return lab.outside.must_get(lab.path("configmaps", name))


def holders(body: Body, key: str) -> set[str]:
    entries = body["metadata"]["managedFields"]
    return {one["manager"] for one in entries if f"f:{key}" in one["fieldsV1"].get("f:data", {})}


def edit(lab: Lab, **data: str | None) -> None:
    lab.outside.edit(lab.path("configmaps", "settings"), {"data": data})


def test_what_others_set_is_no_difference_and_outlives_other_changes(lab: Lab) -> None:
    roll(lab, lab.config(level="info", color="red"))
    edit(lab, level="debug")
    assert see(lab, lab.config(level="info", color="red")).conflicts
    seen = see(lab, lab.config(level="info", color="red"), LEVEL)
    assert (seen.live, seen.conflicts) == (seen.result, ())
    assert seen.live == {"data": {"color": "red"}}
    again = see(lab, lab.config(level="warn", color="red"), LEVEL)
    assert again.live == again.result  # not even where the source says something else now
    roll(lab, lab.config(level="info", color="blue"), LEVEL, generation=2)
    assert live(lab)["data"] == {"level": "debug", "color": "blue"}
    assert holders(live(lab), "level") == {"kubectl-edit"}


def test_a_new_object_is_made_with_them(lab: Lab) -> None:
    body = lab.config(level="info", color="red")
    assert see(lab, body, LEVEL).result == {"data": {"level": "info", "color": "red"}}
    roll(lab, body, LEVEL)
    assert live(lab)["data"] == {"level": "info", "color": "red"}


def test_what_only_we_set_is_given_up_as_it_stands_and_what_is_left_out_by_others_stays_away(lab: Lab) -> None:
    roll(lab, lab.config(level="info", color="red", gone="x"))
    edit(lab, gone=None)
    roll(lab, lab.config(level="warn", color="blue", gone="x"), LEVEL, ("data", "gone"), generation=2)
    assert live(lab)["data"] == {"level": "info", "color": "blue"}
    assert "reconciler" not in holders(live(lab), "level")
    edit(lab, level="debug")
    roll(lab, lab.config(level="warn", color="green", gone="x"), LEVEL, ("data", "gone"), generation=3)
    assert live(lab)["data"] == {"level": "debug", "color": "green"}


def test_what_is_not_left_to_others_any_more_is_ours_again_and_goes_with_the_source(lab: Lab) -> None:
    roll(lab, lab.config(level="info", color="red"))
    roll(lab, lab.config(level="info", color="blue"), LEVEL, generation=2)
    roll(lab, lab.config(level="warn", color="blue"), generation=3)  # nobody else holds it: no conflict
    assert (live(lab)["data"]["level"], holders(live(lab), "level")) == ("warn", {"reconciler"})
    roll(lab, lab.config(color="blue"), generation=4)
    assert live(lab)["data"] == {"color": "blue"}


def test_two_are_given_up_one_after_the_other_and_both_stay(lab: Lab) -> None:
    roll(lab, lab.config(level="info", size="1", color="red"))
    roll(lab, lab.config(level="info", size="1", color="blue"), LEVEL, generation=2)
    roll(lab, lab.config(level="info", size="1", color="green"), LEVEL, ("data", "size"), generation=3)
    assert live(lab)["data"] == {"level": "info", "size": "1", "color": "green"}
    roll(lab, lab.config(level="info", color="green"), LEVEL, generation=4)  # the source drops it with its rule:
    assert live(lab)["data"] == {"level": "info", "size": "1", "color": "green"}  # it was given up, so it stays
    assert holders(live(lab), "size") == set()


def test_what_is_given_up_and_what_is_taken_back_at_once_are_kept_apart(lab: Lab) -> None:
    roll(lab, lab.config(level="info", size="1", color="red"))
    roll(lab, lab.config(level="info", size="1", color="blue"), LEVEL, generation=2)
    roll(lab, lab.config(level="info", size="1", color="green"), SIZE, generation=3)
    assert (holders(live(lab), "level"), "reconciler" in holders(live(lab), "size")) == ({"reconciler"}, False)
    roll(lab, lab.config(size="1", color="black"), SIZE, generation=4)  # it is ours again, and goes with the source
    assert live(lab)["data"] == {"size": "1", "color": "black"}


def test_a_number_of_pods_is_made_with_the_object_and_then_left_alone(lab: Lab) -> None:
    roll(lab, lab.deployment(replicas=0), REPLICAS)
    place = lab.path("deployments", "web", "apps")
    assert lab.outside.must_get(place)["spec"]["replicas"] == 0
    roll(lab, lab.deployment(image="registry.example/web:v2", replicas=3), REPLICAS, generation=2)
    assert lab.outside.must_get(place)["spec"]["replicas"] == 0
    lab.outside.edit(place, {"spec": {"replicas": 2}}, "somebody")
    seen = see(lab, lab.deployment(image="registry.example/web:v2", replicas=3), REPLICAS)
    assert (seen.live, seen.conflicts, seen.autoscaled) == (seen.result, (), False)
    roll(lab, lab.deployment(image="registry.example/web:v3", replicas=3), REPLICAS, generation=3)
    assert lab.outside.must_get(place)["spec"]["replicas"] == 2


def sent(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What is asked from now on."""
    asked: list[Request] = []
    ask = lab.kube.client.ask

    def heard(request: Request) -> Answer:
        asked.append(request)
        return ask(request)

    monkeypatch.setattr(lab.kube.client, "ask", heard)
    return asked


def test_g25_what_is_given_up_is_fenced_by_what_was_read_and_never_forced(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    roll(lab, lab.config(level="info", size="1", color="red"))
    roll(lab, lab.config(level="info", size="1", color="blue"), LEVEL, generation=2)
    asked = sent(lab, monkeypatch)
    roll(lab, lab.config(level="info", size="1", color="green"), SIZE, generation=3)
    writes = [one for one in asked if one.method == "PATCH" and "dryRun" not in (one.query or {})]
    giving = [one for one in writes if one.what.startswith("leaving fields")]
    assert [one.query for one in giving] == [
        {"fieldManager": TAKING},
        {"fieldManager": HAND_OVER_MANAGER, "force": "false"},
    ]
    versions = [one.body["metadata"]["resourceVersion"] for one in writes]
    assert len(set(versions)) == len(versions) == 3  # each at the version after the one before
    assert {one.body["metadata"]["uid"] for one in writes} == {live(lab)["metadata"]["uid"]}


def test_g25_what_moves_before_it_is_given_up_is_read_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a plain apply does where a controller wrote beside us; and not for ever."""
    roll(lab, lab.config(level="info", color="red"))
    body = lab.config(level="warn", color="blue")
    ask, moves = lab.kube.client.ask, [1]

    def beside(request: Request) -> Answer:
        if request.what.startswith("leaving fields") and moves:
            number = moves.pop()
            note = {"metadata": {"annotations": {"example.com/seen": f"{number} {time.monotonic()}"}}}
            lab.outside.edit(lab.path("configmaps", "settings"), note)
        return ask(request)

    monkeypatch.setattr(lab.kube.client, "ask", beside)
    roll(lab, body, LEVEL, generation=2)
    assert live(lab)["data"] == {"level": "info", "color": "blue"}
    moves.extend(range(9))
    with pytest.raises(Unavailable, match="keeps changing"):
        roll(lab, lab.config(level="warn", color="green"), SIZE, generation=3)
