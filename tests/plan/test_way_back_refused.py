"""What nobody may approve around ways back by steps: it would end in traffic that rests stopped, or not end at all."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.plan.change import Plan
from reconciler.state.observed import ObservedObject
from tests.plan.test_way_back import HOURLY
from tests.plan.world import DEPLOYMENT, Edit, Files, plan, release, seen

WORKLOAD, CRON = "Deployment.apps web/web", "CronJob.batch web/hourly"


def stopped_at(mark: int | None, **spec: Any) -> Edit:
    """A way back left it so: this mark, and this number of pods."""

    def edit(item: ObservedObject) -> ObservedObject:
        return replace(item, stopped=mark, live={**item.live, "spec": {**item.live["spec"], **spec}})

    return edit


def blocked(made: Plan, words: str) -> list[str]:
    return [check.message for check in made.blocked if words in check.message]


# how it stands, and whether letting go of it is refused
LET_GO: dict[str, tuple[str, Edit, bool]] = {
    "without pods": (WORKLOAD, stopped_at(2, replicas=0), True),
    "without pods, and nobody can tell how many": (WORKLOAD, stopped_at(-1, replicas=0), True),
    "it had none": (WORKLOAD, stopped_at(0, replicas=0), False),
    "somebody gave it pods": (WORKLOAD, stopped_at(2, replicas=5), False),
    "somebody gave it one pod": (WORKLOAD, stopped_at(2, replicas=1), False),
    "never stopped": (WORKLOAD, stopped_at(None, replicas=0), False),
    "a CronJob that was suspended": (CRON, stopped_at(1, suspend=True), True),
    "a CronJob that goes on": (CRON, stopped_at(1, suspend=False), False),
}


@pytest.mark.parametrize("removed", [True, False], ids=["with its release", "by its mark"])
@pytest.mark.parametrize(("name", "edit", "refused"), LET_GO.values(), ids=LET_GO)
def test_g23_what_is_stopped_is_not_let_go_of_without_its_pods(
    files: Files,
    name: str,
    edit: Edit,
    refused: bool,  # noqa: FBT001
    removed: bool,  # noqa: FBT001
) -> None:
    old = files.but({"apps/web/hourly.yaml": HOURLY})
    if removed:
        old = old.but({"web.yaml": release("web", more=", onRemoval: forget")})
        new = old.but({"web.yaml": None})
    else:
        kept = ("{name: web, labels", "{name: web, annotations: {opspilot.spec/prune: disabled}, labels")
        hourly = HOURLY.replace("name: hourly", "name: hourly, annotations: {opspilot.spec/prune: disabled}")
        old = old.but({"apps/web/deployment.yaml": DEPLOYMENT.replace(*kept), "apps/web/hourly.yaml": hourly})
        new = old.but({"apps/web/deployment.yaml": None, "apps/web/hourly.yaml": None})
    made = plan(new.side, old.good, observed=seen(new.side, old.good, edit={name: edit}))
    message = f"letting go of {name}: a way back stopped its traffic, and it would be left without pods"
    assert blocked(made, "letting go") == ([message] if refused else [])
