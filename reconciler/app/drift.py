"""Whether targets still hold what was last applied: looks by timer, tells each change of that once (contracts: G22).

Drift is measured against the last successful artifact of a release whose last plan succeeded. Only fields that we set
take part; what others own is theirs. What cannot be looked at is neither drift nor the end of one. What was told is
rebuilt from the audit branch, so that a restart tells nothing again. Whether drift is also put right is healing.py's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.app.healing import Healing
from reconciler.app.journal import Journal, Note
from reconciler.app.planning import Planner
from reconciler.canonical import digest_of
from reconciler.machine.drifting import Drifted, DriftOver
from reconciler.machine.entry import Entry
from reconciler.machine.healing import PASSING, WORDS, Why
from reconciler.machine.ledger import SUCCESSES
from reconciler.machine.states import UnitState
from reconciler.names import SHORT, Digest, Revision, UnitKind, UnitRef
from reconciler.plan.change import Operation, Plan
from reconciler.state.event import Domain, EventStatus, Severity
from reconciler.state.observed import NOT_SERVED

NAMED = 5  # objects, and fields of each, in one event
MOST_PARTS = 200  # objects that are told from each other in a record
DRIFT_ITSELF = frozenset({"resource_conflict", "owned_by_another"})  # somebody else has what we set
Unsay = Callable[[str, int], None]  # by environment and generation: how the rollout ended is to be said anew


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look found of one release: its changed objects, in words without values. `known` False: not looked at.

    `subjects`: which object each of them is, empty where that is not known; `unseen`: its objects that could not be
    looked at, and why.
    """

    known: bool
    objects: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    unseen: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> Digest:
        """Over what drifted and over no value, so that a value that goes on moving is told once."""
        return digest_of("drift", list(self.objects))

    @property
    def words(self) -> str:
        """For people: never a value."""
        missing = [f"not looked at: {subject}, because {why}" for subject, why in self.unseen]
        return "; ".join(filter(None, (_some(self.objects), _some(missing))))

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """The digest of each object's words, and which object it is."""
        if len(self.objects) > MOST_PARTS:
            return ()
        pairs = zip(self.objects, self.subjects, strict=True)
        return tuple(sorted((digest_of("drift", words)[:SHORT], subject) for words, subject in pairs))


@dataclass(slots=True)
class Drift:
    """Looks at every environment with releases that ended well."""

    planner: Planner
    journal: Journal
    healing: Healing
    unsay: Unsay

    def look(self, *, taken_in: bool) -> bool:
        """One look at everything; whether a heal began, which is to be carried out.

        `taken_in`: all that is on the tracked branch is recorded as landed.
        """
        began = False
        for (environment, revision), units in sorted(self._settled().items()):
            plan = self.planner.plan(environment, units, self.planner.desires.at(revision), looks=True)
            for ref in units:
                if self._busy(environment):
                    break  # one at a time; the others are looked at when it ended
                began |= self._one(ref, plan, seen_of(plan, ref), taken_in=taken_in)
        return began

    def _one(self, ref: UnitRef, plan: Plan, seen: Seen, *, taken_in: bool) -> bool:
        ledger = self.journal.ledger
        state, told = ledger.units[str(ref)], ledger.drifts.standing(str(ref))
        if not seen.known:
            return False
        if not seen.objects:
            if told is not None and told.drifted.ended([subject for subject, _ in seen.unseen]):
                over = DriftOver(unit=str(ref), environment=plan.environment)
                words = "it is as it was last applied again; nothing was done about it here"
                self._tell(state, [self._note(ref, plan, "drift_healed", words, over)])
            return False
        heal = self.healing.of(ref, taken_in=taken_in)
        why = heal if isinstance(heal, Why) else None
        entry = Drifted(
            unit=str(ref),
            environment=plan.environment,
            digest=seen.digest,
            objects=len(seen.objects),
            why=why.value if why is not None else "",
            parts=tuple(part for part, _ in seen.parts),
            subjects=tuple(subject for _, subject in seen.parts),
            unseen=tuple(subject for subject, _ in seen.unseen),
        )
        entry = entry.after(told.drifted) if told is not None else entry
        notes: list[Note] = []
        if told is None or _differs(told.drifted, entry) or _news(told.drifted, why):
            left = f"; not put right: {WORDS[why]}" if why is not None and WORDS[why] else ""
            notes.append(self._note(ref, plan, "drift_detected", seen.words + left, entry))
        began = not isinstance(heal, Why)
        self._tell(state, notes if isinstance(heal, Why) else [*notes, *heal])
        return began

    def _tell(self, state: UnitState, notes: list[Note]) -> None:
        if self.journal.record(notes, guarded=True):
            self.unsay(state.environment, state.generation)

    def _busy(self, environment: str) -> bool:
        return any(rollout.passed.environment == environment for rollout in self.journal.ledger.running())

    def _settled(self) -> Mapping[tuple[str, Revision], tuple[UnitRef, ...]]:
        grouped: dict[tuple[str, Revision], tuple[UnitRef, ...]] = {}
        for name, state in sorted(self.journal.ledger.accepted().items()):
            ref = UnitRef.parse(name)
            if ref.kind is not UnitKind.RELEASE or state.outcome not in SUCCESSES or self._busy(state.environment):
                continue
            place = (state.environment, state.accepted.revision)
            grouped[place] = (*grouped.get(place, ()), ref)
        return grouped

    def _note(self, ref: UnitRef, plan: Plan, action: str, words: str, entry: Entry) -> Note:
        state = self.journal.ledger.units[str(ref)]
        rollout = self.journal.ledger.rollouts.get((state.environment, state.generation))
        fought = isinstance(entry, Drifted) and entry.why == Why.FOUGHT
        over = isinstance(entry, DriftOver)
        return Note(
            Domain.RELEASE,
            action,
            "deployment_release",
            ref.name,
            status=EventStatus.SUCCESS if over else EventStatus.WARNING,
            severity=Severity.INFO if over else Severity.HIGH if fought else Severity.MEDIUM,
            environment=plan.environment,
            project=plan.project or None,
            team=plan.team or None,
            detail={
                "release_id": ref.name,
                "env": plan.environment,
                "approval_ticket": rollout.passed.ticket if rollout is not None else "",
                "error_key": "",
                "summary": words,
                "next": "" if over else f"reconciler explain-drift {ref.name}",
            },
            entry=entry,
        )


def _some(words: Sequence[str]) -> str:
    more = len(words) - NAMED
    return "; ".join(words[:NAMED]) + (f"; and {more} more" if more > 0 else "")


def _differs(told: Drifted, now: Drifted) -> bool:
    return told.digest != now.digest or not set(now.unseen) <= set(told.unseen)


def _news(told: Drifted, why: Why | None) -> bool:
    """Whether a person should hear of it again; what passes by itself is said with the first telling only."""
    return why is not None and why not in PASSING and why != told.why


def seen_of(plan: Plan, ref: UnitRef) -> Seen:
    """What a plan towards what was applied says of one release in it."""
    if plan.static:
        return Seen(known=False)
    found = [check for check in plan.blocked if check.unit in {"", str(ref)} and not check.acting]
    gone = [check for check in found if NOT_SERVED in check.message]  # it was applied, so its kind is gone since
    unseen = [check for check in found if check.unseen and check not in gone]
    blocked = [check for check in found if check not in gone and check not in unseen]
    if any(check.key not in DRIFT_ITSELF for check in blocked):
        return Seen(known=False)
    changed = [one for one in plan.changes if one.unit == str(ref) and one.operation is not Operation.UNCHANGED]
    objects = [
        f"{one.subject}: {', '.join(field.path for field in one.fields[:NAMED]) or one.operation}" for one in changed
    ]
    objects += [check.message for check in blocked if check.key == "owned_by_another"]
    objects += [check.message for check in gone]
    subjects = [one.subject for one in changed]
    subjects += [""] * (len(objects) - len(subjects))
    return Seen(
        known=True,
        objects=tuple(objects),
        subjects=tuple(subjects),
        unseen=tuple((one.unseen, one.message) for one in unseen),
    )
