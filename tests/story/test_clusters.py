"""What a cluster lacks is known in the preview, before anybody approves, and at the command line."""

from reconciler.plan.change import Severity
from reconciler.sandbox.cluster import EVERYTHING
from tests.story.stage import Stage

READ_ONLY = {**EVERYTHING, "verbs": ["get", "list"]}


def test_a_right_that_is_missing_blocks_the_preview_and_is_no_surprise_later(stage: Stage) -> None:
    stage.world.sandbox("prod").rules = [
        READ_ONLY,
        {**EVERYTHING, "resources": ["configmaps"]},
        {"verbs": ["create", "delete"], "apiGroups": ["apps"], "resources": ["deployments"]},
    ]
    number = stage.propose()
    blocked = [check for plan in stage.plans(number).plans for check in plan.blocked]
    assert [(check.key, check.message) for check in blocked] == [
        (
            "cluster_permission_insufficient",
            "on cluster k8s-prod-external the credential may not patch deployments.apps in svc-a",
        )
    ]
    assert stage.statuses(stage.pull(number).head)["reconciler/preview"][0] == "failure"
    effects = stage.effects()
    stage.approve(number)
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] != "success"
    stage.force_merge(number)
    assert stage.effects() == effects
    assert stage.image() == "v2.0.0"


def test_a_right_that_this_plan_does_not_need_is_a_warning(stage: Stage) -> None:
    stage.world.sandbox("prod").rules = [{**EVERYTHING, "verbs": ["get", "list", "create", "patch", "update"]}]
    number = stage.propose()
    checks = [check for plan in stage.plans(number).plans for check in plan.checks]
    rights = {check.severity for check in checks if check.key == "cluster_permission_insufficient"}
    assert rights == {Severity.WARNING}
    assert not any(check.severity is Severity.ERROR for check in checks)
    assert any("may not delete deployments.apps in svc-a" in check.message for check in checks)
    stage.approve(number)
    stage.merge(number)
    assert stage.image() == "v2.0.1"
