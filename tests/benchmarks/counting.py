"""What a piece of work did, in numbers that are the same on every machine."""

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.git import history, transport
from reconciler.git.audit_branch import AUDIT
from reconciler.names import Revision
from tests.story.stage import Stage

Files = Mapping[str, tuple[int, int]]  # path -> size, modified (ns)


@dataclass(slots=True)
class Processes:
    """Every git that was started, by its verb."""

    started: Counter[str] = field(default_factory=Counter)

    @classmethod
    def watched(cls, monkeypatch: pytest.MonkeyPatch) -> "Processes":
        made, collect = cls(), transport._collect

        def counted(child: object, timeout: float, what: str, *, away: str | None = None) -> transport.Answer:
            made.started[what] += 1
            return collect(child, timeout, what, away=away)  # type: ignore[arg-type]

        monkeypatch.setattr(transport, "_collect", counted)
        return made


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests to the repository, to clusters (all, and those that write), records, and git processes by verb."""

    polls: int
    asked: int
    written: int
    audit: int
    forge: int
    git: Mapping[str, int]


def counts(stage: Stage, processes: Processes, work: Callable[[], object]) -> Counts:
    """What the reconciler of a world did during some work."""
    opened = stage.world.opened
    clusters = [stage.world.sandbox(name) for name in stage.world.clusters]

    def numbers() -> tuple[int, int, int, int, int]:
        return (
            opened.mirror.poller.requests,
            sum(sum(cluster.requests.values()) for cluster in clusters),
            sum(len(cluster.real_effects) for cluster in clusters),
            length(stage, AUDIT),
            length(stage, "refs/reconciler/forge"),
        )

    before = numbers()
    processes.started.clear()
    work()
    git = dict(processes.started)
    polls, asked, written, audit, forge = (now - then for now, then in zip(numbers(), before, strict=True))
    return Counts(polls, asked, written, audit, forge, git)


def length(stage: Stage, ref: str) -> int:
    """How many commits a ref of the mirror has, by first parents."""
    repository = stage.world.opened.mirror.repository
    at: Revision | None = repository.ref(ref)
    found = 0
    while at is not None:
        found += 1
        parents = history.commit(repository, at).parents
        at = parents[0] if parents else None
    return found


def files_below(*folders: Path) -> Files:
    """Every file below some folders."""
    found = {}
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                status = (Path(place) / name).stat()
                found[str(Path(place) / name)] = (status.st_size, status.st_mtime_ns)
    return found
