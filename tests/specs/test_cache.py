"""A cache that is broken, foreign or read-only costs time and never gives another answer."""

import sqlite3
from pathlib import Path

import pytest

from reconciler.names import BlobId
from reconciler.specs.cache import MemoryCache, ParseCache, SqliteCache

BLOB = BlobId("a" * 40)
OTHER = BlobId("b" * 40)


@pytest.fixture(params=["memory", "sqlite"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> ParseCache:
    return MemoryCache() if request.param == "memory" else SqliteCache(tmp_path / "cache.db")


def test_what_is_put_is_found_again_by_version_and_blob(cache: ParseCache) -> None:
    cache.put_many("1", {BLOB: b"answer"})
    assert cache.get_many("1", [BLOB, OTHER]) == {BLOB: b"answer"}
    assert cache.get_many("2", [BLOB]) == {}


def test_more_blobs_than_one_query_may_name(cache: ParseCache) -> None:
    answers = {BlobId(f"{n:040x}"): str(n).encode() for n in range(2_345)}
    cache.put_many("1", answers)
    assert cache.get_many("1", list(answers)) == answers


def test_it_outlives_the_process(tmp_path: Path) -> None:
    SqliteCache(tmp_path / "c").put_many("1", {BLOB: b"answer"})
    assert SqliteCache(tmp_path / "c").get_many("1", [BLOB]) == {BLOB: b"answer"}


def test_answers_of_an_older_version_are_thrown_away(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path / "c")
    cache.put_many("old", {BLOB: b"old"})
    cache.put_many("new", {OTHER: b"new"})
    assert cache.get_many("old", [BLOB]) == {}


def test_answers_to_another_question_of_the_same_reading_stay(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path / "c")
    for version in ("0:s", "1", "1+:s", "10:s", "2:s", "1:m", "1:s"):
        cache.put_many(version, {BLOB: version.encode()})
    assert [version for version in ("1:m", "1:s") if cache.get_many(version, [BLOB])] == ["1:m", "1:s"]
    assert [version for version in ("0:s", "1+:s", "10:s", "2:s") if cache.get_many(version, [BLOB])] == []


@pytest.mark.parametrize(
    "column", ["answer = x'00'", f"blob = '{OTHER}'", "version = '2'", "checksum = ''", "answer = 'text'"]
)
def test_a_row_that_was_changed_is_not_believed(column: str, tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path / "c")
    cache.put_many("1", {BLOB: b"answer"})
    with sqlite3.connect(tmp_path / "c") as database:
        database.execute(f"UPDATE answers SET {column}")  # noqa: S608
    assert cache.get_many("1", [BLOB, OTHER]) == {}
    assert cache.get_many("2", [BLOB, OTHER]) == {}


def test_a_damaged_cache_is_built_again(tmp_path: Path) -> None:
    path = tmp_path / "c"
    cache = SqliteCache(path)
    cache.put_many("1", {BlobId(f"{n:040x}"): b"x" * 500 for n in range(200)})
    content = bytearray(path.read_bytes())
    content[100:] = b"\xa5" * (len(content) - 100)
    path.write_bytes(content)
    assert cache.get_many("1", [BLOB]) == {}
    cache.put_many("1", {BLOB: b"answer"})
    assert cache.get_many("1", [BLOB]) == {BLOB: b"answer"}


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    text, database, namesake = tmp_path / "text", tmp_path / "database", tmp_path / "namesake"
    text.write_text("somebody's notes")
    for path, table in ((database, "notes"), (namesake, "answers")):
        with sqlite3.connect(path) as theirs:
            theirs.execute(f"CREATE TABLE {table} (precious TEXT)")
        theirs.close()
    for path in (text, database, namesake):
        before = path.read_bytes()
        cache = SqliteCache(path)
        cache.put_many("1", {BLOB: b"answer"})
        assert cache.get_many("1", [BLOB]) == {}
        assert path.read_bytes() == before


def test_a_place_that_cannot_hold_a_cache_is_silence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "missing" / "c", tmp_path / "file" / "c", Path("/proc/nothing/c")):
        cache = SqliteCache(path)
        cache.put_many("1", {BLOB: b"answer"})
        assert cache.get_many("1", [BLOB]) == {}
