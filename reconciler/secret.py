"""A secret value as a type: it can be sent, and nothing else.

It has no printed form (`str`, `format` and f-strings raise, `repr` hides), cannot be pickled, cannot become JSON and
has no hash. Equality exists between two secrets only and takes the same time whatever they hold. It does not defend
against code that reads its private slot: it defends against accidents in messages, logs, records and dumps.
"""

import hmac
from typing import Final, NoReturn, Self, SupportsIndex, final

HIDDEN: Final = "Secret(***)"


@final
class Secret:
    """Text that only `reveal` gives out."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """The text itself: call it where it is sent, never where a message is made."""
        return self.__text

    def __repr__(self) -> str:
        return HIDDEN

    def __str__(self) -> str:
        raise TypeError("printing a secret: it has no printed form; reveal it only where it is sent")

    def __format__(self, format_spec: str) -> str:
        raise TypeError("formatting a secret: it has no printed form; reveal it only where it is sent")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__text.encode(), other.__text.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash in a log would let anybody try guesses

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("pickling a secret: it stays in this process")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self
