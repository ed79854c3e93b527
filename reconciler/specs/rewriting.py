"""The text of a spec's file with single values of one spec in place of others; every other character stays.

Knows where a value stands from the reader's outline, and YAML's marks for where it ends. Whether the new text says
what it should is for the caller: what is written here is read again before it is used.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

import yaml

from reconciler.errors import Place, Refused
from reconciler.names import Revision
from reconciler.specs.kinds import Environment, Release
from reconciler.specs.kinds.ignoring import IgnoredFields
from reconciler.specs.scalars import typed
from reconciler.specs.spec import Spec

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")
_BLOCKS = ("|", ">")


def with_variables(text: str, spec: Spec[Release], values: Mapping[str, str]) -> str:
    """The same text with variables of one release set; what stood there keeps its place, what is new comes first."""
    for key, value in values.items():
        if key in spec.spec.variables:
            text = _replaced(text, spec.place_of("variables", key), value)
        elif spec.spec.variables:
            text = _inserted(text, spec.place_of("variables"), f"{key}: {_written(value)}")
        else:
            raise Refused(
                f"setting {key[:60]} of {spec.name}: its spec has no variables",
                key="validation_error",
                hint=f"write variables into {spec.path} by hand first",
            )
    return text


def with_revision(text: str, spec: Spec[Environment], revision: Revision) -> str:
    """The same text with an environment's `revision` set, in quotes; a new one comes under its tier."""
    if spec.spec.revision is not None:
        return _replaced(text, spec.place_of("revision"), revision, quoted=True)
    entry = f'revision: "{revision}"'
    start = spec.place_of("revision")  # there is none, so this is where the mapping around it begins
    line = text.split("\n")[start.line - 1]
    if line[start.column - 1 : start.column] == "{":
        return _inserted(text, start, entry)
    return _added_below(text, spec.place_of("tier"), " " * (start.column - 1) + entry)


def with_ignored(text: str, spec: Spec[Release], rules: Sequence[IgnoredFields]) -> str:
    """The same text with more fields of a release left to others, before those that are there; a first one comes under
    its namespace. Raises Refused where the file is written in a way that only a person can add to."""
    quoted = _is_json(text)
    written = [_rule(one, quoted=quoted) for one in rules]
    place = spec.place_of("ignoreDifferences")  # where there is none, this is where the mapping around it begins
    lines = text.split("\n")
    line, column = lines[place.line - 1], place.column - 1
    match line[column : column + 1]:
        case "[":
            listed = ", ".join(written) + (", " if spec.spec.ignore_differences else "")
            lines[place.line - 1] = f"{line[: column + 1]}{listed}{line[column + 1 :]}"
        case "-":
            ending = "\r" if line.endswith("\r") else ""
            lines[place.line - 1 : place.line - 1] = [f"{' ' * column}- {one}{ending}" for one in written]
        case "{":
            return _inserted(text, place, f"{_key('ignoreDifferences', quoted=quoted)}: [{', '.join(written)}]")
        case _:
            ending = "\r\n" if line.endswith("\r") else "\n"
            first = " " * column + "ignoreDifferences:"
            entry = ending.join([first, *(f"{' ' * column}  - {one}" for one in written)])
            return _added_below(text, spec.place_of("namespace"), entry)
    return "\n".join(lines)


def _rule(one: IgnoredFields, *, quoted: bool) -> str:
    named = [("group", one.group), ("kind", one.kind), ("name", one.name), ("namespace", one.namespace)]
    parts = [
        f"{_key(key, quoted=quoted)}: {_written(value, quoted=quoted)}" for key, value in named if value is not None
    ]
    pointers = ", ".join(json.dumps(pointer, ensure_ascii=False) for pointer in one.json_pointers)
    return f"{{{', '.join(parts)}, {_key('jsonPointers', quoted=quoted)}: [{pointers}]}}"


def _key(key: str, *, quoted: bool) -> str:
    return json.dumps(key) if quoted else key


def _is_json(text: str) -> bool:
    """Whether it is to stay what readers of JSON read, too."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _replaced(text: str, place: Place, value: str, *, quoted: bool = False) -> str:
    style, start, end = _scalar(text, place)
    return text[:start] + _written(value, quoted=quoted or style is not None) + text[end:]


def _added_below(text: str, place: Place, entry: str) -> str:
    """A line of its own under the one on which the value at a place ends."""
    _, _, end = _scalar(text, place)
    stop = text.find("\n", end)
    if stop < 0:
        return f"{text}\n{entry}\n"
    ending = "\r\n" if text[stop - 1] == "\r" else "\n"
    return f"{text[: stop + 1]}{entry}{ending}{text[stop + 1 :]}"


def _inserted(text: str, place: Place, entry: str) -> str:
    """Before the first entry of the mapping at a place."""
    lines = text.split("\n")
    line, column = lines[place.line - 1], place.column - 1
    if line[column : column + 1] == "{":
        lines[place.line - 1] = f"{line[: column + 1]}{entry}, {line[column + 1 :]}"
    else:
        lines.insert(place.line - 1, " " * column + entry)
    return "\n".join(lines)


def _scalar(text: str, place: Place) -> tuple[str | None, int, int]:
    """Style, start and end of the scalar that stands at a place. Raises Refused where it is a block or none."""
    for style, (start, line, column), end in _scalars(text):
        if (line, column) == (place.line, place.column) and style not in _BLOCKS:
            return style, start, end
    raise Refused(
        f"setting a value at {place}: it is not written on one line there",
        key="validation_error",
        hint="edit it by hand",
    )


def _scalars(text: str) -> Iterator[tuple[str | None, tuple[int, int, int], int]]:
    """Style, (index, line, column) and end of every scalar. Only events of the parser: nothing is constructed."""
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):  # libyaml's marks count bytes, this one's characters
            start, end = event.start_mark, event.end_mark
            if isinstance(event, yaml.ScalarEvent) and start is not None and end is not None:
                yield event.style, (start.index, start.line + 1, start.column + 1), end.index
    except yaml.YAMLError as error:
        raise Refused("reading the spec's file again: it is not YAML", key="validation_error") from error


def _written(value: str, *, quoted: bool = False) -> str:
    """A value as YAML writes it on one line: plain only where every reader takes it for the same text."""
    if not quoted and _PLAIN.fullmatch(value) and typed(value) == value:
        return value
    return json.dumps(value)
