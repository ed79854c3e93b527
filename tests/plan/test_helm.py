"""A release of Helm: what is entered into Helm's own history, when nothing is, and what is never taken over."""

from typing import Any

import pytest

from reconciler.plan.change import Action, ActionKind, Operation
from reconciler.plan.helm import FIRST, LAST, HelmAsk, artifact_of, switches, with_entries
from reconciler.plan.part import Part, Step
from reconciler.specs.chart import Chart
from reconciler.state.observed import HelmRevision
from tests.plan.world import KEY

CHART = Chart({"name": "web", "version": "1.2.3"})
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"key": "hunter2"}}
ARTIFACT = artifact_of(CHART, [SECRET], KEY)
TO_DO = Part(
    steps=(Step(2, Action(id="x", kind=ActionKind.APPLY_OBJECT, unit="release/web", target="cluster/one")),), owned=3
)


def revision(
    status: str = "deployed", artifact: str = ARTIFACT, *, ours: bool = True, by_us: bool = True
) -> HelmRevision:
    return HelmRevision(3, status, ours=ours, by_us=by_us, artifact=artifact, generation=2)


def made(newest: HelmRevision | None, part: Part = TO_DO, **changed: Any) -> Part:
    asked: dict[str, Any] = {
        "unit": "release/web",
        "release": "web",
        "cluster": "one",
        "namespace": "shop",
        "chart": CHART,
        "objects": (SECRET,),
        "newest": newest,
        **changed,
    }
    return with_entries(HelmAsk(**asked), part, KEY)


def entries(part: Part) -> list[tuple[int, str, str, str]]:
    return [
        (step.phase, step.action.kind.value, step.action.pre, step.action.post)
        for step in part.steps
        if step.action.kind is not ActionKind.APPLY_OBJECT
    ]


@pytest.mark.parametrize(
    ("newest", "operation"), [(None, Operation.CREATE), (revision(artifact="old"), Operation.UPDATE)]
)
def test_its_objects_come_between_the_beginning_and_the_end_of_a_revision(
    newest: HelmRevision | None, operation: Operation
) -> None:
    found = made(newest)
    before = str(newest or "")
    assert entries(found) == [(FIRST, "helm_begin", before, ARTIFACT), (LAST, "helm_deployed", before, ARTIFACT)]
    assert FIRST < 0 < LAST
    (change,) = found.changes
    assert (change.operation, change.subject) == (operation, "Helm release shop/web")
    assert found.touched[0].state == {"newest": before}  # helm run by hand moves the digest


def test_nothing_to_do_and_said_so_by_helm_is_nothing_to_do() -> None:
    assert made(revision(), Part()) == Part()


@pytest.mark.parametrize(
    "newest", [None, revision("failed"), revision("pending-upgrade"), revision(artifact="old"), revision("superseded")]
)
def test_a_history_that_does_not_say_what_is_so_is_put_right(newest: HelmRevision | None) -> None:
    assert [kind for _, kind, _, _ in entries(made(newest, Part()))] == ["helm_begin", "helm_deployed"]


def test_a_release_of_somebody_else_is_never_taken_over() -> None:
    found = made(revision(ours=False, by_us=False))
    assert [check.key for check in found.checks] == ["owned_by_another"]
    assert found.steps == ()


def test_where_somebodys_helm_is_at_work_nothing_is_done() -> None:
    found = made(revision("pending-rollback", by_us=False))
    assert [check.key for check in found.checks] == ["resource_conflict"]
    assert found.steps == ()


@pytest.mark.parametrize(
    ("forget", "kind", "operation"),
    [(False, "helm_uninstall", Operation.DELETE), (True, "helm_forget", Operation.FORGET)],
)
def test_g28_what_is_removed_leaves_helm_last(*, forget: bool, kind: str, operation: Operation) -> None:
    found = made(revision(), chart=None, objects=(), forget=forget)
    assert entries(found) == [(LAST, kind, "3 deployed", "")]
    assert [change.operation for change in found.changes] == [operation]
    assert found.owned == 4


@pytest.mark.parametrize("newest", [None, revision(ours=False, by_us=False)])
def test_g28_what_was_never_ours_is_not_removed(newest: HelmRevision | None) -> None:
    assert made(newest, Part(), chart=None, objects=()) == Part()


def test_g9_the_name_of_the_content_follows_it_and_hides_it() -> None:
    other = {**SECRET, "stringData": {"key": "hunter3"}}
    assert artifact_of(CHART, [other], KEY) != ARTIFACT
    assert artifact_of(Chart({"name": "web", "version": "1.2.4"}), [SECRET], KEY) != ARTIFACT
    assert artifact_of(CHART, [SECRET], b"another key") != ARTIFACT  # so nobody guesses a short secret
    assert artifact_of(CHART, [dict(reversed(SECRET.items()))], KEY) == ARTIFACT


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        (("manifests", "a"), ("helm", "a"), True),
        (("helm", "a"), ("kustomize", "a"), True),
        (("helm", "a"), ("helm", "b"), True),
        (("helm", "a"), ("helm", "a"), False),
        (("manifests", "a"), ("kustomize", "b"), False),
    ],
)
def test_a_release_does_not_go_into_helm_or_out_of_it_in_one_step(
    *, old: tuple[str, str], new: tuple[str, str], refused: bool
) -> None:
    found = switches("release/web", "web", old, new)
    assert [check.key for check in found] == ["release_state_invalid"] * refused
