"""`audit verify`: the chain and its signatures, checked by anybody with a clone and a public key."""

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import options, show
from reconciler.cli.choices import Output
from reconciler.cli.edge import FOUND

app = typer.Typer(help="The audit branch.", no_args_is_help=True)


@app.callback()
def only() -> None:
    """The audit branch."""


@app.command()
def verify(
    ctx: typer.Context,
    signers: Annotated[
        Path | None, typer.Option("--signers", metavar="FILE", help="The reconciler's public keys, one a line.")
    ] = None,
    anchor: Annotated[str, typer.Option("--anchor", metavar="COMMIT", help="A commit that must be in it.")] = "",
    output: Annotated[Output, typer.Option("-o", "--output", help="table, json or yaml.")] = Output.TABLE,
) -> None:
    """Check every commit of the audit branch: exit 0 whole, 1 something is wrong."""
    opts = options.of(ctx)
    reading = opts.reading()
    from reconciler.doors import audit

    with opts.timed("checking the chain"), show.progress("checking the chain"):
        found = audit.verify(reading, signers, anchor)
    if output is not Output.TABLE:
        show.machine(found, output)
    else:
        show.pairs(
            [("tip", found["tip"] or "(no audit branch)"), ("commits", found["commits"]), ("events", found["events"])]
        )
        show.pairs([("signed by", one["fingerprint"]) for one in found["signers"]])
        for one in found["findings"]:
            show.line(f"{one['commit']}: {show.said(one['problem'])}", "red")
        show.line("something is wrong" if found["findings"] else "every commit is whole and signed")
        if not found["signers_given"]:
            show.note("compare the key with the one that `reconciler doctor` shows on the reconciler's machine")
    if found["findings"]:
        raise typer.Exit(FOUND)
