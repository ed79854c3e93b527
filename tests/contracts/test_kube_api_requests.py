"""What a plan asks of a cluster, counted: by our own client everywhere, and by the audit log of a real API server."""

from collections import Counter
from collections.abc import Iterator

import pytest

from reconciler.kube import held
from reconciler.kube.target import KubeTarget
from reconciler.names import ObjectRef
from reconciler.ports import DesiredObjects
from reconciler.state.observed import ObservedObject
from tests.contracts.kube_targets import Lab, lab_on, sandbox_lab
from tests.servers.apiserver import ADMIN_USER, ApiServer

COUNT = 30


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with sandbox_lab(request) as found:
        yield found


def wanted(lab: Lab, changed: int, version: int) -> DesiredObjects:
    """So many objects; of which the first are of this version and the others of version 0."""
    bodies = [lab.config(f"settings-{n}", version=str(version if n < changed else 0)) for n in range(COUNT)]
    return lab.desired(*bodies)


def carry_out(kube: KubeTarget, desired: DesiredObjects, generation: int) -> None:
    """What a batch asks: take, look, write."""
    kube.begin(desired.release, desired.namespace, generation, f"event-{generation}", 1)
    seen = kube.observe([desired])[desired.release].objects
    for body in desired.objects:
        ref = ObjectRef("", "v1", "ConfigMap", desired.namespace, body["metadata"]["name"])
        if _to_write(seen[ref]):
            kube.apply(desired.release, body, generation=generation, expected_uid=seen[ref].uid)


def _to_write(item: ObservedObject) -> bool:
    return not item.exists or item.live != item.result


def counts_of(lab: Lab, changed: int) -> tuple[Counter[str], Counter[str]]:
    """Requests of a look at so many changes, and of carrying them out, in a process that knows the cluster."""
    carry_out(lab.kube, wanted(lab, COUNT, 0), 1)
    lab.kube.observe([wanted(lab, COUNT, 0)])
    after = wanted(lab, changed, 1)
    lab.kube.client.requests.clear()
    lab.kube.observe([after])
    look = Counter(lab.kube.client.requests)
    lab.kube.client.requests.clear()
    carry_out(lab.kube, after, 2)
    return look, Counter(lab.kube.client.requests)


@pytest.mark.parametrize("changed", [0, 1, COUNT])
def test_a_look_is_two_lists_and_a_dry_run_for_each_change(
    lab: Lab, changed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "GOOD_SECONDS", 3600.0)  # a slow machine would read the parent again once a second
    look, carried = counts_of(lab, changed)
    assert look == Counter({"GET": 2, "PATCH": changed})
    # The parent is taken (read, written), then the look, then the parent again before the first write.
    assert carried == Counter({"GET": 3 + bool(changed), "PUT": 1, "PATCH": changed})


@pytest.mark.real
def test_a_real_servers_audit_log_counts_the_same(real_apiserver: ApiServer) -> None:
    token = real_apiserver.admin_token
    with lab_on(real_apiserver.kubeconfig(token), real_apiserver.endpoint, real_apiserver.ca_pem, token) as lab:
        carry_out(lab.kube, wanted(lab, COUNT, 0), 1)
        lab.kube.observe([wanted(lab, COUNT, 0)])
        lab.kube.client.requests.clear()
        before = len(real_apiserver.audit_lines(ADMIN_USER))
        after = wanted(lab, COUNT, 1)
        lab.kube.observe([after])
        carry_out(lab.kube, after, 2)
        sent = sum(lab.kube.client.requests.values())
        for _ in range(2000):  # the server may write a record just after the answer
            told = real_apiserver.audit_lines(ADMIN_USER)[before:]
            if len(told) >= sent:
                break
    assert Counter(line["verb"] for line in told)["patch"] == 2 * COUNT
    assert len(told) == sent
