"""A person's own machine: a mirror, their key, and the verbs of people. Holds no key of the reconciler and no secret.

Which keys speak for whom is read from the tracked branch, and the reconciler's key from the audit branch's own
commits. That is enough to read and to sign; what counts is decided by the reconciler under the policy in force.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.app.clock import SystemClock
from reconciler.app.decisions import submit
from reconciler.app.desire import Desires
from reconciler.app.settings import Settings
from reconciler.app.wiring import (
    api_forge,
    charts_of,
    keys_at,
    open_audit_mirror,
    open_mirror,
    renderer_of,
    repository_id,
)
from reconciler.approval.decision import CommitSubject, Decision, PullSubject, Subject, UnitSubject, Verb
from reconciler.approval.persons import ForgeKind
from reconciler.bundle.folder import FolderBundles
from reconciler.doors.view import View, read_view
from reconciler.errors import Refused
from reconciler.forges.embedded.ledger import Ledger as ForgeLedger
from reconciler.forges.embedded.person import REQUIRED, Person
from reconciler.git import audit_branch, history, signatures
from reconciler.git.commits import Person as Name
from reconciler.git.keys import SigningKey
from reconciler.git.mirror import Mirror
from reconciler.machine.ledger import Ledger, PreviewState
from reconciler.names import SHORT, Revision
from reconciler.ports import ApiForge, Clock
from reconciler.specs.cache import SqliteCache
from reconciler.specs.desired import Desired


@dataclass(slots=True)
class Desk:
    """One person at work. `login` is their login in the embedded forge, `key` their SSH signing key."""

    settings: Settings
    mirror: Mirror
    desires: Desires
    login: str
    key: SigningKey
    clock: Clock
    required: Sequence[str] = REQUIRED
    named: str = ""
    _audit: Mirror | None = None

    def person(self) -> Person:
        """The people's door to the embedded forge. Raises Refused where the forge is another one."""
        if self.settings.forge_kind is not ForgeKind.EMBEDDED:
            raise Refused(
                f"working on a pull request of {self.settings.repository}: {self.settings.forge} has pages for that",
                key="validation_error",
                hint="do it there; to sign a decision: `reconciler approve|reject TICKET@DIGEST`",
            )
        return Person(
            self.forge(),
            login=self.login,
            key=self.key,
            email=self.email(),
            name=self.login,
            required=self.required,
        )

    def account(self) -> ApiForge:
        """A forge with an API as the person's own account: the one whose token the variable holds on this machine.
        Raises Refused where it holds none."""
        return api_forge(self.settings, self.mirror, self.clock, self.key.public.line)

    def forge(self) -> ForgeLedger:
        """The forge's log as this machine reads it."""
        self.mirror.sync()
        return ForgeLedger(
            self.mirror,
            repository_id=self.repository(),
            logins=lambda login: keys_at(self.desires, self.tip(), login),
            our_keys=self.reconciler_keys(),
            clock=self.clock,
        )

    @property
    def audit(self) -> Mirror:
        """The mirror that the audit branch is in."""
        if self._audit is None:
            self._audit = open_audit_mirror(self.settings, self.mirror)
        return self._audit

    def view(self) -> View:
        """The audit branch as this machine reads it."""
        return read_view(self.mirror, self.audit)

    def repository(self) -> str:
        """What decisions are bound to: as the audit branch says, before it exists as the settings name it."""
        if not self.named:
            self.named = self.view().repository
        return self.named or repository_id(self.settings)

    def tip(self) -> Revision:
        """The tracked branch's tip, asked for anew. Raises Refused where there is none."""
        self.mirror.sync()
        tip = self.mirror.refs().get(f"refs/heads/{self.settings.branch}")
        if tip is None:
            raise Refused(f"reading branch {self.settings.branch}: there is none", key="history_rewritten")
        return tip

    def desired(self) -> Desired:
        """What the tracked branch says now."""
        return self.desires.at(self.tip()).desired

    def email(self) -> str:
        """The person's first e-mail address, by their User spec."""
        for name, user in self.desired().users.items():
            if (user.spec.logins.embedded or name) == self.login and user.spec.emails:
                return user.spec.emails[0]
        return f"{self.login}@invalid"

    def reconciler_keys(self) -> tuple[str, ...]:
        """The key that signed the audit branch's tip; none before there is one."""
        tip = self.audit.refs().get(audit_branch.AUDIT)
        if tip is None:
            return ()
        found = signatures.verify_commit(history.commit(self.audit.repository, tip))
        return (found.key,) if found.key else ()

    def decide(self, state: PreviewState, verb: Verb, *, reason: str = "", exclude_return: bool = False) -> str:
        """Sign and submit a decision on a held ticket's current preview."""
        previewed = state.previewed
        number = previewed.pull_request
        subject: Subject = CommitSubject(previewed.head)
        if number is not None:
            subject = PullSubject(number, previewed.base, previewed.head)
        return self._submit(state, subject, verb, reason, exclude_return=exclude_return)

    def decide_commit(self, state: PreviewState, commit: Revision, verb: Verb, *, reason: str = "") -> str:
        """The same for a merge commit that is held under its pull request's ticket."""
        return self._submit(state, CommitSubject(commit), verb, reason)

    def order(self, unit: str, verb: Verb, *, reason: str = "") -> str:
        """Sign and submit an order about a unit: hold, resume, retry, rollback."""
        return self._push(unit, self._decision(UnitSubject(unit), verb, reason, "", ""))

    def _submit(
        self, state: PreviewState, subject: Subject, verb: Verb, reason: str, *, exclude_return: bool = False
    ) -> str:
        digest, event = state.previewed.digest, str(state.event)
        decision = replace(self._decision(subject, verb, reason, digest, event), exclude_return=exclude_return)
        return self._push(state.previewed.ticket, decision)

    def _decision(self, subject: Subject, verb: Verb, reason: str, digest: str, event: str) -> Decision:
        return Decision(
            repository=self.repository(),
            subject=subject,
            verb=verb,
            digest=digest,
            event=event,
            reason=reason,
            at=self.clock.now(),
        )

    def _push(self, ticket: str, decision: Decision) -> str:
        name = Name(self.login, self.email(), decision.at)
        return submit(self.mirror, decision, ticket=ticket, key=self.key, person=name)


def open_desk(settings: Settings, login: str, key: Path | SigningKey, clock: Clock | None = None) -> Desk:
    """A person's desk, with a cache of its own. Raises Refused where the key cannot be used."""
    signing = key if isinstance(key, SigningKey) else SigningKey.load(key)
    mirror = open_mirror(settings)
    bundles = FolderBundles((), ())
    # a person's machine never compares secrets, so its HMAC key only has to be stable
    tag = hashlib.sha256(b"desk").digest()
    cache = SqliteCache(settings.cache / "specs.sqlite")
    tools = renderer_of(settings), None, charts_of(settings)
    desires = Desires(mirror, cache, bundles, tag, settings.branch, *tools)
    return Desk(settings, mirror, desires, login, signing, clock or SystemClock())


def ticket_state(ledger: Ledger, reference: str) -> PreviewState:
    """The preview that TICKET@digest names. Raises Refused where the ticket is unknown or the digest is another one."""
    ticket, _, digest = reference.partition("@")
    state = ledger.previews.get(ticket)
    if state is None:
        raise Refused(f"reading {reference}: there is no ticket {ticket}", key="approval_ticket_not_found")
    if len(digest) < SHORT or not state.previewed.digest.startswith(digest):
        raise Refused(
            f"reading {reference}: its preview has digest {state.previewed.digest[:SHORT]}",
            key="preview_mismatch",
            hint=f"look at it, then name it: {ticket}@{state.previewed.digest[:SHORT]}",
        )
    return state
