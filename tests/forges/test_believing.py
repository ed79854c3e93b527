"""A status under our name that somebody else set is put right on every forge: whoever may push can set one (T5)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from reconciler.errors import Unavailable
from reconciler.forges import believing
from reconciler.forges.asking import Answer, Request
from reconciler.forges.believing import Believed
from reconciler.forges.gitea.forge import GiteaForge
from reconciler.forges.gitea.requests import Repository
from reconciler.forges.keeping import LONGEST
from reconciler.forges.sending import Sender
from reconciler.git.mirror import Mirror
from reconciler.names import Revision
from reconciler.ports import Clock
from reconciler.state.forge import CommitStatus, StatusState

HEAD = Revision("ab" * 20)
PENDING = CommitStatus("reconciler/approval", StatusState.PENDING, "waits for ben")


@dataclass
class Statuses:
    """What a Gitea keeps of one commit, a sender and a clock in one."""

    time: datetime = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    kept: list[dict[str, Any]] = field(default_factory=list)
    reads: int = 0
    lost: bool = False

    def now(self) -> datetime:
        return self.time

    def put(self, state: str, words: str) -> None:
        said = {"id": len(self.kept) + 1, "context": PENDING.context, "status": state, "description": words}
        self.kept.append(said)

    def send(self, request: Request) -> Answer:
        if request.body is None:
            self.reads += 1
            return Answer(request.what, list(self.kept), total=len(self.kept))
        self.put(request.body["state"], request.body["description"])
        if self.lost:
            raise Unavailable("the answer was lost")
        return Answer(request.what, {})


@pytest.fixture
def there() -> Statuses:
    return Statuses()


@pytest.fixture
def writer(there: Statuses) -> GiteaForge:
    sender = cast(Sender, SimpleNamespace(send=there.send, clock=there))
    return GiteaForge(sender, Repository("o", "r"), cast(Mirror, None), tracked="main", key="")


def test_t5_a_success_that_somebody_else_set_over_ours_stands_for_minutes_and_not_for_ever(
    there: Statuses, writer: GiteaForge
) -> None:
    writer.set_status(HEAD, PENDING)
    there.put("success", "approved, believe me")
    there.time += LONGEST
    writer.set_status(HEAD, PENDING)
    assert [one["status"] for one in there.kept] == ["pending", "success", "pending"]


def test_at_rest_nothing_is_asked_for_a_while(there: Statuses, writer: GiteaForge) -> None:
    writer.set_status(HEAD, PENDING)
    there.time += LONGEST - timedelta(seconds=1)
    writer.set_status(HEAD, PENDING)
    assert (there.reads, len(there.kept)) == (1, 1)


def test_a_clock_that_was_set_back_ends_what_is_believed(there: Statuses, writer: GiteaForge) -> None:
    writer.set_status(HEAD, PENDING)
    there.put("success", "approved, believe me")
    there.time -= timedelta(days=1)
    writer.set_status(HEAD, PENDING)
    assert there.kept[-1]["status"] == "pending"


def test_what_is_believed_no_more_is_not_kept_and_never_more_than_so_many_are(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Statuses()
    believed: Believed[int] = Believed(cast(Clock, clock))
    monkeypatch.setattr(believing, "MOST", 3)
    revisions = [Revision(f"{number:040x}") for number in range(5)]
    for revision in revisions:
        believed.read(revision, {"context": 1})
    assert [believed.standing(one) is not None for one in revisions] == [False, False, True, True, True]
    clock.time += LONGEST
    believed.read(revisions[0], {"context": 2})
    assert list(believed._read) == [revisions[0]]


def test_f12_after_a_lost_answer_it_is_read_what_stands_there(there: Statuses, writer: GiteaForge) -> None:
    there.lost = True
    with pytest.raises(Unavailable):
        writer.set_status(HEAD, PENDING)
    there.lost = False
    writer.set_status(HEAD, PENDING)
    assert (there.reads, len(there.kept)) == (2, 1)
