"""One begun world for each test process, on memory where the machine has it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.model.start import Begun

MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def begun() -> Iterator[Begun]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Begun.make(Path(folder))
