"""Says on the merge commit how a rollout stands: `reconciler/apply: ENVIRONMENT` and `reconciler/health: ENVIRONMENT`.

A failure is never shown as success: the table has one situation for each outcome, and an unknown outcome is a
failure. What happens to a release after its rollout, drift and what is done about it, is said by health alone, of all
releases of that commit together: it is green only where none of them drifts, is being put right or failed at that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.app.journal import Journal
from reconciler.machine.entry import Passed
from reconciler.machine.ledger import SUCCESSES, Ledger, RolloutState
from reconciler.plan.change import Plan
from reconciler.ports import ForgeWriter
from reconciler.report.phrases import Locale
from reconciler.report.status import Situation, commit_status
from reconciler.state.forge import CommitStatus

ENDED: Mapping[str, Situation] = {
    "failed": Situation.FAILED,
    "rolled_back": Situation.ROLLED_BACK,
    "rollback_failed": Situation.ROLLBACK_FAILED,
}
Facts = dict[str, str | int]


@dataclass(slots=True)
class Standings:
    """Writes the statuses of rollouts."""

    writer: ForgeWriter
    journal: Journal
    locale: Locale = Locale.EN

    def report(self, state: RolloutState, plan: Plan, outcome: str, words: str) -> None:
        """How it ended; `words` say why it failed."""
        for status in self._statuses(state, plan, outcome, words):
            self.writer.set_status(state.passed.commit, status)

    def running(self, state: RolloutState, situation: Situation, facts: Mapping[str, str | int]) -> None:
        """What it does, or what it waits for."""
        said = self._said(situation, state.passed.environment, facts)
        if state.passed.heals:
            healing: Facts = {"first": _release(state.passed), "what": said.description}
            said = self._said(Situation.HEALING, state.passed.environment, healing)
        elif state.returning is not None:  # what was said of its health is over
            unknown = self._said(Situation.HEALTH_UNKNOWN, state.passed.environment, {})
            self.writer.set_status(state.passed.commit, unknown)
        self.writer.set_status(state.passed.commit, said)

    def _statuses(self, state: RolloutState, plan: Plan, outcome: str, words: str) -> list[CommitStatus]:
        environment, locale = plan.environment, self.locale
        total = len(plan.batches)
        done = state.done + 1
        since = self._since(state.passed)
        if state.passed.heals:
            return since
        match outcome:
            case "applied":
                changed = sum(plan.counts.values())
                return [
                    self._said(Situation.APPLIED, environment, {"done": changed, "all": changed}),
                    *(since or [self._said(Situation.HEALTHY, environment, {"good": total, "all": total})]),
                ]
            case "no_change":
                return [commit_status(Situation.NO_CHANGE, environment=environment, locale=locale), *since]
            case _:
                finished = state.finished
                key = (finished.key if finished is not None else "") or _why(state)
                if outcome == "rolled_back" and (left := self._unreturned(state.passed)):
                    outcome, key = "rollback_failed", "release_rollback_failed"
                    words = f"{', '.join(left)} {'is' if len(left) == 1 else 'are'} not back; {words}"
                facts: Facts = {"key": key, "first": words}
                situation = ENDED.get(outcome, Situation.FAILED)
                if situation is Situation.FAILED:
                    facts |= {"done": done, "all": total}
                # After a return what runs is healthy, but it is not this commit: none of its own checks hold.
                good = 0 if state.returning is not None else done
                return [
                    self._said(situation, environment, facts),
                    self._said(Situation.UNHEALTHY, environment, {"good": good, "all": total, "first": words}),
                ]

    def _unreturned(self, passed: Passed) -> list[str]:
        """Units of a rollout that a return left as they are, where a later one was about others."""
        units = self.journal.ledger.units
        mine = [(one.unit, state) for one in passed.units if (state := units.get(one.unit)) is not None]
        return [
            unit for unit, state in mine if (state.generation, state.outcome) == (passed.generation, "rollback_failed")
        ]

    def _since(self, passed: Passed) -> list[CommitStatus]:
        """What is to be said of health since the rollouts of a commit; nothing where nothing happened since."""
        found = since(self.journal.ledger, passed)
        return [self._said(found[0], passed.environment, found[1])] if found is not None else []

    def _said(self, situation: Situation, environment: str, facts: Mapping[str, str | int]) -> CommitStatus:
        words: dict[str, Any] = dict(facts)  # the names that the situation's text asks for
        return commit_status(situation, environment=environment, locale=self.locale, **words)


def since(ledger: Ledger, passed: Passed) -> tuple[Situation, Facts] | None:
    """What happened to the releases of a commit in an environment after they were applied; the worst counts."""
    units = {
        name: state
        for name, state in ledger.units.items()
        if state.environment == passed.environment and state.accepted.revision == passed.commit
    }
    told = {name: ledger.drifts.told[name] for name in units if name in ledger.drifts.told}
    heals = [
        rollout
        for state in units.values()
        if (rollout := ledger.rollouts.get((state.environment, state.generation))) is not None and rollout.passed.heals
    ]
    for rollout in heals:
        if rollout.finished is not None and rollout.finished.outcome not in SUCCESSES:
            ended = rollout.finished
            key = ended.key or "release_apply_failed"
            return Situation.HEAL_FAILED, {"release": _release(rollout.passed), "key": key, "first": ended.message}
    standing = {name: state for name, state in told.items() if not state.over}
    for rollout in heals:
        if rollout.finished is None:
            return Situation.HEALING, {"first": _release(rollout.passed), "what": "it runs"}
    if standing:
        objects = sum(state.drifted.objects for state in standing.values())
        first = min(standing).partition("/")[2]
        return Situation.DRIFTED, {"releases": len(standing), "objects": objects, "first": first}
    if not told or any(state.outcome not in SUCCESSES for state in units.values()):
        return None
    return Situation.AS_APPLIED, {"objects": sum(state.drifted.objects for state in told.values())}


def _why(state: RolloutState) -> str:
    """What stands for the key of what ended without one: a return that a person asked for failed at nothing."""
    ordered = state.returning is not None and state.returning.ordered_by
    return f"ordered by {ordered}" if ordered else "release_apply_failed"


def _release(passed: Passed) -> str:
    return passed.units[0].unit.partition("/")[2]
