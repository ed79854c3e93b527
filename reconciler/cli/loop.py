"""`run` and `serve`: the reconciler itself; and the verbs of other versions, which say that they are not here."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from reconciler.cli import options, show
from reconciler.cli.choices import Output
from reconciler.cli.edge import FOUND, NOT_DONE

ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}


def add(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(run)
    app.command()(demo)
    app.command()(serve)
    app.command("mcp", hidden=True, context_settings=ANYTHING)(absent("mcp"))


def absent(verb: str) -> Callable[[], None]:
    """A verb of a later version: says so, and does nothing."""

    def refuse() -> None:
        refused(f"reconciler {verb}")

    return refuse


def refused(what: str) -> None:
    """Say that something is not in this version. Raises Exit."""
    sys.stderr.write(f"error: `{what}` is not available in this version\n")
    raise typer.Exit(NOT_DONE)


def run(
    ctx: typer.Context,
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Look until nothing changes, then end; exit 1 where something failed.")
    ] = False,
    trust: Annotated[
        str, typer.Option("--trust", metavar="COMMIT", help="Accept the first policy at this commit.")
    ] = "",
    output: Annotated[Output, typer.Option("-o", "--output", help="Of --once.")] = Output.TABLE,
) -> None:
    """The reconciler itself.

    Looks, previews, applies what was approved. SIGTERM stops it at the next safe point.
    """
    opts = options.of(ctx)
    settings = opts.operator()
    with opts.timed("loading the program"):
        from reconciler.app.clock import SystemClock
        from reconciler.doors import run
    clock = SystemClock()
    with run.opened(settings, clock, people=sys.stderr.isatty()) as assembly:
        if trust:
            show.note(f"trusted {run.trust_commit(assembly, trust)}")
        if not once:
            run.forever(assembly, clock)
            return
        with opts.timed("looking"):
            found = run.once(assembly)
    if output is not Output.TABLE:
        show.machine(found.to_json(), output)
    else:
        for ref in found.waiting:
            show.line(f"waits for approval: {ref}")
    for fault in found.faults:
        sys.stderr.write(f"fault: {show.said(fault)}\n")
    if found.faults:
        raise typer.Exit(FOUND)


def serve(
    ctx: typer.Context,
    *,
    watch: Annotated[
        str, typer.Option("--watch", metavar="ADDRESS", help="Where /healthz, /readyz and /metrics are.")
    ] = "127.0.0.1:8751",
) -> None:
    """The reconciler, and webhooks, health and metrics.

    Like run. A webhook only says: look now. docs/webhooks.md has the forge's side.
    """
    opts = options.of(ctx)
    settings = opts.operator()
    with opts.timed("loading the program"):
        from reconciler.app.clock import SystemClock
        from reconciler.web import serving
    serving.serve(settings, SystemClock(), people=sys.stderr.isatty(), watch=watch)


def demo(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the demo's folder in place.")] = False,
    pace: Annotated[float, typer.Option("--pace", help="Seconds to pause between scenes.")] = 0.0,
) -> None:
    """The whole story on embedded parts, in under a minute."""
    try:
        from reconciler.sandbox import story
    except ImportError:
        refused("reconciler demo")
        return
    raise typer.Exit(story.play(keep=keep, pace=pace, console=show.out()))
