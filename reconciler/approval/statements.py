"""Reviews, signed decisions and the merge itself, read as statements of people (contracts: G5, G13).

Knows how each is written; judges none. Rule: who said it is what a verified key or the forge says, never what a text
claims; a quoted digest is a run of at least twelve of its first digits.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from reconciler.approval.decision import Decision, Verb, parse_decision
from reconciler.approval.judgement import Way
from reconciler.approval.question import Question
from reconciler.names import SHORT, Digest, Revision
from reconciler.state.forge import PullRequestState, Review, Verdict

_HEX = re.compile(rf"[0-9a-f]{{{SHORT},}}")
_EXCLUDE_RETURN = re.compile(r"^[ \t]*/?exclude-return[ \t]*$", re.MULTILINE | re.IGNORECASE)
VERDICTS = {Verdict.APPROVE: Verb.APPROVE, Verdict.REJECT: Verb.REJECT}
_RANKED = (Verdict.APPROVE, Verdict.DISMISSED, Verdict.REJECT)  # at one time the stricter one is the later


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One person's word. `decision` is None for an unsigned one, and for one that does not read (`unreadable`)."""

    id: str
    way: Way
    verdict: Verdict
    at: datetime
    login: str
    signer: str
    base: str
    commit: Revision
    body: str = ""
    bot: bool = False
    decision: Decision | None = None
    unreadable: str = ""
    late: bool | None = None  # of a decision that came to us alone: whether its ticket had landed when we first saw it

    @property
    def order(self) -> tuple[datetime, int, str]:
        """By time; at one time what ends an approval comes last."""
        return (self.at, _RANKED.index(self.verdict), self.id)

    @property
    def excludes_return(self) -> bool:
        """Whether it grants no return: the decision says so, or a line of the review (G21)."""
        signed = self.decision is not None and self.decision.exclude_return
        return signed or _EXCLUDE_RETURN.search(self.body) is not None


def statements(question: Question, *, merge_counts: bool) -> tuple[Statement, ...]:
    """Everything that was said about this plan, oldest first. `merge_counts`: merging may be an approval (G15)."""
    found = [*_reviews(question), *_decisions(question)]
    if merge_counts:
        found += _merge(question)
    return tuple(sorted(found, key=lambda statement: statement.order))


def quotes(body: str, digests: frozenset[Digest]) -> bool:
    """Whether a text quotes one of the digests: its first twelve digits or more, and no digit that is not its own."""
    return any(digest.startswith(run) for run in _HEX.findall(body.lower()) for digest in digests)


def _reviews(question: Question) -> Iterator[Statement]:
    for review in question.reviews:
        if review.verdict is Verdict.COMMENT:
            continue
        decision, unreadable = _read(review)
        yield Statement(
            id=review.id,
            way=Way.SIGNED if review.signer else Way.REVIEW,
            verdict=review.verdict,
            at=review.submitted_at,
            login=review.author,
            signer=review.signer,
            base=review.base,
            commit=review.commit,
            body=review.body,
            bot=review.author_is_bot,
            decision=decision,
            unreadable=unreadable,
        )


def _read(review: Review) -> tuple[Decision | None, str]:
    if not review.signer:
        return None, ""
    try:
        return parse_decision(review.decision.encode()), ""
    except ValueError as error:
        return None, str(error)


def _decisions(question: Question) -> Iterator[Statement]:
    words = {Verb.APPROVE: Verdict.APPROVE, Verb.REJECT: Verdict.REJECT}
    for index, signed in enumerate(question.decisions):
        if signed.decision.verb in words:
            yield Statement(
                id=f"decision {index + 1}",
                way=Way.SIGNED,
                verdict=words[signed.decision.verb],
                at=signed.at,
                late=signed.late,
                login="",
                signer=signed.signer,
                base=question.preview.base,
                commit=question.preview.head,
                body=signed.decision.reason,
                decision=signed.decision,
            )


def _merge(question: Question) -> Iterator[Statement]:
    pull = question.pull
    if pull and pull.state is PullRequestState.MERGED and pull.merged_at and pull.merged_by and not question.held:
        yield Statement(
            id=f"merge of {pull.number}",
            way=Way.MERGE,
            verdict=Verdict.APPROVE,
            at=pull.merged_at,
            login=pull.merged_by,
            signer="",
            base=pull.base,
            commit=pull.head,
        )
