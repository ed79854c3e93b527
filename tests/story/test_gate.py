"""The gate, rule by rule, on the whole product (contracts: gate.md)."""

from datetime import timedelta

import pytest

from reconciler.approval.decision import Verb
from reconciler.errors import ReconcilerError
from reconciler.forges.embedded.record import Method
from reconciler.names import Revision
from reconciler.sandbox.cluster import SandboxCluster
from tests.story.stage import RELEASE, Stage

SETTINGS = "policy/settings.yaml"
BINDINGS = "policy/bindings.yaml"
STAGING = "releases/svc-a/staging.yaml"


def test_g2_nothing_starts_before_somebody_trusts_a_commit_and_one_root_decision_starts_all(fresh: Stage) -> None:
    fresh.settle()
    assert fresh.effects() == 0
    state = next(iter(fresh.ledger.previews.values()))
    fresh.desk("dev_user").decide(state, Verb.APPROVE, reason="let me")
    fresh.settle()
    assert fresh.effects() == 0
    fresh.desk("root").decide(state, Verb.APPROVE, reason="first plan")
    fresh.settle()
    assert fresh.image() == "v2.0.0"
    assert {unit.outcome for unit in fresh.ledger.units.values()} <= {"applied", "no_change"}


def test_g2_a_pushed_role_binding_has_no_power(stage: Stage) -> None:
    text = stage.world.example()[BINDINGS].replace("user: approver_user", "user: dev_user")
    pushed = stage.world.commit("make me an approver", {BINDINGS: text}, author="dev_user")
    stage.settle()
    assert f"dep-appr-{pushed[:12]}" in stage.ledger.waiting
    number = stage.propose({RELEASE: stage.release_text("v2.0.1")}, author="admin")
    stage.approve(number, login="dev_user")
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] == "pending"


def test_a_policy_change_needs_an_admin_and_is_in_force_only_after_its_merge(stage: Stage) -> None:
    text = stage.world.example()[SETTINGS].replace("previewTtl: 30m", "previewTtl: 20m")
    number = stage.propose({SETTINGS: text}, branch="settings", author="admin")
    stage.approve(number, login="approver_user", reason=stage.preview(number).previewed.digest[:12])
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] != "success"
    stage.desk("root").decide(stage.preview(number), Verb.APPROVE, reason="the other admin is away")
    stage.settle()
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] == "success"
    assert stage.world.opened.planner.policy().settings.preview_ttl == timedelta(minutes=30)
    stage.merge(number)
    assert stage.world.opened.planner.policy().settings.preview_ttl == timedelta(minutes=20)


def test_a_policy_change_carries_nothing_else(stage: Stage) -> None:
    text = stage.world.example()[SETTINGS].replace("previewTtl: 30m", "previewTtl: 20m")
    number = stage.propose({SETTINGS: text, RELEASE: stage.release_text("v2.0.1")}, branch="both")
    blocked = [check for plan in stage.plans(number).plans for check in plan.blocked]
    assert {check.key for check in blocked} == {"policy_not_in_force"}
    assert stage.statuses(stage.pull(number).head)["reconciler/preview"][0] == "failure"


def test_g4_a_target_that_the_pull_request_introduces_is_not_connected_to(stage: Stage) -> None:
    cluster = stage.world.clusters["staging"]
    text = stage.world.example()["clusters/clusters.yaml"]
    elsewhere = text.replace(cluster.endpoint, "https://127.0.0.1:9")
    credentials = stage.world.example()["credentials/credentials.yaml"].replace(cluster.endpoint, "https://127.0.0.1:9")
    files = {"clusters/clusters.yaml": elsewhere, "credentials/credentials.yaml": credentials}
    number = stage.propose(files, branch="elsewhere")
    assert stage.preview(number).previewed.static
    assert all(plan.static for plan in stage.plans(number).plans)
    assert stage.statuses(stage.pull(number).head)["reconciler/preview"][0] == "pending"


def test_g6_an_unrelated_merge_leaves_the_digest_and_the_approval_alone(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    digest = stage.preview(number).previewed.digest
    other = stage.propose({STAGING: stage.world.example()[STAGING].replace("v2.0.0", "v2.0.1")}, branch="staging")
    stage.approve(other)
    stage.merge(other)
    assert stage.preview(number).previewed.digest == digest
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] == "success"
    stage.merge(number)
    assert (stage.image(), stage.image("staging")) == ("v2.0.1", "v2.0.1")


def test_g11_a_push_after_the_approval_voids_it_with_a_new_comment(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    stage.world.commit("one more", {RELEASE: stage.release_text("v2.0.9")}, author="dev_user", branch="change-v2.0.1")
    stage.settle()
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] == "pending"
    page = stage.desk("dev_user").person().show(number)
    mine = [comment for comment in page.comments if "reconciler:preview" in comment.body]
    assert len(mine) == 2
    assert "void" in mine[0].body
    merged = stage.force_merge(number)
    assert stage.image() == "v2.0.0"
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] != "success"


def test_g12_closing_ends_the_ticket(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    stage.desk("dev_user").person().close(number)
    stage.settle()
    assert stage.preview(number).ended == "closed"


def test_g14_the_author_of_the_commits_does_not_approve_what_another_opened(stage: Stage) -> None:
    files = {RELEASE: stage.release_text("v2.0.1")}
    stage.world.commit("by the approver", files, author="approver_user", branch="theirs")
    number = stage.desk("dev_user").person().open("theirs", "main", "a change")
    stage.settle()
    stage.approve(number, login="approver_user")
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] == "pending"
    stage.approve(number, login="admin")
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] == "success"


def test_g14_high_risk_and_unsigned_commits_need_two_approvers(stage: Stage) -> None:
    number = stage.propose(signed=False)
    stage.approve(number)
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] == "pending"
    stage.approve(number, login="admin")
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] == "success"


def test_g20_a_plan_that_was_recorded_is_finished_after_its_clocks_and_a_crash(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    stage.world.clusters["prod"].stop()
    stage.world.clusters["prod"].start()
    stage.merge(number, settle=False)
    opened = stage.world.opened.reconciler
    opened.mirror.sync()
    opened.journal.catch_up()
    opened.landings.take_in(stage.tip())
    for waiting in list(stage.ledger.waiting.values()):
        for environment in waiting.landed.environments:
            opened.landings.pass_or_hold(waiting, environment)
    assert stage.ledger.running()
    assert stage.image() == "v2.0.0"
    stage.restart()
    stage.clock.advance(timedelta(days=3))
    stage.settle()
    assert stage.image() == "v2.0.1"


def test_g24_an_audit_branch_that_was_rewound_starts_nothing(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    opened = stage.world.opened
    older = opened.journal.branch.tip()
    assert older is not None
    stage.merge(number, settle=False)
    before = stage.effects()
    history = opened.mirror.repository.commit(older).parents[0].parents[0].id
    stage.world.rewind(Revision(str(history)), branch="reconciler/audit")
    with pytest.raises(ReconcilerError) as caught:
        stage.restart()
    assert caught.value.key == "audit_diverged"
    assert stage.effects() == before


def test_g28_removing_a_release_deletes_only_when_shown_and_forget_leaves_all_running(stage: Stage) -> None:
    text = stage.world.example()[STAGING] + "  onRemoval: forget\n"
    number = stage.propose({STAGING: text}, branch="forget-it")
    stage.approve(number)
    stage.merge(number)
    gone = stage.propose({STAGING: None}, branch="remove")
    assert {change.operation.value for plan in stage.plans(gone).plans for change in plan.changes} == {"forget"}
    stage.approve(gone)
    stage.merge(gone)
    assert stage.image("staging") == "v2.0.0"
    removed = stage.propose({RELEASE: None}, branch="remove-prod")
    assert {change.operation.value for plan in stage.plans(removed).plans for change in plan.changes} == {"delete"}
    stage.approve(removed)
    stage.merge(removed)
    assert stage.world.clusters["prod"].look("apis/apps/v1/namespaces/svc-a/deployments/svc-a") is None


def test_g28_a_renamed_release_is_handed_over_and_never_deleted(stage: Stage) -> None:
    before = stage.world.clusters["prod"].look("apis/apps/v1/namespaces/svc-a/deployments/svc-a")
    assert before is not None
    text = stage.world.example()[RELEASE].replace("metadata: {name: svc-a}", "metadata: {name: svc-a-renamed}")
    number = stage.propose({RELEASE: text}, branch="rename")
    assert {change.operation.value for plan in stage.plans(number).plans for change in plan.changes} == {"hand_over"}
    stage.approve(number)
    stage.merge(number)
    after = stage.world.clusters["prod"].look("apis/apps/v1/namespaces/svc-a/deployments/svc-a")
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert stage.ledger.units["release/svc-a-renamed"].outcome == "applied"


def test_c11_an_unreachable_cluster_waits_and_is_not_read_as_empty(stage: Stage) -> None:
    stage.world.clusters["prod"].stop()
    number = stage.propose()
    checks = [check for plan in stage.plans(number).plans for check in plan.blocked]
    assert {check.key for check in checks} == {"cluster_connect_failed"}
    assert stage.statuses(stage.pull(number).head)["reconciler/preview"][0] == "failure"
    stage.world.clusters["prod"].start()
    stage.desk("dev_user").person().comment(number, "/reconciler preview")
    stage.settle()
    assert stage.statuses(stage.pull(number).head)["reconciler/preview"][0] == "success"


def test_g22_hand_made_drift_is_told_and_nothing_is_changed(stage: Stage) -> None:
    stage.world.sandbox("prod").edit("api/v1/namespaces/svc-a/configmaps/svc-a", {"data": {"LOG_LEVEL": "trace"}})
    before = stage.effects()
    stage.world.opened.reconciler.look_for_drift()
    stage.world.opened.reconciler.look_for_drift()
    told = [event for event in stage.world.opened.journal.events if event.action == "drift_detected"]
    assert [event.environment_id for event in told] == ["env-k8s-prod"]
    assert "LOG_LEVEL" in told[0].detail["summary"]
    assert stage.effects() == before


def test_a_comment_command_of_somebody_without_apply_is_refused_once(stage: Stage) -> None:
    number = stage.propose(author="admin")
    stage.desk("approver_user").person().comment(number, "/reconciler hold")
    stage.settle()
    stage.settle()
    page = stage.desk("admin").person().show(number)
    answers = [comment for comment in page.comments if "reconciler:answer" in comment.body]
    assert len(answers) == 1
    assert "permission_denied" in answers[0].body
    assert not stage.ledger.holds


def test_an_invalid_spec_says_where_and_plans_nothing(stage: Stage) -> None:
    text = stage.release_text("v2.0.1").replace("cluster: k8s", "clutser: k8s")
    number = stage.propose({RELEASE: text}, branch="typo")
    state, words = stage.statuses(stage.pull(number).head)["reconciler/validate"]
    assert (state, "clutser" in words or "problems" in words) == ("failure", True)
    page = stage.desk("dev_user").person().show(number)
    assert any(f"{RELEASE}:" in comment.body for comment in page.comments)


@pytest.mark.parametrize("method", [Method.REBASE])
def test_g17_every_commit_of_a_rebase_belongs_to_its_pull_request(stage: Stage, method: Method) -> None:
    stage.world.commit("one", {RELEASE: stage.release_text("v2.0.1")}, author="dev_user", branch="two-commits")
    stage.world.commit("two", {STAGING: stage.world.example()[STAGING].replace("v2.0.0", "v2.0.1")}, author="dev_user",
                       branch="two-commits")  # fmt: skip
    number = stage.desk("dev_user").person().open("two-commits", "main", "two commits")
    stage.settle()
    stage.approve(number)
    stage.merge(number, method=method)
    assert (stage.image(), stage.image("staging")) == ("v2.0.1", "v2.0.1")


def test_g4_a_reviewer_accepts_the_addresses_of_a_static_preview_and_only_then_is_it_looked_at(stage: Stage) -> None:
    with SandboxCluster() as extra:
        known = stage.world.clusters["staging"]
        files = {
            path: text.replace(known.endpoint, extra.endpoint).replace(
                known.ca_pem.strip().replace("\n", "\n    "), extra.ca_pem.strip().replace("\n", "\n    ")
            )
            for path, text in stage.world.example().items()
            if path in {"clusters/clusters.yaml", "credentials/credentials.yaml"}
        }
        number = stage.propose(files, branch="elsewhere")
        assert extra.requests.total() == 0
        assert stage.preview(number).previewed.static
        stage.approve(number, login="dev_user" if stage.pull(number).author != "dev_user" else "admin")
        assert not stage.preview(number).previewed.static
        checks = {check.key for plan in stage.plans(number).plans for check in plan.blocked}
        assert checks == {"cluster_permission_insufficient"}  # it was asked, and does not know the old token
        assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] != "success"
