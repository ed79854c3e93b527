"""An older plan never lands after a newer one, a return deletes no data, and who counts (G8, G11, G14, G21)."""

from datetime import timedelta

from reconciler.approval.decision import Verb
from reconciler.names import Revision
from tests.story.stage import RELEASE, Stage

SETTINGS = "policy/settings.yaml"
STAGING = "releases/svc-a/staging.yaml"
CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
"""


def staging(stage: Stage, tag: str) -> str:
    return stage.world.example()[STAGING].replace("v2.0.0", tag)


def ticket_of(pushed: Revision) -> str:
    return f"dep-appr-{pushed[:12]}"


def approve_held(stage: Stage, pushed: Revision, login: str = "approver_user") -> None:
    stage.desk(login).decide(stage.ledger.previews[ticket_of(pushed)], Verb.APPROVE, reason="looked at it")
    stage.settle()


def test_g21_a_return_never_deletes_data(stage: Stage) -> None:
    files = {RELEASE: stage.release_text("v2.0.1-broken"), "releases/svc-a/manifests/claim.yaml": CLAIM}
    number = stage.propose(files, branch="claim")
    stage.approve(number)
    merged = stage.merge(number)
    assert stage.world.clusters["prod"].look("api/v1/namespaces/svc-a/persistentvolumeclaims/data") is not None
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "error"
    assert stage.ledger.units["release/svc-a"].outcome == "rollback_failed"


def test_g8_what_was_reverted_on_the_branch_is_not_applied_by_a_late_approval(stage: Stage) -> None:
    pushed = stage.world.commit("straight to main", {RELEASE: stage.release_text("v2.0.2")}, author="dev_user")
    stage.settle()
    stage.world.commit("and back", {RELEASE: stage.release_text("v2.0.0")}, author="dev_user")
    stage.settle()
    approve_held(stage, pushed)
    assert stage.image() == "v2.0.0"
    assert ticket_of(pushed) not in stage.ledger.waiting


def test_g8_a_held_commit_does_not_follow_a_newer_plan(stage: Stage) -> None:
    pushed = stage.world.commit("straight to main", {RELEASE: stage.release_text("v2.0.2")}, author="dev_user")
    stage.settle()
    number = stage.propose(tag="v2.0.3")
    stage.approve(number)
    stage.force_merge(number)
    assert stage.image() == "v2.0.3"
    approve_held(stage, pushed)
    assert stage.image() == "v2.0.3"
    assert ticket_of(pushed) not in stage.ledger.waiting


def test_g8_one_environment_with_nothing_left_takes_no_other_with_it(stage: Stage) -> None:
    files = {RELEASE: stage.release_text("v2.0.2"), STAGING: staging(stage, "v2.0.2")}
    pushed = stage.world.commit("straight to main", files, author="dev_user")
    stage.settle()
    stage.world.commit("staging back", {STAGING: staging(stage, "v2.0.0")}, author="dev_user")
    stage.settle()
    approve_held(stage, pushed)
    assert (stage.image(), stage.image("staging")) == ("v2.0.2", "v2.0.0")


def test_g14_who_pushed_a_held_commit_does_not_approve_the_plan_that_includes_it(stage: Stage) -> None:
    pushed = stage.world.commit("mine", {RELEASE: stage.release_text("v2.0.2")}, author="approver_user")
    stage.settle()
    assert ticket_of(pushed) in stage.ledger.waiting
    text = stage.release_text("v2.0.2", **{"timeout: 5m": "timeout: 6m"})
    number = stage.propose({RELEASE: text}, branch="innocent", author="dev_user")
    assert {unit.unit for plan in stage.plans(number).plans for unit in plan.units} == {"release/svc-a"}
    stage.approve(number, login="approver_user")
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] == "pending"
    stage.approve(number, login="admin")
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] == "success"


def test_g11_a_policy_that_was_approved_hours_ago_is_still_approved(stage: Stage) -> None:
    text = stage.world.example()[SETTINGS].replace("previewTtl: 30m", "previewTtl: 20m")
    number = stage.propose({SETTINGS: text}, branch="settings", author="admin")
    stage.desk("root").decide(stage.preview(number), Verb.APPROVE, reason="fine")
    stage.settle()
    stage.clock.advance(timedelta(hours=2))
    stage.settle()
    stage.merge(number)
    assert stage.world.opened.planner.policy().settings.preview_ttl == timedelta(minutes=20)


def test_g8_a_release_that_nothing_newer_touched_is_not_lost_with_its_neighbour(stage: Stage) -> None:
    stage.world.namespace("prod", "svc-c")
    second = stage.release_text("v2.0.0", **{"name: svc-a}": "name: svc-c}", "namespace: svc-a": "namespace: svc-c"})
    files = {RELEASE: stage.release_text("v2.0.2"), "releases/svc-c/production.yaml": second}
    pushed = stage.world.commit("two at once", files, author="dev_user")
    stage.settle()
    stage.world.commit("one back", {RELEASE: stage.release_text("v2.0.0")}, author="dev_user")
    stage.settle()
    assert ticket_of(pushed) in stage.ledger.waiting
    approve_held(stage, pushed)
    assert stage.ledger.units["release/svc-c"].outcome == "applied"
    assert stage.image() == "v2.0.0"


def test_g14_who_pushed_what_a_merged_plan_includes_is_no_approver_of_it_either(stage: Stage) -> None:
    stage.world.commit("mine", {RELEASE: stage.release_text("v2.0.2")}, author="approver_user")
    stage.settle()
    text = stage.release_text("v2.0.2", **{"timeout: 5m": "timeout: 6m"})
    number = stage.propose({RELEASE: text}, branch="innocent", author="dev_user")
    stage.approve(number, login="approver_user")
    stage.force_merge(number)
    assert stage.image() == "v2.0.0"
