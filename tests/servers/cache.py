"""Where built things lie between runs, and the rule that each of them is built once and never seen half done.

It knows nothing of what is built. A build is named and has a key; the key is a digest of everything that went into it,
so a changed recipe has another key and is built anew, and the old result stays usable for a run that still has it open.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE_VARIABLE = "RECONCILER_TEST_CACHE"
KEY_DIGITS = 12

Build = Callable[[Path], None]


class BuildFailed(Exception):
    """The message ends with what the failing program said."""


def cache_folder() -> Path:
    stated = os.environ.get(CACHE_VARIABLE)
    return Path(stated) if stated else Path.home() / ".cache" / "reconciler-tests"


def key_of(*parts: str | bytes) -> str:
    """A short digest of the parts; each is preceded by its length, so that moving a byte between two changes it."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(b"%d:" % len(content))
        digest.update(content)
    return digest.hexdigest()[:KEY_DIGITS]


def cached(name: str, key: str) -> Path | None:
    folder = cache_folder() / f"{name}-{key}"
    return folder if folder.is_dir() else None


def build_once(name: str, key: str, build: Build) -> Path:
    """The folder of this build: from the cache, or made by `build`, which is given an empty folder to fill.

    A second run that wants the same thing waits at the lock and then finds it done.
    """
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    with exclusive(root / f"{name}.lock"):
        if (done := cached(name, key)) is not None:
            return done
        for abandoned in root.glob(f".building-{name}-*"):
            shutil.rmtree(abandoned)
        unfinished = Path(tempfile.mkdtemp(prefix=f".building-{name}-", dir=root))
        unfinished.chmod(0o755)
        try:
            build(unfinished)
            return unfinished.rename(root / f"{name}-{key}")
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Hold a lock that the kernel lets go when this process dies, however it dies."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def say(line: str) -> None:
    """One line of progress; on stderr, because stdout may be read by a program."""
    print(f"test servers: {line}", file=sys.stderr, flush=True)
