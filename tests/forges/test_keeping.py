"""What is kept about open pull requests between looks, and when it is read anew."""

from datetime import UTC, datetime, timedelta

from reconciler.forges.keeping import LONGEST, SETTLED, Kept


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def wait(self, duration: timedelta) -> bool:
        self.time += duration
        return False


class Scene:
    """Pull request 7; `asked` counts how often the forge was asked."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.kept = Kept(self.clock)
        self.asked = 0

    def look(self, stamp: str = "a", *, after: timedelta = SETTLED) -> int:
        self.clock.wait(after)
        self.kept.listed({7: stamp})
        return self.read()

    def read(self, number: int = 7) -> int:
        def ask() -> int:
            self.asked += 1
            return self.asked

        return self.kept.get(number, "reviews", ask)


def test_nothing_is_kept_until_a_stamp_stood_for_a_while() -> None:
    scene = Scene()
    assert [scene.look(), scene.look(), scene.look(), scene.look()] == [1, 2, 2, 2]


def test_what_happens_in_the_second_of_the_stamp_is_not_missed() -> None:
    scene = Scene()
    scene.look()
    assert [scene.look(after=timedelta()), scene.look(after=timedelta())] == [2, 3]


def test_another_stamp_is_read_anew() -> None:
    scene = Scene()
    scene.look(), scene.look()
    assert [scene.look("b"), scene.look("b"), scene.look("b")] == [3, 4, 4]


def test_five_minutes_later_it_is_read_anew() -> None:
    scene = Scene()
    scene.look(), scene.look()
    assert scene.look(after=LONGEST - timedelta(seconds=1)) == 2
    assert scene.look() == 3


def test_a_clock_that_jumped_back_keeps_nothing() -> None:
    scene = Scene()
    scene.look(), scene.look()
    assert scene.look(after=-timedelta(hours=1)) == 3


def test_whoever_asks_for_one_pull_request_reads_everything_about_it_anew() -> None:
    scene = Scene()
    scene.look(), scene.look()
    scene.kept.forget(7)
    assert [scene.read(), scene.read()] == [3, 4]


def test_what_is_open_no_more_is_read_anew() -> None:
    scene = Scene()
    scene.look(), scene.look()
    scene.kept.listed({})
    assert [scene.read(), scene.read()] == [3, 4]


def test_one_is_not_the_other() -> None:
    scene = Scene()
    scene.look(), scene.look()
    assert scene.read(8) == 3
