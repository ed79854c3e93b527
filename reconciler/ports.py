"""What the core asks of the world: small Protocols, each held by a contract suite that runs on the fake and the real.

Adapters raise only Unavailable, Rejected, Refused and Untrusted (errors.py); everything else is wrapped at their door.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from reconciler.errors import ReconcilerError
from reconciler.names import ObjectRef, Revision
from reconciler.secret import Secret
from reconciler.specs.chart import Chart
from reconciler.specs.image_reference import ImageReference
from reconciler.specs.rendering import Renderer as Renderer  # what reads sources asks it
from reconciler.specs.sealed import Opener as Opener  # the same
from reconciler.specs.ways import Way
from reconciler.state.bundle import Bundle
from reconciler.state.forge import Access, Comment, CommitStatus, Guard, OwnRules, PullRequest, Review
from reconciler.state.observed import (
    Ending,
    InstalledBundle,
    JobSeen,
    Json,
    Lacking,
    ObjectHistory,
    ObservedHost,
    ObservedRelease,
)
from reconciler.state.readiness import Saying


class Clock(Protocol):
    """Time as a port. `now` is UTC; `wait` returns early with True when the process is asked to stop."""

    def now(self) -> datetime: ...
    def wait(self, duration: timedelta) -> bool: ...


class Forge(Protocol):
    """Reading a forge. Lists are complete (all pages) or the call raises."""

    def open_pull_requests(self) -> tuple[PullRequest, ...]: ...
    def pull_request(self, number: int) -> PullRequest: ...
    def merged_pull_requests(self, commits: Sequence[Revision]) -> Mapping[Revision, int]: ...
    def reviews(self, number: int) -> tuple[Review, ...]: ...
    def comments(self, number: int) -> tuple[Comment, ...]: ...


class ForgeWriter(Protocol):
    """Writing to a forge as the reconciler. Each call is safe to repeat after an ambiguous answer."""

    def write_comment(self, number: int, marker: str, body: str) -> str:
        """Create or edit in place our one comment that carries this hidden marker; its id."""

    def set_status(self, revision: Revision, status: CommitStatus) -> None: ...
    def statuses(self, revision: Revision) -> tuple[CommitStatus, ...]: ...

    def propose(self, branch: str, head: Revision, title: str, body: str) -> int:
        """Push `head` as a branch and open a pull request against the tracked branch; its number."""


class ApiForge(Forge, ForgeWriter, Protocol):
    """A forge, to read and to write, as one account."""

    def close(self) -> None:
        """End kept connections."""


@runtime_checkable
class ForgeInspector(Protocol):
    """What `doctor` asks of a forge about itself."""

    def access(self) -> Access: ...
    def guard(self, branch: str) -> Guard: ...

    def own_rules(self, branch: str) -> OwnRules:
        """What the forge asks for before a merge into a branch that exists."""


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """Something that our credential must be allowed. `namespace` is empty for cluster-scoped resources or for all."""

    verb: str
    resource: str
    namespace: str = ""
    group: str = ""

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{'.' + self.group if self.group else ''}{where}"


@dataclass(frozen=True, slots=True)
class GetThrough:
    """One GET to a Service of a cluster. `path` begins with `/` and may hold a query; `port` is a number or a name."""

    namespace: str
    service: str
    scheme: str
    port: str
    path: str
    timeout: timedelta


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered: a status, the first bytes, and the time it took. The bytes are a stranger's."""

    status: int
    body: bytes = field(repr=False)
    took: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class DesiredObjects:
    """What a release wants on its cluster: full objects, secrets included. Lives in memory only.

    `chart`: it is a release of Helm, made from this chart (an empty one where it is to go). `only`: nothing but these
    kinds is looked at (none: every kind), so that no other one that cannot be read keeps that from being done.
    """

    release: str
    namespace: str
    objects: tuple[Json, ...] = field(repr=False)
    needs: tuple["Permission", ...] = ()  # beside what every look and apply needs
    chart: Chart | None = None
    stopped: bool = False  # its traffic is stopped: numbers of pods are neither compared nor sent
    ignored: Mapping[ObjectRef, tuple[Way, ...]] = field(default_factory=dict)  # left to others, of what is there
    only: frozenset[tuple[str, str]] = frozenset()  # groups and kinds


class HelmOutcome(StrEnum):
    """What is recorded of a release of Helm."""

    BEGUN = "begun"  # a new revision, pending
    DEPLOYED = "deployed"
    FAILED = "failed"
    UNINSTALLED = "uninstalled"  # every revision goes
    FORGOTTEN = "forgotten"  # every revision stays, and is ours no more


@dataclass(frozen=True, slots=True)
class HelmEntry:
    """One entry in Helm's own history of a release. `artifact` names its content, `before` is the newest revision as
    it was previewed ("3 deployed"; empty: none)."""

    outcome: HelmOutcome
    generation: int
    at: datetime
    artifact: str = ""
    before: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """A cluster's identity and what our credential may see there."""

    uid: str
    endpoint: str
    server_version: str
    namespaces: tuple[str, ...]
    missing_permissions: tuple[str, ...] = ()
    endings: tuple[Ending, ...] = ()


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether an object reached its desired state.

    `status` is one of kstatus' words: Current|InProgress|Failed|Terminating|NotFound|Unknown. `why`: what in its words
    is of its pods, or of the events about it.
    """

    ref: ObjectRef
    status: str
    message: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Back:
    """How many pods a stopped workload gets. `own`: what its source says, whoever had set a number before (None: it
    says nothing, or leaves it to an autoscaler or to others). `least`: where its mark says no number. `unmarked`: one
    that has neither pods nor a mark has lost its mark. `floor`: the fewest that its autoscaler leaves it. `silent`: its
    source says nothing and leaves it to nobody, so a number that we had set goes with the version that is left."""

    own: int | None = None
    least: int = 1
    unmarked: bool = False
    floor: int = 0
    silent: bool = False


@dataclass(frozen=True, slots=True)
class GivenBack:
    """How many pods a workload was given back. `words`: why these, where its mark did not say."""

    pods: int
    words: str = ""


class KubeApi(Protocol):
    """One cluster, seen and changed with one credential."""

    def facts(self) -> ClusterFacts: ...

    def observe(self, releases: Iterable[DesiredObjects], *, rights: bool = False) -> Mapping[str, ObservedRelease]:
        """Live objects of each release by LIST, with a dry run only for what would change.

        `rights`: also which rights are missing, asked for only where something is to be done.
        """

    def lacking(self, releases: Iterable[DesiredObjects]) -> Mapping[str, tuple[Lacking, ...]]:
        """The rights that our credential has not of all those that these releases need."""

    def history(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, ObjectHistory]:
        """Who holds the fields of each object; what is not there is left out."""

    def begin(self, release: str, namespace: str, generation: int, event: str, turn: int = 0) -> None:
        """Take the release's ApplySet parent for this turn of this generation (each recorded intent of a plan is a
        turn); Refused where a newer one holds it (G25). A look that comes after it serves the first write of each
        object, so that a write costs one request."""

    def apply(  # noqa: PLR0913  how one apply differs from others
        self,
        release: str,
        body: Json,
        *,
        generation: int,
        expected_uid: str,
        take: frozenset[str] = frozenset(),
        replicas: int = 0,
        stopped: bool = False,
        ignored: tuple[Way, ...] = (),
    ) -> None:
        """Server-side apply one object under our field manager. An empty `expected_uid` means it must not exist yet.

        `take`: the field managers whose hold ends: of an object of nobody's on the fields that we set (G27), of one
        that is the release's on those of them that have another value (G22).
        `replicas`: how many pods what is not there yet begins with, where an autoscaler will have the number; 0: as the
        body or the server says. `stopped`: a workload has no pods after it, until `restore`, which gives so many to
        what was not there yet; without it, one that was stopped gets its pods back. `ignored`: what is left to others:
        sent where this makes the object, and given up with its value as it stands where we set it before.
        """

    def delete(self, release: str, ref: ObjectRef, *, generation: int, expected_uid: str, forget: bool) -> None:
        """Delete, or with `forget` give up ownership and leave it running. Absent already counts as done."""

    def record_helm(self, wanted: DesiredObjects, entry: HelmEntry) -> None:
        """Write this into Helm's history of the release; written already counts as done, so a resume writes nothing
        twice. Needs `begin`. Raises Refused(target_changed) where somebody ran helm since the preview, and
        Refused(owned_by_another) where the release of Helm is not ours."""

    def stop(self, release: str, ref: ObjectRef, *, generation: int, expected_uid: str) -> None:
        """Take the pods of a Deployment or StatefulSet of this release away, or suspend a CronJob. How many there were
        is kept on it by the same write; stopped already counts as done. Fenced as `apply` is, and written once in each
        turn also where nothing is to be done."""

    def restore(
        self, release: str, ref: ObjectRef, *, generation: int, expected_uid: str, back: Back
    ) -> GivenBack | None:
        """Give it its pods back: as many as its source says, or as it had before `stop`; None: it has them."""

    def pods_left(self, ref: ObjectRef) -> tuple[str, ...]:
        """The pods of a workload that have not ended, those on their way out among them, and what made each; of a
        CronJob the Jobs that go on or have pods left that it made, or that are gone; of a Job also where it is gone.
        Rejected where it is gone: its pods may live on without it."""

    def pods_ready(self, ref: ObjectRef) -> int:
        """How many pods of a workload are ready now; 0 where it is not there."""

    def run_job(self, release: str, body: Json, *, run: str, generation: int) -> None:
        """Make a Job, marked as this run; there already (of this generation) counts as done, where it is what would be
        made (see `claim_job`). Needs `begin`."""

    def claim_job(self, release: str, body: Json, *, run: str, generation: int, expected_uid: str) -> None:
        """Say on a run that was found that this process counts on it, before anything else. Who made it, and learns
        that it came too late, leaves it then; one that nobody claimed it takes away. Fenced as `apply` is. Raises
        Refused(target_changed) where it is not what the server would make of this body now."""

    def stop_job(self, release: str, ref: ObjectRef, *, generation: int, expected_uid: str) -> None:
        """Stop a run for good, whoever else may let it go on; stopped already counts as done. Fenced as `apply` is."""

    def job(self, ref: ObjectRef) -> JobSeen | None:
        """A Job as it stands, or None."""

    def job_log(self, ref: ObjectRef) -> str:
        """The last lines of what a Job's pods wrote, as they wrote them; empty where there are none."""

    def readiness(
        self, refs: Sequence[ObjectRef], sayings: Mapping[ObjectRef, Saying] = MappingProxyType({})
    ) -> tuple[Readiness, ...]:
        """Each object's judgement, in the order asked. `sayings`: when a custom resource is ready, by its release."""

    def replicas(self, ref: ObjectRef, *, had: bool = True) -> int:
        """How many pods a workload is to have now; 0 where it is not there. `had`: as many as it had where it is
        stopped."""

    def ask_service(self, asked: GetThrough) -> Answered:
        """One GET to a Service from where the API server stands. May be called by several threads at once.

        Rejected where our credential may not, Unavailable where the API server does not answer in time.
        """


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one hook ended on one host. `log` and `stderr` are capped and masked.

    `exit_code` is None where it could not be learnt how the hook ended.
    """

    exit_code: int | None
    duration: timedelta
    log: str
    stderr: str
    outputs: Mapping[str, str] = field(default_factory=dict)


class HostApi(Protocol):
    """One host, reached over SSH with its pinned key."""

    def observe(self) -> ObservedHost: ...
    def deliver(self, bundle: Bundle, runtime: str, *, generation: int) -> None: ...

    def run_hook(
        self,
        bundle: Bundle,
        runtime: str,
        hook: str,
        *,
        operation: str,
        generation: int,
        variables: Mapping[str, str],
    ) -> StepResult:
        """Run one hook detached under an operation id and wait for it, re-attaching after a lost connection.

        The host runs an operation id once: asked again it answers what the first run did.
        """

    def record_install(self, installed: InstalledBundle | None, *, generation: int) -> None: ...
    def close(self) -> None: ...


class Bundles(Protocol):
    """Where verified bundles come from."""

    def load(self, version: str) -> Bundle:
        """Verify signature and every checksum before anything else reads it; Untrusted or Rejected otherwise."""


class Registries(Protocol):
    """Registries of images, as far as the operator lets them be asked."""

    def hosts(self) -> frozenset[str]:
        """Those that may be asked, as images name them."""

    def digests(self, images: Collection[ImageReference]) -> Mapping[ImageReference, str | ReconcilerError]:
        """What each tag stands for now, or why nobody knows; what is not listed is left out. Never raises for one."""


class Announcer(Protocol):
    """Tells somebody outside."""

    def announce(self, url: str, token: Secret | None, message: Json) -> None:
        """POST one JSON message. Raises Unavailable or Rejected where it was not taken."""


class Targets(Protocol):
    """Connections by name. A connection goes only to what reconciler.toml or an accepted spec names (G4)."""

    def kube(self, cluster: str) -> KubeApi: ...
    def host(self, host: str) -> HostApi: ...
