"""One timeline: the same rows for the same question, whichever door asks and however the events arrive (C-05)."""

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from reconciler.report.timeline import COLUMNS, Question, Row, timeline
from reconciler.state.event import ActorType, Domain, Event, EventStatus, Source, event_id

from .test_event import NOW, event
from .test_neutral import TEXT

TICKET = "dep-appr-42"


def at(minute: int, **changed: Any) -> Event:
    when = NOW + timedelta(minutes=minute)
    chance = random.Random(repr(sorted(changed.items()))).randbytes(8)  # another event of that minute has another id
    return event(event_id=event_id(when, counter=minute, randomness=chance), occurred_at=when, **changed)


def of_ticket(minute: int, action: str, **changed: Any) -> Event:
    fields: dict[str, Any] = {
        "domain": Domain.APPROVAL,
        "action": action,
        "resource_type": "approval_ticket",
        "resource_id": TICKET,
        "environment_id": None,
        "actor_id": "approver_user",
        "actor_type": ActorType.USER,
        "source": Source.APPROVAL_INBOX,
    }
    return at(minute, **(fields | changed))


RELEASE = {"approval_ticket": TICKET, "version": "v2.0.1"}
STORY = [
    at(0, action="previewed", detail=RELEASE, source=Source.AI_COMMAND_CENTER),
    of_ticket(1, "ticket_created"),
    at(2, action="pending_approval", detail=RELEASE),
    of_ticket(3, "ticket_assigned"),
    of_ticket(4, "ticket_approved", detail={"comment": "looks right"}),
    at(5, action="approved", detail=RELEASE),
    at(6, action="applying", detail=RELEASE, status=EventStatus.RUNNING),
    at(7, action="applied", detail=RELEASE | {"summary": "5 of 5 changes"}),
]
OTHERS = [
    at(3, resource_id="svc-b", detail={"approval_ticket": "dep-appr-43"}),
    of_ticket(4, "ticket_approved", resource_id="dep-appr-43"),
    at(8, resource_id="svc-c", detail={"approval_ticket": TICKET}, environment_id="env-two"),
    at(
        9,
        domain=Domain.CLUSTER,
        action="import_kubeconfig_succeeded",
        resource_type="cluster",
        resource_id="k8s-prod-external",
    ),
]


def actions(rows: tuple[Row, ...]) -> list[str]:
    return [row.action for row in rows]


def test_c01_a_release_shows_its_whole_way_with_its_ticket() -> None:
    rows = timeline([*OTHERS, *STORY], Question(release="svc-a"))
    assert actions(rows) == [
        "previewed",
        "created",
        "pending_approval",
        "assigned",
        "approved",
        "approved",
        "applying",
        "applied",
    ]
    assert {row.ticket for row in rows} == {TICKET}
    assert {row.release for row in rows} == {"svc-a", ""}


@pytest.mark.parametrize(
    "question",
    [Question(), Question(release="svc-a"), Question(ticket=42), Question(environment="env-k8s-prod")],
    ids=str,
)
def test_c05_the_rows_do_not_depend_on_the_order_or_on_who_asks(question: Question) -> None:
    events = [*STORY, *OTHERS]
    rows = timeline(events, question)
    shuffled = random.Random(7).sample(events, len(events))
    assert timeline([*shuffled, *STORY], question) == rows
    assert [row.event_id for row in rows] == sorted(row.event_id for row in rows)


def test_c07_a_ticket_reads_created_assigned_approved() -> None:
    rows = timeline([*OTHERS, *STORY], Question(ticket=TICKET))
    assert actions(tuple(row for row in rows if row.domain is Domain.APPROVAL)) == ["created", "assigned", "approved"]
    assert rows == timeline([*OTHERS, *STORY], Question(ticket=42))
    assert "svc-c" in {row.subject for row in rows}  # another release of the same ticket


def test_c09_an_environment_joins_the_import_of_its_cluster_and_the_releases_to_it() -> None:
    rows = timeline([*OTHERS, *STORY], Question(environment="env-k8s-prod"))
    assert "import_kubeconfig_succeeded" in actions(rows)
    assert "applied" in actions(rows)
    assert "svc-c" not in {row.subject for row in rows}


def test_two_conditions_both_hold() -> None:
    rows = timeline([*OTHERS, *STORY], Question(environment="env-two", release="svc-c"))
    assert {row.subject for row in rows} == {"svc-c", TICKET}
    assert timeline([*OTHERS, *STORY], Question(environment="env-two", release="svc-a")) == ()


def test_a_scope_of_a_ticket_names_its_release() -> None:
    created = of_ticket(1, "ticket_created", detail={"scope_type": "release", "scope_id": "svc-a"})
    assert [row.release for row in timeline([created], Question(release="svc-a"))] == ["svc-a"]


def test_a_row_reads_as() -> None:
    (row,) = timeline([STORY[-1]])
    assert dict(zip(COLUMNS, row.cells(), strict=True)) == {
        "time": "2026-03-04 05:13:07Z",
        "action": "applied",
        "actor": "reconciler",
        "source": "system_scheduler",
        "ticket": TICKET,
        "where": "env-k8s-prod svc-a",
        "text": "v2.0.1: 5 of 5 changes",
    }
    assert json.loads(json.dumps(row.to_json())) == {
        "event_id": STORY[-1].event_id,
        "time": "2026-03-04T05:13:07.890000Z",
        "domain": "release",
        "action": "applied",
        "subject": "svc-a",
        "actor": "reconciler",
        "source": "system_scheduler",
        "status": "success",
        "ticket": TICKET,
        "release": "svc-a",
        "environment": "env-k8s-prod",
        "text": "v2.0.1: 5 of 5 changes",
    }


@given(TEXT)
def test_t32_a_row_is_one_line_that_acts_on_no_terminal(text: str) -> None:
    fields = {"resource_id": f"x{text}", "actor_id": f"x{text}", "environment_id": f"x{text}"}
    (row,) = timeline([at(0, **fields, detail={"approval_ticket": text, "summary": text})])
    assert all(cell.isprintable() for cell in row.cells())
    assert row.to_json()["subject"] == f"x{text}"
