"""A far side that says when to come back is asked no sooner (fault F11)."""

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.app.patience import LONGEST, Patience
from reconciler.app.proposals import Proposals
from reconciler.errors import Unavailable
from reconciler.git.mirror import Mirror
from reconciler.state.forge import PullRequest
from tests.story.conftest import stage
from tests.story.stage import RELEASE, Stage

__all__ = ["stage"]
SECOND = timedelta(seconds=1)


class Standing:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 5, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def wait(self, duration: timedelta) -> bool:
        self.at += duration
        return False


def left_alone(patience: Patience, what: str = "it") -> bool:
    try:
        patience.check(what)
    except Unavailable as error:
        return error.key == "rate_limited"
    return False


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (Unavailable("busy", key="rate_limited", retry_after=timedelta(seconds=3)), timedelta(seconds=3)),
        (Unavailable("busy", retry_after=timedelta(minutes=2)), timedelta(minutes=2)),
        (Unavailable("busy", key="rate_limited", retry_after=timedelta(days=2)), LONGEST),
        (Unavailable("gone"), timedelta()),
    ],
)
def test_f11_no_answer_puts_us_to_sleep_for_long(error: Unavailable, wait: timedelta) -> None:
    clock = Standing()
    patience = Patience(clock)
    patience.note("it", error)
    assert not left_alone(patience, "another")
    clock.at += wait - SECOND
    assert left_alone(patience) is bool(wait)
    clock.at += SECOND
    assert not left_alone(patience)


def test_a_clock_that_is_set_back_ends_a_wait() -> None:
    clock = Standing()
    patience = Patience(clock)
    patience.note("it", Unavailable("busy", key="rate_limited", retry_after=timedelta(minutes=5)))
    clock.at -= timedelta(days=1)
    assert not left_alone(patience)


def test_f11_who_asked_for_peace_is_left_alone_and_the_others_go_on(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy, other = stage.propose(tag="v2.0.1"), stage.propose({RELEASE: stage.release_text("v2.0.2")}, branch="other")
    look, asked = Proposals.look, list[int]()

    def counted(self: Proposals, pull: PullRequest, *args: object, **named: object) -> None:
        asked.append(pull.number)
        if pull.number == busy:
            raise Unavailable("reading reviews: slow down", key="rate_limited", retry_after=timedelta(minutes=2))
        look(self, pull, *args, **named)  # type: ignore[arg-type]

    loop = stage.world.opened.reconciler
    monkeypatch.setattr(Proposals, "look", counted)
    for _ in range(3):
        loop.look()
    assert (asked.count(busy), asked.count(other)) == (1, 3)
    assert any("rate_limited" in fault for fault in loop.faults)
    stage.clock.advance(timedelta(minutes=2))
    loop.look()
    assert asked.count(busy) == 2

    polled = list[int]()

    def away(_mirror: Mirror) -> None:
        polled.append(1)
        raise Unavailable("polling: HTTP 429", key="rate_limited", retry_after=timedelta(minutes=3))

    monkeypatch.setattr(Mirror, "sync", away)
    for advance in (0, 2, 1):
        stage.clock.advance(timedelta(minutes=advance))
        with pytest.raises(Unavailable):
            loop.look()
    assert len(polled) == 2
