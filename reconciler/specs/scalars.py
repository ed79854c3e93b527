"""What a plain scalar of YAML is, where all versions of YAML agree; the others are to be quoted.

Rule: one text, one meaning. YAML 1.1 reads `no` as false, `22:22` as 1342 and `010` as 8; YAML 1.2 does not. Whoever
reviews such a line cannot know what a machine reads, so it is refused instead of guessed
(https://yaml.org/spec/1.2.2/#103-core-schema, https://yaml.org/type/).
"""

import re
from dataclasses import dataclass

Scalar = str | int | float | bool | None

_SAME_EVERYWHERE: dict[str, Scalar] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+", re.ASCII)
LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Unclear:
    """A plain scalar that readers of YAML disagree about, and what they make of it."""

    why: str


_UNCLEAR: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.ASCII | re.IGNORECASE), why)
    for pattern, why in (
        (r"y|yes|n|no|on|off", "some YAML readers take it for true or false"),
        (r"[-+]?[0-9][0-9_]*(:[0-9]{1,2})+(\.[0-9_]*)?", "some YAML readers take it for a number of base 60"),
        (r"[-+]?0[0-9_]+", "some YAML readers take it for an octal number"),
        (r"[-+]?0[xob][0-9a-f_]+", "some YAML readers take it for a number of another base"),
        (r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?", "some YAML readers leave out the '_' and take it for a number"),
        (r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*\.[0-9_]*|0[0-9]*\.[0-9]+)", "YAML readers disagree if it is a number"),
        (r"[-+]?(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)e[-+]?[0-9]+", "YAML readers disagree if it is a number"),
        (r"[-+]?\.(inf|nan)", "some YAML readers take it for infinity or not-a-number"),
        (r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?", "some YAML readers take it for a date"),
        (r"=", "it has a meaning of its own in YAML 1.1"),
    )
)  # fmt: skip
_FIRST = frozenset("+-.=0123456789yYnNoO")  # everything above begins with one of these
_LONGEST = (
    64  # no number, date or word above that people write is longer; digits alone are looked at whatever their length
)


def typed(text: str) -> Scalar | Unclear:
    """The value of a plain, untagged scalar."""
    if text in _SAME_EVERYWHERE:
        return _SAME_EVERYWHERE[text]
    if text[0] not in _FIRST:
        return text
    if _INTEGER.fullmatch(text):
        value = int(text) if len(text) <= 20 else LARGEST + 1
        return value if abs(value) <= LARGEST else Unclear("it is too large for a number that every reader keeps")
    if len(text) > _LONGEST:
        return (
            text if text.strip("0123456789_.:+-eE") else Unclear("it is too long for a number that every reader keeps")
        )
    if _DECIMAL.fullmatch(text):
        return float(text) if len(text) <= 18 else Unclear("it has more digits than every reader keeps")
    for pattern, why in _UNCLEAR:
        if pattern.fullmatch(text):
            return Unclear(why)
    return text
