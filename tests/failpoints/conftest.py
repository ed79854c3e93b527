"""One theatre for each kind of world and test module, and the scenes in it, prepared when they are first asked for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from tests.failpoints.far_side import Left
from tests.failpoints.points import Point
from tests.failpoints.scenes import Scene, make_world
from tests.failpoints.theatre import Theatre

BASE = "base"


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
            if kind == "plain":
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


@pytest.fixture(scope="module")
def playbill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playbill]:
    """Every scene; its servers and processes end with the module."""
    with ExitStack() as open_ones:

        def opened(kind: str) -> Theatre:
            return open_ones.enter_context(Theatre.opened(tmp_path_factory.mktemp(kind), make_world(kind)))

        yield Playbill(opened)
