"""The audit branch as anybody with read access sees it: no key of the reconciler is needed, and nothing is written.

Knows who signed it and says so; whether that key is the reconciler's is for the reader to know.
"""

from dataclasses import dataclass, field

from reconciler.app.journal import fold_files
from reconciler.errors import Unavailable
from reconciler.git import audit_chain, history, signatures, trees
from reconciler.git.audit_branch import AUDIT
from reconciler.git.mirror import Mirror
from reconciler.machine.ledger import Ledger
from reconciler.names import EventId, Revision
from reconciler.state.event import Event

REPOSITORY = "repository"  # the field of the first event's detail that names the repository (G5)


@dataclass(slots=True)
class View:
    """What the branch said when it was read. `mirror` is of the repository that it is in."""

    mirror: Mirror
    tip: Revision | None = None
    signer: str = ""  # public key line of its newest commit, empty where that is not verifiably signed
    ledger: Ledger = field(default_factory=Ledger)
    events: list[Event] = field(default_factory=list)

    def file(self, path: str) -> bytes:
        """A file of the newest tree. Raises Unavailable where it is not there."""
        found = trees.find(self.mirror.repository, self.tip, path) if self.tip is not None else None
        content = trees.read_blob(self.mirror.repository, found.blob, audit_chain.LARGEST) if found else None
        if content is None:
            raise Unavailable(
                f"reading {path} from the audit branch: it is not there", key="release_timeline_unavailable"
            )
        return content

    @property
    def repository(self) -> str:
        """The repository id that decisions are bound to, as the first event says; empty before any."""
        return next((str(event.detail[REPOSITORY]) for event in self.events if REPOSITORY in event.detail), "")


def read_view(mirror: Mirror, audit: Mirror) -> View:
    """Poll, then read the whole branch. `audit`: the mirror that it is in, often the same; it is polled first, so that
    nothing in it is about commits that are not here yet. Raises Unavailable, Untrusted."""
    if audit is not mirror:
        audit.sync()
    mirror.sync()
    tip = audit.refs().get(AUDIT)
    view = View(audit, tip)
    if tip is None:
        return view
    repository = audit.repository
    view.signer = signatures.verify_commit(history.commit(repository, tip)).key
    absorbed: set[EventId] = set()
    for record in audit_chain.records(repository, audit_chain.between(repository, None, tip)):
        fold_files(record.files, view.ledger, view.events, absorbed)
    return view
