"""What a chart makes for its first Job stands before that Job; but for what lies in a namespace of the same plan."""

import pytest

from reconciler.names import ObjectRef
from reconciler.plan.change import Action, ActionKind, Change, Operation
from reconciler.plan.jobs import BEFORE, made_first, reference
from reconciler.plan.part import Part, Step

ACCOUNT = ObjectRef("", "v1", "ServiceAccount", "web", "migrating")


def phase_of(kind: ActionKind, created: str) -> int:
    run = Action(id="run", kind=kind, unit="release/web", target="cluster/prod")
    apply = Action(
        id="apply", kind=ActionKind.APPLY_OBJECT, unit="release/web", target="cluster/prod", object=reference(ACCOUNT)
    )
    made = Change(unit="release/web", operation=Operation.CREATE, subject=created, where="cluster prod")
    part = made_first(Part(changes=(made,), steps=(Step(BEFORE, run), Step(1, apply))), frozenset({ACCOUNT}))
    return next(step.phase for step in part.steps if step.action.id == "apply")


@pytest.mark.parametrize(
    ("kind", "created", "first"),
    [
        (ActionKind.RUN_JOB, "ServiceAccount web/migrating", True),
        (ActionKind.RUN_JOB, "Namespace web", False),
        (ActionKind.HELM_BEGIN, "ServiceAccount web/migrating", False),
    ],
)
def test_it_is_made_before_the_first_job_where_there_is_one(kind: ActionKind, created: str, first: bool) -> None:  # noqa: FBT001
    assert (phase_of(kind, created) < BEFORE) is first
