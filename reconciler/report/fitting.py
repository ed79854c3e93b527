"""Fits the parts of a text into a forge's limit: what matters most is kept, and what is left out is counted.

Knows no plan and no language. The rule it keeps: parts are kept by rank, and within a part from its beginning, so that
nothing less important pushes out something more important (threat T28).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """Blocks of text under a heading, in the order of reading.

    `rank`: who is served first, 0 before 1. `shrink` gives as much of a block as fits a number of characters, or an
    empty string; without it a block is kept whole or not at all.
    """

    name: str
    rank: int
    heading: str
    blocks: Sequence[str]
    more: Callable[[int], str]  # the line that says how many are left out
    shrink: Callable[[int, int], str] | None = None  # (which block, characters) -> a shorter one


@dataclass(frozen=True, slots=True)
class Fitted:
    """The parts as one text, and what of them is not whole: (name, how many blocks)."""

    text: str
    left_out: tuple[tuple[str, int], ...]


def fit(parts: Sequence[Part], room: int) -> Fitted:
    """As much of the parts as `room` characters hold, in the order of reading. Deterministic."""
    whole = "".join(_text(part, part.blocks, 0) for part in parts)
    if len(whole) <= room:
        return Fitted(whole, ())
    kept: dict[int, str] = {}
    left_out: dict[int, int] = {}
    for index in sorted(range(len(parts)), key=lambda i: (parts[i].rank, i)):
        kept[index], left_out[index] = _some(parts[index], room)
        room -= len(kept[index])
    return Fitted(
        "".join(kept[index] for index in range(len(parts))),
        tuple((part.name, left_out[index]) for index, part in enumerate(parts) if left_out[index]),
    )


def _some(part: Part, room: int) -> tuple[str, int]:
    """The part's text within the room, and how many blocks are not whole in it."""
    whole = _text(part, part.blocks, 0)
    if len(whole) <= room:
        return whole, 0
    blocks: list[str] = []
    room -= len(part.heading) + len(part.more(len(part.blocks)))
    for index, block in enumerate(part.blocks):
        if len(block) > room:
            shorter = part.shrink(index, room) if part.shrink is not None and room > 0 else ""
            blocks += [shorter] * bool(shorter)
            missing = len(part.blocks) - index
            return (_text(part, blocks, missing) if room >= 0 else ""), missing
        blocks.append(block)
        room -= len(block)
    return _text(part, blocks, 0), 0


def _text(part: Part, blocks: Iterable[str], missing: int) -> str:
    body = "".join(blocks)
    if not body and not missing:
        return ""
    return part.heading + body + (part.more(missing) if missing else "")
