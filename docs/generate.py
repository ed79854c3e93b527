"""The pages of docs/reference/, printed from the code: the command line, specs, errors, events, states.

Knows Markdown and where each truth stands: the verbs, schemas of the kinds, the catalogue, the table of a rollout.
Holds no truth of its own. `python docs/generate.py` writes the pages, `--check` says which are stale.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import typer
import yaml
from pydantic import TypeAdapter

from reconciler import catalogue
from reconciler.cli.main import app
from reconciler.machine import rollout
from reconciler.specs.kinds import Kind
from reconciler.specs.kinds.fields import format_duration
from reconciler.specs.schema import schema_of

FOLDER = Path(__file__).parent / "reference"
WRITTEN_BY = "<!-- Written by `python docs/generate.py`; do not edit. -->"
DURATION_EXAMPLES = ["30s", "10m", "7d"]  # specs/kinds/fields.py marks durations so
Schema = Mapping[str, Any]


def errors() -> str:
    """Every error: its number, its key, and what to do."""
    rows = [
        (str(entry.code), f"`{entry.key}`", entry.hint.get("en") or entry.note, entry.hint.get("zh", ""))
        for entry in catalogue.errors().values()
    ]
    return _page(
        "Errors",
        "Numbers and keys never change. A message says doing what to which object and what they said; the hint says "
        "what to do next.",
        _table(("code", "key", "what it means, what to do", "提示"), rows),
    )


def events() -> str:
    """The envelope of events, and every action of every domain."""
    told = _catalogued("events.yaml")
    envelope = [(f"`{name}`", text) for name, text in told["envelope"].items()]
    actions = [(f"`{domain}`", _words(told["actions"][domain])) for domain in sorted(told["actions"])]
    details = [(f"`{domain}`", _words(told["details"][domain])) for domain in sorted(told["details"])]
    states = [(f"`{name}`", _words(values)) for name, values in told["states"].items()]
    return _page(
        "Events",
        "Each event is one file of the audit branch, in this envelope. `detail` depends on the domain.",
        _table(("field", "what it holds"), envelope),
        "## Actions",
        _table(("domain", "actions"), actions),
        "## Fields of `detail`",
        _table(("domain", "fields"), details),
        "## Sources",
        _table(
            ("source", "what it means"),
            [(f"`{name}`", text) for name, text in told["sources_in_the_git_shape"].items()],
        ),
        "## States that users see",
        _table(("of", "states"), states),
    )


def specs() -> str:
    """Every field of every kind."""
    parts = [part for kind in Kind for part in _kind(schema_of(kind))]
    return _page(
        "Specs",
        "`apiVersion: opspilot.spec/v1`, `kind`, `metadata` and `spec`. Unknown fields are errors. A duration is a "
        "whole number and a unit: `30s`, `10m`, `4h`, `7d`. The same as JSON Schema: `schemas/`. A field that this "
        "version does not act on is named by an error of the preview.",
        *parts,
    )


def states() -> str:
    """The rollout's table as a diagram, and what users call its states."""
    called = _catalogued("events.yaml")["machine_states_in_the_contract"]
    rows = [
        (f"`{machine}`", f"`{state}`", f"`{word}`")
        for machine, names in called.items()
        for state, word in names.items()
    ]
    lines = ["stateDiagram-v2", "    [*] --> pending", *_arrows()]
    lines += [f"    {state} --> [*]" for state in rollout.State if state in rollout.TERMINAL]
    return _page(
        "States",
        "One accepted plan being carried out: `reconciler/machine/rollout.py`. An arrow says what happened, then what "
        "is done. What is recorded is recorded before its effect; after a crash the last record is entered again.",
        "\n".join(("```mermaid", *lines, "```")),
        "While applying, between two batches:",
        _table(("what happened", "then", "what is done"), _between()),
        "## What users call them",
        _table(("machine", "state", "in statuses, events and pages"), rows),
    )


def command_line() -> str:
    """Every verb that this version has, with its options."""
    root = typer.main.get_command(app)
    context = root.make_context("reconciler", [], resilient_parsing=True)
    return _page(
        "Command line",
        "Errors go to stderr as `error: key (code): message`, with a hint. `reconciler explain KEY` says more.",
        "## Options of every verb",
        _options(root, context),
        *_verbs("reconciler", root, context),
    )


PAGES = {
    "command-line.md": command_line,
    "errors.md": errors,
    "events.md": events,
    "specs.md": specs,
    "states.md": states,
}


def stale() -> list[str]:
    """Names of pages that differ from what would be written, and of pages that nothing writes."""
    present = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.md")}
    wanted = {name: page() for name, page in PAGES.items()}
    return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with --check compare them."""
    if "--check" in arguments:
        for name in (differing := stale()):
            sys.stderr.write(f"docs/reference/{name} is stale; run python docs/generate.py\n")
        return 1 if differing else 0
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), "utf-8")
    return 0


def _verbs(path: str, group: Any, context: Any) -> Iterator[str]:
    """A heading, what it does and its options, for each verb; typer's own commands have no public type."""
    for name, verb in group.commands.items():
        if verb.hidden:
            continue
        yield f"## `{path} {name}`"
        yield str(verb.help or "")
        if hasattr(verb, "commands"):
            yield from _verbs(f"{path} {name}", verb, context)
        elif options := _options(verb, context):
            yield options


def _options(verb: Any, context: Any) -> str:
    records = [
        one.get_help_record(context) for one in verb.params if "completion" not in one.name and one.name != "help"
    ]
    rows = [(f"`{record[0]}`", record[1]) for record in records if record is not None]
    return _table(("option", "what it says"), rows) if rows else ""


def _kind(schema: Schema) -> Iterator[str]:
    """The heading and table of a kind, then one table for each mapping inside it, in the order of their first use."""
    models = schema["$defs"]
    yield f"## {schema['title']}"
    yield str(models[schema["title"]]["description"])
    waiting, seen = [schema["title"]], {schema["title"]}
    while waiting:
        name = waiting.pop(0)
        model = models[name]
        if name != schema["title"]:
            yield f"**{name}**: {model['description']}"
        needed = set(model.get("required", ()))
        rows = [_field(f, field, models, needed=f in needed) for f, field in model.get("properties", {}).items()]
        yield _table(("field", "type", "default", "what it says"), rows)
        for field in model.get("properties", {}).values():
            for inner in _named(field):
                if inner not in seen and "properties" in models[inner]:
                    seen.add(inner)
                    waiting.append(inner)


def _field(name: str, field: Schema, models: Schema, *, needed: bool) -> tuple[str, str, str, str]:
    of_model = next((str(models[inner]["description"]) for inner in _named(field)), "")
    kind = _type(field, models)
    default = "**required**" if needed else _default(field.get("default"), kind)
    return f"`{name}`", kind, default, str(field.get("description", of_model))


def _type(field: Schema, models: Schema) -> str:
    if "$ref" in field:
        name = _name(field)
        return _words(models[name]["enum"]) if "enum" in models[name] else name
    if "anyOf" in field:
        return " or ".join(_type(one, models) for one in field["anyOf"] if one.get("type") != "null")
    if "enum" in field:
        return _words(field["enum"])
    if "allOf" in field:
        return _type(field["allOf"][0], models)
    match field.get("type"):
        case "array":
            return f"list of {_type(field.get('items', {}), models)}"
        case "object":
            values: Schema = next(iter(field.get("patternProperties", {}).values()), {})
            return f"mapping to {_type(values, models)}"
        case "string" if field.get("examples") == DURATION_EXAMPLES:
            return "duration"
        case other:
            return str(other or field.get("const", "any"))


def _default(value: Any, kind: str) -> str:
    """A default as one would write it; a mapping's own defaults stand in its own table."""
    if value is None:
        return "none"
    if kind == "duration" and str(value).startswith("P"):  # pydantic writes some as ISO 8601
        return f"`{format_duration(TypeAdapter(timedelta).validate_python(value))}`"
    if value in ("", [], {}):
        return "none"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return _words(value)
    if isinstance(value, (dict, list)):
        return "see below"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _named(field: Any) -> Iterator[str]:
    """Names of the models that a field refers to, however deep."""
    if isinstance(field, dict):
        if "$ref" in field:
            yield _name(field)
        for part in field.values():
            yield from _named(part)
    elif isinstance(field, list):
        for part in field:
            yield from _named(part)


def _name(field: Schema) -> str:
    return str(field["$ref"]).rpartition("/")[2]


def _arrows() -> Iterator[str]:
    for state, rows in rollout.TRANSITIONS.items():
        for event, (target, commands) in rows.items():
            yield f"    {state} --> {target}: {event} / {', '.join(commands)}"


def _between() -> list[tuple[str, str, str]]:
    return [
        (f"`{event}`", f"`{target}`", _words(commands)) for event, (target, commands) in rollout.BETWEEN_BATCHES.items()
    ]


def _catalogued(name: str) -> dict[str, Any]:
    text = resources.files(catalogue).joinpath(name).read_text("utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def _page(title: str, *blocks: str) -> str:
    return "\n\n".join((WRITTEN_BY, f"# {title}", *blocks)) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _words(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
