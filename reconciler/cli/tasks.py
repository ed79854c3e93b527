"""`task`: what ran on hosts, and Jobs that ran on clusters, step by step, with their logs. Needs no key."""

import sys
from typing import Annotated

import typer

from reconciler.cli import options, show
from reconciler.cli.choices import Output
from reconciler.cli.seeing import signed

app = typer.Typer(help="What ran on hosts, and Jobs.", no_args_is_help=True)
Task = Annotated[str, typer.Argument(metavar="TASK", help="As `task list` names it.")]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="table, json or yaml.")]
COLUMNS = (
    show.Column("TASK", "task", whole=True),
    show.Column("ENVIRONMENT", "environment"),
    show.Column("STATUS", "status", whole=True),
    show.Column("STEPS", lambda row: len(row["steps"]), whole=True),
    show.Column("STARTED", lambda row: row["started_at"][:19], whole=True),
    show.Column("TICKET", "ticket"),
    show.Column("ERROR", "error_key"),
)
STEPS = (
    show.Column("WHERE", "host_id", whole=True),
    show.Column("STEP", "step_name"),
    show.Column("STATUS", "status", whole=True),
    show.Column("EXIT", "exit_code", whole=True),
    show.Column("MS", "duration_ms", whole=True),
    show.Column("ERROR", "error_key"),
    show.Column("STDERR", "stderr_excerpt"),
)


@app.command("list")
def listed(ctx: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Tasks, newest first."""
    reading = options.of(ctx).reading()
    from reconciler.doors import state

    show.listing(state.tasks(reading), COLUMNS, output)
    signed(reading, output)


@app.command("show")
def shown(ctx: typer.Context, task: Task, output: OutputOption = Output.TABLE) -> None:
    """One task and each of its steps."""
    reading = options.of(ctx).reading()
    from reconciler.doors import state

    found = state.task(reading, task)
    if output is not Output.TABLE:
        show.machine(found, output)
        return
    show.pairs((name, value) for name, value in found.items() if name != "steps")
    show.line()
    show.listing(found["steps"], STEPS, Output.TABLE)
    signed(reading, output)


@app.command()
def logs(
    ctx: typer.Context,
    task: Task,
    host: Annotated[str, typer.Option("--host", help="Of this host or release alone.")] = "",
) -> None:
    """The logs of a task, by host and hook, by release and run of a Job."""
    reading = options.of(ctx).reading()
    from reconciler.doors import state
    from reconciler.report.neutral import plain

    for name, text in state.logs(reading, task, host):
        sys.stdout.write(f"==> {plain(name)} <==\n")
        for line in text.splitlines():
            sys.stdout.write(plain(line, cap=show.LONGEST_LINE) + "\n")
