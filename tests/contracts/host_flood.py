"""A process that follows one hook and tells what it kept and how much it grew: `python -m tests.contracts.host_flood`.

On stdin the names of `Asked` as JSON; on stdout those of `Grown`. A process of its own, because what a process of
tests once needed says nothing about a reconciler.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from reconciler.app.clock import SystemClock
from reconciler.bundle.folder import FolderBundles
from reconciler.ports import StepResult
from reconciler.secret import Secret
from reconciler.ssh.host import SshHost
from reconciler.ssh.identity import Address, HostKey
from tests.contracts.host_world import LIMITS, PATIENCE

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Asked:
    """A host, a bundle that is in place there, the hook that is run before measuring and the one that is measured."""

    address: str
    port: int
    user: str
    host_key: str
    private_key: str
    folder: str
    trusted: str
    version: str
    before: str
    hook: str
    become: bool


@dataclass(frozen=True, slots=True)
class Grown:
    """What came back, in characters, and by how many bytes the process's largest size grew meanwhile."""

    exit_code: int | None
    log: int
    stderr: int
    outputs: Mapping[str, int]
    grown: int


def followed(asked: Asked) -> Grown:
    """What that process says."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.contracts.host_flood"],
        input=json.dumps(asdict(asked)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Grown(**json.loads(done.stdout))


def main() -> None:
    """Run the first hook, so that what any run needs is there; then the other."""
    asked = Asked(**json.load(sys.stdin))
    bundle = FolderBundles([Path(asked.folder)], [asked.trusted]).load(asked.version)
    address = Address("box", asked.address, asked.user, HostKey.parse(asked.host_key), asked.port, asked.become)
    host = SshHost(address, Secret(asked.private_key), SystemClock(), limits=LIMITS, patience=PATIENCE)

    def ran(hook: str) -> StepResult:
        return host.run_hook(bundle, "k8s", hook, operation=f"op-{hook}", generation=1, variables={})

    ran(asked.before)
    before = largest()
    result = ran(asked.hook)
    outputs = {name: len(value) for name, value in result.outputs.items()}
    grown = Grown(result.exit_code, len(result.log), len(result.stderr), outputs, largest() - before)
    host.close()
    print(json.dumps(asdict(grown)))


def largest() -> int:
    """In bytes; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
