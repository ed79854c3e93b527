"""`explain-drift`: what differs from what was approved, who changed it, and the ways forward."""

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options, show
from reconciler.cli.choices import Output
from reconciler.cli.edge import FOUND, NOT_DONE

if TYPE_CHECKING:
    from reconciler.cli.options import Options
    from reconciler.doors.ignoring import Offer

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
    propose_ignore: Annotated[
        bool, typer.Option("--propose-ignore", help="Open a pull request that leaves what drifted to others.")
    ] = False,
    output: Annotated[Output, typer.Option("-o", "--output", help="table, json or yaml.")] = Output.TABLE,
) -> None:
    """What differs from the last successful artifact, who changed it and when.

    Exit 0 nothing, 1 drift, 2 could not be told. Changes nothing. With --propose-ignore, exit 0 where the pull request
    is open, or nothing drifts; where you have no rights or no forge here, the patch is printed, and it is 2.
    """
    opts = options.of(ctx)
    offered = None
    with opts.assembly() as assembly:
        from reconciler.doors import drift

        with opts.timed("looking at the targets"), show.progress("looking at the targets"):
            found = drift.explain(assembly, name, foreign=everything)
        if propose_ignore and found.drift:
            from reconciler.doors import ignoring

            offered = ignoring.offer(assembly, found, name)
    if output is Output.TABLE:
        if found.drift:
            show.listing(list(found.drift), DRIFT, output)
            show.line("\nways forward", "bold")
            for way in found.ways:
                show.line(f"  {way}")
        else:
            show.line("no drift" if not found.unknown else "no drift was seen")
        if found.foreign:
            show.listing(list(found.foreign), FOREIGN, output)
        for note in (*found.notes, *found.unknown):
            show.note(show.said(note))
    else:
        show.machine(found.to_json(), output)
    if propose_ignore:
        _propose(opts, offered, over=not found.unknown, beside=output is not Output.TABLE)
        return
    if found.unknown:
        raise typer.Exit(NOT_DONE)
    if found.drift:
        raise typer.Exit(FOUND)


def _propose(opts: "Options", offer: "Offer | None", *, over: bool, beside: bool) -> None:
    """`beside`: a program reads the result from stdout, and nothing else belongs there."""
    if offer is None:
        show.note("nothing drifts any more, so there is nothing to propose" if over else "no drift was seen to propose")
        raise typer.Exit(0 if over else NOT_DONE)
    for words in offer.kept:
        show.note(f"not left to others: {show.said(words)}")
    if not offer.rules:
        show.note("nothing of this drift can be left to others")
        raise typer.Exit(NOT_DONE)
    from reconciler.doors import ignoring

    reading = opts.reading()
    made = ignoring.propose_offer(reading, lambda: opts.desk(reading), offer)
    if made.proposed is not None:
        show.note(f"opened #{made.proposed.number} from {made.proposed.branch}; it holds from its approval on")
        return
    show.note(f"no pull request was opened: {show.said(made.why)}")
    show.note("the change, to be brought by a pull request of somebody who may:")
    if beside:
        for text in made.patch.splitlines():
            show.note(show.ours(text))
    else:
        show.patch(made.patch)
    raise typer.Exit(NOT_DONE)
