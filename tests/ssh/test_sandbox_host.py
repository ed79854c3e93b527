"""The sandbox host itself: what it starts it ends, and nothing else."""

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.app.clock import SystemClock
from reconciler.errors import Rejected
from reconciler.sandbox.hosts import SandboxHost, new_login
from reconciler.secret import Secret
from reconciler.ssh.identity import Address, HostKey
from reconciler.ssh.session import Session
from tests.ssh.hostile import QUICK

SOON = timedelta(seconds=10)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SandboxHost]:
    with SandboxHost(tmp_path / "host") as started:
        yield started


def session_to(host: SandboxHost) -> Session:
    private, public = new_login()
    host.authorize(public)
    return session_with(host, private)


def session_with(host: SandboxHost, private: Secret) -> Session:
    address = Address("box", host.address, host.user, HostKey.parse(host.host_key), host.port)
    return Session(address, private, SystemClock(), QUICK)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_stopping_ends_detached_processes_and_only_its_own(host: SandboxHost) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        session = session_to(host)
        output = session.run("setsid sleep 60 </dev/null >/dev/null 2>&1 & echo $!", timeout=SOON)
        pid = int(output.stdout)
        assert lives(pid)
        host.stop()
        try:
            assert not lives(pid)
            assert lives(other.pid)
            assert lives(os.getpid())
        finally:
            other.kill()
    session.close()


def test_a_cut_ends_connections_and_not_processes(host: SandboxHost) -> None:
    session = session_to(host)
    pid = int(session.run("sleep 60 </dev/null >/dev/null 2>&1 & echo $!", timeout=SOON).stdout)
    host.cut()
    assert lives(pid)
    assert session.run("echo back", timeout=SOON).stdout == b"back\n"
    session.close()


def test_it_comes_back_with_its_port_its_key_and_its_files(host: SandboxHost) -> None:
    before = (host.port, host.host_key)
    (host.root / "kept").write_text("x")
    host.stop()
    host.start()
    session = session_to(host)
    assert (host.port, host.host_key) == before
    assert session.run('cat "$OPSPILOT_ROOT/kept"', timeout=SOON).stdout == b"x"
    session.close()


def test_each_has_an_identity_of_its_own(tmp_path: Path, host: SandboxHost) -> None:
    session = session_to(host)
    with SandboxHost(tmp_path / "second") as second:
        other = session_to(second)
        ids = [one.run("cat /etc/machine-id", timeout=SOON).stdout for one in (session, other, session)]
        other.close()
    session.close()
    assert len(ids[0]) == 33
    assert ids[0] == ids[2] != ids[1]
    assert host.host_key != second.host_key


def test_nobody_is_let_in_before_a_key_is_authorised(host: SandboxHost) -> None:
    private, _ = new_login()
    with pytest.raises(Rejected) as refusal:
        session_with(host, private).run("true", timeout=SOON)
    assert refusal.value.key == "ssh_auth_failed"


def test_it_listens_on_loopback_only(host: SandboxHost) -> None:
    listening = [
        line.split()[1]
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{host.port:04X}")
    ]
    assert listening == [f"0100007F:{host.port:04X}"]
