"""The private folder that a tool reads: the release's files as they are at the revision, for as long as it runs.

Knows files on disk. Rules: the folder is this user's alone and is removed afterwards; what a killed process left behind
is removed by the next one; only plain files are written, each exactly once, under the folder and nowhere else.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from reconciler.errors import Unavailable

PRIVATE = 0o700
WITHIN = 0o755  # nobody reaches these from outside of the private folder; the tool may be another user inside


@contextlib.contextmanager
def private_folder(under: Path, files: Mapping[str, bytes]) -> Iterator[Path]:
    """A folder with these files by path. Raises Unavailable where it cannot be written."""
    try:
        under.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        _sweep(under)
        own = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=under))  # 0700
    except OSError as error:
        raise Unavailable(f"making a folder to render in: {error.strerror}", key="internal_error") from error
    try:
        root = own / "files"
        _made(root)
        for path, content in files.items():
            _write(root, path, content)
        yield root
    except OSError as error:
        raise Unavailable(f"writing the files to render: {error.strerror}", key="internal_error") from error
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _write(root: Path, path: str, content: bytes) -> None:
    steps = PurePosixPath(path).parts
    if not steps or path.startswith("/") or ".." in steps:  # paths come from a tree that was looked through already
        raise Unavailable(f"writing {path!r}: it does not stand in the repository", key="validation_error")
    for number in range(1, len(steps)):
        _made(root.joinpath(*steps[:number]))
    file = os.open(root.joinpath(*steps), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(file, "wb") as opened:
        os.fchmod(opened.fileno(), 0o644)  # whatever the umask says
        opened.write(content)


def _made(folder: Path) -> None:
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(WITHIN)


def _sweep(under: Path) -> None:
    for left in under.iterdir():
        owner = left.name.partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists() and Path("/proc/self").exists():
            shutil.rmtree(left, ignore_errors=True)
