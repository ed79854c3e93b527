"""What a plan is put together from: its digest spelled out, installs wired to hosts and bundles, whose place it is."""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.canonical import digest_of
from reconciler.names import POLICY
from reconciler.plan.change import Action, Plan, Severity
from reconciler.plan.make import make_plan
from reconciler.state.bundle import Bundle, Hook, Runtime
from reconciler.state.observed import ObservedHost
from tests.plan.world import Files, ask, config, keys, plan, seen, spec

NEXT = ("apps/web/deployment.yaml", "web:v1", "web:v2")


def _spelled(action: Action) -> dict[str, Any]:
    """Some of it came later: where it says nothing, digests are what they were."""
    later = {"takes", "seconds", "probe", "instead", "canary", "replicas", "share", "weight", "step", "stopped"}
    return {name: value for name, value in action.model_dump(mode="json").items() if value or name not in later}


def spelled(made: Plan) -> str:
    """The digest as G9 says it, from the plan alone. Golden: approvals that stand would fall if a word changed."""
    artifact = digest_of(
        "artifact",
        [
            [unit.unit, unit.artifact, [[change.path, change.before, change.after] for change in unit.specs]]
            for unit in made.units
        ],
    )
    assert made.artifact == artifact
    return digest_of(
        "plan",
        {
            "environment": made.environment,
            "static": made.static,
            "artifact": artifact,
            "actions": [[_spelled(action) for action in batch] for batch in made.batches],
            "touched": [touch.model_dump(mode="json") for touch in made.touched],
            "blocked": sorted(check.key for check in made.blocked),
        },
    )


def test_g9_the_digest_is_over_exactly_this(files: Files) -> None:
    two = files.edited(*NEXT).but({"apps/web/more.yaml": config("more")})
    made = plan(two.good, files.good)
    assert made.digest == spelled(made)
    assert [touch.subject for touch in made.touched] == sorted(touch.subject for touch in made.touched)
    static = make_plan(ask(two.good, files.good, observed=None))
    assert static.static
    assert static.digest == spelled(static)
    blocked = plan(two.good, files.good, known_uids={"one": "another"})
    assert keys(blocked)
    assert blocked.digest == spelled(blocked)


def test_g2_a_plan_of_the_policy_needs_no_look(files: Files) -> None:
    made = make_plan(ask(files.good, files.good, observed=None, env=POLICY, units=[]))
    assert (made.static, made.policy_only) == (False, True)
    assert (made.project, made.team, made.tier) == ("", "", "")


HOST = """\
apiVersion: opspilot.spec/v1
kind: Host
metadata: {name: NAME}
spec: {address: ADDRESS, user: ops, credential: ssh, hostKey: "ssh-ed25519 \
AAAAC3NzaC1lZDI1NTE5AAAAIEjzgHg0GeQk9dV7k2wYyGKPjyJ3Hc1sEwYd1GJYhuDd"}
"""


def runtime(name: str) -> Runtime:
    hook = Hook(f"{name}-up", f"hooks/{name}", timedelta(minutes=1), retryable=False, max_retries=0, run_on="all")
    return Runtime(name, "1", (), (), (hook,))


BUNDLE = Bundle("v2", "sha256:b2", "/b", "key", (runtime("k8s"), runtime("compose")), ())


@pytest.mark.parametrize(
    ("kind", "roles", "hooks"),
    [
        ("k8s", ["control_plane"], {"k8s-up"}),
        ("compose", ["compose_manager"], {"compose-up"}),
        ("hybrid", ["control_plane", "compose_manager"], {"k8s-up", "compose-up"}),
    ],
)
def test_an_install_runs_what_its_kind_of_environment_needs(
    files: Files, kind: str, roles: list[str], hooks: set[str]
) -> None:
    names = [f"h-{number}" for number, _ in enumerate(roles, 1)]
    nodes = ", ".join(f"{{host: {name}, role: {role}}}" for name, role in zip(names, roles, strict=True))
    body = f"{{tier: dev, runtimeType: {kind}, mode: platform_managed, nodes: [{nodes}], bundle: {{version: v2}}}}"
    access = spec("Credential", "ssh", "{type: ssh_key, file: ssh, addresses: ['10.0.0.1:22', '10.0.0.2:22']}")
    hosts_said = {f"{name}.yaml": HOST.replace("NAME", name).replace("ADDRESS", f"10.0.0.{name[-1]}") for name in names}
    written = {"env.yaml": spec("Environment", "dev", body), "access.yaml": access, **hosts_said}
    after = files.but(dict.fromkeys(files.content) | written).good
    hosts = {name: ObservedHost(name, machine_id=name, host_key="k") for name in names}
    made = plan(after, observed=seen(after, hosts=hosts), bundles={"v2": BUNDLE})
    assert [check for check in made.checks if check.severity is Severity.ERROR] == []
    assert {action.hook for batch in made.batches for action in batch if action.hook} == hooks
    assert plan(after, observed=seen(after, hosts=hosts), bundles={}).blocked[0].key == "artifact_manifest_missing"
    assert keys(plan(after, observed=seen(after), bundles={"v2": BUNDLE})) == ["ssh_unreachable"] * len(names)
