"""What each unit brings into the plan of its environment, and what of others never gets there (G4, G9, G28)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.canonical import digest_of
from reconciler.names import UnitRef
from reconciler.plan.ask import Side
from reconciler.plan.change import ActionKind, Check, Operation, Plan, Severity
from reconciler.plan.guards import PruneLimits
from reconciler.plan.make import make_plan, plan_set
from reconciler.specs.desired import Desired
from reconciler.specs.kinds import Kind
from reconciler.state.bundle import Bundle, Hook, Runtime
from reconciler.state.observed import Failure, InstalledBundle, Observed, ObservedCluster, ObservedHost, ObservedObject
from tests.plan.said import cluster as cluster_spec
from tests.plan.said import environment as environment_spec
from tests.plan.said import release as release_spec
from tests.plan.said import said
from tests.plan.world import AT, Files, ask, cluster, config, environment, keys, operations, plan, release, seen

NEXT = ("apps/web/deployment.yaml", "web:v1", "web:v2")
ALL = PruneLimits(100, 100)


def refs(*names: str) -> list[UnitRef]:
    return [UnitRef.parse(name) for name in names]


def of(desired: Desired, *units: str, before: Desired | None = None, **more: Any) -> Plan:
    """A plan of specs alone, looked at or not."""
    more.setdefault("observed", Observed("dev", AT))
    accepted = dict.fromkeys(refs(*units), Side(before)) if before is not None else {}
    return make_plan(replace(ask(Side(desired), units=refs(*units), **more), accepted=accepted))


# The whole plan


def test_a_plan_says_whose_it_is() -> None:
    own = Desired(environments={"dev": environment_spec(tier="staging", project="p", team="a")})
    for made in (of(own), of(Desired(), neighbours=(own,))):
        assert (made.project, made.team, made.tier) == ("p", "a", "staging")


def test_g9_the_cluster_that_is_acted_on_is_in_the_plan_by_who_it_is(files: Files) -> None:
    made = plan(files.edited(*NEXT).good, files.good)
    assert [touch.state for touch in made.touched if touch.subject == "cluster/one"] == [{"uid": "uid-of-one"}]


def test_g9_the_digest_names_what_blocks_in_order_and_nothing_that_does_not(files: Files) -> None:
    after = files.edited(*NEXT).good
    checks = [
        Check(severity=severity, key=key, message="x")
        for severity, key in ((Severity.ERROR, "b"), (Severity.WARNING, "c"), (Severity.ERROR, "a"))
    ]
    one, other = (plan(after, files.good, checks=tuple(some)) for some in (checks, [checks[2], checks[0]]))
    assert one.digest == other.digest != plan(after, files.good, checks=(checks[0],)).digest


def test_g9_the_digest_of_a_ticket_is_over_its_plans_by_environment(files: Files) -> None:
    made = plan(files.edited(*NEXT).good, files.good)
    other = made.model_copy(update={"environment": "another", "digest": "0" * 64})
    listed = [[one.environment, one.digest] for one in (other, made)]
    assert plan_set((made, other)).digest == digest_of("ticket", listed)


def test_what_is_wrong_with_all_of_it_names_no_unit(files: Files) -> None:
    circle = Desired(releases={name: release_spec(name, dependsOn=[on]) for name, on in (("a", "b"), ("b", "a"))})
    spoiled = files.but({"web.yaml": release("web", more=", no: x")}).side
    for made in (of(circle, "release/a", "release/b"), plan(spoiled, files.good)):
        assert [check.unit for check in made.blocked if check.key == "validation_error"] == [""]


def test_a_unit_that_nobody_knows_brings_nothing(files: Files) -> None:
    made = plan(files.good, files.good, units=refs("release/x", "cluster/x", "environment/x"))
    assert (made.changes, made.batches, made.checks) == ((), (), ())


def test_a_plan_that_does_nothing_depends_on_no_look(files: Files) -> None:
    made = plan(files.good, files.good, units=refs("release/web"))
    assert (made.changes, made.touched) == ((), ())


def test_what_a_unit_was_and_is_stands_in_its_part(files: Files) -> None:
    more = ", rollback: {automatic: true}, health: {timeout: 7m}"
    after = files.edited(*NEXT).but({"web.yaml": release("web", more=more)})
    (unit,) = plan(after.good, files.good).units
    assert (unit.added, unit.removed, unit.images) == (False, False, ("registry.example/web:v2",))
    assert (unit.rollback, unit.health_timeout_s) == (True, 420)
    assert {field.path.rpartition(".")[2] for field in unit.specs} == {"automatic", "timeout"}
    gone = plan(files.but({"web.yaml": None}).good, files.good).units
    assert [(one.unit, one.added, one.removed, one.artifact) for one in gone] == [
        ("release/web", False, True, digest_of("removed", "release/web"))
    ]
    (first,) = plan(files.good, files.but({"web.yaml": None}).good).units
    assert (first.unit, first.added, first.removed, first.rollback) == ("release/web", True, False, False)


def test_an_environment_has_nothing_of_a_release_of_its_name(files: Files) -> None:
    more = ", rollback: {automatic: true}, health: {timeout: 7m}"
    named = files.but({"web.yaml": release("web", env="web", more=more), "env.yaml": environment("web")})
    named = named.but({"cluster.yaml": cluster("one", "web")})
    made = plan(named.good, files.good, units=refs("environment/web"), env="web")
    (unit,) = made.units
    assert (unit.images, unit.rollback, unit.health_timeout_s) == ((), False, 600)
    assert made.changes == ()


# Releases


def test_a_source_that_cannot_be_applied_blocks() -> None:
    nowhere: dict[str, Any] = {"cluster": None, "namespace": None}
    desired = Desired(releases={"web": release_spec(source={"type": "compose", "path": "x"}, **nowhere)})
    assert keys(of(desired, "release/web")) == ["release_state_invalid"]


def test_what_this_version_does_not_act_on_blocks_where_it_is_asked_for() -> None:
    canary = {"type": "canary", "canary": {"steps": [{"weight": 10}]}}
    wanted = Desired(
        releases={"web": release_spec(source={"type": "helm", "path": "x"}, strategy=canary)},
        environments={"dev": environment_spec(monitoring={"interval": "60s"})},
    )
    for observed in (None, Observed("dev", AT)):
        made = of(wanted, "release/web", "environment/dev", observed=observed)
        asked = [check.unit for check in made.blocked if check.key == "validation_error"]
        assert asked == ["environment/dev", "release/web"]
    gone = of(Desired(), "release/web", "environment/dev", before=wanted)
    assert [check for check in gone.blocked if check.key == "validation_error"] == []


def test_a_suspended_release_is_told_and_blocks_nothing(files: Files) -> None:
    (check,) = plan(files.but({"web.yaml": release("web", more=", suspend: true")}).good, files.good).checks
    assert (check.severity, check.key, check.unit) == (Severity.WARNING, "", "release/web")


def test_a_cluster_that_failed_is_quoted_and_nothing_else_is_said_of_it(files: Files) -> None:
    after, failed = files.edited(*NEXT).good, seen(files.good).clusters["one"]
    look = seen(after, files.good, edit={})
    for uid in ("uid-of-one", ""):
        one = replace(failed, uid=uid, failure=Failure("cluster_auth_failed", "no"))
        made = plan(after, files.good, observed=replace(look, clusters={"one": one}), known_uids={"one": "another"})
        assert (keys(made), made.changes, made.touched) == (["cluster_auth_failed"], (), ())


def test_g28_a_release_that_stays_deletes_what_it_drops_whatever_its_removal_would_do(files: Files) -> None:
    before = files.but({"web.yaml": release("web", more=", onRemoval: forget")})
    made = plan(before.but({"apps/web/config.yaml": None}).good, before.good)
    assert operations(made) == {"ConfigMap web/settings": Operation.DELETE}


def theirs(owner: str) -> dict[str, Any]:
    def edit(item: ObservedObject) -> ObservedObject:
        return replace(item, exists=True, uid="1", owner=owner)

    return {"edit": {"ConfigMap web/settings": edit}}


def test_g28_only_a_release_of_this_plan_on_this_cluster_hands_over(files: Files) -> None:
    before, after = files.but({"apps/web/config.yaml": None}), files
    there = {"two.yaml": cluster("two", "dev", "https://10.0.0.2:6443"), "b.yaml": release("b", on="two")}
    there |= {"apps/b/c.yaml": config("b")}
    here = {"b.yaml": release("b"), "apps/b/c.yaml": config("b")}
    for more, units, wanted in (
        (there, ("release/web", "release/b"), ["owned_by_another"]),
        (here, ("release/web",), ["owned_by_another"]),
        (here, ("release/web", "environment/b"), ["owned_by_another"]),
        (here, ("release/web", "release/b"), []),
    ):
        made = plan(after.but(more).good, before.but(more).good, units=refs(*units), **theirs("b"))
        assert keys(made) == wanted, units


@pytest.mark.parametrize("was_on", ["one", "two"])
def test_g28_what_another_release_wants_elsewhere_is_still_deleted_here(files: Files, was_on: str) -> None:
    two = {"two.yaml": cluster("two", "dev", "https://10.0.0.2:6443")}
    before = files.but({**two, "b.yaml": release("b", on=was_on), "apps/b/c.yaml": config("b")})
    wants = {"b.yaml": release("b", on="two"), "apps/b/d.yaml": config("settings")}
    made = plan(before.but({**wants, "apps/web/config.yaml": None}).good, before.good)
    assert Operation.DELETE in {change.operation for change in made.changes if change.unit == "release/web"}


def test_g4_a_comparison_shows_each_object_in_order_and_by_field(files: Files) -> None:
    before = files.but({f"apps/web/{n}.yaml": config(n) for n in ("e", "c", "g")}).good
    edits = {"apps/web/e.yaml": None, "apps/web/c.yaml": None, "apps/web/g.yaml": None}
    made_of = {
        **edits,
        **{f"apps/web/{n}.yaml": config(n) for n in ("d", "b", "f")},
        "apps/web/c.yaml": config("c", "2"),
    }
    made = make_plan(ask(files.but(made_of).good, before, observed=None))
    shown = [(change.operation, change.subject[-1], change.where) for change in made.changes]
    assert shown == [
        *((Operation.DELETE, name, "not looked at") for name in "eg"),
        *((Operation.CREATE, name, "not looked at") for name in "bdf"),
        (Operation.UPDATE, "c", "not looked at"),
    ]
    assert [[field.path for field in change.fields] for change in made.changes if change.subject[-1] in "bce"] == [
        ["apiVersion", "kind", "metadata", "data"],
        ["apiVersion", "kind", "metadata", "data"],
        ["data.a"],
    ]
    first = make_plan(ask(files.good, observed=None, units=refs("release/web")))
    assert {change.operation for change in first.changes} == {Operation.CREATE}
    gone = make_plan(ask(files.but({"web.yaml": None}).good, files.good, observed=None))
    assert {change.operation for change in gone.changes} == {Operation.DELETE}


# Clusters


def test_a_cluster_is_connected_the_first_time_and_only_as_it_is_meant() -> None:
    look = Observed("dev", AT, {"one": ObservedCluster("one", uid="7")})
    made = of(Desired(clusters={"one": cluster_spec()}), "cluster/one", observed=look)
    assert (keys(made), [action.pre for batch in made.batches for action in batch]) == ([], [""])
    assert of(Desired(clusters={"one": cluster_spec()}), "cluster/one", observed=None).changes == ()
    ours = said(Kind.CLUSTER, environment="dev", sourceType="platform_created")
    made = of(Desired(clusters={"one": ours}), "cluster/one", observed=look)
    assert ([check.severity for check in made.checks], made.batches) == ([Severity.WARNING], ())
    vip = {"address": "10.0.0.12", "interface": "eth0", "virtualRouterId": 7, "authCredential": "vip"}
    entry = {"mode": "lvs_vip", "lvsVip": {**vip, "backendNodes": ["a", "b"]}}
    made = of(Desired(clusters={"one": cluster_spec(networkEntry=entry)}), "cluster/one", observed=look)
    assert (keys(made), made.batches) == (["network_entry_apply_failed"], ())


@pytest.mark.parametrize(
    ("known", "seen_as", "risk"),
    [
        ({"one": "x", "two": "x"}, {"one": "x"}, "medium"),  # production's cluster could not be looked at
        ({"one": "x", "two": "y"}, {"one": "x"}, "low"),
        ({"one": "x"}, {"one": "x", "two": "x"}, "medium"),
        ({}, {"one": "", "two": ""}, "low"),  # nobody knows who they are: that makes them no one
        ({}, {}, "low"),
    ],
)
def test_g3_who_a_cluster_is_counts_as_recorded_and_as_seen(
    files: Files, known: dict[str, str], seen_as: dict[str, str], risk: str
) -> None:
    more = {"prod.yaml": environment("prod", "production"), "p.yaml": cluster("two", "prod", "https://10.0.0.2:6443")}
    after = files.but(more).edited(*NEXT)
    look = Observed("dev", AT, {name: ObservedCluster(name, uid=uid) for name, uid in seen_as.items()})
    assert plan(after.good, files.but(more).good, observed=look, known_uids=known).risk == risk


# Environments

HOOK = Hook("rollback", "hooks/rollback", timedelta(minutes=1), retryable=False, max_retries=0, run_on="all")
BUNDLE = Bundle("v2", "sha256:b2", "/b", "key", (Runtime("compose", "1", (), (), (HOOK,)),), ())


def managed(*hosts: str, **body: Any) -> Desired:
    nodes = [{"host": name, "role": "compose_manager"} for name in hosts]
    given = {"runtimeType": "compose", "mode": "platform_managed", "nodes": nodes, "bundle": {"version": "v2"}}
    return Desired(environments={"dev": environment_spec(**{**given, **body})})


def carrying(name: str) -> ObservedHost:
    return ObservedHost(name, installed=InstalledBundle("dev", "v2", "sha256:b2", "compose_manager", 1))


LOOK = Observed("dev", AT, {}, {name: carrying(name) for name in ("h1", "h2")})


@pytest.mark.parametrize(
    ("after", "leaving"),
    [
        (managed("h1", "h2"), []),
        (managed("h1"), ["h2"]),
        (Desired(environments={"other": environment_spec("other")}), ["h1", "h2"]),
        (managed("h1", mode="external_managed"), []),  # whoever runs it now is not us
    ],
)
def test_a_host_that_is_named_no_more_leaves(after: Desired, leaving: list[str]) -> None:
    made = of(after, "environment/dev", before=managed("h1", "h2"), observed=LOOK, bundles={"v2": BUNDLE}, limits=ALL)
    assert keys(made) == []
    gone = [action.target for batch in made.batches for action in batch if action.kind is ActionKind.FORGET_INSTALL]
    assert gone == [f"host/{name}" for name in leaving]


def test_g4_without_a_look_no_host_is_planned() -> None:
    made = of(managed("h1"), "environment/dev", observed=None)
    assert (made.changes, made.checks) == ((), ())


def test_an_environment_stays_while_releases_need_it() -> None:
    left = Desired(releases={"web": release_spec(suspend=True)})
    before = replace(left, environments={"dev": environment_spec()})
    made = of(left, "environment/dev", before=before)
    assert [(check.key, check.unit) for check in made.blocked] == [("resource_conflict", "environment/dev")]


def test_what_is_left_is_counted_over_all_kinds() -> None:
    """One spec of each of two kinds is not nothing."""
    source = {"type": "compose", "path": "x"}
    web = release_spec(source=source, cluster=None, namespace=None, suspend=True)
    left = Desired(environments={"dev": environment_spec()}, releases={"web": web})
    before = replace(left, environments={**left.environments, "other": managed("h1").environments["dev"]})
    look = Observed("dev", AT, {}, {"h1": replace(carrying("h1"), installed=None)})
    made = of(left, "environment/other", before=before, observed=look, bundles={"v2": BUNDLE}, limits=ALL)
    assert keys(made) == []
