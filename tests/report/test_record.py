"""Events as audit commits: readable, searchable, and not to be forged by any name in them."""

import subprocess
from typing import Any

import pytest
from hypothesis import given

from reconciler.names import EventId
from reconciler.report.record import SUBJECT, commit_of, event_of, path_of, release_of
from reconciler.state.event import ActorType, Domain, Event, Source, event_id

from .test_event import ID, NOW, event
from .test_neutral import TEXT

TRAILERS = ("Action", "Actor", "Release-Id", "Approval-Ticket", "Preview-Ref", "Source")


def numbered(counter: int, **changed: Any) -> Event:
    return event(event_id=event_id(NOW, counter=counter, randomness=b"\0" * 8), **changed)


APPLIED = event(
    detail={
        "version": "v2.0.1",
        "approval_ticket": "dep-appr-42",
        "preview_ref": "3fa2b1c09d77",
        "summary": "5 of 5 changes",
    }
)


def test_an_event_reads_as() -> None:
    assert commit_of([APPLIED]).message == (
        "release svc-a: applied v2.0.1 to env-k8s-prod\n"
        "\n"
        "> 5 of 5 changes\n"
        "\n"
        "[skip ci]\n"
        "\n"
        "Action: release/applied\n"
        "Actor: reconciler\n"
        "Release-Id: svc-a\n"
        "Approval-Ticket: dep-appr-42\n"
        "Preview-Ref: 3fa2b1c09d77\n"
        "Source: system_scheduler\n"
    )


def test_a_ticket_reads_as() -> None:
    approved = event(
        domain=Domain.APPROVAL,
        action="ticket_approved",
        resource_type="approval_ticket",
        resource_id="dep-appr-42",
        environment_id=None,
        actor_id="approver_user",
        actor_type=ActorType.USER,
        source=Source.APPROVAL_INBOX,
    )
    message = commit_of([approved]).message
    assert message.startswith("approval dep-appr-42: approved\n\n[skip ci]\n\nAction: approval/ticket_approved\n")
    assert "Approval-Ticket: dep-appr-42\n" in message
    assert "Release-Id" not in message


def test_a_failure_names_its_key() -> None:
    failed = event(action="failed", detail={"error_key": "release_apply_failed", "summary": "web: 0 of 2 ready"})
    message = commit_of([failed]).message
    assert message.startswith("release svc-a: failed in env-k8s-prod\n\n> release_apply_failed: web: 0 of 2 ready\n")


def test_a_batch_is_one_commit_with_every_value_once() -> None:
    commit = commit_of([numbered(1), numbered(2, resource_id="svc-b"), numbered(3)])
    assert commit.message.startswith("release svc-a: applied to env-k8s-prod (+2 more)\n")
    assert commit.message.count("Release-Id: ") == 2
    assert commit.message.count("Actor: ") == 1
    assert [event_of(path, text).resource_id for path, text in commit.files.items()] == ["svc-a", "svc-b", "svc-a"]


@pytest.mark.parametrize("events", [[], [event(), event()]])
def test_nothing_and_the_same_event_twice_are_no_commit(events: list[Event]) -> None:
    with pytest.raises(AssertionError):
        commit_of(events)


@given(TEXT)
def test_t32_t40_no_text_writes_a_line_a_trailer_or_a_call(text: str) -> None:
    detail = dict.fromkeys(("version", "approval_ticket", "preview_ref", "summary", "release_id"), f"x{text}")
    commit = commit_of([event(resource_id=f"x{text}", actor_id=f"x{text}", environment_id=f"x{text}", detail=detail)])
    subject, blank, said, _, skip, _, *trailers, end = commit.message.split("\n")
    assert len(subject) <= SUBJECT
    assert subject.startswith("release ")
    assert (blank, skip, end) == ("", "[skip ci]", "")
    assert said.startswith("> ")
    assert [line.split(": ")[0] for line in trailers] == list(TRAILERS)
    assert all(line.isprintable() for line in commit.message.split("\n"))
    assert not set("@#!") & set(commit.message)


@given(TEXT)
def test_what_is_recorded_is_read_back(text: str) -> None:
    before = event(resource_id=f"x{text}", detail={"summary": text, "entry": {"type": "finished", "text": [text]}})
    ((path, record),) = commit_of([before]).files.items()
    assert event_of(path, record) == before


def test_git_itself_reads_exactly_our_trailers() -> None:
    nasty = event(
        resource_id="x\n\nAction: release/approved", detail={"summary": "Actor: admin", "preview_ref": "a\n b"}
    )
    read = subprocess.run(
        ["git", "interpret-trailers", "--parse"],
        input=commit_of([nasty]).message,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert read.splitlines() == [
        "Action: release/applied",
        "Actor: reconciler",
        r"Release-Id: x\u{a}\u{a}Action: release/applied".replace("applied", "approved"),
        r"Preview-Ref: a\u{a} b",
        "Source: system_scheduler",
    ]


def test_a_record_lies_by_day_and_the_path_follows_from_the_id() -> None:
    assert path_of(ID) == f"events/2026/03/04/{ID}.json"


@pytest.mark.parametrize(
    "path",
    [
        "",
        f"events/2026/03/05/{ID}.json",
        f"events/2026/03/04/{event_id(NOW, counter=9, randomness=bytes(8))}.json",
        f"events/2026/03/04/../04/{ID}.json",
        f"other/2026/03/04/{ID}.json",
        f"events/2026/03/04/{ID}.json\n",
        "events/9999/12/31/7ZZZZZZZZZZZZZZZZZZZZZZZZZ.json",
    ],
)
def test_t40_a_record_at_another_place_is_none(path: str) -> None:
    with pytest.raises(ValueError):
        event_of(path, event().to_json())


def test_t40_an_id_beyond_all_time_is_no_record() -> None:
    late = event().to_json().replace(ID, "7" + "Z" * 25)
    with pytest.raises(ValueError):
        event_of("events/9999/12/31/7" + "Z" * 25 + ".json", late)
    with pytest.raises(ValueError):
        path_of(EventId("7" + "Z" * 25))


@pytest.mark.parametrize(
    ("resource_type", "identity", "subject"),
    [
        ("plan", "env-k8s-prod", "plan env-k8s-prod: applying\n"),
        ("commit", "8738c2c90404798bacc5c44b9c2f99015cef214e", "commit 8738c2c90404: applying to env-k8s-prod\n"),
    ],
)
def test_what_is_no_release_is_called_what_it_is_and_has_no_release_id(
    resource_type: str, identity: str, subject: str
) -> None:
    told = event(action="applying", resource_type=resource_type, resource_id=identity, detail={})
    message = commit_of([told]).message
    assert message.startswith(subject)
    assert "Release-Id" not in message
    assert release_of(told) == ""
