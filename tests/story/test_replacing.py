"""What cannot be changed is deleted and created again only where its annotation allows it and the preview said so."""

from collections.abc import Sequence

import pytest

from reconciler.app.operations import BatchResult, Order
from reconciler.app.perform import Performer
from reconciler.plan.change import Action, ActionKind, Operation, Plan
from tests.story.stage import Stage

MANIFEST = "releases/svc-a/manifests/deployment.yaml"
PATH = "apis/apps/v1/namespaces/svc-a/deployments/svc-a"


def moved(stage: Stage, *, allowed: bool, tag: str = "v2.0.1") -> dict[str, str | None]:
    """The same Deployment with another selector, which no API server changes."""
    text = stage.world.example()[MANIFEST].replace("{app: svc-a}", "{app: svc-a, side: web}")
    if allowed:
        text = text.replace("metadata:\n", "metadata:\n  annotations: {opspilot.spec/replace: allowed}\n", 1)
    return {MANIFEST: text, "releases/svc-a/production.yaml": stage.release_text(tag)}


def production(stage: Stage, number: int) -> Plan:
    (found,) = [one for one in stage.plans(number).plans if "prod" in one.environment]
    return found


def test_without_the_annotation_the_plan_is_blocked_and_says_what_to_do(stage: Stage) -> None:
    (plan,) = [
        one for one in stage.plans(stage.propose(moved(stage, allowed=False))).plans if "prod" in one.environment
    ]
    assert any(
        "field is immutable" in check.message and "opspilot.spec/replace" in check.hint for check in plan.blocked
    )


def test_it_is_shown_as_deleted_and_created_again_and_done_so(stage: Stage) -> None:
    before = stage.world.sandbox("prod").look(PATH)
    number = stage.propose(moved(stage, allowed=True))
    plan = production(stage, number)
    assert not plan.blocked
    (change,) = [one for one in plan.changes if one.subject.startswith("Deployment")]
    assert (change.operation, change.restarts, change.known_after_apply) == (Operation.REPLACE, True, True)
    batches = [[one.kind for one in batch if one.object and one.object.kind == "Deployment"] for batch in plan.batches]
    assert [one for one in batches if one] == [[ActionKind.DELETE_OBJECT], [ActionKind.APPLY_OBJECT]]
    assert "delete and create again" in stage.world.opened.forge.comments(number)[0].body
    stage.approve(number)
    stage.merge(number)
    after = stage.world.sandbox("prod").look(PATH)
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["spec"]["selector"]["matchLabels"] == {"app": "svc-a", "side": "web"}
    assert stage.image() == "v2.0.1"


def test_a_failed_one_goes_back_the_same_way(stage: Stage) -> None:
    number = stage.propose(moved(stage, allowed=True, tag="v2.0.1-broken"))
    stage.approve(number)
    stage.merge(number)
    after = stage.world.sandbox("prod").look(PATH)
    assert after is not None
    assert after["spec"]["selector"]["matchLabels"] == {"app": "svc-a"}
    assert stage.image() == "v2.0.0"
    assert stage.ledger.units["release/svc-a"].outcome == "rolled_back"


@pytest.mark.parametrize("batches", [1, 2, 3])
def test_a_cluster_that_goes_away_in_between_ends_with_one_object(
    stage: Stage, batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = stage.propose(moved(stage, allowed=True))
    stage.approve(number)
    cluster = stage.world.sandbox("prod")
    left = batches
    apply = Performer.apply

    def then_away(performer: Performer, batch: Sequence[Action], order: Order) -> BatchResult:
        nonlocal left
        found = apply(performer, batch, order)
        left -= 1
        if left == 0:
            cluster.stop()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Performer, "apply", then_away)
        stage.merge(number)
    if left <= 0:
        cluster.start()
    stage.restart()
    stage.settle()
    after = cluster.look(PATH)
    assert after is not None
    assert after["spec"]["selector"]["matchLabels"] == {"app": "svc-a", "side": "web"}
    assert stage.ledger.units["release/svc-a"].outcome == "applied"
