"""G3: how bad a mistake would be, and that no trick lowers it."""

from typing import Any

import pytest

from reconciler.names import Digest, UnitRef
from reconciler.plan.change import Change, FieldChange, Operation, Risk, UnitPlan
from reconciler.plan.make import make_plan
from reconciler.plan.risk import RULES, assess, deletes_data
from reconciler.plan.sharing import by_environment, scopes, sharing
from tests.plan.world import Files, ask, cluster, environment, plan, release


def unit(ref: str, *fields: str) -> UnitPlan:
    return UnitPlan(unit=ref, artifact=Digest("0" * 64), specs=tuple(FieldChange(path=path) for path in fields))


def change(operation: Operation, subject: str = "ConfigMap a/b", of: str = "release/web") -> Change:
    return Change(unit=of, operation=operation, subject=subject, where="x")


RELEASE = (unit("release/web"),)
UPDATE = (change(Operation.UPDATE),)
LOSS = (change(Operation.DELETE, "PersistentVolumeClaim a/b"),)
DATA = ("PersistentVolumeClaim a/b", "PersistentVolume b", "Namespace b", "CustomResourceDefinition.x.y.io b")
LEAVES = (change(Operation.DELETE, "Node cp-1 (worker) leaves", "environment/dev"),)
RUNS = (change(Operation.RUN, of="environment/dev"),)
FOR_GOOD = (change(Operation.RUN, "Job.batch a/down").model_copy(update={"reversible": False}),)
CASES: list[tuple[str, set[str], tuple[UnitPlan, ...], tuple[Change, ...], Risk]] = [
    ("policy", set(), (unit("policy/policy"),), (), Risk.CRITICAL),
    ("tier", {"dev"}, RELEASE, UPDATE, Risk.LOW),
    ("tier", {"dev", "staging"}, RELEASE, UPDATE, Risk.LOW),
    ("tier", {"dev", "production"}, RELEASE, UPDATE, Risk.HIGH),
    ("tier", {"production"}, RELEASE, (), Risk.MEDIUM),
    ("tier", {"dev"}, RELEASE, (), Risk.LOW),
    ("tier", {"dev"}, RELEASE, (change(Operation.UNCHANGED),), Risk.LOW),
    ("tier", {"dev"}, (unit("environment/dev"),), (change(Operation.UPDATE, of="environment/dev"),), Risk.LOW),
    ("tier", set(), RELEASE, UPDATE, Risk.MEDIUM),
    ("tier", {"a tier of tomorrow"}, RELEASE, UPDATE, Risk.MEDIUM),
    ("deletion", {"dev"}, RELEASE, (change(Operation.DELETE),), Risk.MEDIUM),
    ("deletion", {"production"}, RELEASE, (change(Operation.DELETE),), Risk.HIGH),
    *(("deletion", {"dev"}, RELEASE, (change(Operation.DELETE, subject),), Risk.HIGH) for subject in DATA),
    *(("deletion", {"production"}, RELEASE, (change(Operation.DELETE, subject),), Risk.CRITICAL) for subject in DATA),
    ("install", {"dev"}, (unit("environment/dev"),), RUNS, Risk.HIGH),
    ("install", {"production"}, (unit("environment/dev"),), RUNS, Risk.CRITICAL),
    ("tier", {"dev"}, RELEASE, (change(Operation.RUN),), Risk.LOW),
    ("irreversible", {"dev"}, RELEASE, FOR_GOOD, Risk.HIGH),
    ("irreversible", {"production"}, RELEASE, FOR_GOOD, Risk.CRITICAL),
    ("install", {"dev"}, (unit("environment/dev"),), LEAVES, Risk.HIGH),
    ("connection", {"dev"}, (unit("cluster/one"),), (), Risk.HIGH),
    ("certificates", {"dev"}, (unit("cluster/one", "spec.certificates.rotation"),), (), Risk.HIGH),
    ("certificates", {"production"}, (unit("cluster/one", "spec.certificates.rotation"),), (), Risk.CRITICAL),
    ("tier changed", {"dev"}, (unit("environment/dev", "spec.tier"),), (), Risk.HIGH),
    ("tier changed", {"dev"}, (unit("environment/dev", "spec.allowSelfApproval"),), (), Risk.HIGH),
]


@pytest.mark.parametrize(("rule", "tiers", "units", "changes", "wanted"), CASES)
def test_g3_each_rule_speaks(
    rule: str, tiers: set[str], units: tuple[UnitPlan, ...], changes: tuple[Change, ...], wanted: Risk
) -> None:
    risk, reasons = assess(tiers, units, changes)
    assert f"{rule}: {wanted}" in reasons
    assert risk is wanted


@pytest.mark.parametrize("operation", Operation)
def test_g21_only_what_is_deleted_takes_its_data_along(operation: Operation) -> None:
    assert [deletes_data(change(operation, subject)) for subject in DATA] == [operation is Operation.DELETE] * len(DATA)


def test_every_rule_has_a_case() -> None:
    assert {rule for rule, *_ in CASES} == RULES.keys()


def test_the_strictest_rule_counts_and_stands_first() -> None:
    risk, reasons = assess({"production"}, RELEASE, (change(Operation.DELETE), *LOSS))
    assert (risk, reasons[0]) == (Risk.CRITICAL, "deletion: critical")


# What a pull request may try


PROD = {"prod.yaml": environment("prod", "production")}
NEXT = ("apps/web/deployment.yaml", "web:v1", "web:v2")


def test_g3_a_change_in_dev_is_low(files: Files) -> None:
    assert plan(files.edited(*NEXT).good, files.good).risk is Risk.LOW


def test_g3_calling_production_dev_lowers_nothing(files: Files) -> None:
    before = files.edited("env.yaml", "tier: dev", "tier: production")
    made = plan(files.edited(*NEXT).good, before.good)
    assert made.risk is Risk.HIGH


SAME_PLACE: dict[str, dict[str, str | None]] = {
    "the same endpoint": {"p.yaml": cluster("two", "prod", "https://10.0.0.1:6443")},
    "another spelling": {"p.yaml": cluster("two", "prod", "https://10.0.0.1:6443/")},
    "an address that only the kubeconfig says": {
        "p.yaml": cluster("two", "prod", "https://10.0.0.1:6443", endpoint=False)
    },
}


@pytest.mark.parametrize("other", SAME_PLACE.values(), ids=SAME_PLACE.keys())
def test_g3_a_dev_cluster_at_productions_address_counts_as_production(
    files: Files, other: dict[str, str | None]
) -> None:
    before = files.but({**PROD, **other})
    after = before.edited(*NEXT)
    made = plan(after.good, before.good)
    assert made.risk is Risk.HIGH
    assert [scope[2] for scope in made.scopes] == ["dev", "prod"]


def test_g3_productions_cluster_under_another_name_counts_as_production(files: Files) -> None:
    before = files.but({**PROD, "p.yaml": cluster("two", "prod", "https://alias.example:6443")})
    after = before.edited(*NEXT)
    assert plan(after.good, before.good).risk is Risk.LOW
    same: dict[str, Any] = {"known_uids": {"one": "one-uid", "two": "one-uid"}, "uids": {"one": "one-uid", "two": "x"}}
    assert plan(after.good, before.good, **same).risk is Risk.HIGH
    seen_now: dict[str, Any] = {"known_uids": {"two": "prods"}, "uids": {"one": "prods", "two": "prods"}}
    assert plan(after.good, before.good, **seen_now).risk is Risk.HIGH


def test_g3_moving_production_away_in_the_same_pull_request_lowers_nothing(files: Files) -> None:
    before = files.but({**PROD, "p.yaml": cluster("two", "prod", "https://10.0.0.9:6443")})
    after = before.but(
        {
            "cluster.yaml": cluster("one", "dev", "https://10.0.0.9:6443"),
            "p.yaml": cluster("two", "prod", "https://10.0.0.8:6443"),
        }
    ).edited(*NEXT)
    refs = [UnitRef.parse("release/web")]
    assert plan(after.good, before.good, units=refs).risk is Risk.HIGH
    fresh = ask(after.good, observed=None, units=refs)
    assert make_plan(fresh).risk is Risk.LOW  # nothing was accepted of this unit, so nothing of production is known ...
    known = ask(after.good, observed=None, units=refs, neighbours=(before.good.desired,))
    assert make_plan(known).risk is Risk.HIGH  # ... unless the accepted sides of others are given


HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFMvA2U8YqbDFFrcwxh8NkzfuLuN6adUTnNug+xSlCxK"


def host(name: str, address: str, comment: str = "") -> str:
    return (
        f"apiVersion: opspilot.spec/v1\nkind: Host\nmetadata: {{name: {name}}}\n"
        f"spec: {{address: {address}, credential: ssh, hostKey: '{HOST_KEY}{comment}'}}\n"
    )


def installed(name: str, tier: str, node: str) -> str:
    nodes = f"[{{host: {node}, role: compose_manager}}]"
    body = f"{{tier: {tier}, runtimeType: compose, mode: platform_managed, nodes: {nodes}, bundle: {{version: v1}}}}"
    return f"apiVersion: opspilot.spec/v1\nkind: Environment\nmetadata: {{name: {name}}}\nspec: {body}\n"


def test_g3_one_machine_under_two_addresses_is_one_machine(files: Files) -> None:
    access = "{type: ssh_key, file: ssh, addresses: ['10.1.1.1', 'm.example']}"
    both = files.but(
        {
            "h1.yaml": host("m1", "10.1.1.1"),
            "h2.yaml": host("m2", "m.example", " somebody"),
            "ssh.yaml": f"apiVersion: opspilot.spec/v1\nkind: Credential\nmetadata: {{name: ssh}}\nspec: {access}\n",
            "e1.yaml": installed("small", "dev", "m1"),
            "e2.yaml": installed("big", "production", "m2"),
        }
    )
    assert sharing("small", [both.good.desired]) == {"small", "big"}


def test_g3_the_scopes_of_both_sides_are_asked(files: Files) -> None:
    teams = "spec: {teams: [{name: a}, {name: b}]}"
    project = f"apiVersion: opspilot.spec/v1\nkind: Project\nmetadata: {{name: p}}\n{teams}\n"
    before = files.but({"p.yaml": project, "env.yaml": environment("dev", more=", project: p, team: a")}).side
    after = files.but({"p.yaml": project, "env.yaml": environment("dev", more=", project: p, team: b")}).side
    assert scopes({"dev"}, [before.desired, after.desired]) == (("p", "a", "dev"), ("p", "b", "dev"))


def test_a_release_that_changes_its_environment_is_planned_where_it_goes(files: Files) -> None:
    before = files.but({"e.yaml": environment("other"), "c.yaml": cluster("two", "other", "https://10.0.0.2:6443")})
    after = before.but({"web.yaml": release("web", "other", "two")})
    owners = [(ref, unit.environment) for side in (before.good, after.good) for ref, unit in side.units.items()]
    web = UnitRef.parse("release/web")
    assert by_environment([web], owners) == {"other": (web,)}
    assert [check.key for check in plan(after.good, before.good, env="other").blocked] == ["release_state_invalid"]
