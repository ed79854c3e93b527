"""Many hooks, few looks: what rings the loop's bell for whoever asked over the network.

Knows time as a port and the bell, and nothing of who asked. Rules: who asks first is heard at once; whatever is asked
while a pause lasts is one ring at its end; while asking goes on the pause grows, so that a storm of hooks makes the
loop no busier than one look in LONGEST.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from reconciler.ports import Clock

SHORTEST = timedelta(milliseconds=500)  # a forge sends two or three hooks for one push
LONGEST = timedelta(seconds=5)


@dataclass(slots=True)
class Doorbell:
    """`press` from any thread; `serve` is the one thread that rings."""

    ring: Callable[[], None]
    clock: Clock
    _pressed: threading.Event = field(default_factory=threading.Event)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def press(self) -> None:
        """Ask for a look. Returns at once."""
        self._pressed.set()

    def stop(self) -> None:
        """`serve` returns."""
        self._stopped.set()
        self._pressed.set()

    def serve(self) -> None:
        """Ring for whoever presses, until `stop`."""
        pause = SHORTEST
        while True:
            self._pressed.wait()
            self._pressed.clear()
            if self._stopped.is_set():
                return
            self.ring()
            if self.clock.wait(pause):  # the process stops: there will be no more looks
                self._stopped.wait()
                return
            pause = after(pause, asked=self._pressed.is_set())


def after(pause: timedelta, *, asked: bool) -> timedelta:
    """The pause that follows one in which somebody asked, or nobody did."""
    return min(pause * 2, LONGEST) if asked else SHORTEST
