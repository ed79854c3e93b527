"""Packets of git's wire protocol.

Knows the framing (https://git-scm.com/docs/protocol-common#_pkt_line_format) and the answer to `ls-refs` of protocol
v2. Knows no connection. The rule: what does not parse exactly raises Rejected, whatever the bytes are.
"""

import re
from collections.abc import Iterable, Iterator
from enum import Enum

from reconciler.errors import Rejected
from reconciler.git.refnames import is_ref
from reconciler.names import Revision

LARGEST = 65520  # bytes of one packet, its length included

_LENGTH = re.compile(rb"[0-9a-fA-F]{4}")
_REF = re.compile(rb"([0-9a-f]{40}) ([^\x00-\x20\x7f]+)((?: [^\x00-\x20\x7f]+)*)\n?")


class Mark(Enum):
    """Packets without content."""

    FLUSH = b"0000"
    DELIMITER = b"0001"
    END = b"0002"


def packet(text: str) -> bytes:
    """One packet with a line of text."""
    content = text.encode() + b"\n"
    return b"%04x" % (len(content) + 4) + content


def packets(data: bytes) -> Iterator[bytes | Mark]:
    """Cut bytes into packets. Raises Rejected on a wrong length or a packet cut short."""
    at = 0
    while at < len(data):
        head = data[at : at + 4]
        if not _LENGTH.fullmatch(head):
            raise Rejected("reading packets: a length is not four hex digits", key="endpoint_invalid")
        length = int(head, 16)
        if length < 4:
            if length == 3:
                raise Rejected("reading packets: length 3 has no meaning", key="endpoint_invalid")
            yield Mark(head)
            at += 4
            continue
        if length > LARGEST or at + length > len(data):
            raise Rejected("reading packets: a packet is too long or cut short", key="endpoint_invalid")
        yield data[at + 4 : at + length]
        at += length


def ls_refs_request(prefixes: Iterable[str]) -> bytes:
    """The body that asks for refs below these prefixes (https://git-scm.com/docs/protocol-v2#_ls_refs)."""
    asked = b"".join(packet(f"ref-prefix {prefix}") for prefix in sorted(set(prefixes)))
    return packet("command=ls-refs") + packet("object-format=sha1") + Mark.DELIMITER.value + asked + Mark.FLUSH.value


def refs(data: bytes) -> dict[str, Revision]:
    """Refs by name from an answer to `ls-refs`. Names that cannot be printed are left out; anything else is exact."""
    found: dict[str, Revision] = {}
    ended = False
    for item in packets(data):
        if ended:
            raise Rejected("reading refs: the answer goes on after its end", key="endpoint_invalid")
        if item is Mark.FLUSH:
            ended = True
            continue
        if isinstance(item, Mark):
            raise Rejected("reading refs: a delimiter where none belongs", key="endpoint_invalid")
        if item.startswith(b"ERR "):
            said = item[4:204].decode(errors="replace").strip()
            raise Rejected(f"reading refs: the server said {said!r}", key="endpoint_invalid")
        match = _REF.fullmatch(item)
        if not match:
            raise Rejected("reading refs: a line is not `id name`", key="endpoint_invalid")
        name = readable(match[2])
        if name is None:
            continue
        if name in found:
            raise Rejected(f"reading refs: {name} comes twice", key="endpoint_invalid")
        found[name] = Revision(match[1].decode())
    if not ended:
        raise Rejected("reading refs: the answer is cut short", key="endpoint_invalid")
    return found


def readable(name: bytes) -> str | None:
    """A ref's name as text; None for one that nobody could type (a branch so named must not stop all others)."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return None
    return text if is_ref(text) else None
