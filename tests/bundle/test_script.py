"""The hooks under script/: what they check, and that none claims what it did not do."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import jinja2
import pytest

from reconciler.bundle.index import read_index
from reconciler.state.bundle import Hook
from tests.bundle.test_making import SANDBOX

SCRIPT = Path(__file__).parents[2] / "script"
INSTALLING = {"install-k8s-controlplane.sh", "install-k8s-worker.sh", "install-compose.sh"}
NETWORK = {
    "install-keepalived.sh",
    "configure-ipvs.sh",
    "reload-network-entry.sh",
    "verify-vip.sh",
    "rollback-network-entry.sh",
}
CONTRACT = {  # name: timeout in seconds, retries, where (contracts: bundle.md)
    "preflight.sh": (300, 0, "all"),
    "install-k8s-controlplane.sh": (1800, 1, "control_plane"),
    "install-k8s-worker.sh": (1200, 1, "worker"),
    "install-keepalived.sh": (600, 1, "control_plane"),
    "configure-ipvs.sh": (600, 1, "control_plane"),
    "reload-network-entry.sh": (180, 2, "control_plane"),
    "verify-vip.sh": (180, 2, "control_plane"),
    "rollback-network-entry.sh": (300, 0, "control_plane"),
    "post-install-verify.sh": (300, 2, "all"),
}
KEEPALIVED = {
    "INSTANCE_NAME": "VI_1",
    "STATE": "MASTER",
    "INTERFACE": "eth0",
    "VIRTUAL_ROUTER_ID": 51,
    "PRIORITY": 150,
    "AUTH_PASS": "abcd1234",
    "VIP_ADDRESS": "10.0.0.100",
    "VIP_CIDR": 24,
    "HEALTH_PORT": 6443,
    "LB_KIND": "DR",
    "LB_ALGO": "rr",
    "REAL_SERVERS_BLOCK": "    real_server 10.0.0.1 6443 {\n    }",
}


def hooks_of(root: Path, runtime: str) -> tuple[Hook, ...]:
    index, problems = read_index((root / "manifests/index.yaml").read_bytes())
    assert index is not None, problems
    return next(one.hooks for one in index.runtimes if one.name == runtime)


def run(
    hook: str, tmp_path: Path, commands: Mapping[str, str] | None = None, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run a hook on this machine with some commands replaced; the outputs file is `outputs`."""
    for name, text in (commands or {}).items():
        path = tmp_path / "commands" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path / 'commands'}:{os.environ['PATH']}",
        "OPS_TASK_ID": "task-1",
        "OPS_RUNTIME_TYPE": "k8s",
        "OPS_WORKDIR": str(tmp_path),
        "OPS_SCRIPT_ROOT": str(tmp_path / "script"),
        "OPS_OUTPUTS": str(tmp_path / "outputs"),
        "OPSPILOT_ROOT": str(tmp_path),
    }
    return subprocess.run(
        ["bash", SCRIPT / "hooks" / hook], env=environment | variables, capture_output=True, text=True, check=False
    )


def test_the_k8s_hooks_are_the_contract_s_in_its_order() -> None:
    hooks = hooks_of(SCRIPT, "k8s")
    assert [hook.name for hook in hooks if hook.name != "rollback.sh"] == list(CONTRACT)
    found = {hook.name: (hook.timeout.total_seconds(), hook.max_retries, hook.run_on) for hook in hooks}
    assert {name: found[name] for name in CONTRACT} == CONTRACT


@pytest.mark.parametrize("root", [SCRIPT, SANDBOX], ids=["script", "sandbox"])
@pytest.mark.parametrize("runtime", ["k8s", "compose"])
def test_each_hook_is_there_and_strict(root: Path, runtime: str) -> None:
    for hook in hooks_of(root, runtime):
        text = (root / hook.path).read_text()
        assert text.startswith("#!/usr/bin/env bash\n")
        assert "\nset -euo pipefail\n" in text
        assert os.access(root / hook.path, os.X_OK)


@pytest.mark.parametrize("hook", sorted(INSTALLING | NETWORK))
def test_what_is_not_available_fails_and_says_so_and_changes_nothing(hook: str, tmp_path: Path) -> None:
    done = run(hook, tmp_path)
    assert done.returncode == 78
    assert "result=not_available" in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_preflight_fails_with_every_error_named(tmp_path: Path) -> None:
    uname = 'case "$1" in -r) echo 4.18.0-553.el8;; -m) echo aarch64;; *) echo Linux;; esac'
    done = run("preflight.sh", tmp_path, {"uname": uname, "df": "printf ' Avail\\n    3G\\n'"})
    assert done.returncode == 1
    assert "[ERROR] check=kernel result=too_old kernel=4.18.0-553.el8 min=4.19" in done.stderr
    assert "[ERROR] check=arch result=aarch64" in done.stderr
    assert "[ERROR] check=disk result=too_small path=/var/lib gib=3 min_gib=10" in done.stderr
    assert "[ERROR] check=bundle result=missing file=bin/linux-amd64/kubeadm" in done.stderr
    errors = sum(line.startswith("[ERROR]") for line in done.stderr.splitlines())
    assert (tmp_path / "outputs").read_text().startswith(f"preflight_summary=errors:{errors},")


@pytest.mark.parametrize(
    ("release", "fits"), [("4.19", True), ("4.19.0-27-amd64", True), ("4.9.1", False), ("5.4", True)]
)
def test_preflight_compares_kernels_as_versions(tmp_path: Path, release: str, *, fits: bool) -> None:
    done = run("preflight.sh", tmp_path, {"uname": f'[ "$1" != -r ] || echo {release}'})
    assert (f"[INFO] check=kernel result=ok kernel={release}" in done.stdout) is fits


def test_preflight_finds_what_is_there_and_a_port_in_use(tmp_path: Path) -> None:
    import socket

    folder = tmp_path / "script/bin/linux-amd64"
    folder.mkdir(parents=True)
    (folder / "kubelet").write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = (SCRIPT / "hooks/preflight.sh").read_text().replace("NODE_PORTS=(10250)", f"NODE_PORTS=({port})")
        (tmp_path / "preflight.sh").write_text(text)
        taken = run(str(tmp_path / "preflight.sh"), tmp_path)
    free = run(str(tmp_path / "preflight.sh"), tmp_path)
    assert f"[ERROR] check=port result=in_use port={port}" in taken.stderr
    assert f"[INFO] check=port result=ok port={port}" in free.stdout
    assert "[INFO] check=bundle result=ok file=bin/linux-amd64/kubelet" in free.stdout


def test_preflight_succeeds_only_without_errors(tmp_path: Path) -> None:
    text = (SCRIPT / "hooks/preflight.sh").read_text()
    (tmp_path / "quiet.sh").write_text(
        text.replace("\ncheck_machine\ncheck_tools\n", "\n").replace("check_k8s ;;", ":;;")
    )
    assert run(str(tmp_path / "quiet.sh"), tmp_path).returncode == 0
    assert run(str(tmp_path / "quiet.sh"), tmp_path, OPS_RUNTIME_TYPE="nomad").returncode == 1


@pytest.mark.parametrize("runtime", ["k8s", "compose"])
def test_verification_fails_where_nothing_is_installed(tmp_path: Path, runtime: str) -> None:
    missing = dict.fromkeys(("systemctl", "docker", "kubectl"), "echo inactive; exit 3")
    done = run("post-install-verify.sh", tmp_path, missing, OPS_RUNTIME_TYPE=runtime)
    assert done.returncode == 1
    assert 'result=failed said="inactive ' in done.stderr
    assert not (tmp_path / "outputs").read_text().endswith("errors:0\n")


def test_verification_succeeds_where_every_part_answers(tmp_path: Path) -> None:
    there = dict.fromkeys(("systemctl", "docker"), "exit 0")
    done = run("post-install-verify.sh", tmp_path, there, OPS_RUNTIME_TYPE="compose")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "outputs").read_text() == "verify_summary=errors:0\n"


def test_rollback_says_that_there_was_nothing(tmp_path: Path) -> None:
    done = run("rollback.sh", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "outputs").read_text() == "rollback_result=nothing_to_take_back\n"


def test_the_keepalived_template_takes_every_name_of_the_contract() -> None:
    optional = {
        "ADVERT_INT": 1,
        "UNICAST_SRC_IP": "10.0.0.1",
        "UNICAST_PEERS_BLOCK": "        10.0.0.2",
        "GARP_MASTER_DELAY": 3,
        "GARP_MASTER_REPEAT": 4,
        "NOTIFY_MASTER_CMD": "/bin/true",
    }
    source = (SCRIPT / "templates/lvs/keepalived.conf.tpl").read_text()
    template = jinja2.Environment(autoescape=False).from_string(source)  # noqa: S701 - not HTML
    full, least = template.render(KEEPALIVED | optional), template.render(KEEPALIVED)
    assert all(str(value) in full for value in (KEEPALIVED | optional).values())
    assert "10.0.0.100/24 dev eth0" in least
    assert "unicast" not in least
    assert "notify_master" not in least
    assert full.count("{") == full.count("}") == least.count("{") + 1
