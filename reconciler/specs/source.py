"""Entries of a Git tree: which of them may be specs, and which must not be followed.

Knows paths, modes and the first bytes of a file; never opens a path. Rules: nothing is checked out, links and
submodules are refused where a spec or a release's source should stand, and a path from a tree is shown only in
printable form.
"""

from dataclasses import dataclass

from reconciler.names import BlobId
from reconciler.specs.nodes import SPEC_LIMITS

SYMLINK = 0o120000
SUBMODULE = 0o160000
MARK = b"opspilot.spec/"  # a file without it holds no spec
_WIDE_MARKS = (MARK.decode().encode("utf-16-le"), MARK.decode().encode("utf-16-be"))
_LFS = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, slots=True, order=True)
class TreeEntry:
    """A file of a revision: path from the root, blob, Git's mode."""

    path: str
    blob: BlobId
    mode: int = 0o100644

    @property
    def followable(self) -> bool:
        """Whether it is a file; links and submodules are not."""
        return self.mode not in (SYMLINK, SUBMODULE)

    @property
    def is_yaml(self) -> bool:
        """Whether it may hold specs or manifests."""
        return self.path.removesuffix('"').endswith((".yaml", ".yml"))


def says_link(entry: TreeEntry) -> str:
    """What is wrong with an entry that is no file."""
    return "this is a submodule" if entry.mode == SUBMODULE else "this is a symbolic link"


def is_strange(path: str) -> bool:
    """Whether a path of a tree is one that no ordinary commit makes (`..`, `.git`, control characters).

    In quotes stands what git quotes: a name that is no UTF-8, or holds a quote or a backslash.
    """
    steps = path.split("/")
    return (
        path.startswith('"')
        or not path.isprintable()
        or any(step in ("", ".", "..") or step.lower() == ".git" for step in steps)
    )


def printable(path: str) -> str:
    """A path as it can be shown anywhere: what is not printable becomes an escape."""
    return path if path.isprintable() else path.encode("unicode_escape").decode()


def mentions_specs(content: bytes) -> bool:
    """Whether a file says anywhere that it holds a spec."""
    return MARK in content or any(mark in content for mark in _WIDE_MARKS)


def is_lfs_pointer(content: bytes) -> bool:
    """Whether Git LFS keeps the file's content elsewhere."""
    return content.startswith(_LFS)


def too_large(content: bytes) -> bool:
    """Whether a file is larger than a spec may be."""
    return len(content) > SPEC_LIMITS.size
