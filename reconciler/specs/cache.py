"""Where answers about blobs are kept, so that a change costs what changed.

Knows bytes, not what they mean. Rules: deleting a cache loses nothing; a cache that is broken, foreign or read-only
costs time and never gives another answer: each row carries a checksum over its version, blob and content.
"""

import contextlib
import hashlib
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from reconciler.names import BlobId

APPLICATION_ID = 0x0F5B10C5  # marks an SQLite file as ours; another application's file is left alone
_AT_ONCE = 500  # SQLite binds at most 999 variables in old versions


class ParseCache(Protocol):
    """Answers by version and blob. A version is `READING` or `READING:QUESTION`; only one reading is kept."""

    def get_many(self, version: str, blobs: Collection[BlobId]) -> Mapping[BlobId, bytes]:
        """What is kept of these blobs."""
        ...

    def put_many(self, version: str, answers: Mapping[BlobId, bytes]) -> None:
        """Keep answers, or do not; nobody relies on it."""
        ...


class MemoryCache:
    """Kept as long as the process lives."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, BlobId], bytes] = {}

    def get_many(self, version: str, blobs: Collection[BlobId]) -> Mapping[BlobId, bytes]:
        return {blob: kept for blob in blobs if (kept := self._kept.get((version, blob))) is not None}

    def put_many(self, version: str, answers: Mapping[BlobId, bytes]) -> None:
        self._kept.update({(version, blob): answer for blob, answer in answers.items()})


class SqliteCache:
    """Kept in one SQLite file. Every failure of the file is silence: nothing kept, nothing found."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_many(self, version: str, blobs: Collection[BlobId]) -> Mapping[BlobId, bytes]:
        found: dict[BlobId, bytes] = {}
        wanted = list(blobs)
        with contextlib.suppress(sqlite3.Error, OSError), self._open() as database:
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                marks = ",".join("?" * len(part))
                query = f"SELECT blob, answer, checksum FROM answers WHERE version = ? AND blob IN ({marks})"  # noqa: S608  only marks
                for blob, answer, checksum in database.execute(query, (version, *part)):
                    if isinstance(answer, bytes) and checksum == _checksum(version, blob, answer):
                        found[BlobId(blob)] = answer
        return found

    def put_many(self, version: str, answers: Mapping[BlobId, bytes]) -> None:
        rows = [(version, blob, answer, _checksum(version, blob, answer)) for blob, answer in answers.items()]
        try:
            self._write(version, rows)
        except sqlite3.DatabaseError as error:
            if not isinstance(error, sqlite3.OperationalError) and self._is_ours():
                self._rebuild(version, rows)
        except OSError:
            pass

    def _write(self, version: str, rows: list[tuple[str, BlobId, bytes, str]]) -> None:
        with self._open() as database:
            reading = version.partition(":")[0]
            # what another reading made is dropped; by ranges of the key, because a change must not cost the whole table
            database.execute("DELETE FROM answers WHERE version < ?", (reading,))
            database.execute("DELETE FROM answers WHERE version > ? AND version < ?", (reading, f"{reading}:"))
            database.execute("DELETE FROM answers WHERE version >= ?", (f"{reading};",))  # the sign after ':'
            database.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", rows)

    def _rebuild(self, version: str, rows: list[tuple[str, BlobId, bytes, str]]) -> None:
        with contextlib.suppress(sqlite3.Error, OSError):
            for suffix in ("", "-journal", "-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
            self._write(version, rows)

    def _is_ours(self) -> bool:
        """Whether the file's header, which survives most damage, carries our mark (https://sqlite.org/fileformat.html)."""
        with contextlib.suppress(OSError), self._path.open("rb") as file:
            header = file.read(72)
            return header.startswith(b"SQLite format 3\0") and header[68:72] == APPLICATION_ID.to_bytes(4, "big")
        return False

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        new = not self._path.exists() or self._path.stat().st_size == 0
        if not new and not self._is_ours():
            raise sqlite3.OperationalError("this file is not a cache of ours")
        if new:
            self._path.touch(mode=0o600)  # it holds what private repositories hold; SQLite's journals take its mode
        with contextlib.closing(sqlite3.connect(self._path, timeout=1.0)) as database, database:
            database.execute("PRAGMA synchronous = OFF")  # what a power loss breaks is found broken, and made anew
            if new:
                database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(
                "CREATE TABLE IF NOT EXISTS answers"
                " (version TEXT, blob TEXT, answer BLOB, checksum TEXT, PRIMARY KEY (version, blob)) WITHOUT ROWID"
            )
            yield database


def _checksum(version: str, blob: str, answer: bytes) -> str:
    return hashlib.sha256(f"{version}\n{blob}\n".encode() + answer).hexdigest()
