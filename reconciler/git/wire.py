"""SSH's wire types.

Knows strings and multiple-precision integers (RFC 4251 section 5). Knows no key and no signature. The rule: what is
cut short, too long, negative or padded raises Untrusted; nothing is guessed.
"""

from reconciler.errors import Untrusted

LONGEST = 65536  # bytes of one string; the largest key or signature that we check is far below


class Reader:
    """Reads values off the front of some bytes."""

    def __init__(self, content: bytes) -> None:
        self._rest = content

    def number(self) -> int:
        """An unsigned 32-bit integer."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """A length and so many bytes."""
        length = self.number()
        if length > LONGEST:
            raise Untrusted("reading a key or signature: a length is out of range")
        return self.take(length)

    def text(self) -> str:
        """A string of printable ASCII."""
        content = self.string()
        if not all(0x20 < byte < 0x7F for byte in content):
            raise Untrusted("reading a key or signature: a name is not printable ASCII")
        return content.decode("ascii")

    def integer(self) -> int:
        """A non-negative multiple-precision integer in its only form."""
        content = self.string()
        if (content and content[0] & 0x80) or (content[:1] == b"\0" and not (len(content) > 1 and content[1] & 0x80)):
            raise Untrusted("reading a key or signature: an integer is negative or padded")
        return int.from_bytes(content, "big")

    def take(self, count: int) -> bytes:
        """Exactly so many bytes."""
        if count > len(self._rest):
            raise Untrusted("reading a key or signature: it is cut short")
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def end(self) -> None:
        """Nothing may be left."""
        if self._rest:
            raise Untrusted("reading a key or signature: something follows its end")


def string(content: bytes) -> bytes:
    """A length and the bytes."""
    return len(content).to_bytes(4, "big") + content
