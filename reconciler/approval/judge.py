"""The judge: one question, the accepted policies and the time in; one judgement out (contracts: gate.md, G2 to G18).

    closed unmerged            -> ended
    a standing rejection       -> rejected
    something blocks           -> pending, whatever was approved
    enough approvals           -> approved (a static plan: its addresses are accepted, G4)
    a broken glass             -> approved (G23)
    enough, but in the past    -> ended
    else                       -> pending

Knows no forge, no clock and no file. Rule: every way to `approved` leads through all of the above; what is missing or
unclear never helps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from reconciler.approval.alone import self_approval_allowed, standing
from reconciler.approval.blocks import blocks
from reconciler.approval.clocks import behind, preview_ends, stale
from reconciler.approval.decision import Verb
from reconciler.approval.denial import Denial
from reconciler.approval.emergency import emergency
from reconciler.approval.hearing import SETTLING, Hearing, by_merging, eligible, hear, settles
from reconciler.approval.judgement import Counted, Ignored, Judgement, OpenScope, Unasked, Verdict, Way, Why
from reconciler.approval.policy import Policies, Policy
from reconciler.approval.question import Question
from reconciler.approval.relations import required_approvals
from reconciler.approval.roles import Scope
from reconciler.names import SHORT, Digest
from reconciler.state.forge import PullRequestState


def judge(question: Question, policies: Policies, now: datetime) -> Judgement:
    """How one plan of a ticket stands now."""
    policy = policies.in_force
    hearing = hear(question, policies, now)
    required, reasons = _required(question, policy, hearing.counted)
    draft = Judgement(
        environment=question.plan.environment,
        verdict=Verdict.PENDING,
        key="approval_required",
        reasons=reasons,
        required=max(required.values()),
        approvals=hearing.counted,
        ignored=hearing.ignored,
        rejections=hearing.rejections,
    )
    if question.pull and question.pull.state is PullRequestState.CLOSED:
        closed = "the pull request was closed without a merge"
        return replace(draft, verdict=Verdict.ENDED, key="preview_expired", reasons=(closed,))
    if hearing.rejections:
        by = tuple(f"rejected by {one.person}" for one in hearing.rejections)
        return replace(draft, verdict=Verdict.REJECTED, key="approval_ticket_not_approved", reasons=by)
    blocked = blocks(question, policy, rooted=hearing.rooted or question.restores)
    if blocked:
        until = _preview_until(question, policies)
        because = tuple(denial.message for denial in blocked)
        draft = replace(draft, key=blocked[0].key, reasons=because, blocks=blocked, until=until)
    else:
        draft = _not_yet(question, now, _weigh(question, policies, hearing, draft))
    return draft if draft.approved else _or_in_an_emergency(question, policies, now, draft)


def _not_yet(question: Question, now: datetime, draft: Judgement) -> Judgement:
    """Right after the digest changed a merge may still mean the one before, and would not count (G13)."""
    if not draft.by_merging or not settles(question.preview, now):
        return draft
    words = f"a merge within {SETTLING.total_seconds():g} s of the changed digest does not count: wait for this to turn"
    return replace(draft, by_merging=(), reasons=(words, *draft.reasons))


def _or_in_an_emergency(question: Question, policies: Policies, now: datetime, draft: Judgement) -> Judgement:
    """The glass is broken only where nothing else approves it; an attempt that does not count is answered in words."""
    ignored = []
    for index, signed in enumerate(question.decisions):
        if signed.decision.verb is not Verb.EMERGENCY:
            continue
        answer = emergency(question, signed, policies, now)
        if not isinstance(answer, Denial):
            words = (f"emergency approval of {answer.person}: {answer.reason}",)
            until = _preview_until(question, policies)
            broken = replace(draft, verdict=Verdict.APPROVED, key="", reasons=words, required=0, blocks=(), until=until)
            return replace(broken, way=Unasked.EMERGENCY, emergency=answer.person)
        person = policies.in_force.persons.by_key(signed.signer)
        name = person.name if person is not None else "unknown"
        why = Why.NO_ROLE if answer.key == "approval_permission_denied" else Why.NO_EMERGENCY
        ignored.append(Ignored(f"emergency {index + 1}", name, why, answer.message))
    return replace(draft, ignored=(*draft.ignored, *ignored))


def _weigh(question: Question, policies: Policies, hearing: Hearing, draft: Judgement) -> Judgement:
    """Count: nothing rejects, nothing blocks."""
    policy = policies.in_force
    required, _ = _required(question, policy, hearing.counted)
    if hearing.rooted or not _short(required, hearing.counted):
        return _approved(question, draft, _until(required, hearing.counted))
    unasked = _unasked(question, policy)
    if unasked is not None:
        approved = _approved(question, draft, _preview_until(question, policies))
        return replace(approved, way=unasked, reasons=(unasked.value,), required=0)
    once = (*hearing.counted, *hearing.ended)
    wanted, _ = _required(question, policy, once)
    if any(one.root for one in hearing.ended) or not _short(wanted, once):
        over = tuple(f"the approval of {one.person} ended at {one.ends:%Y-%m-%d %H:%M} UTC" for one in hearing.ended)
        return replace(draft, verdict=Verdict.ENDED, key="preview_expired", reasons=over)
    return _waiting(question, policies, hearing, draft)


def _waiting(question: Question, policies: Policies, hearing: Hearing, draft: Judgement) -> Judgement:
    policy = policies.in_force
    given = {counted.person for counted in hearing.counted}
    required, _ = _required(question, policy, hearing.counted)
    waiting = tuple(
        OpenScope(scope, missing, tuple(name for name in eligible(question, policy, scope) if name not in given))
        for scope, missing in _short(required, hearing.counted).items()
    )
    clock = tuple(filter(None, (behind(question),)))
    words = tuple(f"{one.missing} of {required[one.scope]} approvals missing for {one.scope}" for one in waiting)
    denied = any(ignored.key == "approval_permission_denied" for ignored in hearing.ignored)
    return replace(
        draft,
        key="approval_permission_denied" if denied and not hearing.counted else draft.key,
        reasons=(*clock, *words, *draft.reasons),
        open_scopes=waiting,
        by_merging=_merging(question, policy, hearing.counted),
        until=_preview_until(question, policies),
    )


def _approved(question: Question, draft: Judgement, until: datetime | None) -> Judgement:
    if question.plan.static:
        words = ("its addresses are accepted; a live preview follows and is approved like any other",)
        return replace(draft, verdict=Verdict.ADDRESSES_ACCEPTED, key="preview_required", reasons=words, until=until)
    names = ", ".join(counted.person for counted in draft.approvals)
    return replace(draft, verdict=Verdict.APPROVED, key="", reasons=(f"approved by {names}",), until=until)


def _unasked(question: Question, policy: Policy) -> Unasked | None:
    """Why nobody has to approve: what it restores was approved (G18, G21), or the policy does so in advance (G15)."""
    if question.restores:
        return Unasked.RESTORES
    return None if standing(question, policy) else Unasked.STANDING


def _required(
    question: Question, policy: Policy, counted: Sequence[Counted]
) -> tuple[Mapping[Scope, int], tuple[str, ...]]:
    """How many approvals each scope needs, and why more than the settings ask.

    Where that may be the own one, whoever merges or signs stands for everybody: on the scopes that they cover, and on
    no other (G15, G16).
    """
    asked, _ = required_approvals(question, policy, alone=True)
    strict, reasons = required_approvals(question, policy, alone=False)
    may = self_approval_allowed(question, policy)
    alone = {scope for one in counted if may and one.way is not Way.REVIEW for scope in one.scopes}
    required = {scope: asked if scope in alone else strict for scope in question.scopes}
    return required, reasons if set(question.scopes) - alone else ()


def _merging(question: Question, policy: Policy, counted: Sequence[Counted]) -> tuple[str, ...]:
    """Who could complete the approval by merging (G15); nobody, where more than that one would still be missing."""
    asked, _ = required_approvals(question, policy, alone=True)
    if any(missing > 1 for missing in _short(dict.fromkeys(question.scopes, asked), counted).values()):
        return ()
    given = {one.person for one in counted}
    return tuple(name for name in by_merging(question, policy) if name not in given)


def _short(required: Mapping[Scope, int], counted: Sequence[Counted]) -> dict[Scope, int]:
    """The scopes that miss approvals, and how many."""
    missing = {scope: needed - sum(scope in one.scopes for one in counted) for scope, needed in required.items()}
    return {scope: number for scope, number in missing.items() if number > 0}


def _until(required: Mapping[Scope, int], counted: Sequence[Counted]) -> datetime:
    """When the first scope has too few approvals left; a root signature alone carries all of them."""
    roots = [one.ends for one in counted if one.root]
    if roots:
        return max(roots)
    return min(
        sorted((one.ends for one in counted if scope in one.scopes), reverse=True)[needed - 1]
        for scope, needed in required.items()
    )


def _preview_until(question: Question, policies: Policies) -> datetime | None:
    return preview_ends(question.preview, question.plan.risk, policies.in_force.settings)


def admit(question: Question, policies: Policies, now: datetime, *, digest: Digest) -> Denial | Judgement:
    """The one judging before `applying` is recorded (G20): approved, merged or held, fresh, and still the same plan.

    `digest`: that of the plan made again at apply. A Denial carries the key that the refusal shows.
    """
    judgement = judge(question, policies, now)
    merged = question.pull is not None and question.pull.state is PullRequestState.MERGED
    if not merged and question.held is None:
        return Denial("approval_required", f"{question.ticket} is not merged")
    if digest != question.plan.digest:
        shown, made = question.plan.digest[:SHORT], digest[:SHORT]
        return Denial("preview_mismatch", f"what would be applied has digest {made}, what was previewed {shown}")
    if not judgement.approved:
        return Denial(judgement.key, f"{question.ticket} is {judgement.verdict}: {'; '.join(judgement.reasons)}")
    return stale(question.preview, question.plan.risk, policies.in_force.settings, now) or judgement
