"""What follows an emergency approval: whoever the settings name is told, and a second person looks at it (G23).

Level-triggered: an emergency stays open on the audit branch until both happened. Telling is tried with every look for
an hour; whom it did not reach by then stands on the timeline.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from reconciler.app.credentials import Vault, normal_address
from reconciler.app.desire import Desires
from reconciler.app.gate import Gate
from reconciler.app.journal import Journal, Note
from reconciler.app.landings import Landings
from reconciler.app.orders import Guard, unguarded
from reconciler.app.planning import Planner
from reconciler.approval.emergency import looked_at_by_another
from reconciler.approval.question import OpenEmergency
from reconciler.errors import ReconcilerError
from reconciler.machine.entry import Notified, SecondLook
from reconciler.machine.ledger import OpenGlass
from reconciler.ports import Announcer, Clock
from reconciler.secret import Secret
from reconciler.specs.desired import Desired
from reconciler.specs.kinds.probes import Webhook
from reconciler.state.event import Domain, EventStatus, Severity

TRIED_FOR = timedelta(hours=1)


@dataclass(slots=True)
class Emergencies:
    """Looks after the emergencies that are open."""

    landings: Landings
    gate: Gate
    planner: Planner
    journal: Journal
    desires: Desires
    vault: Vault
    announcer: Announcer
    clock: Clock

    def look(self, guard: Guard = unguarded) -> None:
        """One round over all of them; one that cannot be looked after leaves the others alone."""
        for glass in tuple(self.journal.ledger.emergencies.values()):
            guard(f"emergency {glass.passed.ticket}", lambda one=glass: self._after(one))  # type: ignore[misc]

    def _after(self, glass: OpenGlass) -> None:
        passed = glass.passed
        if not glass.notified:
            self._tell(glass)
        if self._looked_at(glass):
            words = f"a second look was taken at the emergency of {passed.emergency}"
            entry = SecondLook(ticket=passed.ticket, environment=passed.environment)
            self.journal.record([_note(glass, words, entry)])

    def _tell(self, glass: OpenGlass) -> None:
        failed = tuple(self._unreached(glass))
        if failed and self.clock.now() - glass.at < TRIED_FOR:
            return  # again with the next look
        words = f"told of the emergency; not reached: {', '.join(failed)}" if failed else "told of the emergency"
        entry = Notified(ticket=glass.passed.ticket, environment=glass.passed.environment, failed=failed)
        self.journal.record([_note(glass, words, entry)])

    def _unreached(self, glass: OpenGlass) -> Iterator[str]:
        passed = glass.passed
        message = {
            "ticket": passed.ticket,
            "environment": passed.environment,
            "person": passed.emergency,
            "units": [unit.unit for unit in passed.units],
            "at": glass.at.isoformat(),
        }
        desired = self.desires.at(self.journal.ledger.policies[-1][1]).desired
        for webhook in self.planner.policy().settings.emergency.notify:
            try:
                self.announcer.announce(webhook.url, self._token(webhook, desired), message)
            except ReconcilerError:
                yield webhook.url

    def _token(self, webhook: Webhook, desired: Desired) -> Secret | None:
        credential = desired.credentials.get(webhook.credential or "")
        if credential is None:
            return None
        # the settings speak for every project, and who wrote them had an admin's approval
        return self.vault.open(credential, address=normal_address(webhook.url), project=credential.spec.project)

    def _looked_at(self, glass: OpenGlass) -> bool:
        case, plan = self.landings.passed_case(glass.passed)
        policies = self.planner.policies()
        question = self.gate.questions.of(case, plan, self.journal.ledger, policies)
        open_one = OpenEmergency(glass.passed.ticket, glass.passed.emergency)
        return looked_at_by_another(question, open_one, policies, self.clock.now())


def _note(glass: OpenGlass, words: str, entry: Notified | SecondLook) -> Note:
    failed = isinstance(entry, Notified) and bool(entry.failed)
    return Note(
        Domain.APPROVAL,
        "ticket_commented",
        "approval_ticket",
        glass.passed.ticket,
        status=EventStatus.WARNING if failed else EventStatus.SUCCESS,
        severity=Severity.HIGH,
        environment=glass.passed.environment,
        detail={"ticket": glass.passed.ticket, "comment": words},
        entry=entry,
    )
