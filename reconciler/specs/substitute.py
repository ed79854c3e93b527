"""`${name}` in string values.

Rules: after parsing, in one pass, from a closed set; what is put in is not looked at again; an unknown name is an
error, never empty; `$${` stands for `${`. What comes out is bounded.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

_HOLE = re.compile(r"\$\$\{|\$\{([^{}]*)\}")
Steps = tuple[str | int, ...]
Note = Callable[[Steps, str], None]


class TooMuch(Exception):
    """The text after filling in is larger than allowed."""


class Filling:
    """Fills values from variables. `unknown` is told of each name that does not exist, with the way to its value."""

    def __init__(self, variables: Mapping[str, str], unknown: Note, most: int) -> None:
        self._variables = variables
        self._unknown = unknown
        self.left = most  # characters that may still come out

    def fill(self, value: Any, way: Steps = ()) -> Any:
        """The value with every hole filled. Raises TooMuch."""
        match value:
            case str():
                return self._text(value, way)
            case dict():
                return {key: self.fill(item, (*way, key)) for key, item in value.items()}
            case list():
                return [self.fill(item, (*way, number)) for number, item in enumerate(value)]
            case _:
                return value

    def _text(self, text: str, way: Steps) -> str:
        if "${" not in text:
            return self._counted(text)
        parts, end = [], 0
        for match in _HOLE.finditer(text):
            parts.append(self._counted(text[end : match.start()]))
            parts.append(self._counted(self._instead(match, way)))
            end = match.end()
        parts.append(self._counted(text[end:]))
        return "".join(parts)

    def _instead(self, match: re.Match[str], way: Steps) -> str:
        name = match[1]
        if name is None:
            return "${"
        if name not in self._variables:
            self._unknown(way, name)
            return match[0]
        return self._variables[name]

    def _counted(self, text: str) -> str:
        self.left -= len(text)
        if self.left < 0:
            raise TooMuch
        return text
