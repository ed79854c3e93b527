"""The remaining acceptance cases (acceptance.md): assignment, import, installs, visibility, consistency at the end."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.approval.inbox import Ask, View, Viewer, inbox, seen_by
from reconciler.approval.tickets import TicketStatus, operable
from reconciler.doors.tickets import tickets_of
from reconciler.specs.kinds.role_binding import BindingScope
from tests.story.stage import RELEASE, Stage


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Stage]:
    """Hosts, too: the first plan installs two environments over SSH by the bundle's hooks."""
    built = Stage.build(tmp_path / "world", hosts=("cp-1", "wk-1", "wk-2", "compose-1"))
    try:
        built.accept_first()
        yield built
    finally:
        built.world.close()


def test_c07_a_ticket_is_created_assigned_and_approved_in_this_order(stage: Stage) -> None:
    number = stage.propose()
    stage.desk("dev_user").person().assign(number, ["approver_user"])
    stage.settle()
    stage.approve(number)
    wanted = {"ticket_created", "ticket_assigned", "ticket_approved"}
    told = [
        event.action
        for event in stage.world.opened.journal.events
        if event.resource_id == f"dep-appr-{number}" and event.action in wanted
    ]
    assert told == ["ticket_created", "ticket_assigned", "ticket_approved"]


def test_c09_an_imported_cluster_and_the_release_to_it_can_be_joined(stage: Stage) -> None:
    events = stage.world.opened.journal.events
    imported = [event for event in events if event.action == "import_kubeconfig_succeeded"]
    assert [event.resource_id for event in imported] == ["k8s-prod-external"]
    applied = [event for event in events if event.action == "applied" and event.resource_id == "svc-a"]
    assert {event.environment_id for event in applied} == {event.environment_id for event in imported}
    assert {event.detail["target_id"] for event in applied} == {"k8s-prod-external"}
    assert stage.ledger.clusters["k8s-prod-external"]


def test_c12_every_step_of_an_install_has_a_status_and_a_log(installed: Stage) -> None:
    events = installed.world.opened.journal.events
    for environment in ("env-k8s-prod", "env-compose-prod"):
        own = [event for event in events if event.environment_id == environment]
        assert Counter(event.action for event in own)["install_succeeded"] == 1
        steps = [event for event in own if event.action == "install_step_succeeded" and event.detail["log"]]
        assert steps
        for step in steps:
            assert step.detail["exit_code"] == 0
            assert b"[INFO]" in installed.world.opened.journal.file(step.detail["log"])


def test_c12_a_failed_step_names_its_error_key_and_the_environment_is_not_installed(tmp_path: Path) -> None:
    stage = Stage.build(tmp_path / "world", hosts=("cp-1", "wk-1", "wk-2", "compose-1"))
    try:
        stage.settle()
        blocker = tmp_path / "world" / "hosts" / "wk-2" / "opspilot"
        (blocker / "effects.log").mkdir(parents=True, exist_ok=True)  # the preflight hook cannot write its line
        stage.accept_first()
        failed = [event for event in stage.world.opened.journal.events if event.action == "install_step_failed"]
        assert failed
        assert {event.detail["host_id"] for event in failed} == {"wk-2"}
        assert {event.detail["error_key"] for event in failed} == {"preflight_failed"}
        assert stage.ledger.units["environment/env-k8s-prod"].outcome == "failed"
        assert stage.ledger.units["environment/env-compose-prod"].outcome == "applied"
    finally:
        stage.world.close()


def test_c14_at_the_end_no_ticket_is_orphaned_and_the_inbox_counts_them_all(stage: Stage) -> None:
    first = stage.propose()
    stage.approve(first)
    stage.merge(first)
    second = stage.propose({RELEASE: stage.release_text("v2.0.3")}, branch="second")
    stage.desk("dev_user").person().close(second)
    stage.settle()
    stage.propose({RELEASE: stage.release_text("v2.0.4")}, branch="third")
    tickets = tickets_of(stage.world.opened.journal.events)
    assert {ticket.ticket for ticket in tickets} == set(stage.ledger.previews)
    found = Counter(ticket.status for ticket in tickets)
    assert found[TicketStatus.PENDING] == 1
    assert sum(found.values()) == len(tickets) == 4


def test_c11_an_invalid_kubeconfig_is_said_with_a_hint_and_nothing_is_connected_to(stage: Stage) -> None:
    path = stage.world.home / "k8s-prod-external.kubeconfig"
    path.write_text(path.read_text(encoding="utf-8").replace('"token"', '"exec"'), encoding="utf-8")
    stage.restart()
    before = stage.world.sandbox("prod").requests.total()
    number = stage.propose()
    checks = [check for plan in stage.plans(number).plans for check in plan.blocked]
    assert {check.key for check in checks} == {"kubeconfig_invalid"}
    page = stage.desk("dev_user").person().show(number)
    assert any("kubeconfig_invalid" in comment.body and "33003" in comment.body for comment in page.comments)
    assert stage.world.sandbox("prod").requests.total() == before


def test_c11_a_missing_artifact_is_said_before_a_host_is_contacted(tmp_path: Path) -> None:
    stage = Stage.build(tmp_path / "world", hosts=("cp-1", "wk-1", "wk-2", "compose-1"))
    try:
        (tmp_path / "world" / "bundles" / "sandbox-bundle" / "hooks" / "rollback.sh").unlink()
        stage.settle()
        state = next(iter(stage.ledger.previews.values()))
        plans = stage.world.opened.reconciler.landings.previews.artifact(state)
        keys = {check.key for plan in plans.plans for check in plan.blocked if plan.environment != "env-staging"}
        assert keys == {"artifact_missing"}
        assert not (tmp_path / "world" / "hosts" / "cp-1" / "opspilot" / "store").exists()
    finally:
        stage.world.close()


def test_c13_a_ticket_of_another_project_is_neither_seen_nor_operable(stage: Stage) -> None:
    number = stage.propose()
    tickets = tickets_of(stage.world.opened.journal.events)
    policy = stage.world.opened.planner.policy()
    person = policy.persons.by_login("dev_user")
    assert person is not None
    now = stage.clock.now()
    assert inbox(tickets, Viewer(person, policy), Ask(view=View.ALL), now).total == len(tickets)
    elsewhere = tuple(
        binding.model_copy(update={"scope": BindingScope(project="proj-beta")}) for binding in policy.bindings
    )
    other = replace(policy, bindings=elsewhere)
    assert inbox(tickets, Viewer(person, other), Ask(view=View.ALL), now).total == 0
    ticket = next(one for one in tickets if one.ticket == f"dep-appr-{number}")
    denial = operable(seen_by(Viewer(person, other), ticket))
    assert denial is not None
    assert denial.key == "approval_ticket_not_found"
