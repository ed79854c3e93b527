"""What a preview says of healing, what its digest covers of that, and what a plan that heals takes back (G22)."""

from dataclasses import replace
from typing import Any

from reconciler.names import UnitKind, UnitRef
from reconciler.plan.change import Plan
from reconciler.plan.healing import TURNED_ON, WORDS
from reconciler.state.observed import ObservedObject
from tests.plan.world import WEB, Files, environment, keys, plan, release

HEAL = environment("dev", more=", drift: heal")
LATER = ("apps/web/deployment.yaml", "web:v1", "web:v2")
SETTINGS = "ConfigMap web/settings"


def said(made: Plan) -> list[str]:
    return [check.message for check in made.checks if WORDS in check.message or TURNED_ON in check.message]


def test_g22_the_preview_of_a_release_says_that_drift_is_put_right_and_its_digest_covers_that(files: Files) -> None:
    reporting, healing = files, files.but({"env.yaml": HEAL})
    one = plan(reporting.edited(*LATER).good, reporting.good)
    other = plan(healing.edited(*LATER).good, healing.good)
    assert (said(one), said(other)) == ([], [f"release/web: {WORDS}"])
    assert ([unit.heals for unit in one.units], [unit.heals for unit in other.units]) == ([False], [True])
    assert one.artifact == other.artifact
    assert one.digest != other.digest  # nobody approves it by approving the same change without it


def test_g22_a_release_that_is_not_applied_promises_nothing(files: Files) -> None:
    healing = files.but({"env.yaml": HEAL})
    made = plan(healing.but({"web.yaml": release("web", more=", suspend: true")}).good, healing.good)
    assert [(unit.unit, unit.heals) for unit in made.units] == [("release/web", False)]
    assert said(made) == []


def test_g22_turning_it_on_says_from_when_it_holds_and_turning_it_off_says_nothing(files: Files) -> None:
    healing = files.but({"env.yaml": HEAL})
    ref = UnitRef(UnitKind.ENVIRONMENT, "dev")
    on = plan(healing.good, files.good)
    assert (on.unit_refs, said(on), keys(on)) == ((ref,), [f"environment/dev: {TURNED_ON}"], [])
    assert said(plan(files.good, healing.good)) == []
    with_more = plan(files.but({"env.yaml": environment("dev", "staging", ", drift: heal")}).good, healing.good)
    assert said(with_more) == []


def changed(item: ObservedObject, *conflicts: str) -> ObservedObject:
    return replace(item, live={**item.live, "data": {"a": "2"}}, conflicts=conflicts)


def test_g22_a_plan_that_heals_takes_back_from_whom_it_names_and_any_other_is_stopped(files: Files) -> None:
    side = files.good
    edit: Any = {SETTINGS: lambda item: changed(item, "kubectl-edit: data.a", "other: data.b")}
    stopped = plan(side, side, units=(WEB,), edit=edit)
    assert keys(stopped) == ["resource_conflict", "resource_conflict"]
    healing = plan(side, side, units=(WEB,), edit=edit, healing=True)
    assert keys(healing) == []
    ((action,),) = healing.batches
    assert action.takes == ("kubectl-edit", "other")
    assert [touch.state["from"] for touch in healing.touched if "from" in touch.state] == [
        ["kubectl-edit: data.a", "other: data.b"]
    ]
    free = plan(side, side, units=(WEB,), edit={SETTINGS: changed}, healing=True)
    assert [action.takes for batch in free.batches for action in batch] == [()]
