"""`credential seal`: a secret from stdin into a spec that only this reconciler can open, for these addresses alone."""

import sys
from typing import Annotated

import typer

from reconciler.cli import choices, options, show

app = typer.Typer(help="Credentials.", no_args_is_help=True)


@app.callback()
def only() -> None:
    """Credentials."""


@app.command()
def seal(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The Credential's name.")],
    project: Annotated[str, typer.Option("--project", help="The project that may use it.")],
    address: Annotated[list[str], typer.Option("--address", help="host:port or https://...; may be repeated.")],
    kind: Annotated[choices.CredentialType, typer.Option("--type")] = "ssh_key",
    recipient: Annotated[
        str, typer.Option("--recipient", metavar="AGE1...", help="Where its keys are elsewhere.")
    ] = "",
) -> None:
    """Read a secret from stdin and print a Credential spec with it sealed inside."""
    opts = options.of(ctx)
    from reconciler.doors import credential

    to = recipient or credential.recipient_of(opts.operator())
    if sys.stdin.isatty():
        show.note("reading the secret from the terminal until end of file (Ctrl-D)")
    sys.stdout.write(
        credential.sealed_spec(sys.stdin.read(), name=name, kind=kind, project=project, addresses=tuple(address), to=to)
    )
