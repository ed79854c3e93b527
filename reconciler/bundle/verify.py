"""Whether a folder is a bundle that a trusted key signed, and every file in it the one that was signed.

Order is the rule: signature over the exact bytes of SHA256SUMS, read once; then every file against them; only then the
index is read, from bytes that matched. Trusted keys come from the caller (reconciler.toml, G1): the bundle's own
public.key only says which of them. Everything wrong of one stage is told at once; a later stage is not begun. Files are
hashed again while they are delivered (ssh/delivery.py), so that what is swapped after this is refused there.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from reconciler.bundle import checksums, files, index
from reconciler.bundle.document import MAX_BYTES
from reconciler.bundle.keys import KeyRefused, PublicKey, read_public_key
from reconciler.errors import Place, Problem, ReconcilerError, Rejected, Untrusted
from reconciler.state.bundle import Bundle

KEY_BYTES: Final = 4096
SHOWN: Final = 10  # problems that a message quotes; it says how many more there are
HOOK_MODE: Final = "0755"
UNTRUSTED: Final = frozenset({"artifact_checksum_mismatch", "artifact_signature_invalid"})


def verify(root: Path, trusted: Sequence[PublicKey]) -> Bundle:
    """The bundle in this folder. Raises Untrusted or Rejected."""
    if not (root / index.PATH).is_file():
        raise Rejected(
            f"verifying the bundle in {root.name}: {index.PATH} is missing",
            key="artifact_manifest_missing",
            hint="name the folder that holds manifests/, hooks/ and checksums/",
        )
    content = _signed_file(root, checksums.SUMS, checksums.MAX_BYTES)
    signer = _signer(root, trusted)
    if not signer.verifies(_signed_file(root, checksums.SIGNATURE, KEY_BYTES), content):
        raise Untrusted(f"verifying the bundle in {root.name}: {checksums.SIGNATURE} is not {signer.name}'s signature")
    sums, problems = checksums.parse(content)
    _stop(root, problems or list(_tree(root, sums)))
    found = _index(root, sums)
    return Bundle(
        version=found.version,
        digest=hashlib.sha256(content).hexdigest(),
        root=str(root),
        signed_by=signer.name,
        runtimes=found.runtimes,
        files=_delivered(found, sums),
        k8s_api_min=found.k8s_api_min,
        k8s_api_max=found.k8s_api_max,
    )


def _signed_file(root: Path, path: str, limit: int) -> bytes:
    try:
        return files.read_inside(root, path, limit)
    except FileNotFoundError as error:
        raise Untrusted(f"verifying the bundle in {root.name}: it is not signed, {path} is missing") from error
    except (OSError, ValueError) as error:
        raise Untrusted(f"verifying the bundle in {root.name}: {path} cannot be read as a plain file") from error


def _signer(root: Path, trusted: Sequence[PublicKey]) -> PublicKey:
    text = _signed_file(root, checksums.PUBLIC_KEY, KEY_BYTES).decode("ascii", errors="replace")
    try:
        named = read_public_key(text)
    except KeyRefused as error:
        raise Untrusted(f"verifying the bundle in {root.name}: {checksums.PUBLIC_KEY}: {error}") from error
    if named not in trusted:
        raise Untrusted(f"verifying the bundle in {root.name}: it names key {named.name}, which is not trusted here")
    return named


def _tree(root: Path, sums: dict[str, str]) -> Iterable[Problem]:
    found = {one.path: one for one in files.walk(root)}
    for path, one in found.items():
        if path not in sums and path not in checksums.UNSIGNED:
            yield Problem(Place(path), "artifact_checksum_mismatch", f"a {one.kind} that the checksums do not list")
    for path, expected in sums.items():
        if path not in found:
            yield Problem(Place(path), "artifact_missing", "the signed checksums list it, but it is not there")
        elif _sha256(root, path) != expected:
            yield Problem(Place(path), "artifact_checksum_mismatch", f"not the {found[path].kind} that was signed")


def _sha256(root: Path, path: str) -> str:
    try:
        return files.sha256_inside(root, path)[0]
    except OSError:  # a link, a device, or vanished since the walk
        return ""


def _index(root: Path, sums: dict[str, str]) -> index.Index:
    try:
        content = files.read_inside(root, index.PATH, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise Rejected(
            f"reading {index.PATH}: not a plain file of at most {MAX_BYTES} bytes", key="artifact_manifest_missing"
        ) from error
    if hashlib.sha256(content).hexdigest() != sums.get(index.PATH):
        raise Untrusted(f"reading {index.PATH}: its sha256 is not the signed one", key="artifact_checksum_mismatch")
    found, problems = index.read_index(content)
    if found is None:
        raise failure(f"verifying the bundle in {root.name}", problems)
    _stop(root, list(_against_index(root, found, sums)))
    return found


def _against_index(root: Path, found: index.Index, sums: dict[str, str]) -> Iterable[Problem]:
    for path, artifact in found.artifacts().items():
        place = found.place(path)
        if path not in sums:
            if artifact.required:
                yield Problem(place, "artifact_missing", f"{path} is required and not in the bundle")
        elif artifact.sha256 != sums[path]:
            yield Problem(place, "artifact_checksum_mismatch", f"{path}: the index and the checksums name two files")
        elif artifact.size_bytes != (size := (root / path).lstat().st_size):
            yield Problem(place, "artifact_checksum_mismatch", f"{path} has {size} bytes, not {artifact.size_bytes}")
    for path, hook in found.hooks().items():
        if path not in sums:
            yield Problem(found.place(path), "script_hook_missing", f"{hook.name}: {path} is not in the bundle")


def _delivered(found: index.Index, sums: dict[str, str]) -> tuple[tuple[str, str, str], ...]:
    modes = {path: artifact.mode for path, artifact in found.artifacts().items()}
    modes |= dict.fromkeys(found.hooks(), HOOK_MODE)
    return tuple((path, sums[path], modes[path]) for path in sorted(modes) if path in sums)


def _stop(root: Path, problems: Sequence[Problem]) -> None:
    if problems:
        raise failure(f"verifying the bundle in {root.name}", problems)


def failure(doing: str, problems: Sequence[Problem]) -> ReconcilerError:
    """One error for many problems; a wrong or foreign file outweighs a missing one."""
    ordered = sorted(problems, key=lambda problem: (problem.key not in UNTRUSTED, problem))
    more = f"; and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    message = f"{doing}: {len(ordered)} problem(s): {'; '.join(str(one) for one in ordered[:SHOWN])}{more}"
    kind = Untrusted if ordered[0].key in UNTRUSTED else Rejected
    return kind(message, key=ordered[0].key)
