"""What `doctor` says of a GitHub: who we are there, how branches are kept, and what cannot be seen (T31)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.settings import Settings
from reconciler.doors.forge_health import AUDIT_BRANCH, REQUIRED, UNSEEN, forge_findings
from reconciler.errors import Rejected
from reconciler.forges.github.access import AppToken
from tests.contracts.forge_github import OURS, GitHubUnderTest
from tests.contracts.forge_world import ANA, BEN, CLEO
from tests.forges.github.hub import OWNER
from tests.forges.github.server import FakeGitHub
from tests.forges.github.test_access import adapter, source
from tests.forges.github.test_access import key as key
from tests.git.world import Reply

__all__ = ["key", "source"]
SETTINGS = Settings(repository="https://github.com/house/desired", forge="github")
PULL_REQUEST = {
    "type": "pull_request",
    "parameters": {
        "dismiss_stale_reviews_on_push": False,
        "require_code_owner_review": True,
        "require_last_push_approval": False,
        "required_approving_review_count": 2,
        "required_review_thread_resolution": False,
    },
}
UPDATE = {"type": "update", "parameters": {"update_allows_fetch_and_merge": False}}


def statuses(*contexts: str) -> dict[str, Any]:
    checks = [{"context": one} for one in contexts]
    asked = {"strict_required_status_checks_policy": False, "required_status_checks": checks}
    return {"type": "required_status_checks", "parameters": asked}


@pytest.fixture
def world(tmp_path: Path, fake_github: FakeGitHub) -> GitHubUnderTest:
    """As docs/forges/github.md says."""
    made = GitHubUnderTest(tmp_path / "world", fake_github)
    made.push(ANA, AUDIT_BRANCH, {"audit": "1"})
    made.hub.rules = {"main": [PULL_REQUEST, statuses(*REQUIRED)], AUDIT_BRANCH: [UPDATE]}
    return made


def findings(world: GitHubUnderTest) -> dict[tuple[str, str], str]:
    found = list(forge_findings(world.door, SETTINGS, lambda _name, look: look()))
    for one in found:
        assert ("cannot be seen" in one.message) <= (one.status != "ok"), one
    told: dict[tuple[str, str], str] = {}
    for one in found:
        place = (one.name, one.status)
        told[place] = f"{told[place]} | {one.message}" if place in told else one.message
    return told


def refusing(part: str, code: int) -> Callable[[str], Reply | None]:
    def refuse(what: str) -> Reply | None:
        if part not in what:
            return None
        return code, {"Content-Type": "application/json"}, json.dumps({"message": "Resource not accessible"}).encode()

    return refuse


def closed_list(world: GitHubUnderTest) -> None:
    world.hub.rules.pop(AUDIT_BRANCH)
    world.fake.refuse = refusing("/collaborators", 403)


def test_what_is_seen_is_said_and_what_is_not_is_no_ok(world: GitHubUnderTest) -> None:
    found = findings(world)
    assert found["forge account", "ok"] == f"we are {OURS} and may write"
    assert found["forge token", "warn"] == f"what the token itself reaches {UNSEEN}"
    assert found["tracked branch", "ok"] == "main is protected and requires our statuses"
    assert found["tracked branch", "warn"] == f"of main, who may push to it past that {UNSEEN}"
    assert found["audit branch", "warn"] == f"of {AUDIT_BRANCH}, who may push to it past that {UNSEEN}"
    own = found["forge rules", "ok"]
    assert "approving reviews: 2; a review of code owners (CODEOWNERS)" in own
    assert "decided by the reconciler's own rules" in own
    assert "error" not in {status for _, status in found}


def test_an_app_has_its_rights_from_us(fake_github: FakeGitHub, source: AppToken, tmp_path: Path) -> None:
    door = adapter(fake_github, source, tmp_path)
    assert door.access().excess == ()
    door.close()


@pytest.mark.parametrize(
    ("change", "name", "status", "words"),
    [
        pytest.param(
            lambda w: w.hub.rules.update({"main": [PULL_REQUEST, statuses(*REQUIRED[:2])]}),
            *("tracked branch", "warn", "merged without reconciler/approval"),
            id="a status is missing",
        ),
        pytest.param(lambda w: w.hub.rules.clear(), "tracked branch", "warn", "not protected", id="open"),
        pytest.param(
            lambda w: w.hub.rules.update({"main": [{"type": "deletion"}]}),
            *("tracked branch", "warn", "not protected"),
            id="only a rule that lets everybody push",
        ),
        pytest.param(
            lambda w: (w.hub.rules.clear(), w.hub.protections.update({"main": list(REQUIRED)})),
            *("tracked branch", "ok", "requires our statuses"),
            id="branch protection",
        ),
        pytest.param(
            lambda w: (w.hub.rules.clear(), w.hub.protections.update({"main": list(REQUIRED[:1])})),
            *("tracked branch", "warn", "merged without reconciler/preview, reconciler/approval"),
            id="half of branch protection",
        ),
        pytest.param(
            lambda w: w.hub.protections.update({"main": []}),
            *("forge rules", "warn", f"which reviews its branch protection requires {UNSEEN}"),
            id="its reviews",
        ),
        pytest.param(
            lambda w: w.hub.rules.pop(AUDIT_BRANCH),
            *("audit branch", "error", f"{ANA}, {BEN}, {CLEO}, {OWNER} may write"),
            id="open audit",
        ),
        pytest.param(
            closed_list,
            *("audit branch", "error", "others, who are not told to us,"),
            id="open audit, and nobody is told",
        ),
        pytest.param(lambda w: w.hub.delete_branch(AUDIT_BRANCH), "audit branch", "warn", "there is no", id="no audit"),
        pytest.param(
            lambda w: w.hub.roles.update({OURS: "read"}), "forge account", "error", "may not write", id="a reader"
        ),
        pytest.param(
            lambda w: w.hub.roles.update({OURS: "admin"}), "forge account", "warn", "administers", id="an administrator"
        ),
    ],
)
def test_what_is_not_as_the_page_says_is_said(
    world: GitHubUnderTest, change: Callable[[GitHubUnderTest], object], name: str, status: str, words: str
) -> None:
    change(world)
    assert words in findings(world)[name, status]


@pytest.mark.parametrize("code", [403, 404])
@pytest.mark.parametrize("classic", [False, True])
def test_rules_that_are_not_for_our_eyes_are_unseen_and_not_absent(
    world: GitHubUnderTest, code: int, *, classic: bool
) -> None:
    world.hub.protections = {"main": list(REQUIRED)} if classic else {}
    world.fake.refuse = refusing("/rules/", code)
    found = findings(world)
    told = [one for (name, _), one in found.items() if name == "tracked branch"]
    assert any("the rules of rulesets" in one and UNSEEN in one for one in told)
    assert ("tracked branch", "ok") not in found
    assert not any("is not protected" in one for one in told)
    assert f"the rules of rulesets {UNSEEN}" in found["audit branch", "warn"]
    assert "the rules of rulesets" in found["forge rules", "warn"]


def test_rights_that_are_not_told_are_unseen(world: GitHubUnderTest) -> None:
    world.fake.lie = lambda what, said: {**said, "permissions": None} if what == "GET " else said
    found = findings(world)
    assert ("forge account", "ok") not in found
    assert world.door.access().may_write is None
    assert world.door.access().may_administer is None


def test_a_collaborator_of_whom_rights_are_not_told_counts_as_one_who_may_write(world: GitHubUnderTest) -> None:
    world.hub.roles["reader"] = "read"
    assert "reader" not in (world.door.access().writers or ())
    world.fake.lie = lambda what, said: (
        [{**one, "permissions": None} for one in said] if what.endswith("/collaborators") else said
    )
    assert "reader" in (world.door.access().writers or ())


def test_a_branch_is_not_absent_where_the_whole_repository_is_out_of_sight(world: GitHubUnderTest) -> None:
    world.fake.refuse = lambda _: (404, {"Content-Type": "application/json"}, b"{}")
    with pytest.raises(Rejected):
        world.door.guard("main")


def test_an_answer_about_another_branch_is_none(world: GitHubUnderTest) -> None:
    world.fake.lie = lambda what, said: {**said, "name": "other"} if "GET /branches" in what else said
    with pytest.raises(Rejected, match="something else"):
        world.door.guard("main")
