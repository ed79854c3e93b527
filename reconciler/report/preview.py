"""A plan set as the one comment that a pull request sees: short enough to read, complete enough to approve.

Knows plans and what the caller says of tickets, approvers and times; knows no forge. The rules it keeps: counts and
deletions come first and are never pushed out by anything else; text of others stands in code only; what was cut is
said, and `truncated` tells the gate (T28); the same input gives the same bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.names import SHORT, Digest, Revision
from reconciler.plan.change import Plan, PlanSet
from reconciler.report import sections
from reconciler.report.fitting import Fitted, Part, fit
from reconciler.report.moved import Move
from reconciler.report.neutral import code_name, is_cut
from reconciler.report.phrases import PHRASES, Locale, Phrases
from reconciler.state.observed import Failure

FORGE_LIMIT = 65_536  # characters; GitHub's, the smallest of the forges we know
PRODUCTION = "production"
_NOTE_ROOM = 1000  # characters kept free for the note that says what was cut


@dataclass(frozen=True, slots=True)
class Approvers:
    """Who may approve one environment's plan: `count` of `people` (names or roles); `given` did so already.

    `alone`: who may approve their own change (G15).
    """

    count: int
    people: tuple[str, ...]
    given: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a comment says beside the plans.

    `marker` is the hidden line that finds the comment again. `head` and `base_revision` are what the plan was made on;
    `base` is the tracked branch. `command` is what to type next. `artifact` is a path on the audit branch. `replaces`
    is the digest of the preview before, where it differs; `moved` says how. `refused` says why a held commit is held.
    """

    marker: str
    ticket: str
    head: Revision
    base: str
    base_revision: Revision
    command: str
    artifact: str
    locale: Locale = Locale.EN
    limit: int = FORGE_LIMIT
    approvers: Mapping[str, Approvers] = field(default_factory=dict)
    valid_until: datetime | None = None
    looked_at: datetime | None = None
    renewed_at: datetime | None = None
    replaces: Digest | None = None
    moved: tuple[Move, ...] = ()
    unreachable: Mapping[str, Failure] = field(default_factory=dict)
    refused: Failure | None = None
    rollback_grant: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Preview:
    """A comment's text. A truncated one of a production plan cannot be approved."""

    body: str
    truncated: bool


def render_preview(plans: PlanSet, context: Context) -> Preview:
    """The whole comment."""
    words = PHRASES[context.locale]
    if not plans.plans and not context.unreachable:
        body = f"{context.marker}\n### {words.nothing_managed}\n\n{words.unmanaged}\n"
        return Preview(body, truncated=False)
    head = "\n".join(_head(plans, context, words)) + "\n"
    tail = "\n".join(_tail(plans, context, words)) + "\n"
    fitted = fit(_parts(plans, context, words), context.limit - len(head) - len(tail) - _NOTE_ROOM)
    truncated = bool(fitted.left_out) or is_cut(head + fitted.text + tail)
    note = _note(plans, fitted, words) if truncated else ""
    return Preview(head + note + fitted.text + tail, truncated)


def counts_of(plans: PlanSet, locale: Locale = Locale.EN) -> str:
    """How many of what, as plain text for a status or a list: `1 to delete, 2 to update, 1 to restart`."""
    return sections.counts(plans.plans, PHRASES[locale])


def _head(plans: PlanSet, context: Context, words: Phrases) -> Iterator[str]:
    """What always fits: its length has a bound, whatever the plan holds."""
    yield context.marker
    ticket = words.headline.format(ticket=f" {code_name(context.ticket)}", counts=sections.counts(plans.plans, words))
    yield f"### {ticket} · {words.risk_of.format(risk=words.risks[plans.risk])}"
    yield ""
    if context.refused is not None:
        error, hint = sections.failure(context.refused, context.locale)
        yield words.held.format(error=error, hint=hint).rstrip() + "\n"
    if blocked := sum(len(plan.blocked) for plan in plans.plans):
        yield words.blocked.format(errors=blocked) + "\n"
    if context.replaces is not None and context.replaces != plans.digest:
        old, new = (code_name(digest[:SHORT]) for digest in (context.replaces, plans.digest))
        yield words.moved_headline.format(old=old, new=new) + "\n"
    if any(plan.static for plan in plans.plans):
        yield words.static + "\n"
    if names := sections.deletions(plans.plans, words):
        yield words.deletes.format(names=names) + "\n"
    yield " · ".join(_facts(plans, context, words)) + "\n"


def _facts(plans: PlanSet, context: Context, words: Phrases) -> Iterator[str]:
    yield words.digest.format(digest=code_name(plans.digest[:SHORT]))
    if any(plan.static for plan in plans.plans):
        yield words.valid_static
    elif context.valid_until is not None:
        yield words.valid_until.format(time=sections.clock(context.valid_until))
    if context.renewed_at is not None:
        yield words.renewed_at.format(time=sections.clock(context.renewed_at))
    elif context.looked_at is not None:
        yield words.looked_at.format(time=sections.clock(context.looked_at))
    base = f"{code_name(context.base)} ({code_name(context.base_revision[:SHORT])})"
    yield words.made_of.format(head=code_name(context.head[:SHORT]), base=base)
    held = sorted({commit for plan in plans.plans for commit in plan.held})
    if held:
        yield words.includes_held.format(commits=sections.names((c[:SHORT] for c in held), words))


def _parts(plans: PlanSet, context: Context, words: Phrases) -> tuple[Part, ...]:
    return (
        _environments(plans, context, words),
        *sections.changes(plans.plans, words),
        sections.ways(plans.plans, words),
        sections.checks(plans.plans, words, context.locale),
        sections.moves(context.moved, words),
        sections.diffs(plans.plans, words),
        sections.returns(plans.plans, words, context.rollback_grant),
    )


def _environments(plans: PlanSet, context: Context, words: Phrases) -> Part:
    rows = [
        _row(
            code_name(plan.environment) + (f" ({code_name(plan.tier)})" if plan.tier else ""),
            f"**{words.risks[plan.risk]}**" + "".join(f"<br>{code_name(reason)}" for reason in plan.reasons),
            sections.counts((plan,), words),
            _approve(plan, context, words),
        )
        for plan in plans.plans
    ]
    for environment, failure in sorted(context.unreachable.items()):
        error, hint = sections.failure(failure, context.locale)
        waits = words.waits.format(error=error, hint=hint).rstrip()
        rows.append(_row(code_name(environment), "", waits, ""))
    rule = "|:--" * 4 + "|\n"
    return Part("environments", 0, f"{words.environments_head}\n{rule}", rows, sections.more_rows(words, 4))


def _approve(plan: Plan, context: Context, words: Phrases) -> str:
    asked = context.approvers.get(plan.environment)
    if asked is None or plan.blocked:
        return ""  # nobody can approve it as it is
    if asked.alone and not asked.people:
        return words.approve_alone.format(people=sections.names(asked.alone, words))
    if not asked.people:
        return words.approve_nobody.format(n=asked.count)
    text = words.approve.format(n=asked.count, people=sections.names(asked.people, words))
    given = words.approved_by.format(people=sections.names(asked.given, words)) if asked.given else ""
    return text + (words.comma + given if given else "")


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |\n"


def _tail(plans: PlanSet, context: Context, words: Phrases) -> Iterator[str]:
    yield f"\n#### {words.next}\n"
    steps = [*_next(plans, words)]
    if not any(plan.blocked for plan in plans.plans):
        steps.append(f"{words.next_command}{words.colon}{code_name(context.command)}")
    yield words.space.join(steps)
    yield ""
    yield words.whole.format(artifact=code_name(context.artifact), digest=code_name(plans.digest))


def _next(plans: PlanSet, words: Phrases) -> Iterator[str]:
    if any(plan.blocked for plan in plans.plans):
        yield words.next_blocked
    elif any(plan.static for plan in plans.plans):
        yield words.next_static
    else:
        yield words.next_approve
        if plans.risk is sections.CRITICAL:
            yield words.next_quote.format(digest=code_name(plans.digest[:SHORT]))


def _note(plans: PlanSet, fitted: Fitted, words: Phrases) -> str:
    """What is missing, right under the headline, where nobody can overlook it."""
    names = list(dict.fromkeys(name for name, _ in fitted.left_out))
    total = {name: sum(count for other, count in fitted.left_out if other == name) for name in names}
    parts = words.comma.join(f"{words.left_out[name]} {total[name]}" for name in names) or words.long_text
    production = any(plan.tier == PRODUCTION for plan in plans.plans)
    return words.cut.format(parts=parts) + (f"{words.space}{words.cut_production}" if production else "") + "\n\n"
