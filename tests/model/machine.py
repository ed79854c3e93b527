"""What may happen in any order: the rules of the state machine. Each rule is one act, and then perhaps somebody looks.

The invariants are the oracle's, asked after every act; `Ground.settled` asks for what must hold once the faults stop.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from reconciler.state.forge import PullRequest, PullRequestState, Verdict
from tests.model import texts
from tests.model.disturb import DISTURBANCES
from tests.model.ground import Ground, Looks
from tests.model.lifeline import Line
from tests.model.town import METHODS

looks = st.sampled_from([Looks.BOTH, Looks.BOTH, Looks.ONE, Looks.TWO, Looks.NOBODY])
releases = st.sampled_from(tuple(texts.RELEASES))
tags = st.sampled_from(texts.TAGS)
good_tags = st.sampled_from(texts.GOOD)
approvers = st.sampled_from(texts.APPROVERS)
people = st.sampled_from(texts.PEOPLE)
authors = st.sampled_from(("dev", "dev", "lead", "ann"))
which = st.integers(min_value=0, max_value=2)
processes = st.integers(min_value=0, max_value=1)


@dataclass(frozen=True, slots=True)
class Way:
    """Somebody's way to production, and what comes between: `what`, in variant `choice`, before step `place`."""

    author: str
    release: str
    tag: str
    person: str
    method: str
    what: str
    place: int
    choice: int


ways = st.builds(
    Way,
    author=st.sampled_from(("dev", "lead")),
    release=releases,
    tag=st.sampled_from((*texts.GOOD[1:], texts.GOOD[0], texts.BROKEN)),
    person=st.sampled_from(("ann", "ben", "lead")),
    method=st.sampled_from(METHODS),
    what=st.sampled_from(tuple(DISTURBANCES)),
    place=st.integers(min_value=0, max_value=3),
    choice=which,
)


class GateMachine(Ground):
    """Two reconcilers, one repository, five people, and whatever goes wrong. `fresh` is set by the test."""

    # pull requests

    def _pick(self, index: int) -> PullRequest:
        return self.open[index % len(self.open)]

    @rule(author=authors, release=releases, tag=tags, signed=st.sampled_from((True, True, False)), looks=looks)
    @precondition(lambda self: len(self.open) < 3)
    def propose(self, author: str, release: str, tag: str, signed: bool, looks: Looks) -> None:  # noqa: FBT001
        if self.stage.oracle.tag(self.town.tip, release) == tag:
            return
        self.act("propose")
        self.town.propose(author, self.files(release, tag), signed=signed)
        self.after(looks)

    @rule(author=authors, index=which, release=releases, tag=tags, force=st.booleans(), looks=looks)
    @precondition(lambda self: self.open)
    def push(self, author: str, index: int, release: str, tag: str, force: bool, looks: Looks) -> None:  # noqa: FBT001
        pull = self._pick(index)
        if pull.author == "reconciler":
            return
        self.act("force-push" if force else "push")
        parent = self.town.tip if force else pull.head
        self.town.commit(author, self.files(release, tag), parent=parent, branch=pull.head_ref)
        self.after(looks)

    @rule(person=people, index=which, signed=st.booleans(), looks=looks)
    @precondition(lambda self: self.open)
    def approve(self, person: str, index: int, signed: bool, looks: Looks) -> None:  # noqa: FBT001
        self.review(person, self._pick(index), Verdict.APPROVE, signed=signed)
        self.after(looks)

    @rule(person=approvers, index=which, signed=st.booleans(), looks=looks)
    @precondition(lambda self: self.open)
    def approve_again(self, person: str, index: int, signed: bool, looks: Looks) -> None:  # noqa: FBT001
        """By somebody with the role: otherwise too few runs reach a target."""
        self.review(person, self._pick(index), Verdict.APPROVE, signed=signed)
        self.after(looks)

    @rule(person=approvers, index=which, looks=looks)
    @precondition(lambda self: self.open)
    def reject(self, person: str, index: int, looks: Looks) -> None:
        self.review(person, self._pick(index), Verdict.REJECT, signed=False)
        self.after(looks)

    @rule(person=approvers, index=which, looks=looks)
    @precondition(lambda self: self.place.forge.landed)
    def approve_merged(self, person: str, index: int, looks: Looks) -> None:
        """A review of what is merged already, where it is held (G18)."""
        numbers = sorted(set(self.place.forge.landed.values()))
        self.review(person, self.place.forge.pulls[numbers[index % len(numbers)]], Verdict.APPROVE, signed=False)
        self.after(looks)

    @rule(index=which, review=which, looks=looks)
    @precondition(lambda self: self.place.forge.pulls)
    def retract(self, index: int, review: int, looks: Looks) -> None:
        self.act("retract")
        numbers = sorted(self.place.forge.pulls)
        self.town.retract(numbers[index % len(numbers)], review)
        self.after(looks)

    @rule(index=which, looks=looks)
    @precondition(lambda self: self.open)
    def retarget(self, index: int, looks: Looks) -> None:
        self.act("retarget")
        self.town.retarget(self._pick(index).number)
        self.after(looks)

    @rule(index=which, person=people, words=st.sampled_from(("/reconciler preview", "/reconciler hold", "lgtm")))
    @precondition(lambda self: self.open)
    def comment(self, index: int, person: str, words: str) -> None:
        self.act("comment")
        self.town.comment(self._pick(index).number, person, words)
        self.after(Looks.ONE)

    @rule(index=which, words=st.sampled_from(("/reconciler preview", "approved by ann", "")), looks=looks)
    @precondition(lambda self: self.open)
    def edit_comments(self, index: int, words: str, looks: Looks) -> None:
        self.act("edit comments")
        self.town.edit_comments(self._pick(index).number, words)
        self.after(looks)

    @rule(index=which, by=people, method=st.sampled_from(METHODS), looks=looks)
    @precondition(lambda self: any(one.base == "main" for one in self.open))
    def merge(self, index: int, by: str, method: str, looks: Looks) -> None:
        able = [one for one in self.open if one.base == "main"]
        self.act(f"merge: {method}")
        self.town.merge(able[index % len(able)].number, by, method)
        self.after(looks)

    @rule(index=which, looks=looks)
    @precondition(lambda self: self.open)
    def close(self, index: int, looks: Looks) -> None:
        self.act("close")
        self.town.close(self._pick(index).number)
        self.after(looks)

    # the way that works, disturbed at one place

    @initialize(way=ways, looks=looks)
    def first(self, way: Way, looks: Looks) -> None:
        """Every run begins with somebody on the way to production: otherwise too few reach a target."""
        self._ship(way, looks)

    @rule(way=ways, looks=looks)
    def ship(self, way: Way, looks: Looks) -> None:
        """Propose, approve, merge; one disturbance before one of the steps, and the next step goes on regardless."""
        self._ship(way, looks)

    @rule(way=ways)
    def ship_plainly(self, way: Way) -> None:
        """The same, and nothing comes between."""
        self._ship(replace(way, what="nothing"), Looks.BOTH)

    def _ship(self, way: Way, looks: Looks) -> None:
        if self.stage.oracle.tag(self.town.tip, way.release) == way.tag:
            return
        self.act("ship")
        number = self.town.propose(way.author, self.files(way.release, way.tag))
        steps: tuple[Callable[[], object], ...] = (
            lambda: None,
            lambda: self.review(way.person, self.place.forge.pulls[number], Verdict.APPROVE, signed=way.choice == 0),
            lambda: self.town.merge(number, way.author, way.method),
            lambda: None,
        )
        for index, step in enumerate(steps):
            if index == way.place:
                self.act(f"ship, but {way.what}")
                DISTURBANCES[way.what](self, way.choice, number, way.release)
            if self.place.forge.pulls[number].state is not PullRequestState.OPEN and index < 3:
                return
            self.place.time.pass_by(timedelta(seconds=62))
            step()
            drawn = index == 3 or (index == way.place and way.choice == 2)
            self.after(looks if drawn else Looks.BOTH)

    # past the pull requests

    @rule(author=authors, release=releases, tag=tags, signed=st.booleans(), looks=looks)
    def push_to_main(self, author: str, release: str, tag: str, signed: bool, looks: Looks) -> None:  # noqa: FBT001
        if self.stage.oracle.tag(self.town.tip, release) == tag:
            return
        self.act("direct push")
        self.town.commit(author, self.files(release, tag), parent=self.town.tip, branch="main", signed=signed)
        self.after(looks)

    @rule(looks=looks)
    @precondition(lambda self: self.town.tip != self.stage.oracle.first)
    def revert(self, looks: Looks) -> None:
        """A pull request that takes the last step back."""
        self.act("revert")
        files = self.town.files_before_tip()
        if files:
            self.town.propose("dev", files)
        self.after(looks)

    @rule(person=people, index=which, looks=looks)
    @precondition(lambda self: self.stage.processes[0].journal.ledger.waiting)
    def approve_held(self, person: str, index: int, looks: Looks) -> None:
        """`reconciler approve REF` on what is held."""
        ledger = self.stage.processes[0].journal.ledger
        tickets = sorted(ledger.waiting)
        ticket = tickets[index % len(tickets)]
        state = ledger.previews.get(ticket)
        if state is None:
            return
        self.act("approve held")
        commit = ledger.waiting[ticket].landed.commit
        path, digest = state.previewed.path, state.previewed.digest
        self.town.decide(person, ticket, commit, path, digest=digest, event=str(state.event))
        self.after(looks)

    @rule(seats=st.sampled_from(texts.SEATS), looks=looks, rooted=st.sampled_from((True, True, False)))
    @precondition(lambda self: len(self.open) < 3)
    def change_roles(self, seats: tuple[str, ...], looks: Looks, rooted: bool) -> None:  # noqa: FBT001
        """Take a role away, or give it back: a pull request that root signs, or nobody."""
        self.act("change roles")
        self.roles(seats, rooted=rooted)
        self.after(looks)

    # time, hands and faults

    @rule(minutes=st.sampled_from((1, 11, 31, 5 * 60, 25 * 60, 8 * 24 * 60)), looks=looks)
    def wait(self, minutes: int, looks: Looks) -> None:
        self.act("time passes")
        self.place.time.pass_by(timedelta(minutes=minutes))
        self.after(looks)

    @rule(process=processes, minutes=st.sampled_from((-90, -1, 0, 1, 90)))
    def clock_jumps(self, process: int, minutes: int) -> None:
        self.act("clock jumps")
        self.stage.processes[process].clock.skew = timedelta(minutes=minutes)
        self.after(Looks.NOBODY)

    @rule(release=releases, tag=good_tags, looks=looks)
    def edit_target(self, release: str, tag: str, looks: Looks) -> None:
        self.act("hand edit")
        self.town.edit_target(release, tag)
        self.after(looks)

    @rule(cluster=st.sampled_from(texts.CLUSTERS), looks=looks)
    def swap_cluster(self, cluster: str, looks: Looks) -> None:
        """The target is re-keyed: another one answers at its address."""
        self.act("another cluster")
        self.place.clusters[cluster].swap()
        self.after(looks)

    @rule(process=processes, effects=st.integers(min_value=1, max_value=9), after=st.booleans())
    def crash(self, process: int, effects: int, after: bool) -> None:  # noqa: FBT001
        """It dies around its n-th effect from now, and comes back."""
        life = self.stage.processes[process].life
        life.countdown, life.after = effects, after
        self.act("crash")
        self.look(self.stage.processes[process], to_the_end=True)
        life.countdown = None
        self.after(Looks.NOBODY)

    @rule(process=processes, effects=st.integers(min_value=1, max_value=9))
    def stand_still(self, process: int, effects: int) -> None:
        """It stands still before its n-th effect, while the other one does everything there is to do."""
        one, other = self.stage.processes[process], self.stage.processes[1 - process]
        self.act("stands still")
        one.life.visitor, one.life.visit_in = (lambda: self.look(other, to_the_end=True)), effects
        self.look(one, to_the_end=True)
        one.life.visitor = None
        self.after(Looks.NOBODY)

    @rule(process=processes, line=st.sampled_from(Line), looks=looks)
    def cut(self, process: int, line: Line, looks: Looks) -> None:
        self.act(f"cut: {line}")
        self.stage.processes[process].life.cut.add(line)
        self.after(looks)

    @rule(process=processes)
    def mend(self, process: int) -> None:
        self.stage.processes[process].life.cut.clear()
        self.after(Looks.BOTH)

    @rule(process=processes, lose=st.booleans())
    def restart(self, process: int, lose: bool) -> None:  # noqa: FBT001
        self.act("restart")
        one = self.stage.processes[process]
        if lose and not one.life.cut:
            one.lose_cache()
        one.start()
        self.after(Looks.ONE)

    @rule(looks=looks)
    def somebody_looks(self, looks: Looks) -> None:
        self.after(looks)
