"""A registry for one test."""

from collections.abc import Iterator

import pytest

from tests.registries.far import FarRegistry


@pytest.fixture
def far() -> Iterator[FarRegistry]:
    registry = FarRegistry().start()
    yield registry
    registry.stop()
