"""What a GitHub remembers of one repository, and what its people do on its pages; no HTTP.

Written after GitHub's documents, and like it where the adapter could be misled: a branch that goes closes its pull
request, `/commits/{sha}/pulls` names merged ones only for what the default branch holds, a dismissed review keeps
nothing of its verdict, times have seconds, a push moves the head of open pull requests and refs/pull/N/head.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.git import history, write
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Person
from reconciler.git.merge import MergeConflict
from reconciler.git.transport import Transport
from reconciler.names import Revision
from reconciler.ports import Clock

OWNER = "house"
MAIN = "main"
LATEST_STATUSES = 1_000  # of one commit and context; then GitHub says 422


class No(Exception):
    """What GitHub answers with a code and words."""

    def __init__(self, status: int, message: str, *errors: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.errors = status, message, errors


@dataclass(slots=True)
class Pull:
    """One pull request. `brought`: the commits that stand for it on its base once it is merged."""

    number: int
    title: str
    body: str
    author: str
    base: str
    head_ref: str
    head_owner: str | None  # None: the fork is gone
    head: Revision
    created_at: datetime
    updated_at: datetime
    state: str = "open"
    merged_at: datetime | None = None
    merged_by: str = ""
    merge_commit: Revision | None = None
    closed_at: datetime | None = None
    brought: tuple[Revision, ...] = ()
    commits: tuple[Revision, ...] = ()
    assignees: tuple[str, ...] = ()
    reviews: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    timeline: list[dict[str, Any]] = field(default_factory=list)

    @property
    def label(self) -> str:
        return f"{self.head_owner or 'unknown repository'}:{self.head_ref}"


class Hub:
    """One repository and its people. `roles`: what each account may do; others read."""

    def __init__(self, root: Path, clock: Clock, *, name: str = "desired", origin: Path | None = None) -> None:
        self.clock = clock
        self.owner, self.name = OWNER, name
        self.root = root
        transport = Transport(root / "git-home")
        folder = origin or root / OWNER / f"{name}.git"
        self.git = BareRepository(folder, transport) if origin else BareRepository.create(folder, transport)
        self.roles: dict[str, str] = {OWNER: "admin"}
        self.bots: set[str] = set()
        self.forks: dict[str, dict[str, Revision]] = {}
        self.pulls: dict[int, Pull] = {}
        self.statuses: list[dict[str, Any]] = []
        self.ids = itertools.count(1001)
        self.numbers = itertools.count(1)
        self.protections: dict[str, list[str]] = {}  # branch -> required statuses, by branch protection
        self.rules: dict[str, list[dict[str, Any]]] = {}  # branch -> rules of rulesets
        self.lags = False  # `/commits/{sha}/pulls` does not know the last merges yet

    # --- what everything stands on

    def now(self) -> datetime:
        return self.clock.now().astimezone(UTC).replace(microsecond=0)

    def tip(self, branch: str) -> Revision | None:
        return self.git.ref(f"refs/heads/{branch}")

    def pull(self, number: int) -> Pull:
        if number not in self.pulls:
            raise No(404, "Not Found")
        return self.pulls[number]

    def known(self, revision: str) -> Revision:
        if len(revision) != 40 or not self.git.has(Revision(revision)):
            raise No(422, f"No commit found for SHA: {revision}")
        return Revision(revision)

    def settle(self, branch: str = "") -> None:
        """Take in what was pushed: heads move, a branch that is gone closes its pull request."""
        for pull in self.pulls.values():
            if pull.state != "open" or pull.head_owner is None or (branch and pull.head_ref != branch):
                continue
            mine = pull.head_owner == self.owner
            stands = self.tip(pull.head_ref) if mine else self.forks[pull.head_owner].get(pull.head_ref)
            if stands is None:
                self.close(pull.author, pull.number)
            elif stands != pull.head:
                pull.head = stands
                self._happened(pull, "head_ref_force_pushed", pull.author)
                self._mirrored(pull)

    # --- what people do

    def push(self, who: str, branch: str, files: Mapping[str, str], *, on: Revision | None = None) -> Revision:
        parent = on or self.tip(branch) or self.tip(MAIN)
        made = self.commit(who, files, parent)
        self.git.set_ref(f"refs/heads/{branch}", made)
        self.settle(branch)
        return made

    def commit(self, who: str, files: Mapping[str, str], parent: Revision | None) -> Revision:
        return write.commit_tree(
            self.git,
            files={path: content.encode() for path, content in files.items()},
            parents=[parent] if parent else [],
            message=f"change {', '.join(files)}",
            author=self.person(who),
        )

    def person(self, who: str) -> Person:
        return Person(who, f"{who}@example.invalid", self.now())

    def delete_branch(self, branch: str) -> None:
        self.git.set_ref(f"refs/heads/{branch}", None)
        self.settle()

    def open(self, who: str, head: str, *, base: str = MAIN, title: str = "a title", body: str = "") -> int:
        owner, _, branch = head.rpartition(":")
        owner = owner or self.owner
        stands = self.tip(branch) if owner == self.owner else self.forks.get(owner, {}).get(branch)
        if stands is None or self.tip(base) is None:
            raise No(422, "Validation Failed", {"resource": "PullRequest", "field": "head", "code": "invalid"})
        if any((one.label, one.base, one.state) == (f"{owner}:{branch}", base, "open") for one in self.pulls.values()):
            message = f"A pull request already exists for {owner}:{branch}."
            raise No(422, "Validation Failed", {"resource": "PullRequest", "code": "custom", "message": message})
        number, now = next(self.numbers), self.now()
        self.pulls[number] = Pull(number, title, body, who, base, branch, owner, stands, now, now)
        self._mirrored(self.pulls[number])
        return number

    def fork(self, who: str, branch: str, files: Mapping[str, str]) -> None:
        self.forks.setdefault(who, {})[branch] = self.commit(who, files, self.tip(MAIN))

    def say(self, who: str, number: int, body: str) -> dict[str, Any]:
        if len(body) > 65_536:
            raise No(422, "Validation Failed", {"message": "body is too long (maximum is 65536 characters)"})
        pull, now = self.pull(number), self.now()
        said = {"id": next(self.ids), "user": who, "body": body, "created_at": now, "updated_at": now, "app": None}
        pull.comments.append(said)
        pull.updated_at = now
        return said

    def say_instead(self, comment: int, body: str) -> tuple[int, dict[str, Any]]:
        for pull in self.pulls.values():
            for said in pull.comments:
                if said["id"] == comment:
                    said |= {"body": body, "updated_at": self.now()}
                    return pull.number, said
        raise No(404, "Not Found")

    def review(self, who: str, number: int, state: str, body: str = "") -> int:
        pull = self.pull(number)
        self.settle()
        identity = next(self.ids)
        said = {"id": identity, "user": who, "state": state, "body": body, "commit_id": pull.head}
        pull.reviews.append({**said, "submitted_at": self.now(), "edited_at": None})
        return identity

    def edit_review(self, number: int, review: int, body: str) -> None:
        """What anybody who may push can do to anybody's review."""
        self._review(number, review).update(body=body, edited_at=self.now())

    def dismiss(self, who: str, number: int, review: int) -> None:
        self._review(number, review)["state"] = "DISMISSED"
        self._happened(self.pull(number), "review_dismissed", who)

    def retarget(self, who: str, number: int, base: str) -> None:
        pull = self.pull(number)
        self._happened(pull, "base_ref_changed", who, old=pull.base, new=base)
        pull.base = base

    def assign(self, number: int, assignees: Iterable[str]) -> None:
        self.pull(number).assignees = tuple(assignees)

    def close(self, who: str, number: int) -> None:
        pull = self.pull(number)
        pull.state, pull.closed_at = "closed", self.now()
        self._happened(pull, "closed", who)

    def reopen(self, who: str, number: int) -> None:
        pull = self.pull(number)
        pull.state, pull.closed_at = "open", None
        self._happened(pull, "reopened", who)
        self.settle()

    def merge(self, who: str, number: int, how: str) -> Revision:
        self.settle()
        pull = self.pull(number)
        base = self.tip(pull.base)
        assert base is not None
        assert pull.state == "open", f"pull request {number} is {pull.state}"
        author, web = self.person(who), Person("GitHub", "noreply@github.com", self.now())
        pull.commits = self.commits_of(pull)
        words = f"Merge pull request #{number} from {pull.label}\n\n{pull.title}"
        made: Revision | MergeConflict
        if how == "merge":
            made = write.merge(self.git, base, pull.head, message=words, author=author)
        elif how == "squash":
            words = f"{pull.title} (#{number})"
            made = write.squash(self.git, base, pull.head, message=words, author=author, committer=web)
        else:
            made = write.rebase(self.git, base, pull.head, committer=web)
        if isinstance(made, MergeConflict):
            raise No(405, "Pull Request is not mergeable")
        self.git.set_ref(f"refs/heads/{pull.base}", made)
        now = self.now()
        pull.state, pull.merged_at, pull.closed_at, pull.merged_by = "closed", now, now, who
        pull.merge_commit, pull.updated_at = made, now
        pull.brought = tuple(one.id for one in history.commits(self.git, base, made))
        self._happened(pull, "merged", who)
        self.settle()
        return made

    def set_status(self, who: str, revision: str, said: Mapping[str, Any]) -> dict[str, Any]:
        context = str(said.get("context", "default"))
        earlier = [one for one in self.statuses if (one["sha"], one["context"]) == (revision, context)]
        if len(earlier) >= LATEST_STATUSES:
            message = "This SHA and context has reached the maximum number of statuses."
            raise No(422, "Validation Failed", {"message": message})
        if said["state"] not in {"error", "failure", "pending", "success"} or len(said.get("description") or "") > 140:
            raise No(422, "Validation Failed")
        url = said.get("target_url")
        if url is not None and not url.startswith(("http://", "https://")):
            raise No(422, "Validation Failed", {"message": "target_url must use http(s) scheme"})
        made = {"id": next(self.ids), "sha": self.known(revision), "context": context, "state": said["state"]}
        made |= {"description": said.get("description"), "target_url": url, "creator": who, "at": self.now()}
        self.statuses.append(made)
        return made

    # --- what the API asks

    def pulls_of(self, revision: str) -> list[Pull]:
        commit = self.known(revision)
        tip = self.tip(MAIN)
        if tip is not None and history.is_ancestor(self.git, commit, tip):
            return [] if self.lags else [one for one in self.pulls.values() if commit in (*one.brought, *one.commits)]
        return [one for one in self.pulls.values() if one.state == "open" and commit in self.commits_of(one)]

    def commits_of(self, pull: Pull) -> tuple[Revision, ...]:
        if pull.commits:
            return pull.commits
        base = self.tip(pull.base)
        return tuple(one.id for one in history.commits(self.git, base, pull.head))

    def permission(self, login: str) -> str:
        if login in self.bots or not login:
            raise No(404, f"{login} is not a user")
        return self.roles.get(login, "read")

    def _review(self, number: int, review: int) -> dict[str, Any]:
        return next(one for one in self.pull(number).reviews if one["id"] == review)

    def _happened(self, pull: Pull, event: str, who: str, **more: Any) -> None:
        pull.timeline.append({"id": next(self.ids), "event": event, "actor": who, "created_at": self.now(), **more})
        pull.updated_at = self.now()

    def _mirrored(self, pull: Pull) -> None:
        self.git.set_ref(f"refs/pull/{pull.number}/head", pull.head)
