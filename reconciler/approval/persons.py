"""Who is who: accounts, e-mails and keys of the accepted `User` specs (contracts: G14).

Knows no roles. Rule: to be given power an account must belong to exactly one User; to be excluded it is enough that a
User might own it. Two accounts of one User are one person.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from reconciler.approval.ssh_keys import key_id
from reconciler.specs.kinds import User

_NOREPLY = re.compile(
    r"(?:[0-9]+[-+])?(?P<login>[^@]+)@(?:[^@]*\.)?noreply\.[^@]+"
)  # 12+alice@users.noreply.github.com


class ForgeKind(StrEnum):
    """The forge in use (reconciler.toml)."""

    EMBEDDED = "embedded"
    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"


@dataclass(frozen=True, slots=True)
class ForgeTraits:
    """What a forge's word is worth."""

    unsigned_reviews: bool  # the forge itself vouches for who reviewed
    tells_merger: bool  # nobody else can set who merged (G15); the embedded forge's records are signed


FORGES: Mapping[ForgeKind, ForgeTraits] = MappingProxyType(
    {
        ForgeKind.EMBEDDED: ForgeTraits(unsigned_reviews=False, tells_merger=True),
        ForgeKind.GITHUB: ForgeTraits(unsigned_reviews=True, tells_merger=True),
        ForgeKind.GITLAB: ForgeTraits(unsigned_reviews=True, tells_merger=True),
        ForgeKind.GITEA: ForgeTraits(unsigned_reviews=True, tells_merger=False),
    }
)


@dataclass(frozen=True, slots=True)
class Person:
    """One User. `bot` holds for an AI too."""

    name: str
    groups: frozenset[str] = frozenset()
    bot: bool = False
    ai: bool = False


Claims = Mapping[str, frozenset[str]]  # an account, address or key -> names of the Users that claim it


@dataclass(frozen=True, slots=True)
class Persons:
    """Everybody that the policy knows, found by what they use."""

    by_name: Mapping[str, Person] = field(default_factory=dict)
    logins: Claims = field(default_factory=dict)
    emails: Claims = field(default_factory=dict)
    keys: Claims = field(default_factory=dict)

    @classmethod
    def of(cls, users: Mapping[str, User], forge: ForgeKind) -> Self:
        """From the accepted User specs, by name; only logins of the forge in use name anybody."""
        people = {
            name: Person(name, frozenset(user.groups), bot=user.automated, ai=user.ai) for name, user in users.items()
        }
        logins = ((login, name) for name, user in users.items() if (login := _login(name, user, forge)))
        emails = ((email, name) for name, user in users.items() for email in user.emails)
        keys = ((key, name) for name, user in users.items() for line in user.ssh_keys if (key := key_id(line)))
        return cls(
            MappingProxyType(people),
            _claims((login.casefold(), name) for login, name in logins),
            _claims((email.casefold(), name) for email, name in emails),
            _claims(keys),
        )

    def by_login(self, login: str) -> Person | None:
        """The one person with this account; None where nobody or more than one claims it."""
        return self._only(self.may_have_login(login))

    def by_key(self, line: str) -> Person | None:
        """The one person who signs with this public key; the comment of the line means nothing."""
        return self._only(self.may_have_key(line))

    # For exclusion: the names of everybody who could be behind it. Every claim counts, unclear ones too.

    def may_have_login(self, login: str) -> frozenset[str]:
        """Whose account it could be."""
        return self.logins.get(login.casefold(), frozenset())

    def may_have_email(self, email: str) -> frozenset[str]:
        """Whose address it could be, those included that a forge makes out of an account."""
        address = email.strip().casefold()
        hidden = _NOREPLY.fullmatch(address)
        by_account = self.may_have_login(hidden["login"]) if hidden else frozenset()
        return self.emails.get(address, frozenset()) | by_account

    def may_have_key(self, line: str) -> frozenset[str]:
        """Whose public key it could be."""
        key = key_id(line)
        return self.keys.get(key, frozenset()) if key else frozenset()

    def _only(self, names: frozenset[str]) -> Person | None:
        return self.by_name[next(iter(names))] if len(names) == 1 else None


def _login(name: str, user: User, forge: ForgeKind) -> str | None:
    login: str | None = getattr(user.logins, forge)
    return login or (name if forge is ForgeKind.EMBEDDED else None)


def _claims(pairs: Iterable[tuple[str, str]]) -> Claims:
    found: dict[str, frozenset[str]] = {}
    for key, name in pairs:
        found[key] = found.get(key, frozenset()) | {name}
    return MappingProxyType(found)
