"""A canary by the weights of HTTPRoutes: what is written when, how it is told, and what it does not do."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from reconciler.names import ObjectRef
from reconciler.plan.canary import bodies
from reconciler.plan.change import Plan, Severity
from reconciler.plan.strategies import standing
from reconciler.plan.units import ref_of
from reconciler.report.phrases import EN, ZH
from reconciler.report.sections import ways
from reconciler.specs.routes import TRACK, weighted, weights_left
from reconciler.state.observed import Failure, ObservedObject
from tests.plan.test_strategies import CANARY, FOUR, PATH, SERVICE, objects, said
from tests.plan.world import Edit, Files, keys, plan, release

ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: web}
spec:
  parentRefs: [{name: outside}]
  hostnames: [shop.example]
  rules:
    - matches: [{path: {type: PathPrefix, value: /}}]
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x, value: one}]}}]
      backendRefs: [{name: front, port: 80}, {name: other, port: 80, weight: 3}]
    - matches: [{path: {type: PathPrefix, value: /static}}]
      backendRefs: [{name: files, port: 80}]
"""
SENT = frozenset({("web", "front")})
REFS = (
    ObjectRef("apps", "v1", "Deployment", "web", "web-canary"),
    ObjectRef("", "v1", "Service", "web", "front-canary"),
)
AT = ObjectRef("gateway.networking.k8s.io", "v1", "HTTPRoute", "web", "web")


@pytest.fixture
def routed(files: Files) -> Files:
    more = {"web.yaml": release("web", more=CANARY), "apps/web/service.yaml": SERVICE, PATH: FOUR}
    return files.but({**more, "apps/web/route.yaml": ROUTE})


def looked(files: Files, **more: Any) -> dict[str, Any]:
    """What a look says of what stands only for the time of a canary."""
    found = bodies(objects(files).values(), files.good.desired.releases["web"].spec.strategy.canary)
    return {
        "extra": {"web": [ObservedObject(ref_of(body), **{"exists": False, "result": body, **more}) for body in found]}
    }


def next_version(routed: Files, **more: Any) -> Plan:
    new = routed.edited(PATH, "web:v1", "web:v2")
    return plan(new.good, routed.good, **{**looked(new), **more})


def refs(body: Any, rule: int = 0) -> dict[str, int]:
    return {one["name"]: one.get("weight") for one in body["spec"]["rules"][rule]["backendRefs"]}


def left_at(percent: int) -> dict[str, Edit]:
    """A route that still sends so much to a canary."""
    return {str(AT): lambda item: replace(item, live=weighted(item.live, SENT, percent))}


def test_old_pods_and_the_routed_service_are_told_apart_from_the_canary(routed: Files) -> None:
    found = objects(routed)
    assert found["Deployment web"]["spec"]["template"]["metadata"]["labels"] == {"app": "web", TRACK: "stable"}
    assert found["Deployment web"]["spec"]["selector"] == {"matchLabels": {"app": "web"}}  # it cannot be changed
    assert found["Service front"]["spec"]["selector"] == {"app": "web", TRACK: "stable"}
    deployment, service = bodies(found.values(), routed.good.desired.releases["web"].spec.strategy.canary)
    assert deployment["spec"]["template"]["metadata"]["labels"] == {"app": "web", TRACK: "canary"}
    assert service["metadata"] == {"name": "front-canary", "namespace": "web"}
    assert service["spec"] == {"ports": [{"port": 80, "targetPort": 8080}], "selector": {"app": "web", TRACK: "canary"}}


def test_weights_share_out_what_one_backend_got_and_change_nothing_else(routed: Files) -> None:
    route = objects(routed)["HTTPRoute web"]
    before = deepcopy(route)
    found = weighted(route, SENT, 20)
    assert refs(found) == {"front": 80, "front-canary": 20, "other": 300}
    assert found["spec"]["rules"][1] == before["spec"]["rules"][1]
    kept = ({key: rule[key] for key in rule if key != "backendRefs"} for rule in found["spec"]["rules"])
    assert list(kept) == [{k: rule[k] for k in rule if k != "backendRefs"} for rule in before["spec"]["rules"]]
    assert (weighted(route, SENT, 0), route) == (before, before)
    assert [weights_left(weighted(route, SENT, share), route, "web") for share in (0, 1, 20, 100)] == [0, 1, 20, 100]
    changed = deepcopy(found)
    changed["spec"]["hostnames"] = ["other.example"]
    assert weights_left(changed, route, "web") == 0


def test_each_step_makes_pods_then_writes_weights_and_at_the_end_all_is_at_rest_before_the_canary_goes(
    routed: Files,
) -> None:
    made = next_version(routed)
    assert keys(made) == []
    assert said(made) == [
        ["apply_object Deployment web-canary", "apply_object Service front-canary"],
        ["apply_object HTTPRoute web"],
        ["pause Deployment web-canary"],
        ["ask strategy.canary.checks[0] of front-canary"],
        ["apply_object Deployment web-canary"],
        ["apply_object HTTPRoute web"],
        ["ask strategy.canary.checks[0] of front-canary"],
        ["apply_object Deployment web"],
        ["apply_object HTTPRoute web"],
        ["delete_object Deployment web-canary", "delete_object Service front-canary"],
    ]
    first, second, rest = (
        one for batch in made.batches for one in batch if one.id.startswith("release/web:apply_object:HTTPRoute")
    )
    assert [one.weight for one in (first, second, rest)] == [20, 60, 0]
    assert (second.pre, rest.pre, rest.post) == (first.post, second.post, first.pre)  # each finds what one left (G20)
    assert len({first.pre, first.post, second.post}) == 3


def test_every_weight_and_what_appears_for_a_time_is_told(routed: Files) -> None:
    made = next_version(routed)
    shown = "".join(ways((made,), EN).blocks)
    for line in (
        "`Deployment.apps web/web-canary, Service web/front-canary` are there for the time of these steps",
        "20 % of 4 replicas: 1 new pods beside them",
        "one write of `HTTPRoute.gateway.networking.k8s.io web/web`: of what `front` gets, 20 % go to `front-canary`",
        "the new version alone is asked through Service `front-canary`: `GET http://front.web.svc/: 200`",
        "of what `front` gets, 60 % go to `front-canary`",
        "one write of `HTTPRoute.gateway.networking.k8s.io web/web`: `front` gets everything again",
        "a return first writes `HTTPRoute.gateway.networking.k8s.io web/web`",
    ):
        assert line in shown
    assert len("".join(ways((made,), ZH).blocks)) > 100


def test_weights_are_in_the_digest(routed: Files) -> None:
    def steps(files: Files) -> list[Any]:
        return [action.digested() for batch in next_version(files).batches for action in batch]

    other = routed.edited("web.yaml", "weight: 20", "weight: 21")
    assert steps(routed) != steps(other)
    live = plan(routed.edited(PATH, "web:v1", "web:v2").good, routed.good, **looked(routed), edit=left_at(7))
    assert live.digest != next_version(routed).digest  # what stands is, too


def test_a_route_that_still_sends_to_a_canary_is_put_to_rest_before_anything_else(routed: Files) -> None:
    made = next_version(routed, edit=left_at(60))
    assert keys(made) == []
    first = made.batches[0][0]
    assert (said(made)[0], first.weight) == (["apply_object HTTPRoute web"], 0)
    assert first.post == made.batches[2][0].pre
    stands = {"exists": True, "uid": "7", "owner": "web", "live": {"spec": {"replicas": 3}}}
    new = routed.edited(PATH, "web:v1", "web:v2")
    back = plan(routed.good, new.good, returning=True, **looked(routed, **stands), edit=left_at(60))
    assert said(back) == [
        ["apply_object HTTPRoute web"],
        ["apply_object Deployment web"],
        ["delete_object Deployment web-canary"],
        ["delete_object Service front-canary"],
    ]
    config = plan(
        routed.edited("apps/web/config.yaml", "'1'", "'2'").good,
        routed.good,
        **looked(routed, **stands),
        edit=left_at(60),
    )
    assert said(config)[:2] == [["apply_object HTTPRoute web"], ["apply_object ConfigMap settings"]]


def test_a_route_of_the_release_before_it_was_a_canary_is_put_to_rest_by_its_return_too(routed: Files) -> None:
    rolling = routed.but({"web.yaml": release("web")})
    back = plan(rolling.good, routed.good, returning=True, edit=left_at(20))
    assert said(back)[0] == ["apply_object HTTPRoute web"]


@pytest.mark.parametrize(
    ("old", "new"), [("shop.example", "new.example"), ("weight: 3", "weight: 4"), ("value: one", "value: two")]
)
def test_a_route_that_changes_together_with_the_pods_blocks(routed: Files, old: str, new: str) -> None:
    changed = routed.edited("apps/web/route.yaml", old, new).edited(PATH, "web:v1", "web:v2")
    made = plan(changed.good, routed.good, **looked(changed))
    assert [(one.key, "changes together with the pods" in one.message) for one in made.blocked] == [
        ("release_state_invalid", True)
    ]
    assert keys(plan(routed.edited("apps/web/route.yaml", old, new).good, routed.good, **looked(changed))) == []


def test_a_route_that_is_new_or_a_stranger_s_blocks(routed: Files) -> None:
    new = routed.edited(PATH, "web:v1", "web:v2")
    absent = {str(AT): lambda item: replace(item, exists=False, uid="", live=None, owner="")}
    assert "release_state_invalid" in keys(plan(new.good, routed.good, **looked(new), edit=absent))
    strange = {str(AT): lambda item: replace(item, owner="")}
    assert "release_state_invalid" in keys(plan(new.good, routed.good, **looked(new), edit=strange))
    taken = plan(new.good, routed.good, **looked(new, exists=True, uid="7", owner=""))
    assert keys(taken) == ["owned_by_another", "owned_by_another"]


def test_a_cluster_without_the_gateway_api_blocks_with_the_server_s_words(routed: Files) -> None:
    unserved = Failure("validation_error", "looking at it: the server does not serve HTTPRoute")
    made = next_version(routed, edit={str(AT): lambda item: replace(item, exists=False, failure=unserved)})
    assert "the server does not serve HTTPRoute" in [one.message.partition(": ")[2] for one in made.blocked]


def test_the_version_that_brings_the_labels_rolls_and_its_service_narrows_after_the_pods(routed: Files) -> None:
    untracked = routed.but({"web.yaml": release("web")})
    new = routed.edited(PATH, "web:v1", "web:v2")
    made = plan(new.good, untracked.good, **looked(new))
    assert keys(made) == []
    assert said(made) == [["apply_object Deployment web"], ["apply_object Service front"]]
    (told,) = [one for one in made.checks if "cannot be told apart yet" in one.message]
    assert told.severity is Severity.WARNING
    away = plan(untracked.good, routed.good)  # and widens before them
    assert said(away) == [["apply_object Service front"], ["apply_object Deployment web"]]


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        (0, "the canary of release/web stands"),
        (1, "HTTPRoute web may send up to 20 % to the canary of release/web"),
        (2, "HTTPRoute web sends 20 % to the canary of release/web"),
        (5, "HTTPRoute web may send up to 60 % to the canary of release/web"),
        (7, "HTTPRoute web sends 60 % to the canary of release/web"),
        (8, "HTTPRoute web may send up to 60 % to the canary of release/web"),
        (9, ""),
    ],
)
def test_it_is_said_what_the_canary_gets(routed: Files, batch: int, words: str) -> None:
    assert standing(next_version(routed), batch) == words


def test_a_route_that_sends_elsewhere_is_left_alone(routed: Files) -> None:
    files = routed.edited("apps/web/route.yaml", "name: front", "name: elsewhere")
    assert TRACK not in str(objects(files)["Service front"])
    assert not [one for one in said(next_version(files)) if "HTTPRoute" in str(one)]


GRPC = ROUTE.replace("HTTPRoute", "GRPCRoute").replace("name: web,", "name: calls,")
FRONT_CANARY = SERVICE.replace("name: front", "name: front-canary").replace("app: web", "app: x")
LONG = "f" * 60


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"apps/web/grpc.yaml": GRPC}, "GRPCRoute calls: a canary by the weights of a GRPCRoute is not done"),
        ({"apps/web/route.yaml": ROUTE.replace("weight: 3", "weight: 10001")}, "no whole number from 0 to 10000"),
        ({"apps/web/route.yaml": ROUTE.replace("weight: 3", "weight: '3'")}, "no whole number"),
        ({"apps/web/route.yaml": ROUTE.replace("weight: 3", "weight: -1")}, "no whole number"),
        (
            {
                "apps/web/route.yaml": ROUTE.replace("namespace: web}", "namespace: edge}").replace(
                    "name: front,", "name: front, namespace: web,"
                )
            },
            "in another namespace",
        ),
        ({"apps/web/c.yaml": FRONT_CANARY}, "named front-canary, which the source itself has"),
        (
            {
                "apps/web/route.yaml": ROUTE.replace("front", LONG),
                "apps/web/service.yaml": SERVICE.replace("front", LONG),
                "web.yaml": release("web", more=CANARY.replace("front", LONG)),
            },
            "longer than 63",
        ),
    ],
)
def test_what_has_no_weights_to_write_is_a_problem_at_its_route(
    routed: Files, more: dict[str, str], message: str
) -> None:
    found = [one for one in routed.but(more).side.desired.problems if message in one.message]
    assert [(one.place.path.startswith("apps/web/"), one.place.line > 0) for one in found] == [(True, True)]
