"""What a real Gitea does where one would expect otherwise, each by a test: the adapter stands on these facts.

Where a newer Gitea turns one of them red, read the adapter's rule beside it before changing either.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contracts.forge_gitea import GiteaUnderTest
from tests.contracts.forge_world import ANA, BEN, How, Says
from tests.servers.forge import GiteaServer
from tests.servers.processes import wait_until
from tests.story.gitea_people import next_second

pytestmark = pytest.mark.real


@pytest.fixture
def gitea(tmp_path: Path, real_gitea: GiteaServer) -> Iterator[GiteaUnderTest]:
    made = GiteaUnderTest(tmp_path, real_gitea)
    yield made
    made.sender.close()


@pytest.fixture
def number(gitea: GiteaUnderTest) -> int:
    gitea.push(ANA, "change", {"b.yaml": "b: 1\n"})
    return gitea.open(ANA, "change")


def api(gitea: GiteaUnderTest, path: str) -> Any:
    return gitea._ask("GET", path)


def answer(gitea: GiteaUnderTest, method: str, path: str, body: Any = None, as_: str = "") -> httpx.Response:
    return gitea.server.answer(method, f"/repos/house/{gitea.name}{path}", body, as_)


def protect(gitea: GiteaUnderTest, **rules: Any) -> None:
    gitea._ask("POST", "/branch_protections", {"branch_name": "main", **rules})


def merged(gitea: GiteaUnderTest, number: int, **asked: Any) -> httpx.Response:
    """How merging is answered once mergeability is computed."""
    found: list[httpx.Response] = []

    def said() -> bool:
        found.append(answer(gitea, "POST", f"/pulls/{number}/merge", {"Do": "merge", **asked}, ANA))
        return "try again later" not in found[-1].text

    wait_until(said, "an answer about the merge", 30.0)
    return found[-1]


def test_405_means_not_allowed_or_merged_already_and_only_the_message_tells(gitea: GiteaUnderTest, number: int) -> None:
    protect(gitea, enable_status_check=True, status_check_contexts=["reconciler/approval"])
    refused = merged(gitea, number)
    assert refused.status_code == 405
    gitea._ask("DELETE", "/branch_protections/main")
    assert merged(gitea, number).status_code == 200
    again = answer(gitea, "POST", f"/pulls/{number}/merge", {"Do": "merge"}, ANA)
    assert (again.status_code, again.json()["message"]) == (405, "The PR is already merged")
    assert again.json()["message"] != refused.json()["message"]


def test_a_wrong_head_is_a_conflict(gitea: GiteaUnderTest, number: int) -> None:
    found = merged(gitea, number, head_commit_id="0" * 40)
    assert (found.status_code, "head out of date" in found.text) == (409, True)


def test_a_review_does_not_say_that_it_is_stale_right_after_the_head_moved(gitea: GiteaUnderTest, number: int) -> None:
    """So the commit that it was given for is compared, never this flag."""
    given = gitea.review(BEN, number, Says.APPROVE)
    before = api(gitea, f"/pulls/{number}")["head"]["sha"]
    gitea.push(ANA, "change", {"b.yaml": "b: 2\n"}, on=before)
    (review,) = [one for one in api(gitea, f"/pulls/{number}/reviews") if str(one["id"]) == given]
    assert review["commit_id"] == before != api(gitea, f"/pulls/{number}")["head"]["sha"]


def test_another_base_keeps_approvals(gitea: GiteaUnderTest, number: int) -> None:
    gitea.push(ANA, "other", {"c.yaml": "c: 1\n"})
    gitea.review(BEN, number, Says.APPROVE)
    gitea.retarget(ANA, number, "other")
    (review,) = api(gitea, f"/pulls/{number}/reviews")
    assert (review["state"], review["stale"], review["dismissed"]) == ("APPROVED", False, False)


def test_somebody_else_edits_a_comment_and_its_author_stays(gitea: GiteaUnderTest, number: int) -> None:
    said = gitea.comment(BEN, number, "/reconciler help")
    gitea.server.ask("PATCH", f"/repos/house/{gitea.name}/issues/comments/{said}", {"body": "/reconciler retry"})
    (comment,) = api(gitea, f"/issues/{number}/comments")
    assert (comment["user"]["login"], comment["body"]) == (BEN, "/reconciler retry")


def test_an_edit_within_the_second_does_not_show(gitea: GiteaUnderTest, number: int) -> None:
    next_second()
    said = gitea.comment(BEN, number, "first")
    changed = gitea._ask("PATCH", f"/issues/comments/{said}", {"body": "second"}, as_=BEN)
    assert len({changed["created_at"], changed["updated_at"]}) == 1


def test_nobody_approves_their_own(gitea: GiteaUnderTest, number: int) -> None:
    found = answer(gitea, "POST", f"/pulls/{number}/reviews", {"event": "APPROVED", "body": "mine"}, ANA)
    assert found.status_code == 422


def test_statuses_come_in_pages_and_without_an_etag(gitea: GiteaUnderTest, number: int) -> None:
    head = api(gitea, f"/pulls/{number}")["head"]["sha"]
    for index in range(6):
        gitea._ask("POST", f"/statuses/{head}", {"context": f"c{index}", "state": "success"})
    found = answer(gitea, "GET", f"/commits/{head}/statuses?limit=50")
    assert (len(found.json()), found.headers["X-Total-Count"]) == (5, "6")
    assert 'rel="next"' in found.headers["Link"]
    assert "ETag" not in found.headers


@pytest.mark.parametrize(("how", "known"), [(How.MERGE, 1), (How.SQUASH, 1), (How.REBASE, 1)])
def test_of_what_a_merge_brought_only_the_last_commit_knows_its_pull_request(
    gitea: GiteaUnderTest, how: How, known: int
) -> None:
    gitea.push(ANA, "two", {"b.yaml": "b: 1\n"})
    gitea.push(ANA, "two", {"c.yaml": "c: 1\n"}, on=gitea.tip("two"))
    number = gitea.open(ANA, "two")
    before = gitea.tip("main")
    gitea.merge(ANA, number, how)
    gitea._git("fetch", "--quiet", gitea._url(), "+refs/heads/*:refs/remotes/all/*")
    first_parents = gitea._git("rev-list", "--first-parent", f"{before}..{gitea.tip('main')}").split()
    found = [answer(gitea, "GET", f"/commits/{one}/pull").status_code for one in first_parents]
    assert (found[0], found.count(200)) == (200, known)
    assert len(found) == (2 if how is How.REBASE else 1)


def test_a_merged_pull_request_takes_no_more_reviews(gitea: GiteaUnderTest, number: int) -> None:
    gitea.merge(ANA, number, How.MERGE)
    found = answer(gitea, "POST", f"/pulls/{number}/reviews", {"event": "APPROVED", "body": "late"}, BEN)
    assert found.status_code >= 400


def test_who_merged_can_be_set_by_whoever_pushes_the_merge(gitea: GiteaUnderTest, number: int) -> None:
    """Where manual merges are taken: so a merge is no approval here, a signature is (G15)."""
    gitea._ask("PATCH", "", {"allow_manual_merge": True})
    head = api(gitea, f"/pulls/{number}")["head"]["sha"]
    gitea._git("fetch", "--quiet", gitea._url(), "+refs/heads/*:refs/remotes/all/*")
    gitea._git("checkout", "--quiet", "--detach", gitea.tip("main"))
    gitea._git("merge", "--quiet", "--no-ff", "--message", "by hand", head, who=BEN)
    gitea._git("push", "--quiet", gitea._url(), "HEAD:refs/heads/main")
    made = gitea._git("rev-parse", "HEAD")
    found = answer(gitea, "POST", f"/pulls/{number}/merge", {"Do": "manually-merged", "MergeCommitID": made}, ANA)
    assert found.status_code == 200, found.text
    pull = api(gitea, f"/pulls/{number}")
    assert (pull["merged"], pull["merge_commit_sha"]) == (True, made)
    assert pull["merged_by"]["login"] == ANA, "who pushed it does not stand there"


def test_a_direct_push_to_a_protected_branch_is_declined(gitea: GiteaUnderTest) -> None:
    protect(gitea, enable_push=False)
    with pytest.raises(AssertionError, match=re.compile("pre-receive hook declined", re.DOTALL)):
        gitea.push(ANA, "main", {"d.yaml": "d: 1\n"})


def test_a_comment_of_seventy_thousand_characters_is_taken(gitea: GiteaUnderTest, number: int) -> None:
    said = gitea.comment(BEN, number, "x" * 70_000)
    (comment,) = api(gitea, f"/issues/{number}/comments")
    assert (str(comment["id"]), len(comment["body"])) == (said, 70_000)


TOLD = ("comment", "review", "review dismissed", "retargeted")
UNTOLD = ("comment edited", "comment deleted", "review deleted")  # a push is told by a queue: sometimes in time


@pytest.mark.parametrize("change", [*TOLD, *UNTOLD])
def test_when_a_pull_request_was_updated_tells_of_some_changes(gitea: GiteaUnderTest, number: int, change: str) -> None:
    """What is not told is read anew after five minutes and before anything is decided (keeping.py)."""
    said, given = gitea.comment(BEN, number, "hello"), gitea.review(BEN, number, Says.APPROVE)
    gitea.push(ANA, "other", {"c.yaml": "c: 1\n"})
    before = api(gitea, f"/pulls/{number}")["updated_at"]
    next_second()
    changes: dict[str, Callable[[], object]] = {
        "comment": lambda: gitea.comment(BEN, number, "more"),
        "comment edited": lambda: gitea._ask("PATCH", f"/issues/comments/{said}", {"body": "else"}, as_=BEN),
        "comment deleted": lambda: gitea._ask("DELETE", f"/issues/comments/{said}", as_=BEN),
        "review": lambda: gitea.review(BEN, number, Says.REJECT),
        "review dismissed": lambda: gitea.dismiss(ANA, number, given),
        "review deleted": lambda: gitea._ask("DELETE", f"/pulls/{number}/reviews/{given}"),
        "retargeted": lambda: gitea.retarget(ANA, number, "other"),
    }
    changes[change]()
    assert (api(gitea, f"/pulls/{number}")["updated_at"] != before) is (change in TOLD)
