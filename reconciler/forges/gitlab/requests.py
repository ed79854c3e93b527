"""What is asked of GitLab: one pure builder for each request. Paths are those of its REST documents (`/api/v4`).

A merge request's number is its `iid`, which counts within the project; its `id` counts within the whole GitLab and is
in no path.
"""

from dataclasses import dataclass
from urllib.parse import quote

from reconciler.forges.asking import Request
from reconciler.names import Revision

FULL = 100  # entries of a page, the most that GitLab gives
PAGE = (("per_page", str(FULL)),)
OLDEST_FIRST = (("order_by", "created_at"), ("sort", "asc"), *PAGE)


def myself() -> Request:
    """Whose token it is."""
    return Request("asking whose token it is", "GET", "/user")


def account(number: int) -> Request:
    """What is known of an account: whether it is a bot."""
    return Request(f"asking who account {number} is", "GET", f"/users/{number}")


def token() -> Request:
    """What our token is: its scopes."""
    return Request("asking what the token reaches", "GET", "/personal_access_tokens/self")


@dataclass(frozen=True, slots=True)
class Project:
    """The requests about one project. `path`: its full path, such as group/subgroup/name."""

    path: str

    def itself(self) -> Request:
        """The project: its number."""
        return self._get(f"reading project {self.path}", "")

    def open_merge_requests(self, source: str = "") -> Request:
        """Every open merge request, oldest first; of one source branch only, where it is named."""
        query = (("state", "opened"), *((("source_branch", source),) if source else ()), *OLDEST_FIRST)
        return self._get("listing open merge requests", "/merge_requests", query)

    def merge_request(self, number: int) -> Request:
        """One merge request."""
        return self._get(f"reading merge request {number}", f"/merge_requests/{number}")

    def merge_requests_of(self, commit: Revision) -> Request:
        """The merged merge requests that a commit belongs to; 404 where the commit is unknown."""
        what = f"asking which merge request {commit[:12]} came from"
        return self._get(what, f"/repository/commits/{commit}/merge_requests", (("state", "merged"), *PAGE))

    def versions(self, number: int) -> Request:
        """Every head that a merge request had, with when it got it."""
        return self._get(f"listing the versions of merge request {number}", f"/merge_requests/{number}/versions", PAGE)

    def approvals(self, number: int) -> Request:
        """Whose approval stands now."""
        return self._get(f"reading the approvals of merge request {number}", f"/merge_requests/{number}/approvals")

    def reviewers(self, number: int) -> Request:
        """What each reviewer's state is now."""
        path = f"/merge_requests/{number}/reviewers"
        return self._get(f"listing the reviewers of merge request {number}", path, PAGE)

    def notes(self, number: int) -> Request:
        """Everything that was said or that happened, oldest first."""
        return self._get(
            f"listing the notes of merge request {number}", f"/merge_requests/{number}/notes", OLDEST_FIRST
        )

    def member(self, account: int) -> Request:
        """What an account may do here, by itself or through a group; 404 where it is no member."""
        return self._get(f"asking what account {account} may do", f"/members/all/{account}")

    def members(self) -> Request:
        """Everybody who may do something here, also through groups."""
        return self._get("listing the members", "/members/all", PAGE)

    def branch(self, name: str) -> Request:
        """One branch; 404 where there is none."""
        return self._get(f"reading branch {name}", f"/repository/branches/{quote(name, safe='')}")

    def approval_rules(self) -> Request:
        """Who has to approve, by GitLab's own rules; 403 or 404 where there are none to be had."""
        return self._get("listing the approval rules", "/approval_rules", PAGE)

    def statuses(self, revision: Revision) -> Request:
        """The statuses of a commit that no later one of the same name replaced."""
        path = f"/repository/commits/{revision}/statuses"
        return self._get(f"listing the statuses of {revision[:12]}", path, PAGE)

    def pipelines(self, revision: Revision) -> Request:
        """The newest pipeline of a commit, if there is one."""
        query = (("sha", revision), ("per_page", "1"))
        return self._get(f"looking for a pipeline of {revision[:12]}", "/pipelines", query)

    def say(self, number: int, body: str) -> Request:
        """Comment."""
        path = self._path(f"/merge_requests/{number}/notes")
        return Request(f"commenting on merge request {number}", "POST", path, body={"body": body})

    def say_instead(self, number: int, note: str, body: str) -> Request:
        """Edit a comment of ours."""
        path = self._path(f"/merge_requests/{number}/notes/{note}")
        return Request(f"editing our comment on merge request {number}", "PUT", path, body={"body": body})

    def set_status(
        self, revision: Revision, *, name: str, state: str, description: str, url: str = "", ref: str = ""
    ) -> Request:
        """Say something about a commit. Without `ref` it goes to the newest pipeline of the commit."""
        body = {"state": state, "name": name, "description": description}
        body |= {key: value for key, value in (("target_url", url), ("ref", ref)) if value}
        return Request(f"setting {name} of {revision[:12]}", "POST", self._path(f"/statuses/{revision}"), body=body)

    def open_pull(self, source: str, target: str, title: str, text: str) -> Request:
        """Open a merge request of a pushed branch."""
        body = {"source_branch": source, "target_branch": target, "title": title, "description": text}
        return Request(f"opening a merge request of {source}", "POST", self._path("/merge_requests"), body=body)

    def _get(self, what: str, path: str, query: tuple[tuple[str, str], ...] = ()) -> Request:
        return Request(what, "GET", self._path(path), query, full=FULL if ("per_page", str(FULL)) in query else 0)

    def _path(self, path: str) -> str:
        return f"/projects/{quote(self.path, safe='')}{path}"
