"""Tickets, their clocks and their names (governance.md)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.approval.roles import EVERYWHERE, Scope
from reconciler.approval.scope_types import scope_type, ticket_scopes
from reconciler.approval.sla import sla_due_at
from reconciler.approval.tickets import (
    ScopeType,
    Ticket,
    TicketAction,
    TicketEvent,
    TicketFacts,
    TicketScope,
    TicketStatus,
    escalation_due,
    fold,
    operable,
    overdue,
)
from reconciler.names import POLICY
from reconciler.plan.change import RISKS, Action, ActionKind, FieldChange, Risk
from reconciler.specs.kinds.probes import Weekday, Window
from reconciler.specs.kinds.settings import Sla
from tests.approval.builders import ALPHA, NOW, plan, question, side, unit

HOUR = timedelta(hours=1)
WAY = {
    "assign": TicketAction.ASSIGNED,
    "approve": TicketAction.APPROVED,
    "reject": TicketAction.REJECTED,
    "expire": TicketAction.EXPIRED,
    "void": TicketAction.VOIDED,
    "supersede": TicketAction.SUPERSEDED,
    "comment": TicketAction.COMMENTED,
    "view": TicketAction.VIEWED,
    "escalate": TicketAction.ESCALATED,
    "deny": TicketAction.PERMISSION_DENIED,
    "mismatch": TicketAction.SCOPE_MISMATCH,
}


def scope(risk: Risk = Risk.HIGH, runtime: str = "k8s", where: Scope = ALPHA, **fields: Any) -> TicketScope:
    given = {"scope_type": ScopeType.RELEASE, "scope_id": "svc-a", **fields}
    return TicketScope(scope=where, runtime_type=runtime, risk=risk, **given)


def facts(*scopes: TicketScope) -> TicketFacts:
    return TicketFacts(scopes or (scope(),), "alice", "deployment_ui", "raise the image")


def created(at: datetime = NOW, **fields: Any) -> TicketEvent:
    return TicketEvent("dep-appr-7", TicketAction.CREATED, "alice", at, **{"facts": facts(), **fields})


def event(action: str, at: datetime, **fields: Any) -> TicketEvent:
    return TicketEvent("dep-appr-7", WAY[action], "bob", at, **fields)


def folded(*words: str, person: str = "", **fields: Any) -> Ticket:
    """A ticket after these words, a minute apart."""
    times = (NOW + n * timedelta(minutes=1) for n, _ in enumerate(words, 1))
    said = [event(word, at, person=person) for word, at in zip(words, times, strict=True)]
    events = [created(**fields), *said]
    return fold(events, Sla())["dep-appr-7"]


@pytest.mark.parametrize(
    ("words", "status", "by"),
    [
        ("", "pending", ""),
        ("assign comment view escalate deny mismatch", "pending", ""),
        ("approve", "approved", "bob"),
        ("approve reject", "rejected", ""),
        ("reject approve", "rejected", ""),
        ("expire approve", "expired", ""),
        ("approve expire", "expired", "bob"),
        ("approve supersede", "cancelled", "bob"),
        ("supersede void approve", "cancelled", ""),
        ("reject expire", "rejected", ""),
        ("approve void", "pending", ""),
        ("reject void", "pending", ""),
        ("reject void approve", "approved", "bob"),
        ("expire void", "pending", ""),
        ("approve approve", "approved", "bob"),
        ("expire assign", "expired", ""),
        ("expire reject", "expired", ""),
        ("supersede reject", "cancelled", ""),
        ("expire supersede", "expired", ""),
    ],
)
def test_a_ticket_follows_its_events_and_nothing_else(words: str, status: str, by: str) -> None:
    ticket = folded(*words.split(), person="carol")
    assert (ticket.status, ticket.approved_by, ticket.rejected_by) == (status, by, "bob" * (status == "rejected"))
    assert ticket.assigned_to == ("carol" if words.startswith("assign") else "")


def test_a_ticket_knows_all_that_the_contract_names() -> None:
    ends = NOW + HOUR
    events = [
        created(expires_at=NOW + HOUR / 2),
        event("assign", NOW + timedelta(minutes=1), person="carol"),
        event("approve", NOW + timedelta(minutes=2), expires_at=ends),
    ]
    ticket = fold(events, Sla())["dep-appr-7"]
    assert ticket == Ticket(
        ticket="dep-appr-7",
        facts=facts(),
        status=TicketStatus.APPROVED,
        created_at=NOW,
        updated_at=NOW + timedelta(minutes=2),
        sla_due_at=NOW + HOUR / 2,
        expires_at=ends,
        assigned_to="carol",
        approved_at=NOW + timedelta(minutes=2),
        approved_by="bob",
        events=tuple(events),
    )
    assert (ticket.required_role, ticket.risk_level, ticket.priority) == ("service:approve", Risk.HIGH, "p1")
    assert [one.action for one in ticket.events] == ["ticket_created", "ticket_assigned", "ticket_approved"]  # C-07


def test_an_approval_without_an_end_keeps_the_tickets() -> None:
    assert folded("approve", expires_at=NOW + HOUR).expires_at == NOW + HOUR


def test_asked_again_a_ticket_waits_anew_and_stays_assigned() -> None:
    again = NOW + 3 * HOUR
    events = [created(), event("assign", NOW, person="carol"), event("approve", NOW), created(again)]
    ticket = fold(events, Sla())["dep-appr-7"]
    assert (ticket.status, ticket.created_at, ticket.assigned_to) == ("pending", NOW, "carol")
    assert ticket.sla_due_at == again + HOUR / 2
    assert len(ticket.events) == 4


def test_events_of_no_ticket_and_creations_of_nothing_make_none() -> None:
    assert (
        fold([event("approve", NOW), created(facts=None), created(facts=TicketFacts((), "a", "b", "c"))], Sla()) == {}
    )


def test_a_creation_without_facts_changes_nothing() -> None:
    events = [created(), event("approve", NOW), created(facts=None)]
    assert fold(events, Sla())["dep-appr-7"].status is TicketStatus.APPROVED


@given(st.lists(st.sampled_from(sorted(WAY)), max_size=12))
def test_no_sequence_of_events_approves_without_an_approval(words: list[str]) -> None:
    ticket = folded(*words)
    assert ticket.status is not TicketStatus.APPROVED or "approve" in words
    assert (ticket.status is TicketStatus.APPROVED) <= bool(ticket.approved_by and ticket.approved_at)
    assert ticket == folded(*words)


def test_the_riskiest_scope_stands_for_a_ticket() -> None:
    ticket = folded(facts=facts(scope(Risk.LOW), scope(Risk.CRITICAL, "compose"), scope(Risk.MEDIUM)))
    assert (ticket.risk_level, ticket.priority, ticket.runtime_type) == (Risk.CRITICAL, "p0", "mixed")
    assert folded().runtime_type == "k8s"
    assert folded(facts=facts(scope(runtime=""))).runtime_type == "mixed"


@pytest.mark.parametrize(
    ("after", "late"), [(timedelta(minutes=30), False), (timedelta(minutes=30, microseconds=1), True)]
)
def test_a_ticket_is_overdue_past_its_time(after: timedelta, *, late: bool) -> None:
    assert overdue(folded(), NOW + after) is late
    assert escalation_due(folded(), NOW + after) is late
    assert not overdue(folded("approve"), NOW + after)


def test_an_escalated_ticket_is_overdue_and_not_escalated_again() -> None:
    ticket = folded("escalate")
    assert overdue(ticket, NOW + HOUR)
    assert not escalation_due(ticket, NOW + HOUR)


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("", None),
        ("approve", None),
        ("expire", "approval_ticket_expired"),
        ("reject", "approval_ticket_not_approved"),
        ("supersede", "approval_ticket_not_approved"),
    ],
)
def test_an_ended_ticket_takes_no_decisions(words: str, key: str | None) -> None:
    denial = operable(folded(*words.split()))
    assert (denial.key if denial else None) == key


def test_c13_a_ticket_that_may_not_be_seen_is_not_found() -> None:
    denial = operable(None)
    assert denial is not None
    assert denial.key == "approval_ticket_not_found"


MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
WORK = Window(days=tuple(Weekday)[:5], start="09:00", end="17:00")
NIGHT = Window(days=(Weekday.MON,), start="22:00", end="02:00")


@pytest.mark.parametrize(("risk", "minutes_"), list(zip(RISKS, (480, 120, 30, 15), strict=True)))
def test_the_sla_is_by_risk_and_always_runs_unless_hours_are_set(risk: Risk, minutes_: int) -> None:
    assert sla_due_at(NOW, risk, Sla()) == NOW + timedelta(minutes=minutes_)


@pytest.mark.parametrize(
    ("created_at", "window", "risk", "due"),
    [
        (MONDAY + 10 * HOUR, WORK, Risk.MEDIUM, MONDAY + 12 * HOUR),
        (MONDAY + 15 * HOUR, WORK, Risk.MEDIUM, MONDAY + 17 * HOUR),
        (MONDAY + 16 * HOUR, WORK, Risk.MEDIUM, MONDAY + 34 * HOUR),
        (MONDAY + 3 * HOUR, WORK, Risk.MEDIUM, MONDAY + 11 * HOUR),
        (MONDAY + 16 * HOUR, WORK, Risk.LOW, MONDAY + 40 * HOUR),
        (MONDAY + 4 * 24 * HOUR + 16 * HOUR, WORK, Risk.MEDIUM, MONDAY + 7 * 24 * HOUR + 10 * HOUR),
        (MONDAY + 16 * HOUR, WORK, Risk.CRITICAL, MONDAY + 16.25 * HOUR),
        (MONDAY + 5 * 24 * HOUR, WORK, Risk.CRITICAL, MONDAY + 5 * 24 * HOUR + HOUR / 4),
        (MONDAY + 25 * HOUR, NIGHT, Risk.HIGH, MONDAY + 25.5 * HOUR),
        (MONDAY + 25 * HOUR, NIGHT, Risk.MEDIUM, MONDAY + 7 * 24 * HOUR + 23 * HOUR),
        (MONDAY + 23 * HOUR, NIGHT, Risk.LOW, MONDAY + 14 * 24 * HOUR + 23 * HOUR),
    ],
    ids=str,
)
def test_the_sla_clock_runs_in_its_hours_and_always_for_critical(
    created_at: datetime, window: Window, risk: Risk, due: datetime
) -> None:
    assert sla_due_at(created_at, risk, Sla(hours=window)) == due


def test_the_sla_hours_are_local_also_when_the_clocks_change() -> None:
    berlin = Window(days=tuple(Weekday), start="01:00", end="05:00", timezone="Europe/Berlin")
    spring = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)  # the night in which 02:00 becomes 03:00: three hours of window
    assert sla_due_at(spring, Risk.LOW, Sla(low=3 * HOUR, hours=berlin)) == datetime(2026, 3, 29, 3, 0, tzinfo=UTC)
    assert sla_due_at(spring, Risk.LOW, Sla(low=3.5 * HOUR, hours=berlin)) == datetime(2026, 3, 29, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Nowhere/Land", "Europe"])
def test_an_unknown_time_zone_makes_the_clock_run_always(zone: str) -> None:
    """Loading refuses such a zone; another machine may know fewer of them."""
    window = Window.model_construct(days=(Weekday.SUN,), start="01:00", end="05:00", timezone=zone)
    sla = Sla().model_copy(update={"hours": window})
    assert sla_due_at(NOW, Risk.LOW, sla) == NOW + 8 * HOUR


def test_hours_that_never_suffice_make_the_clock_run_always() -> None:
    rare = Window(days=(Weekday.SUN,), start="01:00", end="01:01")
    assert sla_due_at(NOW, Risk.LOW, Sla(low=timedelta(days=3), hours=rare)) == NOW + timedelta(days=3)


@pytest.mark.parametrize(("left", "due"), [(209, datetime(2029, 12, 31, 13, 1, tzinfo=UTC)), (210, None)])
def test_hours_are_looked_through_for_four_years_and_then_taken_to_be_none(left: int, due: datetime | None) -> None:
    minute = Window(days=(Weekday.MON,), start="13:00", end="13:01")
    always = NOW + timedelta(minutes=left)
    assert sla_due_at(NOW, Risk.LOW, Sla(low=timedelta(minutes=left), hours=minute)) == (due or always)


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  given a zone
    st.sampled_from(RISKS),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Shanghai"]),
)
def test_hours_only_ever_make_an_sla_later(at: datetime, risk: Risk, zone: str) -> None:
    window = Window(days=tuple(Weekday)[:5], start="09:00", end="17:00", timezone=zone)
    assert sla_due_at(at, risk, Sla(hours=window)) >= sla_due_at(at, risk, Sla())


def install(kind: ActionKind, of: str = "environment/prod") -> Any:
    return ((Action(id="1", kind=kind, unit=of, target="host/cp-1"),),)


def changed(*paths: str) -> dict[str, Any]:
    return {"specs": tuple(FieldChange(path=path, before=1, after=2) for path in paths)}


@pytest.mark.parametrize(
    ("one", "batches", "runtime", "name"),
    [
        (unit(), (), "k8s", ScopeType.RELEASE),
        (unit("policy/policy"), (), "", ScopeType.POLICY),
        (unit("environment/prod", added=True), (), "k8s", ScopeType.INSTALL),
        (unit("environment/prod"), install(ActionKind.RUN_HOOK), "k8s", ScopeType.INSTALL),
        (unit("environment/prod"), install(ActionKind.RUN_HOOK, "environment/other"), "k8s", ScopeType.K8S_APPLY),
        (unit("environment/prod"), install(ActionKind.DELIVER_BUNDLE), "k8s", ScopeType.INSTALL),
        (unit("environment/prod"), install(ActionKind.RECORD_INSTALL), "compose", ScopeType.INSTALL),
        (unit("environment/prod"), (), "compose", ScopeType.COMPOSE_APPLY),
        (unit("cluster/c", added=True), (), "k8s", ScopeType.CLUSTER_IMPORT),
        (unit("cluster/c", **changed("spec.certificates.rotation")), (), "k8s", ScopeType.CERT_ROTATION),
        (unit("cluster/c", **changed("spec.networkEntry.mode")), (), "k8s", ScopeType.NETWORK_ENTRY),
        (unit("cluster/c", **changed("spec.endpoint")), (), "k8s", ScopeType.K8S_APPLY),
        (unit("cluster/c", **changed("spec.endpoint", "spec.certificates.days")), (), "k8s", ScopeType.CERT_ROTATION),
        (unit("cluster/c", **changed("spec.endpoint", "spec.networkEntry.mode")), (), "k8s", ScopeType.NETWORK_ENTRY),
    ],
)
def test_a_scope_is_called_what_a_person_would_call_it(one: Any, batches: Any, runtime: str, name: ScopeType) -> None:
    assert scope_type(plan(units=(one,), batches=batches), one, runtime) is name


def test_g16_one_ticket_lists_every_unit_of_every_plan() -> None:
    dev = Scope("proj-alpha", "team-app", "dev")
    asked = [
        question(plan=plan(units=(unit(), unit("release/svc-b")))),
        question(plan=plan(environment="dev", risk=Risk.LOW), sides=(side(scope=dev, runtime="hybrid"),)),
        question(plan=plan(environment="dev"), sides=(side(scope=dev), side(scope=dev, runtime="compose"))),
        question(plan=plan(environment=POLICY, policy_only=True, units=(unit("policy/policy"),)), sides=()),
    ]
    assert [(one.scope_id, one.scope, one.runtime_type) for one in ticket_scopes(asked)] == [
        ("svc-a", ALPHA, "k8s"),
        ("svc-b", ALPHA, "k8s"),
        ("svc-a", dev, "mixed"),
        ("svc-a", dev, "mixed"),
        ("policy", EVERYWHERE, ""),
    ]
