"""Signed decisions that come another way than a review: on held commits, holds, retries, returns (gate.md, G5, G18).

A person's machine pushes each as one commit under refs/reconciler/decisions/, create-only: `decision` (canonical
JSON) and `signature` (SSHSIG). Whoever can push there can write anything, so only the signature counts, and who that
key is and what they may is judged elsewhere. A decision is taken in once: its text is its identity.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.approval.decision import SSHSIG_NAMESPACE, Decision, parse_decision
from reconciler.errors import ReconcilerError, Refused
from reconciler.git import signatures, trees
from reconciler.git.commits import Person
from reconciler.git.keys import SigningKey
from reconciler.git.mirror import Mirror
from reconciler.git.push import PushResult, push
from reconciler.git.write import commit_tree
from reconciler.names import Revision

PREFIX = "refs/reconciler/decisions/"
LONGEST = 64 * 1024  # bytes of either file
TICKET_FILE = "ticket"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A decision whose signature holds. `ticket` is what it says it is for, empty for one about a unit."""

    decision: Decision
    text: str
    signature: str
    signer: str
    ticket: str


def submit(mirror: Mirror, decision: Decision, *, ticket: str, key: SigningKey, person: Person) -> str:
    """Push a signed decision; the ref it stands under. Raises Refused where it was submitted before."""
    text = decision.signed_bytes
    signature = key.sign(text, SSHSIG_NAMESPACE)
    name = PREFIX + hashlib.sha256(text + signature.encode()).hexdigest()[:40]
    files: Mapping[str, bytes | None] = {
        "decision": text,
        "signature": signature.encode(),
        TICKET_FILE: ticket.encode(),
    }
    commit = commit_tree(
        mirror.repository, files=files, parents=(), message=f"{decision.verb} {ticket}", author=person, signer=key
    )
    if push(mirror.repository, mirror.remote, name, None, commit) is not PushResult.DONE:
        raise Refused("submitting the decision: the same one is there already", key="resource_conflict")
    return name


def arrived(mirror: Mirror, known: frozenset[str], settled: set[Revision]) -> Iterator[Arrived]:
    """Decisions that stand in the mirror and are not among the `known` texts. What does not verify is passed over.

    `settled` remembers what can never say anything new, so that a look costs nothing for what strangers left there.
    """
    for ref, revision in sorted(mirror.refs().items()):
        if not ref.startswith(PREFIX) or revision in settled:
            continue
        files = _files(mirror, revision)
        text = files.get("decision", b"").decode(errors="replace")
        if not text or text in known:
            settled.add(revision)
            continue
        try:
            decision = parse_decision(files["decision"])
            signature = files["signature"].decode()
            signer = signatures.verify(files["decision"], SSHSIG_NAMESPACE, signature)
        except (ReconcilerError, ValueError, KeyError):
            settled.add(revision)  # anybody can push here; only what verifies is a decision
            continue
        yield Arrived(decision, text, signature, signer, files.get(TICKET_FILE, b"").decode(errors="replace")[:200])


def _files(mirror: Mirror, revision: Revision) -> dict[str, bytes]:
    try:
        found = trees.entries(mirror.repository, revision)
        read = {entry.path: trees.read_blob(mirror.repository, entry.blob, LONGEST) for entry in found[:4]}
    except ReconcilerError:
        return {}
    return {path: content for path, content in read.items() if content is not None}
