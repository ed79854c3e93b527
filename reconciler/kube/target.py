"""ports.KubeApi over one connection: the parts of this package put together, and readiness.

    kube = KubeTarget(parse_kubeconfig(text), installation="...")

Looks are for one thread at a time (inside, one sends several requests at once); between them several threads may change
objects. Keep one for as long as the connection is good: it remembers which kinds are served and the dry runs of objects
that did not move.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from traceback import extract_tb
from types import MappingProxyType
from typing import Final

from reconciler.errors import Rejected, Unavailable
from reconciler.kube import jobs, pods, traffic
from reconciler.kube.answers import NotServed
from reconciler.kube.client import WORKERS, Client
from reconciler.kube.connection import Connection
from reconciler.kube.discovery import Discovery
from reconciler.kube.facts import base_needs, facts
from reconciler.kube.helm_releases import HelmReleases
from reconciler.kube.managers import history
from reconciler.kube.manner import Manner
from reconciler.kube.marks import Marks
from reconciler.kube.observe import Observer
from reconciler.kube.parent import Parents
from reconciler.kube.permissions import Need
from reconciler.kube.scaling import Scaler
from reconciler.kube.services import ask_service
from reconciler.kube.waiting import Explainer
from reconciler.kube.wanted import Scaled
from reconciler.kube.write import Writer
from reconciler.names import ObjectRef
from reconciler.ports import (
    Answered,
    Back,
    ClusterFacts,
    DesiredObjects,
    GetThrough,
    GivenBack,
    HelmEntry,
    Readiness,
)
from reconciler.specs.ways import Way
from reconciler.state.observed import JobSeen, Json, Lacking, ObjectHistory, ObservedRelease
from reconciler.state.readiness import Saying
from reconciler.together import all_of

PARENT_NAMESPACE: Final = "default"  # exists on every cluster, before any plan, and cannot be deleted

# What reading well-formed JSON of the wrong shape raises, anywhere in this package.
_NONSENSE = (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError)


class KubeTarget:
    """One cluster, seen and changed with one credential.

    `installation` names this reconciler among others on the cluster and must never change: releases of another
    installation are somebody else's. It is a DNS label. `needs` are permissions that `facts` looks for beside its own.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        installation: str = "default",
        parent_namespace: str = PARENT_NAMESPACE,
        needs: Sequence[Need] = (),
    ) -> None:
        owner = Marks(installation, parent_namespace)
        self.client: Final = Client(connection)
        self._needs = (*base_needs(parent_namespace), *needs)
        self._discovery = Discovery(self.client)
        parents = Parents(self.client, owner)
        self._observer = Observer(self.client, self._discovery, owner, parents)
        self._writer = Writer(self.client, self._discovery, owner, parents)
        self._scaler = Scaler(self.client, self._discovery, self._writer)
        self._owner: Final = owner
        self._explainer = Explainer(self.client)
        self._helm = HelmReleases(self.client, owner, self._writer.held)

    def close(self) -> None:
        """Give the connections back."""
        self.client.close()

    def facts(self) -> ClusterFacts:
        """Identity, version, namespaces, and what our credential may not do of what it needs."""
        with self._understood():
            return facts(self.client, self._needs)

    def observe(self, releases: Iterable[DesiredObjects], *, rights: bool = False) -> Mapping[str, ObservedRelease]:
        """Live objects of each release by LIST, with a dry run only for what would change."""
        asked = tuple(releases)
        with self._understood():
            try:
                return self._observe(asked, rights=rights)
            except NotServed:
                self._discovery.forget()
                return self._observe(asked, rights=rights)

    def _observe(self, asked: tuple[DesiredObjects, ...], *, rights: bool) -> Mapping[str, ObservedRelease]:
        return self._helm.added(asked, self._observer.observe(asked, self._writer.saw, rights=rights), rights=rights)

    def lacking(self, releases: Iterable[DesiredObjects]) -> Mapping[str, tuple[Lacking, ...]]:
        """What our credential may not do of what these releases need."""
        with self._understood():
            return self._observer.lacking(releases)

    def history(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, ObjectHistory]:
        """Who holds the fields of each object that is there."""
        with self._understood():
            bodies = all_of([partial(self._body, ref) for ref in refs], WORKERS)
            return {ref: history(body) for ref, body in zip(refs, bodies, strict=True) if body is not None}

    def begin(self, release: str, namespace: str, generation: int, event: str, turn: int = 0) -> None:  # noqa: ARG002
        """Take the release's parent for this generation. `namespace` says nothing here: parents stand in one place."""
        with self._understood():
            self._writer.begin(release, generation, event, turn)

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
        """Server-side apply one object. Call `observe` with the release's desired objects before: it tells which
        numbers of replicas belong to an autoscaler that may not exist yet."""
        with self._understood():
            self._writer.apply(
                release,
                body,
                generation=generation,
                expected_uid=expected_uid,
                autoscaled=self._observer.autoscaled,
                manner=Manner(take, replicas, stopped, ignored=ignored),
            )

    def delete(self, release: str, ref: ObjectRef, *, generation: int, expected_uid: str, forget: bool) -> None:
        """Delete, or give up ownership and leave it running."""
        leave = self._writer.forget if forget else self._writer.delete
        with self._understood():
            leave(release, ref, generation=generation, expected_uid=expected_uid)

    def record_helm(self, wanted: DesiredObjects, entry: HelmEntry) -> None:
        """Write an entry into Helm's history of a release."""
        with self._understood():
            self._helm.record(wanted, entry)

    def stop(self, release: str, ref: ObjectRef, *, generation: int, expected_uid: str) -> None:
        """Take the pods of a workload away; the number stays on it."""
        with self._understood():
            self._scaler.scale(release, ref, traffic.stopping, generation=generation, expected_uid=expected_uid)

    def restore(
        self, release: str, ref: ObjectRef, *, generation: int, expected_uid: str, back: Back
    ) -> GivenBack | None:
        """Give a workload its pods back."""
        asked = partial(traffic.restoring, back=back)
        with self._understood():
            found = self._scaler.scale(release, ref, asked, generation=generation, expected_uid=expected_uid)
            return GivenBack(found.pods, found.words) if found is not None else None

    def pods_left(self, ref: ObjectRef) -> tuple[str, ...]:
        """The pods of a workload that are there, also those on their way out; of a CronJob its Jobs that run."""
        with self._understood():
            if ref.kind == "Job":
                return pods.left_of_job(self.client, ref)
            body = self._body(ref)
            if body is None:  # its pods may live on without it
                raise Rejected(f"counting the pods of {ref}: it is gone", key="release_rollback_failed")
            return pods.left(self.client, ref, body)

    def pods_ready(self, ref: ObjectRef) -> int:
        """The pods of a workload that are ready, and stay."""
        with self._understood():
            body = self._body(ref)
            return max(0, pods.ready(body) - pods.ready_and_going(self.client, ref, body)) if body is not None else 0

    def run_job(self, release: str, body: Json, *, run: str, generation: int) -> None:
        """Make a Job, marked as this run."""
        with self._understood():
            none: frozenset[Scaled] = frozenset()
            manner = Manner(run=run)
            self._writer.apply(release, body, generation=generation, expected_uid="", autoscaled=none, manner=manner)

    def claim_job(self, release: str, body: Json, *, run: str, generation: int, expected_uid: str) -> None:
        """Say on a run that was found, and is what this would make, that this process counts on it."""
        with self._understood():
            self._writer.claim(release, body, run=run, generation=generation, expected_uid=expected_uid)

    def stop_job(self, release: str, ref: ObjectRef, *, generation: int, expected_uid: str) -> None:
        """Stop a run for good; stopped already counts as done."""
        with self._understood():
            self._scaler.scale(release, ref, jobs.stopping, generation=generation, expected_uid=expected_uid)

    def job(self, ref: ObjectRef) -> JobSeen | None:
        """A Job, or None where it is not there."""
        with self._understood():
            body = self._body(ref)
            if body is None:
                return None
            return jobs.seen(body, self._owner, self._writer.name, known=self._writer.runs.knows(body))

    def job_log(self, ref: ObjectRef) -> str:
        """The last lines of what a Job's pods wrote."""
        with self._understood():
            return jobs.log_of(self.client, ref)

    def readiness(
        self, refs: Sequence[ObjectRef], sayings: Mapping[ObjectRef, Saying] = MappingProxyType({})
    ) -> tuple[Readiness, ...]:
        """Each object's judgement, in the order asked; of what waits, why."""
        with self._understood():
            bodies = all_of([partial(self._body, ref) for ref in refs], WORKERS)
            found = self._explainer.judge_all(refs, bodies, sayings)
            return tuple(
                Readiness(ref, str(one.status), one.message, one.why) for ref, one in zip(refs, found, strict=True)
            )

    def replicas(self, ref: ObjectRef, *, had: bool = True) -> int:
        """How many pods a workload is to have, or `had` where it is stopped; 0 where it is not there."""
        with self._understood():
            body = self._body(ref)
            pods = traffic.pods_to_be if had else traffic.pods_of
            return pods(body) if body is not None else 0

    def ask_service(self, asked: GetThrough) -> Answered:
        """One GET to a Service, through the API server."""
        with self._understood():
            return ask_service(self.client, asked)

    def _body(self, ref: ObjectRef) -> Json:
        resource = self._discovery.resource(ref.group, ref.version, ref.kind)
        if resource is None:
            return None
        return self.client.find(resource.path(ref.namespace, ref.name), f"reading {ref}", secret=ref.kind == "Secret")

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """A server that answers nonsense is as good as one that is away; other targets go on.

        What stood in the answer is not quoted, for it may be a secret; where we stumbled is, for the fault may be ours.
        """
        try:
            yield
        except NotServed:  # the next look knows what is served now
            self._discovery.forget()
            raise
        except _NONSENSE as error:
            place = extract_tb(error.__traceback__)[-1]
            raise Unavailable(
                f"asking the cluster: an answer has a shape that no Kubernetes API gives"
                f" ({type(error).__name__} in {place.name}, line {place.lineno})",
                key="cluster_connect_failed",
            ) from None
