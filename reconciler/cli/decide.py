"""What people decide and order: approve, reject, hold, resume, retry, roll back. Everything is signed."""

from typing import Annotated

import typer

from reconciler.cli import options, show
from reconciler.cli.pulls import told

Unit = Annotated[str, typer.Argument(metavar="RELEASE|ENVIRONMENT", help="A name, or kind/name.")]
Reference = Annotated[str, typer.Argument(metavar="REF", help="TICKET@digest, as the inbox lists it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the audit.")]


def add(app: typer.Typer) -> None:
    """Register the verbs."""
    for verb in (approve, reject, hold, resume, retry, rollback):
        app.command()(verb)


def approve(
    ctx: typer.Context,
    reference: Reference,
    *,
    emergency: Annotated[
        bool, typer.Option("--emergency", help="Break the glass: scale or suspend now; a second person looks later.")
    ] = False,
    reason: Reason = "",
) -> None:
    """Approve what a ticket shows.

    A held commit, a held merge, or an open pull request.
    """
    if emergency and not reason:
        raise typer.BadParameter("--emergency needs --reason TEXT")
    _decided(ctx, reference, "emergency" if emergency else "approve", reason)


def reject(
    ctx: typer.Context, reference: Reference, reason: Annotated[str, typer.Option("--reason", help="Why.")]
) -> None:
    """Reject what a ticket shows.

    Rejecting a held commit opens its revert pull request.
    """
    _decided(ctx, reference, "reject", reason)


def _decided(ctx: typer.Context, reference: str, verb: str, reason: str) -> None:
    opts = options.of(ctx)
    reading = opts.reading()
    desk = opts.desk(reading)
    from reconciler.doors.pulls import decide

    told(decide(reading, desk, reference, verb, reason))


def _ordered(ctx: typer.Context, unit: str, verb: str, reason: str) -> None:
    opts = options.of(ctx)
    reading = opts.reading()
    desk = opts.desk(reading)
    from reconciler.doors.orders import order, weigh
    from reconciler.report.neutral import plain

    wanted = weigh(reading, desk, unit, verb, reason)
    for line in wanted.told:
        show.line(plain(line, cap=show.LONGEST_LINE))
    told(order(desk, wanted))


def hold(ctx: typer.Context, unit: Unit, reason: Reason = "") -> None:
    """Stop before the next step.

    A hold ends after 24 hours unless renewed.
    """
    _ordered(ctx, unit, "hold", reason)


def resume(ctx: typer.Context, unit: Unit, reason: Reason = "") -> None:
    """End a hold."""
    _ordered(ctx, unit, "resume", reason)


def retry(ctx: typer.Context, unit: Unit, reason: Reason = "") -> None:
    """Try a failed or rolled-back plan again.

    The same plan, three times for each approval.
    """
    _ordered(ctx, unit, "retry", reason)


def rollback(
    ctx: typer.Context,
    release: Annotated[str, typer.Argument(metavar="RELEASE")],
    *,
    now: Annotated[bool, typer.Option("--now", help="At once, within the grant of its approval.")] = False,
    reason: Reason = "",
) -> None:
    """Go back to what was there before.

    By a revert pull request, or with --now at once, within the grant of the approval.
    """
    if now:
        if not reason:
            raise typer.BadParameter("--now needs --reason TEXT")
        _ordered(ctx, release, "rollback", reason)
        return
    opts = options.of(ctx)
    reading = opts.reading()
    desk = opts.desk(reading)
    from reconciler.doors.orders import revert

    made = revert(reading, desk, release, reason)
    show.line(f"opened #{made.number} from {made.branch}")
    show.note("it is previewed, approved and merged like any other")
