"""`get`, `describe`, `tree`, `events`, `timeline`: what is desired, how it stands and what happened. Needs no key."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli import options, show
from reconciler.cli.choices import Output

if TYPE_CHECKING:
    from reconciler.doors.reading import Reading

KindArgument = Annotated[str, typer.Argument(metavar="KIND", help="environment, cluster, host, release, user, ...")]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="table, json or yaml.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="The newest so many.")]
WRITTEN = show.Column("WRITTEN IN", lambda row: f"{row['path']}:{row['line']}" if row["path"] else "(removed)")


def _state(row: Mapping[str, Any]) -> str:
    """How it stands, and loudly where nobody answers."""
    return ", ".join(text for text in (row["state"], row.get("traffic", "")) if text)


UNIT = (
    show.Column("NAME", "name", whole=True),
    show.Column("STATE", _state, whole=True),
    show.Column("ENVIRONMENT", lambda row: row["spec"].get("environment")),
    show.Column("ACCEPTED", lambda row: (row["accepted"] or "")[:12], whole=True),
    show.Column("PENDING", "pending"),
    WRITTEN,
)


def _pinned(row: Mapping[str, Any]) -> str:
    """The commit that a release's environment is pinned to, and its tag."""
    tag = f" ({row['tag']})" if row["tag"] else ""
    return f"{row['revision'][:12]}{tag}" if row["revision"] else ""


COLUMNS: Mapping[str, Sequence[show.Column]] = {
    "Release": (
        *UNIT[:3],
        show.Column("VERSION", "version", widest=24),
        show.Column("REVISION", _pinned, widest=24),
        *UNIT[3:],
    ),
    "Cluster": UNIT,
    "Environment": tuple(one for one in UNIT if one.head != "ENVIRONMENT"),
    "Host": (
        show.Column("NAME", "name", whole=True),
        show.Column("ADDRESS", lambda row: row["spec"].get("address")),
        show.Column("USER", lambda row: row["spec"].get("user")),
        WRITTEN,
    ),
}
PLAIN = (show.Column("NAME", "name", whole=True), WRITTEN)


def add(app: typer.Typer) -> None:
    """Register the verbs."""
    for verb in (get, describe, tree, events, timeline):
        app.command()(verb)


def get(
    ctx: typer.Context,
    kind: KindArgument,
    name: Annotated[str, typer.Argument(metavar="[NAME]")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """List specs of the tracked branch with their state."""
    reading = options.of(ctx).reading()
    from reconciler.doors import state

    wanted = state.kind_named(kind)
    if name:
        row = state.described(reading, wanted, name)
        show.listing([row], COLUMNS.get(wanted, PLAIN), output, whole=row)
    else:
        show.listing(state.specs_of(reading, wanted), COLUMNS.get(wanted, PLAIN), output)
    signed(reading, output)


def describe(
    ctx: typer.Context, kind: KindArgument, name: Annotated[str, typer.Argument()], output: OutputOption = Output.TABLE
) -> None:
    """Everything known about one spec.

    What is wanted, how it stands, what happened last.
    """
    reading = options.of(ctx).reading()
    from reconciler.doors import state

    found = state.described(reading, state.kind_named(kind), name)
    if output is not Output.TABLE:
        show.machine(found, output)
        return
    hidden = {"spec", "events", "problems", "path", "line", "labels"}
    written = f"{found['path']}:{found['line']}" if found["path"] else "(removed)"
    show.pairs([*((key, value) for key, value in found.items() if key not in hidden), ("written in", written)])
    show.line("\nspec", "bold")
    show.pairs(_flat(found["spec"]))
    for problem in found["problems"]:
        show.line(f"{problem['path']}:{problem['line']}: {problem['key']}: {show.said(problem['message'])}", "red")
    if found["events"]:
        show.line("\nlast events", "bold")
        _rows(state.rows(reading, **_question(found))[-state.RECENT :], Output.TABLE)
    signed(reading, output)


def _question(found: Mapping[str, Any]) -> dict[str, str]:
    return {"Release": {"release": found["name"]}, "Environment": {"environment": found["name"]}}.get(found["kind"], {})


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        return [pair for key, part in value.items() for pair in _flat(part, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        return [pair for number, part in enumerate(value) for pair in _flat(part, f"{path}[{number}]")]
    return [(path, value)]


def tree(ctx: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Environments with what is in them, and its state."""
    reading = options.of(ctx).reading()
    from reconciler.doors import state

    found = state.tree(reading)
    if output is not Output.TABLE:
        show.machine(found, output)
        return
    for environment in found:
        _grow(environment)
    signed(reading, output)


def _grow(environment: Mapping[str, Any]) -> None:
    from rich.text import Text
    from rich.tree import Tree

    def leaf(words: str, state: str) -> Text:
        return Text(f"{show.said(words)}  ").append(state, show.STYLES.get(state, ""))

    root = Tree(leaf(f"{environment['environment']} ({environment['tier']})", environment["state"]), guide_style="dim")
    for host in environment["hosts"]:
        root.add(leaf(f"host {host['host']}", host["role"]))
    for cluster in environment["clusters"]:
        root.add(leaf(f"cluster {cluster['cluster']}", cluster["state"]))
    for release in environment["releases"]:
        root.add(leaf(f"release {release['release']} {release['version']}".rstrip(), _state(release)))
    show.out().print(root)


def events(ctx: typer.Context, limit: Limit = 50, output: OutputOption = Output.TABLE) -> None:
    """Events of the audit branch, oldest first."""
    reading = options.of(ctx).reading()
    from reconciler.doors import state

    found = state.events(reading)[-limit:]
    columns = (
        show.Column("TIME", lambda row: row["occurred_at"][5:19].replace("T", " "), whole=True),
        show.Column("DOMAIN", "domain"),
        show.Column("ACTION", "action"),
        show.Column("OF", "resource_id"),
        show.Column("ACTOR", "actor_id"),
        show.Column("STATUS", "status", whole=True),
    )
    show.listing(found, columns, output)
    signed(reading, output)


def timeline(
    ctx: typer.Context,
    release: Annotated[str, typer.Option("--release", metavar="NAME")] = "",
    environment: Annotated[str, typer.Option("--environment", metavar="NAME")] = "",
    pr: Annotated[int | None, typer.Option("--pr", metavar="N")] = None,
    ticket: Annotated[str, typer.Option("--ticket", metavar="NAME")] = "",
    limit: Limit = 200,
    output: OutputOption = Output.TABLE,
) -> None:
    """Who proposed, approved, and what was done.

    The same rows from every door.
    """
    reading = options.of(ctx).reading()
    from reconciler.doors import state

    found = state.rows(reading, release=release, environment=environment, ticket=pr if pr is not None else ticket)
    _rows(found[-limit:], output)
    signed(reading, output)


def _rows(rows: Sequence[Any], output: Output) -> None:
    cells = [{**row.to_json(), "cells": row.cells()} for row in rows]
    if output is not Output.TABLE:
        show.machine([row.to_json() for row in rows], output)
        return
    columns = (
        show.Column("TIME", lambda row: row["cells"][0][5:], whole=True),
        show.Column("ACTION", lambda row: row["cells"][1], whole=True),
        show.Column("ACTOR", lambda row: row["cells"][2], widest=14),
        show.Column("WHERE", lambda row: " ".join(dict.fromkeys(row["cells"][5].split())), widest=22),
        show.Column("", _words),
    )
    show.listing(cells, columns, Output.TABLE)


def _words(row: Mapping[str, Any]) -> str:
    """What else is said, and the ticket where the place does not name it already."""
    *_, ticket, where, text = row["cells"]
    return f"{text} ({ticket})".lstrip() if ticket and ticket not in where else text


def signed(reading: "Reading", output: Output) -> None:
    """Who signed what was just read, where a person reads it."""
    if output is Output.TABLE and reading.audit is not None:
        show.note(f"audit {reading.audit[:12]} signed by {reading.fingerprint}")
