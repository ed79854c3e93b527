"""Kustomize by the real tool: `kustomize`, or the one inside `kubectl`, whichever the PATH has first.

Knows how the tool is asked and what its refusals look like. Rules: nothing is switched on (no plugins, no Helm, no
loading from outside of a kustomization's folder); what it says about files is told without the folder they lay in.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.errors import Unavailable
from reconciler.rendering.folder import private_folder
from reconciler.rendering.tools import Asked, Search, Tool, rendered
from reconciler.specs.rendering import MISSING

_VERSION = re.compile(r"v\d+\.\d+\.\d+[\w.+-]*")


def _of_kustomize(said: str) -> str:
    found = _VERSION.search(said)
    return found[0] if found else ""


def _of_kubectl(said: str) -> str:
    try:
        return str(json.loads(said).get("kustomizeVersion") or "")
    except (ValueError, AttributeError):
        return ""


_KNOWN = (
    Asked("kustomize", ("build",), ("version",), _of_kustomize),
    Asked("kubectl", ("kustomize",), ("version", "--client", "--output", "json"), _of_kubectl),
)


@dataclass(slots=True)
class Kustomize:
    """Renders kustomizations. Looks for the tool when it is first needed, and again where there was none."""

    folder: Path
    search: str | None = None  # a PATH; this process's where there is none
    ran: int = 0  # how often the tool was started to render
    _search: Search = field(default_factory=lambda: Search(_KNOWN))

    def identity(self) -> str:
        """The version of what renders. Raises Unavailable where there is no tool."""
        return f"kustomize {self.tool().version}"

    def tool(self) -> Tool:
        """The tool. Raises Unavailable."""
        found = self._search.find(self.search)
        if isinstance(found, Tool):
            return found
        message = "looking for kustomize: neither kustomize nor kubectl is on the PATH"
        if found:
            message = f"looking for kustomize: {' and '.join(map(str, found))} did not say a version of it"
        raise Unavailable(message, key=MISSING, hint="install kustomize or kubectl on the reconciler's machine")

    def render(self, files: Mapping[str, bytes], folder: str) -> bytes:
        """What the kustomization in a folder of these files renders to.

        Raises Rejected where the tool refuses it or a limit ends it, Unavailable where it cannot be run here.
        """
        tool = self.tool()
        with private_folder(self.folder, files) as root:
            self.ran += 1
            return rendered(tool, root, (f"./{folder}",))
