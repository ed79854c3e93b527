"""A revision in memory: files by path, blobs by content, and how often each was fetched."""

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.errors import Problem
from reconciler.names import BlobId
from reconciler.specs.cache import MemoryCache, ParseCache
from reconciler.specs.desired import Desired
from reconciler.specs.load import Loaded, load
from reconciler.specs.reader import Reader
from reconciler.specs.resolve import resolve
from reconciler.specs.source import SUBMODULE, SYMLINK, TreeEntry

KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32).decode()
GOOD_HOST = f"""\
apiVersion: opspilot.spec/v1
kind: Host
metadata: {{name: web-1}}
spec:
  address: 10.0.0.1
  credential: key
  hostKey: {KEY}
"""


@dataclass
class Repository:
    """Files of one revision."""

    entries: list[TreeEntry] = field(default_factory=list)
    blobs: dict[BlobId, bytes] = field(default_factory=dict)
    fetched: Counter[BlobId] = field(default_factory=Counter)

    @classmethod
    def of(cls, files: Mapping[str, str | bytes]) -> "Repository":
        """A repository of these files by path."""
        made = cls()
        for path, content in files.items():
            made.add(path, content)
        return made

    @classmethod
    def at(cls, folder: Path) -> "Repository":
        """A repository of the files in a folder."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return cls.of({str(path.relative_to(folder)): path.read_bytes() for path in paths})

    def add(self, path: str, content: str | bytes, mode: int = 0o100644) -> "Repository":
        """Put a file in, in place of one at the same path."""
        raw = content.encode() if isinstance(content, str) else content
        blob = BlobId(hashlib.sha1(raw, usedforsecurity=False).hexdigest())
        self.blobs[blob] = raw
        self.entries = [entry for entry in self.entries if entry.path != path] + [TreeEntry(path, blob, mode)]
        return self

    def link(self, path: str, target: str = "/etc/passwd") -> "Repository":
        """Put a symbolic link in."""
        return self.add(path, target, SYMLINK)

    def submodule(self, path: str) -> "Repository":
        """Put a submodule in."""
        self.entries.append(TreeEntry(path, BlobId("5" * 40), SUBMODULE))
        return self

    def read(self, blob: BlobId) -> bytes:
        """A blob's bytes, counted."""
        self.fetched[blob] += 1
        return self.blobs[blob]

    def load(self, cache: ParseCache | None = None, reader: Reader | None = None) -> Loaded:
        """Its specs."""
        return load(self.entries, self.read, cache if cache is not None else MemoryCache(), reader)

    def resolve(self, reader: Reader | None = None) -> Desired:
        """What it says."""
        return resolve(self.load(reader=reader), self.entries, self.read, reader=reader)


def lines(problems: tuple[Problem, ...] | list[Problem]) -> list[str]:
    """Problems as people read them."""
    return [str(problem) for problem in problems]
