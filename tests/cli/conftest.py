"""A world, and terminals in front of it: the reconciler's own and those of people."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.app.settings import FILE_NAME
from tests.cli.terminal import Terminal
from tests.story.prepared import Moment, Prepared
from tests.story.stage import Stage

Person = Callable[[str], Terminal]


@dataclass(slots=True)
class Place:
    """A world whose first plan was carried out, and who types where."""

    stage: Stage
    folder: Path
    patch: pytest.MonkeyPatch

    @property
    def operator(self) -> Terminal:
        """On the reconciler's machine."""
        config = str(self.stage.world.home / FILE_NAME)
        return Terminal(self.folder / "operator", self.patch, ("--config", config))

    def person(self, login: str) -> Terminal:
        """On a person's machine: the repository and their key, nothing else."""
        key = self.stage.world.folder / "keys" / login
        words = ("--repo", str(self.stage.world.origin), "--branch", "main", "--as", login, "--key", str(key))
        return Terminal(self.folder / login, self.patch, words)

    @property
    def reader(self) -> Terminal:
        """Somebody who can read the repository and has no key at all."""
        return Terminal(self.folder / "reader", self.patch, ("--repo", str(self.stage.world.origin)))


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """In an empty folder, with nothing configured."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Terminal(tmp_path, monkeypatch)


@pytest.fixture
def fresh(prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A trusted first commit whose plan nobody has approved yet."""
    with prepared.lend(Moment(accepted=False)) as stage:
        yield Place(stage, tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def played(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Only to be read: svc-a v2.0.1 was released by pull request 1, number 2 is open."""
    with prepared.lend(Moment()) as stage, pytest.MonkeyPatch.context() as patch:
        number = stage.propose()
        stage.approve(number)
        stage.merge(number)
        stage.propose(tag="v2.0.2")
        yield Place(stage, tmp_path_factory.mktemp("played"), patch)


@pytest.fixture
def place(prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The first plan is carried out: svc-a v2.0.0 runs in production."""
    with prepared.lend(Moment()) as stage:
        yield Place(stage, tmp_path, monkeypatch)
