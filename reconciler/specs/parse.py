"""Bytes to documents with places.

Knows text: encoding, size, characters that show one thing to a person and another to a machine. Knows no kinds. Rule:
whatever the bytes are, the answer is documents and findings, never an exception. It runs in the child (child.py),
because the parser beneath is C.
"""

import re
import unicodedata
from dataclasses import dataclass

from reconciler.specs.compose import compose
from reconciler.specs.finding import MOST, Finding
from reconciler.specs.nodes import Document, Limits, Node

# What must not stand in a file: controls but tab and line ends, line ends that only some readers know, invisible signs,
# and signs that reorder what a person sees (https://trojansource.codes, Unicode UAX #9).
_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff"
_REORDERING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE = "\u00ad\u200b\u2060-\u2064\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
_FORBIDDEN = re.compile(f"[{_CONTROL}{_REORDERING}{_INVISIBLE}]|\r(?!\n)")
_RUN_OF_BRACKETS = re.compile(rb"(?:[\[{][ \t\r\n]*){128}")
_RUN = 128  # brackets, as above
_FOREIGN_MARKS = (b"\xff\xfe", b"\xfe\xff")
_ORDINARY = b"\t\n" + bytes(range(0x20, 0x7F))  # in none of the above, and in normal form


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file: its documents, and what is wrong with it as a whole. `readable` is false where nothing of it was read."""

    documents: tuple[Document, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def readable(self) -> bool:
        """Whether the whole file was read."""
        return not self.findings and all(document.complete for document in self.documents)


def parse(content: bytes, limits: Limits) -> Parsed:
    """Every document of a file, with every problem that can be found."""
    text = text_of(content, limits)
    if isinstance(text, Parsed):
        return text
    documents = compose(text, limits)
    for document in documents:
        if document.root is not None:
            _look_at_escapes(document.root, document)
    return Parsed(tuple(documents))


def text_of(content: bytes, limits: Limits) -> str | Parsed:
    """The text of a file that the parser may see, or what is wrong with its bytes."""
    if len(content) > limits.size:
        return _refused(
            Finding(0, 0, f"the file is larger than {limits.size // 1024} KiB", "split it into several files")
        )
    if content.startswith(_FOREIGN_MARKS):
        return _refused(Finding(1, 1, "the file is not UTF-8 but UTF-16 or UTF-32", "save it as UTF-8"))
    if content.count(b"[") + content.count(b"{") >= _RUN and (found := _RUN_OF_BRACKETS.search(content)):
        line = content.count(b"\n", 0, found.start()) + 1
        return _refused(Finding(line, 1, f"more than {limits.depth} mappings and lists stand inside each other"))
    if not content.translate(None, _ORDINARY):
        return content.decode("ascii")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        return _refused(Finding(line, column, "the file is not UTF-8 here", "save it as UTF-8"))
    if text.startswith("\ufeff"):
        return _refused(Finding(1, 1, "the file begins with a byte order mark", "save it as UTF-8 without one"))
    if strange := _strange_characters(text) or ([] if limits.sharing else _lookalikes(text)):
        return Parsed(findings=tuple(strange))
    return text


def _refused(finding: Finding) -> Parsed:
    return Parsed(findings=(finding,))


def _strange_characters(text: str) -> list[Finding]:
    found = []
    for match in _FORBIDDEN.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        column = match.start() - text.rfind("\n", 0, match.start())
        found.append(
            Finding(
                line, column, f"{_called(match[0])} is not allowed in a file", "delete it, or write it as an escape"
            )
        )
        if len(found) >= min(MOST, 20):
            break
    return found


def _lookalikes(text: str) -> list[Finding]:
    """Lines of a spec whose letters have another spelling that looks the same (Unicode UAX #15)."""
    if unicodedata.is_normalized("NFC", text):
        return []
    message = "letters of this line are not in Unicode normal form NFC; another spelling looks the same"
    lines = enumerate(text.split("\n"), 1)
    return [Finding(number, 1, message) for number, line in lines if not unicodedata.is_normalized("NFC", line)][
        :20
    ] or [Finding(0, 0, message.replace("this line", "this file"))]


def _called(character: str) -> str:
    return f"the character U+{ord(character):04X} ({unicodedata.name(character, 'control')})"


def _look_at_escapes(node: Node, document: Document) -> None:
    """A double-quoted scalar can hold, by an escape, what no value may hold."""
    for key, value in (node.entries or {}).values():
        _look_at_escapes(key, document)
        _look_at_escapes(value, document)
    for item in node.items or []:
        _look_at_escapes(item, document)
    if isinstance(node.scalar, str) and not node.flawed and (match := re.search("[\x00\ud800-\udfff]", node.scalar)):
        node.flawed = True
        document.findings.append(Finding(node.line, node.column, f"U+{ord(match[0]):04X} is not allowed in a value"))
