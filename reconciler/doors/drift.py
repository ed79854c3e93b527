"""What differs from the last successful artifact, who changed it and when. Needs our keys; changes nothing.

Drift is what differs in fields that we set (G22); who holds a field is what the server says of its field managers, and
nobody where the field is gone. Fields of others are theirs: they are listed when asked for, and are no drift. Values
are masked as in every plan.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from reconciler.app.reaching import Reached
from reconciler.app.wiring import Assembly
from reconciler.doors.reading import Json
from reconciler.doors.traffic import Stopped, stopped
from reconciler.errors import Refused
from reconciler.machine.drifting import Drifts
from reconciler.machine.healing import WORDS, Why
from reconciler.machine.ledger import SUCCESSES, Ledger
from reconciler.machine.states import UnitState
from reconciler.names import ObjectRef, Revision, UnitKind, UnitRef
from reconciler.plan.change import Change, Check, Operation, Plan
from reconciler.plan.ignoring import in_words
from reconciler.plan.units import ref_of
from reconciler.specs.desired import Desired
from reconciler.specs.jobs import SUSPENDED, is_stopped
from reconciler.state.observed import Holder, ObjectHistory

GONE = {Operation.CREATE: "the object is gone", Operation.DELETE: "the object is not in the artifact"}
EXPLAINED = frozenset({"resource_conflict"})  # somebody holds a field that we set: that is the drift itself
NUMBER = frozenset({"spec.replicas", "spec.suspend"})
GIVEN = "a way back left its traffic stopped; nothing of it is stopped now, which the inbox tells after its next plan"
NOBODY_KNOWS = "nobody can tell how many pods it had"
POSITION = re.compile(r"\[\d+\]")
FAILED = frozenset({"failed", "rollback_failed"})
GIVE = "give its pods back by hand, as many as opspilot.spec/stopped on it says, or merge any change of the release"
AFTER_FAILURE = (
    "this is what a plan that failed left, and nobody's drift: do not put single objects back by hand",
    "go on by a plan: `reconciler retry RELEASE`, `reconciler rollback RELEASE` (a revert pull request) or a change",
)
WAYS = (
    "put it back: change it to what is approved by hand; the next look finds no drift",
    "keep it: take the live value into the source by a pull request, and approve that",
    "leave it to others: `reconciler explain-drift RELEASE --propose-ignore` opens the pull request",
)


@dataclass(frozen=True, slots=True)
class Explained:
    """`drift` and `foreign` are rows; `unknown` says what could not be looked at, so that the drift is not all."""

    drift: tuple[Json, ...]
    foreign: tuple[Json, ...]
    unknown: tuple[str, ...]
    notes: tuple[str, ...]
    ways: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """Everything."""
        return {
            "drift": list(self.drift),
            "foreign": list(self.foreign),
            "unknown": list(self.unknown),
            "notes": list(self.notes),
            "ways": list(self.ways),
        }


def explain(assembly: Assembly, name: str, *, foreign: bool = False) -> Explained:
    """One release, or every release of an environment. Raises Refused where there is no such thing."""
    drift: list[Json] = []
    others: list[Json] = []
    unknown: list[str] = []
    notes: list[str] = []
    ways: list[str] = []
    drifts = assembly.journal.ledger.drifts
    at = assembly.planner.desires.at
    chosen = _chosen(assembly, name)
    told = stopped(
        assembly.journal.events,
        assembly.journal.ledger,
        lambda path: Plan.model_validate_json(assembly.journal.file(path)),
    )
    away = _going_back(assembly.journal.ledger, chosen, told)
    unknown += away.values()
    still = {ref: state for ref, state in chosen.items() if ref not in away}
    grouped = _grouped(still, notes, drifts, lambda revision: at(revision).desired)
    for (environment, revision), refs in grouped.items():
        side = assembly.planner.desires.at(revision)
        plan = assembly.planner.plan(environment, refs, side, looks=True)
        if plan.static:
            unknown.append(f"{environment}: the targets may not be looked at")
        unknown += [f"{environment}: {_unknown(one)}" for one in plan.blocked if one.unseen or one.key not in EXPLAINED]
        looked = _histories(assembly, plan, side.desired, foreign=foreign)
        left = {one.unit for one in told if one.left and not plan.static} & {str(ref) for ref in refs}
        empty = [row for unit in refs for row in _stopped(unit, environment, side.desired, looked)]
        found = [row for change in plan.changes for row in _rows(change, environment, looked)]
        failed = {str(ref) for ref in refs if chosen[ref].outcome in FAILED}
        notes += [f"{unit}: {GIVEN}" for unit in sorted(left - {row["unit"] for row in empty})]
        ways += [GIVE] if empty else []
        ways += AFTER_FAILURE if any(row["unit"] in failed for row in found) else ()
        ways += WAYS if any(row["unit"] not in failed for row in found) else ()
        drift += [*empty, *found]
        others += [row for ref, seen in sorted(looked.items()) for row in _foreign(ref, seen)] if foreign else []
    return Explained(tuple(drift), tuple(others), tuple(unknown), tuple(notes), tuple(dict.fromkeys(ways)))


def _going_back(ledger: Ledger, chosen: Mapping[UnitRef, UnitState], told: Collection[Stopped]) -> dict[UnitRef, str]:
    """What of it is on its way back just now, and what is said of that: nothing there is anybody's drift."""
    returning = {
        one.unit: "it goes back to what ran before just now: look again when that has ended"
        for rollout in ledger.running()
        if rollout.returning is not None
        for one in rollout.returning.to
    }
    words = {**returning, **{one.unit: one.words for one in told if not one.left}}
    return {ref: f"{ref}: not compared: {words[str(ref)]}" for ref in sorted(chosen) if str(ref) in words}


def _unknown(check: Check) -> str:
    return (
        f"not looked at: {check.unseen}, because {check.message}" if check.unseen else f"{check.key}: {check.message}"
    )


def _chosen(assembly: Assembly, name: str) -> Mapping[UnitRef, UnitState]:
    accepted = assembly.journal.ledger.accepted()
    units = {UnitRef.parse(text): state for text, state in accepted.items()}
    releases = {ref: state for ref, state in units.items() if ref.kind is UnitKind.RELEASE}
    bare = name.removeprefix("release/")
    if UnitRef(UnitKind.RELEASE, bare) in releases:
        return {UnitRef(UnitKind.RELEASE, bare): releases[UnitRef(UnitKind.RELEASE, bare)]}
    bare = name.removeprefix("environment/")
    found = {ref: state for ref, state in releases.items() if state.environment == bare}
    if not found and UnitRef(UnitKind.ENVIRONMENT, bare) not in units:
        message = f"explaining the drift of {name[:80]}: no release and no environment of this name was accepted"
        raise Refused(message, key="release_not_found", hint="`reconciler get release` lists them")
    return found


def _grouped(
    chosen: Mapping[UnitRef, UnitState], notes: list[str], drifts: Drifts, desired: Callable[[Revision], Desired]
) -> Mapping[tuple[str, Revision], tuple[UnitRef, ...]]:
    grouped: dict[tuple[str, Revision], tuple[UnitRef, ...]] = {}
    for ref, state in sorted(chosen.items(), key=lambda pair: str(pair[0])):
        if state.successful is None:
            notes.append(f"{ref}: nothing of it was applied successfully yet, so nothing can drift")
            continue
        if state.outcome not in SUCCESSES:
            notes.append(
                f"{ref}: its last plan is {state.outcome or 'running'}; measured against what succeeded before"
            )
        left = in_words(desired(state.successful.revision), ref.name)
        notes += [f"{ref}: {left}"] if left else []
        told = drifts.standing(str(ref))
        if told is not None and told.drifted.why in set(Why) and WORDS[Why(told.drifted.why)]:
            notes.append(f"{ref}: not put right: {WORDS[Why(told.drifted.why)]}")
        place = (state.environment, state.successful.revision)
        grouped[place] = (*grouped.get(place, ()), ref)
    return grouped


def _histories(assembly: Assembly, plan: Plan, desired: Desired, *, foreign: bool) -> Mapping[ObjectRef, ObjectHistory]:
    """Who holds what, of the objects that differ; with `foreign` of all that the releases want."""
    wanted: dict[str, set[ObjectRef]] = {}
    for unit in plan.unit_refs:
        release = desired.releases.get(unit.name)
        if release is None or release.spec.cluster is None:
            continue
        refs = wanted.setdefault(release.spec.cluster, set())
        actions = [one for batch in plan.batches for one in batch if one.unit == str(unit) and one.object is not None]
        refs |= {ObjectRef(**one.object.model_dump()) for one in actions if one.object is not None}
        known = {ref_of(body) for body in desired.sources[unit.name].objects}
        refs |= known if foreign else {ref for ref in known if is_stopped(ref.group, ref.kind)}
    found: dict[ObjectRef, ObjectHistory] = {}
    targets = Reached(assembly.connections, assembly.planner.reach, (desired,))
    for cluster, refs in sorted(wanted.items()):
        if refs and not plan.static:
            found |= targets.kube(cluster).history(sorted(refs))
    return found


def _stopped(
    unit: UnitRef, environment: str, desired: Desired, looked: Mapping[ObjectRef, ObjectHistory]
) -> Iterator[Json]:
    """What a way back left without pods: nobody's drift, and to be said before all of it."""
    mine = {ref_of(body) for body in desired.sources[unit.name].objects} if unit.name in desired.sources else set()
    for ref, seen in sorted((ref, seen) for ref, seen in looked.items() if ref in mine):
        if seen.stopped is not None:
            had = "it is suspended" if ref.kind == SUSPENDED else f"its {seen.stopped} pods were taken"
            what = f"TRAFFIC IS STOPPED by a way back that failed: {had if seen.stopped >= 0 else NOBODY_KNOWS}"
            shared = {"environment": environment, "unit": str(unit), "object": str(ref), "event": seen.event}
            yield {
                **shared,
                "field": "",
                "approved": None,
                "live": None,
                "what": what,
                "manager": "reconciler",
                "at": "",
            }


def _rows(change: Change, environment: str, looked: Mapping[ObjectRef, ObjectHistory]) -> Iterator[Json]:
    if change.operation is Operation.UNCHANGED or change.over:
        return
    history = next((seen for ref, seen in looked.items() if str(ref) == change.subject), ObjectHistory("", ()))
    shared = {"environment": environment, "unit": change.unit, "object": change.subject, "event": history.event}
    if change.operation in GONE:
        yield {**shared, "field": "", "approved": None, "live": None, "what": GONE[change.operation], **_by(None)}
        return
    for field in change.fields:
        if history.stopped is not None and field.path in NUMBER:
            continue  # it is said of the whole workload
        holder = _holder(history, field.path)
        what = "removed" if field.before is None else "changed"
        yield {
            **shared,
            "field": field.path,
            "approved": field.after,
            "live": field.before,
            "what": what,
            **_by(holder),
        }


def _holder(history: ObjectHistory, path: str) -> Holder | None:
    """Who holds a field, the latest first; ourselves only where nobody else does."""
    wanted = POSITION.sub("[]", path)
    found = [one for one in history.holders if any(_covers(POSITION.sub("[]", held), wanted) for held in one.paths)]
    return max(found, key=lambda one: (not one.ours, one.at), default=None)


def _covers(held: str, wanted: str) -> bool:
    return (
        held == wanted or held.startswith((f"{wanted}.", f"{wanted}[")) or wanted.startswith((f"{held}.", f"{held}["))
    )


def _by(holder: Holder | None) -> Json:
    if holder is None or holder.ours:
        return {"manager": "", "at": ""}
    return {"manager": holder.manager, "at": holder.at}


def _foreign(ref: ObjectRef, seen: ObjectHistory) -> Iterator[Json]:
    ours = {path for one in seen.holders if one.ours for path in one.paths}
    for one in seen.holders:
        for path in one.paths:
            if not one.ours and one.subresource != "status" and path not in ours:
                yield {"object": str(ref), "field": path, "manager": one.manager, "at": one.at}
