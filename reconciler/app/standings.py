"""Says on the merge commit how a rollout stands: `reconciler/apply: ENVIRONMENT` and `reconciler/health: ENVIRONMENT`.

A failure is never shown as success: the table has one situation for each outcome, and an unknown outcome is a
failure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.machine.ledger import RolloutState
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


@dataclass(slots=True)
class Standings:
    """Writes the statuses of rollouts."""

    writer: ForgeWriter
    locale: Locale = Locale.EN

    def report(self, state: RolloutState, plan: Plan, outcome: str, words: str) -> None:
        """How it ended; `words` say why it failed."""
        for status in self._statuses(state, plan, outcome, words):
            self.writer.set_status(state.passed.commit, status)

    def running(self, state: RolloutState, situation: Situation, facts: Mapping[str, str | int]) -> None:
        """What it does, or what it waits for."""
        self.writer.set_status(state.passed.commit, self._said(situation, state.passed.environment, facts))

    def _statuses(self, state: RolloutState, plan: Plan, outcome: str, words: str) -> list[CommitStatus]:
        environment, locale = plan.environment, self.locale
        total = len(plan.batches)
        done = state.done + 1
        match outcome:
            case "applied":
                changed = sum(plan.counts.values())
                return [
                    self._said(Situation.APPLIED, environment, {"done": changed, "all": changed}),
                    self._said(Situation.HEALTHY, environment, {"good": total, "all": total}),
                ]
            case "no_change":
                return [commit_status(Situation.NO_CHANGE, environment=environment, locale=locale)]
            case _:
                finished = state.finished
                key = (finished.key if finished is not None else "") or "release_apply_failed"
                facts: dict[str, str | int] = {"key": key, "first": words}
                situation = ENDED.get(outcome, Situation.FAILED)
                if situation is Situation.FAILED:
                    facts |= {"done": done, "all": total}
                # After a return what runs is healthy, but it is not this commit: none of its own checks hold.
                good = 0 if state.returning is not None else done
                return [
                    self._said(situation, environment, facts),
                    self._said(Situation.UNHEALTHY, environment, {"good": good, "all": total, "first": words}),
                ]

    def _said(self, situation: Situation, environment: str, facts: Mapping[str, str | int]) -> CommitStatus:
        words: dict[str, Any] = dict(facts)  # the names that the situation's text asks for
        return commit_status(situation, environment=environment, locale=self.locale, **words)
