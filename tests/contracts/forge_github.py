"""The stand-in for GitHub, plugged into the contract suite."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from reconciler.forges.github.forge import Account, GitHubForge
from reconciler.forges.github.requests import HEADERS, Repository
from reconciler.forges.sending import Sender
from reconciler.git import history
from reconciler.git.commits import Person as Name
from reconciler.git.keys import SigningKey
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote
from reconciler.git.transport import Transport
from reconciler.git.write import commit_tree
from reconciler.names import Revision
from reconciler.ports import Forge, ForgeWriter
from reconciler.secret import Secret
from tests.contracts.forge_world import ANA, BEN, CLEO, Feature, How, Says
from tests.forges.github.server import FakeGitHub

OURS, TOKEN = "reconciler-bot", "github_pat_of_the_tests"
STATES = {Says.APPROVE: "APPROVED", Says.REJECT: "CHANGES_REQUESTED", Says.COMMENT: "COMMENTED"}


class GitHubUnderTest:
    """People use its pages, which here are methods of the hub; we use the API over HTTP."""

    features = frozenset({Feature.FORKS, Feature.LOST_ANSWERS})
    many = 101  # a page holds a hundred
    own_login = OURS

    def __init__(self, folder: Path, fake: FakeGitHub) -> None:
        self.fake, self.hub = fake, fake.hub
        self.hub.roles |= dict.fromkeys((ANA, BEN, CLEO, OURS), "write")
        fake.tokens[TOKEN] = OURS
        self.push(ANA, "main", {"a.yaml": "a: 1\n"})
        self.key = SigningKey.generate()
        self.mirror = Mirror(folder / "mirror", Remote(str(self.hub.git.path)), Transport(folder / "home"))
        self._synced = ""
        clock = self.hub.clock
        self.account = Account(
            Sender(fake.api, Secret(TOKEN), clock, headers=HEADERS),
            Sender(fake.api.removesuffix("/v3"), Secret(TOKEN), clock, headers=HEADERS),
        )
        self.door = GitHubForge(
            self.account,
            Repository(self.hub.owner, self.hub.name),
            self.mirror,
            clock,
            tracked="main",
            key=self.key.public.line,
        )

    @property
    def forge(self) -> Forge:
        self._sync()
        return self.door

    @property
    def writer(self) -> ForgeWriter:
        self._sync()
        return self.door

    def push(self, who: str, branch: str, files: Mapping[str, str], *, on: Revision | None = None) -> Revision:
        return self.hub.push(who, branch, files, on=on)

    def delete_branch(self, who: str, branch: str) -> None:
        self.hub.delete_branch(branch)

    def tip(self, branch: str) -> Revision:
        found = self.hub.tip(branch)
        assert found is not None
        return found

    def brought(self, before: Revision, after: Revision) -> tuple[Revision, ...]:
        return tuple(one.id for one in history.commits(self.hub.git, before, after))

    def local_commit(self, files: Mapping[str, str]) -> Revision:
        self.mirror.sync()
        return commit_tree(
            self.mirror.repository,
            files={path: content.encode() for path, content in files.items()},
            parents=[self.tip("main")],
            message="proposed",
            author=Name("reconciler", "reconciler@example.org", self.hub.now()),
            signer=self.key,
        )

    def open(self, who: str, branch: str, *, base: str = "main", title: str = "a title", body: str = "") -> int:
        return self.hub.open(who, branch, base=base, title=title, body=body)

    def open_from_fork(self, who: str, files: Mapping[str, str]) -> int:
        self.hub.fork(who, "forked", files)
        return self.hub.open(who, f"{who}:forked")

    def comment(self, who: str, number: int, body: str) -> str:
        return str(self.hub.say(who, number, body)["id"])

    def edit_comment(self, who: str, number: int, comment: str, body: str) -> None:
        self.hub.say_instead(int(comment), body)

    def review(self, who: str, number: int, says: Says, body: str = "") -> str:
        return str(self.hub.review(who, number, STATES[says], body))

    def dismiss(self, who: str, number: int, review: str) -> None:
        self.hub.dismiss(who, number, int(review))

    def assign(self, who: str, number: int, assignees: tuple[str, ...]) -> None:
        self.hub.assign(number, assignees)

    def retarget(self, who: str, number: int, base: str) -> None:
        self.hub.retarget(who, number, base)

    def close(self, who: str, number: int) -> None:
        self.hub.close(who, number)

    def reopen(self, who: str, number: int) -> None:
        self.hub.reopen(who, number)

    def merge(self, who: str, number: int, how: How) -> None:
        self.hub.merge(who, number, how.value)

    @contextmanager
    def lost_answer(self) -> Iterator[None]:
        self.fake.cut = True
        yield
        assert not self.fake.cut, "nothing was written, so no answer was lost"

    def writes(self) -> int:
        return self.fake.counts.writes

    def _sync(self) -> None:
        """Only where something moved: each starts git."""
        objects = self.hub.git.objects
        stands = json.dumps([(name, str(objects.references[name].target)) for name in objects.references])
        if stands != self._synced:
            self.mirror.sync()
            self._synced = stands
