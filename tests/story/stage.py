"""The world of the sandbox with a story's vocabulary, so that a test reads as what people did and what was seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.approval.decision import Verb
from reconciler.doors.people import Desk
from reconciler.forges.embedded.record import Method
from reconciler.machine.ledger import Ledger, PreviewState
from reconciler.names import Revision
from reconciler.plan.change import PlanSet
from reconciler.report.timeline import Question, Row, timeline
from reconciler.sandbox.world import World
from reconciler.state.forge import PullRequest
from tests.story.clock import MovableClock

RELEASE = "releases/svc-a/production.yaml"
STAGING = "releases/svc-a/staging.yaml"
SHARED = "releases/svc-a/manifests/"  # the folder of both
DEPLOYMENT = "apis/apps/v1/namespaces/svc-a/deployments/svc-a"


@dataclass(slots=True)
class Stage:
    """One world in one test."""

    world: World
    clock: MovableClock

    @classmethod
    def build(cls, folder: Path, *, hosts: tuple[str, ...] = (), audit_apart: bool = False) -> "Stage":
        """A started world; without hosts, its environments install nothing."""
        clock = MovableClock()
        world = World(folder, clock=clock, hosts_wanted=hosts, audit_apart=audit_apart)
        stage = cls(world, clock)
        world.start()
        return stage

    @classmethod
    def on(cls, world: World, clock: MovableClock) -> "Stage":
        """A world that was made by the caller, started here."""
        world.start()
        return cls(world, clock)

    @property
    def ledger(self) -> Ledger:
        return self.world.opened.journal.ledger

    def settle(self) -> list[str]:
        """Let the reconciler look until nothing changes; what went wrong in the last round."""
        self.world.opened.reconciler.settle()
        return self.world.opened.reconciler.faults

    def restart(self) -> None:
        """A new process, as after a crash or with the proposer away."""
        self.world.open()
        self.world.opened.catch_up()

    def accept_first(self) -> None:
        """One root-signed decision approves the first plan, and it is carried out."""
        self.settle()
        state = next(iter(self.ledger.previews.values()))
        self.world.desk("root").decide(state, Verb.APPROVE, reason="first plan")
        self.settle()

    def desk(self, login: str) -> Desk:
        return self.world.desk(login)

    def release_text(self, tag: str, **changes: str) -> str:
        text = self.world.example()[RELEASE].replace("v2.0.0", tag)
        for old, new in changes.items():
            text = text.replace(old, new)
        return text

    def propose(
        self,
        files: Mapping[str, str | None] | None = None,
        *,
        tag: str = "v2.0.1",
        author: str = "dev_user",
        branch: str = "",
        title: str = "a change",
        signed: bool = True,
    ) -> int:
        """A branch and a pull request; by default svc-a's next version. Looked at once."""
        name = branch or f"change-{tag}"
        changed = self.apart(files or {RELEASE: self.release_text(tag)})
        self.world.commit(title, changed, author=author, branch=name, signed=signed)
        number = self.desk(author).person().open(name, "main", title)
        self.settle()
        return number

    def apart(self, files: Mapping[str, str | None]) -> dict[str, str | None]:
        """With staging at rest where Jobs come into its folder: production alone names them, so staging may not have
        them. A change that says something of staging has its word."""
        jobs = any(path.startswith(SHARED) and "kind: Job\n" in (text or "") for path, text in files.items())
        staging = self.world.example().get(STAGING)
        rests = {STAGING: f"{staging}  suspend: true\n"} if jobs and staging is not None else {}
        return {**rests, **files}

    def pull(self, number: int) -> PullRequest:
        return self.desk("admin").person().show(number).pull_request

    def preview(self, number: int) -> PreviewState:
        return self.ledger.previews[f"dep-appr-{number}"]

    def plans(self, number: int) -> PlanSet:
        return self.world.opened.reconciler.landings.previews.artifact(self.preview(number))

    def approve(self, number: int, login: str = "approver_user", reason: str = "") -> None:
        state = self.preview(number)
        self.desk(login).person().approve(
            number,
            digest=state.previewed.digest,
            event=str(state.event),
            expected_head=self.pull(number).head,
            reason=reason,
        )
        self.settle()

    def merge(
        self, number: int, login: str = "dev_user", method: Method = Method.MERGE, *, settle: bool = True
    ) -> Revision:
        made = self.desk(login).person().merge(number, method, expected_head=self.pull(number).head)
        if settle:
            self.settle()
        return made

    def force_merge(self, number: int, login: str = "dev_user") -> Revision:
        """A merge that asks for no statuses, as where branch protection is missing."""
        desk = self.desk(login)
        desk.required = ()
        return self.merge(number, login)

    def statuses(self, revision: Revision) -> dict[str, tuple[str, str]]:
        found = self.world.opened.forge.statuses(revision)
        return {status.context: (status.state.value, status.description) for status in found}

    def actions(self, **question: Any) -> list[str]:
        return [row.action for row in self.rows(**question)]

    def rows(self, **question: Any) -> tuple[Row, ...]:
        return timeline(self.world.opened.journal.events, Question(**question))

    def image(self, cluster: str = "prod") -> str:
        found = self.world.clusters[cluster].look(DEPLOYMENT)
        assert found is not None
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"]).rpartition(":")[2]

    def effects(self, cluster: str = "prod") -> int:
        """How many writes the cluster saw that were no dry run: its own count."""
        return len(self.world.sandbox(cluster).real_effects)

    def tip(self) -> Revision:
        return self.desk("admin").tip()
