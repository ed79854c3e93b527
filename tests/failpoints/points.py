"""Where a process can be killed: one table of every method that leaves something behind.

A port's method is one row; a step is a smaller thing inside it that lasts by itself (one request of an apply, one push
of an append, one file beside the keys). The rule: whatever writes through a port has a row here or is named among
READS, and `test_points.py` looks into the ports to see that. Production code knows nothing of this: the launcher in
`process.py` wraps these methods in its own process, before it starts the command line.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from reconciler.git.audit_branch import AuditBranch
from reconciler.ports import Announcer, ForgeWriter, HostApi, KubeApi

Act = Callable[..., bool]  # whether a call with these arguments leaves something behind


class Point(StrEnum):
    """Every durable record and every effect, by who leaves it and what it is."""

    KUBE_BEGIN = "kube.begin"
    KUBE_APPLY = "kube.apply"
    KUBE_DELETE = "kube.delete"
    KUBE_HELM = "kube.record_helm"
    KUBE_STOP = "kube.stop"
    KUBE_RESTORE = "kube.restore"
    KUBE_RUN_JOB = "kube.run_job"
    KUBE_CLAIM_JOB = "kube.claim_job"
    KUBE_STOP_JOB = "kube.stop_job"
    HOST_DELIVER = "host.deliver"
    HOST_RUN_HOOK = "host.run_hook"
    HOST_RECORD = "host.record_install"
    FORGE_COMMENT = "forge.write_comment"
    FORGE_STATUS = "forge.set_status"
    FORGE_PROPOSE = "forge.propose"
    PEOPLE_ANNOUNCE = "people.announce"
    AUDIT_APPEND = "audit.append"
    AUDIT_JOURNAL = "audit.journal"
    AUDIT_FLUSH = "audit.flush"
    STEP_REQUEST = "step.request"  # one write of several that a begin or an apply takes
    STEP_QUESTION = "step.question"  # one exchange with the runner on a host
    STEP_PUSH = "step.push"  # one `git push`: records, branches, decisions
    STEP_ANCHOR = "step.anchor"  # the audit tip beside the keys
    STEP_REF = "step.ref"  # a ref of the mirror
    STEP_CACHE = "step.cache"  # parsed specs


STEPS = frozenset(point for point in Point if point.startswith("step."))


class Side(StrEnum):
    """Whether the thing has happened when the process dies."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True, order=True)
class Kill:
    """Die at the nth time (from 1) that a point is reached."""

    side: Side
    point: Point
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.side} {self.point} {self.nth}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of str."""
        side, point, nth = text.split()
        return cls(Side(side), Point(point), int(nth))


@dataclass(frozen=True, slots=True)
class Place:
    """A method or function, `module:Class.name`, and which of its calls count."""

    owner: str
    counts: Act = lambda *_args, **_named: True


def _writes(_client: object, request: Any) -> bool:
    asks = "dryRun" in (request.query or {}) or "/authorization.k8s.io/" in request.path
    return request.method != "GET" and not asks


def _acts(_runner: object, verb: str, *_args: object, **_named: object) -> bool:
    return verb not in {"facts", "missing"}


def _keeps(branch: AuditBranch) -> bool:
    return bool(branch.pending())


def _pushes(_transport: object, arguments: list[str], **_named: object) -> bool:
    return arguments[0] == "push"


PLACES: Mapping[Point, Place] = {
    Point.KUBE_BEGIN: Place("reconciler.kube.target:KubeTarget.begin"),
    Point.KUBE_APPLY: Place("reconciler.kube.target:KubeTarget.apply"),
    Point.KUBE_DELETE: Place("reconciler.kube.target:KubeTarget.delete"),
    Point.KUBE_HELM: Place("reconciler.kube.target:KubeTarget.record_helm"),
    Point.KUBE_STOP: Place("reconciler.kube.target:KubeTarget.stop"),
    Point.KUBE_RESTORE: Place("reconciler.kube.target:KubeTarget.restore"),
    Point.KUBE_RUN_JOB: Place("reconciler.kube.target:KubeTarget.run_job"),
    Point.KUBE_CLAIM_JOB: Place("reconciler.kube.target:KubeTarget.claim_job"),
    Point.KUBE_STOP_JOB: Place("reconciler.kube.target:KubeTarget.stop_job"),
    Point.HOST_DELIVER: Place("reconciler.ssh.host:SshHost.deliver"),
    Point.HOST_RUN_HOOK: Place("reconciler.ssh.host:SshHost.run_hook"),
    Point.HOST_RECORD: Place("reconciler.ssh.host:SshHost.record_install"),
    Point.FORGE_COMMENT: Place("reconciler.forges.embedded.forge:EmbeddedForge.write_comment"),
    Point.FORGE_STATUS: Place("reconciler.forges.embedded.forge:EmbeddedForge.set_status"),
    Point.FORGE_PROPOSE: Place("reconciler.forges.embedded.forge:EmbeddedForge.propose"),
    Point.PEOPLE_ANNOUNCE: Place("reconciler.app.announcing:HttpAnnouncer.announce"),
    Point.AUDIT_APPEND: Place("reconciler.git.audit_branch:AuditBranch.append"),
    Point.AUDIT_JOURNAL: Place("reconciler.git.audit_branch:AuditBranch.journal"),
    Point.AUDIT_FLUSH: Place("reconciler.git.audit_branch:AuditBranch.flush", _keeps),
    Point.STEP_REQUEST: Place("reconciler.kube.client:Client.ask", _writes),
    Point.STEP_QUESTION: Place("reconciler.ssh.runner:Runner.ask", _acts),
    Point.STEP_PUSH: Place("reconciler.git.transport:Transport.run", _pushes),
    Point.STEP_ANCHOR: Place("reconciler.git.anchor:write"),
    Point.STEP_REF: Place("reconciler.git.bare:BareRepository.set_ref"),
    Point.STEP_CACHE: Place("reconciler.specs.cache:SqliteCache.put_many"),
}

# The ports through which something is left behind, and what of them only looks.
PORTS: Mapping[str, type] = {
    "kube": KubeApi,
    "host": HostApi,
    "forge": ForgeWriter,
    "people": Announcer,
    "audit": AuditBranch,
}
READS = frozenset(
    {
        *(
            "kube.facts",
            "kube.observe",
            "kube.readiness",
            "kube.lacking",
            "kube.history",
            "kube.ask_service",
            "kube.replicas",
            "kube.pods_left",
            "kube.pods_ready",
            "kube.job",
            "kube.job_log",
        ),
        *("host.observe", "host.close"),
        "forge.statuses",
        *("audit.tip", "audit.sync", "audit.refresh", "audit.pending", "audit.read", "audit.file", "audit.verify"),
        *("audit.restore", "audit.trust"),  # a person's repair, one ref and one file: no loop calls them
    }
)


def port_methods() -> frozenset[str]:
    """What the ports offer, as `port.method`."""
    return frozenset(
        f"{name}.{method}"
        for name, port in PORTS.items()
        for method in vars(port)
        if re.fullmatch(r"[a-z]\w*", method) and callable(getattr(port, method))
    )
