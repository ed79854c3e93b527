"""gate.md written once more, small and on its own: what may happen in the model's world, and whether it did.

Knows what people read and said (town.py), what lies in Git (plain text of the files), what the clusters saw (their log
of writes) and what the audit branch says (plain JSON). Imports nothing of the product's approval, plan or machine. The
rule it keeps: the far side is the witness; the product's own words are claims that have to fit it.

    claim    "environment E at commit C passed as generation G"    is covered by people (G11-G15, G18), in order (G8)
    write    a cluster's tag changed                               by a claim that names it, recorded before, once
    status   "success" on a commit                                 only where that commit's tags ran
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.app.journal import fold_files
from reconciler.machine.ledger import Ledger
from reconciler.names import EventId, Revision
from reconciler.state.event import Event
from tests.model import texts
from tests.model.chronicle import Chronicle, Told, text_of
from tests.model.far_cluster import Write
from tests.model.house import Process
from tests.model.town import Approval, Step, Town

MARGIN = timedelta(minutes=1)  # time passes within a look
_TAG = re.compile(r"tag: (\S+?)\}")
_APPROVER = re.compile(r"role: approver, subjects: \[(.*?)\]")
_USER = re.compile(r"user: (\w+)")


class Violation(AssertionError):
    """The gate was passed where it stands closed."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the audit says passed the gate. `live`: what ran when it was first seen."""

    environment: str
    generation: int
    commit: Revision
    units: frozenset[str]  # releases
    returns: bool
    live: Mapping[str, str]
    wanted: Mapping[str, str]
    good: Mapping[str, str]  # what ran well before
    moment: int


@dataclass(slots=True)
class Oracle:
    """Looks after every act. Raises Violation."""

    town: Town
    chronicle: Chronicle
    first: Revision
    claims: dict[tuple[str, int], Claim] = field(default_factory=dict)
    good: dict[str, str] = field(default_factory=dict)  # release -> tag that ended well
    seats: list[tuple[datetime, frozenset[str]]] = field(default_factory=list)  # who may approve, since when
    begun: dict[tuple[str, int], int] = field(default_factory=dict)  # order of the first intent of each generation
    done: set[tuple[str, int, str, str]] = field(default_factory=set)
    ended: dict[tuple[str, int], str] = field(default_factory=dict)
    ran: dict[str, list[tuple[int, str]]] = field(default_factory=dict)  # release -> (moment, tag)
    moment: int = 0
    landed_at: dict[Revision, int] = field(default_factory=dict)
    claimed: list[Claim] = field(default_factory=list)
    _writes: dict[str, int] = field(default_factory=dict)
    _said: int = 0
    _hands: int = 0

    def check(self, now: Iterable[datetime]) -> None:
        """Everything that happened since the last time. `now`: the clocks that judged."""
        self.moment += 1
        times = tuple(now)
        told = self.chronicle.read_on()
        if self.chronicle.problems:
            raise Violation("; ".join(self.chronicle.problems))
        for one in told:
            self._take(one, times)
        self._check_hands()
        for name, cluster in self.town.place.clusters.items():
            for write in cluster.writes[self._writes.get(name, 0) :]:
                self._check_write(write)
            self._writes[name] = len(cluster.writes)
            if cluster.fooled:
                raise Violation(f"written to another cluster at the address of {name}: {cluster.fooled}")
            for parent, numbers in cluster.generations.items():
                if numbers != sorted(numbers):
                    raise Violation(f"{parent}: an older plan after a newer one: {numbers}")
        for revision, status in self.town.place.forge.said[self._said :]:
            self._check_status(revision, status.context, status.state.value)
        self._said = len(self.town.place.forge.said)

    # what the audit says

    def _take(self, one: Told, times: tuple[datetime, ...]) -> None:
        entry = one.entry
        place = (str(entry.get("environment", "")), int(entry.get("generation", 0)))
        match one.kind:
            case "passed" if place[0] == "policy":
                self._take_policy(entry, times)
            case "passed":
                self._take_claim(one, times)
            case "applying" | "returning":
                self.begun.setdefault(place, one.order)
            case "finished":
                self.ended[place] = str(entry["outcome"])
                claim = self.claims.get(place)
                if claim is not None and entry["outcome"] in ("applied", "no_change"):
                    self.good |= claim.wanted

    def _take_policy(self, entry: Mapping[str, object], times: tuple[datetime, ...]) -> None:
        commit = Revision(str(entry["commit"]))
        number = self.town.place.forge.landed.get(commit)
        heard = [one for one in self.town.said if one.person == "root" and one.yes]
        if not any(one.about in (number, commit, self._head(number)) for one in heard):
            raise Violation(f"policy of {commit[:12]} passed without a root signature")
        self.seats.append((min(times), self.approvers(commit)))

    def _take_claim(self, one: Told, times: tuple[datetime, ...]) -> None:
        entry = one.entry
        environment, commit = str(entry["environment"]), Revision(str(entry["commit"]))
        units = frozenset(str(u["unit"]).partition("/")[2] for u in entry["units"] if u["unit"].startswith("release/"))
        wanted = {name: self.tag(commit, name) for name in units}
        live = {name: self._before(name) for name in units}
        claim = Claim(
            environment,
            int(entry["generation"]),
            commit,
            units,
            bool(entry["return_granted"]),
            live,
            wanted,
            dict(self.good),
            self.moment,
        )
        if (environment, claim.generation) in self.claims:
            raise Violation(f"generation {claim.generation} of {environment} was given out twice")
        self._check_order(claim)
        steps = frozenset((name, live[name], tag) for name, tag in wanted.items() if live[name] != tag)
        if self.seats and steps:
            self._check_covered(claim, steps, times)
        self.claims[environment, claim.generation] = claim
        self.claimed.append(claim)

    def _check_order(self, claim: Claim) -> None:
        if not self.is_on_main(claim.commit):
            raise Violation(f"{claim.commit[:12]} passed and is not on the tracked branch")
        for other in self.claimed:
            both = claim.units & other.units
            if both and claim.commit != other.commit and self.is_ancestor(claim.commit, other.commit):
                raise Violation(f"{sorted(both)}: {claim.commit[:12]} passed after the newer {other.commit[:12]}")

    # who covers it

    def _check_covered(self, claim: Claim, steps: frozenset[Step], times: tuple[datetime, ...]) -> None:
        whys = [self._uncovered(claim, steps, now) for now in times]
        if all(whys):
            raise Violation(
                f"{claim.environment} at {claim.commit[:12]}: {sorted(steps)}: {'; '.join(sorted(set(whys)))}"
            )

    def _uncovered(self, claim: Claim, steps: frozenset[Step], now: datetime) -> str:
        """Why nobody's approval covers these steps now; empty where somebody's does."""
        number = self.town.place.forge.landed.get(claim.commit)
        subjects = {number, claim.commit, self._head(number)} - {None}
        makers = self._makers(claim.commit, number)
        latest: dict[str, Approval] = {}
        for one in self.town.said:
            if one.about in subjects and not one.retracted and self.may(one.person, one.at):
                latest[one.person] = one
        no = [one.person for one in latest.values() if not one.yes and self.may(one.person, now)]
        if no:
            return f"rejected by {no}"
        yes = [one for one in latest.values() if one.yes and not self._short(one, claim, steps, number, makers, now)]
        high = texts.TIERS[claim.environment] == "production"
        need = 2 if high and self._unsigned(claim.commit, number) else 1
        if len({one.person for one in yes}) >= need:
            return ""
        reasons = {f"{o.person}: {self._short(o, claim, steps, number, makers, now)}" for o in latest.values()}
        return f"{len(yes)} of {need} approve; {sorted(reasons)}"

    def _short(
        self,
        one: Approval,
        claim: Claim,
        steps: frozenset[Step],
        number: int | None,
        makers: frozenset[str],
        now: datetime,
    ) -> str:
        """What this approval lacks."""
        if one.person in makers:
            return "made it"
        if not self.may(one.person, now):
            return "may not any more"
        if now - one.at >= texts.APPROVAL_ENDS[claim.environment] + MARGIN:
            return f"too old: {now - one.at}"
        if one.base != "main":
            return f"for {one.base}"
        if number is not None and one.about == number and one.head != self.town.merged_from[number][1]:
            return "for another head"
        if not steps <= one.seen:
            return f"saw {sorted(one.seen)}"
        return ""

    def may(self, person: str, when: datetime) -> bool:
        """Whether somebody is an approver at a time."""
        held = [names for since, names in self.seats if since <= when]
        return person in (held[-1] if held else frozenset())

    def _head(self, number: int | None) -> Revision | None:
        return self.town.merged_from[number][1] if number in self.town.merged_from else None

    def _range(self, commit: Revision, number: int | None) -> list[Revision]:
        """Commits that a landing brings, from both sides of a merge."""
        origin = self.town.place.origin.objects
        if number is not None:
            before, head = self.town.merged_from[number]
        else:
            before, head = Revision(str(origin[commit].parent_ids[0])), commit  # type: ignore[attr-defined]
        walker = origin.walk(head)
        walker.hide(before)
        return [Revision(str(found.id)) for found in walker]

    def _makers(self, commit: Revision, number: int | None) -> frozenset[str]:
        found: set[str] = set()
        for one in self._range(commit, number):
            found |= self.town.makers.get(one, frozenset())
        if number is not None:
            found.add(self.town.place.forge.pulls[number].author)
        return frozenset(found)

    def _unsigned(self, commit: Revision, number: int | None) -> bool:
        return any(one in self.town.unsigned for one in self._range(commit, number))

    # what the clusters saw

    def _check_write(self, write: Write) -> None:
        if not write.changed:
            return
        name = write.path.rpartition("/")[2]
        environment = texts.RELEASES[name]
        claim = self.claims.get((environment, write.generation))
        what = f"{name}: {write.before} -> {write.after} (generation {write.generation})"
        if claim is None or name not in claim.units:
            raise Violation(f"{what}: no plan that passed the gate says so")
        if self.begun.get((environment, write.generation)) is None:
            raise Violation(f"{what}: no intent was recorded")
        key = (name, write.generation, str(write.before), str(write.after))
        if key in self.done:
            raise Violation(f"{what}: done twice")
        self.done.add(key)
        forth = write.after == claim.wanted[name]
        back = claim.returns and write.after == claim.good.get(name) and self._failed(claim)
        if not forth and not back:
            raise Violation(f"{what}: {claim.commit[:12]} wants {claim.wanted[name]}")
        if forth and write.before is not None and write.before != claim.live[name]:
            raise Violation(f"{what}: nobody was shown that {write.before} runs")
        self.ran.setdefault(name, []).append((self.moment, str(write.after)))

    @staticmethod
    def _failed(claim: Claim) -> bool:
        return texts.BROKEN in claim.wanted.values()

    def _check_hands(self) -> None:
        for name, tag in self.town.hands[self._hands :]:
            self.ran.setdefault(name, []).append((self.moment, tag))
            self.done = {key for key in self.done if key[0] != name}  # what was undone by hand may be done again
        self._hands = len(self.town.hands)

    def _check_status(self, revision: Revision, context: str, state: str) -> None:
        word, _, environment = context.partition(": ")
        if state != "success" or word not in ("reconciler/apply", "reconciler/health"):
            return
        claims = [one for one in self.claimed if one.environment == environment and one.commit == revision]
        for claim in claims[-1:]:
            for name, tag in claim.wanted.items():
                tags = {tag for moment, tag in self.ran.get(name, []) if moment >= claim.moment} | {claim.live[name]}
                if tag == texts.BROKEN or tag not in tags:
                    raise Violation(f"{context} says success at {revision[:12]}, and {name} never ran {tag} well")

    # at rest

    def at_rest(self) -> None:
        """What the last plan of each release that ended well wanted is what runs, unless somebody's hand was there."""
        touched = {name for name, _ in self.town.hands}
        open_ones = [place for place, claim in self.claims.items() if place not in self.ended and claim.units]
        if open_ones:
            raise Violation(f"never finished: {open_ones}")
        for name in set(texts.RELEASES) - touched:
            last = [claim for claim in self.claimed if name in claim.units][-1]
            how = self.ended[last.environment, last.generation]
            wanted = {"applied": last.wanted[name], "no_change": last.wanted[name], "rolled_back": last.good.get(name)}
            if how in wanted and self.live(name) != wanted[how]:
                raise Violation(f"{name}: {how}, and {self.live(name)} runs instead of {wanted[how]}")

    def rebuilt(self, one: Process, *others: Process) -> None:
        """A fresh fold of the audit branch is what every process believes, and its chain is whole."""
        for process in (one, *others):
            process.journal.catch_up()
        findings = one.journal.branch.verify()
        if findings:
            raise Violation(f"the audit chain: {findings}")
        ledger, events, seen = Ledger(), list[Event](), set[EventId]()
        for record in one.journal.branch.read():
            fold_files(record.files, ledger, events, seen)
        if any(ledger != process.journal.ledger for process in (one, *others)):
            raise Violation("the read model differs from a fresh fold of the audit branch")

    # Git and clusters, read plainly

    def tag(self, commit: Revision, release: str) -> str:
        """What a commit wants of a release."""
        found = _TAG.search(self._text(commit, texts.release_path(release)))
        assert found is not None
        return found[1]

    def approvers(self, commit: Revision) -> frozenset[str]:
        """Whom a commit's bindings make approvers."""
        found = _APPROVER.search(self._text(commit, "policy/bindings.yaml"))
        assert found is not None
        return frozenset(_USER.findall(found[1]))

    def _text(self, commit: Revision, path: str) -> str:
        return text_of(self.town.place.origin.commit(commit), path)

    def live(self, release: str) -> str:
        """What runs."""
        cluster = self.town.place.clusters[texts.RELEASES[release]]
        return cluster.value(texts.deployment_path(release)) or ""

    def _before(self, release: str) -> str:
        """What ran before the writes that were not looked at yet."""
        cluster = self.town.place.clusters[texts.RELEASES[release]]
        path = texts.deployment_path(release)
        fresh = [w for w in cluster.writes[self._writes.get(cluster.name, 0) :] if w.path == path and w.changed]
        return (fresh[0].before or "") if fresh else self.live(release)

    def is_ancestor(self, one: Revision, other: Revision) -> bool:
        origin = self.town.place.origin.objects
        return bool(origin.descendant_of(other, one))

    def is_on_main(self, commit: Revision) -> bool:
        return commit == self.town.tip or self.is_ancestor(commit, self.town.tip)
