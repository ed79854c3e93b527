"""Weights of an HTTPRoute on a cluster: what a step leaves is what was foreseen, also with what the server fills in."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from reconciler.errors import Refused
from reconciler.specs.routes import canary_service, weighted, weights_left
from tests.contracts.kube_targets import Body, Lab, real_lab, sandbox_lab
from tests.story.gateway import DEFINITION, DEFINITIONS

TARGETS = {"sandbox": sandbox_lab, "real": real_lab}


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with TARGETS[request.param](request) as made:
        with suppress(AssertionError):  # another test of this server made it
            made.outside.create(f"/{DEFINITIONS}", DEFINITION)
        made.outside.create(made.path("services"), service(made))
        until_routes_are_served(made)
        yield made


def until_routes_are_served(lab: Lab) -> None:
    for _ in range(2000):
        with suppress(AssertionError):
            lab.outside.must_get(lab.path("httproutes", group="gateway.networking.k8s.io"))
            return
    raise AssertionError("the new kind is not served")


def service(lab: Lab) -> Body:
    metadata = {"name": "front", "namespace": lab.namespace}
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def route(lab: Lab) -> Body:
    refs: list[dict[str, Any]] = [{"name": "front", "port": 80}, {"name": "other", "port": 80, "weight": 3}]
    headers = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-internal"]}}
    rules = [{"filters": [headers], "backendRefs": refs}, {"backendRefs": [{"name": "files", "port": 80}]}]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": lab.namespace},
        "spec": {"parentRefs": [{"name": "outside"}], "rules": rules},
    }


def live(lab: Lab) -> Body:
    return lab.outside.must_get(lab.path("httproutes", "web", "gateway.networking.k8s.io"))


def test_each_write_leaves_what_was_foreseen_and_the_last_one_what_stood_there_before(lab: Lab) -> None:
    sent = frozenset({(lab.namespace, "front")})
    lab.roll(route(lab))
    rest = lab.see(route(lab))
    before = live(lab)["spec"]
    assert rest.live == rest.result
    for generation, share in enumerate((20, 60), start=2):
        body = weighted(route(lab), sent, share)
        foreseen = weighted(rest.result, sent, share)
        assert lab.see(body).result == foreseen
        lab.roll(body, generation=generation)
        seen = lab.see(body)
        assert (seen.live, seen.result) == (foreseen, foreseen)
        assert weights_left(lab.see(route(lab)).live, rest.result, lab.namespace) == share
        assert live(lab)["spec"]["rules"][1] == before["rules"][1]
    lab.roll(route(lab), generation=4)
    assert live(lab)["spec"] == before


def test_a_service_of_the_canary_is_left_as_foreseen(lab: Lab) -> None:
    body = canary_service(service(lab))
    foreseen = lab.see(body).result
    lab.roll(body)
    seen = lab.see(body)
    assert (seen.live, seen.result) == (foreseen, foreseen)
    assert lab.outside.must_get(lab.path("services", "front-canary"))["spec"]["selector"] == {
        "app": "web",
        "opspilot.spec/track": "canary",
    }


def test_rules_that_somebody_else_holds_are_a_conflict_and_never_overwritten(lab: Lab) -> None:
    lab.roll(route(lab))
    rules = live(lab)["spec"]["rules"]
    rules[0]["backendRefs"][0]["weight"] = 7
    lab.outside.edit(lab.path("httproutes", "web", "gateway.networking.k8s.io"), {"spec": {"rules": rules}})
    body = weighted(route(lab), frozenset({(lab.namespace, "front")}), 20)
    assert lab.see(body).conflicts == ("kubectl-edit: spec.rules",)
    with pytest.raises(Refused, match=r"kubectl-edit: spec\.rules"):
        lab.roll(body, generation=2)
    assert live(lab)["spec"]["rules"][0]["backendRefs"][0]["weight"] == 7
