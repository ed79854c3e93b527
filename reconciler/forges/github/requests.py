"""What is asked of GitHub: one pure builder for each request. Paths are those of its OpenAPI document (2022-11-28)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

from reconciler.forges.asking import Request
from reconciler.names import Revision
from reconciler.state.forge import CommitStatus

HEADERS: Mapping[str, str] = MappingProxyType(
    {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
)
FULL = 100  # entries of a page, the most that GitHub gives
PAGE = (("per_page", str(FULL)),)

# What REST does not say: which branches a base went between, and whether a review's words were changed afterwards.
BASES = """query($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) { nameWithOwner pullRequest(number: $number) { number
    timelineItems(last: 100, itemTypes: [BASE_REF_CHANGED_EVENT, AUTOMATIC_BASE_CHANGE_SUCCEEDED_EVENT]) {
      pageInfo { hasPreviousPage }
      nodes { __typename
        ... on BaseRefChangedEvent { createdAt old: previousRefName new: currentRefName }
        ... on AutomaticBaseChangeSucceededEvent { createdAt old: oldBase new: newBase } } } } } }"""
EDITS = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename ... on PullRequestReview { id body lastEditedAt } } }"


def myself() -> Request:
    """Whose token it is."""
    return Request("asking whose token it is", "GET", "/user")


def installation_token(installation: int, repository: str, permissions: Mapping[str, str]) -> Request:
    """A token for one repository with these rights and no others."""
    body = {"repositories": [repository], "permissions": dict(permissions)}
    path = f"/app/installations/{installation}/access_tokens"
    return Request("asking for a token of the App's installation", "POST", path, body=body)


@dataclass(frozen=True, slots=True)
class Repository:
    """The requests about one repository."""

    owner: str
    name: str

    @property
    def full_name(self) -> str:
        """As people write it."""
        return f"{self.owner}/{self.name}"

    def installation(self) -> Request:
        """Where the App whose JWT it is has been installed for this repository."""
        return self._get(f"asking whether the App is installed for {self.full_name}", "/installation")

    def itself(self) -> Request:
        """The repository."""
        return self._get(f"reading the repository {self.full_name}", "")

    def open_pulls(self) -> Request:
        """Every open pull request, oldest first."""
        query = (("state", "open"), ("sort", "created"), ("direction", "asc"), *PAGE)
        return self._list("listing open pull requests", "/pulls", query)

    def open_pulls_of(self, branch: str, base: str) -> Request:
        """The open pull requests of one branch of this repository."""
        query = (("state", "open"), ("head", f"{self.owner}:{branch}"), ("base", base), *PAGE)
        return self._list(f"looking for the pull request of {branch}", "/pulls", query)

    def closed_pulls(self, base: str) -> Request:
        """The pull requests that were closed or merged, those with the latest change first."""
        query = (("state", "closed"), ("base", base), ("sort", "updated"), ("direction", "desc"), *PAGE)
        return self._list(f"listing what was merged into {base}", "/pulls", query)

    def pull(self, number: int) -> Request:
        """One pull request."""
        return self._get(f"reading pull request {number}", f"/pulls/{number}")

    def pulls_of(self, commit: Revision) -> Request:
        """The pull requests that a commit came from; 422 where there is no such commit."""
        return self._list(f"asking which pull request {commit[:12]} came from", f"/commits/{commit}/pulls", PAGE)

    def pull_commits(self, number: int) -> Request:
        """The commits of a pull request, oldest first; at most 250."""
        return self._list(f"listing the commits of pull request {number}", f"/pulls/{number}/commits", PAGE)

    def reviews(self, number: int) -> Request:
        """Every review, oldest first."""
        return self._list(f"listing the reviews of pull request {number}", f"/pulls/{number}/reviews", PAGE)

    def timeline(self, number: int) -> Request:
        """Everything that happened to a pull request, oldest first."""
        return self._list(f"reading what happened to pull request {number}", f"/issues/{number}/timeline", PAGE)

    def comments(self, number: int) -> Request:
        """Every comment, oldest first."""
        return self._list(f"listing the comments of pull request {number}", f"/issues/{number}/comments", PAGE)

    def permission(self, login: str) -> Request:
        """What an account may do here."""
        return self._get(f"asking what {login} may do", f"/collaborators/{quote(login, safe='')}/permission")

    def statuses(self, revision: Revision) -> Request:
        """The statuses of a commit, newest first."""
        return self._list(f"listing the statuses of {revision[:12]}", f"/commits/{revision}/statuses", PAGE)

    def collaborators(self) -> Request:
        """Everybody who may do something here, also through teams and organisations."""
        return self._list("listing who may write", "/collaborators", PAGE)

    def branch(self, name: str) -> Request:
        """A branch, and what everybody is told of its protection; 404 where there is none."""
        return self._get(f"asking how {name} is protected", f"/branches/{quote(name, safe='')}")

    def rules(self, branch: str) -> Request:
        """The rules of rulesets that hold for a branch."""
        return self._list(f"listing the rules of {branch}", f"/rules/branches/{quote(branch, safe='')}", PAGE)

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
        body = {"context": status.context, "state": status.state.value, "description": status.description}
        what = f"setting {status.context} of {revision[:12]}"
        url = {"target_url": status.url} if status.url else {}
        return Request(what, "POST", self._path(f"/statuses/{revision}"), body={**body, **url})

    def open_pull(self, branch: str, base: str, title: str, text: str) -> Request:
        """Open a pull request of a pushed branch."""
        body = {"head": branch, "base": base, "title": title, "body": text}
        return Request(f"opening a pull request of {branch}", "POST", self._path("/pulls"), body=body)

    def bases(self, number: int) -> Request:
        """Every change of a pull request's base, by GraphQL."""
        variables = {"owner": self.owner, "name": self.name, "number": number}
        body = {"query": BASES, "variables": variables}
        return Request(f"reading the bases of pull request {number}", "POST", "/graphql", body=body)

    def edits(self, number: int, nodes: Sequence[str]) -> Request:
        """When reviews were edited, by GraphQL; at most a hundred."""
        body = {"query": EDITS, "variables": {"ids": list(nodes)}}
        return Request(f"asking which reviews of pull request {number} were edited", "POST", "/graphql", body=body)

    def _get(self, what: str, path: str) -> Request:
        return Request(what, "GET", self._path(path))

    def _list(self, what: str, path: str, query: tuple[tuple[str, str], ...]) -> Request:
        return Request(what, "GET", self._path(path), query, full=FULL)

    def _path(self, path: str) -> str:
        return f"/repos/{quote(self.owner, safe='')}/{quote(self.name, safe='')}{path}"
