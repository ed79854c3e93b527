"""ports.Bundles over folders on the reconciler's machine.

Knows where bundles lie and which keys reconciler.toml trusts. A bundle that was verified is not hashed again while no
file of its folder changed (inode, size, times); delivery hashes what it sends, so a change between counts for nothing.
"""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from reconciler.bundle import files, index
from reconciler.bundle.keys import KeyRefused, PublicKey, read_public_key
from reconciler.bundle.verify import verify
from reconciler.errors import ReconcilerError, Rejected
from reconciler.state.bundle import Bundle


class FolderBundles:
    """Each folder is a bundle, or holds bundles as direct subfolders. Raises Rejected on an unusable trusted key."""

    def __init__(self, folders: Sequence[Path], trusted_keys: Sequence[str]) -> None:
        self._folders = tuple(folders)
        self._trusted = tuple(_trusted(text) for text in trusted_keys)
        self._verified: dict[Path, tuple[object, Bundle]] = {}
        self._lock = threading.Lock()

    def load(self, version: str) -> Bundle:
        """The verified bundle of that `bundleVersion`."""
        found: dict[str, Bundle] = {}
        refused: list[ReconcilerError] = []
        for root in self._roots():
            try:
                bundle = self._verify(root)
            except ReconcilerError as error:
                refused.append(error)
            else:
                if bundle.version == version:
                    found.setdefault(bundle.digest, bundle)
        if len(found) > 1:
            raise Rejected(
                f"loading bundle {version}: {len(found)} different bundles call themselves so",
                key="resource_conflict",
                hint="keep one of them, or give the other another bundleVersion",
            )
        if found:
            return next(iter(found.values()))
        if refused:  # the version may stand in one of these, which nobody may read
            raise refused[0]
        raise Rejected(f"loading bundle {version}: no folder holds it", key="artifact_missing")

    def _roots(self) -> Iterator[Path]:
        for folder in self._folders:
            if (folder / index.PATH).is_file() or not folder.is_dir():
                yield folder
            else:
                yield from sorted(below for below in folder.iterdir() if (below / index.PATH).is_file())

    def _verify(self, root: Path) -> Bundle:
        with self._lock:
            try:
                stamp = tuple((one.path, one.kind, one.size, one.stamp) for one in files.walk(root))
            except OSError as error:
                raise Rejected(
                    f"looking for a bundle in {root.name}: {error.strerror}", key="artifact_manifest_missing"
                ) from error
            known = self._verified.get(root)
            if known is None or known[0] != stamp:
                known = self._verified[root] = (stamp, verify(root, self._trusted))
            return known[1]


def _trusted(text: str) -> PublicKey:
    try:
        return read_public_key(text)
    except KeyRefused as error:
        raise Rejected(
            f"{error}", key="artifact_signature_invalid", hint="correct the trusted bundle keys in reconciler.toml"
        ) from error
