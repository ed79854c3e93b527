"""What a Job that was run says of itself: functions over JSON."""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.kube.jobs import MOST_BYTES, TOO_LONG, _end_of, seen, stopping
from reconciler.kube.marks import Marks
from reconciler.kube.traffic import Turned

ENDED: dict[str, Any] = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too long"}
BEGUN, LATER, LAST = (f"2026-01-01T00:00:{second:02}Z" for second in (0, 7, 9))


def job(status: Any = None, **spec: Any) -> dict[str, Any]:
    return {"kind": "Job", "metadata": {"name": "down-1", "uid": "u"}, "spec": spec, "status": status}


# what its status says; whether it ended, whether it failed, how long it took and in which words
ENDS: dict[str, tuple[Any, tuple[bool, bool, timedelta | None, str]]] = {
    "nothing yet": (None, (False, False, None, "")),
    "it runs": ({"startTime": BEGUN, "active": 1}, (False, False, None, "")),
    "it rests": ({"conditions": [{"type": "Suspended", "status": "True"}]}, (False, False, None, "")),
    "not so": ({"conditions": [{**ENDED, "status": "False"}]}, (False, False, None, "")),
    "it failed": (
        {"startTime": BEGUN, "conditions": [{**ENDED, "lastTransitionTime": LAST}]},
        (True, True, timedelta(seconds=9), "DeadlineExceeded: too long"),
    ),
    "it is complete": (
        {"startTime": BEGUN, "completionTime": LATER, "conditions": [{"type": "Complete", "status": "True"}]},
        (True, False, timedelta(seconds=7), ""),
    ),
    "both are said": (
        {"conditions": [{"type": "Complete", "status": "True"}, {"type": "Failed", "status": "True", "reason": "x"}]},
        (True, True, None, "x"),
    ),
}


@pytest.mark.parametrize(("status", "said"), ENDS.values(), ids=ENDS)
def test_how_a_job_ended(status: Any, said: tuple[bool, bool, timedelta | None, str]) -> None:
    found = seen(job(status), Marks("test", "default"), "me", known=True)
    assert (found.ended, found.failed, found.took, found.words) == said


@pytest.mark.parametrize(
    ("spec", "over"),
    [
        ({}, False),
        ({"suspend": True}, False),
        ({"parallelism": 0}, False),
        ({"suspend": True, "parallelism": 1}, False),
        ({"suspend": True, "parallelism": 0}, True),
    ],
)
def test_a_job_is_stopped_for_good_where_it_rests_without_pods_to_run(spec: dict[str, Any], over: bool) -> None:  # noqa: FBT001
    assert seen(job(**spec), Marks("test", "default"), "me", known=True).stopped is over
    wanted = {"suspend": True, "parallelism": 0, "activeDeadlineSeconds": 1}
    assert stopping(job(**spec)) == (None if over else Turned(0, instead=wanted))


LONG = TOO_LONG.format(pod="it").encode()
CUTS: dict[str, tuple[bytes, bytes]] = {
    "short": (b"a\nb", b"a\nb"),
    "just short enough": (b"a\n" + b"b" * (MOST_BYTES - 2), b"a\n" + b"b" * (MOST_BYTES - 2)),
    "one too many": (b"a\n" + b"b" * (MOST_BYTES - 1), b"b" * (MOST_BYTES - 1)),
    "a line that just fits": (b"a\n" + b"b" * MOST_BYTES, b"b" * MOST_BYTES),
    "a line that does not": (b"a\n" + b"b" * (MOST_BYTES + 1), LONG),
    "nothing but half a line": (b"b" * MOST_BYTES + b"\n", LONG),
    "one line": (b"b" * (MOST_BYTES + 1), LONG),
}


@pytest.mark.parametrize(("data", "end"), CUTS.values(), ids=CUTS)
def test_the_end_of_a_log_is_whole_lines(data: bytes, end: bytes) -> None:
    """Half a line may be half a secret."""
    assert _end_of(data) == end
