"""When drift may be put right without asking, and by which plan: for each guard a case that no other guard stops."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.machine.drifting import FOUGHT, Drifted, DriftOver
from reconciler.machine.entry import (
    Accepted,
    Applying,
    Entry,
    Finished,
    Hold,
    Landed,
    Passed,
    Resume,
    Retry,
    Returning,
    SecondLook,
    Stopped,
)
from reconciler.machine.healing import (
    LIMITS,
    PASSING,
    REFUSALS,
    UNFIT,
    WORDS,
    Case,
    Why,
    refused,
    unfit,
)
from reconciler.machine.ledger import Ledger
from reconciler.names import Digest, Revision
from reconciler.plan.change import Action, ActionKind, Change, Check, Operation, Plan, Risk, Severity, UnitPlan
from tests.machine.test_ledger import AT, R1, digest, finished, fold, passed, returning, unit

WEB = "release/web"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOME = Accepted(unit="environment/dev", artifact=digest("e"), revision=R1)
BEFORE, NOW = unit("web", "b"), AT + timedelta(minutes=30)
APPLIED: tuple[Entry, ...] = (
    passed(HOME),
    finished("applied", 1),
    passed(BEFORE, generation=2),
    finished("applied", 2),
    passed(unit("web"), generation=3),
    finished("applied", 3),
)
CASE = Case(WEB, NOW, asked=True, promised=True, suspended=False, taken_in=True)


def heal(generation: int, of: int = 3) -> Passed:
    return passed(unit("web"), generation=generation).model_copy(update={"heals": of, "return_granted": False})


def drifted(why: str = "") -> Drifted:
    return Drifted(unit=WEB, environment="dev", digest=digest("d"), objects=1, why=why)


def healed(generation: int) -> tuple[Entry, ...]:
    return heal(generation), finished("applied", generation)


def heals(number: int) -> tuple[Entry, ...]:
    """So many heals at one time."""
    return tuple(one for generation in range(4, 4 + number) for one in healed(generation))


def landed(*environments: str) -> Landed:
    commit = Revision("3" * 40)
    return Landed(before=R1, commit=commit, ticket="next", pull_request=7, environments=environments)


STOPS: dict[Why, tuple[tuple[Entry, ...], dict[str, Any]]] = {
    Why.REPORTED: ((), {"asked": False}),
    Why.UNPROMISED: ((), {"promised": False}),
    Why.SUSPENDED: ((), {"suspended": True}),
    Why.STOPPED: ((Stopped(reason="rewound", last=R1, tip=None),), {}),
    Why.RUNNING: ((passed(unit("other"), generation=4),), {}),
    Why.UNSUCCESSFUL: ((Retry(environment="dev", generation=3, by="p"), finished("failed", 3)), {}),
    Why.HELD: ((Hold(subject=WEB, by="p", until=NOW + timedelta(hours=1)),), {}),
    Why.EMERGENCY: (
        (
            passed(unit("other"), generation=4).model_copy(update={"emergency": "p"}),
            finished("applied", 4),
        ),
        {},
    ),
    Why.WAITING: ((landed("dev"),), {}),
    Why.FOUGHT: (heals(LIMITS[HOUR]), {}),
}
MORE = [
    ("a hold of the whole environment", (Hold(subject="environment/dev", by="p", until=NOW + HOUR),), {}, Why.HELD),
    ("what landed is not taken in", (), {"taken_in": False}, Why.WAITING),
    ("a rolled back release", (returning(BEFORE, generation=3), finished("rolled_back", 3)), {}, Why.UNSUCCESSFUL),
    ("a heal that failed", (heal(4), finished("failed", 4)), {}, Why.UNSUCCESSFUL),
    ("an environment that failed", (passed(HOME, generation=4), finished("failed", 4)), {}, Why.UNSUCCESSFUL),
    ("a heal that runs", (heal(4),), {}, Why.RUNNING),
    ("a slow fight", heals(LIMITS[DAY]), {"now": NOW + 20 * HOUR}, Why.FOUGHT),
    ("a fight that was told, long ago", (drifted(FOUGHT),), {"now": NOW + timedelta(days=30)}, Why.FOUGHT),
]  # fmt: skip
GOES_ON = [
    ("nothing else", (), {}),
    ("a hold that ended", (Hold(subject=WEB, by="p", until=NOW - timedelta(seconds=1)),), {}),
    ("a hold elsewhere", (Hold(subject="environment/prod", by="p", until=NOW + HOUR),), {}),
    ("something that waits elsewhere", (landed("prod"),), {}),
    ("one heal less than too many", (*healed(4), *healed(5)), {}),
    ("one less than too many in a day", heals(LIMITS[DAY] - 1), {"now": NOW + 20 * HOUR}),
    ("as many as one likes, over days", heals(LIMITS[DAY]), {"now": NOW + DAY}),
    ("as many as one likes, over hours", STOPS[Why.FOUGHT][0], {"now": NOW + 2 * HOUR}),
    ("an emergency that was looked at", (*STOPS[Why.EMERGENCY][0], SecondLook(ticket="t", environment="dev")), {}),
    *(
        (f"a fight, and then {words}", (*STOPS[Why.FOUGHT][0], drifted(FOUGHT), *then), {})
        for words, then in (
            ("resume", (Resume(subject=WEB, by="p"),)),
            ("resume of the environment", (Resume(subject="environment/dev", by="p"),)),
            ("retry", (Retry(environment="dev", generation=6, by="p"), finished("applied", 6))),
            ("another accepted plan", (passed(unit("web"), generation=7), finished("applied", 7))),
        )
    ),
]


def ledger_of(*more: Entry) -> Ledger:
    return fold(*APPLIED, *more)


@pytest.mark.parametrize("why", REFUSALS)
def test_g22_each_guard_stops_what_no_other_guard_does(why: Why) -> None:
    entries, facts = STOPS[why]
    ledger, case = ledger_of(*entries), replace(CASE, **facts)
    assert [one for one, speaks in REFUSALS.items() if speaks(ledger, case)] == [why]
    assert refused(ledger, case) is why


@pytest.mark.parametrize(("entries", "facts", "why"), [row[1:] for row in MORE], ids=[row[0] for row in MORE])
def test_g22_what_else_stops_healing(entries: tuple[Entry, ...], facts: dict[str, Any], why: Why) -> None:
    assert refused(ledger_of(*entries), replace(CASE, **facts)) is why


@pytest.mark.parametrize(("entries", "facts"), [row[1:] for row in GOES_ON], ids=[row[0] for row in GOES_ON])
def test_g22_what_does_not_stop_healing(entries: tuple[Entry, ...], facts: dict[str, Any]) -> None:
    assert refused(ledger_of(*entries), replace(CASE, **facts)) is None


def test_every_reason_is_said_in_words_but_the_one_that_nobody_asked_for() -> None:
    assert [why for why in Why if not WORDS[why]] == [Why.REPORTED]
    assert set(REFUSALS) | set(UNFIT) == set(Why)
    assert not PASSING & {Why.FOUGHT, Why.UNPROMISED, Why.UNDERIVED}


def action(kind: ActionKind = ActionKind.APPLY_OBJECT, **more: Any) -> Action:
    return Action(id="a", kind=kind, unit=WEB, target="cluster/one", **more)


def change(operation: Operation = Operation.UPDATE, subject: str = "ConfigMap web/settings", **more: Any) -> Change:
    return Change(unit=WEB, operation=operation, subject=subject, where="cluster one", **more)


def plan(*actions: Action, changes: tuple[Change, ...] = (change(),), **more: Any) -> Plan:
    units = more.pop("units", (UnitPlan(unit=WEB, artifact=digest("a")),))
    return Plan(
        environment="dev",
        project="",
        team="",
        tier="dev",
        units=units,
        changes=changes,
        batches=(actions,) if actions else (),
        checks=more.pop("checks", ()),
        touched=(),
        risk=Risk.LOW,
        priority="p3",
        reasons=(),
        artifact=digest("a"),
        digest=Digest("f" * 64),
        observed_at=None,
        **more,
    )


BLOCKING = Check(severity=Severity.ERROR, key="resource_conflict", message="m", unit=WEB)
PLANS: list[tuple[Why, Callable[[], Plan]]] = [
    (Why.UNSEEN, lambda: plan(action(), static=True)),
    (Why.UNDERIVED, lambda: plan(action(), units=(UnitPlan(unit=WEB, artifact=digest("b")),))),
    (Why.UNDERIVED, lambda: plan(action(), units=(UnitPlan(unit=WEB, artifact=digest("a"), removed=True),))),
    (Why.UNDERIVED, lambda: plan(action(), units=(UnitPlan(unit="environment/dev", artifact=digest("a")),))),
    *(
        (Why.DELETES, lambda operation=one: plan(action(), changes=(change(operation),)))
        for one in Operation
        if one not in {Operation.CREATE, Operation.UPDATE, Operation.UNCHANGED}
    ),
    (Why.DELETES, lambda: plan(action(), changes=(change(reversible=False),))),
    (Why.BLOCKED, lambda: plan(action(), checks=(BLOCKING,))),
    (Why.BLOCKED, lambda: plan(changes=())),
    *(
        (Why.STEPS, lambda kind=one: plan(action(), action(kind)))
        for one in ActionKind
        if one not in {ActionKind.APPLY_OBJECT, ActionKind.ASK}
    ),
    (Why.STEPS, lambda: plan(action(canary=True))),
    *(
        (Why.DATA, lambda kind=one: plan(action(), changes=(change(Operation.CREATE, f"{kind} web/it"),)))
        for one in ("Namespace", "PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition.some.group")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("why", "made"), PLANS, ids=[f"{why}-{number}" for number, (why, _) in enumerate(PLANS)])
def test_g22_a_plan_that_does_more_than_put_back_heals_nothing(why: Why, made: Callable[[], Plan]) -> None:
    found = made()
    assert [one for one, speaks in UNFIT.items() if speaks(found, unit("web"))] == [why]
    assert unfit(found, unit("web")) is why


def test_g22_every_guard_of_the_plan_has_a_case() -> None:
    assert {why for why, _ in PLANS} == set(UNFIT)


def test_g22_creating_and_updating_what_was_applied_heals() -> None:
    changes = (change(), change(Operation.CREATE, "Deployment.apps web/web"), change(Operation.UNCHANGED))
    made = plan(action(), action(ActionKind.ASK), changes=changes)
    assert unfit(made, unit("web")) is None


def test_g22_what_was_told_stands_until_it_is_over_healed_or_of_the_past() -> None:
    assert ledger_of().drifts.standing(WEB) is None
    assert ledger_of(drifted()).drifts.standing(WEB) is not None
    for then in (
        (DriftOver(unit=WEB, environment="dev"),),
        healed(4),
        (passed(unit("web"), generation=4), finished("applied", 4)),
    ):
        assert ledger_of(drifted(), *then).drifts.standing(WEB) is None
    failed = ledger_of(drifted(), heal(4), finished("failed", 4))
    assert failed.drifts.standing(WEB) is not None
    assert failed.units[WEB].outcome == "failed"


def test_g21_after_a_heal_the_approved_plan_is_what_goes_back_and_what_is_tried_again() -> None:
    back: tuple[Entry, ...] = (
        Returning(environment="dev", generation=4, path="p", batches=1, to=(BEFORE,), reason="r"),
        Finished(environment="dev", generation=4, outcome="rolled_back"),
    )
    ledger = ledger_of(*healed(4), *back)
    state, rollout = ledger.units[WEB], ledger.rollouts["dev", 4]
    assert (state.outcome, state.successful, state.previous) == ("rolled_back", BEFORE, BEFORE)
    approved = ledger.rollouts["dev", 3].passed
    assert rollout.passed == approved.model_copy(update={"generation": 4})
    forward = fold(Retry(environment="dev", generation=4, by="p"), ledger=ledger)
    assert forward.rollouts["dev", 4].passed.heals == 0


def test_a_heal_changes_nothing_of_what_is_accepted_and_of_what_a_return_goes_back_to() -> None:
    before, after = ledger_of().units[WEB], ledger_of(drifted(), *healed(4)).units[WEB]
    assert replace(after, generation=3) == before
    assert after.previous == BEFORE
    assert ledger_of(heal(4), Applying(environment="dev", generation=4, batch=0)).units[WEB].previous == BEFORE


def partly(*parts: str, unseen: tuple[str, ...] = ()) -> Drifted:
    return Drifted(unit=WEB, environment="dev", digest=digest("".join(parts)), objects=9, parts=parts, unseen=unseen)


@pytest.mark.parametrize(
    ("now", "news"),
    [
        (partly("a", unseen=("ConfigMap b",)), False),  # b is only not seen any more
        (partly("a", "b", unseen=("ConfigMap c",)), False),
        (partly("a"), True),
        (partly("a", "c", unseen=("ConfigMap b",)), True),
        (partly(unseen=("ConfigMap b",)), True),  # too many to be told from each other
    ],
)
def test_what_is_only_not_seen_any_more_is_as_it_was_told(now: Drifted, *, news: bool) -> None:
    told = partly("a", "b")
    assert (now.after(told).digest != told.digest) is news
    assert now.after(told).unseen == now.unseen
