"""Desired nodes x observed hosts x a verified bundle -> install, join, upgrade and remove steps.

The bundle's index says which hooks run, in which order and on which role; this module only decides on which hosts. A
host that carries another environment blocks the plan; its identity (machine id and host key) is part of what the plan
touches. Knows no SSH and no hook's content.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.plan.change import Action, ActionKind, Change, Check, FieldChange, Operation, Touched
from reconciler.plan.guards import downgrade
from reconciler.plan.part import Part, Step, error, failed, warning
from reconciler.state.bundle import Bundle, Hook, Runtime
from reconciler.state.observed import Failure, InstalledBundle, ObservedHost

DELIVER = 0
FIRST_HOOK = 1
RECORD = 1000  # after every hook
REMOVE = 0
SHOWN_DIGITS = 12  # of a bundle's digest

# Hooks of the index that an install does not run: they belong to going back and to the network entry.
GOING_BACK = "rollback"
NOT_INSTALLING = frozenset(
    {
        GOING_BACK,
        "rollback-network-entry",
        "install-keepalived",
        "configure-ipvs",
        "reload-network-entry",
        "verify-vip",
    }
)


@dataclass(frozen=True, slots=True)
class NodeAsk:
    """A host and what it shall do; `role` is empty for one that leaves."""

    host: str
    role: str


@dataclass(frozen=True, slots=True)
class EnvironmentAsk:
    """One environment's installation to plan."""

    unit: str
    environment: str
    runtimes: tuple[str, ...]  # k8s, compose
    nodes: tuple[NodeAsk, ...]
    bundle_version: str
    bundle: Bundle | Failure | None
    hosts: Mapping[str, ObservedHost] = field(default_factory=dict)


def plan_environment(ask: EnvironmentAsk) -> Part:
    """The installation's part; empty where nothing is installed by us."""
    if not ask.nodes:
        return Part()
    if ask.bundle is None:
        return Part(
            checks=(error(ask.unit, "artifact_manifest_missing", f"environment {ask.environment} names no bundle"),)
        )
    if isinstance(ask.bundle, Failure):
        return Part(checks=(failed(ask.unit, ask.bundle),))
    runtimes = tuple(runtime for name in ask.runtimes if (runtime := ask.bundle.runtime(name)) is not None)
    missing = [name for name in ask.runtimes if name not in {runtime.name for runtime in runtimes}]
    if missing:
        message = f"bundle {ask.bundle_version} has no runtime {', '.join(missing)}"
        return Part(checks=(error(ask.unit, "artifact_version_unsupported", message),))
    planner = _Planner(ask, ask.bundle, runtimes)
    found = [planner.node(node) for node in ask.nodes]
    return Part(
        changes=tuple(change for part in found for change in part.changes),
        steps=tuple(step for part in found for step in part.steps),
        checks=tuple(check for part in found for check in part.checks),
        touched=tuple(touch for part in found for touch in part.touched),
    )


@dataclass(frozen=True, slots=True)
class _Planner:
    ask: EnvironmentAsk
    bundle: Bundle
    runtimes: tuple[Runtime, ...]

    def node(self, node: NodeAsk) -> Part:
        observed = self.ask.hosts.get(node.host)
        if observed is None:
            message = f"looking at host {node.host}: it was not looked at"
            return Part(checks=(error(self.ask.unit, "ssh_unreachable", message),))
        if observed.failure is not None:
            return Part(checks=(failed(self.ask.unit, observed.failure),))
        if not node.role:
            return self._leave(node, observed)
        checks = tuple(self._checks(node, observed))
        installed = observed.installed
        wanted = (self.ask.environment, self.bundle.version, self.bundle.digest, node.role)
        if (
            installed is not None
            and (installed.environment, installed.version, installed.digest, installed.role) == wanted
        ):
            return Part(checks=checks)
        verb = "install" if installed is None else "upgrade"
        actions = tuple(self._install(node))
        change = Change(
            unit=self.ask.unit,
            operation=Operation.RUN,
            subject=f"{verb} {node.role} from bundle {self.bundle.version}: {self._hooks_in_words(node)}",
            where=f"host {node.host}",
            fields=(self._bundle_change(installed),),
            reversible=any(stem(hook.name) == GOING_BACK for runtime in self.runtimes for hook in runtime.hooks),
        )
        return Part((change,), actions, checks, (self._touched(node, observed),))

    def _bundle_change(self, installed: InstalledBundle | None) -> FieldChange:
        """From which version to which; the same version with another content is told by its digest."""
        before, after = installed.version if installed is not None else None, self.bundle.version
        if installed is not None and before == after and installed.digest != self.bundle.digest:
            before, after = (f"{after} {digest[:SHOWN_DIGITS]}" for digest in (installed.digest, self.bundle.digest))
        return FieldChange(path="bundle", before=before, after=after)

    def _checks(self, node: NodeAsk, observed: ObservedHost) -> Iterator[Check]:
        installed = observed.installed
        if installed is not None and installed.environment != self.ask.environment:
            message = f"host {node.host} carries environment {installed.environment}"
            yield error(self.ask.unit, "resource_conflict", message, "remove it from that environment first")
        elif installed is not None and installed.role != node.role:
            message = f"host {node.host} is installed as {installed.role} and cannot become {node.role} in place"
            yield error(self.ask.unit, "node_role_invalid", message, "remove the node, apply, and add it again")
        elif installed is not None:
            yield from downgrade(self.ask.unit, installed.version, self.bundle.version)
        for answer, value in sorted(observed.answers.items()):
            if value == "no":
                yield error(self.ask.unit, "preflight_failed", f"host {node.host}: {answer}: no")

    def _install(self, node: NodeAsk) -> Iterator[Step]:
        for runtime in self.runtimes:
            yield Step(DELIVER, self._action(ActionKind.DELIVER_BUNDLE, node, runtime))
        phase = FIRST_HOOK
        for runtime in self.runtimes:
            for hook in runtime.hooks:
                if stem(hook.name) not in NOT_INSTALLING and runs_on(hook, node.role):
                    yield Step(phase, self._action(ActionKind.RUN_HOOK, node, runtime, hook.name))
                phase += 1  # counted for every hook, so that one hook stands in one phase on all hosts
        yield Step(RECORD, self._action(ActionKind.RECORD_INSTALL, node, self.runtimes[0]))

    def _leave(self, node: NodeAsk, observed: ObservedHost) -> Part:
        installed = observed.installed
        if installed is None or installed.environment != self.ask.environment:
            return Part(checks=(warning(self.ask.unit, "", f"host {node.host} carries nothing of this environment"),))
        going_back = [
            (runtime, hook) for runtime in self.runtimes for hook in runtime.hooks if stem(hook.name) == GOING_BACK
        ]
        if not going_back:
            message = f"removing host {node.host}: bundle {self.bundle.version} has no {GOING_BACK} hook"
            return Part(checks=(error(self.ask.unit, "script_hook_missing", message),))
        leaving = NodeAsk(node.host, installed.role)
        steps = [Step(REMOVE, self._action(ActionKind.DELIVER_BUNDLE, leaving, runtime)) for runtime, _ in going_back]
        steps += [
            Step(FIRST_HOOK, self._action(ActionKind.RUN_HOOK, leaving, runtime, hook.name))
            for runtime, hook in going_back
        ]
        steps.append(Step(RECORD, self._action(ActionKind.FORGET_INSTALL, leaving, self.runtimes[0])))
        change = Change(
            unit=self.ask.unit,
            operation=Operation.DELETE,
            subject=f"Node {node.host} ({installed.role}) leaves: {GOING_BACK}",
            where=f"host {node.host}",
            reversible=False,
        )
        return Part((change,), tuple(steps), (), (self._touched(node, observed),))

    def _action(self, kind: ActionKind, node: NodeAsk, runtime: Runtime, hook: str = "") -> Action:
        tail = f":{runtime.name}:{hook}" if hook else f":{runtime.name}"
        return Action(
            id=f"{self.ask.unit}:{kind}:{node.host}{tail}",
            kind=kind,
            unit=self.ask.unit,
            target=f"host/{node.host}",
            hook=hook,
            runtime=runtime.name,
            role=node.role,
            bundle=self.bundle.digest,
            bundle_version=self.bundle.version,
        )

    def _touched(self, node: NodeAsk, observed: ObservedHost) -> Touched:
        installed = observed.installed
        return Touched(
            subject=f"host/{node.host}",
            state={
                "machine_id": observed.machine_id,
                "host_key": observed.host_key,
                "answers": dict(observed.answers),
                "installed": None
                if installed is None
                else [installed.environment, installed.version, installed.digest, installed.role],
            },
        )

    def _hooks_in_words(self, node: NodeAsk) -> str:
        names = [
            hook.name
            for runtime in self.runtimes
            for hook in runtime.hooks
            if stem(hook.name) not in NOT_INSTALLING and runs_on(hook, node.role)
        ]
        return ", ".join(names) or "no hook for this role"


def stem(hook: str) -> str:
    """A hook's name without the suffix of its script: `preflight.sh` and `preflight` are one."""
    return hook.removesuffix(".sh")


def runs_on(hook: Hook, role: str) -> bool:
    """Whether a hook is for hosts of a role."""
    return hook.run_on in {"all", role}
