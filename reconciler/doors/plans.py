"""Plans for doors: what a revision would change on the targets, and what merging a pull request would.

Needs the reconciler's keys: it looks at targets. Nothing is posted and nothing is applied. The rules of looking hold
here as everywhere (G4): accepted addresses only, and for a pull request only where its author has `apply`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.app.pinning import Asking
from reconciler.app.wiring import Assembly
from reconciler.doors.reading import Json
from reconciler.doors.specs import commit_named
from reconciler.errors import Refused, SpecError
from reconciler.git.merge import MergeConflict, merge_tree
from reconciler.names import SHORT, Digest, Revision, UnitRef, ticket_name
from reconciler.plan.change import Change, Operation, Plan, PlanSet
from reconciler.plan.make import plan_set
from reconciler.plan.sharing import by_environment
from reconciler.report.preview import Context, render_preview

Looks = Callable[[str], bool]
# what forbids applying a plan while all of its changes are known
IN_THE_WAY = frozenset({"resource_conflict", "owned_by_another", "deletion_cap_exceeded"})


@dataclass(frozen=True, slots=True)
class Made:
    """Plans that were made just now, and on what. `markdown` is the comment that a pull request would see."""

    plans: tuple[Plan, ...]
    digest: Digest
    revision: Revision
    markdown: str = ""

    @property
    def blocked(self) -> tuple[str, ...]:
        """What keeps a plan from being whole: `environment: key: message`."""
        return tuple(
            f"{plan.environment}: {check.key}: {check.message}" for plan in self.plans for check in plan.blocked
        )

    @property
    def unknown(self) -> bool:
        """Whether something could not be looked at or planned, so that the changes are not all."""
        return any(check.key not in IN_THE_WAY for plan in self.plans for check in plan.blocked)

    @property
    def changes(self) -> int:
        """How many changes on targets, and units of which only specs change."""
        return sum(len(lines_of(plan)) for plan in self.plans)

    def to_json(self) -> Json:
        """Everything, masked as plans are."""
        return {
            "revision": self.revision,
            "digest": self.digest,
            "plans": [plan.model_dump(mode="json") for plan in self.plans],
        }


def diff(assembly: Assembly, revision: str = "") -> Made:
    """What the targets would need to be as a revision says: every unit, also those that were applied and drifted."""
    commit = _revision(assembly, revision)
    side = assembly.planner.desires.at(commit)
    if side.desired.problems:
        raise SpecError(side.desired.problems)
    accepted = {UnitRef.parse(unit): state for unit, state in assembly.journal.ledger.accepted().items()}
    owners = [(ref, unit.environment) for ref, unit in side.units.items()]
    owners += [(ref, state.environment) for ref, state in accepted.items() if ref not in side.units]
    grouped = by_environment([ref for ref, _ in owners], owners)
    side = assembly.planner.pinner.settle(side, [ref for ref, _ in owners], Asking(), lambda _: False).side
    made = _plans(assembly, grouped, lambda name, units: assembly.planner.plan(name, units, side, looks=True))
    return Made(made.plans, made.digest, commit)


def preview(assembly: Assembly, *, number: int | None = None, revision: str = "") -> Made:
    """The artifact of a pull request, as merging it now would be planned, or of a revision."""
    if number is None:
        commit = _revision(assembly, revision)
        return _rendered(assembly, _between(assembly, commit, lambda _: True), commit, commit, "")
    pull = assembly.forge.pull_request(number)
    tip = _tip(assembly)
    merged = merge_tree(assembly.mirror.repository, tip, pull.head)
    if isinstance(merged, MergeConflict):
        raise Refused(
            f"previewing #{number}: it conflicts with {assembly.settings.branch}: {', '.join(merged.paths[:5])}",
            key="resource_conflict",
            hint="merge the tracked branch into it and push",
        )
    tree = Revision(merged.tree)
    desired = assembly.planner.desires.at(tree).desired
    plans = _between(assembly, tree, assembly.reconciler.proposals.may_look(pull, desired, tip), before=tip)
    return _rendered(assembly, plans, tip, pull.head, ticket_name(number))


def _between(assembly: Assembly, after: Revision, looks: Looks, before: Revision | None = None) -> PlanSet:
    side = assembly.planner.desires.at(after)
    if side.desired.problems:
        raise SpecError(side.desired.problems)
    start = before or assembly.journal.ledger.looked or assembly.journal.ledger.trusted
    return assembly.planner.between(start, after, looks, asking=Asking(asks=True, anew=True))


def _rendered(assembly: Assembly, plans: PlanSet, tip: Revision, head: Revision, ticket: str) -> Made:
    command = f"reconciler approve {ticket}@{plans.digest[:SHORT]}" if ticket else "-"
    context = Context(
        marker="",
        ticket=ticket or "-",
        head=head,
        base=assembly.settings.branch,
        base_revision=tip,
        command=command,
        artifact="(made now; not posted)",
    )
    return Made(plans.plans, plans.digest, head, render_preview(plans, context).body.lstrip())


def _plans(
    assembly: Assembly,
    grouped: Mapping[str, tuple[UnitRef, ...]],
    plan: Callable[[str, tuple[UnitRef, ...]], Plan],
) -> PlanSet:
    assembly.planner.desires.forget()  # the bundles on disk may have changed since the last look
    return plan_set(tuple(plan(name, units) for name, units in sorted(grouped.items())))


def _revision(assembly: Assembly, text: str) -> Revision:
    refs = assembly.mirror.refs()
    if not text:
        return _tip(assembly)
    for ref in (f"refs/heads/{text}", f"refs/tags/{text}"):
        if ref in refs:
            return Revision(str(assembly.mirror.repository.commit(refs[ref]).id))
    return commit_named(assembly.mirror.repository.objects, text)


def _tip(assembly: Assembly) -> Revision:
    branch = assembly.settings.branch
    tip = assembly.mirror.refs().get(f"refs/heads/{branch}")
    if tip is None:
        raise Refused(f"reading branch {branch}: there is none", key="validation_error")
    return tip


def lines_of(plan: Plan) -> list[Json]:
    """A plan's changes for a table: what, where, which fields; the unchanged are left out."""
    rows: list[Json] = []
    for change in plan.changes:
        if change.operation is Operation.UNCHANGED or _known(change):
            continue
        rows.append(
            {
                "environment": plan.environment,
                "change": change.operation.value,
                "subject": change.subject,
                "where": change.where,
                "reversible": change.reversible,
                "fields": [f"{one.path}: {_value(one.before)} -> {_value(one.after)}" for one in change.fields],
            }
        )
    for unit in plan.units:
        if unit.specs:
            fields = [f"{one.path}: {_value(one.before)} -> {_value(one.after)}" for one in unit.specs]
            rows.append(
                {
                    "environment": plan.environment,
                    "change": "spec",
                    "subject": unit.unit,
                    "where": "specs",
                    "reversible": True,
                    "fields": fields,
                }
            )
    return rows


def _known(change: Change) -> bool:
    """Whether a cluster's identity is the recorded one: connecting to it again changes nothing."""
    if change.operation is not Operation.CONNECT:
        return False
    return any(one.path == "identity" and one.before == one.after for one in change.fields)


def _value(value: object) -> str:
    return "(none)" if value is None else str(value)
