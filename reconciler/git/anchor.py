"""The last audit tip that we saw, in a file beside the keys.

Knows one small file and how to replace it so that a crash leaves the old or the new one. Knows no Git. The rule: the
file is the only memory that others cannot rewind (gate.md G24; fault F3), so one that cannot be read stops us, and
only an absent one means that there never was a tip.
"""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from reconciler.errors import Unavailable, Untrusted
from reconciler.names import Revision

_REVISION = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Anchor:
    """`tip`: the last good commit of the remote's branch. `journal`: the last one that is only here, not pushed yet.
    `starts`: root commits that we tried to push while there was no branch."""

    tip: Revision | None = None
    journal: Revision | None = None
    starts: tuple[Revision, ...] = ()


def read(path: Path) -> Anchor:
    """The anchor; an empty one where the file does not exist. Raises Untrusted where it is not what `write` wrote."""
    try:
        found = json.loads(path.read_text(encoding="ascii"))
        tip, journal, starts = found["tip"], found["journal"], found["starts"]
        if not all(_REVISION.fullmatch(one) for one in (tip or "0" * 40, journal or "0" * 40, *starts)):
            raise ValueError("not a commit id")
    except FileNotFoundError:
        return Anchor()
    except (ValueError, TypeError, KeyError) as error:
        raise Untrusted(f"reading the audit anchor {path}: {error}", key="audit_diverged") from error
    except OSError as error:
        raise Unavailable(f"reading the audit anchor {path}: {error}") from error
    return Anchor(tip, journal, tuple(starts))


def write(path: Path, anchor: Anchor) -> None:
    """Replace the file; it is on disk when this returns."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump(asdict(anchor), file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Unavailable(f"writing the audit anchor {path}: {error}") from error
