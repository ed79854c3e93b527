"""An API server that answers well-formed nonsense anywhere: an error of ours that names it, never a defect."""

import json
import random
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from reconciler.errors import ReconcilerError
from reconciler.kube.answers import Answer
from reconciler.kube.client import Client, Request
from reconciler.kube.kubeconfig import parse_kubeconfig
from reconciler.kube.target import KubeTarget
from reconciler.names import ObjectRef
from reconciler.ports import DesiredObjects
from reconciler.sandbox.cluster import SandboxCluster
from tests.hostile.corpus import spots
from tests.hostile.words import VALUES

POD = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "web", "image": "x:1"}]}}
WEB = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
    "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": POD},
}  # fmt: skip
REF = ObjectRef("apps", "v1", "Deployment", "default", "web")
DESIRED = DesiredObjects("web", "default", (WEB,))
ROUNDS = 150
NONSENSE = (
    *VALUES,
    *([] for _ in range(5)),
    {"f:spec": 1},
    {"k:{": {}},
    {"f:a": {"k:[1]": {}, "v:x": {}}},
    "k:",
    [[1]],
)


@pytest.fixture
def cluster() -> Iterator[SandboxCluster]:
    with SandboxCluster() as found:
        target = KubeTarget(parse_kubeconfig(found.kubeconfig()))
        target.observe([DESIRED])
        target.begin("web", "default", 1, "event")
        target.apply("web", WEB, generation=1, expected_uid="")
        target.close()
        yield found


def nonsense(source: random.Random, data: bytes) -> bytes:
    """An answer with one to three parts that are something else."""
    try:
        body = json.loads(data)
    except ValueError:
        return data
    for _ in range(source.randint(1, 3)):
        places = spots(body)
        if places:
            holder, key = source.choice(places)
            holder[key] = source.choice(NONSENSE)
    return json.dumps(body if source.random() < 0.95 else source.choice(NONSENSE)).encode("utf-8", "surrogatepass")


def test_t14_no_well_formed_nonsense_of_a_server_is_a_defect(
    cluster: SandboxCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Client._once
    outcomes: dict[str, int] = {}
    for number in range(ROUNDS):
        source = random.Random(number)
        spoiled = source.randrange(12)  # which of the answers

        def lying(self: Client, request: Request, *, source: random.Random = source, spoiled: int = spoiled) -> Answer:
            answer = honest(self, request)
            if sum(self.requests.values()) < spoiled:
                return answer
            return Answer(answer.status, nonsense(source, answer.data), request.what, secret=request.secret)

        monkeypatch.setattr(Client, "_once", lying)
        target = KubeTarget(parse_kubeconfig(cluster.kubeconfig()))
        for look in (partial(target.observe, [DESIRED]), target.facts, partial(target.readiness, [REF])):
            outcome = outcome_of(look, number)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
        target.close()
    assert outcomes.get("error", 0) > ROUNDS // 4, outcomes


def outcome_of(look: Callable[[], object], number: int) -> str:
    try:
        look()
    except ReconcilerError:
        return "error"
    except Exception as error:
        raise AssertionError(f"round {number}: a defect: {error!r}") from error
    return "read"
