"""One world a test; it ends its servers and leaves nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.story.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Clusters and people, no hosts, with the first plan carried out: svc-a v2.0.0 runs in production."""
    built = Stage.build(tmp_path / "world")
    try:
        built.accept_first()
        yield built
    finally:
        built.world.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Stage]:
    """A trusted first commit whose first plan nobody has approved yet."""
    built = Stage.build(tmp_path / "world")
    try:
        yield built
    finally:
        built.world.close()
