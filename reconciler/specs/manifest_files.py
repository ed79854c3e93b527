"""Files of manifests as the child reads them: documents with places, and what is wrong with a file's bytes.

Knows what is asked and how an answer looks, not what objects mean.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.names import BlobId
from reconciler.specs.asking import Asking, Read
from reconciler.specs.cache import ParseCache
from reconciler.specs.finding import Finding
from reconciler.specs.nodes import SOURCE_LIMITS
from reconciler.specs.objects import Placed
from reconciler.specs.reader import MANIFESTS, Reader
from reconciler.specs.source import is_lfs_pointer


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """What the child says of a file of manifests."""

    documents: tuple[tuple[int, int, Any, Mapping[str, list[int]]], ...]
    findings: tuple[Finding, ...]

    def placed(self, path: str) -> tuple[Placed, ...]:
        """Its documents in the file at this path."""
        return tuple(
            Placed(value, path, (), {"": [line, column], **places}) for line, column, value, places in self.documents
        )


def manifest_files(
    blobs: Iterable[BlobId], read: Read, cache: ParseCache | None, reader: Reader | None
) -> Mapping[BlobId, ManifestFile]:
    """What each of these files says."""
    return Asking(MANIFESTS, _look, _decode, _unread).answers(blobs, read, cache, reader)


def _look(content: bytes) -> bytes | None:
    if is_lfs_pointer(content):
        return _unread(Finding(0, 0, "Git LFS keeps this file's content elsewhere", "commit the file itself"))
    if len(content) > SOURCE_LIMITS.size:
        return _unread(
            Finding(0, 0, f"the file is larger than {SOURCE_LIMITS.size // 1024} KiB", "split it into several files")
        )
    return None


def _unread(finding: Finding) -> bytes:
    return json.dumps({"documents": [], "findings": [finding.as_json()]}).encode()


def _decode(content: bytes, _blob: BlobId) -> ManifestFile:
    match json.loads(content):
        case {"documents": list(documents), "findings": list(findings)}:
            return ManifestFile(
                tuple(_document(item) for item in documents), tuple(Finding.from_json(item) for item in findings)
            )
        case _:
            raise ValueError("not an answer")


def _document(item: Any) -> tuple[int, int, Any, Mapping[str, list[int]]]:
    match item:
        case [int(line), int(column), str(text), dict(places)]:
            return line, column, json.loads(text), places
        case _:
            raise ValueError("not a document")
