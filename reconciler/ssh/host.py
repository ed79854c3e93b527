"""ports.HostApi over SSH.

Knows how the parts of this package make one host. The app constructs it from an accepted Host spec and its decrypted
Credential, one per host, and keeps it:

    SshHost(
        Address(host="cp-1", address="10.0.0.11", port=22, user="ops", become=True,
                host_key=HostKey.parse("ssh-ed25519 AAAA...")),
        private_key=Secret(pem),          # OpenSSH or PEM text, without a passphrase
        clock=clock,
    )

Nothing connects before the first call. `become` runs everything by `sudo -n`; without it the login user must own
OPSPILOT_ROOT (/opt/opspilot unless the host's environment says otherwise).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from reconciler.errors import Rejected
from reconciler.ports import Clock, StepResult
from reconciler.secret import Secret
from reconciler.ssh import delivery, observe
from reconciler.ssh.facts import Requirements
from reconciler.ssh.identity import Address
from reconciler.ssh.operations import OPERATION, Operation, Request
from reconciler.ssh.runner import Runner
from reconciler.ssh.session import Patience, Session
from reconciler.ssh.text import secrets_of
from reconciler.state.bundle import Bundle, Hook, Runtime
from reconciler.state.observed import InstalledBundle, ObservedHost

VARIABLE: Final = re.compile(r"OPS_[A-Z0-9_]{1,60}")
MADE_BY_THE_RUNNER: Final = frozenset(
    {"OPS_WORKDIR", "OPS_SCRIPT_ROOT", "OPS_RETRY_ATTEMPT", "OPS_RETRY_MAX", "OPS_OUTPUTS"}
)
RECORDING: Final = timedelta(seconds=60)
NETWORK: Final = (
    ("mode", "OPS_NET_MODE"),
    ("vip_address", "OPS_VIP_ADDRESS"),
    ("interface", "OPS_VIP_INTERFACE"),
    ("virtual_router_id", "OPS_VRID"),
    ("health_check_port", "OPS_HEALTH_PORT"),
)


@dataclass(frozen=True, slots=True)
class HookLimits:
    """How runs are treated beyond what the bundle says."""

    away_for: timedelta = timedelta(minutes=3)  # a host may reboot in that time
    grace: timedelta = timedelta(seconds=10)  # between SIGTERM and SIGKILL of a run that took too long
    retry_delay: timedelta = timedelta(seconds=5)


class SshHost:
    """One host. Thread-safe; the host itself admits one running hook at a time."""

    def __init__(
        self,
        address: Address,
        private_key: Secret,
        clock: Clock,
        *,
        requirements: Requirements | None = None,
        limits: HookLimits | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._address = address
        self._clock = clock
        self._requirements = requirements or Requirements()
        self._limits = limits or HookLimits()
        self._session = Session(address, private_key, clock, patience)
        self._runner = Runner(self._session)

    def observe(self) -> ObservedHost:
        """Identity, answers, what is installed and the generation, in one round trip."""
        address = self._address
        return observe.observe(self._runner, address.host, address.host_key.line, self._requirements)

    def deliver(self, bundle: Bundle, runtime: str, *, generation: int) -> None:
        """Bring what the runtime needs and switch to it; what is there already costs one question and one check."""
        delivery.deliver(self._runner, bundle, self._runtime(bundle, runtime), generation)

    def run_hook(
        self,
        bundle: Bundle,
        runtime: str,
        hook: str,
        *,
        operation: str,
        generation: int,
        variables: Mapping[str, str],
    ) -> StepResult:
        """Variables of contracts/bundle.md; OPS_TASK_ID is the operation and OPS_RUNTIME_TYPE the runtime unless given.

        A hook that fails or runs out of time is a result with its exit code (124 or 137 for time), not an exception.
        """
        found = next((one for one in self._runtime(bundle, runtime).hooks if one.name == hook), None)
        if found is None:
            raise self._rejected(
                f"running {hook}", f"bundle {bundle.version} has none for {runtime}", "script_hook_missing"
            )
        if not OPERATION.fullmatch(operation):
            raise self._rejected(f"running {hook}", "its operation id is not a plain name", "validation_error")
        given = {"OPS_TASK_ID": operation, "OPS_RUNTIME_TYPE": runtime} | dict(variables)
        self._check(found, given)
        request = Request(
            operation=operation,
            generation=generation,
            digest=bundle.digest,
            runtime=runtime,
            hook=found.path,
            sha256=next(sha256 for path, sha256, _ in bundle.files if path == found.path),
            task=given["OPS_TASK_ID"],
            timeout=found.timeout,
            most_retries=found.max_retries if found.retryable else 0,
            outputs=found.outputs,
            context=context_of(given),
            variables=given,
            grace=self._limits.grace,
            retry_delay=self._limits.retry_delay,
        )
        run = Operation(self._runner, self._clock, request, secrets_of(given.items()))
        return run.follow(self._limits.away_for)

    def record_install(self, installed: InstalledBundle | None, *, generation: int) -> None:
        """Remember the last completed install on the host, or forget it."""
        text = observe.write_installed(installed) if installed else ""
        self._runner.ask("record", (generation, text), timeout=RECORDING)

    def close(self) -> None:
        """End the connection; runs on the host go on."""
        self._session.close()

    def _runtime(self, bundle: Bundle, name: str) -> Runtime:
        runtime = bundle.runtime(name)
        if runtime is None:
            raise self._rejected(
                f"using bundle {bundle.version}", f"it has no runtime {name}", "artifact_version_unsupported"
            )
        return runtime

    def _check(self, hook: Hook, given: Mapping[str, str]) -> None:
        wrong = sorted(name for name in given if not VARIABLE.fullmatch(name) or name in MADE_BY_THE_RUNNER)
        missing = sorted(set(hook.inputs) - given.keys() - MADE_BY_THE_RUNNER)
        if wrong:
            raise self._rejected(
                f"running {hook.name}", f"not variables of a hook: {', '.join(wrong)}", "validation_error"
            )
        if missing:
            raise self._rejected(f"running {hook.name}", f"it needs {', '.join(missing)}", "validation_error")
        if not OPERATION.fullmatch(given["OPS_TASK_ID"]):
            raise self._rejected(f"running {hook.name}", "OPS_TASK_ID is not a plain name", "validation_error")

    def _rejected(self, doing: str, why: str, key: str) -> Rejected:
        return Rejected(f"{doing} on {self._address.host}: {why}", key=key)


def context_of(variables: Mapping[str, str]) -> str:
    """context.json of a task: the same facts as the variables, never a secret (contracts: bundle.md).

    The variables name backends by address only, so `host_id` repeats the address.
    """
    context: dict[str, Any] = {
        "task_id": variables["OPS_TASK_ID"],
        "cluster_id": variables.get("OPS_CLUSTER_ID", ""),
    }
    if "OPS_NET_MODE" in variables:
        backends = [one for one in variables.get("OPS_BACKEND_NODES", "").split(",") if one]
        context["network_entry"] = {key: variables.get(name, "") for key, name in NETWORK} | {
            "backend_nodes": [{"host_id": one, "ip": one} for one in backends]
        }
    return json.dumps(context, sort_keys=True) + "\n"
