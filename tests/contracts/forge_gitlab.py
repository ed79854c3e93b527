"""The stand-in for GitLab, plugged into the contract suite: people push into its repository and use its API.

People ask it without HTTP in between; only the adapter goes through a socket.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pygit2

from reconciler.app.clock import SystemClock
from reconciler.forges.gitlab.forge import GitLabForge
from reconciler.forges.gitlab.requests import Project
from reconciler.git.commits import Person as Name
from reconciler.git.keys import SigningKey
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote
from reconciler.git.transport import Transport
from reconciler.git.write import commit_tree
from reconciler.names import Revision
from reconciler.ports import Forge, ForgeWriter
from reconciler.secret import Secret
from tests.contracts.forge_gitea import WatchedSender
from tests.contracts.forge_world import ANA, BEN, CLEO, Feature, How, Says
from tests.forges.gitlab.server import API, FakeGitLab
from tests.forges.gitlab.state import DEVELOPER, START

PATH = "house/desired-state"


class GitLabUnderTest:
    """One project of one GitLab. Every person is a developer of it."""

    features = frozenset({Feature.FORKS, Feature.WORDLESS, Feature.LOST_ANSWERS})
    many = 7  # the server's pages hold five

    def __init__(self, folder: Path, server: FakeGitLab) -> None:
        self.server = server
        self.project = server.state.add_project(PATH)
        bot = server.state.add_user(f"project_{self.project.id}_bot_4711", bot=True)
        self.own_login = bot.username
        people = [server.state.add_user(name) for name in (ANA, BEN, CLEO)]
        self.project.members |= {one.id: DEVELOPER for one in (bot, *people)}
        self.push(ANA, "main", {"a.yaml": "a: 1\n"})
        self.key = SigningKey.generate()
        self.mirror = Mirror(folder / "mirror", Remote(self.project.git.path), Transport(folder / "home"))
        self.sender = WatchedSender(server.api, Secret(f"glpat-{bot.username}"), SystemClock())
        self.door = GitLabForge(
            self.sender, Project(PATH), self.mirror, SystemClock(), tracked="main", key=self.key.public.line
        )

    @property
    def forge(self) -> Forge:
        self.mirror.sync()
        return self.door

    @property
    def writer(self) -> ForgeWriter:
        self.mirror.sync()
        return self.door

    def push(
        self, who: str, branch: str, files: Mapping[str, str], *, on: Revision | None = None, to: Any = None
    ) -> Revision:
        git = (to or self.project).git
        start = on or self._tip(branch) or self._tip("main")
        index = pygit2.Index()
        if start is not None:
            index.read_tree(git[pygit2.Oid(hex=start)].tree)
        for path, content in files.items():
            index.add(pygit2.IndexEntry(path, git.create_blob(content.encode()), pygit2.enums.FileMode.BLOB))
        name = pygit2.Signature(who, f"{who}@example.invalid")
        parents = [pygit2.Oid(hex=start)] if start else []
        made = git.create_commit(None, name, name, f"change {', '.join(files)}", index.write_tree(git), parents)
        git.references.create(f"refs/heads/{branch}", made, force=True)
        self.server.state.received()
        return Revision(str(made))

    def delete_branch(self, who: str, branch: str) -> None:
        self.ask("DELETE", f"/repository/branches/{quote(branch, safe='')}", as_=who)

    def tip(self, branch: str) -> Revision:
        found = self._tip(branch)
        assert found is not None
        return found

    def brought(self, before: Revision, after: Revision) -> tuple[Revision, ...]:
        order = pygit2.enums.SortMode.TOPOLOGICAL | pygit2.enums.SortMode.REVERSE
        walker = self.project.git.walk(pygit2.Oid(hex=after), order)
        walker.hide(pygit2.Oid(hex=before))
        return tuple(Revision(str(commit.id)) for commit in walker)

    def local_commit(self, files: Mapping[str, str]) -> Revision:
        self.mirror.sync()
        return commit_tree(
            self.mirror.repository,
            files={path: content.encode() for path, content in files.items()},
            parents=[self.tip("main")],
            message="proposed",
            author=Name("reconciler", "reconciler@example.org", START),
            signer=self.key,
        )

    def open(self, who: str, branch: str, *, base: str = "main", title: str = "a title", body: str = "") -> int:
        asked = {"source_branch": branch, "target_branch": base, "title": title, "description": body}
        return int(self.ask("POST", "/merge_requests", asked, as_=who)["iid"])

    def open_from_fork(self, who: str, files: Mapping[str, str]) -> int:
        fork = self.server.state.add_project(f"{who}/fork")
        fork.git.remotes.create_anonymous(self.project.git.path).fetch(["+refs/heads/main:refs/heads/main"])
        self.push(who, "forked", files, to=fork)
        asked = {"source_branch": "forked", "target_branch": "main", "title": "from a fork"}
        made = self.ask(
            "POST",
            f"/projects/{fork.id}/merge_requests",
            {**asked, "target_project_id": self.project.id},
            as_=who,
            whole=True,
        )
        return int(made["iid"])

    def comment(self, who: str, number: int, body: str) -> str:
        return str(self.ask("POST", f"/merge_requests/{number}/notes", {"body": body}, as_=who)["id"])

    def edit_comment(self, who: str, number: int, comment: str, body: str) -> None:
        self.ask("PUT", f"/merge_requests/{number}/notes/{comment}", {"body": body}, as_=who)

    def review(self, who: str, number: int, says: Says, body: str = "") -> str:
        """A remark is said to a line of the diff; an approval and a rejection have no words."""
        path = f"/merge_requests/{number}"
        if says is Says.COMMENT:
            position = {"head_sha": self.ask("GET", path)["sha"]}
            said = self.ask("POST", f"{path}/discussions", {"body": body or "said", "position": position}, as_=who)
            return str(said["notes"][0]["id"])
        if says is Says.APPROVE:
            self.ask("POST", f"{path}/approve", {"sha": self.ask("GET", path)["sha"]}, as_=who)
        else:
            self.ask("POST", f"{path}/notes", {"body": "/request_changes"}, as_=who)
        notes = self.server.state.projects[0].merge_requests[number - 1].notes
        return str(notes[-1].id)

    def dismiss(self, who: str, number: int, review: str) -> None:
        self.ask("POST", f"/merge_requests/{number}/unapprove", {}, as_=who)

    def assign(self, who: str, number: int, assignees: tuple[str, ...]) -> None:
        numbers = [self.server.state.user(name).id for name in assignees]
        self.ask("PUT", f"/merge_requests/{number}", {"assignee_ids": numbers}, as_=who)

    def retarget(self, who: str, number: int, base: str) -> None:
        self.ask("PUT", f"/merge_requests/{number}", {"target_branch": base}, as_=who)

    def close(self, who: str, number: int) -> None:
        self.ask("PUT", f"/merge_requests/{number}", {"state_event": "close"}, as_=who)

    def reopen(self, who: str, number: int) -> None:
        self.ask("PUT", f"/merge_requests/{number}", {"state_event": "reopen"}, as_=who)

    def merge(self, who: str, number: int, how: How) -> None:
        """Without a merge commit it is a fast-forward: the source branch is rebased first, where it has to be."""
        forward = how is not How.MERGE
        tip = pygit2.Oid(hex=self.tip("main"))
        head = pygit2.Oid(hex=self.ask("GET", f"/merge_requests/{number}")["sha"])
        if forward and self.project.git.merge_base(tip, head) != tip:
            self.ask("PUT", f"/merge_requests/{number}/rebase", {}, as_=who)
        asked = {"squash": how is How.SQUASH, "forward": forward}
        self.ask("PUT", f"/merge_requests/{number}/merge", asked, as_=who)

    @contextmanager
    def lost_answer(self) -> Iterator[None]:
        self.sender.cutting = True
        yield
        assert not self.sender.cutting, "nothing was written, so no answer was lost"

    def writes(self) -> int:
        return self.sender.writes

    def ask(self, method: str, path: str, body: Any = None, *, as_: str = ANA, whole: bool = False) -> Any:
        """The answer to a person; asserts that it went well."""
        below = path if whole else f"/projects/{self.project.id}{path}"
        code, content, _ = self.server.answer(method, f"{API}{below}", f"glpat-{as_}", body or {})
        assert code < httpx.codes.BAD_REQUEST, (method, path, code, content)
        return content

    def _tip(self, branch: str) -> Revision | None:
        found = self.project.tip(branch)
        return Revision(found) if found else None
