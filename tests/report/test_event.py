"""The event envelope: what the catalogue does not name cannot be made; what was written is read back the same."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler import catalogue
from reconciler.names import EventId
from reconciler.state.event import ActorType, Domain, Event, EventStatus, Severity, Source, event_id, from_json, time_of

NOW = datetime(2026, 3, 4, 5, 6, 7, 890000, tzinfo=UTC)
ID = event_id(NOW, counter=1, randomness=b"\0" * 8)
TIMES = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001  hypothesis wants naive bounds
    max_value=datetime(9999, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def event(**changed: Any) -> Event:
    fields: dict[str, Any] = {
        "event_id": ID,
        "domain": Domain.RELEASE,
        "action": "applied",
        "resource_type": "deployment_release",
        "resource_id": "svc-a",
        "actor_id": "reconciler",
        "actor_type": ActorType.SYSTEM,
        "source": Source.SYSTEM_SCHEDULER,
        "status": EventStatus.SUCCESS,
        "severity": Severity.INFO,
        "occurred_at": NOW,
        "environment_id": "env-k8s-prod",
    }
    return Event(**(fields | changed))


def test_the_enums_are_the_contract() -> None:
    contract = resources.files("reconciler.catalogue").joinpath("events.yaml").read_text(encoding="utf-8")
    envelope = yaml.safe_load(contract)["envelope"]
    for name, kind in {
        "domain": Domain,
        "actor_type": ActorType,
        "source": Source,
        "status": EventStatus,
        "severity": Severity,
    }.items():
        assert [item.value for item in kind] == envelope[name].split(" | ")
    assert set(json.loads(event().to_json())) == set(envelope)


def test_each_catalogued_action_can_be_told() -> None:
    for domain, actions in catalogue.event_actions().items():
        for action in actions:
            assert event(domain=Domain(domain), action=action).action == action


@pytest.mark.parametrize(
    "changed",
    [
        {"action": "deployed"},
        {"domain": Domain.APPROVAL},  # `applied` is an action of releases only
        {"domain": "release2"},
        {"domain": "release"},  # text where the enum is meant
        {"event_id": ""},
        {"event_id": EventId("../../" + "0" * 20)},
        {"resource_id": ""},
        {"resource_id": None},
        {"resource_type": "Deployment Release"},
        {"actor_id": ""},
        {"source": "cron"},
        {"environment_id": ""},
        {"project_id": 7},
        {"occurred_at": datetime(2026, 1, 1)},  # noqa: DTZ001  the missing zone is the point
        {"occurred_at": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=8)))},
        {"detail": {"error_key": "no_such_key"}},
        {"detail": {"error_key": None}},
        {"detail": {"at": NOW}},
        {"detail": {1: "a"}},
        {"detail": {"a": [float("nan")]}},
        {"detail": {"a": {"b": {"c": b"bytes"}}}},
        {"detail": ["a"]},
    ],
    ids=str,
)
def test_what_the_catalogue_does_not_allow_is_a_bug_at_once(changed: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        event(**changed)


def test_a_record_does_not_change_with_the_dict_it_was_made_of() -> None:
    detail = {"steps": ["a"]}
    made = event(detail=detail)
    detail["steps"].append("b")
    assert made.detail == {"steps": ["a"]}


@given(JSON, st.text(min_size=1), TIMES)
def test_what_is_written_is_read_back_the_same(value: Any, resource: str, at: datetime) -> None:
    before = event(resource_id=resource, occurred_at=at, detail={"x": value, "error_key": "ssh_unreachable"})
    text = before.to_json()
    assert from_json(text) == before
    assert from_json(text.encode("ascii")).to_json() == text


@given(st.text())
def test_t32_a_written_record_holds_no_control_character_but_its_newlines(value: str) -> None:
    text = event(detail={"x": "\x1b[31m\x7f\x9b\u2028\u202e" + value}).to_json()
    assert text.isascii()
    assert all(character.isprintable() or character == "\n" for character in text)


def changed_record(change: Callable[[dict[str, Any]], Any]) -> str:
    record = json.loads(event(detail={"a": 1}).to_json())
    change(record)
    return json.dumps(record)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "[" * 100_000,
        changed_record(lambda record: record.pop("actor_id")),
        changed_record(lambda record: record.update(extra=1)),
        changed_record(lambda record: record.update(action="made_up")),
        changed_record(lambda record: record.update(status="fine")),
        changed_record(lambda record: record.update(occurred_at="yesterday")),
        changed_record(lambda record: record.update(occurred_at=12)),
        changed_record(lambda record: record.update(occurred_at="2026-01-01T00:00:00+08:00")),
        changed_record(lambda record: record.update(event_id=["a"])),
        changed_record(lambda record: record.update(action={})),
        changed_record(lambda record: record.update(resource_type=4)),
        changed_record(lambda record: record.update(detail=None)),
        event().to_json().replace('"detail": {}', '"detail": ' + '{"a":' * 600 + "1" + "}" * 600),
        changed_record(lambda record: record.update(detail={"error_key": ["a"]})),
        changed_record(lambda record: record.update(detail={"a": float("nan")})),
        event().to_json().replace('"actor_id": "reconciler"', '"actor_id": "a", "actor_id": "b"'),
    ],
)
def test_a_record_that_is_not_ours_is_refused_as_a_value(text: str) -> None:
    with pytest.raises(ValueError):
        from_json(text)


def test_a_record_with_later_detail_and_without_optional_references_is_read() -> None:
    text = changed_record(lambda record: (record.pop("team_id"), record["detail"].update(new={"deep": [1]})))
    assert from_json(text).team_id is None
    assert from_json(text).detail["new"] == {"deep": [1]}


@given(TIMES, TIMES, st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8))
def test_ids_sort_by_time(first: datetime, second: datetime, one: bytes, other: bytes) -> None:
    early, late = sorted((first, second))
    before, after = event_id(early, counter=5, randomness=one), event_id(late, counter=6, randomness=other)
    assert before < after
    assert abs(time_of(before) - early) < timedelta(milliseconds=1)


def test_ids_of_one_millisecond_keep_the_order_of_the_counter_and_differ_by_chance() -> None:
    ids = [event_id(NOW, counter=n, randomness=bytes([255 - n] * 8)) for n in range(200)]
    assert ids == sorted(set(ids))
    assert event_id(NOW, counter=1, randomness=b"12345678") != event_id(NOW, counter=1, randomness=b"12345679")


@pytest.mark.parametrize(
    "text", ["", "0" * 25, "8" + "0" * 25, "0" * 25 + "u", "../" + "0" * 23, "0" * 26 + "\n", "7" + "Z" * 25]
)
def test_text_that_is_no_id_has_no_time(text: str) -> None:
    with pytest.raises(ValueError):
        time_of(EventId(text))
