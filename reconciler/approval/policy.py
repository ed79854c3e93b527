"""The policy in force: settings, people, roles and bindings that last passed the gate (contracts: G1, G2).

Knows neither pull requests nor plans. Rule: it is built from accepted specs only, and where nothing was accepted nobody
may do anything but the root signers of reconciler.toml.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from reconciler.approval.denial import Denial
from reconciler.approval.persons import FORGES, ForgeKind, ForgeTraits, Person, Persons
from reconciler.approval.roles import APPROVING, BUILT_IN_ROLES, Permission, Scope, covers, role_permissions
from reconciler.approval.ssh_keys import KeyId, key_id
from reconciler.specs.kinds import Role, RoleBinding, Settings, User
from reconciler.specs.spec import Spec


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may do what, under which rules. `root_signers` and `forge` come from reconciler.toml, not from Git."""

    settings: Settings = field(default_factory=Settings)
    persons: Persons = field(default_factory=Persons)
    roles: Mapping[str, frozenset[Permission]] = field(default_factory=lambda: BUILT_IN_ROLES)
    bindings: tuple[RoleBinding, ...] = ()
    root_signers: frozenset[KeyId] = frozenset()
    forge: ForgeKind = ForgeKind.EMBEDDED

    @classmethod
    def of(
        cls,
        settings: Settings | None,
        roles: Mapping[str, Spec[Role]],
        users: Mapping[str, Spec[User]],
        bindings: Mapping[str, Spec[RoleBinding]],
        *,
        root_signers: Sequence[str],
        forge: ForgeKind,
    ) -> Self:
        """From accepted specs. A root signer's line that is no public key raises ValueError."""
        return cls(
            settings or Settings(),
            Persons.of({name: spec.spec for name, spec in users.items()}, forge),
            role_permissions({name: spec.spec for name, spec in roles.items()}),
            tuple(bindings[name].spec for name in sorted(bindings)),
            frozenset(_root_signer(line) for line in root_signers),
            forge,
        )

    @property
    def traits(self) -> ForgeTraits:
        """What the forge's word is worth."""
        return FORGES[self.forge]

    def is_root(self, signer: str) -> bool:
        """Whether this public key line is a root signer's."""
        return key_id(signer) in self.root_signers

    def bindings_of(self, person: Person) -> tuple[RoleBinding, ...]:
        """The bindings of a person, by name or group, as this policy knows them."""
        known = self.persons.by_name.get(person.name)
        if known is None:
            return ()
        return tuple(
            binding
            for binding in self.bindings
            if any(subject.user == known.name or subject.group in known.groups for subject in binding.subjects)
        )

    def permissions(self, person: Person | None, scope: Scope) -> frozenset[Permission]:
        """What a person may do on a scope. A bot approves nothing, whatever its roles."""
        if person is None:
            return frozenset()
        allowed: frozenset[Permission] = frozenset().union(
            *(
                self.roles.get(binding.role, frozenset())
                for binding in self.bindings_of(person)
                if covers(binding.scope, scope)
            )
        )
        known = self.persons.by_name.get(person.name)
        return allowed - APPROVING if person.bot or (known is not None and known.bot) else allowed


def _root_signer(line: str) -> KeyId:
    key = key_id(line)
    if key is None:
        raise ValueError(f"reading root signers of reconciler.toml: not an SSH public key: {line[:80]!r}")
    return key


def may(person: Person | None, permission: Permission, scope: Scope, policy: Policy) -> bool:
    """Whether a person has one permission on a scope under a policy."""
    return permission in policy.permissions(person, scope)


def lacking(policy: Policy, person: Person | None, needed: frozenset[Permission], scope: Scope) -> Denial | None:
    """None where the person has every needed permission on the scope, else what is missing."""
    missing = needed - policy.permissions(person, scope)
    if not missing:
        return None
    who = person.name if person else "an account of no known user"
    names = ", ".join(sorted(missing))
    return Denial("permission_denied", f"{who} lacks {names} on {scope}", "ask an admin for a role binding there")


@dataclass(frozen=True, slots=True)
class Policies:
    """The accepted policies over time: a role counts when given and again when used (G14).

    `root` holds what is outside Git (root signers, forge) and nobody else; it is in force before the first policy.
    `accepted`: (since, policy) in order of time.
    """

    root: Policy
    accepted: tuple[tuple[datetime, Policy], ...] = ()

    @classmethod
    def always(cls, policy: Policy) -> Self:
        """One policy that has held since ever."""
        return cls(policy, ((datetime.min.replace(tzinfo=UTC), policy),))

    def at(self, time: datetime) -> Policy:
        """The policy in force at a time, the moment of its acceptance included."""
        index = bisect_right([since for since, _ in self.accepted], time)
        return self.accepted[index - 1][1] if index else self.root

    @property
    def in_force(self) -> Policy:
        """The last accepted policy."""
        return self.accepted[-1][1] if self.accepted else self.root
