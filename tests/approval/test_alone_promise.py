"""What the status promises a team of one the gate keeps: who is named as able to approve by merging is (G15)."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from reconciler.plan.change import Risk
from tests.approval.builders import NOW, always, ask, commit, merged, minutes, plan, preview, pull, review
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


@pytest.mark.parametrize(("seconds", "named"), [(1, False), (60, False), (61, True)])
def test_g13_nobody_is_promised_a_merge_that_would_not_count_yet(seconds: int, *, named: bool) -> None:
    allowed = always(allow_self_approval=True, approvals=RISKS)
    changed = preview(changed_at=NOW - timedelta(seconds=seconds), posted_at=NOW - timedelta(seconds=seconds))
    judged = ask(allowed, pull=pull(), sides=PROD_ALLOWS, preview=changed)
    assert bool(judged.by_merging) is named
    assert any("does not count" in reason for reason in judged.reasons) is not named
