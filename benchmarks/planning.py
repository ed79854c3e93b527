"""A plan of many changes and its comment: pure work, no target and no forge."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from benchmarks.measure import Result, Spread, interleaved
from reconciler.names import Revision
from reconciler.plan.change import Plan
from reconciler.plan.make import Side, make_plan, plan_set
from reconciler.report.preview import Context, Preview, render_preview
from reconciler.specs.cache import MemoryCache
from reconciler.specs.reader import Reader
from tests.plan.world import AT, FIRST, Files, ask, release, seen

OBJECTS = 10  # of each release
GOAL = 1000.0  # ms, of the second that a push may take


def planning(_folder: Path, changes: int, runs: int) -> Iterator[Result]:
    """The rows about planning and rendering."""
    before, after = _sides(changes)
    plans: list[Plan] = []
    previews: list[Preview] = []

    observed = seen(after, before)

    def make() -> None:
        plans[:] = [make_plan(ask(after, before, observed=observed))]

    def render() -> None:
        previews[:] = [render_preview(plan_set(tuple(plans)), _context())]

    costs = interleaved({"make": make, "render": render}, runs)
    yield Result(
        "plan.make",
        f"a plan with its digest from what was observed, {changes:,} changes",
        "ms CPU",
        Spread.of([cost.cpu * 1000 for cost in costs["make"]]),
        goal=GOAL,
        least=False,
        counts={"changes": len(plans[0].changes), "blocked": len(plans[0].blocked)},
    )
    yield Result(
        "plan.render",
        f"its comment, {changes:,} changes",
        "ms CPU",
        Spread.of([cost.cpu * 1000 for cost in costs["render"]]),
        goal=GOAL,
        least=False,
        counts={"characters": len(previews[0].body)},
    )


def _sides(changes: int) -> tuple[Side, Side]:
    releases = max(1, changes // OBJECTS)
    fixed = {path: text for path, text in FIRST.items() if path in {"env.yaml", "cluster.yaml"}}
    with Reader() as reader:
        sides = []
        for value in ("old", "new"):
            files = dict(fixed)
            for number in range(releases):
                name = f"web-{number}"
                files[f"{name}.yaml"] = release(name)
                for each in range(OBJECTS):
                    files[f"apps/{name}/{each}.yaml"] = _config(f"settings-{number}-{each}", value)
            sides.append(Files(files, reader, MemoryCache()).good)
    return sides[0], sides[1]


def _config(name: str, value: str) -> str:
    lines = "".join(f"  key-{number}: {value}-{number % 3}\n" for number in range(20))
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: web}}\ndata:\n{lines}"


def _context() -> Context:
    return Context(
        marker="<!-- bench -->",
        ticket="dep-appr-1",
        head=Revision("b" * 40),
        base="main",
        base_revision=Revision("a" * 40),
        command="reconciler pr approve 1",
        artifact="previews/dep-appr-1.json",
        valid_until=AT + timedelta(minutes=30),
        looked_at=AT,
    )
