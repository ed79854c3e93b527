"""The person's own kubectl: how `init --adopt` sees a cluster, with their kubeconfig and its plugins, on their machine.

Runs one program with a list of arguments and no shell, reads, and never changes anything: what it sends is marked as a
dry run. Of the kubeconfig it learns the address and the CA alone; their credential stays with kubectl.
"""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from reconciler.errors import Refused, Unavailable

PROGRAM: Final = "kubectl"
SECONDS: Final = 120.0
WORDS: Final = 300
CLUSTER: Final = '{.clusters[0].cluster.server}{"\\n"}{.clusters[0].cluster.certificate-authority-data}'
MANAGER: Final = "reconciler"


@dataclass(frozen=True, slots=True)
class Kubectl:
    """One context of the person's kubeconfig; empty: the current one."""

    context: str

    def cluster(self) -> tuple[str, str]:
        """The API server's address and its CA in base64, which may be empty."""
        view = ["config", "view", "--minify", "--raw", "--flatten", "-o", f"jsonpath={CLUSTER}"]
        server, _, authority = self._run(view, "reading the context").partition("\n")
        return server.strip(), authority.strip()

    def get(self, namespace: str, *what: str) -> Any:
        """One object, or the list of several kinds."""
        return json.loads(self._run(["get", "-n", namespace, *what, "-o", "json"], f"reading {' '.join(what)}"))

    def would_be(self, namespace: str, manifests: str) -> Any:
        """What the server says a server-side apply of these manifests would make; nothing is changed."""
        forced = ["--server-side", "--dry-run=server", "--force-conflicts", f"--field-manager={MANAGER}"]
        asked = ["apply", "-n", namespace, *forced, "-o", "json", "-f", "-"]
        return json.loads(self._run(asked, "asking what applying the manifest would change", manifests))

    def _run(self, arguments: Sequence[str], what: str, given: str = "") -> str:
        context = [f"--context={self.context}"] if self.context else []
        try:
            done = subprocess.run(
                [PROGRAM, *context, *arguments],
                input=given,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise Refused(
                f"{what}: there is no kubectl here",
                key="k8s_binary_missing",
                hint="install kubectl, or use the quickstart",
            ) from None
        except subprocess.TimeoutExpired:
            raise Unavailable(
                f"{what}: kubectl did not end within {SECONDS:.0f} s", key="cluster_connect_failed"
            ) from None
        if done.returncode:
            said = " ".join(done.stderr.split())[:WORDS]
            raise Refused(
                f"{what}: kubectl says: {said}", key="cluster_connect_failed", hint="try the same with kubectl"
            )
        return done.stdout
