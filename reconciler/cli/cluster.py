"""`cluster`: connections, tested as the reconciler makes them."""

from typing import Annotated

import typer

from reconciler.cli import options, show
from reconciler.cli.choices import Output
from reconciler.cli.edge import FOUND
from reconciler.cli.loop import ANYTHING, absent

app = typer.Typer(help="Cluster connections.", no_args_is_help=True)
CERTIFICATES = (
    show.Column("WHAT", "what"),
    show.Column("ENDS", "ends", whole=True),
    show.Column("DAYS", "days"),
    show.Column("RENEW", lambda row: "now" if row["renew"] else "-"),
)
app.command("kubeconfig", hidden=True, context_settings=ANYTHING)(absent("cluster kubeconfig"))


@app.command("test")
def connection(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    output: Annotated[Output, typer.Option("-o", "--output", help="table, json or yaml.")] = Output.TABLE,
) -> None:
    """Connect to a cluster: exit 0 it is the recorded one and nothing is missing, 1 otherwise."""
    opts = options.of(ctx)
    with opts.assembly() as assembly:
        from reconciler.doors import cluster

        with opts.timed("connecting"), show.progress(f"connecting to {name}"):
            found = cluster.test(assembly, name)
    if output is Output.TABLE:
        ends = [f"{what} {at}" for what, at in found["ends"].items()]
        show.pairs({**found, "ends": ends}.items())
    else:
        show.machine(found, output)
    if found["missing_permissions"] or found["errors"] or not found["same_cluster"]:
        raise typer.Exit(FOUND)


@app.command("certs")
def certs(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    output: Annotated[Output, typer.Option("-o", "--output", help="table, json or yaml.")] = Output.TABLE,
) -> None:
    """Until when a cluster's certificates and token are good: exit 1 where one is to be renewed (renewBefore)."""
    opts = options.of(ctx)
    with opts.assembly() as assembly:
        from reconciler.doors import cluster

        with opts.timed("connecting"), show.progress(f"connecting to {name}"):
            found = cluster.certs(assembly, name)
    show.listing(found, CERTIFICATES, output)
    if any(row["renew"] for row in found):
        raise typer.Exit(FOUND)
