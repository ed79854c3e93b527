"""One connection: who is on the other side, and what it may do to us (threats T14, T17, T22; fault F21)."""

import socket
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import paramiko
import pytest

from reconciler.errors import Rejected, Unavailable, Untrusted
from reconciler.sandbox.hosts import new_login
from reconciler.secret import Secret
from reconciler.ssh.identity import HostKey
from tests.ssh.hostile import answering, listening, scripted

SOON = timedelta(seconds=5)


def test_a_line_answers_both_streams_and_its_code() -> None:
    with scripted(answering(b"out", b"err", 3)) as server:
        output = server.session().run("a line", timeout=SOON)
    assert (output.stdout, output.stderr, output.exit_code, output.dropped) == (b"out", b"err", 3, 0)
    assert server.lines == [b"a line"]


def test_stdin_arrives_whole_while_the_far_side_writes() -> None:
    def echo(channel: paramiko.Channel, command: bytes) -> None:
        while block := channel.recv(1 << 15):
            channel.sendall(block)
        channel.send_exit_status(0)
        channel.close()

    sent = [bytes([number]) * 400_000 for number in range(20)]
    with scripted(echo) as server:
        output = server.session().run("cat", stdin=sent, timeout=timedelta(seconds=30), keep=1 << 30)
    assert output.stdout == b"".join(sent)


def test_t22_nobody_logs_in_before_the_host_proved_the_pinned_key() -> None:
    with scripted(answering()) as server:
        with pytest.raises(Untrusted) as refusal:
            server.session(host_key=HostKey.parse(new_login()[1])).run("x", timeout=SOON)
        assert refusal.value.key == "ssh_auth_failed"
        assert (server.logins, server.lines) == (0, [])
        server.session().run("x", timeout=SOON)
        assert server.logins > 0


def test_t22_of_several_host_keys_the_pinned_one_is_asked_for() -> None:
    second = paramiko.RSAKey.generate(2048)
    with scripted(answering()) as server:
        server.more_keys.append(second)
        pinned = HostKey.parse(f"ssh-rsa {second.get_base64()}")
        assert server.session(host_key=pinned).run("x", timeout=SOON).exit_code == 0
        assert server.session().run("x", timeout=SOON).exit_code == 0


def test_t22_no_agent_and_no_key_file_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, _ = new_login()
    folder = tmp_path / ".ssh"
    folder.mkdir()
    asked = threading.Event()
    with scripted(answering()) as server, socket.socket(socket.AF_UNIX) as agent:
        (folder / "id_ed25519").write_text(server.private_key.reveal())
        (folder / "id_ed25519").chmod(0o600)
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        threading.Thread(target=lambda: _accepted(agent, asked), daemon=True).start()
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        with pytest.raises(Rejected) as refusal:
            server.session(private_key=private).run("x", timeout=SOON)
    assert refusal.value.key == "ssh_auth_failed"
    assert not asked.is_set()


def _accepted(agent: socket.socket, asked: threading.Event) -> None:
    with suppress(OSError):
        agent.accept()
        asked.set()


def test_f21_a_full_sshd_is_tried_again() -> None:
    with scripted(answering(b"at last")) as server:

        def full_twice(link: socket.socket, number: int) -> None:
            if number < 2:
                link.close()
                return
            far = socket.create_connection(("127.0.0.1", server.port))
            for source, sink in ((link, far), (far, link)):
                threading.Thread(target=_pipe, args=(source, sink), daemon=True).start()

        with listening(full_twice) as port:
            assert server.session(port=port).run("x", timeout=SOON).stdout == b"at last"


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(1 << 14):
            sink.sendall(block)
    sink.close()


@pytest.mark.parametrize(
    "greeting",
    [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 5000, b"SSH-2.0-x\r\n" + b"\xff" * 5000, b"SSH-1.5-old\r\n"],
)
def test_f21_what_does_not_speak_ssh_is_unavailable_after_some_tries(
    greeting: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    seen = []
    caplog.set_level(0)

    def greet(link: socket.socket, number: int) -> None:
        seen.append(number)
        link.sendall(greeting)
        link.close()

    with scripted(answering()) as server, listening(greet) as port, pytest.raises(Unavailable) as refusal:
        server.session(port=port).run("x", timeout=SOON)
    assert refusal.value.key == "ssh_unreachable"
    assert len(seen) == 3
    assert caplog.records == []  # what a stranger said goes into no log


def test_f21_a_tarpit_is_left_in_time() -> None:
    kept = []
    with scripted(answering()) as server, listening(lambda link, _: kept.append(link)) as port:
        session = server.session(port=port)
        with pytest.raises(Unavailable) as refusal:
            session.run("x", timeout=SOON)
    assert refusal.value.key == "ssh_unreachable"
    assert len(kept) < 3  # a slow one is not tried as often as one that hangs up


def test_t14_a_flood_is_read_counted_and_not_kept() -> None:
    def flood(channel: paramiko.Channel, command: bytes) -> None:
        for _ in range(600):
            channel.sendall(b"x" * 50_000)
            channel.sendall_stderr(b"y" * 5_000)
        channel.send_exit_status(0)
        channel.close()

    with scripted(flood) as server:
        output = server.session().run("x", timeout=timedelta(seconds=60), keep=100_000)
    assert len(output.stdout) == len(output.stderr) == 100_000
    assert output.dropped == 600 * 55_000 - 200_000


@pytest.mark.parametrize("drip", [True, False])
def test_t14_a_line_without_end_is_given_up(drip: bool) -> None:  # noqa: FBT001
    over = threading.Event()

    def endless(channel: paramiko.Channel, command: bytes) -> None:
        while not over.wait(0.05):
            if drip:
                channel.sendall(b".")

    with scripted(endless) as server:
        with pytest.raises(Unavailable, match="no end in time"):
            server.session().run("x", timeout=timedelta(seconds=0.5))
        over.set()


def test_a_lost_connection_is_said_and_the_next_call_makes_another() -> None:
    def vanish(channel: paramiko.Channel, command: bytes) -> None:
        if len(server.lines) == 1:
            assert channel.recv(1) == b""  # the client knows that the line began
            server.cut()
        else:
            answering(b"again")(channel, command)

    with scripted(vanish) as server:
        session = server.session()
        with pytest.raises(Unavailable, match="connection was lost"):
            session.run("x", timeout=SOON)
        assert session.run("x", timeout=SOON).stdout == b"again"


def test_an_end_without_a_code_is_no_success() -> None:
    def leave(channel: paramiko.Channel, command: bytes) -> None:
        assert channel.recv(1) == b""
        channel.close()

    with scripted(leave) as server, pytest.raises(Unavailable):
        server.session().run("x", timeout=SOON)


def test_t14_the_server_is_granted_nothing_that_it_asks_for() -> None:
    granted: list[str] = []

    def ask_back(channel: paramiko.Channel, command: bytes) -> None:
        transport = channel.get_transport()
        for kind in ("session", "x11", "auth-agent@openssh.com", "forwarded-tcpip"):
            with suppress(paramiko.SSHException):
                transport.open_channel(kind, src_addr=("127.0.0.1", 1), dest_addr=("127.0.0.1", 1), timeout=2)
                granted.append(kind)
        answering()(channel, command)

    with scripted(ask_back) as server:
        server.session().run("x", timeout=timedelta(seconds=20))
    assert granted == []


@pytest.mark.parametrize("text", ["", "canary-5b", "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary-5b\n"])
def test_t17_an_unusable_private_key_is_told_without_quoting_it(text: str) -> None:
    with scripted(answering()) as server, pytest.raises(Rejected) as refusal:
        server.session(private_key=Secret(text)).run("x", timeout=SOON)
    assert refusal.value.key == "ssh_auth_failed"
    assert "canary" not in f"{refusal.value} {refusal.value.__cause__} {refusal.value.__context__}"


def test_only_the_named_user_is_logged_in() -> None:
    with scripted(answering()) as server, pytest.raises(Rejected):
        server.session(user="root").run("x", timeout=SOON)


def test_calls_share_one_login_until_it_is_lost() -> None:
    with scripted(answering()) as server:
        session = server.session()
        for _ in range(3):
            session.run("x", timeout=SOON)
        assert server.logins == 1
        server.cut()
        session.run("x", timeout=SOON)
        assert server.logins == 2
