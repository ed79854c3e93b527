"""`reconciler serve`: the loop of `run`, with a door for webhooks and pages for whoever watches.

Knows how the parts stand together. Rules: addresses are taken before the first look; the loop stays in the main thread
and ends the process with its own exit code; whatever else ends too early ends the loop at its next safe point, and then
the process as a failure.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import structlog

from reconciler.app.clock import SystemClock
from reconciler.app.settings import Settings
from reconciler.app.wiring import Assembly
from reconciler.doors import run
from reconciler.forges.counting import CountedForge
from reconciler.secret import Secret
from reconciler.web.doorbell import Doorbell
from reconciler.web.gauges import Gauges
from reconciler.web.hooks import PATH, Door
from reconciler.web.listening import Address, Threads, bound, running, told
from reconciler.web.watching import watching

LOG = structlog.get_logger("reconciler")
LATE = 3  # polls without a look
SHORTEST_LATE = timedelta(minutes=3)  # clocks ring every minute, however seldom is polled


@dataclass(frozen=True, slots=True)
class Ports:
    """What is listened on. `hooks` is None where no secret is there to know a hook by."""

    watch: socket.socket
    hooks: socket.socket | None


def webhook_secret(settings: Settings) -> Secret | None:
    """The secret of the forge's webhooks, or None where there is none; it says why."""
    name = settings.webhook_secret_variable
    text = os.environ.get(name, "").strip() if name else ""
    if text:
        return Secret(text)
    reason = f"the variable {name} is not set" if name else "webhook_secret_variable is not set in reconciler.toml"
    LOG.warning("webhooks are not received", reason=reason, next="polling goes on as it is")
    return None


def serve(settings: Settings, clock: SystemClock, *, people: bool, watch: str) -> None:
    """Look until somebody says stop, and listen meanwhile. Raises what the loop or a server died of."""
    gauges = Gauges(clock)
    bell = run.Bell()
    with (
        run.opened(settings, clock, people=people, around=lambda forge: CountedForge(forge, gauges)) as assembly,
        _listening(settings, Address.of(watch)) as (ports, secret),
        _answering(Parts(assembly, clock, gauges, bell, ports, secret)),
    ):
        run.forever(assembly, clock, bell=bell, watcher=gauges)


@contextlib.contextmanager
def _listening(settings: Settings, watch: Address) -> Iterator[tuple[Ports, Secret | None]]:
    secret = webhook_secret(settings)
    with contextlib.ExitStack() as taken:
        hooks = None
        if secret is not None:
            hooks = taken.enter_context(bound(Address.of(settings.listen), "webhooks"))
            LOG.info("receives webhooks", at=f"http://{told(hooks)}{PATH}", forge=settings.forge)
        page = taken.enter_context(bound(watch, "health and metrics"))
        LOG.info("tells health and metrics", at=f"http://{told(page)}/metrics")
        yield Ports(page, hooks), secret


@dataclass(frozen=True, slots=True)
class Parts:
    """What stands together."""

    assembly: Assembly
    clock: SystemClock
    gauges: Gauges
    bell: run.Bell
    ports: Ports
    secret: Secret | None

    def late(self) -> timedelta:
        """How old the last look may be."""
        return max(SHORTEST_LATE, LATE * self.assembly.planner.policy().settings.poll_interval)


@contextlib.contextmanager
def _answering(on: Parts) -> Iterator[None]:
    doorbell = Doorbell(lambda: on.bell.ring(run.LOOK), on.clock)
    threads = Threads(died=_ending(on.clock, on.bell))
    try:
        with contextlib.ExitStack() as answering:
            answering.callback(doorbell.stop)
            pages = watching(on.gauges, on.late, lambda: on.clock.stopping)
            answering.enter_context(running(threads, "health and metrics", pages, on.ports.watch))
            if on.ports.hooks is not None and on.secret is not None:
                threads.start("doorbell", doorbell.serve)
                door = Door(on.assembly.settings.forge_kind, on.secret, doorbell.press, on.gauges.hook)
                answering.enter_context(running(threads, "webhooks", door.application(), on.ports.hooks))
            answering.callback(on.clock.stop)
            answering.callback(threads.stopping)  # called first: from here on an end is no surprise
            yield
    finally:
        threads.join()


def _ending(clock: SystemClock, bell: run.Bell) -> Callable[[], None]:
    def died() -> None:
        clock.stop()
        bell.ring(run.LOOK)

    return died
