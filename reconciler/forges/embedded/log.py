"""Records as commits of one ref: each commit holds one record and its signature, and follows the one before.

Knows how a record lies in Git and what its signature proves; knows nothing of what a record may do (fold.py). The rule:
the log only grows. A tip that does not descend from what was read before is Untrusted, because whoever cut the log may
have cut a rejection. A commit that is no good record is reported and passed over; each commit is read once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pygit2
from pygit2.enums import FileMode, ObjectType

from reconciler.approval.decision import SSHSIG_NAMESPACE
from reconciler.errors import Untrusted
from reconciler.forges.embedded import record as rec
from reconciler.forges.embedded.fold import Entry, Ignored
from reconciler.git import history, signatures
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Person, serialise
from reconciler.git.keys import SigningKey
from reconciler.git.write import changed_tree
from reconciler.names import BlobId, Revision

REF = "refs/reconciler/forge"
ANCHOR = "refs/local/forge"  # in our mirror only: the last tip that we read
RECORD = "record.json"
SIGNATURE = "signature"

_FILES = (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)


@dataclass(frozen=True, slots=True)
class Batch:
    """What is new since the last reading, oldest first; `places` are the positions of all its commits."""

    tip: Revision | None
    places: Mapping[Revision, int]
    entries: tuple[Entry, ...]
    ignored: tuple[Ignored, ...]


class Log:
    """The log of one repository as far as it was read. `read` counts the records that were opened."""

    def __init__(self, repository_id: str) -> None:
        self.repository_id = repository_id
        self.entries: list[Entry] = []
        self.positions: dict[Revision, int] = {}
        self.tip: Revision | None = None
        self.read = 0

    def fresh(self, repository: BareRepository, tip: Revision | None) -> Batch:
        """What stands up to `tip` and was not taken yet. Raises Untrusted where `tip` does not descend from that."""
        anchor = self.tip or repository.ref(ANCHOR)
        commits = self._since(repository, tip)
        if anchor and anchor != self.tip and anchor not in commits:
            raise _cut(anchor, tip)
        entries: list[Entry] = []
        ignored: list[Ignored] = []
        places = {commit: place for place, commit in enumerate(reversed(commits), start=len(self.positions) + 1)}
        for commit, position in places.items():
            self.read += 1
            try:
                entries.append(self._entry(repository, commit, position))
            except rec.Malformed as error:
                ignored.append(Ignored(position, commit, str(error)))
        return Batch(tip, places, tuple(entries), tuple(ignored))

    def take(self, batch: Batch) -> None:
        """Count a batch as read."""
        self.positions |= batch.places
        self.entries += batch.entries
        self.tip = batch.tip

    def _since(self, repository: BareRepository, tip: Revision | None) -> Sequence[Revision]:
        """Commits after the last reading, newest first, by first parents: others only keep heads reachable."""
        found: list[Revision] = []
        at = tip
        while at is not None and at != self.tip:
            found.append(at)
            parents = repository.commit(at).parent_ids
            at = Revision(str(parents[0])) if parents else None
        if at is None and self.tip is not None:
            raise _cut(self.tip, tip)
        return found

    def _entry(self, repository: BareRepository, commit: Revision, position: int) -> Entry:
        content = _file(repository, commit, RECORD, rec.MAX_RECORD)
        armored = _file(repository, commit, SIGNATURE, rec.MAX_SIGNATURE).decode("ascii", errors="replace")
        record = rec.parse(content)
        parents = repository.commit(commit).parent_ids
        if record.repository != self.repository_id:
            raise rec.Malformed("it was written for another repository")
        if record.previous != (str(parents[0]) if parents else ""):
            raise rec.Malformed("it was written for another place in the log")
        signer = _signer(content, rec.NAMESPACE, armored)
        if not signer:
            raise rec.Malformed("its signature does not check")
        decision = ""
        if isinstance(record.said, rec.Reviewed) and record.said.decision:
            decision = _signer(record.said.decision.encode(), SSHSIG_NAMESPACE, record.said.decision_signature)
        return Entry(position, commit, record, signer, decision)


def write(
    repository: BareRepository, record: rec.Record, key: SigningKey, name: str, keep: Sequence[Revision]
) -> Revision:
    """A commit with this record, signed; nothing names it yet.

    `keep` are commits that the log shall keep reachable; the first record of a log can keep none.
    """
    content = record.canonical()
    files = {RECORD: content, SIGNATURE: key.sign(content, rec.NAMESPACE).encode()}
    parents = [Revision(record.previous)] if record.previous else []
    person = Person(name, "", record.at)
    subject = f"{record.said.kind} #{record.number} by {record.author}"
    others = [commit for commit in dict.fromkeys(keep) if commit not in parents]
    raw = serialise(changed_tree(repository, None, files), [*parents, *others], person, person, subject)
    return repository.write_commit(raw)


def _file(repository: BareRepository, commit: Revision, name: str, limit: int) -> bytes:
    with repository.reading(f"record {commit}"):
        tree = repository.objects[pygit2.Oid(hex=commit)].peel(pygit2.Tree)
        if name not in tree or tree[name].filemode not in _FILES:
            raise rec.Malformed(f"it holds no file {name}")
        found = BlobId(str(tree[name].id))
    content = repository.blob(found, limit)
    if content is None:
        raise rec.Malformed(f"its {name} is larger than {limit} bytes")
    return content


def _signer(content: bytes, namespace: str, armored: str) -> str:
    """The key line that made a signature; empty where it does not check."""
    try:
        return signatures.verify(content, namespace, armored)
    except Untrusted:
        return ""


def _cut(anchor: Revision, tip: Revision | None) -> Untrusted:
    return Untrusted(
        f"reading the forge's log: {REF} stands at {tip or 'nothing'}, which does not descend from {anchor} that was"
        " read before; somebody rewound or removed it",
        key="history_rewritten",
        hint=f"push it back from this mirror: git push REMOTE +{anchor}:{REF}; or, where cutting it was intended,"
        f" remove {ANCHOR} from this mirror",
    )


def is_commit(repository: BareRepository, name: str) -> bool:
    """Whether this is the id of a commit that is here. Records may name anything, and that must not count as damage."""
    with repository.reading(f"object {name}"):
        oid = pygit2.Oid(hex=name)
        return oid in repository.objects.odb and repository.objects.odb.read_header(oid)[0] == ObjectType.COMMIT


def is_ancestor(repository: BareRepository, ancestor: str, revision: str) -> bool:
    """Whether both are commits that are here, and one is the other or comes before it."""
    if not ancestor or not revision or not all(is_commit(repository, name) for name in (ancestor, revision)):
        return False
    return history.is_ancestor(repository, Revision(ancestor), Revision(revision))
