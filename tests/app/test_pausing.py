"""How long a batch has still to wait: from the record of its batch, whatever the clock does."""

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.app.verifying import pause_left
from reconciler.plan.change import Action, ActionKind

RECORDED = datetime(2026, 1, 5, tzinfo=UTC)
PAUSE = Action(id="pause", kind=ActionKind.PAUSE, unit="release/web", target="cluster/prod", seconds=60)
APPLY = Action(id="apply", kind=ActionKind.APPLY_OBJECT, unit="release/web", target="cluster/prod")
DECADE = timedelta(days=3650)


@pytest.mark.parametrize(
    ("action", "since", "after", "left"),
    [
        (PAUSE, RECORDED, timedelta(), 60),
        (PAUSE, RECORDED, timedelta(seconds=20), 40),
        (PAUSE, RECORDED, timedelta(seconds=90), 0),
        (PAUSE, RECORDED, -DECADE, 60),  # the clock stepped back: no longer than what was asked
        (PAUSE, None, timedelta(), 60),
        (APPLY, RECORDED, timedelta(), 0),
        (APPLY, RECORDED, -DECADE, 0),
        (APPLY, None, timedelta(), 0),
    ],
)
def test_f30_a_batch_waits_for_what_is_left_of_its_pause_and_never_longer(
    action: Action, since: datetime | None, after: timedelta, left: int
) -> None:
    assert pause_left([action], since, RECORDED + after) == timedelta(seconds=left)
