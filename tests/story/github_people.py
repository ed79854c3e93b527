"""A world whose repository lies on the stand-in for GitHub, and people who use its pages with the words of the embedded
forge's door, so that one story runs on both. Git goes over HTTP, as it does there.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from reconciler.doors.people import Desk
from reconciler.errors import Refused
from reconciler.forges.embedded.person import REQUIRED, Page, Person
from reconciler.forges.embedded.record import Method
from reconciler.names import Revision
from reconciler.ports import ApiForge
from reconciler.sandbox.world import BRANCH, PEOPLE, World
from tests.forges.github.hub import OWNER, Hub
from tests.forges.github.server import FakeGitHub
from tests.story.clock import MovableClock

BOT = "reconciler"
NAME = "desired"
TOKEN_VARIABLE = "RECONCILER_TEST_GITHUB_TOKEN"
TOKEN = "github_pat_of_the_story"


class GitHubPerson(Person):
    """One login on the pages. Only what the stories use is here; the rest of the door is not GitHub's."""

    def __init__(self, world: "GitHubWorld", login: str, forge: ApiForge, required: Sequence[str]) -> None:
        self._world = world
        self._login = login
        self._forge = forge
        self._required = tuple(required)

    @property
    def _hub(self) -> Hub:
        """A moment later: what happens within one second has no order on GitHub."""
        clock = self._world.clock
        assert isinstance(clock, MovableClock)
        clock.advance(timedelta(seconds=2))
        return self._world.fake.hub

    def show(self, number: int) -> Page:
        pull = self._forge.pull_request(number)
        return Page(pull, self._forge.reviews(number), self._forge.comments(number), self._forge.statuses(pull.head))

    def open(self, head_ref: str, base: str, title: str, body: str = "") -> int:
        return self._hub.open(self._login, head_ref, base=base, title=title, body=body)

    def comment(self, number: int, body: str) -> str:
        return str(self._hub.say(self._login, number, body)["id"])

    def assign(self, number: int, assignees: Sequence[str]) -> None:
        self._hub.assign(number, assignees)

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
        return str(self._hub.review(self._login, number, "APPROVED", "\n".join(lines)))

    def reject(self, number: int, *, reason: str, expected_head: Revision, digest: str = "", event: str = "") -> str:
        return str(self._hub.review(self._login, number, "CHANGES_REQUESTED", reason))

    def close(self, number: int) -> None:
        self._hub.close(self._login, number)

    def merge(self, number: int, method: Method, *, expected_head: Revision, sign: bool = False) -> Revision:
        """As behind a branch protection that requires our statuses."""
        hub = self._hub
        said = {one["context"]: one["state"] for one in hub.statuses if one["sha"] == expected_head}
        missing = [context for context in self._required if said.get(context) != "success"]
        if missing:
            raise Refused(f"merging #{number}: required statuses {missing}", key="resource_conflict")
        return hub.merge(self._login, number, method.value)


@dataclass(slots=True)
class GitHubDesk(Desk):
    """A person's machine beside a browser."""

    world: "GitHubWorld" = field(kw_only=True)

    def person(self) -> Person:
        return GitHubPerson(self.world, self.login, self.world.opened.forge, self.required)


@dataclass(slots=True)
class GitHubWorld(World):
    """The example's world on the stand-in. A person's push is a commit in its repository."""

    fake: FakeGitHub = field(init=False)

    @property
    def origin(self) -> Path:
        return self.folder / "github" / OWNER / f"{NAME}.git"

    def create_origin(self) -> None:
        self.fake = FakeGitHub(Hub(self.folder / "github", self.clock, name=NAME))
        self.fake.__enter__()
        self.fake.hub.git.git("config", "http.receivepack", "true")
        self.fake.hub.roles |= dict.fromkeys((*PEOPLE, BOT), "write")
        self.fake.tokens[TOKEN] = BOT
        os.environ[TOKEN_VARIABLE] = TOKEN
        self.forge, self.token_variable, self.address = "github", TOKEN_VARIABLE, self.fake.clone_url

    def close(self) -> None:
        World.close(self)
        self.fake.__exit__()
        os.environ.pop(TOKEN_VARIABLE, None)

    def example(self) -> dict[str, str]:
        files = World.example(self)
        path = next(name for name, text in files.items() if "kind: User" in text)
        for name in PEOPLE[:3]:
            files[path] = files[path].replace(
                f"metadata: {{name: {name}}}\nspec:\n",
                f"metadata: {{name: {name}}}\nspec:\n  logins: {{github: {name}}}\n",
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
        self.fake.hub.settle()
        return made

    def open_desk(self, login: str) -> Desk:
        made = World.open_desk(self, login)
        return GitHubDesk(
            made.settings, made.mirror, made.desires, login, made.key, self.clock, world=self, required=REQUIRED
        )
