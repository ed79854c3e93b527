"""The runner's frame and what each refusal means, against servers that answer anything."""

import base64
import re
import shutil
import subprocess
from datetime import timedelta

import paramiko
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ReconcilerError, Refused, Rejected, Unavailable, Untrusted
from reconciler.ssh.command import line, program_line
from reconciler.ssh.runner import REFUSALS, Answer, Runner, program
from tests.ssh.hostile import Answer as Answering
from tests.ssh.hostile import answering, scripted

SOON = timedelta(seconds=5)


def nonce_of(channel: paramiko.Channel) -> bytes:
    """What a far side reads of the request."""
    content = b""
    while content.count(b"\0") < 2:
        content += channel.recv(1 << 15)
    return content[len(program()) :].split(b"\0")[0]


def framed(body: bytes, before: bytes = b"", after: bytes = b"") -> Answering:
    def answer(channel: paramiko.Channel, command: bytes) -> None:
        nonce = nonce_of(channel)
        begin, end = b"\nopspilot-begin " + nonce + b"\n", b"opspilot-end " + nonce + b"\n"
        answering(before + begin + body + end + after)(channel, command)

    return answer


def asked(answer: Answering) -> Answer:
    with scripted(answer) as server:
        return Runner(server.session()).ask("facts", ("a",), timeout=SOON)


def test_an_answer_counts_with_noise_around_it() -> None:
    answer = asked(framed(b"state=ok\nfact=a\nfact=b\n", before=b"Last login: today", after=b"logout\n"))
    assert answer.text("state") == "ok"
    assert answer.all("fact") == (b"a", b"b")


@pytest.mark.parametrize(
    "stdout",
    [b"", b"state=ok\n", b"\nopspilot-begin 0123\nstate=ok\nopspilot-end 0123\n", b"\x1b[2J" * 1000],
)
def test_t14_an_answer_without_this_request_s_nonce_is_none(stdout: bytes) -> None:
    with pytest.raises(Unavailable) as refusal:
        asked(answering(stdout))
    assert refusal.value.key == "ssh_unreachable"
    assert "\x1b" not in str(refusal.value)


def test_an_answer_that_was_cut_is_none() -> None:
    def cut(channel: paramiko.Channel, command: bytes) -> None:
        answering(b"\nopspilot-begin " + nonce_of(channel) + b"\nstate=ok\n")(channel, command)

    with pytest.raises(Unavailable):
        asked(cut)


@pytest.mark.parametrize(
    ("stderr", "code", "key"),
    [
        (b"sudo: a password is required\n", 1, "permission_denied"),
        (b"bash: env: command not found\n", 127, "preflight_failed"),
    ],
)
def test_a_host_that_cannot_run_us_is_told_apart(stderr: bytes, code: int, key: str) -> None:
    with pytest.raises(Rejected) as refusal:
        asked(answering(b"", stderr, code))
    assert refusal.value.key == key


@pytest.mark.parametrize("reason", sorted(REFUSALS))
def test_each_refusal_has_a_kind_a_key_and_the_host_s_words(reason: str) -> None:
    said = base64.b64encode(b"what was \x1b[2J seen")
    with pytest.raises(ReconcilerError) as refusal:
        asked(framed(b"state=refused\nreason=" + reason.encode() + b"\nmessage=" + said + b"\n"))
    assert type(refusal.value) is REFUSALS[reason].kind
    assert refusal.value.key == REFUSALS[reason].key
    assert "what was \\u001b[2J seen" in refusal.value.message


def test_the_runner_gives_no_reason_that_is_unknown_here() -> None:
    said = set(re.findall(r"\brefuse ([a-z_]+)(?= [\"$]|$)", program().decode(), re.MULTILINE))
    assert said <= REFUSALS.keys()
    assert said >= {"older_generation", "busy", "hook_changed", "content_differs"}


def test_refusals_tell_what_the_loop_does_next() -> None:
    kinds = {reason: refusal.kind for reason, refusal in REFUSALS.items()}
    assert kinds["older_generation"] is Refused
    assert kinds["busy"] is Unavailable
    assert kinds["content_differs"] is kinds["hook_changed"] is Untrusted


def test_t15_the_line_is_the_same_whatever_is_asked() -> None:
    with scripted(framed(b"state=ok\n")) as server:
        runner = Runner(server.session())
        for value in ("x", "$(touch y)", "'; rm -rf /", "canary-secret"):
            runner.ask("facts", (value,), timeout=SOON)
    assert len(set(server.lines)) == 1
    assert server.lines[0].decode() == program_line(len(program()), become=True)
    assert server.lines[0].startswith(b"sudo -n -- env LC_ALL=C bash -c ")


def test_without_become_there_is_no_sudo() -> None:
    assert program_line(7, become=False).startswith("env LC_ALL=C bash -c ")


def test_a_nul_never_travels() -> None:
    with scripted(framed(b"state=ok\n")) as server, pytest.raises(Rejected, match="NUL"):
        Runner(server.session()).ask("facts", ("a\0b",), timeout=SOON)
    with pytest.raises(ValueError, match="NUL"):
        line(("a\0b",))


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), min_size=1))
def test_t15_a_quoted_line_is_read_as_exactly_these_words(words: list[str]) -> None:
    printed = subprocess.run(["sh", "-c", line(("printf", "%s\\0", *words))], capture_output=True, check=True).stdout
    assert printed == b"".join(word.encode() + b"\0" for word in words)


def test_the_program_is_plain_ascii_that_bash_accepts() -> None:
    assert program().isascii()
    bash = shutil.which("bash")
    assert bash is not None
    assert subprocess.run([bash, "-n"], input=program(), check=False).returncode == 0
