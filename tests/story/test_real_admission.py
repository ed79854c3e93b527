"""Admission webhooks of a real kube-apiserver: what they refuse, change or never answer, as people and Git see it.

The webhook is a real HTTPS server that the API server asks about every Deployment of svc-a's namespace, dry run or not.
"""

from typing import Any

import pytest

from tests.servers.webhook import ALLOWED, Asked, Verdict, Webhook
from tests.story.real_targets import RealCluster
from tests.story.real_webhooks import MUTATING, NAME, VALIDATING, Registered
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
from tests.story.test_comment_commands import say

pytestmark = pytest.mark.real

APPLY = "reconciler/apply: env-k8s-prod"
HEALTH = "reconciler/health: env-k8s-prod"
CONFIG = "releases/svc-a/manifests/configmap.yaml"
IMAGE = "/spec/template/spec/containers/0/image"
MIRROR = "mirror.example.invalid/svc-a:v2.0.1"


def tag_of(asked: Asked) -> str:
    return str(asked["object"]["spec"]["template"]["spec"]["containers"][0]["image"]).rpartition(":")[2]


def blocked(stage: Stage, number: int) -> list[tuple[str, str]]:
    return [(check.key, check.message) for check in stage.plans(number).plans[0].blocked]


@VALIDATING
def test_a_webhook_that_denies_blocks_the_preview_in_its_own_words_and_a_late_one_fails_the_apply(
    registered: Registered,
    real_stage: Stage,
) -> None:
    registered.judge(lambda asked: Verdict("no v2.0.1 on a Friday" if tag_of(asked) == "v2.0.1" else ""))
    number = real_stage.propose()
    [(key, words)] = blocked(real_stage, number)
    assert key == "release_apply_failed"
    assert f"admission {NAME}.example.com denied it: " in words
    assert "no v2.0.1 on a Friday" in words

    registered.judge(lambda _asked: ALLOWED)
    say(real_stage, number, "/reconciler preview")
    assert blocked(real_stage, number) == []
    real_stage.approve(number)
    registered.judge(lambda asked: Verdict("no v2.0.1 for real" if not asked["dryRun"] else ""))
    merged = real_stage.merge(number)
    state, told = real_stage.statuses(merged)[APPLY]
    assert state in {"failure", "error"}, told
    words = {row.action: row.text for row in real_stage.rows(ticket=number, release="svc-a")}["failed"]
    assert "no v2.0.1 for real" in words
    assert "applied" not in real_stage.actions(ticket=number)
    assert real_stage.image() == "v2.0.0"


@VALIDATING
def test_a_webhook_that_does_not_answer_is_waited_for(
    registered: Registered,
    webhook: Webhook,
    real_stage: Stage,
) -> None:
    number = real_stage.propose()
    real_stage.approve(number)
    webhook.be_silent()
    merged = real_stage.merge(number)
    state, words = real_stage.statuses(merged)[APPLY]
    assert state == "pending", words
    assert real_stage.image() == "v2.0.0"
    other = real_stage.propose({RELEASE: real_stage.release_text("v2.0.2")}, branch="meanwhile")
    [(_, told)] = blocked(real_stage, other)
    assert f'failed calling webhook "{NAME}.example.com"' in told
    assert "context deadline exceeded" in told
    assert "see that the webhook answers" in told
    webhook.answer_again()
    real_stage.settle()
    assert real_stage.statuses(merged)[APPLY][0] == "success"
    assert real_stage.image() == "v2.0.1"
    assert real_stage.actions(ticket=number).count("applied") == 1


@MUTATING
def test_what_a_webhook_changes_is_what_the_preview_shows_and_is_no_drift(
    registered: Registered,
    real_stage: Stage,
    cluster: RealCluster,
) -> None:
    sidecar = {"name": "proxy", "image": "mesh.example.invalid/proxy:1"}

    def mutate(asked: Asked) -> Verdict:
        containers = asked["object"]["spec"]["template"]["spec"]["containers"]
        patch: list[dict[str, Any]] = [{"op": "replace", "path": IMAGE, "value": MIRROR}]
        if len(containers) == 1:
            patch.append({"op": "add", "path": "/spec/template/spec/containers/-", "value": sidecar})
        labels = asked["object"]["metadata"].get("labels", {})
        if "mesh" not in labels:
            patch.append({"op": "add", "path": "/metadata/labels/mesh", "value": "in"})
        return Verdict(patch=patch)

    registered.judge(mutate)
    number = real_stage.propose()
    [plan] = real_stage.plans(number).plans
    [change] = [one for one in plan.changes if "Deployment" in one.subject]
    [field] = change.fields
    assert (field.path, field.after) == ("spec.template.spec.containers[name=svc-a].image", MIRROR)
    real_stage.approve(number)
    merged = real_stage.merge(number)
    assert real_stage.statuses(merged)[APPLY][0] == "success"
    found = cluster.look(DEPLOYMENT)
    assert found is not None
    containers = found["spec"]["template"]["spec"]["containers"]
    assert [one["image"] for one in containers] == [MIRROR, sidecar["image"]]
    real_stage.world.opened.reconciler.look_for_drift()
    real_stage.settle()
    assert real_stage.statuses(merged)[HEALTH][0] == "success"
    next_one = real_stage.propose({CONFIG: real_stage.world.example()[CONFIG] + "  more: 'yes'\n"}, branch="config")
    [plan] = real_stage.plans(next_one).plans
    assert [one.subject for one in plan.changes] == ["ConfigMap svc-a/svc-a"]
    real_stage.approve(next_one)
    real_stage.merge(next_one)
    after = cluster.look(DEPLOYMENT)
    assert after is not None
    assert after["metadata"]["generation"] == found["metadata"]["generation"]


@MUTATING
def test_a_webhook_that_changes_only_what_is_meant_is_found_out(
    registered: Registered,
    real_stage: Stage,
    cluster: RealCluster,
) -> None:
    def mutate(asked: Asked) -> Verdict:
        return ALLOWED if asked["dryRun"] else Verdict(patch=[{"op": "replace", "path": IMAGE, "value": MIRROR}])

    registered.judge(mutate)
    number = real_stage.propose()
    real_stage.approve(number)
    merged = real_stage.merge(number)
    real_stage.world.opened.reconciler.look_for_drift()
    real_stage.settle()
    state, words = real_stage.statuses(merged)[HEALTH]
    assert (state, words.startswith("drift: releases 1, objects 1")) == ("failure", True)
    found = cluster.look(DEPLOYMENT)
    assert found is not None
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == MIRROR  # told, and not fought over
