"""Beside kubectl on a real API server: looking at objects of which none, few or all changed, and applying them.

One release of many Deployments without pods, in a namespace for each side, so that the API server does the same for
both, on the same cores. Ours is what a plan and its performer ask of a target: a look is `observe`, an apply is
`begin`, `observe` and the writes. Theirs is `kubectl diff --server-side --concurrency=16` and `kubectl apply
--server-side`. What is compared is the clock on the wall, because most of the work is the server's; the client's
processor time and the requests that each side sent (by the server's audit log) stand beside it. An apply comes after a
look, as it does in life. Before a turn in which none or few change, the controllers have written every status.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import Cost, Result, Spread, cost
from reconciler.app.perform import SIDE_BY_SIDE
from reconciler.kube.client import Request
from reconciler.kube.kubeconfig import parse_kubeconfig
from reconciler.kube.target import KubeTarget
from reconciler.ports import DesiredObjects
from reconciler.state.observed import ObservedObject
from reconciler.together import all_of
from tests.servers.apiserver import ADMIN_USER, LIMITED_USER, ApiServer
from tests.servers.availability import apiserver_lacks

RELEASE = "many"
IN_ONE_FILE = 100
MOST_WAITS, WAIT_SECONDS = 300, 2.0
SHARES = {"none": 0.0, "few": 0.01, "all": 1.0}  # of the objects that a run changes
# reference: ratios of the wall clock; with nothing changed a look is compared in a process that knows the cluster
GOALS = {
    ("look", "none"): 15.0,
    ("look", "few"): 50.0,
    ("look", "all"): 1.5,
    ("apply", "few"): 50.0,
    ("apply", "all"): 1.8,
}
WORDS = {"none": "nothing", "few": "one in a hundred", "all": "every one"}


def cluster(folder: Path, objects: int, runs: int) -> Iterator[Result]:
    """The rows; none where there is no API server."""
    lacking = apiserver_lacks()
    if lacking is not None:
        print(f"cluster: {lacking}", file=sys.stderr)
        return
    with ApiServer(folder / "server") as server:
        ours, theirs = Ours(server, objects), Kubectl(server, folder, objects)
        first: tuple[Ours | Kubectl, ...] = (ours, theirs)
        for side in first:
            side.change(1.0)
            side.apply()
        for name, share in SHARES.items():
            yield from _compared(server, name, share, (ours, theirs), runs)
        ours.close()


def _compared(
    server: ApiServer, name: str, share: float, sides: tuple["Ours", "Kubectl"], runs: int
) -> Iterator[Result]:
    steps = ("look", "apply")
    found: dict[tuple[str, int], list[Cost]] = {(step, index): [] for step in steps for index in range(2)}
    asked: dict[tuple[str, int], int] = {}
    turns: tuple[Ours | Kubectl, ...] = sides
    for _ in range(runs):
        if share < 1.0:
            _wait_for_controllers(server)
        for index, side in enumerate(turns):
            side.change(share)
            for step in steps:
                before = len(server.audit_lines(side.user))
                found[step, index].append(cost(getattr(side, step)))
                asked[step, index] = len(server.audit_lines(side.user)) - before
    for step in steps:
        mine, their = found[step, 0], found[step, 1]
        ratios = [other.wall / one.wall for one, other in zip(mine, their, strict=True)]
        yield Result(
            f"cluster.{step}.{name}",
            f"{_verb(step)} {sides[0].count:,} objects of which {WORDS[name]} changed (wall)",
            "ms",
            Spread.of([one.wall * 1000 for one in mine]),
            _peer(step),
            Spread.of([one.wall * 1000 for one in their]),
            Spread.of(ratios),
            GOALS.get((step, name)),
            counts={
                "requests": asked[step, 0],
                "of theirs": asked[step, 1],
                "ms CPU": statistics.median(one.cpu for one in mine) * 1000,
                "ms CPU of theirs": statistics.median(one.cpu for one in their) * 1000,
            },
        )


def _wait_for_controllers(server: ApiServer) -> None:
    """After a change of all, the controllers write each status for a minute and more; that is no part of a look."""
    admin = KubeTarget(parse_kubeconfig(server.kubeconfig(server.admin_token)))
    moved = ""
    for _ in range(MOST_WAITS):
        listed = admin.client.get("/apis/apps/v1/deployments", "listing what the controllers wrote")["items"]
        before, moved = moved, max((item["metadata"]["resourceVersion"] for item in listed), key=int)
        behind = [item for item in listed if _is_behind(item)]
        if not behind and moved == before:
            break
        time.sleep(WAIT_SECONDS)
    else:
        raise SystemExit("cluster: the controllers do not come to rest")
    admin.close()


def _is_behind(item: Mapping[str, Any]) -> bool:
    return bool(item.get("status", {}).get("observedGeneration") != item["metadata"]["generation"])


def _verb(step: str) -> str:
    return "look at" if step == "look" else "apply"


def _peer(step: str) -> str:
    return "kubectl diff --server-side, 16 at once" if step == "look" else "kubectl apply --server-side"


def body(namespace: str, number: int, version: int) -> dict[str, Any]:
    """A Deployment as people write them, without pods."""
    name = f"web-{number}"
    labels = {"app": name}
    container = {
        "name": "web",
        "image": f"registry.example/web:v{version}",
        "ports": [{"containerPort": 8080}],
        "env": [{"name": f"KEY_{key}", "value": f"value {key}"} for key in range(10)],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }


@dataclass(slots=True)
class Versions:
    """Which version each object is to have."""

    namespace: str
    count: int
    of: list[int] = field(default_factory=list)

    def change(self, share: float) -> None:
        """Raise the version of the first objects."""
        if not self.of:
            self.of = [0] * self.count
        for number in range(round(self.count * share)):
            self.of[number] += 1

    def bodies(self) -> list[dict[str, Any]]:
        """All of them."""
        return [body(self.namespace, number, version) for number, version in enumerate(self.of)]


class Ours:
    """A process that keeps its connection, as the reconciler does."""

    user = ADMIN_USER

    def __init__(self, server: ApiServer, count: int) -> None:
        self.count = count
        self._versions = Versions("ours", count)
        self._kube = KubeTarget(parse_kubeconfig(server.kubeconfig(server.admin_token)))
        self._wanted = DesiredObjects(RELEASE, "ours", ())
        self._generation = 0

    def change(self, share: float) -> None:
        """What is wanted next."""
        self._versions.change(share)
        self._wanted = DesiredObjects(RELEASE, "ours", tuple(self._versions.bodies()))

    def look(self) -> Sequence[ObservedObject]:
        """What a preview asks. What would change."""
        seen = self._kube.observe([self._wanted])[RELEASE].objects.values()
        return [item for item in seen if not item.exists or item.live != item.result]

    def apply(self) -> None:
        """What a batch asks."""
        self._generation += 1
        self._kube.begin(RELEASE, "ours", self._generation, "event")
        bodies = {one["metadata"]["name"]: one for one in self._wanted.objects}
        tasks = [
            partial(
                self._kube.apply,
                RELEASE,
                bodies[item.ref.name],
                generation=self._generation,
                expected_uid=item.uid,
            )
            for item in self.look()
        ]
        all_of(tasks, SIDE_BY_SIDE)

    def close(self) -> None:
        """End the connections."""
        self._kube.close()


class Kubectl:
    """A person's kubectl on a folder of files."""

    user = LIMITED_USER

    def __init__(self, server: ApiServer, folder: Path, count: int) -> None:
        self.count = count
        self._versions = Versions("theirs", count)
        self._files = folder / "files"
        self._files.mkdir()
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(server.kubeconfig(server.limited_token), encoding="utf-8")
        self._argv = [str(server.kubectl), "--kubeconfig", str(kubeconfig)]
        self._environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
        admin = KubeTarget(parse_kubeconfig(server.kubeconfig(server.admin_token)))
        _allow(admin, self.user)
        admin.close()

    def change(self, share: float) -> None:
        """Write the files anew."""
        self._versions.change(share)
        bodies = self._versions.bodies()
        for start in range(0, self.count, IN_ONE_FILE):
            text = yaml.safe_dump_all(bodies[start : start + IN_ONE_FILE])
            (self._files / f"{start:05}.yaml").write_text(text, encoding="utf-8")

    def look(self) -> None:
        """Exit code 1: there are differences."""
        self._run(("diff", "--server-side", "--concurrency=16", "--field-manager=kubectl"), good=(0, 1))

    def apply(self) -> None:
        """Every file, whether it changed or not: kubectl does not know."""
        self._run(("apply", "--server-side", "--validate=false", "--field-manager=kubectl"), good=(0,))

    def _run(self, words: Sequence[str], good: Sequence[int]) -> None:
        argv = [*self._argv, *words, f"--filename={self._files}"]
        ended = subprocess.run(argv, env=self._environment, capture_output=True, check=False)
        if ended.returncode not in good:
            raise SystemExit(f"cluster: kubectl {words[0]}: {ended.stderr.decode()[-1000:]}")


def _allow(admin: KubeTarget, user: str) -> None:
    """Both namespaces, and a user who may do everything, so that the audit log tells the sides apart."""
    root = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    binding: Mapping[str, Any] = {"metadata": {"name": "peer"}, "roleRef": role, "subjects": [subject]}
    admin.client.send(Request("POST", root, "allowing the peer", None, dict(binding)))
    for name in ("ours", "theirs"):
        admin.client.send(
            Request("POST", "/api/v1/namespaces", "making a namespace", None, {"metadata": {"name": name}})
        )
