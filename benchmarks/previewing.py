"""From a pushed branch and its pull request to the comment, on the embedded forge with two small clusters on loopback.

The clock starts when the pull request is open, as where a webhook says "look now", and stops when the comment is in the
forge. A push without a webhook waits for the next poll besides, on average half of `pollInterval`.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Cost, Result, Spread, cost
from tests.story.stage import RELEASE, Stage

GOAL = 1000.0  # ms


def previewing(folder: Path, previews: int) -> Iterator[Result]:
    """The row about previews."""
    stage = Stage.build(folder / "world")
    try:
        stage.accept_first()
        opened = stage.world.opened
        costs: list[Cost] = []
        idle: list[Cost] = []
        appends: list[int] = []
        for number in range(1, previews + 1):
            branch = f"change-{number}"
            text = stage.release_text(f"v2.1.{number}")
            stage.world.commit("a change", {RELEASE: text}, author="dev_user", branch=branch)
            pull = stage.desk("dev_user").person().open(branch, "main", "a change")
            before = len(opened.journal.events)
            costs.append(cost(opened.reconciler.look))
            appends.append(len(opened.journal.events) - before)
            assert any("Digest" in one.body for one in opened.forge.comments(pull))  # the preview is there
            stage.desk("dev_user").person().close(pull)
            stage.settle()
            idle.append(cost(opened.reconciler.look))
    finally:
        stage.world.close()
    yield Result(
        "preview.wall",
        "an open pull request to its comment and statuses (wall, p50)",
        "ms",
        Spread.of([one.wall * 1000 for one in costs]),
        goal=GOAL,
        least=False,
        counts={"audit events": appends[-1]},
    )
    yield Result("preview.cpu", "the same, processor time", "ms CPU", Spread.of([one.cpu * 1000 for one in costs]))
    yield Result("look.idle", "a look at rest, nothing moved", "ms CPU", Spread.of([one.cpu * 1000 for one in idle]))
