"""GitHub's JSON, with every field that its OpenAPI document requires (tests/forges/github/test_shapes.py checks it)."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from reconciler.git import history
from reconciler.git.commits import Commit
from reconciler.names import Revision
from tests.forges.github.hub import Hub, Pull

USER_URLS = ("followers", "following", "gists", "starred", "subscriptions", "organizations", "repos", "events")
REPOSITORY_URLS = (
    *("archive", "assignees", "blobs", "branches", "collaborators", "comments", "commits", "compare", "contents"),
    *("contributors", "deployments", "downloads", "events", "forks", "git_commits", "git_refs", "git_tags", "hooks"),
    *("issue_comment", "issue_events", "issues", "keys", "labels", "languages", "merges", "milestones"),
    *("notifications", "pulls", "releases", "stargazers", "statuses", "subscribers", "subscription", "tags", "teams"),
    "trees",
)
FLAGS = ("has_issues", "has_projects", "has_downloads", "has_wiki", "has_pages", "has_discussions")
COUNTS = ("forks_count", "stargazers_count", "watchers_count", "size", "open_issues_count")
COUNTS_AGAIN = ("forks", "open_issues", "watchers")


def time(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def number_of(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:7], 16) + 1


class Shapes:
    """One hub's answers; `api` is where its API is."""

    def __init__(self, hub: Hub, api: str) -> None:
        self.hub, self.api = hub, api
        self.here = f"{api}/repos/{hub.owner}/{hub.name}"

    def user(self, login: str) -> dict[str, Any] | None:
        if not login:
            return None
        url = f"{self.api}/users/{login}"
        return {
            "login": login,
            "id": number_of(login),
            "node_id": f"U_{login}",
            "avatar_url": f"{url}/avatar",
            "gravatar_id": "",
            "url": url,
            "html_url": f"https://github.invalid/{login}",
            **{f"{name}_url": f"{url}/{name}" for name in USER_URLS},
            "received_events_url": f"{url}/received_events",
            "type": "Bot" if login in self.hub.bots else "User",
            "site_admin": False,
        }

    def myself(self, login: str) -> dict[str, Any]:
        nothing = dict.fromkeys(("name", "company", "blog", "location", "email", "hireable", "bio"))
        counts = dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0)
        times = dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00Z")
        return {**(self.user(login) or {}), **nothing, **counts, **times}

    def repository(self, owner: str = "") -> dict[str, Any]:
        owner = owner or self.hub.owner
        full = f"{owner}/{self.hub.name}"
        url, clone = f"{self.api}/repos/{full}", f"https://github.invalid/{full}"
        return {
            "id": number_of(full),
            "node_id": f"R_{full}",
            "name": self.hub.name,
            "full_name": full,
            "owner": self.user(owner),
            "private": True,
            "html_url": clone,
            "description": None,
            "fork": owner != self.hub.owner,
            "url": url,
            **{f"{name}_url": f"{url}/{name}" for name in REPOSITORY_URLS},
            **{f"{name}_url": f"{clone}.git" for name in ("git", "ssh", "clone", "svn")},
            "mirror_url": None,
            "homepage": None,
            "language": None,
            "license": None,
            **dict.fromkeys(FLAGS, True),
            **dict.fromkeys((*COUNTS, *COUNTS_AGAIN), 0),
            "archived": False,
            "disabled": False,
            "default_branch": "main",
            "pushed_at": "2026-01-01T00:00:00Z",
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
        }

    def pull(self, pull: Pull, *, whole: bool) -> dict[str, Any]:
        """`whole`: as read by itself; a list leaves the last fields out."""
        url, issue = f"{self.here}/pulls/{pull.number}", f"{self.here}/issues/{pull.number}"
        page = f"https://github.invalid/{self.hub.owner}/{self.hub.name}/pull/{pull.number}"
        urls = {
            "url": url,
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "issue_url": issue,
            "commits_url": f"{url}/commits",
            "review_comments_url": f"{url}/comments",
            "review_comment_url": f"{self.here}/pulls/comments{{/number}}",
            "comments_url": f"{issue}/comments",
            "statuses_url": f"{self.here}/statuses/{pull.head}",
        }
        links = ("self", "html", "issue", "comments", "review_comments", "review_comment", "commits", "statuses")
        found = {
            **urls,
            "_links": {name: {"href": url} for name in links},
            "id": number_of(f"pull {pull.number}"),
            "node_id": f"PR_{pull.number}",
            "number": pull.number,
            "state": pull.state,
            "locked": False,
            "title": pull.title,
            "user": self.user(pull.author),
            "body": pull.body or None,
            "created_at": time(pull.created_at),
            "updated_at": time(pull.updated_at),
            "closed_at": time(pull.closed_at),
            "merged_at": time(pull.merged_at),
            "merge_commit_sha": pull.merge_commit or "5" * 40,  # of an open one: a merge that is only tried
            "assignee": self.user(pull.assignees[0]) if pull.assignees else None,
            "assignees": [self.user(one) for one in pull.assignees],
            "requested_reviewers": [],
            "requested_teams": [],
            "labels": [],
            "milestone": None,
            "draft": False,
            "author_association": "CONTRIBUTOR",
            "auto_merge": None,
            "head": self._side(pull.head_owner, pull.head_ref, pull.head),
            "base": self._side(self.hub.owner, pull.base, self.hub.tip(pull.base) or pull.head),
        }
        return {**found, **self._more(pull)} if whole else found

    def _more(self, pull: Pull) -> dict[str, Any]:
        return {
            "merged": pull.merged_at is not None,
            "mergeable": None,
            "rebaseable": None,
            "mergeable_state": "unknown",
            "merged_by": self.user(pull.merged_by),
            "comments": len(pull.comments),
            "review_comments": 0,
            "maintainer_can_modify": False,
            "commits": len(self.hub.commits_of(pull)),
            "additions": 1,
            "deletions": 0,
            "changed_files": 1,
        }

    def _side(self, owner: str | None, ref: str, sha: Revision) -> dict[str, Any]:
        return {
            "label": f"{owner}:{ref}" if owner else f"unknown repository:{ref}",
            "ref": ref,
            "sha": sha,
            "user": self.user(owner or ""),
            "repo": self.repository(owner) if owner else None,
        }

    def review(self, number: int, said: dict[str, Any]) -> dict[str, Any]:
        url = f"{self.here}/pulls/{number}"
        return {
            "id": said["id"],
            "node_id": f"PRR_{said['id']}",
            "user": self.user(said["user"]),
            "body": said["body"],
            "state": said["state"],
            "html_url": f"https://github.invalid/{number}#{said['id']}",
            "pull_request_url": url,
            "_links": {"html": {"href": url}, "pull_request": {"href": url}},
            "author_association": "COLLABORATOR",
            "commit_id": said["commit_id"],
            **({} if said["state"] == "PENDING" else {"submitted_at": time(said["submitted_at"])}),
        }

    def comment(self, number: int, said: dict[str, Any]) -> dict[str, Any]:
        url = f"{self.here}/issues/comments/{said['id']}"
        return {
            "id": said["id"],
            "node_id": f"IC_{said['id']}",
            "url": url,
            "html_url": url,
            "issue_url": f"{self.here}/issues/{number}",
            "body": said["body"],
            "user": self.user(said["user"]),
            "created_at": time(said["created_at"]),
            "updated_at": time(said["updated_at"]),
            "author_association": "COLLABORATOR",
            "performed_via_github_app": self.app(said["app"]) if said["app"] else None,
        }

    def app(self, slug: str) -> dict[str, Any]:
        return {
            "id": number_of(slug),
            "slug": slug,
            "node_id": f"A_{slug}",
            "owner": self.user(self.hub.owner),
            "name": slug,
            "description": None,
            "external_url": "https://reconciler.invalid",
            "html_url": f"https://github.invalid/apps/{slug}",
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
            "permissions": {"contents": "write"},
            "events": [],
        }

    def installation(self, found: int, slug: str) -> dict[str, Any]:
        url = f"{self.api}/app/installations/{found}"
        return {
            "id": found,
            "account": self.user(self.hub.owner),
            "repository_selection": "selected",
            "access_tokens_url": f"{url}/access_tokens",
            "repositories_url": f"{self.api}/installation/repositories",
            "html_url": url,
            "app_id": number_of(slug),
            "app_slug": slug,
            "target_id": 1,
            "target_type": "User",
            "permissions": {"contents": "write"},
            "events": [],
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
            "single_file_name": None,
            "suspended_by": None,
            "suspended_at": None,
        }

    def event(self, happened: dict[str, Any]) -> dict[str, Any]:
        """REST says that a base changed, and not from what to what."""
        return {
            "id": happened["id"],
            "node_id": f"E_{happened['id']}",
            "url": f"{self.here}/issues/events/{happened['id']}",
            "actor": self.user(happened["actor"]),
            "event": happened["event"],
            "commit_id": None,
            "commit_url": None,
            "created_at": time(happened["created_at"]),
            "performed_via_github_app": None,
        }

    def status(self, said: dict[str, Any]) -> dict[str, Any]:
        return {
            "url": f"{self.here}/statuses/{said['sha']}",
            "avatar_url": None,
            "id": said["id"],
            "node_id": f"SC_{said['id']}",
            "state": said["state"],
            "description": said["description"],
            "target_url": said["target_url"],
            "context": said["context"],
            "created_at": time(said["at"]),
            "updated_at": time(said["at"]),
            "creator": self.user(said["creator"]),
        }

    def permission(self, login: str) -> dict[str, Any]:
        role = self.hub.permission(login)
        told = {"maintain": "write", "triage": "read"}.get(role, role)
        rights = {"pull": True, "triage": False, "push": told in {"write", "admin"}, "maintain": False, "admin": False}
        user = {**(self.user(login) or {}), "permissions": rights, "role_name": role}
        return {"permission": told, "role_name": role, "user": user}

    def itself(self, who: str) -> dict[str, Any]:
        """The repository as it is told to whoever asks for it alone."""
        counts = dict.fromkeys(("network_count", "subscribers_count"), 0)
        return {**self.repository(), **counts, "permissions": self.rights(who)}

    def rights(self, login: str) -> dict[str, bool]:
        role = self.hub.roles.get(login, "read")
        reached = {"read": 1, "triage": 2, "write": 3, "maintain": 4, "admin": 5}[role]
        return {name: reached > at for at, name in enumerate(("pull", "triage", "push", "maintain", "admin"))}

    def collaborators(self) -> list[dict[str, Any]]:
        return [
            {**(self.user(login) or {}), "permissions": self.rights(login), "role_name": role}
            for login, role in self.hub.roles.items()
        ]

    def branch(self, name: str, tip: Revision) -> dict[str, Any]:
        """As anybody with read access sees it: of branch protection the required statuses and nothing more."""
        url, contexts = f"{self.here}/branches/{name}", self.hub.protections.get(name)
        checks = {
            "enforcement_level": "off" if contexts is None else "non_admins",
            "contexts": contexts or [],
            "checks": [{"context": one, "app_id": None} for one in contexts or ()],
        }
        return {
            "name": name,
            "commit": self.commits([tip])[0],
            "_links": {"self": url, "html": f"https://github.invalid/{self.hub.owner}/{self.hub.name}/tree/{name}"},
            "protected": contexts is not None,
            "protection": {"enabled": contexts is not None, "required_status_checks": checks},
            "protection_url": f"{url}/protection",
        }

    def rules(self, branch: str) -> list[dict[str, Any]]:
        source = {"ruleset_source_type": "Repository", "ruleset_source": f"{self.hub.owner}/{self.hub.name}"}
        return [{**rule, **source, "ruleset_id": 42} for rule in self.hub.rules.get(branch, ())]

    def commits(self, revisions: Iterable[Revision]) -> list[dict[str, Any]]:
        return [self._commit(history.commit(self.hub.git, one)) for one in revisions]

    def _commit(self, commit: Commit) -> dict[str, Any]:
        url = f"{self.here}/commits/{commit.id}"
        names = {
            role: {"name": one.name, "email": one.email, "date": time(one.at)}
            for role, one in (("author", commit.author), ("committer", commit.committer))
        }
        tree = {"sha": commit.tree, "url": f"{self.here}/git/trees/{commit.tree}"}
        return {
            "url": url,
            "sha": commit.id,
            "node_id": f"C_{commit.id}",
            "html_url": url,
            "comments_url": f"{url}/comments",
            "commit": {"url": url, **names, "message": commit.message.strip(), "comment_count": 0, "tree": tree},
            "author": None,
            "committer": None,
            "parents": [{"sha": one, "url": f"{self.here}/commits/{one}"} for one in commit.parents],
        }
