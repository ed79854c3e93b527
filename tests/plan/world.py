"""A small repository in memory, what a cluster would answer about it, and the plan that follows.

One environment `dev` with one cluster and one release `web` of a Deployment, a ConfigMap and a Secret.
"""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from reconciler.names import ObjectRef, Revision, UnitKind, UnitRef
from reconciler.plan.change import Operation, Plan
from reconciler.plan.guards import PruneLimits
from reconciler.plan.make import PlanAsk, Side, make_plan
from reconciler.plan.units import Cutter, ref_of, touched
from reconciler.specs.cache import ParseCache
from reconciler.specs.load import load
from reconciler.specs.reader import Reader
from reconciler.specs.resolve import resolve
from reconciler.state.observed import Observed, ObservedCluster, ObservedHost, ObservedObject, ObservedRelease
from tests.specs.repository import Repository

KEY = b"k" * 32
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ACCEPTED = Revision("a" * 40)
WEB = UnitRef(UnitKind.RELEASE, "web")


def spec(kind: str, name: str, body: str) -> str:
    """A document; `body` is the flow mapping of its spec."""
    return f"apiVersion: opspilot.spec/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {body}\n"


def environment(name: str, tier: str = "dev", more: str = "") -> str:
    return spec("Environment", name, f"{{tier: {tier}, runtimeType: k8s, mode: external_managed{more}}}")


def cluster(name: str, env: str, address: str = "https://10.0.0.1:6443", *, endpoint: bool = True) -> str:
    where = f", endpoint: '{address}'" if endpoint else ""
    access = spec("Credential", f"{name}-access", f"{{type: kubeconfig, file: {name}, addresses: ['{address}']}}")
    body = f"{{environment: {env}, sourceType: external_imported, credential: {name}-access{where}}}"
    return f"{spec('Cluster', name, body)}---\n{access}"


def release(name: str, env: str = "dev", on: str = "one", more: str = "", path: str = "") -> str:
    source = f"source: {{type: manifests, path: {path or f'apps/{name}'}}}"
    return spec("Release", name, f"{{environment: {env}, cluster: {on}, namespace: web, {source}{more}}}")


def config(name: str, value: str = "1", namespace: str = "web") -> str:
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata: {{a: '{value}'}}\n"
    )


DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: web, image: "registry.example/web:v1", env: [{name: LEVEL, value: info}]}
"""
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {user: first-value}\n"
FIRST: Mapping[str, str] = {
    "env.yaml": environment("dev"),
    "cluster.yaml": cluster("one", "dev"),
    "web.yaml": release("web"),
    "apps/web/deployment.yaml": DEPLOYMENT,
    "apps/web/config.yaml": config("settings"),
    "apps/web/secret.yaml": SECRET,
}


@dataclass(frozen=True)
class Files:
    """A revision's files, and how they are read."""

    content: Mapping[str, str]
    reader: Reader
    cache: ParseCache
    bundles: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def first(cls, reader: Reader, cache: ParseCache) -> "Files":
        return cls(FIRST, reader, cache)

    def but(self, changes: Mapping[str, str | None]) -> "Files":
        """With these files put in or, for None, taken out."""
        merged = {**self.content, **changes}
        return replace(self, content={path: text for path, text in merged.items() if text is not None})

    def edited(self, path: str, old: str, new: str) -> "Files":
        assert old in self.content[path], f"{old!r} is not in {path}"
        return self.but({path: self.content[path].replace(old, new)})

    @property
    def side(self) -> Side:
        made = Repository.of(self.content)
        loaded = load(made.entries, made.read, self.cache, self.reader)
        desired = resolve(loaded, made.entries, made.read, self.cache, self.reader)
        return Side(desired, Cutter(KEY, self.bundles).cut(desired))

    @property
    def good(self) -> Side:
        """The side, which must have no problem."""
        side = self.side
        assert not side.desired.problems, [str(problem) for problem in side.desired.problems]
        return side


Edit = Callable[[ObservedObject], ObservedObject]


def seen(
    side: Side,
    live: Side | None = None,
    *,
    edit: Mapping[str, Edit] | None = None,
    extra: Mapping[str, Iterable[ObservedObject]] | None = None,
    hosts: Mapping[str, ObservedHost] | None = None,
    uids: Mapping[str, str] | None = None,
    at: datetime = AT,
) -> Observed:
    """What a look answers where `live` was applied and `side` is wanted.

    `edit`: changes to single objects, by the words that name them. `extra`: more objects of a release.
    """
    clusters: dict[str, ObservedCluster] = {}
    for name in {*side.desired.clusters, *(live.desired.clusters if live is not None else ())}:
        releases = {
            found: ObservedRelease(found, _objects(found, side, live, edit or {}, (extra or {}).get(found, ())))
            for each in (side, live)
            if each is not None
            for found, one in each.desired.releases.items()
            if one.spec.cluster == name
        }
        clusters[name] = ObservedCluster(name, uid=(uids or {}).get(name, f"uid-of-{name}"), releases=releases)
    return Observed("dev", at, clusters, hosts or {})


def _objects(
    name: str, side: Side, live: Side | None, edit: Mapping[str, Edit], extra: Iterable[ObservedObject]
) -> dict[ObjectRef, ObservedObject]:
    wanted = _bodies(side, name)
    stands: dict[ObjectRef, tuple[str, Any]] = {}
    for other in _on_the_same(name, side, live):
        assert live is not None
        stands |= {ref: (other, body) for ref, body in _bodies(live, other).items()}
    found = {item.ref: item for item in extra}
    for ref in {*wanted, *(ref for ref, (owner, _) in stands.items() if owner == name)}:
        owner, body = stands.get(ref, ("", None))
        item = ObservedObject(
            ref,
            exists=body is not None,
            uid=f"uid {ref}" if body is not None else "",
            resource_version="1",
            live=deepcopy(body),
            result=deepcopy(wanted.get(ref)),
            owner=owner,
        )
        found[ref] = edit.get(str(ref), _as_it_is)(item)
    return found


def _on_the_same(name: str, side: Side, live: Side | None) -> Iterable[str]:
    """Releases that were applied to the cluster of one of them."""
    if live is None:
        return ()
    releases = live.desired.releases
    where = (releases.get(name) or side.desired.releases[name]).spec.cluster
    return [other for other, one in releases.items() if one.spec.cluster == where]


def _as_it_is(item: ObservedObject) -> ObservedObject:
    return item


def _bodies(side: Side, name: str) -> dict[ObjectRef, Any]:
    source = side.desired.sources.get(name)
    return {ref_of(body): body for body in source.objects} if source is not None else {}


def ask(
    proposed: Side,
    before: Side | None = None,
    *,
    observed: Observed | None,
    units: Iterable[UnitRef] | None = None,
    env: str = "dev",
    **more: Any,
) -> PlanAsk:
    """What a plan from `before` to `proposed` is made of; by default of all units that differ."""
    old = before or Side(proposed.desired)
    chosen = tuple(units) if units is not None else touched(old.units, proposed.units)
    accepted = {ref: before for ref in chosen if before is not None and ref in before.units}
    values: dict[str, Any] = {
        "accepted_at": dict.fromkeys(accepted, ACCEPTED),
        "bundles": {},
        "known_uids": {},
        "limits": PruneLimits(),
        "key": KEY,
        **more,
    }
    return PlanAsk(environment=env, units=chosen, proposed=proposed, accepted=accepted, observed=observed, **values)


def plan(proposed: Side, before: Side | None = None, **more: Any) -> Plan:
    """The plan from what was applied to what is wanted; nothing else changed on the target."""
    looks = {key: more.pop(key) for key in ("edit", "extra", "hosts", "uids", "at") if key in more}
    more.setdefault("observed", seen(proposed, before, **looks))
    return make_plan(ask(proposed, before, **more))


def operations(made: Plan) -> dict[str, Operation]:
    """What happens to each subject."""
    return {change.subject: change.operation for change in made.changes}


def keys(made: Plan) -> list[str]:
    """The keys of the checks that block."""
    return [check.key for check in made.blocked]
