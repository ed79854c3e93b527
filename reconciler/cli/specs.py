"""`validate`, `schema export`, `explain`: what specs and errors say, without any repository of ours."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from reconciler.cli import options, show
from reconciler.cli.choices import Output
from reconciler.cli.edge import FOUND

Style = Literal["text", "json", "github"]

schema = typer.Typer(help="JSON Schemas of the specs, for editors.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(validate)
    app.command()(explain)


def add_schema(app: typer.Typer) -> None:
    """Register `schema`."""
    app.add_typer(schema, name="schema")


def validate(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="A folder, a work tree or a bare repository.")] = Path(),
    rev: Annotated[str, typer.Option("--rev", help="A revision of the repository there.")] = "",
    output: Annotated[Style, typer.Option("-o", "--output", help="text, json, or github for CI annotations.")] = "text",
) -> None:
    """Check every spec.

    Exit 0 valid, 1 invalid, 2 not read. Needs no reconciler.toml and no network.
    """
    opts = options.of(ctx)
    with opts.timed("loading the program"):
        from reconciler.doors.specs import validate as validated
        from reconciler.specs import annotate
    with opts.timed("reading the specs"), show.progress("reading the specs"):
        found = validated(path, rev)
    locale = opts.edge.locale
    if output == "json":
        valid = not found.problems
        problems = annotate.as_json(found.problems, locale)
        sys.stdout.write(f'{{"valid": {str(valid).lower()}, "specs": {found.specs}, "problems": {problems}}}\n')
    elif output == "github":
        sys.stdout.write(annotate.as_annotations(found.problems, locale))
    else:
        sys.stdout.write(annotate.as_lines(found.problems, locale))
    sys.stderr.write(f"specs: {found.specs}, problems: {len(found.problems)}\n")
    if not found.specs and not found.problems:
        sys.stderr.write(f"warning: {path} holds no spec (a YAML document with apiVersion: opspilot.spec/v1)\n")
    if found.problems:
        raise typer.Exit(FOUND)


@schema.command("export")
def export(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write them.")]) -> None:
    """Write one JSON Schema for each kind of spec."""
    from reconciler.doors.specs import schemas
    from reconciler.errors import Refused

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in schemas().items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refused(f"writing schemas to {folder}: {error.strerror}", key="validation_error") from error
    show.note(f"{len(schemas())} schemas in {folder}")


def explain(
    key: Annotated[str, typer.Argument(help="A key such as preview_mismatch, or its number.")],
    output: Annotated[Output, typer.Option("-o", "--output")] = Output.TABLE,
) -> None:
    """What an error means and what to do next."""
    from difflib import get_close_matches

    from reconciler import catalogue
    from reconciler.errors import Refused

    entries = catalogue.errors()
    by_code = {str(entry.code): name for name, entry in entries.items()}
    entry = entries.get(by_code.get(key, key))
    if entry is None:
        near = get_close_matches(key, entries, 3, 0.5)
        raise Refused(
            f"explaining {key[:60]}: the catalogue has no such key",
            key="validation_error",
            hint=f"did you mean {', '.join(near)}?" if near else "keys stand before the number in every error",
        )
    whole: dict[str, Any] = {"key": entry.key, "code": entry.code, "note": entry.note, "hint": dict(entry.hint)}
    if output is not Output.TABLE:
        show.machine(whole, output)
        return
    show.pairs([("key", entry.key), ("code", entry.code), ("meaning", entry.note or entry.key.replace("_", " "))])
    for language, hint in entry.hint.items():
        show.pairs([(f"hint ({language})", hint)])
