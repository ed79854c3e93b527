"""Takes texts out of another one where they stand broken over lines, as `base64` and many programs write them.

Knows no secret. White space counts for nothing, nor do line breaks that stand escaped within JSON. Of something encoded
that began before the text does, or was cut off, each line counts that says nothing else. Rules: what is long enough to
be no words by chance is found, however its lines are cut and indented; each search reads the text once.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator

SHORTEST = 8  # characters, without white space
_GAP = re.compile(r"(?:\s|\\{1,4}[nr])+")
_LINE = re.compile(rf"[^\s\"',;]{{{SHORTEST},}}")


def without_wrapped(text: str, values: Iterable[str], instead: str) -> str:
    """The text with `instead` in place of each of these values, over as many lines as it stands."""
    pieces, starts, offsets = [], [], []
    length = 0
    for start, piece in _between_gaps(text):
        pieces.append(piece)
        starts.append(start)
        offsets.append(length)
        length += len(piece)
    joined = "".join(pieces)

    def place(at: int) -> int:
        piece = bisect_right(offsets, at) - 1
        return starts[piece] + at - offsets[piece]

    needles = {needle for value in values if len(needle := _GAP.sub("", value)) >= SHORTEST}
    spans = sorted((place(at), place(at + len(one) - 1) + 1) for one in needles for at in _found(joined, one))
    return _cut(text, spans, instead)


def without_lines(text: str, encoded: Collection[str], instead: str) -> str:
    """The text with `instead` in place of each line that is nothing but a part of one of these."""
    lines = text.splitlines(keepends=True)
    return "".join(_without(line, encoded, instead) for line in lines) if encoded else text


def _without(line: str, encoded: Collection[str], instead: str) -> str:
    said = line.strip()
    if _LINE.fullmatch(said) is None or not any(said in one for one in encoded):
        return line
    return line.replace(said, instead)


def _between_gaps(text: str) -> Iterator[tuple[int, str]]:
    begin = 0
    for gap in _GAP.finditer(text):
        if gap.start() > begin:
            yield begin, text[begin : gap.start()]
        begin = gap.end()
    if begin < len(text):
        yield begin, text[begin:]


def _found(text: str, needle: str) -> Iterator[int]:
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + len(needle))


def _cut(text: str, spans: Iterable[tuple[int, int]], instead: str) -> str:
    """`spans` in the order in which they begin; those that overlap are one."""
    left, over = list[str](), 0
    for begin, end in spans:
        if begin >= over:
            left += [text[over:begin], instead]
        over = max(over, end)
    return "".join([*left, text[over:]])
