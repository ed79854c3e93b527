"""The machine-readable part of audit events: what the ledger is rebuilt from.

Each stands under `detail.entry` of exactly one event. They are versioned by their `type`; a field is only ever added
with a default, so that an old branch stays readable. No entry holds a secret: plans in them are masked already.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from reconciler.machine.back_step import BackStep as BackStep
from reconciler.machine.drifting import Drifted, DriftOver
from reconciler.machine.finished import Finished as Finished
from reconciler.names import NO_DIGEST, Digest, EventId, Revision
from reconciler.plan.change import ImagePin, Risk, Value


class Accepted(Value):
    """A unit whose revision passed the gate. `suspended`: it was taken in, and nothing of it was done."""

    unit: str
    artifact: Digest
    revision: Revision
    removed: bool = False
    suspended: bool = False
    base: Digest = NO_DIGEST  # the artifact without the pins; empty where there are none
    pins: tuple[ImagePin, ...] = ()  # what its images' tags were found to mean (G9)


class PlanBrief(Value):
    """One environment's plan within a preview."""

    environment: str
    project: str
    team: str
    tier: str
    digest: Digest
    artifact: Digest
    risk: Risk
    priority: str
    units: tuple[str, ...]
    blocked: bool = False
    static: bool = False


class Trusted(Value):
    """`run --trust COMMIT`: the first policy (G2)."""

    type: Literal["trusted"] = "trusted"
    commit: Revision
    units: tuple[Accepted, ...]


class Previewed(Value):
    """A preview was posted, or another digest took its place. `tip` and `head` are the inputs of the plan."""

    type: Literal["previewed"] = "previewed"
    ticket: str
    pull_request: int | None
    tip: Revision
    head: Revision
    base: str
    digest: Digest
    plans: tuple[PlanBrief, ...]
    static: bool
    truncated: bool
    path: str  # of the artifact on the audit branch
    looked_at: datetime | None
    requested_by: str
    replaces: str = ""  # path of the artifact whose digest stood there before; empty where none or the same one did
    held: str = ""  # the environment for whose sake a held commit was previewed; empty for an open pull request


class Renewed(Value):
    """Looked again, same digest: approvals stand (G11)."""

    type: Literal["renewed"] = "renewed"
    ticket: str
    digest: Digest
    looked_at: datetime | None
    tip: Revision
    head: Revision


class Ended(Value):
    """A ticket that nothing can approve any more. `how`: closed|expired|rejected|applied|superseded."""

    type: Literal["ended"] = "ended"
    ticket: str
    how: str


class Judged(Value):
    """A ticket's verdict changed: approved or rejected, for this digest, by these people."""

    type: Literal["judged"] = "judged"
    ticket: str
    digest: Digest
    verdict: str
    by: tuple[str, ...] = ()


class Denied(Value):
    """A review, a decision or a comment that somebody was not entitled to; told once."""

    type: Literal["denied"] = "denied"
    ticket: str
    subject: str  # the review's, decision's or comment's id


class Answered(Value):
    """A comment command was acted on or answered; never twice."""

    type: Literal["answered"] = "answered"
    ticket: str
    comment: str


class Refusal(Value):
    """What landed was refused for an environment, with its key; told once for each digest."""

    type: Literal["refusal"] = "refusal"
    ticket: str
    environment: str
    key: str
    digest: Digest
    message: str = ""


class Landed(Value):
    """What came onto the tracked branch was looked at; `key` is empty where nothing managed changed or all passed."""

    type: Literal["landed"] = "landed"
    before: Revision
    commit: Revision
    ticket: str
    pull_request: int | None
    key: str = ""
    environments: tuple[str, ...] = ()  # those that the gate has still to let pass


class Passed(Value):
    """One environment's plan passed the gate: its units are accepted and a rollout may begin (G20)."""

    type: Literal["passed"] = "passed"
    ticket: str
    commit: Revision
    environment: str
    generation: int
    digest: Digest
    path: str  # of the plan on the audit branch
    batches: int
    units: tuple[Accepted, ...]
    returns: bool = False  # a failure goes back by itself
    return_granted: bool = True
    approved_by: tuple[str, ...] = ()
    self_approved: bool = False
    emergency: str = ""  # who broke the glass; empty where the approvals were enough (G23)
    retries: int = 0
    heals: int = 0  # the generation whose artifact is put back without asking (G22); 0: this is an approved plan


class Over(Value):
    """One environment's part of a landing that will not be applied: nothing is left of it, or a newer one took over."""

    type: Literal["over"] = "over"
    ticket: str
    environment: str
    why: str


class Applying(Value):
    """Intent of one batch; durable before its first effect."""

    type: Literal["applying"] = "applying"
    environment: str
    generation: int
    batch: int


class BatchDone(Value):
    """A batch was applied and is ready."""

    type: Literal["batch_done"] = "batch_done"
    environment: str
    generation: int
    batch: int


class Returning(Value):
    """Intent of going back to what was there before (G21). `to`: the accepted units that it goes back to."""

    type: Literal["returning"] = "returning"
    environment: str
    generation: int
    path: str
    batches: int
    to: tuple[Accepted, ...]
    reason: str
    ordered_by: str = ""


class Hold(Value):
    """A person stopped a release or an environment before its next step, until a time (G23)."""

    type: Literal["hold"] = "hold"
    subject: str
    by: str
    until: datetime


class Resume(Value):
    """The hold ended."""

    type: Literal["resume"] = "resume"
    subject: str
    by: str


class Retry(Value):
    """A person ordered another try of a failed plan (G22)."""

    type: Literal["retry"] = "retry"
    environment: str
    generation: int
    by: str


class Decided(Value):
    """A signed decision as it arrived (`reconciler approve REF`): canonical text, signature and the key that made
    it.
    """

    type: Literal["decided"] = "decided"
    ticket: str
    decision: str
    signature: str
    signer: str
    at: datetime


class Connected(Value):
    """The identity of a cluster as recorded at its accepted connection (UID of kube-system)."""

    type: Literal["connected"] = "connected"
    cluster: str
    uid: str


class Sighted(Value):
    """Addresses that a preview may connect to, by the approval of a static preview (G4)."""

    type: Literal["sighted"] = "sighted"
    ticket: str
    addresses: tuple[str, ...]
    by: tuple[str, ...]


class Assigned(Value):
    """Who shall look at a ticket, as the forge says now."""

    type: Literal["assigned"] = "assigned"
    ticket: str
    people: tuple[str, ...]


class Notified(Value):
    """Everybody whom the settings name was told of an emergency, but for those who could not be (G23)."""

    type: Literal["notified"] = "notified"
    ticket: str
    environment: str
    failed: tuple[str, ...] = ()


class SecondLook(Value):
    """A second person, or a root signer, looked at what an emergency approval did (G23)."""

    type: Literal["second_look"] = "second_look"
    ticket: str
    environment: str


class Promoting(Value):
    """Intent to propose a promotion because of a tag; durable before its branch (G19). `target` is what its ref named.

    `asked`: the User whose key signed the tag, empty where nobody is known. `tagger` and `key`: whom the tag names and
    which key signed it, whoever that is.
    """

    type: Literal["promoting"] = "promoting"
    environment: str
    tag: str
    target: Revision
    revision: Revision
    old: Revision | None
    tip: Revision  # the parent of our commit, `head`
    head: Revision
    branch: str
    at: datetime
    asked: str = ""
    tagger: str = ""
    key: str = ""


class Promoted(Value):
    """The pull request of a promotion is open."""

    type: Literal["promoted"] = "promoted"
    environment: str
    tag: str
    pull_request: int


class TagTold(Value):
    """A tag that proposes nothing was told of, once for each commit. `why`: unmerged|beside|unfit|moved."""

    type: Literal["tag_told"] = "tag_told"
    environment: str
    tag: str
    commit: Revision
    why: str


class Stopped(Value):
    """The tracked branch was rewound, vanished or emptied: nothing starts until a person acts (T8)."""

    type: Literal["stopped"] = "stopped"
    reason: str
    last: Revision
    tip: Revision | None


class Continued(Value):
    """A rewritten branch was accepted, or is back where it was."""

    type: Literal["continued"] = "continued"
    tip: Revision


Entry = Annotated[
    Trusted
    | Previewed
    | Renewed
    | Ended
    | Judged
    | Denied
    | Answered
    | Refusal
    | Landed
    | Passed
    | Over
    | Applying
    | BatchDone
    | Returning
    | BackStep
    | Finished
    | Hold
    | Resume
    | Retry
    | Drifted
    | DriftOver
    | Decided
    | Connected
    | Sighted
    | Assigned
    | Notified
    | SecondLook
    | Promoting
    | Promoted
    | TagTold
    | Stopped
    | Continued,
    Field(discriminator="type"),
]
ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)


class Placed(Value):
    """An entry with the event that carries it."""

    event: EventId
    at: datetime
    actor: str
    entry: Entry
