"""A retry carries out the plan that was approved, and nothing that stands in its place (G22)."""

from datetime import timedelta
from typing import Any, cast

import pytest

from reconciler.app.judging import Judge
from reconciler.approval.acts import Act
from reconciler.approval.denial import Denial
from reconciler.approval.roles import Permission
from reconciler.machine.entry import Accepted, Finished, Passed, Retry
from reconciler.machine.ledger import Ledger, RolloutState, UnitState
from reconciler.names import Digest, EventId
from tests.approval.builders import ALPHA, HEAD, NOW, PLAN_DIGEST, TICKET_DIGEST, plan, policy

UNIT = Accepted(unit="release/svc-a", artifact=Digest("9" * 64), revision=HEAD)


@pytest.mark.parametrize(("recorded", "key"), [(PLAN_DIGEST, None), (TICKET_DIGEST, "preview_mismatch")])
def test_g22_only_the_plan_with_the_approved_digest_is_tried_again(recorded: Digest, key: str | None) -> None:
    passed = Passed(
        ticket="dep-appr-7", commit=HEAD, environment="prod", generation=3, digest=PLAN_DIGEST, path="plans/3.json",
        batches=1, units=(UNIT,),
    )  # fmt: skip
    ended = Finished(environment="prod", generation=3, outcome="failed")
    rollout = RolloutState(passed, EventId("01"), NOW - timedelta(minutes=5), 0, 0, None, ended)
    ledger = Ledger(units={UNIT.unit: UnitState(UNIT, "prod", 3, "failed", None)})
    files = {passed.path: plan(digest=recorded).model_dump_json().encode()}
    judge = Judge(ledger, files.__getitem__, *cast(Any, (None, None)))
    in_force = policy()
    act = Act(in_force.persons.by_name["alice"], (ALPHA,), frozenset({Permission.RELEASE_APPLY}))
    answer = judge._retry(rollout, act, in_force)
    assert (answer.key if isinstance(answer, Denial) else None) == key
    assert isinstance(answer, Denial if key else Retry)
