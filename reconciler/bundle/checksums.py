"""The SHA256SUMS file: `<64 hex digits>  <path>` a line, sorted by path, as sha256sum(1) reads it.

Knows the format and the names of the files beside it. The one text form it writes is the one it accepts.
"""

import re
from collections.abc import Mapping
from typing import Final

from reconciler.bundle.files import path_allowed
from reconciler.errors import Place, Problem

FOLDER: Final = "checksums"
SUMS: Final = f"{FOLDER}/SHA256SUMS"
SIGNATURE: Final = f"{FOLDER}/SHA256SUMS.sig"
PUBLIC_KEY: Final = f"{FOLDER}/public.key"
UNSIGNED: Final = frozenset({SUMS, SIGNATURE, PUBLIC_KEY})  # all that may stand in a bundle without a checksum
MAX_BYTES: Final = 4 << 20
LINE: Final = re.compile(r"([0-9a-f]{64})  (\S+)")


def render(sums: Mapping[str, str]) -> bytes:
    """path -> sha256, as the file's bytes."""
    return "".join(f"{sums[path]}  {path}\n" for path in sorted(sums)).encode("ascii")


def parse(content: bytes) -> tuple[dict[str, str], list[Problem]]:
    """path -> sha256, and every line that is not what `render` would write."""
    sums: dict[str, str] = {}
    problems = []
    folded: set[str] = set()  # one file where a disk does not tell case apart
    lines = content.decode("ascii", errors="replace").split("\n")
    if lines.pop() != "":
        problems.append(_problem(len(lines) + 1, "the last line has no end"))
    for number, line in enumerate(lines, start=1):
        match = LINE.fullmatch(line)
        if match is None or not path_allowed(match[2]):
            problems.append(_problem(number, "not `<sha256>  <path inside the bundle>`"))
        elif match[2] in sums:
            problems.append(_problem(number, f"{match[2]} stands twice"))
        elif match[2].casefold() in folded:
            problems.append(_problem(number, f"{match[2]} stands twice but for its case"))
        elif match[2].startswith(f"{FOLDER}/"):
            problems.append(_problem(number, f"{match[2]}: the checksums do not list their own folder"))
        else:
            sums[match[2]] = match[1]
            folded.add(match[2].casefold())
    return sums, problems


def _problem(line: int, message: str) -> Problem:
    return Problem(Place(SUMS, line, 1), "artifact_checksum_mismatch", message)
