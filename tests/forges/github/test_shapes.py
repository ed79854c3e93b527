"""The stand-in speaks as GitHub's own description of its API says, and nothing is asked that the description lacks.

`make real` fetches the description (npm, @octokit/openapi) into the cache of tests.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.forges.github.access import AppToken
from reconciler.state.forge import CommitStatus, StatusState
from tests.contracts.forge_github import GitHubUnderTest
from tests.contracts.forge_world import ANA, BEN, CLEO, How, Says, opened
from tests.forges.github.server import FakeGitHub
from tests.forges.github.test_access import adapter, source
from tests.forges.github.test_access import key as key
from tests.forges.github.test_guarding import PULL_REQUEST, UPDATE, statuses

pytestmark = pytest.mark.real
__all__ = ["key", "source"]


@pytest.fixture(scope="module")
def document(official_github_api: Path) -> Any:
    return nullable(json.loads(official_github_api.read_text()))


def nullable(content: Any) -> Any:
    """OpenAPI 3.0 says that null is allowed beside a type; JSON Schema says it as another type."""
    if isinstance(content, list):
        return [nullable(one) for one in content]
    if not isinstance(content, dict):
        return content
    found = {name: nullable(value) for name, value in content.items()}
    if found.pop("nullable", None) is True:
        return {"anyOf": [{"type": "null"}, found]}
    return found


def schema_of(document: Any, method: str, path: str) -> Any:
    """Of the successful answer to a request. Asserts that GitHub has such a request."""
    for template, methods in document["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in methods:
            answers = methods[method.lower()]["responses"]
            found = next(answers[code] for code in ("200", "201") if code in answers)
            return found["content"]["application/json"]["schema"]
    raise AssertionError(f"GitHub has no {method} {path}")


def wrong(document: Any, method: str, path: str, content: Any) -> list[str]:
    schema = {"components": document["components"], **schema_of(document, method, path)}
    errors = Draft202012Validator(schema).iter_errors(content)
    return [f"{method} {path}: {list(one.absolute_path)}: {one.message[:200]}" for one in errors]


def test_every_answer_of_the_stand_in_is_one_of_githubs(
    document: Any, fake_github: FakeGitHub, source: AppToken, tmp_path: Path
) -> None:
    said: dict[str, tuple[str, str, Any]] = {}

    def remember(what: str, content: Any) -> Any:
        method, _, short = what.partition(" ")
        whole = short.startswith(("/user", "/app"))
        path = short if whole else f"/repos/house/desired{short}"
        if what != "graph":
            said[re.sub(r"[0-9a-f]{40}|\d+", "N", what) + str(len(json.dumps(content)) > 2)] = (method, path, content)
        return content

    fake_github.lie = remember
    door = adapter(fake_github, source, tmp_path / "app")
    door.own_login()
    door.open_pull_requests()
    door.access()
    world = GitHubUnderTest(tmp_path / "world", fake_github)
    _everything(world)
    found = [one for method, path, content in said.values() for one in wrong(document, method, path, content)]
    assert found == []
    assert len(said) >= 18


def _everything(world: GitHubUnderTest) -> None:
    world.hub.rules["main"] = [PULL_REQUEST, UPDATE, statuses("reconciler/preview")]
    world.hub.protections["main"] = ["reconciler/preview"]
    world.door.access(), world.door.guard("main"), world.door.own_rules("main")
    world.open_from_fork("eve", {"fork.yaml": "fork: 1\n"})
    number = opened(world)
    for says in Says:
        world.review(BEN, number, says, "digest 0123456789ab")
    world.assign(ANA, number, (BEN,))
    world.comment(BEN, number, "hello")
    world.hub.say(BEN, number, "by an App")["app"] = "some-app"
    world.hub.say("", number, "by nobody any more")
    world.forge.reviews(number)
    world.writer.write_comment(number, "marker", "hello")
    world.writer.write_comment(number, "marker", "hello again")
    for url in ("", "https://reconciler.example.org"):
        world.writer.set_status(world.tip("main"), CommitStatus("reconciler/preview", StatusState.PENDING, "", url))
    world.writer.statuses(world.tip("main"))
    world.push(CLEO, "release", {"release.yaml": "r: 1\n"})
    world.retarget(ANA, number, "release")
    world.forge.reviews(number)
    world.forge.open_pull_requests()
    for how in How:
        merged = opened(world, f"by-{how}")
        world.merge(CLEO, merged, how)
        world.hub.lags = how is How.REBASE
        world.forge.merged_pull_requests([world.tip("main")])
        world.forge.pull_request(merged)
    world.writer.propose("reconciler/raise-a", world.local_commit({"a.yaml": "a: 3\n"}), "Raise a", "")
