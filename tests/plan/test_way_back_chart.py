"""A way back by steps of a chart: what is entered into Helm's own history, and when."""

from collections.abc import Mapping
from typing import Any

from reconciler.plan.change import Action, ActionKind, Reference
from reconciler.plan.helm import FIRST, LAST
from reconciler.plan.jobs import JobAsk
from reconciler.plan.part import Part, Step
from reconciler.plan.strategies import SPREAD
from reconciler.plan.units import ref_of
from reconciler.plan.way_back import walked
from tests.plan.test_way_back import ALL, left_by, looked, stepped
from tests.plan.world import KEY, Files


def entered(kind: ActionKind, phase: int) -> Step:
    where = Reference(group="", version="v1", kind="Secret", namespace="web", name="sh.helm.release.v1.web")
    return Step(SPREAD * phase, Action(id=str(kind), kind=kind, unit="release/web", target="cluster/one", object=where))


def walk(files: Files, done: frozenset[int] = frozenset()) -> list[tuple[int, str]]:
    """Step and kind of every action, in order."""
    new = stepped(files, *ALL)
    objects: Mapping[Any, Any] = {ref_of(body): body for body in files.good.desired.sources["web"].objects}
    web = next(ref for ref in objects if ref.kind == "Deployment")
    of = Reference(group=web.group, version=web.version, kind=web.kind, namespace=web.namespace, name=web.name)
    applied = Action(id="x", kind=ActionKind.APPLY_OBJECT, unit="release/web", target="cluster/one", object=of)
    begins, ends = entered(ActionKind.HELM_BEGIN, FIRST), entered(ActionKind.HELM_DEPLOYED, LAST)
    observed = looked(files.good, new.side).clusters["one"].releases["web"]
    ask = JobAsk("release/web", "web", "one", observed, KEY)
    part = walked(Part(steps=(begins, Step(2 * SPREAD, applied), ends)), ask, left_by(new, done), objects)
    return [(one.action.step, str(one.action.kind)) for one in sorted(part.steps, key=lambda one: one.phase)]


def test_helm_knows_it_before_the_first_step_and_after_the_last_and_neither_is_one(files: Files) -> None:
    assert walk(files) == [
        (0, "helm_begin"),
        (1, "stop_traffic"),
        (2, "run_job"),
        (3, "apply_object"),
        (4, "restore_traffic"),
        (5, "ask"),
        (5, "ask"),
        (0, "helm_deployed"),
    ]


def test_what_helm_was_not_told_is_told_when_every_step_is_done(files: Files) -> None:
    assert walk(files, frozenset({1, 2, 3, 4, 5})) == [(0, "helm_begin"), (0, "helm_deployed")]
