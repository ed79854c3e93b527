"""What a batch is verified by: everything applied is ready, everything deleted is gone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.app.perform import Performer
from reconciler.errors import Rejected
from reconciler.names import ObjectRef
from reconciler.plan.change import Action, ActionKind, Reference
from reconciler.ports import Readiness
from reconciler.specs.desired import Desired

LIMIT = timedelta(seconds=30)
KEPT = ObjectRef("apps", "v1", "Deployment", "svc", "kept")
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

    def readiness(self, refs: Sequence[ObjectRef]) -> tuple[Readiness, ...]:
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
