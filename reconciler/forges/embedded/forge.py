"""The reconciler's door to the embedded forge: the ports Forge and ForgeWriter.

Knows what is asked and how it is said in records; the log judges (fold.py), landing.py proves merges. The rules: our
comment is found again by its marker and by our own signature, never by its text; a status is written only where it
differs; merged pull requests are named only for commits of the tracked branch that provably came from them; repeating a
call after an ambiguous answer changes nothing.
"""

from collections.abc import Mapping, Sequence

from reconciler.errors import Refused, Rejected
from reconciler.forges.embedded import record as rec
from reconciler.forges.embedded.fold import RECONCILER
from reconciler.forges.embedded.ledger import Draft, Ledger, Look
from reconciler.forges.embedded.log import is_ancestor
from reconciler.forges.embedded.thread import Thread
from reconciler.git.keys import SigningKey
from reconciler.git.push import PushResult, push
from reconciler.git.refnames import branch as branch_ref
from reconciler.names import Revision
from reconciler.state.forge import Comment, CommitStatus, PullRequest, PullRequestState, Review


class EmbeddedForge:
    """One forge, as the reconciler. `tracked` is the branch that merged pull requests are looked up on."""

    def __init__(self, ledger: Ledger, *, key: SigningKey, tracked: str) -> None:
        self.ledger = ledger
        self._key = key
        self._tracked = tracked
        self._named: dict[int, frozenset[Revision]] = {}  # position of a landed claim -> the commits that it brought

    def close(self) -> None:
        """Nothing is kept open: it is Git."""

    def open_pull_requests(self) -> tuple[PullRequest, ...]:
        """All open ones, by number."""
        with self.ledger.looking() as look:
            return tuple(one for one in look.pull_requests() if one.state is PullRequestState.OPEN)

    def pull_request(self, number: int) -> PullRequest:
        """Raises Rejected where there is none of this number."""
        with self.ledger.looking() as look:
            return look.pull_request(look.thread(number))

    def merged_pull_requests(self, commits: Sequence[Revision]) -> Mapping[Revision, int]:
        """The pull request that brought each of these commits to the tracked branch; others are not in the answer."""
        wanted = set(commits)
        found: dict[Revision, int] = {}
        with self.ledger.looking() as look:
            landed = look.landing.landed(look.repository, look.refs, look.fold.threads.values())
            for number, claim in sorted(landed.items(), key=lambda item: item[1].position):
                if claim.base != self._tracked:
                    continue
                if claim.position not in self._named:
                    self._named[claim.position] = frozenset(look.landing.brought(look.repository, claim))
                for commit in wanted & self._named[claim.position]:
                    found.setdefault(commit, number)
        return found

    def reviews(self, number: int) -> tuple[Review, ...]:
        """All of them, in order of submission."""
        with self.ledger.looking() as look:
            return tuple(look.thread(number).reviews.values())

    def comments(self, number: int) -> tuple[Comment, ...]:
        """All of them, ours too, in order of creation."""
        with self.ledger.looking() as look:
            return tuple(look.thread(number).comments.values())

    def write_comment(self, number: int, marker: str, body: str) -> str:
        """Create or edit in place our one comment with this marker; its id."""
        found = ""

        def draft(look: Look) -> Draft | None:
            nonlocal found
            thread = look.thread(number)
            found = thread.markers.get(marker, "")
            if not found:
                return Draft(said(rec.Commented, body=body, marker=marker, seen=look.seen(thread)), number)
            if thread.comments[found].body == body:
                return None
            return Draft(said(rec.CommentEdited, comment=found, body=body, seen=look.seen(thread)), number)

        place = self.ledger.append(RECONCILER, self._key, draft)
        return found or str(place)

    def set_status(self, revision: Revision, status: CommitStatus) -> None:
        """Say something about a commit, unless exactly that is said already."""

        def draft(look: Look) -> Draft | None:
            if look.fold.statuses.get(revision, {}).get(status.context) == status:
                return None
            return Draft(
                said(
                    rec.StatusSet,
                    revision=revision,
                    context=status.context,
                    state=status.state,
                    description=status.description,
                    url=status.url,
                )
            )

        self.ledger.append(RECONCILER, self._key, draft)

    def statuses(self, revision: Revision) -> tuple[CommitStatus, ...]:
        """The latest of each context, by context."""
        with self.ledger.looking() as look:
            found = look.fold.statuses.get(revision, {})
            return tuple(found[context] for context in sorted(found))

    def propose(self, branch: str, head: Revision, title: str, body: str) -> int:
        """Push `head`, which is in the mirror, as a branch and open a pull request against the tracked branch.

        The record comes before the branch: a pull request without its branch counts as closed, and proposing again
        finds it and goes on; a branch without a record would look like somebody else's.
        """

        def draft(look: Look) -> Draft | None:
            thread = self._proposed(look, branch)
            self._check_branch(look, thread, branch, head)
            if thread:
                return None
            fields = {"title": title, "body": body, "base": self._tracked, "head_ref": branch, "head": head}
            return Draft(said(rec.Opened, **fields), look.fold.opened + 1, keep=(head,))

        self.ledger.append(RECONCILER, self._key, draft)
        with self.ledger.looking() as look:
            thread, stands = self._proposed(look, branch), look.branch(branch)
            self._check_branch(look, thread, branch, head)
            moved = (
                stands != head
                and push(look.repository, self.ledger.mirror.remote, branch_ref(branch), stands, head)
                is PushResult.MOVED
            )
            if moved or thread is None:
                raise Refused(f"proposing {branch}: somebody moved or closed it meanwhile", key="resource_conflict")
            return thread.number

    def _proposed(self, look: Look, branch: str) -> Thread | None:
        """Our pull request of this branch that is neither closed nor merged; its branch may still be missing."""
        for thread in look.fold.threads.values():
            ours = thread.ours and thread.head_ref == branch and thread.base == self._tracked
            if ours and not thread.closed_at and not look.landed(thread):
                return thread
        return None

    def _check_branch(self, look: Look, thread: Thread | None, branch: str, head: Revision) -> None:
        """Refuse to move a branch that somebody else made, or that has commits of somebody else by now."""
        stands = look.branch(branch)
        if stands is None or stands == head:
            return
        if thread is None or (thread.head != stands and not is_ancestor(look.repository, stands, head)):
            raise Refused(
                f"proposing {branch}: the branch exists and holds {stands}, which is not ours",
                key="resource_conflict",
                hint="merge or remove that branch first",
            )


def said(kind: type[rec.S], **fields: object) -> rec.S:
    """What is to be recorded. Raises Rejected where a field is out of bounds."""
    try:
        return rec.said_by(kind, fields)
    except rec.Malformed as error:
        raise Rejected(f"recording {kind.__name__}: {error}", key="validation_error") from error
