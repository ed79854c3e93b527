"""One child for the tests of a process: they ask it, and none of them may depend on what another asked."""

from collections.abc import Iterator

import pytest

from reconciler.specs.cache import MemoryCache
from reconciler.specs.reader import Reader
from tests.plan.world import Files


@pytest.fixture(scope="session")
def reader() -> Iterator[Reader]:
    with Reader(per_file=20.0) as shared:
        yield shared


@pytest.fixture(scope="session")
def files(reader: Reader) -> Files:
    """The small repository that the tests begin with."""
    return Files.first(reader, MemoryCache())
