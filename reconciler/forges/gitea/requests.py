"""What is asked of Gitea: one pure builder for each request. Paths are those of its OpenAPI document (`/api/v1`)."""

from dataclasses import dataclass
from urllib.parse import quote

from reconciler.forges.asking import Request
from reconciler.names import Revision
from reconciler.state.forge import CommitStatus

PAGE = (("limit", "50"),)


def myself() -> Request:
    """Whose token it is."""
    return Request("asking whose token it is", "GET", "/user")


# What a token can do beyond its need, by a request that each kind of it would answer: scopes themselves are not told.
EXCESSIVE = {
    "admin": "/admin/cron",
    "notification": "/notifications/new",
    "organization": "/user/orgs",
    "package": "/packages/{owner}",
}


def probe(path: str, owner: str) -> Request:
    """Whether the token may do something that nothing here needs."""
    where = path.format(owner=quote(owner, safe=""))
    return Request(f"asking whether the token reaches {where}", "GET", where, (("limit", "1"),))


@dataclass(frozen=True, slots=True)
class Repository:
    """The requests about one repository."""

    owner: str
    name: str

    def itself(self) -> Request:
        """The repository, and what we may do there."""
        return self._get("asking what we may do in the repository", "")

    def branch(self, name: str) -> Request:
        """A branch and how it is protected; 404 where there is none."""
        return self._get(f"asking how {name} is protected", f"/branches/{quote(name, safe='')}")

    def collaborators(self) -> Request:
        """Who else may do something there, owners of an organisation apart."""
        return self._get("listing who may write", "/collaborators", PAGE)

    def open_pulls(self) -> Request:
        """Every open pull request, oldest first."""
        query = (("state", "open"), ("sort", "oldest"), *PAGE)
        return self._get("listing open pull requests", "/pulls", query)

    def pull(self, number: int) -> Request:
        """One pull request."""
        return self._get(f"reading pull request {number}", f"/pulls/{number}")

    def pull_of(self, commit: Revision) -> Request:
        """The pull request whose merge a commit is; 404 where there is none."""
        return self._get(f"asking which pull request {commit[:12]} came from", f"/commits/{commit}/pull")

    def pull_commits(self, number: int) -> Request:
        """The commits of a pull request, newest first."""
        query = (("verification", "false"), ("files", "false"), *PAGE)
        return self._get(f"listing the commits of pull request {number}", f"/pulls/{number}/commits", query)

    def reviews(self, number: int) -> Request:
        """Every review, oldest first."""
        return self._get(f"listing the reviews of pull request {number}", f"/pulls/{number}/reviews", PAGE)

    def timeline(self, number: int) -> Request:
        """Everything that happened to a pull request, oldest first."""
        return self._get(f"reading what happened to pull request {number}", f"/issues/{number}/timeline", PAGE)

    def comments(self, number: int) -> Request:
        """Every comment, oldest first; Gitea gives them in one answer."""
        return self._get(f"listing the comments of pull request {number}", f"/issues/{number}/comments")

    def permission(self, login: str) -> Request:
        """What an account may do here."""
        return self._get(f"asking what {login} may do", f"/collaborators/{quote(login, safe='')}/permission")

    def statuses(self, revision: Revision) -> Request:
        """The statuses of a commit, newest first."""
        return self._get(f"listing the statuses of {revision[:12]}", f"/commits/{revision}/statuses", PAGE)

    def say(self, number: int, body: str) -> Request:
        """Comment."""
        path = self._path(f"/issues/{number}/comments")
        return Request(f"commenting on pull request {number}", "POST", path, body={"body": body})

    def say_instead(self, number: int, comment: str, body: str) -> Request:
        """Edit a comment of ours."""
        path = self._path(f"/issues/comments/{comment}")
        return Request(f"editing our comment on pull request {number}", "PATCH", path, body={"body": body})

    def set_status(self, revision: Revision, status: CommitStatus) -> Request:
        """Say something about a commit."""
        body = {
            "context": status.context,
            "state": status.state.value,
            "description": status.description,
            "target_url": status.url,
        }
        what = f"setting {status.context} of {revision[:12]}"
        return Request(what, "POST", self._path(f"/statuses/{revision}"), body=body)

    def open_pull(self, branch: str, base: str, title: str, text: str) -> Request:
        """Open a pull request of a pushed branch."""
        body = {"head": branch, "base": base, "title": title, "body": text}
        return Request(f"opening a pull request of {branch}", "POST", self._path("/pulls"), body=body)

    def _get(self, what: str, path: str, query: tuple[tuple[str, str], ...] = ()) -> Request:
        return Request(what, "GET", self._path(path), query)

    def _path(self, path: str) -> str:
        return f"/repos/{quote(self.owner, safe='')}/{quote(self.name, safe='')}{path}"
