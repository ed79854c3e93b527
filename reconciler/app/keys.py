"""The reconciler's own keys: made once, kept under the state folder, never in Git. They need a backup (`doctor` says
where).

Rule: a key file is written by one rename with mode 0600 in a folder of mode 0700, and an existing one is never
replaced.
"""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.app.settings import Settings
from reconciler.errors import Unavailable
from reconciler.git.keys import SigningKey
from reconciler.secret import Secret

HMAC_BYTES = 32
RESTORE = "restore the keys from their backup, or run `reconciler init` for a new reconciler"


@dataclass(frozen=True, slots=True)
class Keys:
    """What the reconciler signs, marks and opens with."""

    signing: SigningKey
    hmac: bytes = field(repr=False)
    age: Secret


def age_recipient(keys: Keys) -> str:
    """The public half of the age identity: what people encrypt Credentials to. Raises Unavailable as age_identity."""
    return str(age_identity(keys).to_public())


def age_identity(keys: Keys) -> Any:
    """pyrage's identity. Raises Unavailable where the key's file is damaged."""
    import pyrage

    try:
        return pyrage.x25519.Identity.from_str(keys.age.reveal())
    except (pyrage.IdentityError, ValueError):
        pass  # what it says may quote the key
    raise Unavailable("reading the age identity: it is damaged", hint=RESTORE)


def make_keys(settings: Settings) -> Keys:
    """Make what is missing and load all. Raises Unavailable where the folder cannot be written."""
    folder = settings.signing_key.parent
    try:
        settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)  # caches below hold what a repository holds
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not settings.signing_key.exists():
            SigningKey.generate().save(settings.signing_key)
        if not settings.hmac_key.exists():
            _write_once(settings.hmac_key, secrets.token_hex(HMAC_BYTES))
        if not settings.age_identity.exists():
            import pyrage

            _write_once(settings.age_identity, str(pyrage.x25519.Identity.generate()))
    except OSError as error:
        raise Unavailable(f"making keys in {folder}: {error.strerror}") from error
    return load_keys(settings)


def load_keys(settings: Settings) -> Keys:
    """Load existing keys. Raises Unavailable where one is missing, with what to do."""
    why = "one of them is damaged"
    try:
        keys = Keys(
            signing=SigningKey.load(settings.signing_key),
            hmac=_whole(bytes.fromhex(settings.hmac_key.read_text(encoding="ascii").strip())),
            age=Secret(settings.age_identity.read_text(encoding="ascii").strip()),
        )
        age_identity(keys)
    except OSError as error:
        why = str(error)
    except ValueError:  # it holds the bytes that it could not read, so it becomes no cause of another
        pass
    else:
        return keys
    raise Unavailable(f"loading keys from {settings.signing_key.parent}: {why}", hint=RESTORE)


def _whole(key: bytes) -> bytes:
    """An empty or short key would let anybody guess what a mark stands for."""
    if len(key) != HMAC_BYTES:
        raise ValueError
    return key


def _write_once(path: Path, text: str) -> None:
    beside = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(beside, path)  # fails where somebody was faster: their key is the key
    except FileExistsError:
        return
    finally:
        beside.unlink()
