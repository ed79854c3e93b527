"""The whole story on embedded parts, for `reconciler demo`: installing, a release, the timeline, refusals, a failure.

Knows the order of the steps and how everything ends. The rule: exit code 0 only when every expectation held, and
whatever happens (a broken step, Ctrl-C, a defect) every server and process is ended, and the folder is gone unless it
was asked to stay.
"""

import contextlib
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reconciler.app.clock import SystemClock
from reconciler.errors import ReconcilerError
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.sandbox.story_acts import install, release, timeline
from reconciler.sandbox.story_refusals import failure, refusals
from reconciler.sandbox.story_screen import INDENT, Broken, Check, Screen
from reconciler.sandbox.story_stage import Stage

INTERRUPTED = 130  # what a shell shows after Ctrl-C


@dataclass(frozen=True, slots=True)
class Act:
    """One step of the story."""

    title: str
    play: Callable[[Stage, Screen], None]


ACTS = (
    Act("From bare hosts to a running service", install),
    Act("A release is a pull request", release),
    Act("git log is the timeline", timeline),
    Act("What is refused, and held", refusals),
    Act("A release that fails goes back by itself", failure),
)


def play(
    *,
    keep: bool,
    pace: float,
    console: Console | None = None,
    make_cluster: Callable[[], SandboxCluster] = SandboxCluster,
) -> int:
    """Play it; the exit code. `pace`: seconds between two steps. `keep`: leave the folder for a look afterwards."""
    console = console or Console(highlight=False)
    begun = SystemClock()
    start = begun.now()
    folder = Path(tempfile.mkdtemp(prefix="reconciler-demo-"))
    stage = Stage(folder, make_cluster)
    screen = Screen(console, stage.clock, timedelta(seconds=pace))
    broke: str | None = "it did not end"
    with _signals(stage):
        try:
            _open(screen, folder)
            for number, act in enumerate(ACTS, 1):
                screen.begin(number, act.title)
                act.play(stage, screen)
            broke = None
        except (Broken, ReconcilerError) as error:
            broke = error.message if isinstance(error, ReconcilerError) else str(error)
        except KeyboardInterrupt:
            broke = "it was interrupted"
        finally:
            with _undisturbed():
                stage.world.close()
                if not keep:
                    shutil.rmtree(folder)
                _end(screen, folder, broke, keep=keep)
    console.print(Text(f"{' ' * INDENT}{(begun.now() - start).total_seconds():.0f} seconds.", "dim"))
    if stage.clock.stopping:
        return INTERRUPTED
    return 0 if broke is None and all(check.held for check in screen.checks) else 1


def _open(screen: Screen, folder: Path) -> None:
    screen.console.print()
    screen.show(Text("reconciler: from bare hosts to running releases, by pull request", "bold cyan"))
    screen.say(
        "Everything below happens now: real Git, real SSH, real hooks, and a small Kubernetes API, all on this "
        f"machine's loopback and in {folder}. `NAME $` is what a person types."
    )


def _end(screen: Screen, folder: Path, broke: str | None, *, keep: bool) -> None:
    """What was seen, and what is left."""
    step = screen.step
    left = processes(folder)
    seen = f"{len(left)} processes, folder {'kept' if keep else 'there' if folder.exists() else 'gone'}"
    screen.checks.append(Check(len(ACTS) + 1, "nothing is left behind", seen, not left and folder.exists() == keep))
    screen.begin(len(ACTS) + 1, "What was seen")
    screen.show(_table(screen.checks))
    if broke is not None:
        screen.show(Text(f"step {step} broke: {broke}", "bold red"))
    if keep:
        screen.say("The servers have ended, and the history is here:")
        screen.types("you", f"cd {folder}")
        screen.types("you", "git -C origin.git log reconciler/audit")
        for command in ("timeline --release svc-a", "task list", "audit verify"):
            screen.types("you", f"reconciler {command} --config reconciler/reconciler.toml")


def _table(checks: list[Check]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("step", "expected", "seen", "ok"):
        table.add_column(column)
    for check in checks:
        mark = Text("yes", "green") if check.held else Text("NO", "bold red")
        table.add_row(str(check.step), Text(check.expected), Text(check.seen), mark)
    return table


def processes(folder: Path) -> tuple[int, ...]:
    """Ids of processes whose environment or arguments name the folder; not this one."""
    mark = str(folder).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(Path("/proc/self").readlink()):
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return tuple(found)


@contextlib.contextmanager
def _signals(stage: Stage) -> Iterator[None]:
    """Ctrl-C, and being told to end, wake whoever waits and end the story in order."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        stage.clock.stop()
        raise KeyboardInterrupt

    with _handled(interrupt):
        yield


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not stop the cleaning up."""
    with _handled(signal.SIG_IGN):
        yield


@contextlib.contextmanager
def _handled(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
