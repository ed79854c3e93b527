"""What `doctor` says of a GitLab: who we are there, what our token reaches, how the branches are protected (T31)."""

from collections.abc import Callable

import pytest

from reconciler.app.settings import AuditPlace, Settings
from reconciler.doors.forge_health import AUDIT_BRANCH, Finding, audit_findings, forge_findings
from tests.contracts.forge_gitlab import GitLabUnderTest
from tests.contracts.forge_world import ANA, BEN, CLEO
from tests.forges.gitlab.state import MAINTAINER

NOBODY = 60
SETTINGS = Settings(repository="https://gitlab.example.org/house/desired-state.git")


def findings(world: GitLabUnderTest) -> list[Finding]:
    return list(forge_findings(world.door, SETTINGS, lambda _name, look: look()))


def well_made(world: GitLabUnderTest) -> None:
    """As docs/forges/gitlab.md says."""
    world.project.pipelines_must_succeed = True
    world.project.approval_rules = []
    world.push(ANA, AUDIT_BRANCH, {"audit": "1"})
    world.project.protected = {"main": NOBODY, AUDIT_BRANCH: 30}


def test_a_project_that_is_set_up_as_the_page_says_is_well(world: GitLabUnderTest) -> None:
    well_made(world)
    assert {finding.status for finding in findings(world)} == {"ok"}


def test_gitlabs_own_rules_are_told_and_decide_nothing(world: GitLabUnderTest) -> None:
    well_made(world)
    world.project.approval_rules = [("Security", 2), ("All members", 0)]
    (found,) = [one for one in findings(world) if one.name == "forge rules"]
    assert (found.status, "'Security': 2" in found.message, "All members" in found.message) == ("ok", True, False)
    assert "decided by the reconciler's own rules" in found.message


def test_rules_that_are_not_shown_are_said_to_be_unseen(world: GitLabUnderTest) -> None:
    well_made(world)
    world.project.approval_rules = None
    assert [(one.name, one.message) for one in findings(world) if one.status != "ok"] == [
        ("forge rules", "approval rules (Premium) cannot be seen with this token")
    ]


def test_an_audit_repository_of_its_own_is_asked_about_its_own_protection(world: GitLabUnderTest) -> None:
    """Here the same project stands for both; nobody asks the one of the desired state about an audit branch."""
    well_made(world)
    world.project.protected.pop(AUDIT_BRANCH)
    apart = Settings(repository=SETTINGS.repository, audit=AuditPlace("https://gitlab.example.org/house/audit"))
    assert {one.status for one in forge_findings(world.door, apart, lambda _name, look: look())} == {"ok"}
    (found,) = audit_findings(world.door, apart, lambda _name, look: look())
    assert (found.name, found.status) == ("audit branch", "error")
    assert ", ".join((ANA, BEN, CLEO)) in found.message


@pytest.mark.parametrize(
    ("change", "name", "status", "words"),
    [
        pytest.param(lambda w: w.server.state.scopes.append("sudo"), "forge token", "warn", "sudo", id="token"),
        pytest.param(
            lambda w: w.project.members.update({w.server.state.user(w.own_login).id: MAINTAINER}),
            *("forge account", "warn", "administers"),
            id="maintainer",
        ),
        pytest.param(
            lambda w: w.project.members.pop(w.server.state.user(w.own_login).id),
            *("forge account", "error", "may not write"),
            id="no member",
        ),
        pytest.param(
            lambda w: setattr(w.project, "pipelines_must_succeed", False),
            *("tracked branch", "warn", "merged without"),
            id="pipelines",
        ),
        pytest.param(
            lambda w: w.project.protected.pop("main"), "tracked branch", "warn", "not protected", id="open main"
        ),
        pytest.param(
            lambda w: w.project.protected.update({"main": 30}),
            *("tracked branch", "warn", "our own account may push"),
            id="we may push",
        ),
        pytest.param(
            lambda w: w.project.protected.pop(AUDIT_BRANCH),
            *("audit branch", "error", ", ".join((ANA, BEN, CLEO))),
            id="open audit",
        ),
        pytest.param(
            lambda w: w.project.protected.update({AUDIT_BRANCH: MAINTAINER}),
            *("audit branch", "error", "may not push"),
            id="closed audit",
        ),
        pytest.param(
            lambda w: w.delete_branch(ANA, AUDIT_BRANCH), "audit branch", "warn", "there is no", id="no audit"
        ),
    ],
)
def test_what_is_not_as_the_page_says_is_said(
    world: GitLabUnderTest, change: Callable[[GitLabUnderTest], object], name: str, status: str, words: str
) -> None:
    well_made(world)
    change(world)
    assert any(
        (finding.name, finding.status) == (name, status) and words in finding.message for finding in findings(world)
    ), findings(world)
