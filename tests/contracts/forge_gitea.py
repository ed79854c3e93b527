"""A real Gitea, plugged into the contract suite: one server for a run, one repository for each test."""

import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from reconciler.app.clock import SystemClock
from reconciler.forges.asking import Answer, Request
from reconciler.forges.gitea.forge import GiteaForge
from reconciler.forges.gitea.requests import Repository
from reconciler.forges.sending import Sender
from reconciler.git.commits import Person as Name
from reconciler.git.keys import SigningKey
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote, Token
from reconciler.git.transport import Transport
from reconciler.git.write import commit_tree
from reconciler.names import Revision
from reconciler.ports import Forge, ForgeWriter
from reconciler.secret import Secret
from tests.contracts.forge_world import ANA, BEN, CLEO, Feature, How, Says
from tests.servers.forge import ADMIN, GiteaServer
from tests.servers.processes import wait_until

OWNER, OURS = "house", "reconciler-bot"
EVENTS = {Says.APPROVE: "APPROVED", Says.REJECT: "REQUEST_CHANGES", Says.COMMENT: "COMMENT"}
SECONDS = 120.0


class WatchedSender(Sender):
    """Counts writes, and can lose the answer of the next one after the forge did what was asked."""

    writes = 0
    cutting = False

    def _once(self, request: Request, url: str, query: dict[str, str]) -> Answer:
        answer = super()._once(request, url, query)
        if not request.reads:
            self.writes += 1
            if self.cutting:
                self.cutting = False
                raise httpx.ReadError("the connection was cut")
        return answer


class GiteaUnderTest:
    """People push over HTTP and use the API under their own names."""

    features = frozenset({Feature.FORKS, Feature.LOST_ANSWERS})
    many = 7  # the server's pages hold five
    own_login = OURS

    def __init__(self, folder: Path, server: GiteaServer) -> None:
        self.server = server
        self.name = f"r{secrets.token_hex(4)}"
        token = _people(server)
        self.clone = folder / "clone"
        self._ask("POST", f"/admin/users/{OWNER}/repos", {"name": self.name, "default_branch": "main"}, whole=True)
        for person in (ANA, BEN, CLEO):
            self._ask("PUT", f"/collaborators/{person}", {"permission": "write"})
        self._ask("PUT", f"/collaborators/{OURS}", {"permission": "write"})
        self.clone.mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")
        self.push(ANA, "main", {"a.yaml": "a: 1\n"})
        self.key = SigningKey.generate()
        remote = Remote(f"{server.url}/{OWNER}/{self.name}.git", Token(token, OURS))
        self.mirror = Mirror(folder / "mirror", remote, Transport(folder / "home"))
        self.use(token)

    def use(self, token: str) -> None:
        """Become the account of this token."""
        self.sender = WatchedSender(self.server.api, Secret(token), SystemClock(), scheme="token")
        self.door = GiteaForge(
            self.sender, Repository(OWNER, self.name), self.mirror, tracked="main", key=self.key.public.line
        )

    @property
    def forge(self) -> Forge:
        self.mirror.sync()
        return self.door

    @property
    def writer(self) -> ForgeWriter:
        self.mirror.sync()
        return self.door

    def push(self, who: str, branch: str, files: Mapping[str, str], *, on: Revision | None = None) -> Revision:
        start = on or self._remote_tip(branch) or self._remote_tip("main")
        if start is not None:
            self._git("fetch", "--quiet", self._url(), "+refs/heads/*:refs/remotes/all/*")
            self._git("checkout", "--quiet", "--detach", start)
        for path, content in files.items():
            (self.clone / path).write_text(content)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", f"change {', '.join(files)}", who=who)
        self._git("push", "--quiet", "--force", self._url(), f"HEAD:refs/heads/{branch}")
        pushed = Revision(self._git("rev-parse", "HEAD"))
        wait_until(lambda: self._knows(branch, pushed), f"Gitea to take {branch} in", SECONDS)
        return pushed

    def delete_branch(self, who: str, branch: str) -> None:
        self._ask("DELETE", f"/branches/{branch}", as_=who)

    def tip(self, branch: str) -> Revision:
        found = self._remote_tip(branch)
        assert found is not None
        return found

    def brought(self, before: Revision, after: Revision) -> tuple[Revision, ...]:
        self._git("fetch", "--quiet", self._url(), "+refs/heads/*:refs/remotes/all/*")
        return tuple(map(Revision, self._git("rev-list", "--reverse", f"{before}..{after}").split()))

    def local_commit(self, files: Mapping[str, str]) -> Revision:
        self.mirror.sync()
        return commit_tree(
            self.mirror.repository,
            files={path: content.encode() for path, content in files.items()},
            parents=[self.tip("main")],
            message="proposed",
            author=Name("reconciler", "reconciler@example.org", SystemClock().now()),
            signer=self.key,
        )

    def open(self, who: str, branch: str, *, base: str = "main", title: str = "a title", body: str = "") -> int:
        asked = {"head": branch, "base": base, "title": title, "body": body}
        return int(self._ask("POST", "/pulls", asked, as_=who)["number"])

    def open_from_fork(self, who: str, files: Mapping[str, str]) -> int:
        self._ask("POST", "/forks", {}, as_=who)
        self._git("fetch", "--quiet", self._url(), "+refs/heads/*:refs/remotes/all/*")
        self._git("checkout", "--quiet", "--detach", self.tip("main"))
        for path, content in files.items():
            (self.clone / path).write_text(content)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", "from a fork", who=who)
        self._git("push", "--quiet", self._url(owner=who), "HEAD:refs/heads/forked")
        return self.open(who, f"{who}:forked")

    def comment(self, who: str, number: int, body: str) -> str:
        return str(self._ask("POST", f"/issues/{number}/comments", {"body": body}, as_=who)["id"])

    def edit_comment(self, who: str, number: int, comment: str, body: str) -> None:
        """A second later: within one, Gitea's times do not tell an edit."""
        self._tick()
        changed = self._ask("PATCH", f"/issues/comments/{comment}", {"body": body}, as_=who)
        assert changed["updated_at"] != changed["created_at"]

    def review(self, who: str, number: int, says: Says, body: str = "") -> str:
        asked = {"event": EVENTS[says], "body": body or "said"}
        return str(self._ask("POST", f"/pulls/{number}/reviews", asked, as_=who)["id"])

    def dismiss(self, who: str, number: int, review: str) -> None:
        self._ask("POST", f"/pulls/{number}/reviews/{review}/dismissals", {"message": "taken back"})

    def assign(self, who: str, number: int, assignees: tuple[str, ...]) -> None:
        self._ask("PATCH", f"/issues/{number}", {"assignees": list(assignees)}, as_=who)

    def retarget(self, who: str, number: int, base: str) -> None:
        self._tick()
        self._ask("PATCH", f"/pulls/{number}", {"base": base}, as_=who)
        self._tick()

    def close(self, who: str, number: int) -> None:
        self._ask("PATCH", f"/pulls/{number}", {"state": "closed"}, as_=who)

    def reopen(self, who: str, number: int) -> None:
        self._ask("PATCH", f"/pulls/{number}", {"state": "open"}, as_=who)

    def merge(self, who: str, number: int, how: How) -> None:
        def merged() -> bool:
            """Gitea answers 405 also while it still computes whether a merge is possible."""
            pull = self._ask("GET", f"/pulls/{number}")
            if pull["merged"]:
                return True
            asked = {"Do": how.value, "head_commit_id": pull["head"]["sha"]}
            return self._code("POST", f"/pulls/{number}/merge", asked, as_=who) == httpx.codes.OK

        wait_until(merged, "the merge", SECONDS)

    @contextmanager
    def lost_answer(self) -> Iterator[None]:
        self.sender.cutting = True
        yield
        assert not self.sender.cutting, "nothing was written, so no answer was lost"

    def writes(self) -> int:
        return self.sender.writes

    def _knows(self, branch: str, pushed: Revision) -> bool:
        """What was pushed is taken in by a queue: the branch first, then the heads of its pull requests."""
        if self._code("GET", f"/branches/{branch}") != httpx.codes.OK:
            return False
        if self._ask("GET", f"/branches/{branch}")["commit"]["id"] != pushed:
            return False
        pulls = self._ask("GET", "/pulls?state=open&limit=50")
        return all(one["head"]["sha"] == pushed for one in pulls if one["head"]["label"] == branch)

    def _tick(self) -> None:
        """Until the second is over: what happens within one has no order on Gitea."""
        clock = SystemClock()
        begun = clock.now().replace(microsecond=0)
        wait_until(lambda: clock.now().replace(microsecond=0) > begun, "the next second", SECONDS)

    def _ask(self, method: str, path: str, body: Any = None, *, as_: str = "", whole: bool = False) -> Any:
        return self.server.ask(method, path if whole else f"/repos/{OWNER}/{self.name}{path}", body, as_=as_)

    def _code(self, method: str, path: str, body: Any = None, *, as_: str = "") -> int:
        return self.server.code(method, f"/repos/{OWNER}/{self.name}{path}", body, as_=as_)

    def _remote_tip(self, branch: str) -> Revision | None:
        found = self._git("ls-remote", self._url(), f"refs/heads/{branch}").split()
        return Revision(found[0]) if found else None

    def _url(self, owner: str = OWNER) -> str:
        host = self.server.url.removeprefix("http://")
        return f"http://{ADMIN}:{self.server.admin_token}@{host}/{owner}/{self.name}.git"

    def _git(self, *arguments: str, who: str = ANA) -> str:
        names = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", who), ("EMAIL", f"{who}@example.invalid"))
        }
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.clone), "GIT_TERMINAL_PROMPT": "0", **names}
        finished = subprocess.run(
            ["git", *arguments], cwd=self.clone, env=environment, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, (arguments, finished.stderr)
        return finished.stdout.strip()


def _people(server: GiteaServer) -> str:
    """All of them; our token."""
    server.people(OWNER, ANA, BEN, CLEO)
    return server.token(OURS, "write:repository", "write:issue", "read:user")
