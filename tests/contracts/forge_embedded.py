"""The embedded forge, plugged into the contract suite."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import Unavailable
from reconciler.forges.embedded.fold import RECONCILER
from reconciler.forges.embedded.log import REF
from reconciler.forges.embedded.record import Method
from reconciler.git.commits import Person as Name
from reconciler.git.write import commit_tree
from reconciler.names import Revision
from reconciler.ports import Forge, ForgeWriter
from tests.contracts.forge_world import Feature, How, Says
from tests.forges.embedded.world import START, WatchedTransport, World


class EmbeddedUnderTest:
    """Every person works in a mirror of their own, as on machines of their own."""

    features = frozenset({Feature.LOST_ANSWERS})
    many = 6  # there are no pages; several are enough
    own_login = RECONCILER

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.transport = WatchedTransport(folder / "transport")
        self.door = self.world.forge(self.world.ledger(transport=self.transport))

    @property
    def forge(self) -> Forge:
        return self.door

    @property
    def writer(self) -> ForgeWriter:
        return self.door

    def push(self, who: str, branch: str, files: Mapping[str, str], *, on: Revision | None = None) -> Revision:
        return self.world.commit(branch, files, on=on, author=who)

    def delete_branch(self, who: str, branch: str) -> None:
        self.world.set_ref(f"refs/heads/{branch}", None)

    def tip(self, branch: str) -> Revision:
        found = self.world.tip(branch)
        assert found
        return found

    def brought(self, before: Revision, after: Revision) -> tuple[Revision, ...]:
        return tuple(self.world.between(before, after))

    def local_commit(self, files: Mapping[str, str]) -> Revision:
        mirror = self.door.ledger.mirror
        mirror.sync()
        return commit_tree(
            mirror.repository,
            files={path: content.encode() for path, content in files.items()},
            parents=[self.tip("main")],
            message="proposed",
            author=Name("reconciler", "reconciler@example.org", START),
        )

    def open(self, who: str, branch: str, *, base: str = "main", title: str = "a title", body: str = "") -> int:
        return self.world.person(who).open(branch, base, title, body)

    def open_from_fork(self, who: str, files: Mapping[str, str]) -> int:
        raise NotImplementedError("a bare repository has no forks")

    def comment(self, who: str, number: int, body: str) -> str:
        return self.world.person(who).comment(number, body)

    def edit_comment(self, who: str, number: int, comment: str, body: str) -> None:
        self.world.person(who).edit_comment(number, comment, body)

    def review(self, who: str, number: int, says: Says, body: str = "") -> str:
        person = self.world.person(who)
        head = person.show(number).pull_request.head
        match says:
            case Says.APPROVE:
                return person.approve(number, digest="ab" * 32, event="event-1", expected_head=head, reason=body)
            case Says.REJECT:
                return person.reject(number, reason=body, expected_head=head)
            case Says.COMMENT:
                return person.review(number, body, expected_head=head)

    def dismiss(self, who: str, number: int, review: str) -> None:
        self.world.person(who).dismiss(number, review)

    def assign(self, who: str, number: int, assignees: Sequence[str]) -> None:
        self.world.person(who).assign(number, assignees)

    def retarget(self, who: str, number: int, base: str) -> None:
        self.world.person(who).retarget(number, base)

    def close(self, who: str, number: int) -> None:
        self.world.person(who).close(number)

    def reopen(self, who: str, number: int) -> None:
        self.world.person(who).reopen(number)

    def merge(self, who: str, number: int, how: How) -> None:
        person = self.world.person(who)
        person.merge(number, Method(how.value), expected_head=person.show(number).pull_request.head)

    @contextmanager
    def lost_answer(self) -> Iterator[None]:
        def cut(arguments: Sequence[str]) -> None:
            raise Unavailable("pushing: the connection was cut")

        self.transport.after.append(cut)
        yield
        assert not self.transport.after, "nothing was written, so no answer was lost"

    def writes(self) -> int:
        return sum(1 for ref in self.transport.pushes if ref == REF)
