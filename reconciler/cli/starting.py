"""`init`: a folder to start from, and the commands that come next."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options, show
from reconciler.cli.choices import Output
from reconciler.cli.loop import refused

if TYPE_CHECKING:
    from reconciler.doors.starting import Begun


def add(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(init)


def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of its own.")],
    email: Annotated[str, typer.Option("--email", help="As it stands in your commits.")] = "",
    adopt: Annotated[str, typer.Option("--adopt", hidden=True)] = "",
    context: Annotated[str, typer.Option("--context", hidden=True)] = "",
    output: Annotated[Output, typer.Option("-o", "--output", help="table, json or yaml.")] = Output.TABLE,
) -> None:
    """Make a reconciler in a folder of its own.

    Keys, reconciler.toml and a repository; --repo URL takes one that exists. Your key becomes the root of trust:
    --key FILE names one that you have. --as LOGIN is your name.
    """
    opts = options.of(ctx)
    if adopt or context:
        refused("reconciler init --adopt")
    from reconciler.app.clock import SystemClock
    from reconciler.doors.starting import Wanted, begin, login_here

    login = opts.login or login_here()
    wanted = Wanted(
        folder.resolve(), login, email or f"{login}@localhost", opts.key, opts.repository, opts.branch or "main"
    )
    made = begin(wanted, SystemClock())
    if output is Output.TABLE:
        _tell(made, login)
        return
    show.machine(
        {
            "config": str(made.config),
            "repository": made.repository,
            "key": str(made.key),
            "login": login,
            "commit": made.commit,
            "specs": list(made.specs),
            "signer": made.signer,
            "recipient": made.recipient,
        },
        output,
    )


def _tell(made: "Begun", login: str) -> None:
    show.pairs(
        [
            ("settings", made.config),
            ("repository", made.repository),
            ("your key", made.key),
            ("specs", list(made.specs)),
            ("reconciler's key", made.signer),
            ("seal secrets to", made.recipient),
        ]
    )
    show.line("\nnext", "bold")
    show.line(f"  export RECONCILER_CONFIG={made.config} RECONCILER_LOGIN={login} RECONCILER_KEY={made.key}")
    if made.commit is None:
        show.line(f"  # commit what is in {made.config.parent / 'specs'} to the tracked branch, then name that commit:")
    show.line(f"  reconciler run --once --trust {made.commit or 'COMMIT'}")
    show.line("  reconciler inbox                     # the first plan waits; its REF stands there")
    show.line("  reconciler approve REF --reason 'first plan'")
    show.line("  reconciler run                       # from now on")
    show.note("\nback up state/keys; `reconciler doctor` says what each file is for")
