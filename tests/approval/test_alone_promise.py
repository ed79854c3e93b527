"""What the status promises a team of one the gate keeps: who is named as able to approve by merging is (G15)."""

from itertools import product
from typing import Any

import pytest

from reconciler.plan.change import Risk
from tests.approval.builders import always, ask, commit, merged, minutes, plan, pull, review
from tests.approval.test_alone import PROD_ALLOWS, alone

RISKS = dict.fromkeys((risk.value for risk in Risk), 1)
UNSIGNED = (commit(signing_key="", pusher=""),)


@pytest.mark.parametrize(
    ("risk", "needed", "commits", "seen_by"), list(product(Risk, (1, 2, 3), ((commit(),), UNSIGNED), ((), ("bob",))))
)
def test_g15_whoever_is_named_completes_the_approval_by_merging(
    risk: Risk, needed: int, commits: Any, seen_by: tuple[str, ...]
) -> None:
    allowed = always(allow_self_approval=True, approvals=dict.fromkeys(RISKS, needed))
    given = tuple(review(name, body="1" * 12) for name in seen_by) if risk is not Risk.CRITICAL else ()
    fields = {"plan": plan(risk=risk), "commits": commits, "reviews": given}
    now = ask(allowed, pull=pull(), sides=PROD_ALLOWS, **fields)
    assert bool(now.by_merging) is (not now.approved and needed - len(given) <= 1)
    for name in now.by_merging:
        done = ask(allowed, **alone(pull=merged(at=minutes(15), by=f"{name}-login"), **fields))
        assert done.approved, (name, done.reasons)
