"""The names of our marks stand on objects of clusters: another name would be read by nobody there."""

import pytest

from reconciler.kube import marks

NAMES = {
    marks.FIELD_MANAGER: "reconciler",
    marks.FORGET_MANAGER: "reconciler-forget",
    marks.HAND_OVER_MANAGER: "reconciler-hand-over",
    marks.BEFORE_ANYBODY: "before-first-apply",
    marks.PART_OF: "applyset.kubernetes.io/part-of",
    marks.APPLYSET_ID: "applyset.kubernetes.io/id",
    marks.APPLYSET_TOOLING: "applyset.kubernetes.io/tooling",
    marks.RELEASE: "opspilot.spec/release",
    marks.GENERATION: "opspilot.spec/generation",
    marks.EVENT: "opspilot.spec/event",
    marks.TURN: "opspilot.spec/turn",
    marks.STOPPED: "opspilot.spec/stopped",
    marks.STOPPED_OF: "opspilot.spec/stopped-number-of",
    marks.RUN: "opspilot.spec/run",
}


def test_a_mark_is_named_as_it_was() -> None:
    assert {found: said for found, said in NAMES.items() if found != said} == {}


@pytest.mark.parametrize(
    ("text", "pods"),
    [("0", 0), ("12", 12), ("9" * 9, 10**9 - 1), *((one, marks.UNREADABLE) for one in ("", "x", "-1", "²", "9" * 10))],
)
def test_a_mark_says_a_number_of_pods_or_nobody_can_tell(text: str, pods: int) -> None:
    assert marks.stopped_at({"metadata": {"annotations": {marks.STOPPED: text}}}) == pods


def test_what_has_no_mark_was_not_stopped() -> None:
    assert marks.stopped_at({"metadata": {"annotations": {}}}) is None
    assert marks.stopped_at({"metadata": {"annotations": None}}) is None
    assert marks.stopped_at({}) is None
