"""What adapters saw on the targets, as values.

Knows no client and no desired state. A target that could not be looked at is a value with a Failure, never a missing
one: unreadable never means absent. Fields that may hold secret values stay out of `repr`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.names import ObjectRef

Json = Any  # a JSON value: None, bool, int, float, str, list, dict


NOT_SERVED: Final = "the server does not serve"  # begins what is said of a kind; of what was applied, it is gone


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something could not be seen or done. `key` is a catalogue key; `message` holds no secret."""

    key: str
    message: str


@dataclass(frozen=True, slots=True)
class ObservedObject:
    """One Kubernetes object as it stands and as a server-side dry run says it would become.

    `live` and `result` are projected on the fields that our field manager sends or still owns; both are None where the
    object does not exist, and `result` is None where a dry run cannot answer (`known_after_apply`) or nothing is sent
    (a deletion). `resource_version` is bookkeeping and enters no digest.
    """

    ref: ObjectRef
    exists: bool
    uid: str = ""
    resource_version: str = ""
    event: str = ""  # the last event of ours that touched it (G24); bookkeeping as well
    live: Json = field(default=None, repr=False)
    result: Json = field(default=None, repr=False)
    known_after_apply: bool = False
    owner: str = ""  # the release that owns it by its ApplySet label; empty: nobody we know
    conflicts: tuple[str, ...] = ()  # "manager: field path" of other managers whose values ours would change
    holders: "tuple[Holder, ...]" = ()  # of an object of nobody's: who holds the fields that we would set
    failure: Failure | None = None  # why this one object could not be looked at
    autoscaled: bool = False  # its number of pods is left out, because an autoscaler that no release of ours has set it
    run: str = ""  # it is a Job that was run on order, and this is which run; it stands in no source
    rests: bool = False  # a workload that stands beside what is wanted, and is to have no pods
    stopped: int | None = None  # its traffic is stopped by us, and this is how many pods it had
    replaceable: bool = False  # with a failure: only fields that cannot be changed are in the way


@dataclass(frozen=True, slots=True, order=True)
class Lacking:
    """A right that our credential has not. `words` is how it is told: "delete deployments.apps in shop"."""

    verb: str
    group: str
    kind: str
    namespace: str
    words: str


@dataclass(frozen=True, slots=True)
class Ending:
    """Until when a part of a connection is good: "the client certificate"."""

    what: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """A field manager and what it holds of an object. `at`: when that changed last, as the server wrote it."""

    manager: str
    operation: str  # Apply or Update
    subresource: str  # status, scale; empty for the object itself
    at: str
    paths: tuple[str, ...]
    ours: bool
    defaults: tuple[str, ...] = ()  # held of what the server put in: with an adoption nobody holds them (G27)


@dataclass(frozen=True, slots=True)
class ObjectHistory:
    """Who holds the fields of an object. `event`: the last event of ours that touched it; empty: none. `stopped`: how
    many pods it had before a way back took them; None where it has some, or none were taken."""

    event: str
    holders: tuple[Holder, ...]
    stopped: int | None = None


@dataclass(frozen=True, slots=True)
class JobSeen:
    """A Job that was run: whether it runs still, and how it ended. `words` are the server's.

    `suspended`: it has no pods now, and whoever suspended it may let it go on. `stopped`: it never will. `claimed`:
    it says that the process that looks counts on it. `known`: that process made it, or saw what it is made of; of any
    other one nobody knows what its end means.
    """

    run: str
    owner: str
    ended: bool
    failed: bool = False
    suspended: bool = False
    stopped: bool = False
    claimed: bool = False
    known: bool = False
    uid: str = ""
    words: str = ""
    took: timedelta | None = None


@dataclass(frozen=True, slots=True)
class HelmRevision:
    """The newest of what Helm remembers of a release (its records are Secrets). `ours`: of this release of ours;
    `by_us`: we wrote it, and nobody ran helm since; `artifact` is what it then says of its content."""

    number: int
    status: str  # Helm's words: deployed, failed, pending-upgrade ...
    ours: bool
    by_us: bool
    artifact: str = ""
    generation: int = 0
    installed: bool = False  # this or an earlier revision was deployed

    @property
    def pending(self) -> bool:
        """Whether Helm holds it as being worked on, and refuses to begin anything else."""
        return self.status.startswith("pending-") or self.status == "uninstalling"

    def __str__(self) -> str:
        return f"{self.number} {self.status}"


@dataclass(frozen=True, slots=True)
class ObservedRelease:
    """Objects of one release on its cluster: all desired ones, and those it owns that are no longer desired.

    `lacking` is known only where it was asked for and something is to be done.
    """

    release: str
    objects: Mapping[ObjectRef, ObservedObject]
    generation: int = 0  # what the target remembers as the last plan (fencing); 0: never
    lacking: tuple[Lacking, ...] = ()
    helm: HelmRevision | None = None  # looked for where the release is one of Helm


@dataclass(frozen=True, slots=True)
class ObservedCluster:
    """A cluster's API as reached with its credential. `uid` is that of kube-system: the cluster's identity."""

    cluster: str
    uid: str = ""
    endpoint: str = ""
    server_version: str = ""
    namespaces: tuple[str, ...] = ()
    missing_permissions: tuple[str, ...] = ()
    endings: tuple[Ending, ...] = ()
    releases: Mapping[str, ObservedRelease] = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class InstalledBundle:
    """What a host remembers of its last completed install."""

    environment: str
    version: str
    digest: str  # the bundle's signed checksum digest
    role: str
    generation: int


@dataclass(frozen=True, slots=True)
class ObservedHost:
    """A host as reached over SSH. `answers` are yes/no facts ("disk": "yes"), never measurements (G9)."""

    host: str
    machine_id: str = ""
    host_key: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    installed: InstalledBundle | None = None
    generation: int = 0
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything seen of one environment in one look. `at` is when the look began (UTC): the older end counts."""

    environment: str
    at: datetime
    clusters: Mapping[str, ObservedCluster] = field(default_factory=dict)
    hosts: Mapping[str, ObservedHost] = field(default_factory=dict)
