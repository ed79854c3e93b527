"""Bad spec and manifest files without end, always the same for a seed.

Knows how files go wrong, by a table of families: each makes one file from a random source. Rule: case N of a seed never
changes with the number of cases asked for, so a failing one can be made again by its number.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from tests.hostile.words import ESCAPES, KEYS, PIECES, SCALARS, SIGNS, VALUES

EXAMPLE = Path(__file__).parents[2] / "example-desired-state"
MANIFESTS = "releases/svc-a/manifests"
Make = Callable[[random.Random], bytes]


@dataclass(frozen=True, slots=True)
class Case:
    """One bad file: where it stands in the example's repository, and what it holds."""

    number: int
    family: str
    path: str
    content: bytes


def cases(seed: int, start: int, stop: int) -> Iterator[Case]:
    """The cases of a seed from one number to before another."""
    families = sorted(FAMILIES.items())
    for number in range(start, stop):
        source = random.Random(f"{seed}/{number}")
        family, make = families[number % len(families)]
        folder = MANIFESTS if number % 5 == 4 else "hostile"  # a fifth is read as manifests of a release
        yield Case(number, family, f"{folder}/{family}-{number}.yaml", make(source))


def example() -> dict[str, bytes]:
    """The files of the example by path."""
    paths = sorted(path for path in EXAMPLE.rglob("*") if path.is_file())
    return {str(path.relative_to(EXAMPLE)): path.read_bytes() for path in paths}


def _texts() -> tuple[str, ...]:
    """Every document of the example as text."""
    files = [content.decode() for path, content in example().items() if path.endswith(".yaml")]
    return tuple(text for file in files for text in file.split("\n---\n") if "apiVersion" in text)


TEXTS = _texts()
TREES: tuple[dict[str, Any], ...] = tuple(yaml.safe_load(text) for text in TEXTS)


def _written(tree: object) -> bytes:
    return json.dumps(tree, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _lines(source: random.Random) -> bytes:
    """Lines taken out, doubled, moved, indented otherwise."""
    lines = source.choice(TEXTS).split("\n")
    for _ in range(source.randint(1, 3)):
        at, other = source.randrange(len(lines)), source.randrange(len(lines))
        match source.randrange(5):
            case 0:
                lines[at] = ""
            case 1:
                lines.insert(other, lines[at])
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] = " " * source.randint(1, 5) + lines[at]
            case _:
                lines[at] = lines[at].lstrip()
    return "\n".join(lines).encode()


def _bytes(source: random.Random) -> bytes:
    """Bytes flipped, inserted, cut off."""
    content = bytearray(source.choice(TEXTS).encode())
    for _ in range(source.randint(1, 6)):
        at = source.randrange(len(content))
        match source.randrange(3):
            case 0:
                content[at] ^= 1 << source.randrange(8)
            case 1:
                content[at:at] = source.randbytes(source.randint(1, 4))
            case _:
                del content[at : at + source.randint(1, 8)]
        content = content or bytearray(b"x")
    return bytes(content[: source.choice([len(content), source.randrange(len(content)) + 1])])


def spots(tree: object) -> list[tuple[Any, Any]]:
    """Every (holder, key) of a tree."""
    if isinstance(tree, dict):
        return [(tree, key) for key in tree] + [spot for value in tree.values() for spot in spots(value)]
    if isinstance(tree, list):
        return [(tree, number) for number in range(len(tree))] + [spot for value in tree for spot in spots(value)]
    return []


def _changed(source: random.Random, change: Callable[[Any, Any], None]) -> bytes:
    tree = json.loads(json.dumps(source.choice(TREES), default=str))
    holder, key = source.choice(spots(tree))
    change(holder, key)
    return _written(tree)


def _values(source: random.Random) -> bytes:
    """A value of another type or with another meaning, anywhere."""

    def change(holder: Any, key: Any) -> None:
        holder[key] = source.choice(VALUES)

    return _changed(source, change)


def _unknown(source: random.Random) -> bytes:
    """A field that nobody knows, or one that is not there."""

    def change(holder: Any, key: Any) -> None:
        if isinstance(holder, dict) and source.random() < 0.6:
            holder[source.choice(KEYS)] = source.choice(VALUES)
        else:
            del holder[key]

    return _changed(source, change)


def _near_miss(source: random.Random) -> bytes:
    """A field's or a value's name with one letter wrong, or in another case."""

    def typo(text: str) -> str:
        at = source.randrange(len(text) + 1)
        changes = (text[:at] + text[at + 1 :], text[:at] + "x" + text[at:], text.upper(), text.title(), f"{text} ")
        return source.choice(changes)

    def change(holder: Any, key: Any) -> None:
        if isinstance(holder, dict) and source.random() < 0.7:
            holder[typo(key)] = holder.pop(key)
        elif isinstance(holder[key], str):
            holder[key] = typo(holder[key])

    return _changed(source, change)


def _scalars(source: random.Random) -> bytes:
    """A plain scalar that versions of YAML read differently, or that no number holds."""
    lines = source.choice(TEXTS).split("\n")
    at = source.choice([number for number, line in enumerate(lines) if ":" in line])
    lines[at] = lines[at].partition(":")[0] + ": " + source.choice(SCALARS)
    return "\n".join(lines).encode()


def _signs(source: random.Random) -> bytes:
    """Signs that hide, reorder, end lines or control a terminal, as they are or as an escape."""
    text = source.choice(TEXTS)
    at = source.randrange(len(text))
    sign = source.choice(SIGNS)
    if source.random() < 0.3:
        return text.replace("name: ", f'name: "{source.choice(ESCAPES)}', 1).replace("\n", '"\n', 1).encode()
    return (text[:at] + sign + text[at:]).encode("utf-8", "surrogatepass")


def _decorated(source: random.Random) -> bytes:
    """Anchors, aliases, tags, merge keys and directives."""
    text = source.choice(TEXTS)
    spots = [at for at, letter in enumerate(text) if letter == " " and text[at - 1 : at] == ":"]
    at = source.choice(spots or [0]) + 1
    marks = ("&a ", "*a ", "!!python/object/apply:os.system ", "!!binary ", "!x ", "<<: *a\n", "!<tag:x> ", "? ", "| ")
    head = source.choice(["", "", "%YAML 1.1\n---\n", "%TAG ! tag:x,2000:\n---\n", "--- &a\n", "# x\n"])
    return (head + text[:at] + source.choice(marks) + text[at:]).encode()


def _grammar(source: random.Random) -> bytes:
    """What a grammar of YAML's pieces says, beginning like a spec, so that it is read."""
    text = "apiVersion: opspilot.spec/v1\n" + "".join(source.choice(PIECES) for _ in range(source.randint(5, 40)))
    return text.encode("utf-8", "surrogatepass")


def _bombs(source: random.Random) -> bytes:
    """Nesting, expansion, length and number."""
    size = source.choice([33, 64, 500, 3000])
    head = "apiVersion: opspilot.spec/v1\nkind: Host\nmetadata: {name: x}\nspec: "
    layers = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}' if n else 'x'] * 9)}]" for n in range(9))
    bombs = (
        "[" * size, "{a: " * size, "{? " * size, "- " * size, "[" * size + "]" * size, "'" + "x" * size * 80 + "'",
        "\n" + "\n".join(" " * n + f"k{n}:" for n in range(min(size, 400))),
        f"\n{layers}\nfinal: *l8", "&a [*a]", "\n<<: &a {<<: *a}", "\n" + "---\n" * size, "{" + "a: 1, " * size + "}",
        "9" * size, "1e" + "9" * size, "\n" + "# x\n" * size, "? " * size, "|" + "\n x" * size, "!!a " * size,
        '"' + "\\U0001F600" * size + '"', "{" + ", ".join(f"k{n}: v" for n in range(size)) + "}",
    )  # fmt: skip
    return (head + source.choice(bombs)).encode()


def _circles(source: random.Random) -> bytes:
    """Releases that wait for each other, for themselves, for what is not there."""
    names = [f"r{source.randrange(10**6)}" for _ in range(source.randint(1, 4))]
    documents = [
        {
            "apiVersion": "opspilot.spec/v1", "kind": "Release", "metadata": {"name": name},
            "spec": {
                "environment": source.choice(["env-staging", "env-k8s-prod", "nowhere"]),
                "source": {"type": "manifests", "path": source.choice(["releases/svc-c", "..", "/", "hostile", ""])},
                "dependsOn": source.sample(names, source.randint(1, len(names))),
            },
        }
        for name in names
    ]  # fmt: skip
    return b"\n---\n".join(_written(document) for document in documents)


def _encodings(source: random.Random) -> bytes:
    """Encodings that are not UTF-8, or not quite."""
    text = source.choice(TEXTS)
    made = (
        text.encode("utf-16"), text.encode("utf-16-le"), text.encode("utf-32"), b"\xef\xbb\xbf" + text.encode(),
        text.replace("e", "\u00e9").encode("latin-1"), text.replace("a", "\ud800").encode("utf-8", "surrogatepass"),
        text.encode().replace(b"a", b"\xc1\xa1"), text.encode() + b"\xe2\x82", text.replace("\n", "\r").encode(),
        text.replace("\n", "\r\n").encode(), text.replace("e", "e\u0301").encode(), text.encode() + b"\0",
    )  # fmt: skip
    return source.choice(made)


def _joined(source: random.Random) -> bytes:
    """Two bad files as one, with and without a mark between them."""
    one, two = (source.choice(_SIMPLE)(source) for _ in range(2))
    return one + source.choice([b"\n---\n", b"\n...\n", b"\n", b""]) + two


_SIMPLE: tuple[Make, ...] = (_lines, _bytes, _values, _scalars, _decorated, _grammar)
FAMILIES: Mapping[str, Make] = MappingProxyType(
    {
        "lines": _lines, "bytes": _bytes, "values": _values, "unknown": _unknown, "near-miss": _near_miss,
        "scalars": _scalars, "signs": _signs, "decorated": _decorated, "grammar": _grammar, "bombs": _bombs,
        "circles": _circles, "encodings": _encodings, "joined": _joined,
    }
)  # fmt: skip
