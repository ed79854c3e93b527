"""Who signed a message, or a commit.

Knows how to check an SSH signature and what a commit's signature header may hold. Knows nobody: whether a key belongs
to a person who may do something is decided elsewhere. The rule: an answer names the key that verifiably signed these
exact bytes, or there is none. What cannot be checked (GPG, X.509, more than one signature) is unverifiable, which is
never verified; what is wrong is Untrusted (gate.md G5, G14; threat T9).
"""

from dataclasses import dataclass
from enum import StrEnum

from reconciler.errors import Untrusted
from reconciler.git import sshsig
from reconciler.git.commits import Commit
from reconciler.git.keys import PublicKey, SigningKey

COMMITS = "git"  # git's own namespace
_SSH = b"-----BEGIN SSH SIGNATURE-----"


class Standing(StrEnum):
    """What a commit's signature is worth."""

    VERIFIED = "verified"
    UNSIGNED = "unsigned"
    UNVERIFIABLE = "unverifiable"


@dataclass(frozen=True, slots=True)
class CommitSignature:
    """A commit's signature. `key` is a public key line, empty unless verified."""

    standing: Standing
    key: str = ""


def sign(message: bytes, namespace: str, key: SigningKey) -> str:
    """An armored signature over a message in a namespace."""
    return key.sign(message, namespace)


def verify(message: bytes, namespace: str, armored: str) -> str:
    """The line of the public key that signed this message in this namespace. Raises Untrusted otherwise."""
    envelope = sshsig.opened(armored)
    if envelope.namespace != namespace:
        raise Untrusted(
            f"checking a signature: it was made for {envelope.namespace[:60]!r}, and {namespace!r} is asked for"
        )
    key = PublicKey.of_blob(envelope.public_key)
    key.check(envelope.signature, sshsig.to_sign(message, namespace, envelope.hash_name))
    return key.line


def verify_commit(commit: Commit) -> CommitSignature:
    """Who signed a commit. Raises Untrusted where an SSH signature does not check."""
    if not commit.signatures:
        return CommitSignature(Standing.UNSIGNED)
    armored = commit.signatures[0]
    if len(commit.signatures) > 1 or not armored.startswith(_SSH):
        return CommitSignature(Standing.UNVERIFIABLE)
    try:
        key = verify(commit.payload, COMMITS, armored.decode(errors="replace"))
    except Untrusted as error:
        raise Untrusted(f"checking commit {commit.id}: {error.message}") from error
    return CommitSignature(Standing.VERIFIED, key)
