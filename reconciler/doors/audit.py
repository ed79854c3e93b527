"""The audit chain for doors: whether it is whole, ours and as long as we remember. Needs only public keys."""

from pathlib import Path

from reconciler.doors.reading import Json, Reading
from reconciler.errors import Refused, Untrusted
from reconciler.git import audit_chain
from reconciler.git.keys import PublicKey
from reconciler.names import Revision


def verify(reading: Reading, signers: Path | None = None, anchor: str = "") -> Json:
    """Every commit from the first one: signature, single parent, nothing changed or taken away.

    `signers`: public keys of the reconciler, one a line; without them, the key that signed the tip, which the caller
    shows for comparison. `anchor`: a commit that has to be in it.
    """
    trusted = _keys(signers) if signers is not None else {reading.signer} if reading.signer else set()
    tip = reading.audit
    found = (
        audit_chain.findings(reading.view.mirror.repository, tip, trusted, Revision(anchor) if anchor else None)
        if tip is not None
        else ()
    )
    commits = len(audit_chain.between(reading.view.mirror.repository, None, tip)) if tip is not None else 0
    return {
        "tip": tip,
        "commits": commits,
        "events": len(reading.events),
        "signers": [{"fingerprint": PublicKey.parse(key).fingerprint, "key": key} for key in sorted(trusted)],
        "signers_given": signers is not None,
        "findings": [{"commit": one.revision, "problem": one.problem} for one in found],
    }


def _keys(path: Path) -> set[str]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        return {PublicKey.parse(line).line for line in lines if line and not line.startswith("#")}
    except (OSError, UnicodeDecodeError, Untrusted) as error:
        raise Refused(f"reading the signers in {path}: {error}", key="validation_error") from error
