"""`propose`: a change as a branch and a pull request, without an editor."""

from typing import Annotated

import typer

from reconciler.cli import options, show

propose = typer.Typer(help="A change as a branch and a pull request.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Register `propose`."""
    app.add_typer(propose, name="propose")


@propose.callback()
def only() -> None:
    """A change as a branch and a pull request."""


@propose.command()
def release(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A release, or the service that it releases.")],
    environment: Annotated[str, typer.Option("--environment", metavar="E")],
    values: Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="A variable; may be repeated.")],
) -> None:
    """Set variables of a release, such as image_tag; the rest of the file stays as it is."""
    pairs = dict(text.partition("=")[::2] for text in values)
    if not all("=" in text for text in values) or not all(pairs):
        raise typer.BadParameter("--set takes KEY=VALUE")
    opts = options.of(ctx)
    reading = opts.reading()
    desk = opts.desk(reading)
    from reconciler.doors import propose

    made = propose.release(reading, desk, name, environment, pairs)
    show.line(f"opened #{made.number} from {made.branch}")
    show.note("the reconciler previews it at its next look")


@propose.command()
def promote(
    ctx: typer.Context,
    environment: Annotated[str, typer.Argument(metavar="ENV", help="The environment.")],
    revision: Annotated[
        str, typer.Option("--revision", metavar="COMMIT|TAG", help="Where its releases are to be read.")
    ] = "",
    *,
    previous: Annotated[bool, typer.Option("--previous", help="The tag before the one in force.")] = False,
) -> None:
    """Set the revision at which an environment reads its releases; the rest of the file stays as it is."""
    if bool(revision) == previous:
        raise typer.BadParameter("name one of --revision COMMIT|TAG and --previous")
    opts = options.of(ctx)
    reading = opts.reading()
    desk = opts.desk(reading)
    from reconciler.doors import propose

    made = propose.promote(reading, desk, environment, revision, previous=previous)
    show.line(f"opened #{made.number} from {made.branch}")
    show.note("the reconciler previews it at its next look")
