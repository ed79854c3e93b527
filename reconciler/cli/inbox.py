"""`inbox`: what waits for whom, with every filter of the contract."""

from typing import Annotated

import typer

from reconciler.cli import choices, options, show
from reconciler.cli.choices import Output

COLUMNS = (
    show.Column("REF", "ref", whole=True),
    show.Column("STATUS", "status", whole=True),
    show.Column("RISK", "risk_level", whole=True),
    show.Column("BY", "requested_by"),
    show.Column("DUE", lambda row: "overdue" if row["overdue"] else f"{row['sla_due_at'][11:16]}Z", whole=True),
    show.Column("SUMMARY", lambda row: "; ".join(filter(None, (row["next"], row["summary"])))),
)


def add(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(inbox)


def inbox(  # noqa: PLR0913  every filter is an option
    ctx: typer.Context,
    *,
    view: Annotated[choices.View, typer.Option("--view", help="mine, pending or all.")] = "mine",
    status: Annotated[
        list[choices.Status] | None,
        typer.Option("--status", metavar="STATUS", help="pending, approved, ...; may be repeated."),
    ] = None,
    scope_type: Annotated[
        list[choices.ScopeType] | None,
        typer.Option("--scope-type", metavar="TYPE", help="release, install, ...; may be repeated."),
    ] = None,
    project: Annotated[str, typer.Option("--project")] = "",
    team: Annotated[str, typer.Option("--team")] = "",
    environment: Annotated[str, typer.Option("--environment")] = "",
    runtime_type: Annotated[choices.RuntimeType | None, typer.Option("--runtime-type")] = None,
    risk: Annotated[choices.Risk | None, typer.Option("--risk")] = None,
    priority: Annotated[choices.Priority | None, typer.Option("--priority")] = None,
    assigned_to: Annotated[str, typer.Option("--assigned-to", metavar="LOGIN")] = "",
    requested_by: Annotated[str, typer.Option("--requested-by", metavar="LOGIN")] = "",
    due: Annotated[choices.Due | None, typer.Option("--due", help="Wants an answer within 15m, 1h, or today.")] = None,
    text: Annotated[str, typer.Option("--text", help="In the ticket's name or summary.")] = "",
    sort: Annotated[choices.SortBy | None, typer.Option("--sort")] = None,
    descending: Annotated[bool, typer.Option("--desc", help="Turn the order of --sort around.")] = False,
    page: Annotated[int, typer.Option("--page", min=1)] = 1,
    page_size: Annotated[int, typer.Option("--page-size", min=1, max=500)] = 50,
    output: Annotated[Output, typer.Option("-o", "--output")] = Output.TABLE,
) -> None:
    """What waits for whom.

    What you may see: releases whose traffic is stopped, then tickets: pending first, p0 before p3, earliest expiry.
    """
    opts = options.of(ctx)
    reading = opts.reading()
    from reconciler.doors import inbox

    filters = {
        "view": view,
        "status": status or [],
        "scope_type": scope_type or [],
        "project": project,
        "team": team,
        "environment": environment,
        "runtime_type": runtime_type or "",
        "risk": risk,
        "priority": priority or "",
        "assigned_to": assigned_to,
        "requested_by": requested_by,
        "due": due,
        "text": text,
        "sort": sort,
        "descending": descending,
        "page": page,
        "page_size": page_size,
    }
    who = inbox.viewer(reading, opts.me(reading), opts.key)
    found = inbox.page(reading, who, inbox.ask(filters))
    show.listing(found["tickets"], COLUMNS, output, whole=found)
    if output is Output.TABLE:
        stats = found["stats"]
        pages = -(-found["total"] // page_size)
        show.note(
            f"pending {stats['pending']}, overdue {stats['overdue']}, expiring within 15 minutes {stats['expiring']}"
            f"; {found['total']} here, page {page} of {max(pages, 1)}"
        )
