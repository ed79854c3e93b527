"""One theatre for each kind of world and test module, and the scenes in it, prepared when they are first asked for."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.failpoints.far_side import Left
from tests.failpoints.points import Point
from tests.failpoints.scenes import Scene
from tests.failpoints.theatre import Theatre
from tests.failpoints.worlds import make_world

BASE = "base"
MEMORY = "/dev/shm"


@dataclass(slots=True)
class Playbill:
    """What a scene leaves where nobody is killed, and how often its first run reaches each point; played once."""

    open_theatre: Callable[[str], Theatre]
    theatres: dict[str, Theatre] = field(default_factory=dict)
    _played: dict[str, tuple[dict[Point, int], Left]] = field(default_factory=dict)

    def theatre(self, kind: str) -> Theatre:
        """A world of this kind at its beginning."""
        if kind not in self.theatres:
            found = self.theatres[kind] = self.open_theatre(kind)
            if kind != "hosts":
                found.stage.accept_first()
            found.keep(BASE)
        return self.theatres[kind]

    def played(self, scene: Scene) -> tuple[Theatre, dict[Point, int], Left]:
        """A scene without a kill."""
        theatre = self.theatre(scene.world)
        if scene.name not in self._played:
            theatre.play(BASE, scene.prepare)
            theatre.keep(scene.name)
            ran = [theatre.run(words) for words in scene.runs(theatre)]
            assert [one.code for one in ran] == [0] * len(ran), [one.said for one in ran]
            self._played[scene.name] = (ran[0].reached, theatre.left(scene.name))
        return theatre, *self._played[scene.name]


def in_memory() -> str | None:
    """A folder of memory where programs may run, if there is one: a kill loses no page that a disk would keep."""
    with suppress(OSError):
        if not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC and os.access(MEMORY, os.W_OK):
            return MEMORY
    return None


@pytest.fixture(scope="module")
def playbill() -> Iterator[Playbill]:
    """Every scene; its servers, processes and folders end with the module."""
    with ExitStack() as open_ones:

        def opened(kind: str) -> Theatre:
            folder = open_ones.enter_context(TemporaryDirectory(prefix=f"failpoints-{kind}-", dir=in_memory()))
            return open_ones.enter_context(Theatre.opened(Path(folder), make_world(kind)))

        yield Playbill(opened)
