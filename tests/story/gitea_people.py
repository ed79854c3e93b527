"""A world whose repository lies on a real Gitea, and people who use its API with the words of the embedded forge's
door, so that one story runs on both.
"""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from reconciler.app.clock import SystemClock
from reconciler.doors.people import Desk
from reconciler.errors import Refused
from reconciler.forges.embedded.person import REQUIRED, Page, Person
from reconciler.forges.embedded.record import Method
from reconciler.git.bare import BareRepository
from reconciler.git.transport import Transport
from reconciler.names import Revision
from reconciler.ports import ApiForge
from reconciler.sandbox.world import BRANCH, PEOPLE, World
from tests.contracts.forge_gitea import OWNER
from tests.servers.forge import ADMIN, GiteaServer
from tests.servers.processes import wait_until

BOT = "reconciler"
TOKEN_VARIABLE = "RECONCILER_TEST_FORGE_TOKEN"
SECONDS = 300.0


def next_second() -> None:
    """What happens within one second has no order on Gitea."""
    clock = SystemClock()
    begun = clock.now().replace(microsecond=0)
    wait_until(lambda: clock.now().replace(microsecond=0) > begun, "the next second", 5.0)


@dataclass(slots=True)
class Site:
    """One repository on the server, with its people and its protected branch."""

    server: GiteaServer
    name: str = field(default_factory=lambda: f"desired-{secrets.token_hex(4)}")

    def make(self) -> str:
        """The repository and its people; the reconciler's token."""
        self.server.people(OWNER, *PEOPLE)
        token = self.server.token(BOT, "write:repository", "write:issue", "read:user")
        self.server.ask("POST", f"/admin/users/{OWNER}/repos", {"name": self.name, "default_branch": BRANCH})
        for person in (*PEOPLE, BOT):
            self.ask("PUT", f"/collaborators/{person}", {"permission": "write"})
        return token

    def protect(self, required: Sequence[str] = REQUIRED, approvals: int = 0) -> None:
        """Nothing is merged without these statuses; the site's admin alone may push."""
        self.ask(
            "POST",
            "/branch_protections",
            {
                "branch_name": BRANCH,
                "enable_push": True,
                "enable_push_whitelist": True,
                "push_whitelist_usernames": [ADMIN],
                "enable_status_check": True,
                "status_check_contexts": list(required),
                "block_on_rejected_reviews": True,
                "required_approvals": approvals,
            },
        )

    def unprotect(self) -> None:
        """As where nobody protected the branch."""
        self.server.code("DELETE", f"/repos/{OWNER}/{self.name}/branch_protections/{BRANCH}")

    @contextmanager
    def unprotected(self) -> Iterator[None]:
        """For one merge."""
        self.unprotect()
        yield
        self.protect()

    def ask(self, method: str, path: str, body: object = None, *, as_: str = "") -> "object":
        """One request below the repository. Asserts that it went well."""
        return self.server.ask(method, f"/repos/{OWNER}/{self.name}{path}", body, as_=as_)

    def number(self, method: str, path: str, body: object, *, as_: str) -> int:
        """The number of what was made."""
        made = self.ask(method, path, body, as_=as_)
        assert isinstance(made, dict)
        return int(made.get("number") or made["id"])

    @property
    def url(self) -> str:
        """By which Git reaches it."""
        return f"{self.server.url}/{OWNER}/{self.name}.git"


class GiteaPerson(Person):
    """One login on the real forge. Only what the stories use is here; the rest of the door is not Gitea's."""

    def __init__(self, site: Site, login: str, forge: ApiForge, required: Sequence[str]) -> None:
        self._site = site
        self._login = login
        self._forge = forge
        self._required = tuple(required)

    def show(self, number: int) -> Page:
        pull = self._forge.pull_request(number)
        return Page(pull, self._forge.reviews(number), self._forge.comments(number), self._forge.statuses(pull.head))

    def open(self, head_ref: str, base: str, title: str, body: str = "") -> int:
        asked = {"head": head_ref, "base": base, "title": title, "body": body}
        return self._site.number("POST", "/pulls", asked, as_=self._login)

    def comment(self, number: int, body: str) -> str:
        next_second()
        return str(self._site.number("POST", f"/issues/{number}/comments", {"body": body}, as_=self._login))

    def assign(self, number: int, assignees: Sequence[str]) -> None:
        self._site.ask("PATCH", f"/issues/{number}", {"assignees": list(assignees)})

    def approve(
        self,
        number: int,
        *,
        digest: str,
        event: str,
        expected_head: Revision,
        reason: str = "",
        exclude_return: bool = False,
    ) -> str:
        lines = [reason, f"digest {digest[:12]}", "exclude-return" if exclude_return else ""]
        return self._review(number, "APPROVED", "\n".join(lines), expected_head)

    def reject(self, number: int, *, reason: str, expected_head: Revision, digest: str = "", event: str = "") -> str:
        return self._review(number, "REQUEST_CHANGES", reason, expected_head)

    def close(self, number: int) -> None:
        self._site.ask("PATCH", f"/pulls/{number}", {"state": "closed"}, as_=self._login)

    def merge(self, number: int, method: Method, *, expected_head: Revision, sign: bool = False) -> Revision:
        next_second()
        if not self._required:
            with self._site.unprotected():
                return self._merged(number, method, expected_head)
        return self._merged(number, method, expected_head)

    def _merged(self, number: int, method: Method, head: Revision) -> Revision:
        path = f"/repos/{OWNER}/{self._site.name}/pulls/{number}/merge"
        asked = {"Do": method.value, "head_commit_id": head}

        def done() -> bool:
            """405 also means that Gitea still computes whether a merge is possible."""
            answer = self._site.server.answer("POST", path, asked, self._login)
            if answer.status_code == 405 and "try again later" not in answer.text:
                raise Refused(f"merging #{number}: {answer.text[:200]}", key="resource_conflict")
            assert answer.status_code in {200, 405}, answer.text
            return answer.status_code == 200

        wait_until(done, f"the merge of #{number}", SECONDS)
        made = self._forge.pull_request(number).merge_commit
        assert made is not None
        return made

    def _review(self, number: int, event: str, body: str, head: Revision) -> str:
        next_second()
        asked = {"event": event, "body": body, "commit_id": head}
        return str(self._site.number("POST", f"/pulls/{number}/reviews", asked, as_=self._login))


@dataclass(slots=True)
class GiteaDesk(Desk):
    """A person's machine beside a browser."""

    site: Site = field(kw_only=True)
    browser: ApiForge = field(kw_only=True)

    def person(self) -> Person:
        return GiteaPerson(self.site, self.login, self.browser, self.required)


@dataclass(slots=True)
class GiteaWorld(World):
    """The example's world on a real forge. Pushes go through it; its people have accounts there."""

    site: Site = field(kw_only=True)

    def create_origin(self) -> None:
        self.forge, self.token_variable = "gitea", TOKEN_VARIABLE
        os.environ[TOKEN_VARIABLE] = self.site.make()
        self.address = self.site.url
        BareRepository.create(self.origin, Transport(self.folder / "git-home"))  # where people commit before a push

    def example(self) -> dict[str, str]:
        files = World.example(self)
        path = next(name for name, text in files.items() if "kind: User" in text)
        for name in PEOPLE[:3]:
            files[path] = files[path].replace(
                f"metadata: {{name: {name}}}\nspec:\n",
                f"metadata: {{name: {name}}}\nspec:\n  logins: {{gitea: {name}}}\n",
            )
        return files

    def commit(
        self,
        message: str,
        files: Mapping[str, str | None],
        *,
        author: str,
        branch: str = BRANCH,
        start: str = BRANCH,
        signed: bool = True,
    ) -> Revision:
        self._git("fetch", "--quiet", "--prune", self._pushing, "+refs/heads/*:refs/heads/*")
        made = World.commit(self, message, files, author=author, branch=branch, start=start, signed=signed)
        self._git("push", "--quiet", self._pushing, f"{made}:refs/heads/{branch}")
        wait_until(lambda: self._knows(branch, made), f"Gitea to take {branch} in", SECONDS)
        return made

    def rewind(self, revision: Revision, branch: str = BRANCH) -> None:
        self._git("push", "--quiet", "--force", self._pushing, f"{revision}:refs/heads/{branch}")

    def open_desk(self, login: str) -> Desk:
        made = World.open_desk(self, login)
        return GiteaDesk(
            made.settings,
            made.mirror,
            made.desires,
            login,
            made.key,
            self.clock,
            site=self.site,
            browser=self.opened.forge,
        )

    @property
    def _pushing(self) -> str:
        return self.site.url.replace("http://", f"http://{ADMIN}:{self.site.server.admin_token}@")

    def _knows(self, branch: str, made: Revision) -> bool:
        found = self.site.server.answer("GET", f"/repos/{OWNER}/{self.site.name}/branches/{branch}")
        return found.status_code == 200 and json.loads(found.content)["commit"]["id"] == made

    def _git(self, *arguments: str) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_TERMINAL_PROMPT": "0"}
        command = ["git", "--git-dir", str(self.origin), *arguments]
        finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stderr
