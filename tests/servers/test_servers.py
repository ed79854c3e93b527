"""The servers that other tests stand on, tested themselves: a wrong fixture would make those tests prove nothing."""

import base64
import io
import os
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import paramiko
import pytest

from tests.servers import network
from tests.servers.apiserver import ADMIN_USER, LIMITED_USER, ApiServer
from tests.servers.availability import apiserver_lacks, hosts_lack
from tests.servers.cache import cache_folder
from tests.servers.hosts import Host, HostLab
from tests.servers.pki import loopback_certificate, ssh_key
from tests.servers.processes import start_time, wait_until

pytestmark = pytest.mark.real

PROJECT = Path(__file__).parents[2]
SECONDS = 120.0


def ask(server: ApiServer, path: str, token: str) -> httpx.Response:
    trust = ssl.create_default_context(cadata=server.ca_pem)
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{server.endpoint}{path}", headers=headers, verify=trust, trust_env=False, timeout=2)


def test_a_request_is_answered_and_counted_once_in_the_audit_log(real_apiserver: ApiServer) -> None:
    path = "/api/v1/namespaces/default/configmaps?labelSelector=counted"
    assert ask(real_apiserver, path, real_apiserver.admin_token).json()["kind"] == "ConfigMapList"

    def recorded() -> list[str]:
        return [record["requestURI"] for record in real_apiserver.audit_lines(ADMIN_USER)]

    wait_until(lambda: path in recorded(), "the audit record", SECONDS)
    assert recorded().count(path) == 1


def test_the_limited_user_is_known_and_may_do_nothing_yet(real_apiserver: ApiServer) -> None:
    path = "/api/v1/namespaces/default/secrets"
    refused = ask(real_apiserver, path, real_apiserver.limited_token)
    assert refused.status_code == httpx.codes.FORBIDDEN
    assert f'User "{LIMITED_USER}" cannot list resource "secrets"' in refused.json()["message"]
    assert ask(real_apiserver, path, "not-a-token").status_code == httpx.codes.UNAUTHORIZED


def test_a_client_that_trusts_another_ca_does_not_connect(real_apiserver: ApiServer) -> None:
    other = ssl.create_default_context(cadata=loopback_certificate().ca)
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{real_apiserver.endpoint}/version", verify=other, trust_env=False)


def test_kubectl_works_with_the_kubeconfig_and_the_controllers_do_their_work(
    real_apiserver: ApiServer, tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(real_apiserver.kubeconfig(real_apiserver.admin_token))

    def kubectl(*arguments: str) -> str:
        argv = [str(real_apiserver.kubectl), f"--kubeconfig={kubeconfig}", *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True, env={"HOME": str(tmp_path)}).stdout

    kubectl("create", "namespace", "seen-by-controllers")
    kubectl("wait", "--for=create", "--timeout=120s", "--namespace=seen-by-controllers", "serviceaccount/default")
    kubectl("delete", "namespace", "seen-by-controllers", "--timeout=120s")  # waits until its controller emptied it
    assert "seen-by-controllers" not in kubectl("get", "namespaces")


def test_the_api_goes_away_and_comes_back_with_what_was_stored(real_apiserver: ApiServer) -> None:
    path = "/api/v1/namespaces/default"
    before = ask(real_apiserver, path, real_apiserver.admin_token).json()["metadata"]["uid"]
    real_apiserver.stop_api()
    try:
        with pytest.raises(httpx.ConnectError):
            ask(real_apiserver, path, real_apiserver.admin_token)
    finally:
        real_apiserver.start_api()
    assert ask(real_apiserver, path, real_apiserver.admin_token).json()["metadata"]["uid"] == before


def test_a_paused_api_takes_the_connection_and_never_answers(real_apiserver: ApiServer) -> None:
    real_apiserver.pause()
    try:
        with pytest.raises(httpx.ConnectTimeout):  # of the TLS handshake: the kernel has taken the connection
            ask(real_apiserver, "/version", real_apiserver.admin_token)
    finally:
        real_apiserver.resume()
    assert ask(real_apiserver, "/version", real_apiserver.admin_token).is_success


def test_nothing_of_an_api_server_outlives_it(tmp_path: Path) -> None:
    skip_where(apiserver_lacks())
    with ApiServer(tmp_path) as server:
        pids = server.pids
        assert set(pids) == {"etcd", "kube-apiserver", "kube-controller-manager"}
    assert [name for name, pid in pids.items() if start_time(pid) is not None] == []


@contextmanager
def logged_in(host: Host, host_key: str | None = None) -> Iterator[paramiko.SSHClient]:
    """A strict login: the host key is pinned, and nothing of this machine's own ssh settings is read."""
    kind, _, encoded = (host_key or host.host_key).partition(" ")
    key = paramiko.Ed25519Key.from_private_key(io.StringIO(host.private_key_pem))
    with paramiko.SSHClient() as client:
        client.get_host_keys().add(host.address, kind, paramiko.Ed25519Key(data=base64.b64decode(encoded)))
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.connect(host.address, host.port, host.user, pkey=key, allow_agent=False, look_for_keys=False, timeout=1)
        yield client


def output(host: Host, command: str) -> str:
    with logged_in(host) as client:
        _, stdout, stderr = client.exec_command(command, timeout=SECONDS)
        answer = stdout.read().decode()
        assert stdout.channel.recv_exit_status() == 0, stderr.read().decode()
        return answer


def test_every_host_takes_a_strict_login_and_is_itself(real_hosts: tuple[Host, ...]) -> None:
    assert [output(host, "hostname; whoami") for host in real_hosts] == [f"{h.name}\n{h.user}\n" for h in real_hosts]


def test_a_wrong_host_key_is_refused(real_hosts: tuple[Host, ...]) -> None:
    with pytest.raises(paramiko.BadHostKeyException), logged_in(real_hosts[0], ssh_key().public):
        pass


def test_sudo_needs_no_password_and_writes_to_the_host_only(real_hosts: tuple[Host, ...]) -> None:
    first, second, _ = real_hosts
    assert output(first, "sudo -n sh -c 'id -un; touch /etc/written-by-sudo'") == "root\n"
    assert first.exec(["test", "-e", "/etc/written-by-sudo"]).returncode == 0
    assert second.exec(["test", "-e", "/etc/written-by-sudo"]).returncode == 1
    assert not Path("/etc/written-by-sudo").exists()


def test_root_in_a_host_cannot_change_the_kernel_of_this_machine(real_hosts: tuple[Host, ...]) -> None:
    before = Path("/proc/sys/kernel/panic").read_text()
    with pytest.raises(AssertionError, match="permission denied"):
        output(real_hosts[0], f"sudo -n sysctl -w kernel.panic={int(before) + 1}")
    assert Path("/proc/sys/kernel/panic").read_text() == before


def test_hosts_reach_each_other_by_name(real_hosts: tuple[Host, ...]) -> None:
    first, second, _ = real_hosts
    assert output(first, f"exec 3<>/dev/tcp/{second.name}/{second.port}; head -c 4 <&3") == "SSH-"


def test_a_power_cut_keeps_the_disk_and_loses_what_ran(real_hosts: tuple[Host, ...]) -> None:
    host = real_hosts[0]
    output(host, "sudo -n touch /var/kept /run/lost; nohup sleep 1000 > /dev/null 2>&1 &")
    host.power_cut()
    try:
        assert not host.running
        with pytest.raises(OSError):
            output(host, "true")
    finally:
        host.start()
    assert output(host, "ls -d /var/kept /run/lost 2>&1 | cat; pgrep sleep | wc -l").splitlines()[1:] == [
        "/var/kept",
        "0",
    ]


def test_a_partitioned_host_is_silent_and_runs_on(real_hosts: tuple[Host, ...]) -> None:
    host = real_hosts[1]
    host.partition()
    try:
        with pytest.raises(OSError):
            output(host, "true")
        assert host.exec(["hostname"]).stdout == f"{host.name}\n"
    finally:
        host.heal()
    assert output(host, "hostname") == f"{host.name}\n"


def test_a_systemd_host_reboots_by_itself_and_runs_enabled_units(real_systemd_hosts: tuple[Host, ...]) -> None:
    host = real_systemd_hosts[0]
    unit = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
    host.exec(["tee", "/etc/systemd/system/marked.service"], stdin=unit)
    assert host.exec(["systemctl", "enable", "--now", "marked"]).returncode == 0
    host.exec(["touch", "/run/before-the-reboot"])
    before = host.pid_one()
    output(host, "sudo -n systemctl reboot")
    host.wait_for_reboot(before)
    assert host.exec(["test", "-e", "/run/before-the-reboot"]).returncode != 0
    wait_until(lambda: host.exec(["systemctl", "is-active", "marked"]).returncode == 0, "the unit", SECONDS)
    assert output(host, "hostname") == f"{host.name}\n"


def number_of(host: Host) -> int:
    return int(host.address.split(".")[2])


@pytest.mark.parametrize("init", ["plain", "systemd"])
def test_nothing_of_a_lab_outlives_it(tmp_path: Path, init: str) -> None:
    skip_where(hosts_lack())
    with HostLab(tmp_path, 1, init) as lab:
        number = number_of(lab.hosts[0])
        pids = network.pids(f"{network.PREFIX}{number}-{lab.hosts[0].name}")
        assert network.traces(number)
        assert pids
    assert network.traces(number) == []
    assert [pid for pid in pids if start_time(pid) is not None] == []
    assert list(tmp_path.iterdir()) == []


def test_two_labs_at_once_do_not_meet(tmp_path: Path) -> None:
    skip_where(hosts_lack())
    with HostLab(tmp_path / "a", 1) as one, HostLab(tmp_path / "b", 1) as other:
        assert one.hosts[0].address != other.hosts[0].address
        assert output(one.hosts[0], "hostname") == output(other.hosts[0], "hostname")


KILLED_RUN = """
import os, signal, sys
from pathlib import Path
from tests.servers.apiserver import ApiServer
from tests.servers.hosts import HostLab
with ApiServer(Path(sys.argv[1], "api")) as server, HostLab(Path(sys.argv[1], "lab"), 1, "systemd") as lab:
    print(lab.hosts[0].address, *server.pids.values(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_leaves_no_process_and_the_next_run_sweeps_the_rest(tmp_path: Path, own_numbers: range) -> None:
    skip_where(apiserver_lacks() or hosts_lack())
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_RUN, str(tmp_path)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    address, *pids = killed.stdout.split()
    wait_until(lambda: all(start_time(int(pid)) is None for pid in pids), "the API server to die", SECONDS)
    number = int(address.split(".")[2])
    wait_until(lambda: network.pids(f"{network.PREFIX}{number}-host1") == [], "the host to die", SECONDS)
    assert network.traces(number)
    with HostLab(tmp_path / "next", 1) as lab:
        assert number_of(lab.hosts[0]) == number or network.traces(number) == []
    assert network.traces(number) == []


def test_what_bears_a_number_that_was_never_locked_here_is_left_alone(own_numbers: range) -> None:
    skip_where(hosts_lack())
    first, *others = own_numbers
    somebody = network.Switch(first)
    somebody.start()
    try:
        taken = network.take_number()
        assert taken.value in others
        assert network.traces(first)
        taken.release()
    finally:
        somebody.stop()


def test_the_builder_says_where_things_are_and_does_not_build_again() -> None:
    skip_where(apiserver_lacks() or hosts_lack())
    environment = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}  # no go: it could not build
    argv = [sys.executable, "-m", "tests.servers.build", "all"]
    said = subprocess.run(argv, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert all(str(cache_folder()) in line for line in said.stderr.splitlines())
    assert len(said.stderr.splitlines()) >= 2
    assert shutil.which("go", path=environment["PATH"]) is None


def skip_where(lacking: str | None) -> None:
    if lacking is not None:
        pytest.skip(lacking)
