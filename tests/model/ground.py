"""The ground that the machine stands on: acts with their cost in time, looks, and what must hold at the end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from hypothesis.stateful import RuleBasedStateMachine

from reconciler.errors import ReconcilerError
from reconciler.state.forge import PullRequest, PullRequestState, Verdict
from tests.model import texts
from tests.model.house import Process
from tests.model.lifeline import AWAY, Crash
from tests.model.oracle import Violation
from tests.model.start import Stage


class Looks(StrEnum):
    """Who looks after an act, and how far."""

    NOBODY = "nobody"
    ONE = "one, once"
    TWO = "two, once"
    BOTH = "both, to the end"


@dataclass(slots=True)
class Tally:
    """What happened in all runs: a machine in which nothing happens proves nothing."""

    runs: int = 0
    acts: dict[str, int] = field(default_factory=dict)
    writes: int = 0
    claims: int = 0
    crashes: int = 0
    returns: int = 0
    held: int = 0
    successes: int = 0


TALLY = Tally()


class Ground(RuleBasedStateMachine):
    """Two reconcilers, one repository, five people, and whatever goes wrong.

    The test sets `fresh`, and `ended`, which is called after each run.
    """

    fresh: Callable[[], Stage]
    ended: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self) -> None:
        super().__init__()
        self.stage = type(self).fresh()
        self.town, self.place = self.stage.town, self.stage.place
        TALLY.runs += 1
        self.broken = False
        self._writes = sum(len(cluster.writes) for cluster in self.place.clusters.values())

    @property
    def open(self) -> list[PullRequest]:
        """Open ones."""
        return [one for one in self.place.forge.pulls.values() if one.state is PullRequestState.OPEN]

    def files(self, release: str, tag: str) -> dict[str, str]:
        return {texts.release_path(release): texts.release(release, tag)}

    def review(self, person: str, pull: PullRequest, verdict: Verdict, *, signed: bool) -> None:
        self.act(f"review: {verdict.value}")
        state = self.stage.processes[0].journal.ledger.previews.get(f"dep-appr-{pull.number}")
        event = str(state.event) if state is not None else ""
        self.town.review(pull.number, person, verdict, signed=signed, event=event)

    def roles(self, seats: tuple[str, ...], *, rooted: bool) -> None:
        if self.stage.oracle.approvers(self.town.tip) == frozenset(seats):
            return
        number = self.town.propose("lead", {"policy/bindings.yaml": texts.bindings(seats)})
        self.after(Looks.BOTH)
        state = self.stage.processes[0].journal.ledger.previews.get(f"dep-appr-{number}")
        if rooted and state is not None:
            head = self.place.forge.pulls[number].head
            self.town.sign_pull(number, head, digest=state.previewed.digest, event=str(state.event))
            self.after(Looks.BOTH)
        self.place.time.pass_by(timedelta(seconds=1))
        self.town.merge(number, "dev", "merge")
        self.after(Looks.BOTH)

    def act(self, what: str) -> None:
        TALLY.acts[what] = TALLY.acts.get(what, 0) + 1
        self.place.time.pass_by(timedelta(seconds=61))

    def after(self, looks: Looks) -> None:
        self.place.time.pass_by(timedelta(seconds=1))
        one, two = self.stage.processes
        wanted: dict[Looks, tuple[Process, ...]] = {
            Looks.NOBODY: (),
            Looks.ONE: (one,),
            Looks.TWO: (two,),
            Looks.BOTH: (one, two),
        }
        for process in wanted[looks]:
            self.look(process, to_the_end=looks is Looks.BOTH)
        self.broken = True
        self.stage.check()
        self.broken = False

    def look(self, process: Process, *, to_the_end: bool) -> None:
        """One process looks; if it dies, a new one takes its place. Nothing that goes wrong in a look escapes it."""
        loop = process.reconciler
        try:
            loop.settle() if to_the_end else loop.look()
        except Crash:
            TALLY.crashes += 1
            process.start()
        except ReconcilerError:
            return  # it could not look at all, and says so
        # whoever is away has no key of its own in the catalogue
        if any("internal_error" in fault and not fault.endswith(AWAY) for fault in loop.faults):
            self._violated(f"a defect: {loop.faults}")

    def _violated(self, what: str) -> None:
        self.broken = True
        raise Violation(what)

    def teardown(self) -> None:
        if self.broken:
            return  # found already; what follows from it says nothing new
        self.settled()
        written = sum(len(cluster.writes) for cluster in self.place.clusters.values())
        TALLY.writes += written - self._writes
        TALLY.claims += len(self.stage.oracle.claimed)
        TALLY.returns += sum(how == "rolled_back" for how in self.stage.oracle.ended.values())
        said = [status for _, status in self.place.forge.said]
        TALLY.held += sum("waiting as" in status.description for status in said)
        TALLY.successes += sum(one.context.startswith("reconciler/apply") and one.state == "success" for one in said)
        type(self).ended()

    def settled(self) -> None:
        """The faults stop: everything comes to rest, says the truth, and can be built again from the audit branch."""
        for process in self.stage.processes:
            process.life.cut.clear()
            process.clock.skew = timedelta()
            process.start()
        for cluster in self.place.clusters.values():
            if cluster.impostor:
                cluster.swap()
        self.place.time.pass_by(timedelta(minutes=2))
        self.after(Looks.BOTH)
        self.after(Looks.BOTH)
        before = self.stage.oracle.chronicle.tip()
        self.after(Looks.ONE)
        self.after(Looks.TWO)
        if self.stage.oracle.chronicle.tip() != before:
            self._violated("it never comes to rest")
        self.stage.oracle.at_rest()
        self.stage.oracle.rebuilt(*self.stage.processes)
