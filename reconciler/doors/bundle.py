"""Bundles for doors: filling, signing and verifying a folder on this machine (contracts: bundle.md)."""

import os
from collections.abc import Sequence
from pathlib import Path

from reconciler.bundle import assemble, keys, sign, verify
from reconciler.doors.reading import Json
from reconciler.errors import Refused
from reconciler.secret import Secret


def fetch_list(folder: Path) -> list[Json]:
    """Every artifact that the index names, and whether it is there."""
    return [
        {
            "id": one.id,
            "path": one.path,
            "sha256": one.sha256,
            "size_bytes": one.size_bytes,
            "required": one.required,
            "present": one.present,
        }
        for one in assemble.fetch_list(folder)
    ]


def fill(folder: Path, source: Path | None) -> Json:
    """Copy what is still needed from a folder, and write sums and sizes into the index."""
    copied = assemble.assemble(folder, source) if source is not None else ()
    return {"copied": list(copied), "written": list(assemble.fill_index(folder))}


def sign_folder(folder: Path, key: Path, *, generate: bool) -> Json:
    """Sign with a private key in PEM; make one first where asked for and absent."""
    if generate and not key.exists():
        _make_key(key)
    try:
        pem = Secret(key.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            f"reading the bundle key {key}: {error}",
            key="validation_error",
            hint="name an ed25519 private key in PEM; --generate makes one",
        ) from error
    signed = sign.sign(folder, pem)
    return {"version": signed.version, "files": signed.files, "signer": str(signed.signer), "name": signed.signer.name}


def verify_folder(folder: Path, trusted: Sequence[str]) -> Json:
    """Signature, every sum, then the index. Raises Untrusted, Rejected."""
    if not trusted:
        raise Refused(
            f"verifying the bundle in {folder}: no key is trusted",
            key="artifact_signature_invalid",
            hint="name keys with --trust ed25519:..., or bundle_keys in reconciler.toml",
        )
    try:
        known = [keys.read_public_key(text) for text in trusted]
    except keys.KeyRefused as error:
        raise Refused(str(error), key="artifact_signature_invalid") from error
    bundle = verify.verify(folder, known)
    return {
        "version": bundle.version,
        "digest": bundle.digest,
        "runtimes": [runtime.name for runtime in bundle.runtimes],
    }


def _make_key(path: Path) -> None:
    private, _ = keys.generate_key()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(private.reveal())
    except OSError as error:
        raise Refused(f"writing the bundle key {path}: {error.strerror}", key="validation_error") from error
