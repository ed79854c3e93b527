"""The world in which the story plays, in the story's words: who does what, and what the far side says about it.

Knows the world of the sandbox. What it tells about targets is read from the clusters and hosts themselves, and what it
tells about history out of the bare repository; nothing is taken from the reconciler's own memory.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from reconciler.app.clock import SystemClock
from reconciler.approval.decision import Verb
from reconciler.doors.people import Desk
from reconciler.forges.embedded.person import Page
from reconciler.forges.embedded.record import Method
from reconciler.git.bare import BareRepository
from reconciler.git.keys import SigningKey
from reconciler.git.transport import Transport
from reconciler.machine.ledger import Ledger, PreviewState
from reconciler.names import SHORT, Revision
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.sandbox.hosts import SandboxHost
from reconciler.sandbox.story_screen import Broken
from reconciler.sandbox.world import World
from reconciler.state.event import Event

RELEASE = "releases/svc-a/production.yaml"
USERS = "policy/users.yaml"
DEPLOYMENT = "apis/apps/v1/namespaces/svc-a/deployments/svc-a"
CONFIG = "api/v1/namespaces/svc-a/configmaps/svc-a"
COLLEAGUE = "colleague"  # may propose like dev_user, and may not approve


class MovableClock(SystemClock):
    """The machine's clock plus an offset. It waits for real."""

    def __init__(self) -> None:
        super().__init__()
        self._offset = timedelta()

    def now(self) -> datetime:
        """UTC, moved."""
        return super().now() + self._offset

    def advance(self, duration: timedelta) -> None:
        """Move on."""
        self._offset += duration


class Town(World):
    """The world with one more person, who has no role that approves."""

    __slots__ = ()

    def example(self) -> dict[str, str]:
        """The example and the colleague."""
        files = World.example(self)
        person = (
            "---\napiVersion: opspilot.spec/v1\nkind: User\n"
            f"metadata: {{name: {COLLEAGUE}}}\nspec:\n  name: Colleague\n  emails: [{COLLEAGUE}@example.invalid]\n"
            f"  sshKeys: [{self.keys[COLLEAGUE].public.line}]\n  groups: [developers]\n"
        )
        return {**files, USERS: files[USERS] + person}


@dataclass(slots=True)
class Stage:
    """One world, its clock, and the far side: clusters and hosts as they see themselves."""

    folder: Path
    make_cluster: Callable[[], SandboxCluster] = SandboxCluster
    clock: MovableClock = field(default_factory=MovableClock)
    clusters: dict[str, SandboxCluster] = field(default_factory=dict)
    hosts: dict[str, SandboxHost] = field(default_factory=dict)
    world: Town = field(init=False)

    def __post_init__(self) -> None:
        self.world = Town(self.folder, clock=self.clock, make_cluster=self._cluster, make_host=self._host)
        self.world.keys[COLLEAGUE] = SigningKey.generate()

    def start(self) -> None:
        """Build everything; the reconciler stops between two steps when the clock is told to."""
        self.world.start()
        opened = self.world.opened.reconciler
        opened.stopping = opened.rollouts.stopping = lambda: self.clock.stopping

    def _cluster(self, name: str) -> SandboxCluster:
        self.clusters[name] = self.make_cluster()
        return self.clusters[name]

    def _host(self, name: str, folder: Path, public_key: str) -> SandboxHost:
        host = SandboxHost(folder)
        host.authorize(public_key)
        self.hosts[name] = host.start()
        return host

    @property
    def ledger(self) -> Ledger:
        return self.world.opened.journal.ledger

    @property
    def events(self) -> list[Event]:
        """What the audit branch holds, oldest first."""
        return self.world.opened.journal.events

    @property
    def repository(self) -> BareRepository:
        """The bare repository that everybody pushes to."""
        return BareRepository(self.world.origin, Transport(self.folder / "git-home"))

    def settle(self) -> None:
        """`reconciler run --once`. Raises Broken where something went wrong in it."""
        reconciler = self.world.opened.reconciler
        reconciler.settle()
        if reconciler.faults:
            raise Broken(f"the reconciler said: {'; '.join(reconciler.faults)}")

    def release(self, tag: str) -> Mapping[str, str]:
        """The production release at a version."""
        return {RELEASE: self.world.example()[RELEASE].replace("v2.0.0", tag)}

    def propose(self, tag: str, author: str = "dev_user") -> int:
        """A branch with a new version and its pull request, looked at once."""
        title = f"svc-a {tag}"
        self.world.commit(title, self.release(tag), author=author, branch=f"svc-a-{tag}")
        number = self.desk(author).person().open(f"svc-a-{tag}", "main", title)
        self.settle()
        return number

    def desk(self, login: str) -> Desk:
        return self.world.desk(login)

    def page(self, number: int) -> Page:
        """One pull request as people see it."""
        return self.desk("admin").person().show(number)

    def preview(self, ticket: str) -> PreviewState:
        """The preview that a ticket waits with. Raises Broken where there is none."""
        found = self.ledger.previews.get(ticket)
        if found is None:
            raise Broken(f"there is no ticket {ticket}, only {', '.join(self.ledger.previews) or 'none'}")
        return found

    def short(self, ticket: str) -> str:
        """The first digits of the digest that a ticket shows."""
        return self.preview(ticket).previewed.digest[:SHORT]

    def approve(self, number: int, login: str) -> None:
        """A signed review of the digest that the pull request shows."""
        state = self.preview(f"dep-appr-{number}")
        self.desk(login).person().approve(
            number,
            digest=state.previewed.digest,
            event=str(state.event),
            expected_head=self.page(number).pull_request.head,
        )
        self.settle()

    def decide(self, ticket: str, login: str, verb: Verb, reason: str) -> None:
        """A signed decision on what is held: on the landed commit, for that is what would be applied."""
        waiting = self.ledger.waiting.get(ticket)
        if waiting is None:
            raise Broken(f"nothing waits as {ticket}")
        self.desk(login).decide_commit(self.preview(ticket), waiting.landed.commit, verb, reason=reason)
        self.settle()

    def merge(self, number: int, login: str) -> Revision:
        """Press merge; the commit on the tracked branch."""
        head = self.page(number).pull_request.head
        merged = self.desk(login).person().merge(number, Method.MERGE, expected_head=head)
        self.settle()
        return merged

    def statuses(self, revision: Revision) -> dict[str, tuple[str, str]]:
        """State and description by context, as the forge keeps them."""
        found = self.world.opened.forge.statuses(revision)
        return {status.context: (status.state.value, status.description) for status in found}

    def image(self) -> str:
        """What the production cluster says it runs."""
        found = self.clusters["prod"].look(DEPLOYMENT)
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"]) if found is not None else "nothing"

    def writes(self) -> int:
        """How many writes the clusters have seen that were no dry run: their own count."""
        return sum(len(cluster.real_effects) for cluster in self.clusters.values())

    def hooks(self) -> list[str]:
        """Which hooks ran, by the hosts' own record."""
        return [line for host in self.hosts.values() for line in host.effects()]

    def hooks_by_host(self) -> list[tuple[str, str]]:
        """The same with the host's name."""
        return [(name, line) for name, host in self.hosts.items() for line in host.effects()]
