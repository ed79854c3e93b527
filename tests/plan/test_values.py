"""A plan as a value: what follows from its changes, and what stands there where nobody said more."""

from typing import Any

import pytest

from reconciler.names import Digest
from reconciler.plan.change import PRIORITIES, RISKS, Change, Operation, Plan, PlanSet, Risk
from reconciler.plan.part import Part, error, failed, warning
from reconciler.state.observed import Failure

NONE = Digest("0" * 64)


def plan(risk: Risk = Risk.LOW, *operations: Operation) -> Plan:
    changes = tuple(Change(unit="release/a", operation=one, subject="x", where="y") for one in operations)
    nothing: dict[str, Any] = dict.fromkeys(("units", "batches", "checks", "touched", "reasons"), ())
    return Plan(
        environment="dev", project="", team="", tier="dev", changes=changes, risk=risk, priority=PRIORITIES[risk],
        artifact=NONE, digest=NONE, observed_at=None, **nothing,
    )  # fmt: skip


def test_the_worse_the_risk_the_higher_the_priority() -> None:
    assert [PRIORITIES[risk] for risk in RISKS] == ["p3", "p2", "p1", "p0"]


def test_what_does_not_change_is_not_counted() -> None:
    made = plan(Risk.LOW, Operation.CREATE, Operation.UNCHANGED, Operation.CREATE, Operation.DELETE)
    assert made.counts == {Operation.CREATE: 2, Operation.DELETE: 1}


@pytest.mark.parametrize("worst", RISKS)
def test_a_ticket_is_as_bad_as_its_worst_plan(worst: Risk) -> None:
    plans = tuple(plan(risk) for risk in RISKS[: RISKS.index(worst) + 1])
    for order in (plans, plans[::-1]):
        assert PlanSet(plans=order, digest=NONE).risk is worst
    assert PlanSet(plans=(), digest=NONE).risk is Risk.LOW


def test_what_nobody_said_of_a_unit_or_a_check_is_nothing() -> None:
    assert Part() == Part(changes=(), steps=(), checks=(), touched=(), owned=0)
    assert Part().owned == 0
    checks = [failed("u", Failure("k", "m")), warning("u", "k", "m"), error("u", "k", "m")]
    assert [(check.unit, check.key, check.message, check.hint) for check in checks] == [("u", "k", "m", "")] * 3
