"""A process that does one thing with the embedded forge and is killed at a chosen push.

    python -m tests.forges.embedded.doomed FOLDER VERB BEFORE AFTER

FOLDER is a world's that was saved; BEFORE and AFTER are the number of the push (from 1) around which to die, 0 never.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from reconciler.forges.embedded.forge import EmbeddedForge
from reconciler.forges.embedded.person import Person
from reconciler.forges.embedded.record import Method
from reconciler.names import Revision
from reconciler.state.forge import CommitStatus, StatusState
from tests.forges.embedded.world import WatchedTransport, World


def die(arguments: Sequence[str]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def live(arguments: Sequence[str]) -> None:
    pass


def merge(person: Person, forge: EmbeddedForge, world: World, method: Method) -> None:
    person.merge(1, method, expected_head=Revision(str(world.tip("feature"))))


VERBS: dict[str, Callable[[Person, EmbeddedForge, World], object]] = {
    "open": lambda person, _forge, _world: person.open("other", "main", "Other"),
    "comment": lambda _person, forge, _world: forge.write_comment(1, "marker", "hello"),
    "status": lambda _person, forge, world: forge.set_status(
        Revision(str(world.tip("main"))), CommitStatus("c", StatusState.SUCCESS, "", "")
    ),
    "propose": lambda _person, forge, world: forge.propose(
        "reconciler/raise", Revision(str(world.tip("prepared"))), "Raise", ""
    ),
    "merge": lambda person, forge, world: merge(person, forge, world, Method.MERGE),
    "squash": lambda person, forge, world: merge(person, forge, world, Method.SQUASH),
    "rebase": lambda person, forge, world: merge(person, forge, world, Method.REBASE),
}


def main(folder: str, verb: str, before: str, after: str) -> None:
    world = World.load(Path(folder))
    transport = WatchedTransport(world.folder / "transport")
    transport.before.extend([live] * (int(before) - 1) + [die] if int(before) else [])
    transport.after.extend([live] * (int(after) - 1) + [die] if int(after) else [])
    ledger = world.ledger(transport=transport)
    VERBS[verb](world.door("cleo", ledger), world.forge(ledger), world)


if __name__ == "__main__":
    main(*sys.argv[1:])
