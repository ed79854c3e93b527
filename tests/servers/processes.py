"""Programs that must not outlive the run that started them, and the one place where a test waits.

Three guards, because a run may itself be killed: `kill()` on the way out; the kernel's parent-death signal when this
process dies without one; and a note of every process on disk, swept by the next run for whatever escaped both.
A process is told by its number *and* its start time, since numbers are used again. Nothing is ever ended by name.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

SHARED = Path("/tmp")
POLL_SECONDS = 0.03
STOP_SECONDS = 60.0
LOG_TAIL_CHARACTERS = 2000

# The parent-death signal follows the *thread* that forked, not its process: a server started by a test's short-lived
# thread would die with it. So one thread, which lives as long as the interpreter, forks them all.
_forking_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="test-servers-fork")


class StartFailed(Exception):
    """A server did not come up; the message ends with what its log says."""


def wait_until(reached: Callable[[], bool], what: str, seconds: float, alive: Sequence["Program"] = ()) -> None:
    """Raises StartFailed after `seconds`, or at once when a program that it depends on has ended."""
    deadline = time.monotonic() + seconds
    while not reached():
        for program in alive:
            if not program.running:
                raise StartFailed(f"waiting for {what}: {program.name} ended: {program.log_tail()}")
        if time.monotonic() > deadline:
            logs = "; ".join(f"{program.name} says {program.log_tail()}" for program in alive)
            raise StartFailed(f"waiting for {what}: not within {seconds:g} s: {logs}")
        time.sleep(POLL_SECONDS)  # noqa: TID251 - real programs do not live by our clock


class Program:
    """A running child process with its log file."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._note = _note_folder() / str(process.pid)

    @classmethod
    def start(cls, argv: Sequence[str | Path], log: Path, environment: Mapping[str, str]) -> Self:
        program = _forking_thread.submit(cls._fork, [str(part) for part in argv], log, environment).result()
        program._write_note()
        return program

    @classmethod
    def _fork(cls, argv: list[str], log: Path, environment: Mapping[str, str]) -> Self:
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # ctrl-c at the test run must not reach a server before its fixture ends it
            )
        return cls(Path(argv[0]).name, process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]

    def pause(self) -> None:
        """Returns when every thread has stopped: the signal by itself takes effect some time later."""
        self._process.send_signal(signal.SIGSTOP)
        wait_until(self._stopped, f"{self.name} to stop", STOP_SECONDS)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """At once: what it holds is thrown away anyway, and kube-apiserver asked politely takes more than 10 s."""
        self._process.kill()
        self._process.wait()
        self._note.unlink(missing_ok=True)

    def _stopped(self) -> bool:
        threads = Path(f"/proc/{self.pid}/task").glob("*/stat")
        return all(_stat_fields(thread)[0] == "T" for thread in threads)

    def _write_note(self) -> None:
        note = {"started": start_time(self.pid), "owner": os.getpid(), "owner_started": start_time(os.getpid())}
        self._note.write_text(json.dumps(note))


def start_time(pid: int) -> int | None:
    """Ticks since boot, or None when there is no such process (proc(5), /proc/pid/stat, field 22)."""
    try:
        fields = _stat_fields(Path(f"/proc/{pid}/stat"))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


def _stat_fields(stat: Path) -> list[str]:
    """From the third, the state, on: the second is the name, which may itself hold blanks and parentheses."""
    return stat.read_text().rpartition(")")[2].split()


def kill_escaped() -> None:
    """End every noted process whose run is gone."""
    for note in _note_folder().iterdir():
        try:
            noted = json.loads(note.read_text())
        except (FileNotFoundError, json.JSONDecodeError):  # another run removes it, or writes it just now
            continue
        if start_time(noted["owner"]) == noted["owner_started"]:
            continue
        pid = int(note.name)
        if noted["started"] is not None and start_time(pid) == noted["started"]:
            os.kill(pid, signal.SIGKILL)
        note.unlink(missing_ok=True)


def state_folder() -> Path:
    """What concurrent runs on this machine must know of each other: neither the cache's place nor TMPDIR, which may
    differ between them, decides where it is."""
    folder = SHARED / f"reconciler-tests-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise StartFailed(f"using {folder}: it belongs to another user")
    return folder


def _note_folder() -> Path:
    folder = state_folder() / "processes"
    folder.mkdir(exist_ok=True)
    return folder
