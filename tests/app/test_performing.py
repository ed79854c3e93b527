"""What a batch is verified by: everything applied is ready, everything deleted is gone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.app.perform import Performer
from reconciler.errors import Place, Rejected
from reconciler.expression import parse
from reconciler.names import BlobId, ObjectRef
from reconciler.plan.change import Action, ActionKind, Reference
from reconciler.ports import Readiness
from reconciler.specs.desired import Desired
from reconciler.specs.kind import Kind
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.readiness import ReadyWhen
from reconciler.specs.kinds.release import Health, Source, SourceKind
from reconciler.specs.spec import Spec
from reconciler.state.readiness import Saying

LIMIT = timedelta(seconds=30)
KEPT = ObjectRef("apps", "v1", "Deployment", "svc", "kept")
JOB = ObjectRef("batch", "v1", "Job", "svc", "once")
GONE = ObjectRef("", "v1", "ConfigMap", "svc", "gone")


@dataclass
class Clock:
    """Moves by what is waited."""

    at: datetime = datetime(2026, 1, 5, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def wait(self, duration: timedelta) -> bool:
        self.at += duration
        return False


@dataclass
class Cluster:
    """Answers with one row of statuses after the other; the last stays."""

    rows: list[dict[ObjectRef, str]]
    asked: int = 0
    sayings: Mapping[ObjectRef, Saying] = field(default_factory=dict)

    def readiness(self, refs: Sequence[ObjectRef], sayings: Mapping[ObjectRef, Saying]) -> tuple[Readiness, ...]:
        self.sayings = sayings
        row = self.rows[min(self.asked, len(self.rows) - 1)]
        self.asked += 1
        return tuple(Readiness(ref, row[ref], "") for ref in refs)


@dataclass
class Only:
    """One cluster under every name."""

    cluster: Cluster
    names: list[str] = field(default_factory=list)

    def kube(self, cluster: str) -> Any:
        self.names.append(cluster)
        return self.cluster

    def host(self, host: str) -> Any:
        raise AssertionError(host)


def action(kind: ActionKind, ref: ObjectRef) -> Action:
    named = Reference(group=ref.group, version=ref.version, kind=ref.kind, namespace=ref.namespace, name=ref.name)
    return Action(id=f"{kind} {ref}", kind=kind, unit="release/svc", target="cluster/prod", object=named)


BATCH = (action(ActionKind.APPLY_OBJECT, KEPT), action(ActionKind.DELETE_OBJECT, GONE))


def verify(*rows: tuple[str, str], batch: tuple[Action, ...] = BATCH) -> Cluster:
    cluster = Cluster([dict(zip((KEPT, GONE), row, strict=True)) for row in rows])
    nobody: Any = None
    performer = Performer(Only(cluster), nobody, Clock(), b"", Desired())
    performer.verify(batch, {"release/svc": LIMIT})
    return cluster


def late() -> Iterator[tuple[tuple[str, str], ...]]:
    yield (("Current", "Terminating"),)
    yield (("Current", "Current"),)
    yield (("InProgress", "NotFound"),)
    yield (("NotFound", "NotFound"),)


@pytest.mark.parametrize("rows", list(late()))
def test_what_is_not_there_or_not_gone_in_time_fails_the_batch(rows: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(Rejected, match="not ready after"):
        verify(*rows)


def test_a_deletion_is_waited_for() -> None:
    assert verify(("Current", "Terminating"), ("Current", "Terminating"), ("Current", "NotFound")).asked == 3


def test_what_fails_while_it_is_deleted_is_no_failure_of_the_batch() -> None:
    verify(("Current", "Failed"), ("Current", "NotFound"))
    with pytest.raises(Rejected, match="to be ready"):
        verify(("Failed", "NotFound"))


def test_what_is_only_let_go_is_not_waited_for() -> None:
    batch = (BATCH[0], action(ActionKind.FORGET_OBJECT, GONE))
    assert verify(("Current", "Current"), batch=batch).asked == 1


def applied(*rows: tuple[str, str]) -> None:
    """A Deployment and a Job, by these rows of statuses."""
    cluster = Cluster([dict(zip((KEPT, JOB), row, strict=True)) for row in rows])
    nobody: Any = None
    batch = (action(ActionKind.APPLY_OBJECT, KEPT), action(ActionKind.APPLY_OBJECT, JOB))
    Performer(Only(cluster), nobody, Clock(), b"", Desired()).verify(batch, {"release/svc": LIMIT})


@pytest.mark.parametrize("leaving", ["NotFound", "Terminating"])
def test_a_job_that_was_seen_to_end_well_may_go_by_itself_while_others_are_waited_for(leaving: str) -> None:
    applied(("InProgress", "InProgress"), ("InProgress", "Current"), ("InProgress", leaving), ("Current", leaving))


@pytest.mark.parametrize("rows", [(("Current", "NotFound"),), (("Current", "InProgress"), ("NotFound", "Current"))])
def test_nothing_else_may_go_nor_a_job_that_nobody_saw_end(rows: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(Rejected, match="not ready after"):
        applied(*rows)


def test_a_custom_resource_is_waited_for_by_what_its_own_release_says_of_its_kind() -> None:
    said = ReadyWhen(group="example.com", kind="Widget", ready="status.up", failed="status.down")
    other = ReadyWhen(group="example.com", kind="Gadget", ready="status.never")
    releases = {"svc": _release("svc", said, other), "another": _release("another", other)}
    widget = ObjectRef("example.com", "v1", "Widget", "svc", "kept")
    cluster = Cluster([{KEPT: "Current", widget: "Current"}])
    batch = (action(ActionKind.APPLY_OBJECT, KEPT), action(ActionKind.APPLY_OBJECT, widget))
    nobody: Any = None
    performer = Performer(Only(cluster), nobody, Clock(), b"", Desired(releases=releases))
    performer.verify(batch, {"release/svc": LIMIT})
    assert cluster.sayings == {widget: Saying(parse("status.up"), parse("status.down"))}


def _release(name: str, *readiness: ReadyWhen) -> Spec[Release]:
    source = Source(type=SourceKind.MANIFESTS, path="app")
    release = Release(
        environment="e", cluster="prod", namespace="svc", source=source, health=Health(readiness=readiness)
    )
    return Spec(Kind.RELEASE, name, {}, {}, release, Place("release.yaml", 1, 1), BlobId("0" * 40))
