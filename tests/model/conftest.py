"""One begun world for each test process, on memory where the machine has it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.model.start import Begun

MEMORY = Path("/dev/shm")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The machine's runs in as many tests as are asked for, so that processes can share them."""
    if "share" in metafunc.fixturenames:
        metafunc.parametrize("share", range(int(metafunc.config.getoption("--model-shares"))))


@pytest.fixture(scope="session")
def begun() -> Iterator[Begun]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Begun.make(Path(folder))
