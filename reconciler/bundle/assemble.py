"""Filling a bundle: what it still needs, taking that from a folder the user fills, writing sums into its index.

Works on the user's own folder before it is signed, so it trusts nothing it reads and its result is worth what the
signature that follows is worth. The index keeps its text: only the two values of an artifact are replaced in place.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.bundle import files, index
from reconciler.bundle.document import MAX_BYTES, parse
from reconciler.bundle.verify import failure
from reconciler.errors import Place, Problem, Rejected
from reconciler.specs.nodes import Node

VALUE: Final = re.compile(r"""^(?:"[^"]*"|'[^']*'|[^\s,}\]]+)""")  # one scalar, from its first character


@dataclass(frozen=True, slots=True)
class Needed:
    """A file that the index names. An empty sha256: any file of that name is taken, and its sum is written down."""

    id: str
    path: str
    sha256: str
    size_bytes: int
    required: bool
    present: bool


def read_own_index(root: Path) -> index.Index:
    """The index of an unsigned folder. Raises Rejected with every problem."""
    found, problems = index.read_index(_index_bytes(root))
    if found is None:
        raise failure(f"reading the index in {root.name}", problems)
    return found


def fetch_list(root: Path) -> tuple[Needed, ...]:
    """Every artifact, in the index's order; what is there with another sum counts as not present."""
    return tuple(
        Needed(one.id, path, one.sha256, one.size_bytes, one.required, _present(root, path, one.sha256))
        for path, one in read_own_index(root).artifacts().items()
    )


def assemble(root: Path, source: Path) -> tuple[str, ...]:
    """Copy what is still needed from a folder, by path or by file name; the paths that were copied.

    A file whose sum is not the index's is a problem, and then nothing is copied.
    """
    chosen, problems = {}, []
    for needed in fetch_list(root):
        if needed.present or (name := _offered(source, needed.path)) is None:
            continue
        if needed.sha256 and files.sha256_inside(source, name)[0] != needed.sha256:
            problems.append(Problem(Place(name), "artifact_checksum_mismatch", f"not the {needed.id} of the index"))
        chosen[needed.path] = name
    if problems:
        raise failure(f"filling the bundle in {root.name} from {source.name}", problems)
    for path, name in chosen.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        with files.open_inside(source, name) as taken, (root / path).open("wb") as written:
            shutil.copyfileobj(taken, written, files.BLOCK)
    return tuple(chosen)


def fill_index(root: Path) -> tuple[str, ...]:
    """Write sha256 and sizeBytes of the files that are there into the index; the paths whose values changed."""
    read_own_index(root)
    lines = _index_bytes(root).decode().split("\n")
    node, _ = parse(index.PATH, "\n".join(lines).encode())
    edits, changed = [], []
    for path, digest, size in _described(node):
        if not (root / path).is_file():
            continue
        real_digest, real_size = files.sha256_inside(root, path)
        if (digest.scalar, size.scalar) != (real_digest, real_size):
            changed.append(path)
            edits += [(digest, f'"{real_digest}"'), (size, str(real_size))]
    for old, value in sorted(edits, key=lambda edit: (edit[0].line, edit[0].column), reverse=True):
        line, start = lines[old.line - 1], old.column - 1
        lines[old.line - 1] = line[:start] + VALUE.sub(value, line[start:], count=1)
    if changed:
        (root / index.PATH).write_text("\n".join(lines), newline="")
    return tuple(dict.fromkeys(changed))


def _described(node: Node | None) -> Iterator[tuple[str, Node, Node]]:
    """(path, sha256, sizeBytes) of each mapping that has all three."""
    for _, part in ((node and node.entries) or {}).values():
        yield from _described(part)
    for item in (node and node.items) or ():
        path, digest, size = (item.child(name) for name in ("path", "sha256", "sizeBytes"))
        if path is not None and digest is not None and size is not None:
            yield str(path.scalar), digest, size
        yield from _described(item)


def _index_bytes(root: Path) -> bytes:
    try:
        return files.read_inside(root, index.PATH, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise Rejected(
            f"reading {index.PATH} in {root.name}: not a plain file of at most 1 MiB", key="artifact_manifest_missing"
        ) from error


def _present(root: Path, path: str, sha256: str) -> bool:
    if not (root / path).is_file():
        return False
    return not sha256 or files.sha256_inside(root, path)[0] == sha256


def _offered(source: Path, path: str) -> str | None:
    return next((name for name in (path, path.rpartition("/")[2]) if (source / name).is_file()), None)
