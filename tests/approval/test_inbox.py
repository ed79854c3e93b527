"""The inbox: views, filters, orders, pages, counts, and what nobody outside a project ever sees (C-13, C-14)."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.approval.inbox import Ask, Due, SortBy, Stats, View, Viewer, inbox, seen_by
from reconciler.approval.roles import EVERYWHERE, Scope
from reconciler.approval.tickets import ScopeType, Ticket, TicketFacts, TicketScope, TicketStatus
from reconciler.plan.change import RISKS, Risk
from tests.approval.builders import ALPHA, BINDINGS, NOW, USERS, bind, policy, user

BETA = Scope("proj-beta", "team-beta", "beta-prod")
BINDINGS_HERE = [
    *BINDINGS,
    bind("approver", "erin", project="proj-beta"),
    bind("operator", "frank", project="proj-alpha", team="team-app"),
    bind("operator", "gina", environment="prod"),
    bind("operator", "hugo", project="proj-alpha"),
    bind("operator", "hugo", "ivan", project="proj-beta"),
    bind("operator", "ivan", environment="prod"),
    bind("approver", "jane", project="proj-alpha"),
    bind("operator", "jane", environment="beta-prod"),
]
POLICY = policy(
    {**USERS, **{name: user(name) for name in ("erin", "frank", "gina", "hugo", "ivan", "jane")}}, BINDINGS_HERE
)


def viewer(name: str) -> Viewer:
    return Viewer(POLICY.persons.by_name[name], POLICY)


def scope(where: Scope = ALPHA, risk: Risk = Risk.HIGH, **fields: Any) -> TicketScope:
    given = {"scope_type": ScopeType.RELEASE, "scope_id": "svc-a", "runtime_type": "k8s", **fields}
    return TicketScope(scope=where, risk=risk, **given)


def ticket(number: int, *scopes: TicketScope, by: str = "alice", summary: str = "raise it", **fields: Any) -> Ticket:
    given = {
        "status": TicketStatus.PENDING,
        "created_at": NOW + number * timedelta(seconds=1),
        "updated_at": NOW,
        "sla_due_at": NOW + timedelta(hours=2),
        **fields,
    }
    return Ticket(f"dep-appr-{number}", TicketFacts(scopes or (scope(),), by, "deployment_ui", summary), **given)


def shown(tickets: list[Ticket], name: str = "admin", **ask: Any) -> list[int]:
    page = inbox(tickets, viewer(name), Ask(**{"view": View.ALL, **ask}), NOW)
    return [int(one.ticket.rpartition("-")[2]) for one in page.tickets]


ALPHA_TICKET, BETA_TICKET = ticket(1), ticket(2, scope(BETA))
MIXED = ticket(3, scope(risk=Risk.LOW), scope(BETA, Risk.CRITICAL))
OF_POLICY = ticket(4, scope(EVERYWHERE, scope_type=ScopeType.POLICY))
ALL = [ALPHA_TICKET, BETA_TICKET, MIXED, OF_POLICY]


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("admin", [1, 2, 3, 4]),
        ("bob", [1, 3]),
        ("frank", [1, 3]),
        ("gina", [1, 3]),
        ("erin", [2, 3]),
        ("stranger", []),
        ("oracle", [1, 3]),
    ],
)
def test_c13_tickets_of_other_projects_are_invisible(name: str, numbers: list[int]) -> None:
    assert shown(ALL, name, sort=SortBy.CREATED_AT) == numbers


def test_c13_of_a_shared_ticket_only_the_own_scopes_are_seen() -> None:
    seen = seen_by(viewer("bob"), MIXED)
    assert seen is not None
    assert [one.scope for one in seen.facts.scopes] == [ALPHA]
    assert seen.risk_level is Risk.LOW
    assert shown([MIXED], "bob", project="proj-beta") == []
    assert shown([MIXED], "erin", project="proj-beta") == [3]


def test_c13_neither_asking_nor_being_assigned_makes_a_ticket_visible() -> None:
    mine = ticket(1, scope(BETA), by="bob", assigned_to="bob")
    assert shown([mine], "bob", view=View.MINE) == []
    assert seen_by(viewer("stranger"), ticket(1, by="stranger")) is None


def test_c13_counts_hold_only_what_is_visible() -> None:
    assert inbox(ALL, viewer("erin"), Ask(), NOW).stats.pending == 2
    assert inbox(ALL, viewer("stranger"), Ask(), NOW).stats == Stats(0, 0, 0)


DONE = {"status": TicketStatus.APPROVED}


@pytest.mark.parametrize(
    ("name", "one", "mine"),
    [
        ("gina", ticket(1), False),  # reads it, and no more
        ("gina", ticket(1, assigned_to="gina", **DONE), True),
        ("gina", ticket(1, by="gina", **DONE), True),
        ("frank", ticket(1), True),  # of my team
        ("frank", ticket(1, **DONE), False),
        ("carol", ticket(1), True),  # my role may approve it
        ("carol", ticket(1, **DONE), False),
        ("admin", ticket(1), True),
        ("oracle", ticket(1), True),  # of its project; it may read
        ("hugo", ticket(1), True),  # of one of my projects
        ("ivan", ticket(1), False),  # of a project that is not mine, though I have one
        ("jane", ticket(1, scope(), scope(BETA)), True),  # my role may approve a part of it
    ],
)
def test_mine_is_assigned_requested_approvable_or_of_my_project(name: str, one: Ticket, *, mine: bool) -> None:
    assert shown([one], name, view=View.MINE) == ([1] if mine else [])
    assert shown([one], name) == [1]


def test_the_default_view_is_mine() -> None:
    assert Ask().view is View.MINE


def test_the_pending_view_holds_what_waits() -> None:
    tickets = [ticket(n, status=status) for n, status in enumerate(TicketStatus)]
    assert shown(tickets, view=View.PENDING) == [0]


VARIED = [
    ticket(1, scope(), assigned_to="carol", summary="Raise the IMAGE", sla_due_at=NOW + timedelta(minutes=15)),
    ticket(2, scope(BETA, Risk.LOW, runtime_type="compose"), by="erin", sla_due_at=NOW - timedelta(hours=1)),
    ticket(3, scope(), scope(BETA, scope_type=ScopeType.INSTALL), status=TicketStatus.APPROVED),
    ticket(4, scope(Scope("proj-alpha", "team-other", "dev"), Risk.CRITICAL), sla_due_at=NOW + timedelta(hours=1)),
]


@pytest.mark.parametrize(
    ("ask", "numbers"),
    [
        ({}, [1, 2, 3, 4]),
        ({"statuses": frozenset({TicketStatus.APPROVED})}, [3]),
        ({"statuses": frozenset({TicketStatus.APPROVED, TicketStatus.PENDING})}, [1, 2, 3, 4]),
        ({"scope_types": frozenset({ScopeType.INSTALL})}, [3]),
        ({"scope_types": frozenset({ScopeType.INSTALL, ScopeType.RELEASE})}, [1, 2, 3, 4]),
        ({"scope_types": frozenset({ScopeType.INSTALL}), "project": "proj-alpha"}, []),
        ({"project": "proj-alpha"}, [1, 3, 4]),
        ({"team": "team-beta"}, [2, 3]),
        ({"environment": "prod"}, [1, 3]),
        ({"project": "proj-alpha", "team": "team-other", "environment": "prod"}, []),
        ({"runtime_type": "compose"}, [2]),
        ({"risk_level": Risk.CRITICAL}, [4]),
        ({"priority": "p1"}, [1, 3]),
        ({"assigned_to": "carol"}, [1]),
        ({"requested_by": "erin"}, [2]),
        ({"due": Due.IN_15_MINUTES}, [1, 2]),
        ({"due": Due.IN_AN_HOUR}, [1, 2, 4]),
        ({"due": Due.TODAY}, [1, 2, 4]),
        ({"text": "image"}, [1]),
        ({"text": "APPR-3"}, [3]),
        ({"text": "proj"}, []),
    ],
)
def test_filters(ask: dict[str, Any], numbers: list[int]) -> None:
    assert shown(VARIED, sort=SortBy.CREATED_AT, **ask) == numbers


@pytest.mark.parametrize(
    ("due", "until"),
    [
        (Due.IN_15_MINUTES, NOW + timedelta(minutes=15)),
        (Due.IN_AN_HOUR, NOW + timedelta(hours=1)),
        (Due.TODAY, NOW.replace(hour=0, minute=0) + timedelta(days=1)),  # midnight, UTC
    ],
)
def test_a_time_by_which_an_answer_is_due_ends_exactly_then(due: Due, until: datetime) -> None:
    tickets = [ticket(1, sla_due_at=until), ticket(2, sla_due_at=until + timedelta(microseconds=1))]
    assert shown(tickets, due=due) == [1]


def test_what_never_ends_is_sorted_behind_what_does_by_its_age() -> None:
    tickets = [ticket(1, scope(risk=Risk.LOW)), ticket(2, scope(risk=Risk.CRITICAL)), ticket(3, expires_at=NOW)]
    assert shown(tickets, sort=SortBy.EXPIRES_AT) == [3, 1, 2]


def test_no_page_is_longer_than_five_hundred() -> None:
    tickets = [ticket(n) for n in range(502)]
    assert len(shown(tickets, page_size=10_000)) == 500


def test_the_default_order_is_pending_risk_expiry_age() -> None:
    soon, late = NOW + timedelta(minutes=1), NOW + timedelta(days=1)
    tickets = [
        ticket(1, scope(risk=Risk.CRITICAL), **DONE),
        ticket(2, scope(risk=Risk.LOW), expires_at=soon),
        ticket(3, scope(risk=Risk.CRITICAL), expires_at=late),
        ticket(4, scope(risk=Risk.CRITICAL), expires_at=soon),
        ticket(6, scope(risk=Risk.CRITICAL)),
        ticket(5, scope(risk=Risk.CRITICAL)),
    ]
    assert shown(tickets) == [4, 3, 5, 6, 2, 1]
    assert shown(tickets[::-1]) == [4, 3, 5, 6, 2, 1]


def test_what_is_to_be_looked_at_first_stands_before_what_expires_sooner() -> None:
    soon = ticket(1, scope(risk=Risk.CRITICAL), expires_at=NOW + timedelta(minutes=1))
    assert shown([soon, ticket(2, scope(risk=Risk.LOW), first=True)]) == [2, 1]


@pytest.mark.parametrize(
    ("sort", "numbers"),
    [
        (SortBy.PRIORITY, [2, 1, 3]),
        (SortBy.EXPIRES_AT, [3, 1, 2]),
        (SortBy.SLA_DUE_AT, [1, 3, 2]),
        (SortBy.CREATED_AT, [1, 2, 3]),
    ],
)
def test_sorting(sort: SortBy, numbers: list[int]) -> None:
    hours = timedelta(hours=1)
    tickets = [
        ticket(1, scope(risk=Risk.MEDIUM), expires_at=NOW + 2 * hours, sla_due_at=NOW),
        ticket(2, scope(risk=Risk.CRITICAL), sla_due_at=NOW + 2 * hours),
        ticket(3, scope(risk=Risk.LOW), expires_at=NOW + hours, sla_due_at=NOW + hours),
    ]
    assert shown(tickets, sort=sort) == numbers
    assert shown(tickets, sort=sort, descending=True) == numbers[::-1]


def test_pages_count_from_one_and_know_the_total() -> None:
    tickets = [ticket(n) for n in range(1, 8)]
    page = inbox(tickets, viewer("admin"), Ask(view=View.ALL, page=2, page_size=3), NOW)
    assert [one.ticket for one in page.tickets] == ["dep-appr-4", "dep-appr-5", "dep-appr-6"]
    assert (page.total, page.page) == (7, 2)
    assert shown(tickets, page=3, page_size=3) == [7]
    assert shown(tickets, page=4, page_size=3) == []
    assert shown(tickets, page=0, page_size=0) == [1]


def test_stats_count_what_waits() -> None:
    minute = timedelta(minutes=1)
    tickets = [
        ticket(1, sla_due_at=NOW),
        ticket(2, sla_due_at=NOW - minute),
        ticket(3, expires_at=NOW),
        ticket(4, expires_at=NOW + minute),
        ticket(5, expires_at=NOW + 15 * minute),
        ticket(6, expires_at=NOW + 16 * minute),
        ticket(7, expires_at=NOW + minute, sla_due_at=NOW - minute, **DONE),
    ]
    assert inbox(tickets, viewer("admin"), Ask(view=View.MINE, text="none of them"), NOW).stats == Stats(6, 1, 2)


@given(st.lists(st.tuples(st.sampled_from([ALPHA, BETA, EVERYWHERE]), st.sampled_from(RISKS)), max_size=8))
def test_c14_pages_together_hold_every_visible_ticket_once(drawn: list[tuple[Scope, Risk]]) -> None:
    tickets = [ticket(n, scope(where, risk)) for n, (where, risk) in enumerate(drawn)]
    visible = [one for one in tickets if one.facts.scopes[0].scope == ALPHA]
    pages = [
        one.ticket
        for page in range(1, len(tickets) + 2)
        for one in inbox(tickets, viewer("bob"), Ask(view=View.ALL, page=page, page_size=2), NOW).tickets
    ]
    assert sorted(pages) == sorted(one.ticket for one in visible)
    assert inbox(tickets, viewer("bob"), Ask(), NOW).stats.pending == len(visible)
