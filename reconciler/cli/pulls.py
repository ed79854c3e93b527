"""`pr`: pull requests of the embedded forge, read by anybody, handled by people with a key."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli import choices, options, show
from reconciler.cli.choices import Output

if TYPE_CHECKING:
    from reconciler.doors.pulls import Order

app = typer.Typer(help="Pull requests of the embedded forge.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(metavar="N", help="The pull request's number.", min=1)]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="table, json or yaml.")]
COLUMNS = (
    show.Column("PR", "number", whole=True),
    show.Column("STATE", "state", whole=True),
    show.Column("TITLE", "title"),
    show.Column("AUTHOR", "author"),
    show.Column("PREVIEW", "preview", whole=True),
    show.Column("APPROVAL", "approval", whole=True),
    show.Column("DIGEST", lambda row: row["digest"][:12], whole=True),
)


def told(order: "Order") -> None:
    """What was done, and what comes next beside it."""
    show.line(order.done)
    if order.next:
        show.note(order.next)


@app.command("list")
def listed(
    ctx: typer.Context,
    state: Annotated[choices.PullState, typer.Option("--state", help="open, merged, closed or all.")] = "open",
    output: OutputOption = Output.TABLE,
) -> None:
    """Pull requests with their preview and approval."""
    reading = options.of(ctx).reading()
    from reconciler.doors.pulls import pull_requests

    show.listing(pull_requests(reading, state), COLUMNS, output)


@app.command("show")
def shown(ctx: typer.Context, number: Number, output: OutputOption = Output.TABLE) -> None:
    """Everything about one: statuses, reviews, and the preview as it was posted."""
    reading = options.of(ctx).reading()
    from reconciler.doors.pulls import pull_request

    pull = pull_request(reading, number)
    if output is not Output.TABLE:
        show.machine(pull, output)
        return
    _page(pull)


def _page(pull: Mapping[str, Any]) -> None:
    show.pairs(
        [
            ("pull request", f"#{pull['number']} {pull['title']}"),
            ("state", pull["state"]),
            ("author", pull["author"]),
            ("branch", f"{pull['head_ref']} into {pull['base']}"),
            ("head", pull["head"]),
            ("assigned to", pull["assignees"]),
            ("merge commit", pull["merge_commit"]),
            ("digest", pull["preview"]["digest"][:12] if pull["preview"] else ""),
        ]
    )
    columns = (
        show.Column("STATUS", "context"),
        show.Column("STATE", "state", whole=True),
        show.Column("", "description"),
    )
    statuses = [*pull["statuses"], *pull["merge_statuses"]]
    if statuses:
        show.line()
        show.listing(statuses, columns, Output.TABLE)
    if pull["reviews"]:
        show.line()
        heads = (
            show.Column("REVIEW BY", "author"),
            show.Column("VERDICT", "verdict", whole=True),
            show.Column("SIGNED", "signed", whole=True),
            show.Column("AT", "submitted_at"),
            show.Column("", "body"),
        )
        show.listing(pull["reviews"], heads, Output.TABLE)
    for comment in pull["comments"]:
        _comment(comment)


def _comment(comment: Mapping[str, Any]) -> None:
    """One comment. Ours is known by the signature on its record, not by its text."""
    from reconciler.report.neutral import plain

    show.line()
    show.line(f"{plain(comment['author'])} at {comment['created_at'][:19]}Z:", "dim")
    for line in comment["body"].splitlines():
        if comment["ours"]:
            show.line(show.ours(line))
        else:
            show.line(plain(line, cap=show.LONGEST_LINE))


@app.command("open")
def opened(
    ctx: typer.Context,
    branch: Annotated[str, typer.Argument(help="A pushed branch.")],
    title: Annotated[str, typer.Option("--title", help="The last commit's subject unless given.")] = "",
    body: Annotated[str, typer.Option("--body")] = "",
    base: Annotated[str, typer.Option("--base", help="The tracked branch unless given.")] = "",
) -> None:
    """Open a pull request of a pushed branch; prints its number."""
    opts = options.of(ctx)
    reading = opts.reading()
    desk = opts.desk(reading)
    from reconciler.doors.pulls import open_pull_request

    number = open_pull_request(reading, desk, branch, base, title, body)
    sys.stdout.write(f"{number}\n")
    show.note("the reconciler previews it at its next look; `reconciler pr show` has the preview then")


@app.command()
def comment(ctx: typer.Context, number: Number, body: Annotated[str, typer.Argument(metavar="TEXT")]) -> None:
    """Say something; `/reconciler help` lists what a comment may ask for."""
    opts = options.of(ctx)
    opts.desk(opts.reading()).person().comment(number, body)
    show.line(f"commented on #{number}")


@app.command()
def assign(
    ctx: typer.Context, number: Number, people: Annotated[list[str], typer.Argument(metavar="LOGIN...")]
) -> None:
    """Say who looks at it."""
    opts = options.of(ctx)
    opts.desk(opts.reading()).person().assign(number, people)
    show.line(f"assigned #{number} to {', '.join(people)}")


@app.command()
def approve(
    ctx: typer.Context,
    number: Number,
    *,
    digest: Annotated[str, typer.Option("--digest", help="Of the preview that you read; at least 12 digits.")],
    reason: Annotated[str, typer.Option("--reason")] = "",
    exclude_return: Annotated[
        bool, typer.Option("--exclude-return", help="Grant no return to what was there before.")
    ] = False,
) -> None:
    """Approve exactly the plan of this digest, signed with your key."""
    opts = options.of(ctx)
    reading = opts.reading()
    desk = opts.desk(reading)
    from reconciler.doors import pulls

    told(pulls.approve(reading, desk, number, digest, reason, exclude_return=exclude_return))


@app.command()
def reject(
    ctx: typer.Context,
    number: Number,
    reason: Annotated[str, typer.Option("--reason")],
    digest: Annotated[str, typer.Option("--digest", help="Of the preview that you read.")] = "",
) -> None:
    """Ask for changes; blocks until you take it back."""
    opts = options.of(ctx)
    reading = opts.reading()
    desk = opts.desk(reading)
    from reconciler.doors import pulls

    told(pulls.reject(reading, desk, number, reason, digest))


@app.command()
def merge(
    ctx: typer.Context,
    number: Number,
    method: Annotated[choices.Method, typer.Option("--method", help="merge, squash or rebase.")] = "merge",
) -> None:
    """Merge it; the merge applies the approved plan."""
    opts = options.of(ctx)
    reading = opts.reading()
    desk = opts.desk(reading)
    from reconciler.doors import pulls

    told(pulls.merge(reading, desk, number, method))


@app.command()
def close(ctx: typer.Context, number: Number) -> None:
    """Close it without merging; approvals end."""
    opts = options.of(ctx)
    opts.desk(opts.reading()).person().close(number)
    show.line(f"closed #{number}")
