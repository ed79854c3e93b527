"""A canary beside an autoscaler: its pods are counted when a step is done, from the number that runs then."""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconciler.app.canaries import canary_bodies, canary_pending, with_canaries
from reconciler.errors import Refused
from reconciler.names import ObjectRef
from reconciler.plan.change import Action, Plan, Told
from reconciler.plan.units import ref_of
from reconciler.ports import DesiredObjects
from reconciler.report.phrases import EN, ZH
from reconciler.report.sections import ways
from reconciler.specs.canaries import canary_of, uncounted
from reconciler.state.observed import ObservedObject
from tests.plan.test_strategies import CANARY, FOUR, PATH, REF, SERVICE, objects, said, told
from tests.plan.test_weights import ROUTE, looked
from tests.plan.world import KEY, Files, keys, plan, release

SCALER = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, minReplicas: 2, maxReplicas: 11}
"""


@pytest.fixture
def scaled(files: Files) -> Files:
    more = {"web.yaml": release("web", more=CANARY), "apps/web/service.yaml": SERVICE, PATH: FOUR}
    return files.but({**more, "apps/web/hpa.yaml": SCALER})


def next_version(scaled: Files, **more: Any) -> tuple[Files, Plan]:
    new = scaled.edited(PATH, "web:v1", "web:v2")
    return new, plan(new.good, scaled.good, **looked(new, **more))


def steps(made: Plan) -> list[Action]:
    return [one for batch in made.batches for one in batch if one.canary]


@dataclass
class Api:
    """A cluster where so many pods run."""

    pods: int
    asked: list[ObjectRef] = field(default_factory=list)

    def replicas(self, ref: ObjectRef) -> int:
        self.asked.append(ref)
        return self.pods


def test_steps_say_a_share_and_no_number_and_a_preview_between_which_numbers_it_is(scaled: Files) -> None:
    _, made = next_version(scaled)
    assert keys(made) == []
    assert [(one.share, one.replicas) for one in steps(made)] == [(20, 0), (60, 0), (0, 0)]
    assert said(made)[-2:] == [["apply_object Deployment web"], ["delete_object Deployment web-canary"]]
    shown = "".join(ways((made,), EN).blocks)
    assert "20 % of the 2 to 11 pods that the autoscaler has then: 1 to 3 new pods beside them" in shown
    assert "60 % of the 2 to 11 pods that the autoscaler has then: 2 to 7 new pods beside them" in shown
    assert "gets the new version, all its pods, a few at a time" in shown
    assert "2 到 11" in "".join(ways((made,), ZH).blocks)


def test_an_autoscaler_that_no_release_of_ours_has_counts_as_well(scaled: Files) -> None:
    bare = scaled.but({"apps/web/hpa.yaml": None})
    new = bare.edited(PATH, "web:v1", "web:v2")
    name = str(ObjectRef("apps", "v1", "Deployment", "web", "web"))
    edit = {name: lambda item: replace(item, autoscaled=True)}
    made = plan(new.good, bare.good, **looked(new), edit=edit)
    assert [one.share for one in steps(made)] == [20, 60, 0]
    assert Told.SHARE_THEN in told(made)


def test_no_number_that_moves_by_itself_is_in_the_digest(scaled: Files) -> None:
    (canary,) = (canary_of(objects(scaled)["Deployment web"], 1),)
    stands = {"exists": True, "uid": "7", "owner": "web"}
    plans = [
        next_version(scaled, **stands, live={**canary, "spec": {**canary["spec"], "replicas": pods}})[1]
        for pods in (1, 5)
    ]
    assert plans[0].digest == plans[1].digest


@pytest.mark.parametrize(("pods", "first", "second"), [(0, 1, 1), (1, 1, 1), (4, 1, 3), (10, 2, 6), (11, 3, 7)])
def test_a_step_counts_from_the_number_that_runs_and_at_least_one(
    scaled: Files, pods: int, first: int, second: int
) -> None:
    new, made = next_version(scaled)
    wanted = [DesiredObjects("web", "web", tuple(objects(new).values()))]
    for step, expected in zip(steps(made), (first, second), strict=False):
        api: Any = Api(pods)
        found = canary_bodies(api, wanted, [step])
        assert [body["spec"]["replicas"] for body in found.values()] == [expected]
        assert api.asked == [ObjectRef("apps", "v1", "Deployment", "web", "web")]
        (looked_at,) = with_canaries(wanted, found)
        assert sum(ref_of(body) == REF for body in looked_at.objects) == 1


def seen(made: Plan, new: Files, live: Any, pods: int) -> ObservedObject:
    stable = objects(new)["Deployment web"]
    return ObservedObject(REF, exists=True, uid="7", owner="web", live=live, result=canary_of(stable, pods))


def test_another_number_of_pods_is_no_stranger_s_doing_and_anything_else_is(scaled: Files) -> None:
    new, made = next_version(scaled)
    first, second, left = steps(made)
    stable = objects(new)["Deployment web"]
    grown = canary_of(stable, 5)
    assert canary_pending(second, seen(made, new, grown, 3), made, KEY)  # the number moved: written anew
    assert not canary_pending(second, seen(made, new, grown, 5), made, KEY)
    assert canary_pending(left, seen(made, new, grown, 5), made, KEY)
    changed = deepcopy(grown)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example/web:evil"
    for step in (first, second, left):
        with pytest.raises(Refused, match="no step of this plan left it so"):
            canary_pending(step, seen(made, new, changed, 5), made, KEY)


def test_where_nobody_scales_the_number_is_judged_as_before(scaled: Files) -> None:
    new, made = next_version(scaled.but({"apps/web/hpa.yaml": None}))
    _, second, _ = steps(made)
    with pytest.raises(Refused, match="no step of this plan left it so"):
        canary_pending(second, seen(made, new, canary_of(objects(new)["Deployment web"], 5), 3), made, KEY)


def test_a_route_s_canary_is_counted_too_and_its_weights_are_what_they_say(scaled: Files) -> None:
    routed = scaled.but({"apps/web/route.yaml": ROUTE})
    new, made = next_version(routed)
    assert keys(made) == []
    assert [(one.share, one.weight) for one in steps(made) if one.share or one.weight] == [
        (20, 0), (0, 20), (60, 0), (0, 60)
    ]  # fmt: skip
    writes = [one for one in steps(made) if one.weight == 20]
    wanted = [DesiredObjects("web", "web", tuple(objects(new).values()))]
    api: Any = Api(9)
    (body,) = canary_bodies(api, wanted, writes).values()
    assert [one["weight"] for one in body["spec"]["rules"][0]["backendRefs"]] == [80, 20, 300]


def test_a_route_that_is_gone_or_another_one_stops_the_plan(scaled: Files) -> None:
    new, made = next_version(scaled.but({"apps/web/route.yaml": ROUTE}))
    (write,) = [one for one in steps(made) if one.weight == 20]
    route = objects(new)["HTTPRoute web"]
    there = ObservedObject(ref_of(route), exists=True, uid=write.uid, owner="web", live=route, result={})
    assert canary_pending(write, there, made, KEY)
    assert not canary_pending(write, replace(there, result=route), made, KEY)
    for wrong in (
        replace(there, exists=False),
        replace(there, uid="other"),
        replace(there, uid="other", result=route),
        replace(there, owner=""),
        replace(there, live={**route, "spec": {**route["spec"], "hostnames": []}}),
    ):
        with pytest.raises(Refused) as raised:
            canary_pending(write, wrong, made, KEY)
        assert raised.value.key == "target_changed"


def test_a_deployment_without_a_number_stays_as_it_is() -> None:
    assert uncounted({"spec": {"a": 1}}) == {"spec": {"a": 1}}
    assert uncounted(None) is None
