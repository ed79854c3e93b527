"""A scene with a registry: what is approved and merged carries its pin, and from then on its registry says nothing."""

from functools import cache

from reconciler.app.settings import FILE_NAME
from tests.registries.far import FarRegistry, always
from tests.story.stage import Stage

HOST, NAME, TAG = "registry.example.invalid", "svc-a", "v2.0.1"


@cache
def far() -> FarRegistry:
    """One for the process: it ends with it. It has no image any more when the reconciler is killed."""
    return FarRegistry().start()


def merged(stage: Stage) -> None:
    """An approved pull request of an image that was pinned; nobody has looked at its merge, and its tag is gone."""
    registry = far()
    registry.odd = None
    registry.push(NAME, TAG)
    path = stage.world.home / FILE_NAME
    path.write_text(f'{path.read_text()}\n[registries."{HOST}"]\nurl = "{registry.url}"\n')
    stage.restart()
    number = stage.propose(tag=TAG)
    stage.approve(number)
    stage.merge(number, settle=False)
    registry.odd = always(404)
