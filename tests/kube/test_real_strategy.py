"""From rolling to Recreate and back on a real API server, which fills in what it then refuses (kube/recreate.py)."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contracts.kube_targets import Lab, lab_on
from tests.servers.apiserver import ApiServer

pytestmark = pytest.mark.real

ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": "10%"}}


@pytest.fixture
def lab(real_apiserver: ApiServer) -> Iterator[Lab]:
    token = real_apiserver.admin_token
    with lab_on(real_apiserver.kubeconfig(token), real_apiserver.endpoint, real_apiserver.ca_pem, token) as found:
        yield found


def deployment(lab: Lab, strategy: dict[str, Any] | None, image: str = "registry.example/web:v1") -> dict[str, Any]:
    body = lab.deployment(image=image)
    if strategy is not None:
        body["spec"]["strategy"] = strategy
    return body


def strategy_of(lab: Lab) -> Any:
    return lab.outside.must_get(lab.path("deployments", "web", "apps"))["spec"]["strategy"]


@pytest.mark.parametrize("before", [None, ROLLING], ids=["filled in by the server", "ours"])
def test_a_deployment_goes_from_rolling_to_recreate_and_back(lab: Lab, before: dict[str, Any] | None) -> None:
    lab.roll(deployment(lab, before))
    body = deployment(lab, {"type": "Recreate"}, image="registry.example/web:v2")
    seen = lab.see(body)
    assert (seen.failure, seen.conflicts) == (None, ())
    assert seen.live["spec"]["strategy"]["type"] == "RollingUpdate"
    assert seen.result["spec"]["strategy"] == {"type": "Recreate"}
    lab.roll(body, generation=2)
    assert strategy_of(lab) == {"type": "Recreate"}
    again = lab.see(body)
    assert again.live == again.result == seen.result
    lab.roll(deployment(lab, before), generation=3)
    assert strategy_of(lab)["type"] == "RollingUpdate"


def test_a_step_that_was_broken_off_is_found_as_it_was_before(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.roll(deployment(lab, None))
    body = deployment(lab, {"type": "Recreate"})
    foreseen = lab.see(body)
    with monkeypatch.context() as patch:
        patch.setattr("reconciler.kube.write._apply_request", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            lab.roll(body, generation=2)
    assert lab.see(body).live == foreseen.live
    lab.roll(body, generation=3)
    assert strategy_of(lab) == {"type": "Recreate"}


def test_a_strategy_that_somebody_else_holds_is_a_conflict(lab: Lab) -> None:
    lab.roll(deployment(lab, None))
    lab.outside.edit(lab.path("deployments", "web", "apps"), {"spec": {"strategy": ROLLING}}, "somebody")
    seen = lab.see(deployment(lab, {"type": "Recreate"}))
    assert "somebody: spec.strategy.rollingUpdate" in seen.conflicts
