"""The people's door to the embedded forge: what `reconciler pr ...` does.

Knows one login and its signing key. Every verb looks, decides on what it sees, and appends one signed record; the fold
judges it again for everybody else. The rules: what a person saw is what they decide on (`expected_head`), a merge is
recorded before the branch moves (landing.py tells whether it did), and refusals say what to do next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reconciler.approval.decision import SSHSIG_NAMESPACE, Decision, PullSubject, Verb
from reconciler.errors import Refused, Rejected, Unavailable
from reconciler.forges.embedded import record as rec
from reconciler.forges.embedded.forge import said
from reconciler.forges.embedded.ledger import ATTEMPTS, Draft, Ledger, Look
from reconciler.forges.embedded.merging import drafted
from reconciler.forges.embedded.record import Method
from reconciler.forges.embedded.thread import Thread
from reconciler.git.commits import Person as Name
from reconciler.git.keys import SigningKey
from reconciler.git.push import PushResult, push
from reconciler.git.refnames import branch as branch_ref
from reconciler.names import Revision
from reconciler.state.forge import Comment, CommitStatus, PullRequest, PullRequestState, Review, Verdict

REQUIRED = ("reconciler/validate", "reconciler/preview", "reconciler/approval")  # before a merge


@dataclass(frozen=True, slots=True)
class Page:
    """Everything about one pull request."""

    pull_request: PullRequest
    reviews: tuple[Review, ...]
    comments: tuple[Comment, ...]
    statuses: tuple[CommitStatus, ...]


class Person:
    """One login with the key that signs for it; `name` and `email` go into the commits of its merges.

    `required` are the statuses without whose success nothing is merged; empty asks for none.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        login: str,
        key: SigningKey,
        email: str,
        name: str = "",
        required: Sequence[str] = REQUIRED,
    ) -> None:
        self._ledger = ledger
        self._login = login
        self._key = key
        self._email = email
        self._name = name or login
        self._required = tuple(required)

    def pull_requests(self, *states: PullRequestState) -> tuple[PullRequest, ...]:
        """Those in these states, or all, by number."""
        with self._ledger.looking() as look:
            return tuple(one for one in look.pull_requests() if not states or one.state in states)

    def show(self, number: int) -> Page:
        """One pull request with everything about it."""
        with self._ledger.looking() as look:
            thread = look.thread(number)
            pull = look.pull_request(thread)
            statuses = look.fold.statuses.get(pull.head, {})
            return Page(
                pull,
                tuple(thread.reviews.values()),
                tuple(thread.comments.values()),
                tuple(statuses[context] for context in sorted(statuses)),
            )

    def open(self, head_ref: str, base: str, title: str, body: str = "") -> int:
        """Open a pull request of a pushed branch; its number."""
        number = 0

        def draft(look: Look) -> Draft:
            nonlocal number
            head = self._branch(look, head_ref)
            self._branch(look, base)
            for one in look.pull_requests():
                if (one.state, one.head_ref, one.base) == (PullRequestState.OPEN, head_ref, base):
                    raise _refused(f"opening a pull request of {head_ref}: #{one.number} is open already")
            if head_ref == base:
                raise _refused(f"opening a pull request of {head_ref}: a branch is not merged into itself")
            number = look.fold.opened + 1
            fields = {"title": title, "body": body, "base": base, "head_ref": head_ref, "head": head}
            return Draft(said(rec.Opened, **fields), number, keep=(head,))

        self._record(draft)
        return number

    def comment(self, number: int, body: str) -> str:
        """Say something; the comment's id. After Unavailable look first: saying it twice makes two."""

        def draft(look: Look) -> Draft:
            return Draft(said(rec.Commented, body=body, seen=look.seen(look.thread(number))), number)

        return str(self._record(draft))

    def edit_comment(self, number: int, comment: str, body: str) -> None:
        """Change one's own comment; from then on it asks nothing."""

        def draft(look: Look) -> Draft:
            thread = look.thread(number)
            found = thread.comments.get(comment)
            if found is None or found.author != self._login:
                raise _refused(f"editing comment {comment[:20]} of #{number}: it is not one of {self._login}'s")
            return Draft(said(rec.CommentEdited, comment=comment, body=body, seen=look.seen(thread)), number)

        self._record(draft)

    def assign(self, number: int, assignees: Sequence[str]) -> None:
        """Say who looks at it, instead of who did."""

        def draft(look: Look) -> Draft:
            look.thread(number)
            return Draft(said(rec.Assigned, assignees=list(assignees)), number)

        self._record(draft)

    def approve(
        self,
        number: int,
        *,
        digest: str,
        event: str,
        expected_head: Revision,
        reason: str = "",
        exclude_return: bool = False,
    ) -> str:
        """Approve the plan of this digest as the preview in audit event `event` showed it, signed; the review's id."""

        def draft(look: Look) -> Draft:
            pull = self._reviewable(look, number, expected_head)
            if pull.author == self._login:
                raise Refused(
                    f"approving #{number}: {self._login} opened it, and nobody approves their own",
                    key="approval_permission_denied",
                    hint="ask another approver",
                )
            decision = self._decided(
                pull, Verb.APPROVE, digest=digest, event=event, reason=reason, exclude_return=exclude_return
            )
            return self._reviewed(look, pull, Verdict.APPROVE, reason, decision)

        return str(self._record(draft))

    def reject(self, number: int, *, reason: str, expected_head: Revision, digest: str = "", event: str = "") -> str:
        """Ask for changes, which blocks; signed as a decision too where digest and event say what was looked at."""

        def draft(look: Look) -> Draft:
            pull = self._reviewable(look, number, expected_head)
            decision = ""
            if digest and event:
                decision = self._decided(
                    pull, Verb.REJECT, digest=digest, event=event, reason=reason, exclude_return=False
                )
            return self._reviewed(look, pull, Verdict.REJECT, reason, decision)

        return str(self._record(draft))

    def review(self, number: int, body: str, *, expected_head: Revision) -> str:
        """Say something about this head without a verdict; the review's id."""

        def draft(look: Look) -> Draft:
            return self._reviewed(look, self._reviewable(look, number, expected_head), Verdict.COMMENT, body, "")

        return str(self._record(draft))

    def dismiss(self, number: int, review: str, reason: str = "") -> None:
        """Take back one's own review, or anybody's approval."""

        def draft(look: Look) -> Draft:
            thread = look.thread(number)
            found = thread.reviews.get(review)
            if found is None:
                raise _refused(f"dismissing review {review[:20]} of #{number}: there is none")
            if found.author != self._login and found.verdict is not Verdict.APPROVE:
                raise Refused(
                    f"dismissing review {review} of #{number}: only its author may",
                    key="permission_denied",
                    hint=f"ask {found.author}",
                )
            return Draft(said(rec.ReviewDismissed, review=review, body=reason, seen=look.seen(thread)), number)

        self._record(draft)

    def retarget(self, number: int, base: str) -> None:
        """Give an open pull request another base branch; what was approved for the old one stays with the old one."""

        def draft(look: Look) -> Draft | None:
            thread = self._open(look, number, "retargeting")
            self._branch(look, base)
            if base == thread.base:
                return None
            if base == thread.head_ref:
                raise _refused(f"retargeting #{number}: a branch is not merged into itself")
            return Draft(said(rec.Retargeted, base=base, seen=look.seen(thread)), number)

        self._record(draft)

    def close(self, number: int) -> None:
        """Close without merging; approvals end."""

        def draft(look: Look) -> Draft | None:
            thread = look.thread(number)
            pull = look.pull_request(thread)
            if pull.state is PullRequestState.MERGED:
                raise _refused(f"closing #{number}: it is merged")
            if thread.closed_at:
                return None
            return Draft(said(rec.Closed, head=pull.head, seen=look.seen(thread)), number, keep=(pull.head,))

        self._record(draft)

    def reopen(self, number: int) -> None:
        """Open a closed one again, where its branch still stands."""

        def draft(look: Look) -> Draft | None:
            thread = look.thread(number)
            if look.pull_request(thread).state is PullRequestState.MERGED:
                raise _refused(f"reopening #{number}: it is merged")
            self._branch(look, thread.head_ref)
            return Draft(said(rec.Reopened, seen=look.seen(thread)), number) if thread.closed_at else None

        self._record(draft)

    def merge(self, number: int, method: Method, *, expected_head: Revision, sign: bool = False) -> Revision:
        """Merge this head into the base branch; the commit that the base branch stands at then.

        The record comes first and names the commit; then the branch moves, by compare-and-swap. A process that dies in
        between has merged nothing, and the pull request is still open.
        """
        made = Revision("")
        parent = Revision("")
        base = ""

        def draft(look: Look) -> Draft:
            nonlocal made, parent, base
            drawn = drafted(
                look,
                number,
                method,
                expected_head=expected_head,
                required=self._required,
                name=Name(self._name, self._email, self._ledger.clock.now()),
                signer=self._key if sign else None,
            )
            assert isinstance(drawn.said, rec.Merged)  # noqa: S101  the type that `drafted` writes
            made, parent, base = (
                Revision(drawn.said.merge_commit),
                Revision(drawn.said.parent),
                drawn.said.base,
            )
            return drawn

        for _ in range(ATTEMPTS):
            self._record(draft)
            if self._land(number, base, parent, made):
                self._check_landed(number, base, made)
                return made
        raise Unavailable(f"merging #{number}: {base} moved {ATTEMPTS} times meanwhile", key="resource_locked")

    def _land(self, number: int, base: str, parent: Revision, made: Revision) -> bool:
        """Move the base branch; False where somebody else moved it first."""
        repository, remote = self._ledger.mirror.repository, self._ledger.mirror.remote
        try:
            return push(repository, remote, branch_ref(base), parent, made) is PushResult.DONE
        except Unavailable:
            with self._ledger.looking() as look:  # the answer may be lost and the branch moved
                landed = look.landed(look.thread(number))
                if landed and landed.merge_commit == made:
                    return True
            raise

    def _check_landed(self, number: int, base: str, made: Revision) -> None:
        """Somebody may have decided otherwise in the moment between the record and the branch."""
        with self._ledger.looking() as look:
            if look.landed(look.thread(number)) is None:
                raise _refused(
                    f"merging #{number}: {made[:12]} is on {base}, but somebody reviewed, closed or retargeted"
                    " it in the same moment, so it is not covered by it",
                    hint="it is held like a direct push: approve it by its ticket, or revert it",
                )

    def _record(self, draft: Callable[[Look], Draft | None]) -> int:
        return self._ledger.append(self._login, self._key, draft)

    def _branch(self, look: Look, name: str) -> Revision:
        found = look.branch(name)
        if found is None:
            raise _refused(f"looking for branch {name[:80]}: it does not exist", hint="push it first")
        return found

    def _open(self, look: Look, number: int, doing: str) -> Thread:
        thread = look.thread(number)
        state = look.pull_request(thread).state
        if state is not PullRequestState.OPEN:
            raise _refused(f"{doing} #{number}: it is {state}")
        return thread

    def _reviewable(self, look: Look, number: int, expected: Revision) -> PullRequest:
        pull = look.pull_request(self._open(look, number, "reviewing"))
        if pull.head != expected:
            raise _refused(
                f"reviewing #{number}: its head moved to {pull.head[:12]}, and {expected[:12]} was looked at",
                hint="look at what came in and at its preview",
            )
        return pull

    def _decided(
        self, pull: PullRequest, verb: Verb, *, digest: str, event: str, reason: str, exclude_return: bool
    ) -> str:
        try:
            decision = Decision(
                repository=self._ledger.repository_id,
                subject=PullSubject(pull.number, pull.base, pull.head),
                verb=verb,
                digest=digest,
                event=event,
                reason=reason,
                at=self._ledger.clock.now(),
                exclude_return=exclude_return,
            )
        except ValueError as error:
            raise Rejected(f"deciding on #{pull.number}: {error}", key="validation_error") from error
        return decision.signed_bytes.decode()

    def _reviewed(self, look: Look, pull: PullRequest, verdict: Verdict, body: str, decision: str) -> Draft:
        review = said(
            rec.Reviewed,
            verdict=verdict.value,
            commit=pull.head,
            base=pull.base,
            body=body,
            seen=look.seen(look.thread(pull.number)),
            decision=decision,
            decision_signature=self._key.sign(decision.encode(), SSHSIG_NAMESPACE) if decision else "",
        )
        return Draft(review, pull.number, keep=(pull.head,))


def _refused(message: str, hint: str = "") -> Refused:
    return Refused(message, key="resource_conflict", hint=hint)
