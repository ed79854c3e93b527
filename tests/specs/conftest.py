"""One child for the tests of a process: they ask it, and none of them may depend on what another asked."""

from collections.abc import Iterator

import pytest

from reconciler.specs.reader import Reader


@pytest.fixture(scope="session")
def reader() -> Iterator[Reader]:
    # the tests' machine may be busy with other tests; what takes long by itself is tested with readers of its own
    with Reader(per_file=20.0) as shared:
        yield shared
