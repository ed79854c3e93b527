"""A rule's no, as a value: what the gate answers where it does not raise.

Knows keys of the catalogue. Rule: every no says which rule spoke, in words, and what to do next.
"""

from dataclasses import dataclass

from reconciler.errors import Refused


@dataclass(frozen=True, slots=True)
class Denial:
    """Why something may not be done. `key` is a catalogue key; `message` holds no secret."""

    key: str
    message: str
    hint: str = ""

    def refused(self) -> Refused:
        """The same as an error, for doors that raise."""
        return Refused(self.message, key=self.key, hint=self.hint)
