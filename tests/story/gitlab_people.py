"""A world whose repository lies on the stand-in for GitLab, and people who use its API with the words of the embedded
forge's door, so that one story runs on both.

An approval has no words there, so nobody quotes a digest: people take a minute before they approve.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from reconciler.doors.people import Desk
from reconciler.errors import Refused
from reconciler.forges.embedded.person import Page, Person
from reconciler.forges.embedded.record import Method
from reconciler.names import Revision
from reconciler.ports import ApiForge
from reconciler.sandbox.world import BRANCH, PEOPLE, World
from tests.forges.gitlab.server import API, FakeGitLab
from tests.forges.gitlab.state import DEVELOPER, MAINTAINER, Project
from tests.story.clock import MovableClock

PATH = "house/platform/desired-state"
TOKEN_VARIABLE = "RECONCILER_TEST_GITLAB_TOKEN"
MINUTE = timedelta(seconds=61)


@dataclass(slots=True)
class Site:
    """One project on the server."""

    server: FakeGitLab
    clock: MovableClock
    project: Project = field(init=False)

    def make(self) -> str:
        """The project and its people, with a pipeline that must succeed; the reconciler's token."""
        state = self.server.state
        state.now = self.clock.now
        self.project = state.add_project(PATH)
        self.project.pipelines_must_succeed = True
        bot = state.add_user(f"project_{self.project.id}_bot_0af3", bot=True)
        self.project.members[bot.id] = MAINTAINER
        for name in PEOPLE:
            self.project.members[state.add_user(name).id] = DEVELOPER
        return f"glpat-{bot.username}"

    @property
    def url(self) -> str:
        """By which Git reaches it."""
        return f"{self.server.url}/{PATH}.git"

    def ask(self, method: str, path: str, body: Mapping[str, object], *, as_: str) -> dict[str, object]:
        """One request of a person. Raises Refused where GitLab says no."""
        target = f"{API}/projects/{self.project.id}{path}"
        code, content, _ = self.server.answer(method, target, f"glpat-{as_}", dict(body))
        if code >= 400:
            raise Refused(f"{method} {path}: {content}", key="resource_conflict")
        assert isinstance(content, dict)
        return content


class GitLabPerson(Person):
    """One login. Only what the stories use is here; the rest of the door is not GitLab's."""

    def __init__(self, site: Site, login: str, forge: ApiForge, required: Sequence[str]) -> None:
        self._site = site
        self._login = login
        self._forge = forge
        self._required = tuple(required)

    def show(self, number: int) -> Page:
        pull = self._forge.pull_request(number)
        return Page(pull, self._forge.reviews(number), self._forge.comments(number), self._forge.statuses(pull.head))

    def open(self, head_ref: str, base: str, title: str, body: str = "") -> int:
        asked = {"source_branch": head_ref, "target_branch": base, "title": title, "description": body}
        return int(str(self._ask("POST", "/merge_requests", asked)["iid"]))

    def comment(self, number: int, body: str) -> str:
        return str(self._ask("POST", f"/merge_requests/{number}/notes", {"body": body})["id"])

    def assign(self, number: int, assignees: Sequence[str]) -> None:
        numbers = [self._site.server.state.user(name).id for name in assignees]
        self._ask("PUT", f"/merge_requests/{number}", {"assignee_ids": numbers})

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
        self._site.clock.advance(MINUTE)
        self._ask("POST", f"/merge_requests/{number}/approve", {"sha": expected_head})
        return ""

    def reject(self, number: int, *, reason: str, expected_head: Revision, digest: str = "", event: str = "") -> str:
        self.comment(number, f"{reason}\n\n/request_changes")
        return ""

    def close(self, number: int) -> None:
        self._ask("PUT", f"/merge_requests/{number}", {"state_event": "close"})

    def merge(self, number: int, method: Method, *, expected_head: Revision, sign: bool = False) -> Revision:
        self._site.project.pipelines_must_succeed = bool(self._required)
        forward = method is Method.REBASE
        asked = {"sha": expected_head, "squash": method is Method.SQUASH, "forward": forward}
        self._ask("PUT", f"/merge_requests/{number}/merge", asked)
        made = self._forge.pull_request(number).merge_commit
        assert made is not None
        return made

    def _ask(self, method: str, path: str, body: Mapping[str, object]) -> dict[str, object]:
        return self._site.ask(method, path, body, as_=self._login)


@dataclass(slots=True)
class GitLabDesk(Desk):
    """A person's machine beside a browser."""

    site: Site = field(kw_only=True)
    browser: ApiForge = field(kw_only=True)

    def person(self) -> Person:
        return GitLabPerson(self.site, self.login, self.browser, self.required)


@dataclass(slots=True)
class GitLabWorld(World):
    """The example's world on the stand-in. Its people have accounts there, and push straight into its repository."""

    site: Site = field(kw_only=True)

    def create_origin(self) -> None:
        self.forge, self.token_variable = "gitlab", TOKEN_VARIABLE
        os.environ[TOKEN_VARIABLE] = self.site.make()
        self.address = self.site.url
        self.origin.symlink_to(self.site.project.git.path)

    def example(self) -> dict[str, str]:
        files = World.example(self)
        path = next(name for name, text in files.items() if "kind: User" in text)
        for name in PEOPLE[:3]:
            files[path] = files[path].replace(
                f"metadata: {{name: {name}}}\nspec:\n",
                f"metadata: {{name: {name}}}\nspec:\n  logins: {{gitlab: {name}}}\n",
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
        made = World.commit(self, message, files, author=author, branch=branch, start=start, signed=signed)
        self.site.server.state.received()
        return made

    def open_desk(self, login: str) -> Desk:
        made = World.open_desk(self, login)
        return GitLabDesk(
            made.settings,
            made.mirror,
            made.desires,
            login,
            made.key,
            self.clock,
            site=self.site,
            browser=self.opened.forge,
        )
