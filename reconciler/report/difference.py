"""Field changes as lines of a diff that a person reads: the path once, what was with `-`, what will be with `+`.

Knows masked values only; nothing is masked here. Does not know Markdown: neutral.fence makes the lines harmless. The
rule it keeps: two values that differ never give lines that look the same, and text that changed in one place shows that
place.
"""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from reconciler.plan.change import FieldChange
from reconciler.report.neutral import LINE_CAP

CONTEXT = 3  # unchanged lines around a changed one, as `diff -u` shows them
COMPARED = 4_000_000  # pairs of lines; above it difflib takes seconds, so the whole text is shown as replaced
_BARE = re.compile(r"[A-Za-z0-9_./@+-](?:[A-Za-z0-9_./@:+, =-]*[A-Za-z0-9_./@+=-])?")
_JSON = re.compile(r"""true|false|null|NaN|-?Infinity|["'\[{].*|-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?""", re.DOTALL)
_HUNK = re.compile(r"@@ -(\d+)")
_SECRET = re.compile(r"<secret ([0-9a-f]{8})[0-9a-f]{24}>")  # plan/mask.py; eight digits tell two values apart


def lines_of(fields: Iterable[FieldChange]) -> list[str]:
    """Diff lines of an object's changed fields, in the order given."""
    return [line for field in fields for line in _field(field)]


def _field(field: FieldChange) -> Iterator[str]:
    before, after = field.before, field.after
    if isinstance(before, str) and isinstance(after, str) and ("\n" in before or "\n" in after):
        yield f"  {field.path}:"
        yield from _text(before, after)
        return
    if _is_flat(before) and _is_flat(after) and before is not None and after is not None:
        old, new = _window(_scalar(before), _scalar(after))
        yield f"- {field.path}: {old}"
        yield f"+ {field.path}: {new}"
        return
    for sign, value in (("-", before), ("+", after)):
        if value is not None:
            yield from (f"{sign} {line}" for line in _block(field.path, value, 0))
    if before is None and after is None:
        yield f"  {field.path}"


def _text(before: str, after: str) -> Iterator[str]:
    old, new = before.split("\n"), after.split("\n")
    if len(old) * len(new) > COMPARED:
        yield from (f"-   {line}" for line in old)
        yield from (f"+   {line}" for line in new)
        return
    if not old[-1] and not new[-1]:
        del old[-1], new[-1]  # both end in a newline
    for line in list(difflib.unified_diff(old, new, n=CONTEXT, lineterm=""))[2:]:
        if not line.startswith("@"):
            yield f"{line[0]}   {line[1:]}"
        elif (place := _HUNK.match(line)) and place[1] not in "01":
            yield f"@   line {place[1]}"


def _block(path: str, value: Any, depth: int) -> Iterator[str]:
    """A value under its path, as a reader of YAML expects it. An empty path is the object itself."""
    indent = "  " * depth
    match value:
        case dict() if value and not path:
            for key in sorted(value):
                yield from _block(_key(key), value[key], depth)
        case dict() if value:
            yield f"{indent}{path}:"
            for key in sorted(value):
                yield from _block(_key(key), value[key], depth + 1)
        case list() | tuple() if value:
            yield f"{indent}{path}:"
            for index, item in enumerate(value):
                yield from _block(f"[{index}]", item, depth + 1)
        case str() if "\n" in value:
            yield f"{indent}{path}: |"
            yield from (f"{indent}  {line}" for line in value.split("\n"))
        case _:
            yield f"{indent}{path}: {_scalar(value)}"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _scalar(value: Any) -> str:
    """Text stands bare where it cannot be taken for any other JSON value, else as JSON."""
    if isinstance(value, str):
        if mark := _SECRET.fullmatch(value):
            return f"<secret {mark[1]}>"
        bare = value.isprintable() and value.strip() == value and value and not _JSON.fullmatch(value)
        return value if bare else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _is_flat(value: Any) -> bool:
    return not isinstance(value, (dict, list, tuple)) or not value


def _window(old: str, new: str) -> Sequence[str]:
    """Both texts, from shortly before the first difference on where it would lie beyond what a line shows."""
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    if same < LINE_CAP // 10:
        return old, new
    skipped = same - 40
    return f"[{skipped} the same] {old[skipped:]}", f"[{skipped} the same] {new[skipped:]}"
