"""Answers that a forge may answer again with "unchanged" (ETag and If-None-Match, RFC 9110 section 8.8.3).

An unchanged answer is free of GitHub's limit and short everywhere. Rules: the forge is asked each time, so nothing here
is ever served unasked; what is kept has a bound; the full last page of a list is not kept, because a new entry would
make a page behind it and leave it as it is.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace

from reconciler.forges.asking import Answer, Request

MOST = 16 * 1024 * 1024  # bytes of answers as they came; parsed, they take several times that
LARGEST = 2 * 1024 * 1024
LONGEST_TAG = 256

Place = tuple[str, tuple[tuple[str, str], ...]]  # URL and query


@dataclass(frozen=True, slots=True)
class _Kept:
    tag: str
    answer: Answer


class Remembered:
    """The last answers of one sender."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Place, _Kept] = OrderedDict()
        self._size = 0

    def tag(self, place: Place) -> str:
        """What If-None-Match says; empty where nothing is known."""
        kept = self._kept.get(place)
        return kept.tag if kept else ""

    def again(self, place: Place) -> Answer:
        """The answer that is unchanged. Raises KeyError where there is none."""
        self._kept.move_to_end(place)
        return replace(self._kept[place].answer, unchanged=True)

    def keep(self, place: Place, request: Request, answer: Answer, tag: str) -> None:
        """Keep one answer, in place of what was kept there."""
        self.drop(place)
        if (
            not tag
            or len(tag) > LONGEST_TAG
            or not tag.isascii()
            or answer.size > LARGEST
            or _full_and_last(request, answer)
        ):
            return
        self._kept[place] = _Kept(tag, answer)
        self._size += answer.size
        while self._size > MOST:
            self.drop(next(iter(self._kept)))

    def drop(self, place: Place) -> None:
        """Forget one."""
        if (gone := self._kept.pop(place, None)) is not None:
            self._size -= gone.answer.size


def _full_and_last(request: Request, answer: Answer) -> bool:
    entries = len(answer.content) if isinstance(answer.content, list) else 0
    return bool(request.full) and entries >= request.full and not answer.next_page
