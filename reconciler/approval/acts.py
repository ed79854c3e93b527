"""What a person may do beside approving: retry, hold, resume, go back, trust (contracts: G2, G21, G22, G23).

Knows permissions and limits; the app keeps the counters and performs. Rule: each function answers None, or the Denial
to show and to record; a bot does none of these, whatever its roles.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.approval.denial import Denial
from reconciler.approval.judgement import Judgement
from reconciler.approval.persons import Person
from reconciler.approval.policy import Policy, lacking
from reconciler.approval.question import Question
from reconciler.approval.roles import Permission, Scope, needed_to_apply
from reconciler.names import SHORT, Digest
from reconciler.plan.change import Change
from reconciler.plan.risk import deletes_data
from reconciler.specs.kinds import Settings

RETRIES_PER_APPROVAL = 3  # G22
LONGEST_HOLD = timedelta(hours=24)  # G23


@dataclass(frozen=True, slots=True)
class Act:
    """Who wants to do something, where, and what that needs."""

    person: Person | None
    scopes: tuple[Scope, ...]
    needed: frozenset[Permission]

    @classmethod
    def on(cls, question: Question, person: Person | None) -> "Act":
        """An act on everything that a plan covers."""
        return cls(person, question.scopes, needed_to_apply(question.plan, question.runtimes))


def person_may(act: Act, policy: Policy) -> Denial | None:
    """None where a person, never a bot, has what the act needs on each of its scopes."""
    if act.person is None:
        return Denial("permission_denied", "an account of no known user may do nothing", "add a User with this account")
    if act.person.bot:
        return Denial("permission_denied", f"{act.person.name} is a bot: this needs a person")
    if not act.scopes or not act.needed:
        return Denial(
            "permission_denied",
            "nothing of this name was accepted, so nobody can tell who may do this",
            "`reconciler tree` has all that was accepted",
        )
    return next((denial for scope in act.scopes if (denial := lacking(policy, act.person, act.needed, scope))), None)


hold = resume = person_may


def hold_ends(since: datetime) -> datetime:
    """When a hold ends unless it is renewed; exclusive."""
    return since + LONGEST_HOLD


def retry(act: Act, policy: Policy, *, approved: Digest, planned: Digest, used: int) -> Denial | None:
    """Whether a failed or rolled-back revision may be tried again (G22). `used`: retries of this approval so far."""
    denial = person_may(act, policy)
    if denial:
        return denial
    if planned != approved:
        message = f"what would be retried has digest {planned[:SHORT]}, approved was {approved[:SHORT]}"
        return Denial("preview_mismatch", message)
    if used >= RETRIES_PER_APPROVAL:
        message = f"this approval was retried {used} times; {RETRIES_PER_APPROVAL} is all it covers"
        return Denial("approval_required", message, "have a new preview approved")
    return None


def trust(signer: str, policy: Policy) -> Denial | None:
    """Whether this key may name what is trusted from outside Git (G1, G2, G24)."""
    if policy.is_root(signer):
        return None
    return Denial("approval_permission_denied", "the key is not a root signer's: reconciler.toml names them")


@dataclass(frozen=True, slots=True)
class ReturnGrant:
    """One return of a release to the artifact that an approved plan replaced (G21). `ends` is exclusive."""

    unit: str
    artifact: Digest
    ends: datetime


def return_grant(
    judgement: Judgement, unit: str, replaced: Digest | None, applied_at: datetime, settings: Settings
) -> ReturnGrant | None:
    """What an approval grants beside the plan itself; None where it was excluded or nothing is there to return to."""
    if not judgement.grants_return or replaced is None or settings.rollback_grant <= timedelta():
        return None
    return ReturnGrant(unit, replaced, applied_at + settings.rollback_grant)


@dataclass(frozen=True, slots=True)
class Return:
    """A return as it was planned again: to which artifact, by which changes."""

    unit: str
    artifact: Digest
    changes: tuple[Change, ...]


def return_covered(
    grant: ReturnGrant | None, going_back: Return, now: datetime, *, used: bool, accepted_since: bool
) -> Denial | None:
    """Whether a grant covers this return. `accepted_since`: the release had another accepted change meanwhile."""
    if grant is None or grant.unit != going_back.unit:
        return Denial("approval_required", f"no return of {going_back.unit} was approved", "open a revert pull request")
    spent = {
        "it was used already": used,
        "the release had another accepted change since": accepted_since,
        "its time is over": now >= grant.ends,
    }
    for words, over in spent.items():
        if over:
            return Denial("approval_required", f"the granted return of {grant.unit} is over: {words}")
    if going_back.artifact != grant.artifact:
        made, granted = going_back.artifact[:SHORT], grant.artifact[:SHORT]
        return Denial("preview_mismatch", f"the return leads to artifact {made}, granted was {granted}")
    lost = [change.subject for change in going_back.changes if not change.reversible or deletes_data(change)]
    if lost:
        return Denial("approval_required", f"the return cannot be undone or deletes data: {', '.join(lost)}")
    return None


def return_now(act: Act, policy: Policy, reason: str) -> Denial | None:
    """Whether a person may start a covered return: `reconciler rollback RELEASE --now --reason TEXT`."""
    if not reason.strip():
        return Denial("validation_error", "going back now needs a reason", "say why with --reason")
    return person_may(act, policy)
