"""What `doctor` is told by a real Gitea, and what it says of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.app.settings import AuditPlace, Settings
from reconciler.doors.forge_health import REQUIRED, Finding, forge_findings
from tests.contracts.forge_gitea import OURS, OWNER, GiteaUnderTest
from tests.contracts.forge_world import ANA, BEN, CLEO
from tests.servers.forge import GiteaServer

pytestmark = pytest.mark.real


@pytest.fixture
def gitea(tmp_path: Path, real_gitea: GiteaServer) -> Iterator[GiteaUnderTest]:
    made = GiteaUnderTest(tmp_path, real_gitea)
    yield made
    made.sender.close()


def findings(gitea: GiteaUnderTest, *, shared: bool = False) -> dict[tuple[str, str], Finding]:
    settings = Settings(gitea.server.url, forge="gitea", audit=AuditPlace(shared=shared))
    found = list(forge_findings(gitea.door, settings, lambda _name, look: look()))
    return {(one.name, one.status): one for one in found}


def protect(gitea: GiteaUnderTest, branch: str, *pushers: str, statuses: tuple[str, ...] = ()) -> None:
    rules = {
        "branch_name": branch,
        "enable_push": bool(pushers),
        "enable_push_whitelist": True,
        "push_whitelist_usernames": list(pushers),
        "enable_status_check": bool(statuses),
        "status_check_contexts": list(statuses),
    }
    gitea._ask("POST", "/branch_protections", rules)


def test_what_nobody_protected_is_said_with_what_to_change(gitea: GiteaUnderTest) -> None:
    gitea.push(ANA, "reconciler/audit", {"a": "forged\n"})
    found = findings(gitea)
    assert found["forge account", "ok"].message == f"we are {OURS} and may write"
    assert all(status in found["tracked branch", "warn"].hint for status in REQUIRED)
    audit = found["audit branch", "error"]
    assert f"{ANA}, {BEN}, {CLEO}, {OWNER} may write reconciler/audit" in audit.message
    assert "shared = true in [audit]" in audit.hint
    assert ("forge token", "warn") not in found
    assert findings(gitea, shared=True)["audit branch", "ok"].message.endswith("as `shared` in [audit] says")


def test_a_repository_that_is_protected_as_the_docs_say_is_fine(gitea: GiteaUnderTest) -> None:
    gitea.push(ANA, "reconciler/audit", {"a": "ours\n"})
    protect(gitea, "reconciler/audit", OURS)
    protect(gitea, "main", statuses=REQUIRED)
    assert {status for _, status in findings(gitea)} == {"ok"}


def test_a_status_that_is_not_required_and_our_own_way_past_the_protection_are_said(gitea: GiteaUnderTest) -> None:
    protect(gitea, "main", OURS, statuses=REQUIRED[:2])
    protect(gitea, "reconciler/audit")
    found = findings(gitea)
    assert found["tracked branch", "warn"].message.startswith("our own account may push to main")
    settings = Settings(gitea.server.url, forge="gitea")
    told = [one.message for one in forge_findings(gitea.door, settings, lambda _name, look: look())]
    assert "main is merged without reconciler/approval" in told


def test_a_token_that_reaches_too_far_and_an_account_that_is_too_mighty_are_said(
    gitea: GiteaUnderTest, real_gitea: GiteaServer
) -> None:
    gitea._ask("PUT", f"/collaborators/{OURS}", {"permission": "admin"})
    assert "administers" in findings(gitea)["forge account", "warn"].message
    token = real_gitea.token("mighty", "all")
    gitea._ask("PUT", "/collaborators/mighty", {"permission": "write"})
    assert "notification, organization, package" in findings(with_token(gitea, token))["forge token", "warn"].message


def test_an_account_that_may_only_read_is_an_error(gitea: GiteaUnderTest) -> None:
    gitea._ask("PUT", f"/collaborators/{OURS}", {"permission": "read"})
    assert "no status can be set" in findings(gitea)["forge account", "error"].message


def with_token(gitea: GiteaUnderTest, token: str) -> GiteaUnderTest:
    gitea.use(token)
    return gitea
