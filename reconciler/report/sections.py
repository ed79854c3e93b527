"""The parts of a preview's comment: changes, checks, what moved, differences and the way back.

Knows plans and phrases; knows nothing of tickets or of how long a comment may be. Text of others leaves here in code
only.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from reconciler import catalogue
from reconciler.errors import hint_of
from reconciler.names import SHORT, UnitKind, UnitRef
from reconciler.plan.change import Change, Check, Line, Operation, Plan, Risk, Severity, UnitPlan
from reconciler.report.difference import lines_of
from reconciler.report.fitting import Part
from reconciler.report.moved import Move
from reconciler.report.neutral import code, code_name, fence, html_name
from reconciler.report.phrases import Locale, Phrases
from reconciler.state.observed import Failure

ERROR, CRITICAL = Severity.ERROR, Risk.CRITICAL
NAMED = 10  # names in one line; the rest is counted
# What may be lost comes first, then the order in which it is done.
ORDER = (
    Operation.DELETE,
    Operation.REPLACE,
    Operation.FORGET,
    Operation.ADOPT,
    Operation.HAND_OVER,
    Operation.RUN,
    Operation.CONNECT,
    Operation.CREATE,
    Operation.UPDATE,
    Operation.UNCHANGED,
)
# What one return does with what a plan did (G21).
UNDONE = {
    Operation.CREATE: Operation.DELETE,
    Operation.DELETE: Operation.CREATE,
    Operation.UPDATE: Operation.UPDATE,
    Operation.REPLACE: Operation.REPLACE,
    Operation.FORGET: Operation.HAND_OVER,
    Operation.HAND_OVER: Operation.HAND_OVER,
}


def clock(at: datetime) -> str:
    """A time as people read it, in UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def names(found: Iterable[str], words: Phrases) -> str:
    """Some names in code, and how many more there are."""
    listed = list(found)
    more = [words.and_more.format(n=len(listed) - NAMED)] if len(listed) > NAMED else []
    return words.comma.join([*(code_name(name) for name in listed[:NAMED]), *more])


def counts(plans: Sequence[Plan], words: Phrases) -> str:
    """How many of what, what may be lost first; also how many restart and how many specs change without an action."""
    operations = Counter(change.operation for plan in plans for change in plan.changes)
    restarts = sum(change.restarts for plan in plans for change in plan.changes)
    silent = sum(1 for plan in plans for _ in _silent(plan))
    found = [words.counts[o].format(n=operations[o]) for o in ORDER if operations[o] and o is not Operation.UNCHANGED]
    found += [words.restarts_count.format(n=restarts)] * bool(restarts)
    found += [words.accepts_count.format(n=silent)] * bool(silent)
    return words.comma.join(found) or words.no_action


def deletions(plans: Sequence[Plan], words: Phrases) -> str:
    """The names of what is deleted."""
    return names((change.subject for plan in plans for change in plan.changes if change.operation is ORDER[0]), words)


def failure(failed: Failure, locale: Locale) -> tuple[str, str]:
    """A failure as its key, code and message, and the hint."""
    return f"{_key(failed.key)}{_said(failed.message)}", hint_of(failed.key, locale)


def changes(plans: Sequence[Plan], words: Phrases) -> tuple[Part, ...]:
    """The table of changes, deletions first. Deletions are a part of their own: they go last when room is short."""
    rows = sorted(_rows(plans, words), key=lambda row: row[0])
    lost = [row for rank, row in rows if rank == 0]
    others = [row for rank, row in rows if rank != 0]
    heading = f"\n#### {words.changes}\n\n{words.changes_head}\n" + "|:--" * 4 + "|\n"
    more = more_rows(words, 4)
    return (
        Part("changes", 1, heading, lost, more),
        Part("changes", 3, "" if lost else heading, others, more),
    )


def more_rows(words: Phrases, columns: int) -> Callable[[int], str]:
    """The last row of a table that was cut."""
    return lambda n: f"| {words.and_more.format(n=n)}" + " |" * columns + "\n"


def _rows(plans: Sequence[Plan], words: Phrases) -> Iterator[tuple[int, str]]:
    for plan in plans:
        environment = f"{code_name(plan.environment)}{words.comma}" if len(plans) > 1 else ""
        for change in plan.changes:
            if change.operation is not Operation.UNCHANGED:
                done = words.words[change.operation] + (words.restarts if change.restarts else "")
                later = f" ({words.later})" if change.known_after_apply else ""
                where = environment + code_name(change.where)
                reversible = words.yes if change.reversible else words.no
                row = f"| {done} | {code_name(change.subject)}{later} | {where} | {reversible} |\n"
                yield ORDER.index(change.operation), row
        for unit in _silent(plan):
            what = f"{code_name(unit.unit)}" + (f" ({words.removed})" if unit.removed else "")
            yield len(ORDER), f"| {words.accepts} | {what} | {code_name(plan.environment)} | {words.yes} |\n"


def _silent(plan: Plan) -> Iterator[UnitPlan]:
    """Units whose specs change, or that come or go, without any action."""
    acting = {change.unit for change in plan.changes if change.operation is not Operation.UNCHANGED}
    return (unit for unit in plan.units if unit.unit not in acting and (unit.specs or unit.added or unit.removed))


def checks(plans: Sequence[Plan], words: Phrases, locale: Locale) -> Part:
    """Errors, then warnings, then notes, each with its key, its code and what to do."""
    order = list(Severity)
    found = sorted(
        ((plan.environment, check) for plan in plans for check in plan.checks), key=lambda c: order.index(c[1].severity)
    )
    several = len(plans) > 1
    blocks = [_check(environment if several else "", check, words, locale) for environment, check in found]
    return Part("checks", 2, f"\n#### {words.checks}\n\n", blocks, _more_items(words))


def _check(environment: str, check: Check, words: Phrases, locale: Locale) -> str:
    severity = words.severities[check.severity]
    shown = f"**{severity}**" if check.severity is ERROR else severity
    key = f" {_key(check.key)}" if check.key else ""
    where = "".join(f" {code_name(text)}" for text in (environment, check.unit) if text)
    hint = code(check.hint) if check.hint else hint_of(check.key, locale) if check.key else ""
    line = f"- {shown}{key}{where}{_said(check.message)}"
    return line + (f"<br>→ {hint}\n" if hint else "\n")


def _key(key: str) -> str:
    return f"{code_name(key)} ({catalogue.errors()[key].code})"


def _said(message: str) -> str:
    return f": {code(message)}" if message else ""


def moves(moved: Sequence[Move], words: Phrases) -> Part:
    """What moved since the last preview, and on which side."""
    blocks = [
        f"- {words.moved_kinds[move.side]}"
        + (f"{words.colon}{code_name(move.environment)} {code_name(move.subject)}" if move.subject else "")
        + (f" ({names(move.paths, words)})" if move.paths else "")
        + "\n"
        for move in moved
    ]
    return Part("moved", 4, f"\n#### {words.moved}\n\n", blocks, _more_items(words))


def diffs(plans: Sequence[Plan], words: Phrases) -> Part:
    """One collapsed block a unit, with its changed specs and objects."""
    found = [(plan, unit, _lines(plan, unit, words)) for plan in plans for unit in plan.units]
    shown = [(plan, unit, lines) for plan, unit, lines in found if lines]

    def block(index: int, kept: Sequence[str]) -> str:
        plan, unit, _ = shown[index]
        acting = [change for change in plan.changes if change.unit == unit.unit]
        part = plan.model_copy(update={"changes": tuple(acting), "units": (unit,)})
        title = f"{html_name(unit.unit)} · {html_name(plan.environment)}{words.colon}{counts((part,), words)}"
        return f"<details>\n<summary>{title}</summary>\n\n{fence(kept)}\n\n</details>\n"

    def shrink(index: int, room: int) -> str:
        lines = shown[index][2]
        kept = len(lines)
        while kept := kept // 2:
            left_out = f"@@ {words.lines_left_out.format(n=len(lines) - kept)} @@"
            if len(shorter := block(index, [*lines[:kept], left_out])) <= room:
                return shorter
        return ""

    blocks = [block(index, lines) for index, (_, _, lines) in enumerate(shown)]
    return Part("diffs", 6, f"\n#### {words.diffs}\n\n", blocks, _more_items(words), shrink)


def _lines(plan: Plan, unit: UnitPlan, words: Phrases) -> list[str]:
    lines: list[str] = []
    if unit.specs:
        lines += [f"@@ {words.spec_of} {unit.unit} @@", *lines_of(unit.specs)]
    for change in sorted(_of(plan, unit), key=lambda c: ORDER.index(c.operation)):
        if change.fields:
            later = f" ({words.later})" if change.known_after_apply else ""
            lines += [f"@@ {words.words[change.operation].strip('*')} {change.subject}{later} @@"]
            lines += lines_of(change.fields)
    return lines


def ways(plans: Sequence[Plan], words: Phrases) -> Part:
    """What the strategy of each release does, step by step."""
    blocks = [
        f"- {code_name(unit.unit)} ({code_name(plan.environment)}){words.colon.rstrip()}\n"
        + "".join(f"  {number}. {_line(line, words)}\n" for number, line in enumerate(unit.way, start=1))
        for plan in plans
        for unit in plan.units
        if unit.way
    ]
    return Part("way", 2, f"\n#### {words.way}\n\n", blocks, _more_items(words))


def _line(line: Line, words: Phrases) -> str:
    shown = {name: code(value) if isinstance(value, str) else str(value) for name, value in line.values}
    return words.ways[line.told].format(**shown)


def returns(plans: Sequence[Plan], words: Phrases, grant: timedelta) -> Part:
    """What one return of each release would do, and whether approving grants it (G21)."""
    blocks = [
        f"- {_return(plan, unit, words, grant)}\n"
        + "".join(f"  {number}. {line}\n" for number, line in enumerate(steps_back(unit, words), start=1))
        for plan in plans
        for unit in plan.units
        if UnitRef.parse(unit.unit).kind is UnitKind.RELEASE and list(_of(plan, unit))
    ]
    return Part("rollback", 5, f"\n#### {words.rollback}\n\n", blocks, _more_items(words))


def _return(plan: Plan, unit: UnitPlan, words: Phrases, grant: timedelta) -> str:
    shown = code_name(unit.unit)
    if unit.accepted is None or unit.added:
        return words.rollback_first.format(unit=shown)
    undone = Counter(UNDONE[c.operation] for c in _alive(plan, unit) if c.reversible and c.operation in UNDONE)
    stays = not_undone(plan, unit)
    command = code_name(f"reconciler rollback {UnitRef.parse(unit.unit).name} --now --reason TEXT")
    how = words.rollback_automatic if unit.rollback else words.rollback_by_hand
    how = how if unit.ungranted is None else words.rollback_by_revert
    granted = words.rollback_granted.format(days=grant.days) if grant else words.rollback_not_granted
    text = [
        words.rollback_to.format(
            unit=shown,
            revision=code_name(unit.accepted[:SHORT]),
            counts=words.comma.join(words.counts[o].format(n=undone[o]) for o in ORDER if undone[o]) or words.no_action,
            how=how.format(command=command),
        ),
        granted if unit.ungranted is None else words.rollback_ungranted[unit.ungranted],
    ]
    return words.space.join([*text, *([words.rollback_stays.format(names=names(stays, words))] if stays else [])])


def not_undone(plan: Plan, unit: UnitPlan) -> list[str]:
    """The subjects of what one return of a unit does not undo."""
    return [c.subject for c in _alive(plan, unit) if not c.reversible or c.operation not in UNDONE]


def steps_back(unit: UnitPlan, words: Phrases) -> list[str]:
    """The steps of a unit's way back, in the words of its preview."""
    return [_line(line, words) for line in unit.back]


def _alive(plan: Plan, unit: UnitPlan) -> list[Change]:
    return [c for c in _of(plan, unit) if not c.over]


def _of(plan: Plan, unit: UnitPlan) -> Iterator[Change]:
    return (c for c in plan.changes if c.unit == unit.unit and c.operation is not Operation.UNCHANGED)


def _more_items(words: Phrases) -> Callable[[int], str]:
    return lambda n: f"- {words.and_more.format(n=n)}\n"
