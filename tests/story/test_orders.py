"""Orders in a hostile or unlucky world: each test is one way in which an order stopped others or was wrongly obeyed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.app.journal import Journal
from reconciler.approval.decision import CommitSubject, PullSubject, Verb
from reconciler.errors import Rejected, Unavailable
from reconciler.git.bare import BareRepository
from reconciler.git.transport import Transport
from reconciler.kube.target import KubeTarget
from reconciler.names import Revision
from tests.story.stage import DEPLOYMENT, RELEASE, Stage

OLDEST_GRANT = 7  # days
STAGING = "releases/svc-a/staging.yaml"


def broken(stage: Stage) -> None:
    number = stage.propose(tag="v2.0.1-broken")
    stage.approve(number)
    stage.merge(number)


def test_t40_what_strangers_push_among_the_decisions_stops_no_order(stage: Stage) -> None:
    repository = BareRepository(stage.world.origin, Transport(stage.world.folder / "git-home"))
    blob = Revision(str(repository.objects.create_blob(b"no decision")))
    repository.objects.references.create("refs/reconciler/decisions/0000", blob, force=True)
    desk = stage.desk("dev_user")
    desk._push("release/svc-a", desk._decision(CommitSubject(stage.tip()), Verb.TRUST, "mine", "", ""))
    desk.order("release/svc-a", Verb.HOLD, reason="wait")
    faults = stage.settle()
    assert "release/svc-a" in stage.ledger.holds
    assert not [fault for fault in faults if "order" in fault]


def test_an_order_about_a_release_that_is_gone_stops_no_other(stage: Stage) -> None:
    text = stage.world.example()[STAGING] + "  onRemoval: forget\n"
    for files, branch in (({STAGING: text}, "forget"), ({STAGING: None}, "remove")):
        number = stage.propose(files, branch=branch)
        stage.approve(number)
        stage.merge(number)
    desk = stage.desk("dev_user")
    desk.order("release/svc-a-staging", Verb.HOLD, reason="gone")
    desk.order("release/svc-a", Verb.HOLD, reason="wait")
    faults = stage.settle()
    assert "release/svc-a" in stage.ledger.holds
    assert not [fault for fault in faults if "order" in fault]


def test_a_removal_that_failed_is_tried_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The release is in no desired state any more; who may try it again is what held where it stood last."""
    number = stage.propose({RELEASE: None}, branch="remove")
    stage.approve(number)

    def refused(*_: object, **__: object) -> None:
        raise Rejected("deleting it: not today", key="release_apply_failed")

    with monkeypatch.context() as patch:
        patch.setattr(KubeTarget, "delete", refused)
        stage.merge(number)
    assert stage.ledger.units["release/svc-a"].outcome == "failed"
    stage.desk("dev_user").order("release/svc-a", Verb.RETRY, reason="again")
    stage.settle()
    assert stage.ledger.units["release/svc-a"].outcome == "applied"
    assert stage.world.clusters["prod"].look(DEPLOYMENT) is None


def test_an_order_that_comes_days_late_is_not_carried_out(stage: Stage) -> None:
    number = stage.propose()
    stage.approve(number)
    stage.merge(number)
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="for the last one")
    for days, words in ((2, "which is over a day ago; order it anew"), (9, "was granted until ")):
        stage.clock.advance(timedelta(days=days))
        if days > OLDEST_GRANT:
            stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="late")
        stage.settle()
        assert stage.image() == "v2.0.1"
        assert words in [row.text for row in stage.rows(release="svc-a") if row.action == "permission_denied"][-1]


def test_g21_a_rollback_order_is_for_releases_alone(stage: Stage) -> None:
    before = stage.ledger.units["environment/env-staging"]
    desk = stage.desk("admin")
    desk.order("environment/env-staging", Verb.ROLLBACK, reason="all of it")
    stage.settle()
    assert stage.ledger.units["environment/env-staging"] == before
    assert any("is no release" in str(event.detail.get("comment")) for event in stage.world.opened.journal.events)


def test_g5_a_decision_copied_under_another_ticket_still_counts_for_its_own(stage: Stage) -> None:
    pushed = stage.world.commit("straight to main", {RELEASE: stage.release_text("v2.0.2")}, author="dev_user")
    other = stage.propose({STAGING: stage.world.example()[STAGING].replace("v2.0.0", "v2.0.1")}, branch="other")
    state = stage.ledger.previews[f"dep-appr-{pushed[:12]}"]
    desk = stage.desk("approver_user")
    decision = desk._decision(
        CommitSubject(pushed), Verb.APPROVE, "looked at it", state.previewed.digest, str(state.event)
    )
    desk._push(f"dep-appr-{other}", decision)
    stage.settle()
    assert stage.image() == "v2.0.2"


def test_g8_an_old_plan_is_not_tried_again_after_a_newer_one_took_a_part_of_it(stage: Stage) -> None:
    second = (
        stage.release_text("v2.0.0")
        .replace("name: svc-a}", "name: svc-c}", 1)
        .replace("namespace: svc-a", "namespace: svc-c")
    )
    stage.world.namespace("prod", "svc-c")
    number = stage.propose(
        {RELEASE: stage.release_text("v2.0.1-broken"), "releases/svc-c/production.yaml": second}, branch="both"
    )
    stage.approve(number)
    stage.merge(number)
    assert stage.ledger.units["release/svc-c"].outcome not in {"applied", "no_change"}
    newer = stage.propose(tag="v2.0.3")
    stage.approve(newer)
    stage.merge(newer)
    assert stage.image() == "v2.0.3"
    stage.desk("dev_user").order("release/svc-c", Verb.RETRY, reason="again")
    faults = stage.settle()
    assert not faults
    assert stage.image() == "v2.0.3"
    assert not any(
        event.action == "apply_requested" and "retry" in str(event.detail)
        for event in stage.world.opened.journal.events
    )


def test_two_reconcilers_carry_an_order_out_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(stage)
    stage.desk("dev_user").order("release/svc-a", Verb.RETRY, reason="again")
    opened = stage.world.opened
    stale = Journal(opened.journal.branch, stage.clock)
    stale.catch_up()
    stage.settle()
    place = ("env-k8s-prod", stage.ledger.generation("env-k8s-prod"))
    assert stage.ledger.rollouts[place].passed.retries == 1
    opened.reconciler.orders._settled.clear()  # the other process has its own
    monkeypatch.setattr(opened.reconciler.orders, "journal", stale)
    with pytest.raises(Unavailable):
        opened.reconciler.orders.take_in(stage.tip())
    opened.journal.catch_up()
    assert stage.ledger.rollouts[place].passed.retries == 1


def test_g13_a_decision_signed_after_the_merge_and_dated_before_it_approves_nothing(stage: Stage) -> None:
    number = stage.propose()
    state = stage.preview(number)
    stage.clock.advance(timedelta(minutes=2))
    stage.desk("dev_user").required = ()
    merged = stage.merge(number, settle=False)
    desk = stage.desk("approver_user")
    previewed = state.previewed
    subject = PullSubject(number, previewed.base, previewed.head)
    decision = desk._decision(subject, Verb.APPROVE, "in time, I swear", previewed.digest, str(state.event))
    desk._push(previewed.ticket, replace(decision, at=state.posted_at + timedelta(seconds=30)))
    stage.settle()
    assert stage.image() == "v2.0.0"
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] != "success"
    assert stage.ledger.decisions[previewed.ticket]  # it was heard, and did not count


WORKLOAD = "releases/svc-a/manifests/deployment.yaml"


def test_g21_a_release_beside_one_that_was_ordered_back_is_not_told_to_have_gone_back(stage: Stage) -> None:
    text = stage.release_text("v2.0.1")
    beside = text.replace("name: svc-a}", "name: svc-y}").replace("releases/svc-a/", "releases/svc-y/")
    parts = ("configmap", "deployment", "service")
    example = stage.world.example()
    texts = {part: example[f"releases/svc-a/manifests/{part}.yaml"].replace("svc-a", "svc-y") for part in parts}
    number = stage.propose(
        {
            RELEASE: text,
            "releases/svc-y/production.yaml": beside,
            **{f"releases/svc-y/manifests/{part}.yaml": body for part, body in texts.items()},
        },
        branch="both",
    )
    stage.approve(number)
    stage.merge(number)
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="now")
    stage.settle()
    assert stage.image() == "v2.0.0"
    told = {name: [row.action for row in stage.rows(release=name)] for name in ("svc-a", "svc-y")}
    assert ("rollback_completed" in told["svc-a"], "rollback_completed" in told["svc-y"]) == (True, False)


def test_g21_what_a_return_would_lose_is_told_of_the_version_that_it_leads_to(stage: Stage) -> None:
    """What was accepted last brought a claim and failed; the next version keeps it, and its return would delete it."""
    claim = (
        "\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n"
        "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"
    )
    kept = stage.release_text("v2.0.1-broken").replace("automatic: true", "automatic: false")
    number = stage.propose({RELEASE: kept, WORKLOAD: stage.world.example()[WORKLOAD] + claim}, branch="claim")
    stage.approve(number)
    stage.merge(number)
    number = stage.propose({RELEASE: stage.release_text("v2.0.2")}, branch="next")
    (plan,) = stage.plans(number).plans
    assert any("would be refused" in check.message for check in plan.checks), plan.checks
