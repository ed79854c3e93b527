"""The main job: one pull request from a spec to an applied change, and what is refused on the way (acceptance.md)."""

from datetime import timedelta

import pytest

from reconciler.approval.decision import Verb
from reconciler.errors import Refused
from reconciler.forges.embedded.record import Method
from tests.story.stage import DEPLOYMENT, RELEASE, Stage


@pytest.mark.parametrize("method", list(Method))
def test_c01_a_release_is_previewed_approved_and_applied_under_one_ticket(stage: Stage, method: Method) -> None:
    number = stage.propose()
    stage.approve(number)
    merged = stage.merge(number, method=method)
    assert stage.image() == "v2.0.1"
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "success"
    told = stage.actions(ticket=number, release="svc-a")
    wanted = ["previewed", "pending_approval", "approved", "applying", "applied"]
    assert [action for action in told if action in wanted and action] == [
        "previewed",
        "pending_approval",
        "approved",
        "approved",
        "applying",
        "applied",
    ]
    assert {row.ticket for row in stage.rows(ticket=number)} == {f"dep-appr-{number}"}


def test_c02_a_rejected_release_changes_nothing(stage: Stage) -> None:
    number = stage.propose()
    before = stage.effects()
    state = stage.preview(number)
    stage.desk("approver_user").person().reject(
        number,
        reason="not on a Friday",
        expected_head=stage.pull(number).head,
        digest=state.previewed.digest,
        event=str(state.event),
    )
    stage.settle()
    rejected = [row for row in stage.rows(ticket=number) if row.action == "rejected"]
    assert rejected
    assert any("not on a Friday" in row.text for row in rejected)
    assert "applying" not in stage.actions(ticket=number)
    assert stage.effects() == before
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] == "failure"
    with pytest.raises(Refused):
        stage.merge(number)


def test_c03_a_direct_push_is_refused_held_and_previewed(stage: Stage) -> None:
    before = stage.effects()
    pushed = stage.world.commit("straight to main", {RELEASE: stage.release_text("v2.0.2")}, author="dev_user")
    stage.settle()
    state, words = stage.statuses(pushed)["reconciler/apply: env-k8s-prod"]
    assert (state, "preview_required" in words) == ("failure", True)
    assert stage.effects() == before
    assert stage.image() == "v2.0.0"
    ticket = f"dep-appr-{pushed[:12]}"
    told = [(event.domain.value, event.action) for event in stage.world.opened.journal.events]
    refused = told.index(("preview", "refused"), told.index(("approval", "ticket_approved")) + 1)
    assert ("preview", "held") in told[refused:]
    assert ticket in stage.ledger.previews


def test_g18_a_held_commit_is_approved_by_a_signed_decision_of_somebody_else(stage: Stage) -> None:
    pushed = stage.world.commit("straight to main", {RELEASE: stage.release_text("v2.0.2")}, author="dev_user")
    stage.settle()
    state = stage.ledger.previews[f"dep-appr-{pushed[:12]}"]
    stage.desk("dev_user").decide(state, Verb.APPROVE, reason="my own")
    stage.settle()
    assert stage.image() == "v2.0.0"
    stage.desk("approver_user").decide(state, Verb.APPROVE, reason="looked at it")
    stage.settle()
    assert stage.image() == "v2.0.2"
    assert stage.statuses(pushed)["reconciler/apply: env-k8s-prod"][0] == "success"


def test_c03_an_approval_that_ended_is_preview_expired(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    before = stage.effects()
    stage.clock.advance(timedelta(hours=25))  # high risk: 24 h
    merged = stage.force_merge(number)
    state, words = stage.statuses(merged)["reconciler/apply: env-k8s-prod"]
    assert (state, "preview_expired" in words) == ("failure", True)
    assert stage.effects() == before


def test_g11_an_old_preview_is_renewed_by_looking_again_and_its_approval_stands(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    stage.clock.advance(timedelta(hours=2))  # older than previewTtl, younger than approvalTtl
    stage.merge(number)
    assert stage.image() == "v2.0.1"


def test_c03_what_changed_after_the_preview_is_preview_mismatch(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    stage.world.sandbox("prod").edit(
        "apis/apps/v1/namespaces/svc-a/deployments/svc-a",
        {
            "spec": {
                "template": {"spec": {"containers": [{"name": "svc-a", "image": "registry.example.invalid/svc-a:hot"}]}}
            }
        },
    )
    before = stage.effects()
    merged = stage.force_merge(number)
    state, words = stage.statuses(merged)["reconciler/apply: env-k8s-prod"]
    assert (state, "preview_mismatch" in words) == ("failure", True)
    assert stage.effects() == before
    assert stage.image() == "hot"


def test_c04_somebody_without_the_role_cannot_approve_and_it_is_recorded(stage: Stage) -> None:
    files = {RELEASE: stage.release_text("v2.0.1")}
    number = stage.propose(files, author="admin")
    stage.approve(number, login="dev_user")
    denied = [e for e in stage.world.opened.journal.events if e.action == "permission_denied"]
    assert [(event.actor_id, event.detail["error_key"]) for event in denied] == [
        ("dev_user", "approval_permission_denied")
    ]
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] == "pending"
    merged = stage.force_merge(number, login="admin")
    assert stage.image() == "v2.0.0"
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] != "success"
    said = [c.body for c in stage.desk("admin").person().show(number).comments if "not-counted" in c.body]
    assert len(said) == 1
    assert "does not count" in said[0]
    assert "dev\\_user" in said[0] or "dev_user" in said[0]


def test_c06_a_failed_rollout_goes_back_and_is_never_shown_as_success(stage: Stage) -> None:
    number = stage.propose(tag="v2.0.1-broken")
    stage.approve(number)
    merged = stage.merge(number)
    told = stage.actions(ticket=number)
    assert told.index("rollback_requested") < told.index("rollback_completed")
    assert "applied" not in told
    assert stage.image() == "v2.0.0"
    state, words = stage.statuses(merged)["reconciler/apply: env-k8s-prod"]
    assert (state, words.startswith("rolled back")) == ("failure", True)


def test_c08_the_proposer_goes_away_and_nothing_is_applied_twice(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    stage.merge(number, settle=False)
    stage.restart()
    stage.settle()
    after = stage.effects()
    assert stage.image() == "v2.0.1"
    stage.restart()
    stage.settle()
    assert stage.effects() == after


def test_a_pull_request_that_touches_nothing_managed_gets_its_green_statuses(stage: Stage) -> None:
    number = stage.propose({"NOTES.md": "hello\n"}, branch="notes")
    found = stage.statuses(stage.pull(number).head)
    assert {name: state for name, (state, _) in found.items()} == {
        "reconciler/validate": "success",
        "reconciler/preview": "success",
        "reconciler/approval": "success",
    }
    stage.merge(number)
    assert not stage.ledger.waiting


def test_g22_a_failed_revision_is_not_tried_again_until_a_person_says_retry(stage: Stage) -> None:
    number = stage.propose(tag="v2.0.1-broken")
    stage.approve(number)
    stage.merge(number)
    before = stage.effects()
    stage.settle()
    assert stage.effects() == before
    stage.desk("dev_user").order("release/svc-a", Verb.RETRY, reason="registry was away")
    stage.settle()
    assert stage.effects() > before


def test_g21_a_person_rolls_back_at_once_within_the_grant_and_main_is_ahead(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    stage.merge(number)
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="errors rise")
    stage.settle()
    assert stage.image() == "v2.0.0"
    open_ones = stage.world.opened.forge.open_pull_requests()
    assert [pull.author for pull in open_ones] == ["reconciler"]
    again = stage.effects()
    stage.settle()
    assert stage.effects() == again


def test_g18_the_revert_of_what_was_rolled_back_needs_no_approval_and_changes_nothing(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    stage.merge(number)
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="errors rise")
    stage.settle()
    (revert,) = stage.world.opened.forge.open_pull_requests()
    statuses = stage.statuses(revert.head)
    assert statuses["reconciler/preview"][0] == "success"
    assert statuses["reconciler/approval"] == ("success", "accepts what runs after the return; no approval")
    effects = stage.effects()
    merged = stage.merge(revert.number)
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "success"
    assert stage.ledger.units["release/svc-a"].outcome == "no_change"
    assert (stage.image(), stage.effects()) == ("v2.0.0", effects)


def test_g18_a_revert_that_would_change_a_target_is_approved_like_any_other(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    stage.merge(number)
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="errors rise")
    stage.settle()
    (revert,) = stage.world.opened.forge.open_pull_requests()
    stage.world.sandbox("prod").edit(DEPLOYMENT, {"spec": {"replicas": 9}})
    stage.desk("dev_user").person().comment(revert.number, "/reconciler preview")
    stage.settle()
    assert stage.statuses(revert.head)["reconciler/approval"][0] == "pending"


def test_g7_a_release_does_not_pass_into_an_environment_that_nobody_approved(stage: Stage) -> None:
    example = stage.world.example()
    cluster = next(text for text in example["clusters/clusters.yaml"].split("\n---\n") if "name: k8s-staging" in text)
    new = example["environments/env-staging.yaml"].replace("env-staging", "env-new")
    cluster = cluster.replace("env-staging", "env-new").replace("name: k8s-staging", "name: k8s-new")
    files = {"environments/env-new.yaml": new, "clusters/new.yaml": cluster}
    stage.world.commit("straight to main", files, author="dev_user")
    stage.settle()
    assert "environment/env-new" not in stage.ledger.accepted()
    release = example["releases/svc-a/staging.yaml"].replace("env-staging", "env-new").replace("k8s-staging", "k8s-new")
    release = release.replace("svc-a-staging", "svc-a-new")
    number = stage.propose({"releases/svc-a/new.yaml": release}, branch="new-release")
    blocked = [check for plan in stage.plans(number).plans for check in plan.blocked]
    missing = [check.message.split()[3] for check in blocked if check.key == "environment_status_invalid"]
    assert missing == ["environment/env-new,", "cluster/k8s-new,"]
    assert stage.statuses(stage.pull(number).head)["reconciler/preview"][0] != "success"


def test_g23_a_hold_stops_before_the_next_step_and_resume_goes_on(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    stage.desk("dev_user").order("release/svc-a", Verb.HOLD, reason="wait")
    stage.settle()
    merged = stage.merge(number)
    assert stage.image() == "v2.0.0"
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"] == ("pending", "held by dev_user; batches: 0 of 2")
    stage.desk("dev_user").order("release/svc-a", Verb.RESUME, reason="go on")
    stage.settle()
    assert stage.image() == "v2.0.1"


def test_t8_a_rewound_branch_stops_everything_and_deletes_nothing(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    stage.merge(number)
    before = stage.effects()
    first = stage.ledger.trusted
    assert first is not None
    stage.world.rewind(first)
    faults = stage.settle()
    assert any("history_rewritten" in fault for fault in faults)
    assert stage.effects() == before
    assert stage.ledger.stopped is not None


def test_c05_the_timeline_is_the_same_from_every_door(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    stage.merge(number)
    live = [row.cells() for row in stage.rows(ticket=number)]
    stage.restart()
    assert [row.cells() for row in stage.rows(ticket=number)] == live


def test_an_idle_look_writes_nothing_and_asks_the_targets_nothing(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    opened = stage.world.opened
    opened.reconciler.look()
    refs = dict(opened.mirror.refs())
    requests = stage.world.sandbox("prod").requests.total()
    fetches, polls = opened.mirror.fetches, opened.mirror.poller.requests
    opened.reconciler.look()
    assert dict(opened.mirror.refs()) == refs
    assert stage.world.sandbox("prod").requests.total() == requests
    assert opened.mirror.fetches == fetches
    assert opened.mirror.poller.requests - polls <= 8  # one for the loop, the others for the forge's own looks


def test_settings_in_chinese_make_the_preview_chinese(stage: Stage) -> None:
    text = stage.world.example()["policy/settings.yaml"].replace("locale: en", "locale: zh")
    number = stage.propose({"policy/settings.yaml": text}, branch="zh", author="admin")
    stage.desk("root").decide(stage.preview(number), Verb.APPROVE, reason="language")
    stage.settle()
    stage.merge(number, login="admin")
    other = stage.propose()
    page = stage.desk("dev_user").person().show(other)
    assert any("预览" in comment.body for comment in page.comments)
    assert any("审批" in description for _, description in stage.statuses(stage.pull(other).head).values())
