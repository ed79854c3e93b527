"""`explain-drift`: what differs from what was approved, who changed it, and the ways forward."""

from typing import Annotated

import typer

from reconciler.cli import options, show
from reconciler.cli.choices import Output
from reconciler.cli.edge import FOUND, NOT_DONE

DRIFT = (
    show.Column("OBJECT", "object"),
    show.Column("FIELD", lambda row: row["field"] or row["what"]),
    show.Column("APPROVED", "approved"),
    show.Column("LIVE", "live"),
    show.Column("BY", lambda row: row["manager"] or "nobody holds it now"),
    show.Column("AT", "at", whole=True),
)
FOREIGN = (
    show.Column("OBJECT", "object"),
    show.Column("FIELD OF OTHERS", "field"),
    show.Column("BY", "manager"),
    show.Column("AT", "at", whole=True),
)


def add(app: typer.Typer) -> None:
    """Register the verb."""
    app.command("explain-drift")(explain_drift)


def explain_drift(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RELEASE|ENVIRONMENT")],
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also fields that others set; they are no drift.")] = False,
    output: Annotated[Output, typer.Option("-o", "--output", help="table, json or yaml.")] = Output.TABLE,
) -> None:
    """What differs from the last successful artifact, who changed it and when.

    Exit 0 nothing, 1 drift, 2 could not be told. Changes nothing.
    """
    opts = options.of(ctx)
    with opts.assembly() as assembly:
        from reconciler.doors import drift

        with opts.timed("looking at the targets"), show.progress("looking at the targets"):
            found = drift.explain(assembly, name, foreign=everything)
    if output is Output.TABLE:
        if found.drift:
            show.listing(list(found.drift), DRIFT, output)
            show.line("\nways forward", "bold")
            for way in drift.WAYS:
                show.line(f"  {way}")
        else:
            show.line("no drift" if not found.unknown else "no drift was seen")
        if found.foreign:
            show.listing(list(found.foreign), FOREIGN, output)
        for note in (*found.notes, *found.unknown):
            show.note(show.said(note))
    else:
        show.machine(found.to_json(), output)
    if found.unknown:
        raise typer.Exit(NOT_DONE)
    if found.drift:
        raise typer.Exit(FOUND)
