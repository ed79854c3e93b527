"""Writing a bundle's checksums and signing them; the person's side of verify.py.

Knows the folder and the private key for as long as it signs. The rule: what is signed is complete, so an index with a
problem, or one that describes another file than the one that lies there, is not signed.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reconciler.bundle import checksums, files, index
from reconciler.bundle.assemble import read_own_index
from reconciler.bundle.keys import KeyRefused, PublicKey, sign_bytes
from reconciler.bundle.verify import failure
from reconciler.errors import Place, Problem, Rejected
from reconciler.secret import Secret


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed by whom."""

    version: str
    files: int
    signer: PublicKey


def sign(root: Path, private_pem: Secret) -> Signed:
    """Write SHA256SUMS, its signature and public.key. Raises Rejected, Untrusted where a link stands in the folder."""
    found = read_own_index(root)
    sums = _sums(root)
    if problems := list(_unfilled(found, sums)):
        raise failure(f"signing the bundle in {root.name}", problems)
    content = checksums.render(sums)
    if problems := checksums.parse(content)[1]:
        raise failure(f"signing the bundle in {root.name}", problems)
    try:
        signature, signer = sign_bytes(private_pem, content)
    except KeyRefused as error:
        raise Rejected(f"signing the bundle in {root.name}: {error}", key="validation_error") from error
    (root / checksums.FOLDER).mkdir(exist_ok=True)
    for path, written in (
        (checksums.SUMS, content),
        (checksums.SIGNATURE, signature),
        (checksums.PUBLIC_KEY, signer.pem),
    ):
        replace_file(root / path, written)
    return Signed(found.version, len(sums), signer)


def replace_file(path: Path, content: bytes) -> None:
    """Write beside it and rename, so that a reader finds the old bytes or the new ones."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.replace(path)


def _sums(root: Path) -> dict[str, str]:
    sums, problems = {}, []
    for found in files.walk(root):
        if found.path in checksums.UNSIGNED:
            continue
        if found.kind != "file" or not files.path_allowed(found.path):
            problems.append(
                Problem(
                    Place(found.path), "artifact_checksum_mismatch", f"a {found.kind} of this name cannot be signed"
                )
            )
        elif found.path.startswith(f"{checksums.FOLDER}/"):
            problems.append(Problem(Place(found.path), "artifact_checksum_mismatch", "no file of a bundle lies here"))
        else:
            sums[found.path] = files.sha256_inside(root, found.path)[0]
    if problems:
        raise failure(f"signing the bundle in {root.name}", problems)
    return sums


def _unfilled(found: index.Index, sums: dict[str, str]) -> Iterable[Problem]:
    for path, artifact in found.artifacts().items():
        place = found.place(path)
        if path not in sums:
            if artifact.required:
                yield Problem(
                    place, "artifact_missing", f"{path} is required; `reconciler bundle fetch-list` names all"
                )
        elif artifact.sha256 != sums[path]:
            yield Problem(
                place, "artifact_checksum_mismatch", f"{path} is another file; `reconciler bundle index` fills it in"
            )
    for path, hook in found.hooks().items():
        if path not in sums:
            yield Problem(found.place(path), "script_hook_missing", f"{hook.name}: {path} is not there")
