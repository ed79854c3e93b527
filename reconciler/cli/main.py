"""`reconciler`: the root of the command line.

Knows verbs and global options; what a verb does stands in its own module, which imports the app only when it runs.
Global options may stand before or after the verb.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from reconciler.cli import (
    audit,
    bundle,
    cluster,
    credential,
    decide,
    doctor,
    drift,
    inbox,
    loop,
    plans,
    proposals,
    pulls,
    seeing,
    specs,
    starting,
    tasks,
)
from reconciler.cli.edge import Edge
from reconciler.cli.options import Options

VALUED = ("--config", "--repo", "--branch", "--as", "--key", "--locale")
FLAGS = ("--timings",)


class Root(TyperGroup):
    """Takes global options wherever they stand."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Bring them to the front, where the root reads them."""
        return super().parse_args(ctx, hoisted(args))


def hoisted(args: Sequence[str]) -> list[str]:
    """The same arguments with global options first; what follows `--` stays."""
    front: list[str] = []
    rest: list[str] = []
    left = list(args)
    while left:
        one = left.pop(0)
        if one == "--":
            rest += [one, *left]
            break
        if one in FLAGS or (one.partition("=")[0] in VALUED and "=" in one):
            front.append(one)
        elif one in VALUED:
            front += [one, *left[:1]]
            left = left[1:]
        else:
            rest.append(one)
    return [*front, *rest]


app = typer.Typer(
    name="reconciler",
    cls=Root,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="From bare hosts to running releases, by pull request.",
    epilog="Errors have keys: `reconciler explain KEY`. Every listing takes -o table|json|yaml.",
)
for module in (starting, specs, plans, drift, loop):
    module.add(app)
app.add_typer(pulls.app, name="pr")
for module in (inbox, decide, seeing):
    module.add(app)
app.add_typer(tasks.app, name="task")
proposals.add(app)
app.add_typer(bundle.app, name="bundle")
app.add_typer(cluster.app, name="cluster")
app.add_typer(credential.app, name="credential")
app.add_typer(audit.app, name="audit")
doctor.add(app)
specs.add_schema(app)


def _version(wanted: bool) -> None:  # noqa: FBT001  typer's callback
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"reconciler {version('opspilot-reconciler')}")
        except PackageNotFoundError:
            typer.echo("reconciler (a checkout that is not installed)")
        raise typer.Exit


@app.callback()
def root(  # noqa: PLR0913  every global option
    ctx: typer.Context,
    *,
    config: Annotated[
        Path | None,
        typer.Option("--config", envvar="RECONCILER_CONFIG", help="reconciler.toml; ./reconciler.toml unless named."),
    ] = None,
    repo: Annotated[str, typer.Option("--repo", help="The repository, where there is no reconciler.toml.")] = "",
    branch: Annotated[str, typer.Option("--branch", help="The tracked branch, main unless named.")] = "",
    login: Annotated[str, typer.Option("--as", envvar="RECONCILER_LOGIN", help="Your login in the forge.")] = "",
    key: Annotated[
        Path | None,
        typer.Option("--key", envvar="RECONCILER_KEY", help="Your SSH private key; it signs what you decide."),
    ] = None,
    locale: Annotated[
        str, typer.Option("--locale", envvar="RECONCILER_LOCALE", help="Language of hints: en or zh.")
    ] = "",
    timings: Annotated[bool, typer.Option("--timings", help="Print where time went, on stderr.")] = False,
    version: Annotated[  # noqa: ARG001  its callback answers
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Global options; they may also stand after the verb."""
    options = ctx.obj if isinstance(ctx.obj, Options) else Options()
    options.config, options.repository, options.branch = config, repo, branch
    options.login, options.key, options.locale, options.timings = login, key, locale, timings
    options.speak("")
    ctx.obj = options
    if timings:
        ctx.call_on_close(options.tell_timings)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Ends the process with the right exit code."""
    with Edge() as edge:
        app(args=list(arguments) if arguments is not None else None, obj=Options(edge=edge), prog_name="reconciler")


if __name__ == "__main__":
    main()
