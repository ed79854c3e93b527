"""Tools of others on this machine: where one is, what it says it is, and one run of it.

Knows the PATH and how a run may end; what is asked of a tool is its caller's. Rules: a tool is looked for whenever it
is needed and asked for its version once while its file stays the same; what it says is told without the folder that the
files lay in and without what is secret in it.
"""

import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from reconciler.errors import Rejected, Unavailable
from reconciler.plan.hide import hidden
from reconciler.rendering import cell
from reconciler.rendering.child import SLOW, Ran, run
from reconciler.rendering.folder import WITHIN
from reconciler.specs.rendering import MISSING

LONGEST: Final = 600  # characters of what a tool says


@dataclass(frozen=True, slots=True)
class Asked:
    """A program, what it is told before anything else, and how it is asked for its version."""

    name: str
    build: tuple[str, ...]
    version: tuple[str, ...]
    read: Callable[[str], str]  # what it said -> the version; an empty text where it said none


@dataclass(frozen=True, slots=True)
class Tool:
    """What was found: the program, how it is asked to render, its version, and how it can be limited."""

    path: Path
    build: tuple[str, ...]
    version: str
    mode: str
    cut_off: bool


@dataclass(slots=True)
class Search:
    """Looks for one of some programs, and remembers the one that it found last."""

    programs: tuple[Asked, ...]
    _known: dict[tuple[str, int, int], Tool] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, search: str | None) -> Tool | tuple[Path, ...]:
        """The first on a PATH (this process's where there is none) that says its version; else those that did not."""
        refused = []
        for program in self.programs:
            found = shutil.which(program.name, path=search)
            if found is None:
                continue
            path = Path(found).absolute()  # not resolved: some look at the name they are started by
            stat = path.stat()
            key = (str(path), stat.st_mtime_ns, stat.st_size)
            with self._lock:
                known = self._known.get(key) or _looked_at(path, program)
                if known is not None:
                    self._known = {key: known}
                    return known
            refused.append(path)
        return tuple(refused)


def rendered(tool: Tool, root: Path, arguments: Sequence[str]) -> bytes:
    """What the tool says of the files under a folder.

    Raises Rejected where it refuses them or a limit ends it, Unavailable where it cannot be run here and now.
    """
    try:
        ran = run(tool.mode, root, tool.path, (*tool.build, *arguments))
    except OSError as error:
        raise Unavailable(f"starting {tool.path}: {error.strerror}", key=MISSING) from error
    if ran.code == 0 and not ran.why:
        return ran.output
    if ran.why == SLOW:  # a loaded machine, and not what it renders
        raise Unavailable(f"rendering: {ran.why}", key="rate_limited")
    raise Rejected(f"rendering: {_words_of(ran, root)}", key="validation_error")


def _looked_at(path: Path, program: Asked) -> Tool | None:
    """The tool at a path, as it says itself, in the narrowest cell that it runs in; None where it does not say."""
    with tempfile.TemporaryDirectory(prefix="reconciler-") as empty:
        Path(empty).chmod(WITHIN)  # some look for settings there, and take a folder that they may not read for an error
        for mode in (cell.SEALED, cell.OPEN):  # what is no static program cannot be sealed
            try:
                ran = run(mode, Path(empty), path, program.version)
            except OSError:
                return None
            version = program.read(ran.output.decode("utf-8", "replace")) if ran.code == 0 else ""
            if version:
                return Tool(path, program.build, version, mode, ran.cut_off)
    return None


def _words_of(ran: Ran, root: Path) -> str:
    """Why nothing was rendered."""
    if ran.why:
        return ran.why
    if ran.code is not None and ran.code < 0:
        return f"it was ended by signal {-ran.code}: it takes more than {cell.SECONDS} s of processor time, or too much"
    if "out of memory" in ran.words or "cannot allocate memory" in ran.words:
        return f"it needs more than {cell.MEMORY // 1024**3} GiB of memory"
    said = " ".join(ran.words.replace(f"{root}/", "").replace(str(root), ".").split())
    said = hidden(said).removeprefix("Error: ").removeprefix("error: ")
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}..."
