"""Kustomize by the real tool: `kustomize`, or the one inside `kubectl`, whichever the PATH has first.

Knows how the tool is asked and what its refusals look like. Rules: nothing is switched on (no plugins, no Helm, no
loading from outside of a kustomization's folder); what it says about files is told without the folder they lay in.
"""

import json
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.errors import Rejected, Unavailable
from reconciler.plan.hide import hidden
from reconciler.rendering import cell
from reconciler.rendering.child import SLOW, Ran, run
from reconciler.rendering.folder import WITHIN, private_folder
from reconciler.specs.rendering import MISSING

LONGEST = 600  # characters of what the tool says
_VERSION = re.compile(r"v\d+\.\d+\.\d+[\w.+-]*")


@dataclass(frozen=True, slots=True)
class Tool:
    """What was found: the program, how it is asked to render, the version of Kustomize, and how it can be limited."""

    path: Path
    build: tuple[str, ...]
    version: str
    mode: str
    cut_off: bool


def _of_kustomize(said: str) -> str:
    found = _VERSION.search(said)
    return found[0] if found else ""


def _of_kubectl(said: str) -> str:
    try:
        return str(json.loads(said).get("kustomizeVersion") or "")
    except (ValueError, AttributeError):
        return ""


_KNOWN: tuple[tuple[str, tuple[str, ...], tuple[str, ...], Callable[[str], str]], ...] = (
    ("kustomize", ("build",), ("version",), _of_kustomize),
    ("kubectl", ("kustomize",), ("version", "--client", "--output", "json"), _of_kubectl),
)


@dataclass(slots=True)
class Kustomize:
    """Renders kustomizations. Looks for the tool when it is first needed, and again where there was none."""

    folder: Path
    search: str | None = None  # a PATH; this process's where there is none
    ran: int = 0  # how often the tool was started to render
    _tools: dict[tuple[str, int, int], Tool] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def identity(self) -> str:
        """The version of what renders. Raises Unavailable where there is no tool."""
        return f"kustomize {self.tool().version}"

    def tool(self) -> Tool:
        """The tool. Raises Unavailable."""
        refused = []
        for name, build, asked, version_of in _KNOWN:
            found = shutil.which(name, path=self.search)
            if found is None:
                continue
            path = Path(found).absolute()  # not resolved: some look at the name they are started by
            stat = path.stat()
            key = (str(path), stat.st_mtime_ns, stat.st_size)
            with self._lock:
                known = self._tools.get(key) or looked_at(path, build, asked, version_of)
                if known is not None:
                    self._tools = {key: known}
                    return known
            refused.append(str(found))
        message = "looking for kustomize: neither kustomize nor kubectl is on the PATH"
        if refused:
            message = f"looking for kustomize: {' and '.join(refused)} did not say a version of it"
        raise Unavailable(message, key=MISSING, hint="install kustomize or kubectl on the reconciler's machine")

    def render(self, files: Mapping[str, bytes], folder: str) -> bytes:
        """What the kustomization in a folder of these files renders to.

        Raises Rejected where the tool refuses it or a limit ends it, Unavailable where it cannot be run here.
        """
        tool = self.tool()
        with private_folder(self.folder, files) as root:
            self.ran += 1
            try:
                ran = run(tool.mode, root, tool.path, (*tool.build, f"./{folder}"))
            except OSError as error:
                raise Unavailable(f"starting {tool.path}: {error.strerror}", key=MISSING) from error
            if ran.code == 0 and not ran.why:
                return ran.output
            if ran.why == SLOW:  # a loaded machine, and not what it renders
                raise Unavailable(f"rendering: {ran.why}", key="rate_limited")
            raise Rejected(f"rendering: {words_of(ran, root)}", key="validation_error")


def looked_at(path: Path, build: tuple[str, ...], asked: tuple[str, ...], read: Callable[[str], str]) -> Tool | None:
    """The tool at a path, as it says itself, in the narrowest cell that it runs in; None where it does not say."""
    with tempfile.TemporaryDirectory(prefix="reconciler-") as empty:
        Path(empty).chmod(WITHIN)  # some look for settings there, and take a folder that they may not read for an error
        for mode in (cell.SEALED, cell.OPEN):  # what is no static program cannot be sealed
            try:
                ran = run(mode, Path(empty), path, asked)
            except OSError:
                return None
            version = read(ran.output.decode("utf-8", "replace")) if ran.code == 0 else ""
            if version:
                return Tool(path, build, version, mode, ran.cut_off)
    return None


def words_of(ran: Ran, root: Path) -> str:
    """Why nothing was rendered, without secrets and without the folder that the files lay in."""
    if ran.why:
        return ran.why
    if ran.code is not None and ran.code < 0:
        return f"it was ended by signal {-ran.code}: it takes more than {cell.SECONDS} s of processor time, or too much"
    if "out of memory" in ran.words or "cannot allocate memory" in ran.words:
        return f"it needs more than {cell.MEMORY // 1024**3} GiB of memory"
    said = " ".join(ran.words.replace(f"{root}/", "").replace(str(root), ".").split())
    said = hidden(said).removeprefix("Error: ").removeprefix("error: ")
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}..."
