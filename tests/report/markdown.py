"""What a forge would make of a text: CommonMark with tables, strike-through, bare links and HTML, as an oracle.

`skeleton` is all that a reader sees or a forge acts on outside of code. If two renderings that differ only in the text
of others have the same skeleton, that text made nothing: no link, no mention, no heading, no HTML.
"""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

FORGE = MarkdownIt("commonmark", {"html": True, "linkify": True}).enable(["table", "strikethrough", "linkify"])
CODE = frozenset({"code_inline", "fence", "code_block"})
OUR_CODE = re.compile(r"<code>(?:[A-Za-z0-9]|&#[0-9]+;|\(empty\))*</code>")
HTML_ALLOWED = re.compile(
    r"(?:<!-- [A-Za-z0-9:_. -]* -->|<details>|</details>|<summary>[^<>\n]*(?:<code></code>[^<>\n]*)*</summary>|\n)*"
)
CALLS = re.compile(r"@\w|(?<!&)#\d|!\d|GH-\d", re.IGNORECASE)


def tokens(text: str) -> Iterator[Token]:
    for token in FORGE.parse(text):
        yield token
        yield from token.children or ()


def skeleton(text: str) -> list[tuple[str, str, str]]:
    return [
        (token.type, token.tag, "" if token.type in CODE or token.type == "inline" else OUR_CODE.sub("", token.content))
        for token in tokens(text)
    ]


def code_of(text: str) -> list[str]:
    """What stands in code, in order."""
    return [token.content for token in tokens(text) if token.type in CODE]


def dangers(text: str, *, links: tuple[str, ...] = ()) -> list[str]:
    """What a forge would act on, other than the links that were meant."""
    found = []
    for token in tokens(text):
        if token.type == "link_open" and token.attrs.get("href") not in links:
            found.append(f"link {token.attrs}")
        elif token.type == "image" or (token.type == "html_inline" and token.content != "<br>"):
            found.append(f"{token.type} {token.content}")
        elif token.type == "html_block" and not HTML_ALLOWED.fullmatch(OUR_CODE.sub("<code></code>", token.content)):
            found.append(f"html {token.content}")
        elif token.type == "text" and CALLS.search(token.content):
            found.append(f"call {token.content}")
    return found
