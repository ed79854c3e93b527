"""The only place that starts `git`.

Knows how to start it so that nothing but our arguments decides what it does: no configuration of the machine, no
hooks, no other protocol than the remote's, no submodules, no prompts, objects checked on arrival, deadlines and caps
(threats T11, T12). Knows nothing of what the commands mean. The rule: the token travels in the environment of one
short-lived child, bound to one origin, and redirects are not followed (T21).
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import Rejected, Unavailable
from reconciler.git.outcry import UNREACHABLE, failure, speaks_of_a_refused_token
from reconciler.git.remote import Remote

SHORT = 60.0  # seconds for what works on local objects
LONG = 900.0  # seconds for a fetch, a push or a full check
CAP = 64 * 1024 * 1024  # bytes of an answer
CAP_OF_ERRORS = 256 * 1024

_SAFE: dict[str, str] = {
    "core.hooksPath": "/dev/null",
    "core.attributesFile": "/dev/null",
    "core.fsmonitor": "false",
    "core.fsync": "committed",
    "core.askPass": "",
    "credential.helper": "",
    "fetch.fsckObjects": "true",
    "transfer.fsckObjects": "true",
    "receive.fsckObjects": "true",
    "receive.autogc": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "push.recurseSubmodules": "no",
    "push.gpgSign": "false",
    "transfer.bundleURI": "false",
    "protocol.version": "2",
    "http.followRedirects": "false",
    "http.sslVerify": "true",
    "http.lowSpeedLimit": "1000",  # bytes a second ...
    "http.lowSpeedTime": "30",  # ... below which for so many seconds a transfer is given up
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a child said: exit code, output, and its complaints as printable text without secrets."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """The output as stripped text."""
        return self.out.decode(errors="replace").strip()


@dataclass(frozen=True, slots=True)
class Transport:
    """Starts git with a private home folder, which it makes on first use."""

    home: Path

    def run(
        self,
        arguments: Sequence[str],
        *,
        directory: Path | None = None,
        remote: Remote | None = None,
        allowed: Sequence[int] = (0,),
        timeout: float = SHORT,
        hold: Sequence[int] = (),
    ) -> Answer:
        """Run `git ARGUMENTS` in a bare repository, or in none.

        `remote` opens exactly its protocol and lends its credentials. `hold` are file descriptors that the child keeps
        open, so that a lock outlives us as long as the child does. Raises by what git complained about (outcry.py) when
        the exit code is not `allowed`.
        """
        settings = {**_SAFE, "protocol.allow": "never"}  # `-c` wins over what the repository itself configures
        if remote:
            settings |= {f"protocol.{remote.scheme}.allow": "always"}
            if remote.ca_file:
                settings["http.sslCAInfo"] = str(remote.ca_file)
        command = ["git", *(part for item in settings.items() for part in ("-c", "=".join(item)))]
        command += [f"--git-dir={directory}"] if directory else []
        words = [*command, *arguments]
        answer = self._once(words, arguments[0], remote, timeout, hold)
        if answer.code and remote and remote.token and speaks_of_a_refused_token(answer.err) and remote.token.renew():
            answer = self._once(words, arguments[0], remote, timeout, hold)
        if answer.code not in allowed:
            raise failure(arguments[0], answer.code, answer.err, remote)
        return answer

    def _once(
        self, words: Sequence[str], command: str, remote: Remote | None, timeout: float, hold: Sequence[int]
    ) -> Answer:
        started = _start(words, self._environment(remote), self.home / "empty", hold)
        answer = _collect(started, timeout, command, away=UNREACHABLE if remote else None)
        if remote and remote.token:
            return Answer(answer.code, answer.out, remote.token.scrub(answer.err))
        return answer

    def _environment(self, remote: Remote | None) -> dict[str, str]:
        empty = self.home / "empty"
        config = self.home / "gitconfig"
        if not config.exists():
            self._make_home(empty, config)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(empty),
            "LC_ALL": "C",
            # Ours, and not /dev/null, because git drops `-c` on the way to the receive-pack of a local repository.
            "GIT_CONFIG_GLOBAL": str(config),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
        }
        if remote and remote.scheme == "ssh":
            environment |= {"GIT_SSH_COMMAND": remote.ssh_command(), "GIT_SSH_VARIANT": "ssh"}
        if remote and remote.token:
            environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"http.{remote.origin}.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: {remote.token.authorization()}",
            }
        return environment

    def _make_home(self, empty: Path, config: Path) -> None:
        sections: dict[str, list[str]] = {}
        for name, value in _SAFE.items():
            section, _, key = name.partition(".")
            sections.setdefault(section, []).append(f'\t{key} = "{value}"\n')
        text = "".join(f"[{section}]\n{''.join(lines)}" for section, lines in sections.items())
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            empty.mkdir(mode=0o700, exist_ok=True)
            unfinished = config.with_name(f"gitconfig.{os.getpid()}.{id(sections)}")
            unfinished.write_text(text)
            unfinished.replace(config)
        except OSError as error:
            raise Unavailable(f"making git's home {self.home}: {error}") from error


def _start(
    command: Sequence[str], environment: dict[str, str], folder: Path, hold: Sequence[int]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=folder,
            pass_fds=tuple(hold),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise Unavailable(f"starting git: {error}", hint="install git 2.38 or newer beside the reconciler") from error


def _collect(child: subprocess.Popen[bytes], timeout: float, what: str, *, away: str | None = None) -> Answer:
    assert child.stdout  # noqa: S101  both are pipes
    assert child.stderr  # noqa: S101
    deadline = time.monotonic() + timeout
    kept: dict[int, bytearray] = {child.stdout.fileno(): bytearray(), child.stderr.fileno(): bytearray()}
    out, err = kept
    try:
        with selectors.DefaultSelector() as selector:
            for descriptor in kept:
                selector.register(descriptor, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise Unavailable(f"running git {what}: no end after {timeout:.0f} seconds", key=away)
                for key, _ in ready:
                    chunk = os.read(key.fd, 65536)
                    if not chunk:
                        selector.unregister(key.fd)
                    elif key.fd == out and len(kept[out]) + len(chunk) > CAP:
                        raise Rejected(f"running git {what}: the answer is larger than {CAP} bytes")
                    elif len(kept[key.fd]) < (CAP if key.fd == out else CAP_OF_ERRORS):
                        kept[key.fd] += chunk
        code = child.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"running git {what}: no end after {timeout:.0f} seconds", key=away) from error
    finally:
        _end(child)
    return Answer(code, bytes(kept[out]), kept[err].decode(errors="replace"))


def _end(child: subprocess.Popen[bytes]) -> None:
    """Whatever happened, nothing of this child's session stays behind; git starts helpers in the same session."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    for pipe in (child.stdout, child.stderr):
        if pipe:
            pipe.close()
