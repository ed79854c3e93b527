"""Specs and tree to Desired: every name found, every rule between specs kept, every problem at once.

Knows the order of the rules and whom each problem touches; the rules stand in their own modules. Rules: one bad spec
costs the environments it touches and no others; what cannot be attributed makes everything unreadable, because a spec
that nobody can read must never look like one that was removed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, cast

from reconciler.errors import Problem
from reconciler.names import POLICY, BlobId
from reconciler.specs.answer import Invalid
from reconciler.specs.asking import Read
from reconciler.specs.cache import ParseCache
from reconciler.specs.charts import ChartRenderer
from reconciler.specs.complaint import Complaint
from reconciler.specs.desired import Desired
from reconciler.specs.finding import CONFLICT, VALIDATION, Hints
from reconciler.specs.kinds import BUILT_IN_ROLES, POLICY_KINDS, AnySpec, Environment, Kind, Release, Settings
from reconciler.specs.kinds.project import DEFAULT_PROJECT
from reconciler.specs.load import Loaded
from reconciler.specs.pins import Pins, composed
from reconciler.specs.policy_rules import (
    binding_rules,
    group_rules,
    groups_of,
    identity_rules,
    owner_rules,
    role_rules,
    service_rules,
    settings_rules,
    team_rule,
)
from reconciler.specs.reader import Reader
from reconciler.specs.references import Reach, references
from reconciler.specs.release_rules import circles, release_rules, shared_objects
from reconciler.specs.release_source import ReleaseSource, Sources
from reconciler.specs.rendering import Renderer
from reconciler.specs.sealed import Opener
from reconciler.specs.source import TreeEntry
from reconciler.specs.spec import Spec
from reconciler.specs.topology import access_rules, cluster_rules, host_rules, node_rules, vip_conflicts, vip_hosts

Tables = Mapping[Kind, Mapping[str, Spec[AnySpec]]]
NOT_FOUND: Mapping[Kind, str] = MappingProxyType(
    {Kind.ENVIRONMENT: "environment_not_found", Kind.CLUSTER: "cluster_not_found", Kind.RELEASE: "release_not_found"}
)


def resolve(  # noqa: PLR0913  what it reads with is named by its callers
    loaded: Loaded,
    entries: Iterable[TreeEntry],
    read: Read,
    cache: ParseCache | None = None,
    reader: Reader | None = None,
    before: Desired | None = None,
    pins: Pins = MappingProxyType({}),
    renderer: Renderer | None = None,
    opener: Opener | None = None,
    charts: ChartRenderer | None = None,
) -> Desired:
    """What a revision says, with every problem of loading and resolving.

    `before`: another revision, of which the sources of unchanged releases are taken over. It changes what this costs,
    never the answer. `pins`: of every environment that holds a `revision`, what that leads to; without them it is not
    followed. `renderer`: what renders kustomizations, `charts`: what renders charts; without one they stay unrendered,
    and their releases blocked. `opener`: what opens encrypted Secrets; the same without one.
    """
    specs, good, unpinned = composed(loaded.specs, pins)
    tables = _tables(specs)
    reach = Reach(specs)
    desired = _desired(tables)
    known_source = partial(_same_source, before) if before is not None else lambda *_: None
    sources: dict[str, tuple[ReleaseSource, tuple[Problem, ...]]] = {}
    for pin, files in ((None, entries), *((name, pin.entries) for name, pin in good.items())):
        releases = (one for one in desired.releases.values() if _pin_of(one, good) == pin)
        sources |= Sources(files, read, cache, reader, renderer, opener, charts).read(
            ((release, desired.environments.get(release.spec.environment)) for release in releases), known_source
        )
    desired = replace(desired, sources=MappingProxyType({name: source for name, (source, _) in sources.items()}))
    known, hints = _known(loaded, tables), Hints()
    complaints = [*unpinned, *_names(specs), *_unknown(specs, known), *_rules(desired, loaded)]
    problems = {*loaded.problems, *(complaint.problem(hints) for complaint in complaints)}
    broken = set(reach.environments((complaint.spec.kind, complaint.spec.name) for complaint in complaints))
    for release, (_, wrong) in sources.items():
        problems.update(wrong)
        if wrong:
            broken.add(desired.releases[release].spec.environment)
    touched, anywhere = _touched(loaded.invalid, reach)
    return replace(
        desired,
        unsound=frozenset(release for release, (_, wrong) in sources.items() if wrong),
        problems=tuple(sorted(problems)),
        broken=frozenset(broken | touched),
        unreadable=bool(loaded.unreadable) or anywhere or _homeless(desired, known),
    )


def _pin_of(release: Spec[Release], pins: Pins) -> str | None:
    """The environment at whose pin a release is read; None for the tip."""
    return release.spec.environment if release.spec.environment in pins else None


def _same_source(
    before: Desired,
    release: Spec[Release],
    environment: Spec[Environment] | None,
    files: tuple[tuple[str, BlobId], ...],
) -> ReleaseSource | None:
    """The source that this very release in this very environment had, with the same files and no problem."""
    name = release.name
    if before.releases.get(name) is not release or name in before.unsound:
        return None
    if before.environments.get(release.spec.environment) is not environment:
        return None
    source = before.sources.get(name)
    return source if source is not None and source.files == files and source.unrendered is None else None


def _tables(specs: Iterable[Spec[AnySpec]]) -> Tables:
    tables: dict[Kind, dict[str, Spec[AnySpec]]] = {kind: {} for kind in Kind}
    for spec in specs:
        tables[spec.kind].setdefault(spec.name, spec)
    return tables


def _desired(tables: Tables) -> Desired:
    def of(kind: Kind) -> Any:
        return MappingProxyType(tables[kind])

    settings = cast("Spec[Settings] | None", next(iter(tables[Kind.SETTINGS].values()), None))
    return Desired(
        settings=settings.spec if settings is not None else Settings(),
        settings_spec=settings,
        projects=of(Kind.PROJECT),
        roles=of(Kind.ROLE),
        users=of(Kind.USER),
        bindings=of(Kind.ROLE_BINDING),
        credentials=of(Kind.CREDENTIAL),
        hosts=of(Kind.HOST),
        environments=of(Kind.ENVIRONMENT),
        clusters=of(Kind.CLUSTER),
        services=of(Kind.SERVICE),
        releases=of(Kind.RELEASE),
    )


def _known(loaded: Loaded, tables: Tables) -> Mapping[Kind, frozenset[str]]:
    """Names that exist, valid or not, built in or written."""
    invalid = {(item.kind, item.name) for item in loaded.invalid}
    known = {kind: {*tables[kind], *(name for of, name in invalid if of is kind and name)} for kind in Kind}
    known[Kind.ROLE] |= BUILT_IN_ROLES.keys()
    known[Kind.PROJECT].add(DEFAULT_PROJECT)
    return {kind: frozenset(names) for kind, names in known.items()}


def _names(specs: Iterable[Spec[AnySpec]]) -> Iterator[Complaint]:
    """Names are unique in a kind, settings exist once, and reserved names are left alone."""
    first: dict[tuple[Kind, str], Spec[AnySpec]] = {}
    for spec in specs:
        name = "" if spec.kind is Kind.SETTINGS else spec.name
        before = first.setdefault((spec.kind, name), spec)
        if before is not spec:
            what = "a repository has one Settings" if spec.kind is Kind.SETTINGS else "this name is taken"
            yield Complaint(spec, (), f"{what}, and that is at {before.place}", key=CONFLICT)
        if spec.kind is Kind.ENVIRONMENT and spec.name == POLICY:
            yield Complaint(spec, (), f"the name {POLICY} is reserved", "choose another name")


def _unknown(specs: Iterable[Spec[AnySpec]], known: Mapping[Kind, frozenset[str]]) -> Iterator[Complaint]:
    for spec in specs:
        for reference in references(spec):
            if reference.name not in known[reference.kind]:
                message, key = (
                    f"there is no {reference.kind} {reference.name}",
                    NOT_FOUND.get(reference.kind, VALIDATION),
                )
                yield Complaint(spec, reference.steps, message, key=key, meant=(reference.name, known[reference.kind]))


def _rules(desired: Desired, loaded: Loaded) -> Iterator[Complaint]:
    if not any(item.kind is Kind.USER for item in loaded.invalid):
        groups = groups_of(desired)
        owners = groups | desired.users.keys()
        for binding in desired.bindings.values():
            yield from group_rules(binding, groups)
        for service in desired.services.values():
            yield from owner_rules(service, owners)
    if desired.settings_spec is not None:
        yield from settings_rules(desired.settings_spec, desired)
    yield from identity_rules(desired)
    for role in desired.roles.values():
        yield from role_rules(role)
    for binding in desired.bindings.values():
        yield from binding_rules(binding, desired)
    for host in desired.hosts.values():
        yield from host_rules(host, desired)
    for environment in desired.environments.values():
        yield from node_rules(environment)
        yield from access_rules(environment, desired)
        yield from team_rule(environment, ("team",), environment.spec.project, environment.spec.team, desired)
    for cluster in desired.clusters.values():
        yield from cluster_rules(cluster, desired)
    yield from vip_hosts(desired)
    yield from vip_conflicts(desired)
    for service in desired.services.values():
        yield from service_rules(service, desired)
    for release in desired.releases.values():
        yield from release_rules(release, desired)
    yield from circles(desired)
    yield from shared_objects(desired)


def _touched(invalid: Iterable[Invalid], reach: Reach) -> tuple[frozenset[str], bool]:
    """The environments that invalid documents may belong to, and whether one of them may belong to any."""
    found: set[str] = set()
    targets = []
    anywhere = False
    for item in invalid:
        placed = item.kind in (Kind.CLUSTER, Kind.RELEASE)
        if item.kind in POLICY_KINDS:
            found.add(POLICY)
        elif item.kind is None or item.name is None or (placed and item.environment is None):
            anywhere = True
        else:
            targets.append((item.kind, item.name))
            found.update({item.environment} if placed and item.environment is not None else ())
    return reach.environments(targets) | found, anywhere


def _homeless(desired: Desired, known: Mapping[Kind, frozenset[str]]) -> bool:
    """Whether something names an environment that does not exist: it may have been in any other before."""
    names = [release.spec.environment for release in desired.releases.values()]
    names += [cluster.spec.environment for cluster in desired.clusters.values()]
    return any(name not in known[Kind.ENVIRONMENT] for name in names)
