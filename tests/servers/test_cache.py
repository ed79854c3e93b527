"""A build is seen whole or not at all, and made once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.servers.cache import CACHE_VARIABLE, BuildFailed, build_once, cached, key_of


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    return tmp_path


def test_runs_that_want_the_same_build_at_once_make_it_once() -> None:
    built: list[Path] = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "result").write_text("done")

    with ThreadPoolExecutor(4) as runs:
        folders = set(runs.map(lambda _: build_once("thing", "key", build), range(8)))
    assert len(built) == 1
    assert [(folder / "result").read_text() for folder in folders] == ["done"]


def test_a_failed_build_leaves_nothing_and_is_tried_again(cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise BuildFailed("on purpose")

    with pytest.raises(BuildFailed):
        build_once("thing", "key", fail)
    assert cached("thing", "key") is None
    assert [entry.name for entry in cache.iterdir()] == ["thing.lock"]
    assert build_once("thing", "key", lambda _: None) == cached("thing", "key")


def test_what_a_killed_build_left_is_removed_by_the_next(cache: Path) -> None:
    abandoned = cache / ".building-thing-abc"
    abandoned.mkdir()
    build_once("thing", "key", lambda _: None)
    assert not abandoned.exists()


def test_another_recipe_is_another_build() -> None:
    assert build_once("thing", key_of("a", "bc"), lambda _: None) != build_once(
        "thing", key_of("ab", "c"), lambda _: None
    )
