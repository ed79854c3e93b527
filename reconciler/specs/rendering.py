"""Kustomizations to text, each rendered once for what it is made of.

Knows what one rendering is made of, and where its text is kept; the tool is behind `Renderer`. Rules: what is kept is
found again by the tool's version and the content of every file, so that a look at rest renders nothing and another tool
renders anew; a rendering that is refused is a problem of the source, one that cannot be done here is said of the
release and blocks it, and neither is ever an empty source.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from reconciler.errors import ReconcilerError, Rejected, Unavailable
from reconciler.names import BlobId
from reconciler.specs.asking import Read
from reconciler.specs.cache import MemoryCache, ParseCache
from reconciler.specs.source import TreeEntry, is_lfs_pointer
from reconciler.specs.version import reading_version

MISSING = "k8s_binary_missing"  # there is no tool: asked for again, because somebody may install it
_SAID, _REFUSED = b"=", b"!"
MOST_BYTES = 16 * 1024 * 1024  # of one release's files


class Renderer(Protocol):
    """What renders kustomizations."""

    def identity(self) -> str:
        """What renders, with its version. Raises Unavailable where there is none."""

    def render(self, files: Mapping[str, bytes], folder: str) -> bytes:
        """What the kustomization in a folder of these files renders to.

        Raises Rejected where it cannot be rendered, Unavailable where it cannot be rendered here and now.
        """


@dataclass(frozen=True, slots=True)
class Unrendered:
    """Why a release's source was not rendered here: nobody knows what it says."""

    key: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """What was rendered, and its id as if it were a file."""

    blob: BlobId
    content: bytes = field(repr=False)


class Rendering:
    """Renders for one revision."""

    def __init__(self, renderer: Renderer | None, read: Read, cache: ParseCache | None) -> None:
        self._renderer = renderer
        self._read = read
        self._cache = cache if cache is not None else MemoryCache()
        self._version = f"{reading_version()}:kustomize"

    def text(
        self, folder: str, entries: Iterable[TreeEntry], more: Mapping[str, bytes] = MappingProxyType({})
    ) -> Text | Unrendered:
        """What a folder renders to, made of these files and of more that stand in no tree. Raises Rejected."""
        if self._renderer is None:
            return Unrendered(MISSING, "rendering it: nothing renders here")
        try:
            key = _key(self._renderer.identity(), folder, entries, more)
            kept = self._cache.get_many(self._version, [key]).get(key)
            if kept is None:
                kept = self._asked(self._renderer, folder, entries, more)
                self._cache.put_many(self._version, {key: kept})
        except Unavailable as error:
            return Unrendered(error.key, error.message, error.own_hint)
        if kept.startswith(_REFUSED):
            raise Rejected(kept.removeprefix(_REFUSED).decode(errors="replace"), key="validation_error")
        content = kept.removeprefix(_SAID)
        return Text(_id(content), content)

    def _asked(self, renderer: Renderer, folder: str, entries: Iterable[TreeEntry], more: Mapping[str, bytes]) -> bytes:
        """What it renders to, or why it is refused, which the same files will be again."""
        try:
            return _SAID + renderer.render({**self._files(entries), **more}, folder)
        except Rejected as error:
            return _REFUSED + error.message.encode()

    def _files(self, entries: Iterable[TreeEntry]) -> dict[str, bytes]:
        files: dict[str, bytes] = {}
        size = 0
        for entry in entries:
            try:
                content = self._read(entry.blob)
            except ReconcilerError as error:
                raise Rejected(f"{entry.path}: {error.message}", key="validation_error") from error
            if is_lfs_pointer(content):
                raise Rejected(f"{entry.path}: Git LFS keeps this file's content elsewhere", key="validation_error")
            size += len(content)
            if size > MOST_BYTES:
                message = f"its files are larger than {MOST_BYTES // 1024 // 1024} MiB together"
                raise Rejected(message, key="validation_error")
            files[entry.path] = content
        return files


def _key(identity: str, folder: str, entries: Iterable[TreeEntry], more: Mapping[str, bytes]) -> BlobId:
    made_of: list[object] = [identity, folder, sorted([entry.path, entry.blob] for entry in entries)]
    if more:
        made_of.append(sorted([path, hashlib.sha256(content).hexdigest()] for path, content in more.items()))
    return BlobId(hashlib.sha256(json.dumps(made_of).encode()).hexdigest())


def _id(content: bytes) -> BlobId:
    return BlobId(hashlib.sha256(content).hexdigest())
