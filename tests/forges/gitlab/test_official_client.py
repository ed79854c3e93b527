"""The stand-in for GitLab, asked by GitLab's own Go client: paths, methods, fields and types are not of our making.

No official document of the answers is to be had from a package registry; the client is GitLab's own and is generated
and tested against that document.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reconciler.state.forge import CommitStatus, StatusState
from tests.contracts.forge_gitlab import PATH, GitLabUnderTest
from tests.contracts.forge_world import ANA, BEN, CLEO, How, Says, opened

pytestmark = pytest.mark.real

# Fields of a note that GitLab's source has and its client does not read.
UNREAD = {"notes": {"commands_changes", "imported", "imported_from"}}


def test_gitlabs_own_client_understands_every_answer_of_the_stand_in(
    world: GitLabUnderTest, official_gitlab_client: Path
) -> None:
    number = scene(world)
    head = world.tip("feature")
    found = asked(world, official_gitlab_client, number, head)
    assert {name: said["error"] for name, said in found.items() if isinstance(said, dict) and "error" in said} == {}
    one = world.project.merge_requests[number - 1]
    assert [each["iid"] for each in found["merge_requests"]] == [number]
    assert (found["merge_request"]["sha"], found["merge_request"]["target_branch"]) == (head, "main")
    assert found["merge_request"]["author"]["username"] == ANA
    assert [each["head_commit_sha"] for each in found["versions"]] == [each.head for each in reversed(one.versions)]
    assert [each["User"]["username"] for each in found["approvals"]["approved_by"]] == [BEN]
    assert [(each["user"]["username"], each["state"]) for each in found["reviewers"]] == [(CLEO, "requested_changes")]
    assert [each["body"] for each in found["notes"] if each["system"]] == [
        "approved this merge request",
        "requested changes",
    ]
    assert (found["edited"]["body"], found["edited"]["updated_at"] != found["edited"]["created_at"]) == ("edited", True)
    assert (found["status"]["name"], found["status"]["status"]) == ("client", "pending")
    assert sorted(each["name"] for each in found["statuses"]) == ["client", "reconciler/preview"]
    assert [each["sha"] for each in found["pipelines"]] == [head]
    assert (found["member"]["access_level"], found["account"]["bot"]) == (30, True)
    assert [each["access_level"] for each in found["members"]] == [30] * 4
    assert (found["branch"]["protected"], found["branch"]["can_push"]) == (False, True)
    assert [(each["name"], each["approvals_required"]) for each in found["approval_rules"]] == [("Security", 2)]
    assert found["token"]["scopes"] == ["api", "write_repository"]
    assert found["made"]["title"] == "by the client"


def test_the_stand_in_says_nothing_that_gitlabs_own_client_does_not_know(
    world: GitLabUnderTest, official_gitlab_client: Path
) -> None:
    number = scene(world)
    raw: dict[str, set[str]] = {}

    def keep(path: str, content: Any) -> Any:
        for entry in content if isinstance(content, list) else [content]:
            raw.setdefault(path.rpartition("/")[2], set()).update(entry)
        return content

    world.server.lies.append(keep)
    found = asked(world, official_gitlab_client, number, world.tip("feature"))
    for name in ("versions", "reviewers", "approvals", "notes", "statuses", "pipelines", "merge_requests"):
        said = found[name][0] if isinstance(found[name], list) else found[name]
        assert raw[name] - set(said) <= UNREAD.get(name, set()), name


def test_what_the_adapter_asks_is_what_gitlabs_own_client_asks(
    world: GitLabUnderTest, official_gitlab_client: Path
) -> None:
    """The same methods and paths; what the client was not told to ask fails."""
    number = scene(world)
    world.server.asked.clear()
    asked(world, official_gitlab_client, number, world.tip("feature"))
    theirs = {shape(method, path) for _, method, path in world.server.asked}
    world.server.asked.clear()
    forge, writer = world.forge, world.writer
    writer.propose("reconciler/raise-a", world.local_commit({"a.yaml": "a: 3\n"}), "Raise a", "")
    forge.open_pull_requests(), forge.reviews(number), forge.comments(number)
    for words in ("a preview", "another"):
        writer.write_comment(number, "marker", words)
    writer.set_status(world.tip("main"), CommitStatus("reconciler/preview", StatusState.SUCCESS, ""))
    world.merge(CLEO, number, How.MERGE)
    forge.merged_pull_requests([world.tip("main")])
    world.door.access(), world.door.guard("main"), world.door.own_rules("main")
    ours = {shape(method, path) for who, method, path in world.server.asked if who == world.own_login}
    assert len(ours) > 16
    assert ours - theirs == set()


def scene(world: GitLabUnderTest) -> int:
    world.project.approval_rules = [("Security", 2)]
    number = opened(world)
    world.push(ANA, "proposal", {"p.yaml": "p: 1\n"})
    world.push(ANA, "feature", {"second.yaml": "s: 1\n"})
    world.review(BEN, number, Says.APPROVE)
    world.review(CLEO, number, Says.REJECT)
    world.writer.set_status(world.tip("feature"), CommitStatus("reconciler/preview", StatusState.SUCCESS, "2 changes"))
    return number


def asked(world: GitLabUnderTest, client: Path, number: int, revision: str) -> dict[str, Any]:
    token = f"glpat-{world.own_login}"
    finished = subprocess.run(
        [client, world.server.url, token, PATH, str(number), revision],
        env={"HOME": str(client.parent), "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def shape(method: str, path: str) -> tuple[str, str]:
    """Without the numbers."""
    parts = path.replace("/house%2Fdesired-state", "/:project").split("/")
    return method, "/".join(":id" if part.isdigit() or len(part) == 40 or part == "main" else part for part in parts)
