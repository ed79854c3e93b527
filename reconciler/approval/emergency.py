"""Break glass: one signed, previewed approval by one person, to scale or suspend and nothing else (contracts: G23).

Knows questions and signed decisions. Rule: an emergency skips the second person, never the preview; what it may change
is a closed list, and until somebody else looked at it everything else there waits.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.approval.blocks import blocks
from reconciler.approval.clocks import CLOCK_SKEW, approval_ends, stale
from reconciler.approval.decision import Verb, mismatch
from reconciler.approval.denial import Denial
from reconciler.approval.hearing import hear
from reconciler.approval.persons import Person
from reconciler.approval.policy import Policies, Policy, lacking
from reconciler.approval.question import OpenEmergency, Question, SignedDecision
from reconciler.approval.roles import Permission
from reconciler.names import UnitKind, UnitRef
from reconciler.plan.change import Change, Operation, Plan, UnitPlan
from reconciler.state.forge import PullRequestState

_SPEC_FIELDS = re.compile(r"(spec\.)?(capacity\.replicas|autoscaling\.(minReplicas|maxReplicas)|suspend)")
_LIVE_FIELDS = re.compile(r"spec\.(replicas|minReplicas|maxReplicas|suspend)")


@dataclass(frozen=True, slots=True)
class BrokenGlass:
    """An emergency approval that holds. `notify` is the settings' business; `person` waits for a second one."""

    person: str
    reason: str
    at: datetime


def emergency(question: Question, signed: SignedDecision, policies: Policies, now: datetime) -> Denial | BrokenGlass:
    """Judge `reconciler approve REF --emergency --reason TEXT` at the moment it would be used."""
    policy = policies.in_force
    person = policy.persons.by_key(signed.signer)
    if person is None:
        return Denial("approval_permission_denied", "the key that signed it belongs to no user")
    denial = (
        _about_this(question, signed)
        or _in_time(question, signed, policy, now)
        or _by_whom(question, person, policy)
        or _by_whom_then(question, signed, person, policies)
        or small_enough(question.plan)
        or stale(question.preview, question.plan.risk, policy.settings, now)
        or _blocked(question, policies, now)
    )
    return denial or BrokenGlass(person.name, signed.decision.reason, signed.at)


def small_enough(plan: Plan) -> Denial | None:
    """None where a plan scales or suspends releases and does nothing else."""
    releases = all(ref.kind is UnitKind.RELEASE for ref in plan.unit_refs)
    quiet = releases and not plan.static and all(map(_only_scales, plan.units))
    changes = [change for change in plan.changes if change.operation is not Operation.UNCHANGED]
    runs = [change for change in changes if change.operation is Operation.RUN]
    over = [change for change in changes if change.replaced] if runs else []  # earlier runs, which go with the new ones
    small = all(_scales(change) for change in changes if change not in (*runs, *over))
    if not quiet or not small or not (changes or any(unit.specs for unit in plan.units)):
        return Denial("approval_required", "an emergency approval covers scaling and suspending releases only")
    return _runs_jobs(runs)


def _runs_jobs(runs: list[Change]) -> Denial | None:
    """Why a plan that only scales is refused all the same: its hooks are owed since the last one failed (G23)."""
    if not runs:
        return None
    name = UnitRef.parse(runs[0].unit).name
    subjects = ", ".join(change.subject for change in runs)
    words = f"an emergency approval runs no Job; the last plan of {name} did not end well, so this one runs {subjects}"
    hint = (
        f"`reconciler rollback {name} --now --reason TEXT` and scale what runs then, suspend it, or ask a second person"
    )
    return Denial("approval_required", words, hint)


def looked_at_by_another(question: Question, open_one: OpenEmergency, policies: Policies, now: datetime) -> bool:
    """Whether a second person approved the emergency's ticket afterwards, or a root signer."""
    policy = policies.in_force
    hearing = hear(question, policies, now)
    others = (*hearing.counted, *hearing.ended)
    rooted = any(
        policy.is_root(signed.signer) and not _mismatch(question, signed, Verb.APPROVE) for signed in question.decisions
    )
    return rooted or any(one.person != open_one.person for one in others)


def _scales(change: Change) -> bool:
    known = change.fields and all(_LIVE_FIELDS.fullmatch(field.path) for field in change.fields)
    return change.operation is Operation.UPDATE and bool(known)


def _only_scales(unit: UnitPlan) -> bool:
    return not unit.added and not unit.removed and all(_SPEC_FIELDS.fullmatch(field.path) for field in unit.specs)


def _mismatch(question: Question, signed: SignedDecision, verb: Verb) -> str:
    return mismatch(
        signed.decision,
        repository=question.repository,
        subjects=question.subjects,
        verb=verb,
        postings=question.postings,
    )


def _about_this(question: Question, signed: SignedDecision) -> Denial | None:
    said = _mismatch(question, signed, Verb.EMERGENCY)
    if said:
        return Denial("approval_ticket_scope_mismatch", f"the emergency approval does not count: {said}")
    if not signed.decision.reason.strip():
        return Denial("validation_error", "an emergency approval needs a reason", "say why with --reason")
    return None


def _in_time(question: Question, signed: SignedDecision, policy: Policy, now: datetime) -> Denial | None:
    """Given before the merge, and not longer ago than any other approval stands (G12, G13)."""
    if signed.at > now + CLOCK_SKEW:
        return Denial("approval_required", "its time lies in the future")
    pull = question.pull
    merged = pull.merged_at if pull is not None and pull.state is PullRequestState.MERGED else None
    if question.held is None and merged is not None and (signed.late or signed.at >= merged):
        return Denial("approval_required", "it was given after the merge")
    ends = approval_ends(question, policy.settings, min(signed.at, now), now)
    if now >= ends:
        return Denial("preview_expired", f"it ended at {ends:%Y-%m-%d %H:%M} UTC")
    return None


def _by_whom_then(question: Question, signed: SignedDecision, person: Person, policies: Policies) -> Denial | None:
    """The permission is judged when given, too (G14)."""
    then = policies.at(signed.at)
    known = then.persons.by_key(signed.signer)
    if known is None or known.name != person.name:
        return Denial("approval_permission_denied", "the key was not theirs when they signed")
    return _by_whom(question, known, then)


def _by_whom(question: Question, person: Person, policy: Policy) -> Denial | None:
    needed = frozenset({Permission.EMERGENCY})
    asked = (lacking(policy, person, needed, scope) for scope in question.scopes)
    return next((Denial("approval_permission_denied", one.message, one.hint) for one in asked if one), None)


def _blocked(question: Question, policies: Policies, now: datetime) -> Denial | None:
    pull = question.pull
    if pull and pull.state is PullRequestState.CLOSED:
        return Denial("preview_expired", "the pull request was closed without a merge")
    rejections = hear(question, policies, now).rejections
    if rejections:
        return Denial("approval_ticket_not_approved", f"rejected by {rejections[0].person}")
    calm = replace(question, emergencies=())  # an open emergency holds what is none
    return next(iter(blocks(calm, policies.in_force, rooted=False)), None)
