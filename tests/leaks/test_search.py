"""The search itself can be trusted: a leak that is planted in any class of sink, in any encoding, is reported."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.leaks.forms import Searcher, encoded
from tests.leaks.sinks import GIT, Text, files, repositories, repository
from tests.leaks.tale import COMMITTED, TOLD, canary
from tests.leaks.watch import Watched, watching
from tests.leaks.words import of_exception

SECRETS = {
    "a token": canary("planted"),
    "a password with odd signs": "pä55 \"w'ö<rd>&/+=%\\ 7Zq2xT9",
    "a short one": "hunter2hunter2",
    "a key": "-----BEGIN KEY-----\nQm9vbGVhbnNPZkdyZWF0\nSGlkZGVuVmFsdWVzTm93\n-----END KEY-----\n",
}
AROUND = os.urandom(64).hex().encode()
ENCODINGS = tuple(name for name, _ in encoded("x" * 20))


CASES = [  # of a short secret a beginning is too short to be told from chance
    (secret, encoding)
    for secret in SECRETS
    for encoding in ENCODINGS
    if encoding != "a beginning" or secret in {"a token", "a key"}
]


@pytest.mark.parametrize(("secret", "encoding"), CASES)
def test_every_encoding_of_a_secret_is_found(secret: str, encoding: str) -> None:
    leak = dict(encoded(SECRETS[secret]))[encoding]
    found = Searcher(SECRETS).found(AROUND + b"\n" + leak + b"\n" + AROUND)
    assert any(one.startswith(f"{secret} as ") for one in found)


@pytest.mark.parametrize("name", [*COMMITTED, *TOLD])
def test_each_canary_of_the_story_is_found_and_told_from_the_others(name: str) -> None:
    found = Searcher({**COMMITTED, **TOLD}).found(AROUND + (COMMITTED | TOLD)[name].encode() + AROUND)
    assert {one.rpartition(" as ")[0] for one in found} == {name}


def test_what_holds_no_secret_is_not_reported() -> None:
    assert not Searcher(SECRETS).found(os.urandom(200_000) + os.urandom(50_000).hex().encode())


def test_a_binary_key_is_found_in_hex_and_base64() -> None:
    key = os.urandom(32)
    for leak in (key.hex().encode(), b"x" + key.hex().upper().encode(), dict(encoded("x"))["raw"]):
        assert bool(Searcher({"key": key}).found(AROUND + leak)) is (leak != b"x")


Plant = Callable[[Path, str], "list[Text] | None"]


def _file(folder: Path, leak: str) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "cache.bin").write_bytes(b"\x00\xff" + leak.encode())


def _sqlite(folder: Path, leak: str) -> None:
    with closing(sqlite3.connect(folder / "c.sqlite")) as database, database:
        database.execute("CREATE TABLE kept (name TEXT, content BLOB)")
        database.execute("INSERT INTO kept VALUES (?, ?)", ("x", leak.encode() + b"\x00" * 9000))


def _git(folder: Path, *words: str, given: str = "") -> str:
    who = {"NAME": "x", "EMAIL": "x@example.invalid"}
    identity = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **identity}
    command = [*GIT, "--git-dir", str(folder / "r.git"), *words]
    return subprocess.run(
        command, input=given.encode(), env=environment, capture_output=True, check=True
    ).stdout.decode().strip()  # fmt: skip


def _commit(folder: Path, message: str = "m", blob: str = "b") -> str:
    _git(folder, "init", "--bare", "--quiet")
    made = _git(folder, "hash-object", "-w", "--stdin", given=blob)
    tree = _git(folder, "mktree", given=f"100644 blob {made}\tevents.json\n")
    commit = _git(folder, "commit-tree", tree, "-m", message)
    _git(folder, "update-ref", "refs/heads/audit", commit)
    return commit


def _blob(folder: Path, leak: str) -> None:
    _commit(folder, blob=leak)


def _packed(folder: Path, leak: str) -> None:
    _commit(folder, blob=leak)
    _git(folder, "gc", "--quiet")


def _message(folder: Path, leak: str) -> None:
    _commit(folder, message=leak)


def _unreachable(folder: Path, leak: str) -> None:
    _commit(folder)
    _git(folder, "hash-object", "-w", "--stdin", given=leak)


def _tag(folder: Path, leak: str) -> None:
    _git(folder, "tag", "-a", "v1", "-m", leak, _commit(folder))


def _ref(folder: Path, leak: str) -> None:
    _git(folder, "update-ref", f"refs/x/{''.join(s for s in leak if s.isalnum())}", _commit(folder))


def _name(folder: Path, leak: str) -> None:
    (folder / "".join(s for s in leak if s.isalnum())).touch()


def _watched(act: Callable[[Path, str], object]) -> Plant:
    def plant(folder: Path, leak: str) -> list[Text]:
        with watching() as seen:
            act(folder, leak)
        return _texts(seen)

    return plant


def _texts(seen: Watched) -> list[Text]:
    kept = [*seen.arguments, *seen.environments, *(content for _, content in seen.removed)]
    return [Text("watched", "", one) for one in kept]


def _gone(folder: Path, leak: str) -> None:
    (folder / "tmp").write_text(leak)
    (folder / "tmp").unlink()


def _replaced(folder: Path, leak: str) -> None:
    (folder / "tmp").write_text(leak)
    (folder / "other").write_text("x")
    (folder / "other").replace(folder / "tmp")


def _overwritten(folder: Path, leak: str) -> None:
    (folder / "tmp").write_text(leak)
    (folder / "tmp").write_text("x")


def _argument(_: Path, leak: str) -> None:
    subprocess.run(["true", f"--password={leak}"], check=True)


def _environment(_: Path, leak: str) -> None:
    subprocess.run(["true"], env={"PATH": os.environ["PATH"], "TOKEN": leak}, check=True)


def _inherited(_: Path, leak: str) -> None:
    os.environ["LEAKS_TEST"] = leak
    try:
        subprocess.run(["true"], check=True)
    finally:
        del os.environ["LEAKS_TEST"]


def _exception(_: Path, leak: str) -> list[Text]:
    try:
        try:
            leak.encode("utf-16").decode("ascii")
        except ValueError:
            raise KeyError("x") from None
    except KeyError as error:
        hidden = error
    assert hidden.__context__ is not None
    hidden.__context__.__notes__ = [leak]
    return [Text("exception", "", of_exception(hidden))]


def _streams(folder: Path, leak: str) -> list[Text]:
    script = "import sys; sys.stderr.write(sys.argv[1])"
    seen = subprocess.run([sys.executable, "-c", script, leak], cwd=folder, capture_output=True, check=True)
    return [Text("stderr", "", seen.stderr)]


PLANTS: dict[str, Plant] = {
    "a file": _file,
    "a file's name": _name,
    "a table": _sqlite,
    "a blob": _blob,
    "a packed blob": _packed,
    "a commit's message": _message,
    "an unreachable object": _unreachable,
    "a tag": _tag,
    "a ref": _ref,
    "a removed file": _watched(_gone),
    "a replaced file": _watched(_replaced),
    "an overwritten file": _watched(_overwritten),
    "an argument": _watched(_argument),
    "an environment": _watched(_environment),
    "an inherited environment": _watched(_inherited),
    "an exception that is not shown": _exception,
    "what a process says": _streams,
}


@pytest.mark.parametrize("encoding", ["raw", "base64 at 1"])
@pytest.mark.parametrize("sink", PLANTS)
def test_a_leak_in_any_sink_is_found(tmp_path: Path, sink: str, encoding: str) -> None:
    leak = dict(encoded(SECRETS["a token"]))[encoding].decode()
    texts = PLANTS[sink](tmp_path, leak)
    if texts is None:
        texts = [*files(tmp_path), *(text for path in repositories(tmp_path) for text in repository(path))]
    assert any(Searcher(SECRETS).found(text.content) for text in texts)
