"""Pull requests of the embedded forge for doors: what there is as plain values, and what people do about it.

Reading needs no key. Whoever approves or rejects names the digest that they looked at; the audit event of that preview
and the head that it was made for are filled in from the audit branch, and signed.
"""

from dataclasses import dataclass
from typing import Any

from reconciler.approval.decision import Verb
from reconciler.approval.persons import ForgeKind
from reconciler.doors.people import Desk
from reconciler.doors.reading import Json, Reading
from reconciler.errors import Refused
from reconciler.forges.embedded.fold import RECONCILER
from reconciler.forges.embedded.record import Method
from reconciler.git import history
from reconciler.machine.ledger import PreviewState
from reconciler.names import SHORT, Revision, ticket_name
from reconciler.state.forge import Comment, CommitStatus, PullRequest, PullRequestState, Review, StatusState


@dataclass(frozen=True, slots=True)
class Order:
    """What became of an order: words for the person."""

    done: str
    next: str = ""


def pull_requests(reading: Reading, state: str = "open") -> list[Json]:
    """Those in a state, or `all`, by number."""
    with reading.forge().looking() as look:
        found = [one for one in look.pull_requests() if state in {"all", one.state.value}]
        return [{**_pull(one), **_checks(look.fold.statuses.get(one.head, {}), reading, one)} for one in found]


def pull_request(reading: Reading, number: int) -> Json:
    """One, with its preview, reviews, statuses and comments; statuses of the merge commit beside those of the head."""
    with reading.forge().looking() as look:
        thread = look.thread(number)
        pull = look.pull_request(thread)
        reviews, comments = tuple(thread.reviews.values()), tuple(thread.comments.values())
        of_head = dict(look.fold.statuses.get(pull.head, {}))
        of_merge = dict(look.fold.statuses.get(pull.merge_commit, {})) if pull.merge_commit else {}
    state = reading.ledger.previews.get(ticket_name(number))
    return {
        **_pull(pull),
        "body": pull.body,
        "preview": _preview(state) if state is not None else None,
        "statuses": [_status(of_head[name]) for name in sorted(of_head)],
        "merge_statuses": [_status(of_merge[name]) for name in sorted(of_merge)],
        "reviews": [_review(one) for one in reviews],
        "comments": [_comment(one) for one in comments],
    }


def open_pull_request(reading: Reading, desk: Desk, branch: str, base: str, title: str, body: str) -> int:
    """Open one of a pushed branch; its number. The title is the head commit's subject unless given."""
    head = reading.mirror.refs().get(f"refs/heads/{branch}")
    if head is None:
        raise Refused(
            f"opening a pull request of {branch}: there is no such branch in the repository",
            key="validation_error",
            hint=f"push it first: git push origin {branch}",
        )
    words = title or history.commit(reading.mirror.repository, head).subject
    return desk.person().open(branch, base or reading.settings.branch, words, body)


def previewed(reading: Reading, ticket: str, digest: str) -> PreviewState:
    """The current preview of a ticket, which must have the digest that the person names. Raises Refused."""
    state = reading.ledger.previews.get(ticket)
    if state is None:
        raise Refused(
            f"deciding on {ticket}: it has no preview yet",
            key="preview_required",
            hint="the reconciler posts one at its next look",
        )
    found = state.previewed.digest
    if len(digest) < SHORT:
        raise Refused(
            f"deciding on {ticket}: a digest is named by at least {SHORT} digits",
            key="validation_error",
            hint="copy it from the preview that you read",
        )
    if not found.startswith(digest):
        raise Refused(
            f"deciding on {ticket}: its preview has the digest {found[:SHORT]}, not {digest[:SHORT]}",
            key="preview_mismatch",
            hint="read the newer preview; approve that digest if it is what you want",
        )
    return state


def approve(reading: Reading, desk: Desk, number: int, digest: str, reason: str, *, exclude_return: bool) -> Order:
    """Approve the previewed plan of an open pull request, signed."""
    state = previewed(reading, ticket_name(number), digest)
    if reading.settings.forge_kind is not ForgeKind.EMBEDDED:
        desk.decide(state, Verb.APPROVE, reason=reason, exclude_return=exclude_return)
        return _signed(desk, Verb.APPROVE, state)
    desk.person().approve(
        number,
        digest=state.previewed.digest,
        event=str(state.event),
        expected_head=state.inputs[1],
        reason=reason,
        exclude_return=exclude_return,
    )
    return Order(
        f"approved #{number} at {state.previewed.digest[:SHORT]} as {desk.login}",
        "the reconciler judges it at its next look; `reconciler pr show` has its verdict",
    )


def reject(reading: Reading, desk: Desk, number: int, reason: str, digest: str = "") -> Order:
    """Ask for changes, which blocks; signed as a decision where there is a preview."""
    state = reading.ledger.previews.get(ticket_name(number))
    if digest:
        state = previewed(reading, ticket_name(number), digest)
    if reading.settings.forge_kind is not ForgeKind.EMBEDDED and state is not None:
        desk.decide(state, Verb.REJECT, reason=reason)
        return _signed(desk, Verb.REJECT, state)
    head = Revision(pull_request(reading, number)["head"])
    fits = state is not None and state.inputs[1] == head and not state.ended
    desk.person().reject(
        number,
        reason=reason,
        expected_head=head,
        digest=state.previewed.digest if state is not None and fits else "",
        event=str(state.event) if state is not None and fits else "",
    )
    return Order(f"rejected #{number} as {desk.login}")


def merge(reading: Reading, desk: Desk, number: int, method: str) -> Order:
    """Merge the head that stands now."""
    head = Revision(pull_request(reading, number)["head"])
    made = desk.person().merge(number, Method(method), expected_head=head)
    return Order(f"merged #{number}: {made}", "the merge applies the approved plan; `reconciler timeline` tells")


def decide(reading: Reading, desk: Desk, reference: str, verb: str, reason: str) -> Order:
    """`approve REF` and `reject REF`, of an open pull request, a held merge or a held commit."""
    ticket, _, digest = reference.partition("@")
    if ticket not in reading.ledger.previews:
        raise Refused(
            f"deciding on {reference[:80]}: there is no ticket {ticket[:60]}",
            key="approval_ticket_not_found",
            hint="`reconciler inbox` lists REFs: TICKET@digest",
        )
    state = previewed(reading, ticket, digest)
    number = state.previewed.pull_request
    glass = next((one for (about, _), one in reading.ledger.emergencies.items() if about == ticket), None)
    if glass is not None:  # a second person looks at what was done already (G23)
        desk.decide_commit(state, glass.passed.commit, Verb(verb), reason=reason)
        return _signed(desk, verb, state)
    if number is not None and ticket not in reading.ledger.waiting:
        if verb == Verb.EMERGENCY:
            desk.decide(state, Verb.EMERGENCY, reason=reason)
            return _signed(desk, verb, state)
        if verb == Verb.APPROVE:
            return approve(reading, desk, number, digest, reason, exclude_return=False)
        return reject(reading, desk, number, reason, digest)
    waiting = reading.ledger.waiting.get(ticket)
    if waiting is None:
        raise Refused(f"deciding on {ticket}: nothing of it waits", key="approval_ticket_not_approved")
    if number is not None:
        desk.decide_commit(state, waiting.landed.commit, Verb(verb), reason=reason)
    else:
        desk.decide(state, Verb(verb), reason=reason)
    return _signed(desk, verb, state)


def _signed(desk: Desk, verb: str, state: PreviewState) -> Order:
    return Order(
        f"{verb} of {state.previewed.ticket}@{state.previewed.digest[:SHORT]} signed as {desk.login}",
        "the reconciler judges it at its next look",
    )


def _pull(pull: PullRequest) -> Json:
    return {
        "number": pull.number,
        "title": pull.title,
        "state": pull.state.value,
        "author": pull.author,
        "base": pull.base,
        "head_ref": pull.head_ref,
        "head": pull.head,
        "assignees": list(pull.assignees),
        "created_at": pull.created_at.isoformat(),
        "merge_commit": pull.merge_commit,
        "merged_by": pull.merged_by,
    }


def _checks(statuses: Any, reading: Reading, pull: PullRequest) -> Json:
    """In one word each: the three statuses of a head, and the digest of its preview."""
    state = reading.ledger.previews.get(ticket_name(pull.number))
    words = {name: status.state.value for name, status in statuses.items()}
    return {
        "preview": words.get("reconciler/preview", StatusState.PENDING.value),
        "approval": words.get("reconciler/approval", StatusState.PENDING.value),
        "digest": state.previewed.digest if state is not None and pull.state is PullRequestState.OPEN else "",
    }


def _preview(state: PreviewState) -> Json:
    seen = state.previewed
    return {
        "ticket": seen.ticket,
        "digest": seen.digest,
        "event": str(state.event),
        "head": state.inputs[1],
        "artifact": seen.path,
        "posted_at": state.posted_at.isoformat(),
        "looked_at": state.looked_at.isoformat() if state.looked_at is not None else None,
        "ended": state.ended,
        "plans": [plan.model_dump(mode="json") for plan in seen.plans],
    }


def _status(status: CommitStatus) -> Json:
    return {"context": status.context, "state": status.state.value, "description": status.description}


def _review(review: Review) -> Json:
    return {
        "id": review.id,
        "author": review.author,
        "verdict": review.verdict.value,
        "commit": review.commit,
        "signed": bool(review.signer),
        "body": review.body,
        "submitted_at": review.submitted_at.isoformat(),
    }


def _comment(comment: Comment) -> Json:
    return {
        "id": comment.id,
        "author": comment.author,
        "ours": comment.author == RECONCILER,
        "body": comment.body,
        "created_at": comment.created_at.isoformat(),
        "edited": comment.edited,
    }
