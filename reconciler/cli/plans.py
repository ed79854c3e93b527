"""`diff` and `preview`: plans made now, on the reconciler's machine, looked at and thrown away."""

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reconciler.cli import options, show
from reconciler.cli.choices import Output
from reconciler.cli.edge import FOUND, NOT_DONE

if TYPE_CHECKING:
    from reconciler.doors.plans import Made

Style = Literal["table", "json", "yaml", "markdown"]
COLUMNS = (
    show.Column("CHANGE", "change", whole=True),
    show.Column("WHAT", "subject"),
    show.Column("WHERE", "where"),
    show.Column("FIELDS", lambda row: row["fields"]),
)


def add(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(diff)
    app.command()(preview)


def diff(
    ctx: typer.Context,
    rev: Annotated[str, typer.Option("--rev", help="A branch, tag or commit; the tracked branch unless named.")] = "",
    output: Annotated[Output, typer.Option("-o", "--output")] = Output.TABLE,
) -> None:
    """What the targets lack to be as a revision says.

    Exit 0 nothing, 1 changes, 2 could not be told.
    """
    opts = options.of(ctx)
    with opts.assembly() as assembly:
        from reconciler.doors import plans

        with opts.timed("looking at the targets"), show.progress("looking at the targets"):
            made = plans.diff(assembly, rev)
    _print(made, output.value)
    if made.unknown:
        raise typer.Exit(NOT_DONE)
    if made.changes:
        raise typer.Exit(FOUND)


def preview(
    ctx: typer.Context,
    pr: Annotated[int | None, typer.Option("--pr", help="The pull request to plan.")] = None,
    rev: Annotated[str, typer.Option("--rev", help="A branch, tag or commit to plan.")] = "",
    output: Annotated[Style, typer.Option("-o", "--output", help="table, markdown, json or yaml.")] = "table",
) -> None:
    """Plan a pull request or a revision now and print it.

    Exit 1 where the plan cannot be applied as it is. Posts nothing; `pr show` has the posted one.
    """
    if (pr is None) == (not rev):
        raise typer.BadParameter("name exactly one of --pr N and --rev R")
    opts = options.of(ctx)
    with opts.assembly() as assembly:
        from reconciler.doors import plans

        with opts.timed("looking at the targets"), show.progress("looking at the targets"):
            made = plans.preview(assembly, number=pr, revision=rev)
    _print(made, output)
    if made.blocked:
        raise typer.Exit(FOUND)


def _print(made: "Made", output: str) -> None:
    from reconciler.doors.plans import lines_of
    from reconciler.names import SHORT

    if output == "markdown":
        sys.stdout.write(made.markdown)
        return
    if output != "table":
        show.machine(made.to_json(), Output(output))
        return
    for plan in made.plans:
        rows = lines_of(plan)
        if not rows and not plan.checks:
            continue
        show.line(f"{plan.environment}  {plan.risk.value} risk  plan {plan.digest[:SHORT]}", "bold")
        if rows:
            show.listing(rows, COLUMNS, Output.TABLE)
        for check in plan.checks:
            key = f"{check.key}: " if check.key else ""
            show.line(f"  {check.severity.value}: {key}{show.said(check.message)}", show.STYLES.get(check.severity, ""))
    show.line(f"{made.changes} changes, digest {made.digest[:SHORT]}" if made.changes else "no change")
