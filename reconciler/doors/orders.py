"""Orders for doors: hold, resume, retry, return now, and the revert that a person proposes.

Signs and submits; whether somebody may is judged by the reconciler under the policy in force. What it is known here to
refuse is refused at once, and what a return would do is told before it is signed. A unit may be named by its bare name
where only one has it.
"""

from contextlib import closing
from dataclasses import dataclass, replace

from reconciler.app.judging import Judge, Wish
from reconciler.approval.decision import Verb
from reconciler.approval.denial import Denial
from reconciler.approval.persons import ForgeKind
from reconciler.doors.advice import retried
from reconciler.doors.going_back import foretold
from reconciler.doors.people import Desk
from reconciler.doors.pulls import Order
from reconciler.doors.reading import Reading
from reconciler.errors import ReconcilerError, Refused
from reconciler.git import reverting
from reconciler.git.commits import Person as Name
from reconciler.git.push import PushResult, push
from reconciler.git.refnames import branch as branch_ref
from reconciler.git.reverting import Step
from reconciler.machine.entry import Entry, Landed, Retry, Returning
from reconciler.names import SHORT, Revision, UnitKind, UnitRef

NAMED = (UnitKind.RELEASE, UnitKind.ENVIRONMENT, UnitKind.CLUSTER)


@dataclass(frozen=True, slots=True)
class Proposed:
    """A pull request that was opened, and its branch."""

    number: int
    branch: str


def unit_named(reading: Reading, name: str, kinds: tuple[UnitKind, ...] = NAMED) -> str:
    """An accepted unit by `kind/name` or by its bare name. Raises Refused where there is none, or more than one."""
    known = [kind for kind in kinds if f"{kind}/{name}" in reading.ledger.units]
    if name in reading.ledger.units and UnitRef.parse(name).kind in kinds:
        return name
    if len(known) == 1:
        return f"{known[0]}/{name}"
    words = "several kinds have this name" if known else "nothing of this name was accepted yet"
    raise Refused(
        f"looking for {name[:80]}: {words}",
        key="validation_error" if known else "release_not_found",
        hint=f"write one of {', '.join(f'{kind}/{name}' for kind in known)}" if known else "`reconciler tree` has all",
    )


@dataclass(frozen=True, slots=True)
class Weighed:
    """An order that nothing known here speaks against. `told`: what it would do, in lines."""

    unit: str
    verb: Verb
    reason: str
    told: tuple[str, ...] = ()


def weigh(reading: Reading, desk: Desk, unit: str, verb: str, reason: str) -> Weighed:
    """Judge an order by what the records say, as the reconciler will. Raises Refused where it would not be obeyed."""
    kinds = (UnitKind.RELEASE,) if verb == Verb.ROLLBACK else NAMED
    wanted = Weighed(unit_named(reading, unit, kinds), Verb(verb), reason)
    try:
        found = _judged(reading, desk, wanted)
        told = _told(reading, wanted.unit, found)
    except ReconcilerError as error:  # what cannot be read here keeps nobody from ordering a hold: the reconciler may
        return replace(wanted, told=(f"what this would do cannot be told here: {error.message}",))
    if isinstance(found, Denial):
        raise found.refused()
    return replace(wanted, told=told)


def _judged(reading: Reading, desk: Desk, wanted: Weighed) -> Denial | Entry:
    policy, key = reading.policy(), desk.key.public.line
    person = policy.persons.by_key(key)
    if person is None and not policy.is_root(key):
        words = f"ordering {wanted.verb} of {wanted.unit}: this key is of no User of the policy in force"
        hint = "such an order is not even heard; use the key that your User spec names"
        return Denial("permission_denied", words, hint)
    judge = Judge(reading.ledger, reading.view.file, reading.desires, reading.clock)
    return judge.judged(Wish(wanted.verb, wanted.unit, person, wanted.reason), policy)


def _told(reading: Reading, unit: str, found: Denial | Entry) -> tuple[str, ...]:
    match found:
        case Returning():
            return foretold(reading, unit, found)
        case Retry():
            return (retried(reading, unit),)
        case _:
            return ()


def order(desk: Desk, wanted: Weighed) -> Order:
    """Sign and submit an order about a unit."""
    desk.order(wanted.unit, wanted.verb, reason=wanted.reason)
    return Order(
        f"{wanted.verb} of {wanted.unit} signed as {desk.login}",
        "the reconciler judges it once more and takes it in at its next look: `reconciler timeline --ticket "
        f"{wanted.unit}` tells what became of it, permission_denied included",
    )


def revert(reading: Reading, desk: Desk, release: str, reason: str) -> Proposed:
    """Propose to take a release's last landed change out again: a branch and a pull request."""
    named = unit_named(reading, release, (UnitKind.RELEASE,))
    landed = _landed(reading, named)
    person = Name(desk.login, desk.email(), desk.clock.now())
    title = f"Revert {landed.commit[:SHORT]} ({named})"
    step = Step(landed.before, landed.commit, reading.revision)
    commit = reverting.revert(reading.mirror.repository, step, f"{title}\n\n{reason}\n", person, desk.key)
    branch = f"revert-{landed.commit[:SHORT]}"
    return propose(reading, desk, branch, commit, title, reason)


def propose(reading: Reading, desk: Desk, branch: str, commit: Revision, title: str, body: str) -> Proposed:
    """Push a new branch and open its pull request. Raises Refused where the branch exists, or there is no way to."""
    if reading.settings.forge_kind is not ForgeKind.EMBEDDED:
        with closing(desk.account()) as account:
            return Proposed(account.propose(branch, commit, title, body), branch)
    person = desk.person()  # before anything is pushed that nobody would open
    ref = branch_ref(branch)
    if push(reading.mirror.repository, reading.mirror.remote, ref, None, commit) is not PushResult.DONE:
        raise Refused(
            f"proposing {branch}: the branch exists already",
            key="resource_conflict",
            hint="finish or remove that branch first; `reconciler pr list` shows whether it has a pull request",
        )
    return Proposed(person.open(branch, reading.settings.branch, title, body), branch)


def _landed(reading: Reading, unit: str) -> Landed:
    state = reading.ledger.units[unit]
    rollout = reading.ledger.rollouts.get((state.environment, state.generation))
    landed = reading.ledger.landed.get(rollout.passed.commit) if rollout is not None else None
    if landed is None or landed.before == landed.commit:
        raise Refused(
            f"reverting {unit}: it has no change that could be taken out",
            key="release_state_invalid",
            hint="its first version came with the first plan; propose another version instead",
        )
    return landed
