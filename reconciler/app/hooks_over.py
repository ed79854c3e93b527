"""Waits for the hooks of a rollout that still run before it goes back: none goes on beside what takes its work back.

Rules: who comes back has taken the targets first, so nobody makes another one; a run has the time that its hook says,
and is stopped for good after it, as on the way forward, never earlier: an upgrade that is cut half-way is worse than
one that is waited for. Where nobody may look at one, or it goes on all the same, nothing goes back beside it.
"""

from collections.abc import Iterable, Iterator

from reconciler.app.jobs import release_of, run_in
from reconciler.app.operations import Order, Step
from reconciler.app.perform import Performer
from reconciler.errors import ReconcilerError, Rejected, Unavailable, Withdrawn
from reconciler.plan.change import Action


def hooks_over(performer: Performer, hooks: Iterable[Action], order: Order) -> Iterator[Step]:
    """What came of each run that had not ended. `performer`, `order`: of the way forward.

    Raises Unavailable where it has to be asked again, Rejected where one MAY STILL RUN.
    """
    for action in hooks:
        try:
            if _goes_on(performer, action, order):
                yield from performer.finish([action], order).steps
                if _goes_on(performer, action, order):
                    raise Rejected("it was stopped, and goes on", key="release_rollback_failed")
        except (Unavailable, Withdrawn):
            raise
        except ReconcilerError as error:
            message = f"returning: {run_in(order, action)} MAY STILL RUN: {error.message}"
            raise Rejected(message, key=error.key, hint=error.own_hint) from error


def _goes_on(performer: Performer, action: Action, order: Order) -> bool:
    """Whether a run was made that has not ended, and may have pods again."""
    seen = performer.targets.kube(action.target.partition("/")[2]).job(run_in(order, action))
    return seen is not None and seen.owner == release_of(action) and not (seen.ended or seen.stopped)
