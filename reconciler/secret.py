"""A secret as a type: it cannot be printed, formatted, copied, ordered, pickled or made into JSON by accident.

Knows nothing of what it guards. `reveal()` is the one way out, so that a search for it finds every use. Two secrets are
equal when their texts are (compared in constant time); a secret never equals a plain string. What looks at attributes
(`inspect`, a debugger's list of members, a crash reporter) finds a function and no text.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

MASK: Final = "***"
_HEADER_TEXT = re.compile(r"[\x21-\x7e]+")


class Secret:
    """A secret text. Everything but `reveal` shows only MASK or refuses."""

    __slots__ = ("_open",)
    _open: Callable[[], str]

    def __init__(self, text: str) -> None:
        self._open = lambda: text

    def reveal(self) -> str:
        """The text itself; only for the adapter that hands it over."""
        return self._open()

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._open())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(_raw(self), _raw(other))

    __hash__ = None  # type: ignore[assignment]  # a hash would be an oracle in a dump of a dictionary

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not copied, pickled or stored")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret has no state to show")


class TokenSource(Protocol):
    """A token that may have to be renewed: whoever sends asks for it each time, and says when it was refused."""

    def token(self) -> Secret:
        """The one that holds now. Raises Unavailable or Rejected where it cannot be had."""

    def renew(self) -> bool:
        """The far side refused it: whether there may be another now."""


@dataclass(frozen=True, slots=True)
class FixedToken:
    """A token that never changes."""

    secret: Secret

    def token(self) -> Secret:
        """Always the same."""
        return self.secret

    def renew(self) -> bool:
        """There is no other."""
        return False


def fits_a_header(secret: Secret) -> bool:
    """Whether a header can carry it as it is: ASCII that is printed, without a space. Every forge's tokens are so."""
    return bool(_HEADER_TEXT.fullmatch(secret.reveal()))


def _raw(secret: Secret) -> bytes:
    return secret.reveal().encode("utf-8", "surrogatepass")  # a file may hold anything; an error would quote it
