"""What an install does to which hosts: from nodes, what the hosts carry, and the bundle's index. No SSH, no files."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.plan.change import Action, ActionKind, Operation, Severity
from reconciler.plan.environments import EnvironmentAsk, NodeAsk, plan_environment
from reconciler.plan.part import Part
from reconciler.state.bundle import Bundle, Hook, Runtime
from reconciler.state.observed import Failure, InstalledBundle, ObservedHost

UNIT = "environment/dev"


def hook(name: str, run_on: str = "all") -> Hook:
    return Hook(name, f"hooks/{name}", timedelta(minutes=1), retryable=False, max_retries=0, run_on=run_on)


def runtime(name: str, *hooks: Hook) -> Runtime:
    return Runtime(name, "1.0", (("ubuntu", "amd64"),), (), hooks)


NETWORK = ("rollback-network-entry", "install-keepalived", "configure-ipvs", "reload-network-entry", "verify-vip")
K8S = runtime(
    "k8s",
    hook("preflight.sh"),
    hook("init", "control_plane"),
    hook("join.sh", "worker"),
    *(hook(name) for name in NETWORK),
    hook("rollback.sh"),
    hook("verify"),
)
COMPOSE = runtime("compose", hook("docker.sh"))
BUNDLE = Bundle("v2", "sha256:b2", "/bundle", "key", (K8S, COMPOSE), ())
CONTROL, WORKER, LEAVING = NodeAsk("cp-1", "control_plane"), NodeAsk("w-1", "worker"), NodeAsk("w-1", "")
EMPTY = {name: ObservedHost(name, machine_id=f"id-{name}", host_key=f"key-{name}") for name in ("cp-1", "w-1")}


def carrying(
    host: str = "w-1", env: str = "dev", version: str = "v2", digest: str = "sha256:b2", role: str = "worker"
) -> dict[str, ObservedHost]:
    """A host with something installed."""
    return {**EMPTY, host: replace(EMPTY[host], installed=InstalledBundle(env, version, digest, role, 3))}


def install(
    *nodes: NodeAsk,
    hosts: Mapping[str, ObservedHost] = EMPTY,
    bundle: Bundle | Failure | None = BUNDLE,
    runtimes: tuple[str, ...] = ("k8s",),
) -> Part:
    return plan_environment(EnvironmentAsk(UNIT, "dev", runtimes, nodes, "v2", bundle, hosts))


def steps(part: Part) -> list[tuple[int, str]]:
    """Phases and what is done in them, in words."""
    return [(step.phase, _words(step.action)) for step in part.steps]


def _words(action: Action) -> str:
    return f"{action.target.removeprefix('host/')} {action.hook or action.kind.value}"


def refused(part: Part) -> list[str]:
    assert not [check for check in part.checks if check.severity is not Severity.ERROR]
    return [check.key for check in part.checks]


def test_each_hook_runs_on_the_hosts_of_its_role_in_one_phase_for_all_of_them() -> None:
    made = install(CONTROL, WORKER)
    assert steps(made) == [
        (0, "cp-1 deliver_bundle"),
        (1, "cp-1 preflight.sh"),
        (2, "cp-1 init"),
        (10, "cp-1 verify"),
        (1000, "cp-1 record_install"),
        (0, "w-1 deliver_bundle"),
        (1, "w-1 preflight.sh"),
        (3, "w-1 join.sh"),
        (10, "w-1 verify"),
        (1000, "w-1 record_install"),
    ]
    assert made.checks == ()


def test_an_environment_of_both_kinds_delivers_both_and_runs_one_after_the_other() -> None:
    assert [
        (step.phase, step.action.runtime, step.action.hook, step.action.kind.value)
        for step in install(CONTROL, runtimes=("k8s", "compose")).steps
    ] == [
        (0, "k8s", "", "deliver_bundle"),
        (0, "compose", "", "deliver_bundle"),
        (1, "k8s", "preflight.sh", "run_hook"),
        (2, "k8s", "init", "run_hook"),
        (10, "k8s", "verify", "run_hook"),
        (11, "compose", "docker.sh", "run_hook"),
        (1000, "k8s", "", "record_install"),
    ]


def test_g9_an_action_says_where_what_and_of_which_signed_bundle() -> None:
    deliver, first, *_ = (step.action for step in install(CONTROL).steps)
    assert first.model_dump(exclude_defaults=True) == {
        "id": "environment/dev:run_hook:cp-1:k8s:preflight.sh",
        "kind": ActionKind.RUN_HOOK,
        "unit": UNIT,
        "target": "host/cp-1",
        "hook": "preflight.sh",
        "runtime": "k8s",
        "role": "control_plane",
        "bundle": "sha256:b2",
        "bundle_version": "v2",
    }
    assert deliver.id == "environment/dev:deliver_bundle:cp-1:k8s"


def test_a_preview_says_what_runs_on_which_host() -> None:
    (change,) = install(CONTROL).changes
    assert (change.unit, change.operation, change.where) == (UNIT, Operation.RUN, "host cp-1")
    assert change.subject == "install control_plane from bundle v2: preflight.sh, init, verify"
    assert [(field.path, field.before, field.after) for field in change.fields] == [("bundle", None, "v2")]
    (upgrade,) = install(WORKER, hosts=carrying(version="v1")).changes
    assert upgrade.subject == "upgrade worker from bundle v2: preflight.sh, join.sh, verify"
    assert [(field.path, field.before, field.after) for field in upgrade.fields] == [("bundle", "v1", "v2")]


def test_a_host_with_no_hook_for_its_role_is_said_to_have_none() -> None:
    bundle = replace(BUNDLE, runtimes=(runtime("k8s", hook("init", "control_plane")),))
    assert install(WORKER, bundle=bundle).changes[0].subject == "install worker from bundle v2: no hook for this role"


@pytest.mark.parametrize(("name", "reversible"), [("rollback", True), ("rollback.sh", True), ("verify", False)])
def test_an_install_goes_back_only_where_the_bundle_can(name: str, *, reversible: bool) -> None:
    bundle = replace(BUNDLE, runtimes=(runtime("k8s", hook("init"), hook(name)),))
    assert install(CONTROL, bundle=bundle).changes[0].reversible is reversible


def test_g9_who_a_host_is_and_what_it_carries_is_in_the_plan() -> None:
    host = replace(carrying()["w-1"], answers={"disk": "yes"})
    (fresh,) = install(CONTROL).touched
    (old,) = install(LEAVING, hosts={"w-1": host}).touched
    assert (fresh.subject, fresh.state) == (
        "host/cp-1",
        {"machine_id": "id-cp-1", "host_key": "key-cp-1", "answers": {}, "installed": None},
    )
    assert (old.subject, old.state) == (
        "host/w-1",
        {
            "machine_id": "id-w-1",
            "host_key": "key-w-1",
            "answers": {"disk": "yes"},
            "installed": ["dev", "v2", "sha256:b2", "worker"],
        },
    )


def test_a_host_that_carries_exactly_this_is_left_alone() -> None:
    assert install(WORKER, hosts=carrying()) == Part()


@pytest.mark.parametrize(
    ("installed", "blocked"),
    [
        ({"version": "v1"}, []),
        ({"digest": "sha256:other"}, []),  # another bundle of the same version
        ({"version": "v3"}, ["artifact_version_unsupported"]),
        ({"env": "prod"}, ["resource_conflict"]),
        ({"env": "prod", "version": "v3"}, ["resource_conflict"]),
        ({"role": "control_plane"}, ["node_role_invalid"]),
        ({"role": "control_plane", "version": "v3"}, ["node_role_invalid"]),
    ],
    ids=str,
)
def test_a_host_that_carries_anything_else_is_planned_and_checked(
    installed: dict[str, str], blocked: list[str]
) -> None:
    made = install(WORKER, hosts=carrying(**installed))
    assert [change.operation for change in made.changes] == [Operation.RUN]
    assert refused(made) == blocked


def test_another_bundle_of_the_same_version_is_told_by_its_digest() -> None:
    (change,) = install(WORKER, hosts=carrying(digest="sha256:other")).changes
    assert [(field.before, field.after) for field in change.fields] == [("v2 sha256:other", "v2 sha256:b2")]


def test_what_a_host_answers_no_to_blocks_and_is_named() -> None:
    host = replace(EMPTY["cp-1"], answers={"swap": "no", "disk": "yes", "cpu": "no"})
    made = install(CONTROL, hosts={"cp-1": host})
    assert [(check.key, check.message) for check in made.checks] == [
        ("preflight_failed", "host cp-1: cpu: no"),
        ("preflight_failed", "host cp-1: swap: no"),
    ]
    settled = replace(carrying()["w-1"], answers={"swap": "no"})
    assert refused(install(WORKER, hosts={"w-1": settled})) == ["preflight_failed"]


DENIED = Failure("ssh_auth_failed", "host w-1: denied")


@pytest.mark.parametrize("node", [WORKER, LEAVING], ids=["stays", "leaves"])
@pytest.mark.parametrize(
    ("hosts", "key"),
    [
        ({}, "ssh_unreachable"),
        ({"w-1": ObservedHost("w-1", failure=DENIED)}, "ssh_auth_failed"),
        ({"w-1": replace(carrying()["w-1"], failure=DENIED)}, "ssh_auth_failed"),
    ],
    ids=["not looked at", "failed", "failed half way"],
)
def test_a_host_that_could_not_be_looked_at_blocks_and_is_never_read_as_empty(
    node: NodeAsk, hosts: dict[str, ObservedHost], key: str
) -> None:
    made = install(node, hosts=hosts)
    assert (made.changes, made.steps, refused(made)) == ((), (), [key])


@pytest.mark.parametrize(
    ("bundle", "runtimes", "key"),
    [
        (None, ("k8s",), "artifact_manifest_missing"),
        (Failure("artifact_signature_invalid", "x"), ("k8s",), "artifact_signature_invalid"),
        (replace(BUNDLE, runtimes=(K8S,)), ("k8s", "compose"), "artifact_version_unsupported"),
        (replace(BUNDLE, runtimes=(COMPOSE,)), ("k8s", "compose"), "artifact_version_unsupported"),
    ],
    ids=["none", "bad", "no compose", "no k8s"],
)
def test_nothing_is_installed_from_a_bundle_that_does_not_hold(
    bundle: Bundle | Failure | None, runtimes: tuple[str, ...], key: str
) -> None:
    made = install(CONTROL, bundle=bundle, runtimes=runtimes)
    assert (made.changes, made.steps, refused(made)) == ((), (), [key])
    assert not isinstance(bundle, Bundle) or made.checks[0].message in {
        "bundle v2 has no runtime compose",
        "bundle v2 has no runtime k8s",
    }


def test_an_environment_without_nodes_asks_for_no_bundle() -> None:
    assert install(bundle=None) == Part()


def test_a_node_that_leaves_runs_the_way_back_of_the_role_it_has() -> None:
    made = install(LEAVING, hosts=carrying(), runtimes=("k8s", "compose"))
    assert steps(made) == [(0, "w-1 deliver_bundle"), (1, "w-1 rollback.sh"), (1000, "w-1 forget_install")]
    assert {step.action.role for step in made.steps} == {"worker"}
    assert {step.action.runtime for step in made.steps} == {"k8s"}
    (change,) = made.changes
    assert (change.operation, change.reversible, change.where) == (Operation.DELETE, False, "host w-1")
    assert (change.unit, change.subject) == (UNIT, "Node w-1 (worker) leaves: rollback")
    assert made.checks == ()


@pytest.mark.parametrize("hosts", [EMPTY, carrying(env="prod")], ids=["empty", "another environment's"])
def test_a_node_that_leaves_and_carries_nothing_of_ours_is_not_touched(hosts: dict[str, ObservedHost]) -> None:
    made = install(LEAVING, hosts=hosts)
    assert (made.changes, made.steps, made.touched) == ((), (), ())
    assert [(check.severity, check.key) for check in made.checks] == [(Severity.WARNING, "")]


def test_a_node_does_not_leave_where_the_bundle_has_no_way_back() -> None:
    made = install(LEAVING, hosts=carrying(), bundle=replace(BUNDLE, runtimes=(runtime("k8s", hook("init")),)))
    assert (made.changes, made.steps, refused(made)) == ((), (), ["script_hook_missing"])
