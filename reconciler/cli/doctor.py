"""`doctor`: is everything here that a reconciler needs, where is it from, and what needs a backup."""

from typing import Annotated

import typer

from reconciler.cli import options, show
from reconciler.cli.choices import Output
from reconciler.cli.edge import FOUND

SETTINGS = (show.Column("SETTING", "setting", whole=True), show.Column("VALUE", "value"), show.Column("FROM", "source"))
CHECKS = (
    show.Column("CHECK", "name", whole=True),
    show.Column("", "status", whole=True),
    show.Column("", lambda row: row["message"] + (f" -> {row['hint']}" if row["hint"] else "")),
)
BACKUP = (show.Column("BACK UP", "path"), show.Column("IT", "what"), show.Column("THERE", "present", whole=True))


def add(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(doctor)


def doctor(
    ctx: typer.Context,
    output: Annotated[Output, typer.Option("-o", "--output", help="table, json or yaml.")] = Output.TABLE,
) -> None:
    """Look at settings, keys, repository, audit, bundles.

    Exit 0 well, 1 something is wrong. Says where each setting is from and what needs a backup.
    """
    opts = options.of(ctx)
    with opts.timed("loading the program"):
        from reconciler.doors import health
    with opts.timed("looking"), show.progress("looking"):
        found = health.examine(opts.where())
    if output is not Output.TABLE:
        show.machine(found, output)
    else:
        show.listing(found["settings"], SETTINGS, output)
        if found["backup"]:
            show.line()
            show.listing(found["backup"], BACKUP, output)
            show.pairs(found["public"].items())
        show.line()
        show.listing(found["checks"], CHECKS, output)
    if any(one["status"] == "error" for one in found["checks"]):
        raise typer.Exit(FOUND)
