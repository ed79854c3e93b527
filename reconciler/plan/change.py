"""The plan as a value: what would change, in which order, how risky, and the digest that is approved.

Preview and apply read this one value; there is no dry-run flag anywhere. Everything in it is already masked: a secret
value cannot enter (plan/mask.py), so a plan may be stored, printed and sent. What is sent to a target is derived
again from the revision and compared by digest.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from reconciler.names import NO_DIGEST, Digest, Revision, UnitRef


class Value(BaseModel):
    """A frozen value that survives a round trip through JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Operation(StrEnum):
    """What happens to one subject."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REPLACE = "replace"  # deleted and created again: a field of it cannot be changed
    FORGET = "forget"  # ownership ends, the object keeps running (G28)
    ADOPT = "adopt"  # runs already and was nobody's; nothing restarts by that (G27)
    HAND_OVER = "hand_over"  # moves from one release to another, never deleted (G28)
    RUN = "run"  # a step on a host
    CONNECT = "connect"  # a cluster's identity is recorded
    UNCHANGED = "unchanged"


class Risk(StrEnum):
    """How bad a mistake would be; ordered by RISKS."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


RISKS = (Risk.LOW, Risk.MEDIUM, Risk.HIGH, Risk.CRITICAL)
PRIORITIES = {Risk.LOW: "p3", Risk.MEDIUM: "p2", Risk.HIGH: "p1", Risk.CRITICAL: "p0"}


class Severity(StrEnum):
    """An error blocks the plan it stands in."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Reference(Value):
    """An ObjectRef that travels in JSON."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str


class FieldChange(Value):
    """One field, masked. Absent is None; `path` is dotted, list items stand as [index] or [name=x]."""

    path: str
    before: Any = None
    after: Any = None


class Change(Value):
    """One line of the preview's table: what happens to which subject where."""

    unit: str
    operation: Operation
    subject: str  # "Deployment svc-a/web", "cp-1: preflight.sh"
    where: str  # "cluster k8s-prod-external", "host cp-1", "policy"
    fields: tuple[FieldChange, ...] = ()
    reversible: bool = True
    known_after_apply: bool = False
    restarts: bool = False
    replaced: bool = False  # a deletion of what another version of itself took the place of

    @property
    def over(self) -> bool:
        """Whether it takes away a run of a Job that has ended: nothing that anybody loses, or did."""
        return self.replaced and self.subject.startswith("Job.")


class ActionKind(StrEnum):
    """What a performer does. Each has exactly one performer in app/."""

    APPLY_OBJECT = "apply_object"
    DELETE_OBJECT = "delete_object"
    FORGET_OBJECT = "forget_object"
    HELM_BEGIN = "helm_begin"  # entries in Helm's own history of a release
    HELM_DEPLOYED = "helm_deployed"
    HELM_UNINSTALL = "helm_uninstall"
    HELM_FORGET = "helm_forget"
    CONNECT_CLUSTER = "connect_cluster"
    DELIVER_BUNDLE = "deliver_bundle"
    RUN_HOOK = "run_hook"
    RECORD_INSTALL = "record_install"
    FORGET_INSTALL = "forget_install"
    RUN_JOB = "run_job"  # a Job of the source is run, once for each operation, and waited for
    STOP_TRAFFIC = "stop_traffic"  # a workload's pods are taken away
    RESTORE_TRAFFIC = "restore_traffic"  # and given back
    ASK = "ask"  # a question of the release's spec; changes nothing
    PAUSE = "pause"  # nothing is done until so much time has passed since this batch was recorded


class Action(Value):
    """One effect on one target.

    `id` is stable within a plan; with generation it makes the operation id. `pre` and `post` are digests of the touched
    fields before and after (empty: absent): an object that matches neither stops the plan (G20).
    """

    id: str
    kind: ActionKind
    unit: str
    target: str  # "cluster/NAME" or "host/NAME"
    object: Reference | None = None
    uid: str = ""
    pre: str = ""
    post: str = ""
    hook: str = ""  # the hook's name in the bundle's runtime
    runtime: str = ""
    role: str = ""
    bundle: str = ""  # the bundle's signed checksum digest
    bundle_version: str = ""
    takes: tuple[str, ...] = ()  # field managers whose hold on the fields that we set ends with an adoption (G27)
    seconds: int = 0  # of a pause; of a step: how long it may take
    probe: str = ""  # of a question: its field in the release's spec, such as "health.checks[0]"
    canary: bool = False  # of a step of a canary: what the plan's other steps of it leave is no stranger's doing
    replicas: int = 0  # of a step of a canary: its pods
    share: int = 0  # of a step of a canary: its pods in percent of the old ones, counted when it is done
    weight: int = 0  # of a step of a canary: the percentage that an HTTPRoute sends to it; 0: the route at rest
    instead: str = ""  # of a question: the Service that is asked instead of the one that is switched
    step: int = 0  # of a way back: the number of the step that it is of
    stopped: bool = False  # while the traffic is stopped: no workload has pods after it

    def digested(self) -> dict[str, Any]:
        """What the plan's digest is over; what came into this version later is left out where it says nothing."""
        return {name: value for name, value in self.model_dump().items() if value or name not in _LATER}


_LATER = frozenset({"takes", "seconds", "probe", "instead", "canary", "replicas", "share", "weight", "step", "stopped"})


class Check(Value):
    """Something that was looked at. `key` is a catalogue key, or empty for plain information."""

    severity: Severity
    key: str
    message: str
    unit: str = ""
    hint: str = ""
    unseen: str = Field(default="", exclude_if=lambda value: not value)  # the one object that could not be looked at
    acting: bool = Field(default=False, exclude_if=lambda value: not value)  # in the way of doing, and not of looking


class Told(StrEnum):
    """What a line of a rollout's way tells."""

    BESIDE = "beside"
    SWITCH = "switch"
    ASK = "ask"
    ASK_BESIDE = "ask_beside"
    ASK_BACK = "ask_back"
    PAUSE = "pause"
    LEAVE = "leave"
    BACK = "back"
    SHARE = "share"
    WATCH = "watch"
    PROMOTE = "promote"
    BACK_CANARY = "back_canary"
    READY = "ready"
    READY_OR_FAILED = "ready_or_failed"
    SHARE_BETWEEN = "share_between"
    SHARE_THEN = "share_then"
    PROMOTE_COUNTED = "promote_counted"
    PASSING = "passing"
    PODS = "pods"
    WEIGH = "weigh"
    UNWEIGH = "unweigh"
    BACK_WEIGHTS = "back_weights"
    HOOK_BEFORE = "hook_before"
    HOOK_AFTER = "hook_after"
    HOOK_BEFORE_LOSING = "hook_before_losing"
    HOOK_AFTER_LOSING = "hook_after_losing"
    STEP_STOP = "step_stop"
    STEP_MIGRATE = "step_migrate"
    STEP_MIGRATE_LOSING = "step_migrate_losing"
    STEP_ROLL_BACK = "step_roll_back"
    STEP_RESTORE = "step_restore"
    STEP_VERIFY = "step_verify"
    STEP_READY = "step_ready"


class Line(Value):
    """One line of what a rollout does, step by step; words for people, made of what the digest is over."""

    told: Told
    values: tuple[tuple[str, str | int], ...] = ()


class Ungranted(StrEnum):
    """Why approving a plan approves no return of a unit (G21)."""

    IRREVERSIBLE = "irreversible"  # a step of it cannot be undone
    GOES_BACK = "goes_back"  # the plan is itself a way back, with steps of what is left
    OLDER = "older"  # it leads to a version that came before what stands, and that has steps: they lead further back


class ImagePin(Value):
    """What a tag means in one release: the image as its source writes it, and the digest that a registry said."""

    image: str
    digest: str


class UnitPlan(Value):
    """One unit's part: what its desired side is and how its specs changed since its accepted revision."""

    unit: str
    artifact: Digest
    removed: bool = False
    added: bool = False
    specs: tuple[FieldChange, ...] = ()  # changed spec fields, also those that cause no action (G7)
    images: tuple[str, ...] = ()
    rollback: bool = False  # automatic return on a failed rollout
    health_timeout_s: int = 300
    accepted: Revision | None = None  # the revision that it replaces; bookkeeping, not digested
    left: Revision | None = None  # the one whose steps it walks, where it goes back by some; bookkeeping, not digested
    suspended: bool = False  # accepted, and nothing of it is done; its specs say so, and these are digested
    heals: bool = False  # drift of it is put right without asking, and the preview says so (G22)
    way: tuple[Line, ...] = ()  # how a strategy goes about it; its actions are what is digested
    back: tuple[Line, ...] = ()  # the steps of its way back, where it names some; the specs are what is digested
    ungranted: Ungranted | None = None
    base: Digest = NO_DIGEST  # the artifact without the pins; empty where there are none
    pins: tuple[ImagePin, ...] = ()
    unanswered: tuple[str, ...] = ()  # images of which a registry said nothing
    silence: tuple[Check, ...] = ()  # and the check of each of them, in the same order
    unasked: tuple[str, ...] = ()  # images of which no registry was asked: not settled, asked by who may


class Touched(Value):
    """Observed state that the plan depends on (G9): answers, identities and live values, all masked."""

    subject: str
    state: Any


class Plan(Value):
    """The plan of one environment (or of the policy): approved by its digest, applied batch by batch."""

    environment: str
    project: str
    team: str
    tier: str
    units: tuple[UnitPlan, ...]
    changes: tuple[Change, ...]
    batches: tuple[tuple[Action, ...], ...]
    checks: tuple[Check, ...]
    touched: tuple[Touched, ...]
    risk: Risk
    priority: str
    reasons: tuple[str, ...]  # the named risk rules that spoke
    artifact: Digest
    digest: Digest
    observed_at: datetime | None  # when the targets were last looked at; None: a static plan; not digested
    static: bool = False  # made without a look at the targets: never applied (G4)
    held: tuple[Revision, ...] = ()  # held commits that it includes; bookkeeping
    policy_only: bool = False
    # every (project, team, environment) whose approvers are asked: both sides and all who share a target (G3)
    scopes: tuple[tuple[str, str, str], ...] = ()

    @property
    def blocked(self) -> tuple[Check, ...]:
        """The checks that forbid approving and applying it."""
        return tuple(check for check in self.checks if check.severity is Severity.ERROR)

    @property
    def counts(self) -> dict[Operation, int]:
        """How many changes of each operation, without the unchanged."""
        found: dict[Operation, int] = {}
        for change in self.changes:
            if change.operation is not Operation.UNCHANGED:
                found[change.operation] = found.get(change.operation, 0) + 1
        return found

    @property
    def unit_refs(self) -> tuple[UnitRef, ...]:
        """The units in it, in order."""
        return tuple(UnitRef.parse(unit.unit) for unit in self.units)


class PlanSet(Value):
    """All plans of one pull request or held commit: one ticket, one digest over the list of its plans' digests."""

    plans: tuple[Plan, ...]
    digest: Digest

    @property
    def risk(self) -> Risk:
        """The strictest of its plans."""
        return max((plan.risk for plan in self.plans), key=RISKS.index, default=Risk.LOW)
