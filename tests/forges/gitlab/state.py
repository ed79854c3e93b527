"""What a GitLab keeps: accounts, projects, merge requests, notes, jobs. A stand-in that follows GitLab's own source.

Every act takes its time from `now`. What a push changes is taken in by `received`, as GitLab's queue does.
"""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pygit2

START = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
GUEST, DEVELOPER, MAINTAINER = 10, 30, 40


@dataclass(slots=True)
class SteppingClock:
    """A step goes by with each look at it, so that no two acts are near each other."""

    at: datetime = START
    step: timedelta = timedelta(seconds=90)

    def now(self) -> datetime:
        self.at += self.step
        return self.at


@dataclass(slots=True)
class User:
    id: int
    username: str
    bot: bool = False
    state: str = "active"


@dataclass(slots=True)
class Note:
    id: int
    author: User
    body: str
    created_at: datetime
    updated_at: datetime
    system: bool = False
    kind: str | None = None
    internal: bool = False
    head: str = ""  # of a note on a diff
    imported: bool = False


@dataclass(slots=True)
class Version:
    id: int
    head: str
    base: str
    start: str
    created_at: datetime


@dataclass(slots=True)
class Job:
    """A commit status."""

    id: int
    sha: str
    ref: str
    pipeline: int
    name: str
    author: User
    created_at: datetime
    state: str = "created"
    description: str | None = None
    target_url: str | None = None
    replaced: bool = False


@dataclass(slots=True)
class Pipeline:
    id: int
    sha: str
    ref: str


@dataclass(slots=True)
class Project:
    id: int
    path: str
    git: pygit2.Repository
    pipelines_must_succeed: bool = False
    protected: dict[str, int] = field(default_factory=dict)  # branches, with the level from which on one may push
    members: dict[int, int] = field(default_factory=dict)
    approval_rules: list[tuple[str, int]] | None = None  # names and how many approvals; None: this GitLab has none
    pipelines: list[Pipeline] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    merge_requests: "list[MergeRequest]" = field(default_factory=list)

    def tip(self, branch: str) -> str | None:
        found = self.git.references.get(f"refs/heads/{branch}")
        return str(found.target) if found is not None else None


@dataclass(slots=True)
class MergeRequest:
    id: int
    iid: int
    project: Project
    source: Project
    source_branch: str
    target_branch: str
    title: str
    description: str
    author: User
    created_at: datetime
    state: str = "opened"
    merged_at: datetime | None = None
    merge_user: User | None = None
    closed_at: datetime | None = None
    merge_commit: str | None = None
    squash_commit: str | None = None
    assignees: list[User] = field(default_factory=list)
    reviewers: dict[int, str] = field(default_factory=dict)
    approvals: dict[int, datetime] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)

    @property
    def head(self) -> str:
        return self.versions[-1].head

    @property
    def updated_at(self) -> datetime:
        """Every note touches it, and every push."""
        return max([self.created_at, *(one.updated_at for one in self.notes), self.versions[-1].created_at])


class GitLabState:
    """Everything of one GitLab. `now` is its clock; `tells_approval_times` is False of one before 18."""

    def __init__(self, folder: Path, now: Callable[[], datetime] | None = None) -> None:
        self.folder = folder
        self.now = now or SteppingClock().now
        self.lock = threading.RLock()
        self.users: dict[int, User] = {}
        self.tokens: dict[str, User] = {}
        self.projects: list[Project] = []
        self.scopes = ["api", "write_repository"]  # of every token
        self.tells_approval_times = True
        self.approval_notes_wait = False  # the queue that writes them stands still
        self.waiting_notes: list[tuple[MergeRequest, User, str]] = []
        self._numbers = itertools.count(1001)

    def number(self) -> int:
        return next(self._numbers)

    def add_user(self, username: str, *, bot: bool = False) -> User:
        user = User(self.number(), username, bot)
        self.users[user.id] = user
        self.tokens[f"glpat-{username}"] = user
        return user

    def user(self, username: str) -> User:
        return next(user for user in self.users.values() if user.username == username)

    def add_project(self, path: str, at: Path | None = None) -> Project:
        """`at`: a bare repository that is there already."""
        place = at or self.folder / f"{path}.git"
        project = Project(self.number(), path, pygit2.init_repository(str(place), bare=True, initial_head="main"))
        self.projects.append(project)
        return project

    # --- merge requests

    def open(self, project: Project, source: Project, author: User, asked: dict[str, str]) -> MergeRequest:
        made = MergeRequest(
            self.number(),
            len(project.merge_requests) + 1,
            project,
            source,
            asked["source_branch"],
            asked["target_branch"],
            asked["title"],
            asked.get("description", ""),
            author,
            self.now(),
        )
        self._take(made, at=made.created_at)
        project.merge_requests.append(made)
        return made

    def received(self) -> None:
        """Take in what was pushed."""
        for project in self.projects:
            for one in project.merge_requests:
                if one.state != "opened":
                    continue
                tip = one.source.tip(one.source_branch)
                if tip is not None and tip != one.head:
                    self._take(one)

    def _take(self, one: MergeRequest, at: datetime | None = None) -> None:
        """A new version; the target project gets the commits, whoever's they are."""
        head, start = one.source.tip(one.source_branch), one.project.tip(one.target_branch)
        assert head is not None, one.source_branch
        assert start is not None, one.target_branch
        if one.source is not one.project:
            one.project.git.remotes.create_anonymous(one.source.git.path).fetch([f"refs/heads/{one.source_branch}"])
        base = one.project.git.merge_base(pygit2.Oid(hex=start), pygit2.Oid(hex=head))
        one.versions.append(Version(self.number(), head, str(base), start, at or self.now()))
        name = f"refs/merge-requests/{one.iid}/head"
        one.project.git.references.create(name, pygit2.Oid(hex=head), force=True)

    def retarget(self, one: MergeRequest, branch: str, who: User) -> None:
        old, one.target_branch = one.target_branch, branch
        note = self.happened(one, who, f"changed target branch from `{old}` to `{branch}`")
        self._take(one, at=note.created_at)

    def close(self, one: MergeRequest, who: User) -> None:
        one.state, one.closed_at = "closed", self.now()
        self.happened(one, who, "closed")

    def reopen(self, one: MergeRequest, who: User) -> None:
        one.state = "opened"  # its metrics keep the time of the closing
        self.happened(one, who, "reopened")

    def commits_of(self, one: MergeRequest) -> list[str]:
        """Of the latest version, newest first."""
        latest = one.versions[-1]
        walker = one.project.git.walk(pygit2.Oid(hex=latest.head), pygit2.enums.SortMode.TOPOLOGICAL)
        walker.hide(pygit2.Oid(hex=latest.start))
        return [str(commit.id) for commit in walker]

    # --- notes

    def happened(self, one: MergeRequest, who: User, body: str, *, system: bool = True) -> Note:
        at = self.now()
        note = Note(self.number(), who, body, at, at, system)
        one.notes.append(note)
        return note

    def approve(self, one: MergeRequest, who: User) -> None:
        one.approvals[who.id] = self.now()
        if one.reviewers.get(who.id):
            one.reviewers[who.id] = "approved"
        self._queue(one, who, "approved this merge request")

    def unapprove(self, one: MergeRequest, who: User) -> None:
        del one.approvals[who.id]
        self._queue(one, who, "unapproved this merge request")

    def request_changes(self, one: MergeRequest, who: User) -> None:
        one.approvals.pop(who.id, None)
        one.reviewers[who.id] = "requested_changes"
        self._queue(one, who, "requested changes")

    def _queue(self, one: MergeRequest, who: User, body: str) -> None:
        self.waiting_notes.append((one, who, body))
        if not self.approval_notes_wait:
            self.write_waiting_notes()

    def write_waiting_notes(self) -> None:
        waiting, self.waiting_notes = self.waiting_notes, []
        for one, who, body in waiting:
            self.happened(one, who, body)
