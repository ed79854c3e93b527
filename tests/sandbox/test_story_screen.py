"""What the story prints: comments opened, lines as they are, and an end where something does not hold."""

import io
import itertools
from datetime import timedelta

import pytest
from rich.console import Console

from reconciler.app.clock import SystemClock
from reconciler.sandbox.story_screen import Broken, Check, Screen, unfolded

COMMENT = """<!-- reconciler:preview dep-appr-1 0fd6ef993bb8 -->
### Preview
<details>
<summary><code>release&#47;svc&#45;a</code>: 2 to update</summary>

```diff
- old
+ new
```

</details>
"""


class Waits(SystemClock):
    """Counts what is waited for and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[timedelta] = []

    def wait(self, duration: timedelta) -> bool:
        self.waited.append(duration)
        return False


@pytest.fixture
def screen() -> Screen:
    return Screen(Console(file=io.StringIO(), width=100, highlight=False), Waits(), timedelta(seconds=3))


def shown(screen: Screen) -> str:
    assert isinstance(screen.console.file, io.StringIO)
    return screen.console.file.getvalue()


def test_a_folded_part_is_shown_open_and_without_html() -> None:
    assert unfolded(COMMENT).split("\n\n")[0] == "### Preview\n**release/svc-a: 2 to update**"
    assert not set("<>&") & set(unfolded(COMMENT))


def test_a_comment_keeps_its_differences_and_no_line_ends_in_spaces(screen: Screen) -> None:
    screen.comment(COMMENT)
    lines = shown(screen).splitlines()
    assert {"- old", "+ new"} <= {line.strip() for line in lines}
    assert all(line == line.rstrip() for line in lines)
    assert "" not in [one + other for one, other in itertools.pairwise(lines)]


def test_what_others_said_is_no_markup(screen: Screen) -> None:
    screen.answers("[bold]not ours[/bold]")
    screen.types("admin", "git log [x]")
    assert "[bold]not ours[/bold]" in shown(screen)
    assert "git log [x]" in shown(screen)


def test_an_expectation_that_does_not_hold_ends_the_story_and_is_kept(screen: Screen) -> None:
    screen.begin(2, "a step")
    screen.expect("the sky is up", "up", holds=True)
    with pytest.raises(Broken, match="expected the sky is blue; seen: red"):
        screen.expect("the sky is blue", "red", holds=False)
    assert screen.checks == [Check(2, "the sky is up", "up", held=True), Check(2, "the sky is blue", "red", held=False)]


def test_readers_get_their_pause_between_steps_and_not_before_the_first(screen: Screen) -> None:
    for step in (1, 2, 3):
        screen.begin(step, "a step")
    assert isinstance(screen.clock, Waits)
    assert screen.clock.waited == [timedelta(seconds=3)] * 2
