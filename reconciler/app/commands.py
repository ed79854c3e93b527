"""Comment commands: read from new comments, done where the person may, answered once (contracts: product.md, G22, G23).

A comment asks; it never approves. Edited comments, those of bots and quoted ones ask nothing, and nobody is answered
more often than report/comment_commands.py says. What was answered is on the audit branch, so a restart answers nothing
twice. The answer is a comment on every forge; there are no reactions, because not every forge has them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.app.journal import Journal, Note
from reconciler.app.judging import Wish
from reconciler.app.orders import Orders
from reconciler.app.planning import Planner
from reconciler.approval.decision import Verb
from reconciler.approval.denial import Denial
from reconciler.approval.persons import Person
from reconciler.approval.policy import Policy
from reconciler.errors import Refused
from reconciler.machine.entry import Answered, Denied, Ended, Entry
from reconciler.names import ticket_name
from reconciler.ports import Forge, ForgeWriter
from reconciler.report.comment_commands import MOST, Ask, Asked, Heard, answer, heard, refusal
from reconciler.report.phrases import Locale
from reconciler.state.event import Domain, EventStatus, Source
from reconciler.state.forge import Comment

TOO_MANY = Denial(
    "rate_limited",
    f"more than {MOST} commands of one person here within a minute: this one and what follows is not done",
    "wait a minute, then comment again",
)
VERBS = {Ask.HOLD: Verb.HOLD, Ask.RESUME: Verb.RESUME, Ask.RETRY: Verb.RETRY}


@dataclass(slots=True)
class Commands:
    """Reads the comments of one pull request at a time."""

    forge: Forge
    writer: ForgeWriter
    journal: Journal
    planner: Planner
    orders: Orders
    locale: Locale = Locale.EN

    def take_in(self, number: int) -> bool:
        """Act on every new command; whether one of them asks for a new look."""
        ticket = ticket_name(number)
        look = False
        for one in heard(self.forge.comments(number), self._who):
            if (ticket, one.comment.id) in self.journal.ledger.told:
                continue
            look = look or (one.asked.ask is Ask.PREVIEW and not one.too_many)
            self._answer(number, ticket, one)
        return look

    def _who(self, login: str) -> str | None:
        person = self.planner.policy().persons.by_login(login)
        if person is None:
            return ""
        return None if person.bot else person.name

    def _answer(self, number: int, ticket: str, one: Heard) -> None:
        policy = self.planner.policy()
        comment, asked = one.comment, one.asked
        person = policy.persons.by_login(comment.author)
        outcome = TOO_MANY if one.too_many else self._judged(ticket, asked, person, policy)
        if isinstance(outcome, Denial):
            body = refusal(Refused(outcome.message, key=outcome.key, hint=outcome.hint), self.locale)
        else:
            body = answer(asked, self.locale)
        notes = list(self._notes(ticket, comment, asked, outcome))
        # said first and again after a crash, in the same comment: what is recorded is not looked at any more
        marker = f"<!-- reconciler:answer {comment.id} -->"
        self.writer.write_comment(number, marker, f"{marker}\n{body}")
        self.journal.record(notes, guarded=True)  # another reconciler may have answered: nothing is done twice

    def _judged(self, ticket: str, asked: Asked, person: Person | None, policy: Policy) -> Denial | tuple[Entry, ...]:
        if asked.ask is Ask.CANCEL:
            return self._cancelled(ticket, person, policy)
        if asked.ask not in VERBS:
            return ()
        units = self._units(ticket)
        if not units:
            return Denial("release_state_invalid", f"{ticket} has no plan that this could be about")
        found: list[Entry] = []
        for unit in units:
            outcome = self.orders.judged(Wish(VERBS[asked.ask], unit, person, f"comment on {ticket}"), policy)
            if isinstance(outcome, Denial):
                return outcome
            if outcome not in found:
                found.append(outcome)
        return tuple(found)

    def _cancelled(self, ticket: str, person: Person | None, policy: Policy) -> Denial | tuple[Entry, ...]:
        if ticket not in self.journal.ledger.waiting:
            return Denial(
                "release_state_invalid", f"nothing of {ticket} waits", "an open pull request is cancelled by closing it"
            )
        for unit in self._units(ticket):
            allowed = self.orders.judged(Wish(Verb.RESUME, unit, person), policy)  # the same right: `apply` here
            if isinstance(allowed, Denial):
                return allowed
        return (Ended(ticket=ticket, how="cancelled"),)

    def _units(self, ticket: str) -> tuple[str, ...]:
        state = self.journal.ledger.previews.get(ticket)
        return tuple(unit for plan in state.previewed.plans for unit in plan.units) if state is not None else ()

    def _notes(
        self, ticket: str, comment: Comment, asked: Asked, outcome: Denial | tuple[Entry, ...]
    ) -> Iterator[Note]:
        denied = isinstance(outcome, Denial)
        entries: tuple[Entry, ...] = () if isinstance(outcome, Denial) else outcome
        told: Entry = (
            Denied(ticket=ticket, subject=comment.id) if denied else Answered(ticket=ticket, comment=comment.id)
        )
        for entry in (told, *entries):
            yield Note(
                Domain.APPROVAL,
                "permission_denied" if denied else "ticket_commented",
                "approval_ticket",
                ticket,
                actor=comment.author,
                source=Source.DEPLOYMENT_UI,
                status=EventStatus.FAILED if denied else EventStatus.SUCCESS,
                detail={
                    "ticket": ticket,
                    "comment": f"/reconciler {asked.ask}",
                    "error_key": outcome.key if isinstance(outcome, Denial) else "",
                },
                entry=entry,
            )
