"""The hearing: every statement is counted, or ignored with a reason in words (contracts: G13, G14, G15).

Knows statements, people and the clock. Rules, in the order in which they speak: who it is, whether it is about exactly
this, whether it was given in time, in which relation the person stands to the change, and the role, when given and now.
An ignored statement changes nothing, not even the same person's earlier word.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.approval.alone import self_approval_allowed
from reconciler.approval.clocks import AHEAD, BEHIND, CLOCK_SKEW, approval_ends
from reconciler.approval.decision import mismatch
from reconciler.approval.judgement import Counted, Ignored, Rejection, Way, Why
from reconciler.approval.persons import Person
from reconciler.approval.policy import Policies, Policy
from reconciler.approval.question import PreviewFacts, Question
from reconciler.approval.relations import authors, contributors
from reconciler.approval.roles import Scope, needed_to_approve
from reconciler.approval.ssh_keys import fingerprint
from reconciler.approval.statements import VERDICTS, Statement, quotes, statements
from reconciler.names import SHORT
from reconciler.plan.change import Risk
from reconciler.state.forge import PullRequestState, Verdict

SETTLING = timedelta(seconds=60)  # G13: how long after a changed digest a review may still mean the one before
ROOT = "root signer"

Reason = tuple[Why, str]


@dataclass(frozen=True, slots=True)
class Hearing:
    """What came of everything that was said. `ended`: approvals that counted until their time was over."""

    counted: tuple[Counted, ...]
    ended: tuple[Counted, ...]
    rejections: tuple[Rejection, ...]
    ignored: tuple[Ignored, ...]

    @property
    def rooted(self) -> bool:
        """Whether a root signature stands."""
        return any(counted.root for counted in self.counted)


@dataclass(frozen=True, slots=True)
class Court:
    """What every rule may look at."""

    question: Question
    policies: Policies
    now: datetime
    alone: bool
    authors: frozenset[str]
    contributors: frozenset[str]

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.policies.in_force

    def roots_count(self) -> bool:
        """Whether a root signature suffices here: any change of policy, and the first plan of all (G2)."""
        return self.question.plan.policy_only or self.question.first


def hear(question: Question, policies: Policies, now: datetime) -> Hearing:
    """Judge every statement about one plan."""
    policy = policies.in_force
    alone = self_approval_allowed(question, policy)
    court = Court(
        question,
        policies,
        now,
        alone=alone,
        authors=authors(question, policy.persons),
        contributors=contributors(question, policy.persons),
    )
    ledger = _Ledger()
    for statement in statements(question, merge_counts=alone and policy.traits.tells_merger):
        _enter(ledger, court, statement)
    counted = [verdict for verdict in ledger.standing.values() if isinstance(verdict, Counted)]
    over = [counted for counted in counted if now >= counted.ends]
    words = [Ignored(one.id, one.person, Why.ENDED, f"it ended at {one.ends:%Y-%m-%d %H:%M} UTC") for one in over]
    return Hearing(
        tuple(one for one in counted if now < one.ends),
        tuple(over),
        tuple(verdict for verdict in ledger.standing.values() if isinstance(verdict, Rejection)),
        (*ledger.ignored, *words),
    )


@dataclass(slots=True)
class _Ledger:
    """Each person's latest verdict that counts; local to one hearing."""

    standing: dict[str, Counted | Rejection] = field(default_factory=dict)
    ignored: list[Ignored] = field(default_factory=list)
    roots: dict[str, str] = field(default_factory=dict)  # account -> the root signer who used it


def _enter(ledger: _Ledger, court: Court, statement: Statement) -> None:
    root = _root(ledger, court, statement)
    person, reason = (None, None) if root else _who(court, statement)
    name = root or (person.name if person else f"unknown: {statement.login or fingerprint(statement.signer)}")
    before = ledger.standing.get(name)
    if statement.verdict is Verdict.DISMISSED:
        if isinstance(before, Counted):  # it ends an approval; it never lifts another rejection
            ledger.standing.pop(name)
            ledger.ignored.append(Ignored(before.id, name, Why.SUPERSEDED, "a later verdict was dismissed or deleted"))
        return
    rules = REJECTION_RULES if statement.verdict is Verdict.REJECT else APPROVAL_RULES
    reason = reason or next((said for rule in rules if (said := rule(court, statement, person))), None)
    if reason is None and statement.way is Way.MERGE and isinstance(before, Rejection):
        reason = (Why.SUPERSEDED, "merging does not take back a rejection")
    if reason:
        ledger.ignored.append(Ignored(statement.id, name, *reason))
        return
    if before is not None:
        ledger.ignored.append(Ignored(before.id, name, Why.SUPERSEDED, "the same person's later verdict counts"))
    if statement.verdict is Verdict.REJECT:
        ledger.standing[name] = Rejection(statement.id, name, statement.body, statement.at)
    else:
        ledger.standing[name] = _counted(court, statement, person, name)


def _root(ledger: _Ledger, court: Court, statement: Statement) -> str:
    """Which root signer speaks; empty where none does. Two root signers are two people.

    The account under which a root signer approved takes the approval back unsigned, too.
    """
    if court.roots_count() and court.policy.is_root(statement.signer):
        name = f"{ROOT} {fingerprint(statement.signer)}"
        if statement.login:
            ledger.roots[statement.login.casefold()] = name
        return name
    return ledger.roots.get(statement.login.casefold(), "") if statement.verdict is not Verdict.APPROVE else ""


def _counted(court: Court, statement: Statement, person: Person | None, name: str) -> Counted:
    given = min(statement.at, court.now)
    return Counted(
        id=statement.id,
        person=name,
        way=statement.way,
        at=statement.at,
        ends=approval_ends(court.question, court.policy.settings, given, court.now),
        scopes=_scopes(court, statement, person) if person else frozenset(court.question.scopes),
        own=statement.way is Way.MERGE or name in court.authors | court.contributors,
        root=person is None,
        exclude_return=statement.excludes_return,
    )


def _who(court: Court, statement: Statement) -> tuple[Person | None, Reason | None]:
    """The person, and why nobody is to be believed."""
    persons = court.policy.persons
    refusal = statement.verdict is not Verdict.APPROVE and statement.login  # the forge's word is enough to block
    if not statement.signer or refusal:
        person = persons.by_login(statement.login)
        unknown = (Why.UNKNOWN_PERSON, f"the account {statement.login!r} belongs to no user, or to more than one")
        return person, None if person else unknown
    person = persons.by_key(statement.signer)
    if person is None:
        return None, (Why.UNKNOWN_PERSON, "the key that signed it belongs to no user, or to more than one")
    others = persons.may_have_login(statement.login) - {person.name}
    if others:
        return person, (Why.OTHER_PERSON, f"it is under the account of {', '.join(sorted(others))}")
    return person, None


Rule = Callable[[Court, Statement, Person | None], Reason | None]


def _automated(_: Court, statement: Statement, person: Person | None) -> Reason | None:
    if person and person.ai:
        return Why.AI, "an AI never approves or rejects"
    if statement.bot or (person and person.bot):
        return Why.BOT, "a bot never approves or rejects"
    return None


def _signed(court: Court, statement: Statement, _: Person | None) -> Reason | None:
    if statement.unreadable:
        return Why.UNREADABLE, statement.unreadable
    if statement.decision is None:
        trusted = court.policy.traits.unsigned_reviews or statement.way is Way.MERGE
        return None if trusted else (Why.UNSIGNED, "this forge vouches for nobody: sign it (reconciler approve)")
    said = mismatch(
        statement.decision,
        repository=court.question.repository,
        subjects=court.question.subjects,
        verb=VERDICTS[statement.verdict],
        postings=court.question.postings,
    )
    return (Why.OTHER_DECISION, said) if said else None


def _signed_unless_review(court: Court, statement: Statement, person: Person | None) -> Reason | None:
    return None if statement.login else _signed(court, statement, person)


def _same_place(court: Court, statement: Statement, _: Person | None) -> Reason | None:
    if statement.base != court.question.preview.base:
        return Why.WRONG_BASE, f"it was given for base {statement.base!r}"
    if statement.commit not in court.question.heads:
        return Why.WRONG_HEAD, f"it was given for head {statement.commit[:SHORT]}"
    return None


def _in_time(court: Court, statement: Statement, _: Person | None) -> Reason | None:
    if statement.at > court.now + CLOCK_SKEW:
        return Why.FROM_THE_FUTURE, f"its time lies in the future: {AHEAD}, or wait until that time has come"
    pull, held = court.question.pull, court.question.held is not None
    merged = pull.merged_at if pull and pull.state is PullRequestState.MERGED else None
    if not held and statement.late:
        return Why.AFTER_MERGE, "it was first seen after the merge, whatever date it bears"
    by_forge = statement.late is None and statement.way is not Way.MERGE  # one clock says both times
    if not held and merged and by_forge and statement.at >= merged:
        return Why.AFTER_MERGE, "it was submitted after the merge"
    if statement.decision is not None:  # it names the preview's event, so it was given after that
        return None
    if held and merged and statement.at <= merged:
        return Why.BEFORE_HELD, "it was given before the merge: what is held needs a new review"
    return _too_early(court, statement)


def _too_early(court: Court, statement: Statement) -> Reason | None:
    preview = court.question.preview
    if statement.at <= preview.posted_at:
        early = _seconds(preview.posted_at - statement.at)
        proven = f", which it quotes: {BEHIND}, then review it again" if _quoted(court, statement) else ""
        return Why.TOO_EARLY, f"submitted {early} s before this digest was posted{proven}"
    if not settles(preview, statement.at) or _quoted(court, statement):
        return None
    after = statement.at - max(preview.changed_at or preview.posted_at, preview.posted_at)
    return Why.TOO_EARLY, f"submitted {_seconds(after)} s after the digest changed: within 60 s, not quoting it"


def settles(preview: PreviewFacts, at: datetime) -> bool:
    """Whether what is said at this time may still mean the digest that stood there before (G13)."""
    return preview.changed_at is not None and at - max(preview.changed_at, preview.posted_at) <= SETTLING


def _seconds(time: timedelta) -> str:
    return f"{time.total_seconds():g}"


def _quoted(court: Court, statement: Statement) -> bool:
    posted = {posting.digest for posting in court.question.postings}
    return quotes(statement.body, frozenset({court.question.plan.digest, *posted}))


def _quoted_where_critical(court: Court, statement: Statement, _: Person | None) -> Reason | None:
    needs = court.question.plan.risk is Risk.CRITICAL and statement.way is Way.REVIEW
    if needs and not _quoted(court, statement):
        digits = court.question.plans.digest[:SHORT]
        return Why.UNQUOTED, f"for critical risk a review quotes the first twelve digits of the digest: {digits}"
    return None


def _relation(court: Court, statement: Statement, person: Person | None) -> Reason | None:
    if person is None or (court.alone and statement.way is not Way.REVIEW):
        return None  # alone: a signature or the merge may be the own one (G15)
    if person.name in court.authors:
        return Why.SELF, "the author does not approve the own change"
    if person.name in court.contributors:
        return Why.CONTRIBUTOR, "an author, committer or pusher of its commits does not approve it"
    return None


def _role(court: Court, statement: Statement, person: Person | None) -> Reason | None:
    if person is None or _scopes(court, statement, person):
        return None
    if _scopes_now(court, person):  # a rejection counts wherever the role is theirs now
        return Why.NO_ROLE, "the role was not theirs when they approved"
    return Why.NO_ROLE, f"no role of {person.name} covers {', '.join(map(str, court.question.scopes))}"


def _scopes(court: Court, statement: Statement, person: Person) -> frozenset[Scope]:
    """Where the person may approve: now, and for an approval by the same account and role when it was given."""
    now = _scopes_now(court, person)
    if statement.verdict is Verdict.REJECT:
        return now
    then = court.policies.at(statement.at)
    known = then.persons.by_key(statement.signer) if statement.signer else then.persons.by_login(statement.login)
    if known is None or known.name != person.name:
        return frozenset()
    return now & _may_approve(court.question, then, known)


def _scopes_now(court: Court, person: Person) -> frozenset[Scope]:
    return _may_approve(court.question, court.policy, person)


def _may_approve(question: Question, policy: Policy, person: Person) -> frozenset[Scope]:
    needed = needed_to_approve(question.plan)
    return frozenset(scope for scope in question.scopes if needed <= policy.permissions(person, scope))


APPROVAL_RULES: tuple[Rule, ...] = (
    _automated,
    _signed,
    _same_place,
    _in_time,
    _quoted_where_critical,
    _relation,
    _role,
)
# Whenever, for whatever head and digest a review rejected, it blocks until that person takes it back (fail closed).
REJECTION_RULES: tuple[Rule, ...] = (_automated, _signed_unless_review, _role)


def eligible(question: Question, policy: Policy, scope: Scope) -> Iterator[str]:
    """The names of the people who may approve on a scope, by role and relation."""
    related = authors(question, policy.persons) | contributors(question, policy.persons)
    for name, person in sorted(policy.persons.by_name.items()):
        if name not in related and scope in _may_approve(question, policy, person):
            yield name


def by_merging(question: Question, policy: Policy) -> tuple[str, ...]:
    """The names of the people whose merge, or signature where the forge needs one, would be the approval (G15)."""
    if not self_approval_allowed(question, policy):
        return ()
    wanted = frozenset(question.scopes)
    people = policy.persons.by_name.items()
    return tuple(name for name, person in sorted(people) if _may_approve(question, policy, person) == wanted)
