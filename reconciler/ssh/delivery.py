"""A verified bundle's files onto a host, by content address, and one switch from the old folder to the new.

Knows the bundle as a value and the runner's verbs. Rules: only what the runtime needs is sent, and only what the host
does not have; a file is hashed while it is streamed, so one that was swapped after it was verified is refused here and
its content never gets a name on the host; the host hashes what arrived, and everything again before the switch (F24).
A cut delivery leaves the old folder in place and the files that arrived whole.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from reconciler.bundle.files import blocks, open_inside
from reconciler.errors import Rejected, Unavailable, Untrusted
from reconciler.ssh.runner import Runner
from reconciler.state.bundle import Bundle, Runtime

ASKING: Final = timedelta(seconds=60)
HASHING: Final = timedelta(minutes=15)  # the host hashes a few GB on a slow disk
SLOWEST_BYTES_PER_SECOND: Final = 100_000
ROUNDS: Final = 2  # a second one where content in the host's store turned out damaged


@dataclass(frozen=True, slots=True)
class Sent:
    """A file of the bundle that the runtime needs."""

    path: str
    sha256: str
    mode: str
    size: int


def needed(bundle: Bundle, runtime: Runtime) -> tuple[Sent, ...]:
    """What this runtime needs of the bundle, by path: its artifacts and its hooks."""
    wanted = {artifact.path for artifact in runtime.artifacts} | {hook.path for hook in runtime.hooks}
    return tuple(Sent(path, sha256, mode, _size(bundle, path)) for path, sha256, mode in bundle.files if path in wanted)


def deliver(runner: Runner, bundle: Bundle, runtime: Runtime, generation: int) -> None:
    """Put the files there and make them the ones in place. Raises Untrusted where a file is not the verified one."""
    sent = needed(bundle, runtime)
    for left in reversed(range(ROUNDS)):
        for one in _missing(runner, sent, generation):
            _put(runner, bundle, one)
        try:
            _switch(runner, bundle, runtime, sent, generation)
        except Unavailable as error:
            if error.key != "artifact_missing" or not left:
                raise
        else:
            return


def _missing(runner: Runner, sent: Sequence[Sent], generation: int) -> Iterator[Sent]:
    distinct = {one.sha256: one for one in sent}
    fields: list[str | int] = [generation, len(distinct)]
    for sha256, one in distinct.items():
        fields += (sha256, one.size)
    answer = runner.ask("missing", fields, timeout=ASKING)
    for named in answer.all("missing"):
        if (found := distinct.get(named.decode("ascii", errors="replace"))) is not None:
            yield found


def _put(runner: Runner, bundle: Bundle, one: Sent) -> None:
    patience = ASKING + timedelta(seconds=one.size / SLOWEST_BYTES_PER_SECOND)
    runner.ask("put", (one.sha256, one.size), content=_verified(bundle, one), timeout=patience)


def _switch(runner: Runner, bundle: Bundle, runtime: Runtime, sent: Sequence[Sent], generation: int) -> None:
    fields: list[str | int] = [generation, bundle.digest, runtime.name, len(sent)]
    for one in sent:
        fields += (one.sha256, one.mode, one.path)
    runner.ask("switch", fields, timeout=HASHING)


def _verified(bundle: Bundle, one: Sent) -> Iterator[bytes]:
    """The file's content, its last block held back until the whole is known to be what was signed."""
    digest, held = hashlib.sha256(), b""
    try:
        with open_inside(Path(bundle.root), one.path) as file:
            for block in blocks(file):
                digest.update(block)
                if held:
                    yield held
                held = block
    except OSError as error:
        raise _swapped(bundle, one) from error
    if digest.hexdigest() != one.sha256:
        raise _swapped(bundle, one)
    yield held


def _size(bundle: Bundle, path: str) -> int:
    try:
        return (Path(bundle.root) / path).lstat().st_size
    except OSError as error:
        raise Rejected(
            f"delivering bundle {bundle.version}: {path} vanished after it was verified", key="artifact_missing"
        ) from error


def _swapped(bundle: Bundle, one: Sent) -> Untrusted:
    return Untrusted(
        f"delivering bundle {bundle.version}: {one.path} is not what was verified; nothing of it was used",
        key="artifact_checksum_mismatch",
        hint="find out who writes to the bundle's folder on the reconciler's machine",
    )
