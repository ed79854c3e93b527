"""What git complained about -> one of our failures.

Knows git's words (of version 2.39, in English: the transport sets LC_ALL=C) and nothing else. The rule: an identity
that does not match is Untrusted, a refusal is Rejected, and everything that is not understood is Unavailable: looking
again is always safe, acting on a guess is not. Text of a far side is shortened and made printable before it is
quoted.
"""

import re

from reconciler.errors import ReconcilerError, Rejected, Unavailable, Untrusted
from reconciler.git.remote import Remote
from reconciler.plan.hide import hidden

UNREACHABLE = "repository_unreachable"
_DAMAGE = (
    r"not a git repository|bad object|missing (blob|tree|commit)|unable to read (tree|sha1)|is corrupt|is empty"
    r"|inflate:|invalid sha1 pointer|Could not read [0-9a-f]{40}|bad (tree|config)|unknown repository extension"
    r"|packfile .* (cannot|does not)|index file .* is|unresolved deltas left|hash mismatch|bad signature"
    r"|fatal: failed to read object"
)

_UNKNOWN = r"Authentication failed|could not read (Username|Password)|returned error: 401"

_TABLE: tuple[tuple[str, type[ReconcilerError], str], ...] = (
    (r"host key verification failed|remote host identification has changed", Untrusted, "ssh_auth_failed"),
    (
        r"SSL certificate|certificate (problem|verify|subject)|verification failed",
        Untrusted,
        "certificate_invalid",
    ),
    (r"unable to update url base from redirection|returned error: 30\d", Rejected, "endpoint_invalid"),
    (r"permission denied \(|Load key .*(invalid|bad permissions)", Rejected, "ssh_auth_failed"),
    (r"Authentication failed|could not read (Username|Password)|returned error: 40[13]", Rejected, "permission_denied"),
    (r"fsck error|error in object|badTree|hasDot|missing necessary objects", Rejected, "validation_error"),
    (r"transport '[^']*' not allowed|dubious ownership", Rejected, "permission_denied"),
)


def failure(command: str, code: int, complaint: str, remote: Remote | None) -> ReconcilerError:
    """The error to raise for a child that exited with `code` after saying `complaint`."""
    where = f" with {remote.url}" if remote else ""
    said = f"running git {command}{where}: exit {code}: {quoted(complaint)}"
    for pattern, kind, key in _TABLE:
        if re.search(pattern, complaint, re.IGNORECASE):
            return kind(said, key=key)
    return Unavailable(said, key=UNREACHABLE if remote else None)


def speaks_of_a_refused_token(complaint: str) -> bool:
    """Whether the remote did not know who we are, and so did nothing."""
    return bool(re.search(_UNKNOWN, complaint, re.IGNORECASE))


def speaks_of_damage(complaint: str) -> bool:
    """Whether git's words say that the repository it worked on is broken, and not the way to the remote."""
    return bool(re.search(_DAMAGE, complaint, re.IGNORECASE))


def quoted(complaint: str) -> str:
    """A far side's words, printable, on one line, at most 400 characters."""
    line = hidden("; ".join(part.strip() for part in complaint.splitlines() if part.strip()))
    return "".join(sign if sign.isprintable() else "?" for sign in line)[:400] or "nothing said"
