"""Charts by the real tool: `helm template`, as for a cluster that nobody looked at.

Knows how the tool is asked. Rules: a chart is rendered twice, for two versions of Kubernetes with different kinds, and
has to come out the same: so no template of it can depend on chance, on the hour or on what the cluster is, and what was
previewed is what any cluster gets (G26). Values lie in a file beside the chart, never among the arguments; no plugin,
no post-renderer and no repository is switched on; nothing is fetched.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from reconciler.errors import Rejected, Unavailable
from reconciler.rendering.folder import private_folder
from reconciler.rendering.tools import Asked, Search, Tool, rendered
from reconciler.specs.chart import END
from reconciler.specs.chart_archives import SUFFIX
from reconciler.specs.charts import values_file
from reconciler.specs.rendering import MISSING

OLDEST: Final = (4, 0)  # the only line that the tests run
RENDERED_FOR: Final = "1.36.0"
COMPARED_WITH: Final = "1.32.0"
KINDS: Final = (  # what charts ask for before they use it
    "monitoring.coreos.com/v1",
    "monitoring.coreos.com/v1/ServiceMonitor",
    "monitoring.coreos.com/v1/PodMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
    "cert-manager.io/v1",
    "cert-manager.io/v1/Certificate",
    "gateway.networking.k8s.io/v1",
    "gateway.networking.k8s.io/v1/HTTPRoute",
    "networking.istio.io/v1",
    "traefik.io/v1alpha1",
    "route.openshift.io/v1",
    "security.openshift.io/v1",
    "policy/v1beta1",
    "autoscaling/v2beta2",
)
VERSION: Final = re.compile(r"v(\d{1,4})\.(\d{1,4})\.?[\w.+-]*")
CHART, VALUES = "chart", "values.json"
BY_CHANCE: Final = (
    "its chart renders to something else each time, so nothing that was approved could be applied; "
    "take the random or dated value out, or give it in the values"
)
BY_CLUSTER: Final = (
    "its chart renders by what the cluster is (.Capabilities), and it is rendered without one; "
    "say it in the values instead, so that it comes out the same everywhere"
)


def _version(said: str) -> str:
    found = VERSION.search(said)
    return found[0] if found else ""


_KNOWN: Final = (Asked("helm", ("template",), ("version", "--template", "{{.Version}}"), _version),)


@dataclass(slots=True)
class Helm:
    """Renders charts. Looks for the tool when it is first needed, and again where there was none."""

    folder: Path
    search: str | None = None  # a PATH; this process's where there is none
    ran: int = 0  # how often the tool was started to render
    _search: Search = field(default_factory=lambda: Search(_KNOWN))

    def identity(self) -> str:
        """The version of what renders, and what for. Raises Unavailable where there is no tool that will do."""
        return f"helm {self.tool().version} for {RENDERED_FOR} and {COMPARED_WITH}"

    def tool(self) -> Tool:
        """The tool. Raises Unavailable."""
        found = self._search.find(self.search)
        hint = f"install Helm {OLDEST[0]} on the reconciler's machine"
        if not isinstance(found, Tool):
            why = f"{found[0]} did not say a version of it" if found else "it is not on the PATH"
            raise Unavailable(f"looking for helm: {why}", key=MISSING, hint=hint)
        read = VERSION.fullmatch(found.version)
        if read is None or (int(read[1]), int(read[2])) < OLDEST:
            raise Unavailable(f"looking for helm: {found.path} is {found.version}", key=MISSING, hint=hint)
        return found

    def render(self, files: Mapping[str, bytes], folder: str, release: str, namespace: str) -> bytes:
        """What the chart in a folder renders to, with the values that lie beside it.

        Raises Rejected where the tool refuses it, a limit ends it or it comes out differently, Unavailable where it
        cannot be run here.
        """
        tool = self.tool()
        with private_folder(self.folder, _placed(files, folder)) as root:

            def once(version: str, *kinds: str, more: tuple[str, ...] = ()) -> bytes:
                apis = [part for kind in kinds for part in ("--api-versions", kind)]
                asked = ("--namespace", namespace, "--values", VALUES, "--skip-tests", *more)
                return self._once(tool, root, (release, f"./{CHART}", *asked, "--kube-version", version, *apis))

            first, other = once(RENDERED_FOR), once(COMPARED_WITH, *KINDS)
            if first == other:
                return _behind(once(RENDERED_FOR, more=("--include-crds",)), first) if _may_define(files) else first
            again = once(RENDERED_FOR)
        why = BY_CLUSTER if first == again else BY_CHANCE
        raise Rejected(f"rendering: {why}", key="validation_error")

    def _once(self, tool: Tool, root: Path, arguments: tuple[str, ...]) -> bytes:
        self.ran += 1
        return rendered(tool, root, arguments)


def _may_define(files: Mapping[str, bytes]) -> bool:
    """Whether a chart may bring definitions of kinds: nobody asks the tool for them otherwise."""
    return any("crds" in path.split("/") or path.endswith(SUFFIX) for path in files)


def _behind(whole: bytes, first: bytes) -> bytes:
    """What was rendered, behind the definitions that the tool says before it."""
    if not whole.endswith(first):
        raise Rejected("rendering: with its crds/ it renders to something else than without", key="validation_error")
    definitions = whole.removesuffix(first)
    return definitions + END + first if definitions else first


def _placed(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    """The files under names of ours: Helm without a home looks for its own settings in the folder that it works in."""
    chart = {f"{CHART}/{path.removeprefix(f'{folder}/')}": content for path, content in files.items()}
    values = chart.pop(f"{CHART}/{values_file(folder)}")
    return {**chart, VALUES: values}
