"""Tags that propose: a new one that an environment's `promotion` means leads to one pull request that moves it (G19).

Level-triggered: which tag is the newest is asked of the refs that every look polls anyway, and only when they, or the
tracked branch, moved. The rules: intent is recorded before a branch is pushed, so that after any crash, and among
several reconcilers, there is one pull request for a tag and an environment, and a closed one is not opened again; the
commit that is proposed is the one at which the tag stood then; whoever verifiably made the tag counts as who asked
(G14), and what a tag merely names is only excluded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.app import promotion
from reconciler.app.desire import Desires
from reconciler.app.journal import SYSTEM, Journal, Note
from reconciler.app.planning import Planner
from reconciler.app.promotion import Move
from reconciler.app.reverts import EMAIL
from reconciler.errors import ReconcilerError, Refused, SpecError
from reconciler.git import history, tags
from reconciler.git.commits import Person
from reconciler.git.keys import SigningKey
from reconciler.git.tags import Tag
from reconciler.git.write import commit_tree
from reconciler.machine.entry import Promoted, Promoting, TagTold
from reconciler.machine.ledger import Ledger, PromotionState
from reconciler.names import SHORT, Revision
from reconciler.ports import Clock, ForgeWriter
from reconciler.report.neutral import code_name, name
from reconciler.specs.kinds import Environment
from reconciler.specs.spec import Spec
from reconciler.state.event import Domain, EventStatus, Severity

MOST_LOOKED_AT = 20  # tags of an environment, the newest first, until one of them is fit or known

Guard = Callable[[str, Callable[[], object]], None]  # of the loop: what fails is told and stops nothing else


class Why(StrEnum):
    """Why a tag proposes nothing, as it is kept."""

    UNMERGED = "unmerged"
    BESIDE = "beside"
    UNFIT = "unfit"
    MOVED = "moved"


WORDS: Mapping[Why, str] = {
    Why.UNMERGED: "it is not on the tracked branch",
    Why.BESIDE: "it does not have what is in force there",
    Why.UNFIT: "what stands there cannot be run",
    Why.MOVED: "it was proposed at another commit, which stays as it was",
}


@dataclass(slots=True)
class Promotions:
    """Proposes promotions because of tags, one look at a time."""

    desires: Desires
    journal: Journal
    planner: Planner
    writer: ForgeWriter
    clock: Clock
    key: SigningKey
    _settled: tuple[Revision, Mapping[str, Revision]] | None = field(default=None, repr=False)

    def look(self, tip: Revision, guard: Guard) -> None:
        """Finish what was begun, and propose what a new tag asks for."""
        for state in tuple(self.journal.ledger.promotions.values()):
            if state.number is None:
                guard(_what(state.promoting), lambda s=state: self._propose(s))  # type: ignore[misc]
        targets = tags.names(self.desires.mirror.refs())
        if self._settled == (tip, targets):
            return
        desired = self.desires.at(tip).desired
        wanted = [
            spec
            for environment, spec in sorted(desired.environments.items())
            if spec.spec.promotion is not None and desired.may_plan(environment)
        ]
        known = tags.found(self.desires.mirror.repository, targets) if wanted else ()
        done: list[str] = []
        for spec in wanted:
            guard(f"promotion of {spec.name}", lambda s=spec: done.append(self._look(s, tip, known)))  # type: ignore[misc]
        if len(done) == len(wanted):
            self._settled = (tip, targets)

    def _look(self, spec: Spec[Environment], tip: Revision, known: Sequence[Tag]) -> str:
        """One environment; its name, when nothing is left to do."""
        self._tell_moved(spec, known)
        repository = self.desires.mirror.repository
        base = Revision(spec.spec.revision) if spec.spec.revision is not None else None
        for tag in promotion.ranked(repository, known, promotion.pattern_of(spec.spec), base)[:MOST_LOOKED_AT]:
            if (spec.name, tag.name) in self.journal.ledger.promotions:
                break
            why = self._unfit(tag, base, tip)
            if why is not None:
                self._tell(spec, tag, why)
            elif base is None and not self._wants(spec.name, tag.commit):
                break  # older than the wish to be promoted by tags
            elif self._begin(spec, tag, tip):
                break
        return spec.name

    def _unfit(self, tag: Tag, base: Revision | None, tip: Revision) -> Why | None:
        repository = self.desires.mirror.repository
        if not history.is_ancestor(repository, tag.commit, tip):
            return Why.UNMERGED
        if base is not None and not history.is_ancestor(repository, base, tag.commit):
            return Why.BESIDE
        return None

    def _wants(self, environment: str, revision: Revision) -> bool:
        there = self.desires.plain(revision).desired.environments.get(environment)
        return there is not None and there.spec.promotion is not None

    def _begin(self, spec: Spec[Environment], tag: Tag, tip: Revision) -> bool:
        """Record the intent and propose; False where what stands at the tag cannot be proposed, which is told."""
        move = Move(spec.name, Revision(spec.spec.revision) if spec.spec.revision else None, tag.commit, tag.name)
        at = self.clock.now()
        try:
            head = self._commit(move, tip, at)
            promotion.check(self.desires, tip, head, move)
        except (Refused, SpecError) as error:
            self._tell(spec, tag, Why.UNFIT, error)
            return False
        maker = tags.maker(self.desires.mirror.repository, tag)
        person = self.planner.policy().persons.by_key(maker.key) if maker.key else None
        entry = Promoting(
            environment=spec.name,
            tag=tag.name,
            target=tag.target,
            revision=tag.commit,
            old=move.old,
            tip=tip,
            head=head,
            branch=f"reconciler/{move.branch(tip)}",
            at=at,
            asked=person.name if person is not None and not person.bot else "",
            tagger=maker.email,
            key=maker.key,
        )
        self._propose(self._intend(entry, lambda ledger: (spec.name, tag.name) not in ledger.promotions))
        return True

    def _intend(self, entry: Promoting, holds: Callable[[Ledger], bool]) -> PromotionState:
        words = f"tag {name(entry.tag, cap=100)} at {entry.revision[:SHORT]}: promotion of {entry.environment} proposed"
        note = self._note(entry.environment, "draft_created", words, entry, actor=entry.asked or SYSTEM)
        self.journal.record([note], holds=holds)
        return self.journal.ledger.promotions[entry.environment, entry.tag]

    def _propose(self, state: PromotionState) -> None:
        """Open the pull request of a recorded intent; safe to repeat."""
        entry = state.promoting
        place = (entry.environment, entry.tag)
        move = Move(entry.environment, entry.old, entry.revision, entry.tag)
        if not self.desires.mirror.repository.has(entry.head):
            head = self._commit(move, entry.tip, entry.at)
            if head != entry.head:  # written by other code or with another key
                entry = entry.model_copy(update={"head": head})
                self._intend(entry, lambda ledger: ledger.promotions[place] == state)
        body = promotion.body_of(self.desires, entry.tip, entry.head, move)
        number = self.writer.propose(entry.branch, entry.head, move.title, f"{body}\n\n{_because(entry)}\n")
        words = f"#{number}: {move.title}"
        opened = Promoted(environment=entry.environment, tag=entry.tag, pull_request=number)
        self.journal.record(
            [self._note(entry.environment, "draft_created", words, opened, actor=entry.asked or SYSTEM)],
            holds=lambda ledger: ledger.promotions[place].number is None,
        )

    def _commit(self, move: Move, tip: Revision, at: datetime) -> Revision:
        return commit_tree(
            self.desires.mirror.repository,
            files=promotion.files_of(self.desires, tip, move),
            parents=(tip,),
            message=f"{move.title}\n",
            author=Person("reconciler", EMAIL, at),
            signer=self.key,
        )

    def _tell_moved(self, spec: Spec[Environment], known: Sequence[Tag]) -> None:
        """Say on its pull request, and in the audit, where a tag stands now that was proposed at another commit."""
        for tag in known:
            state = self.journal.ledger.promotions.get((spec.name, tag.name))
            if state is None or state.number is None or state.promoting.revision == tag.commit:
                continue
            if self._told(spec.name, tag, Why.MOVED) in self.journal.ledger.tags_told:
                continue
            marker = f"<!-- reconciler:tag-moved {tag.commit[:SHORT]} -->"
            words = (
                f"The tag {code_name(tag.name, cap=300)} was moved to {code_name(tag.commit[:SHORT])}. This proposes "
                f"{code_name(state.promoting.revision[:SHORT])}, at which it stood, and does not follow it."
            )
            self.writer.write_comment(state.number, marker, f"{marker}\n{words}")
            self._tell(spec, tag, Why.MOVED)

    def _tell(self, spec: Spec[Environment], tag: Tag, why: Why, error: ReconcilerError | None = None) -> None:
        told = self._told(spec.name, tag, why)
        if told in self.journal.ledger.tags_told:
            return
        words = f"tag {name(tag.name, cap=100)} at {tag.commit[:SHORT]} proposes nothing: {WORDS[why]}"
        note = self._note(spec.name, "refused", f"{words}: {error.message}" if error else words, told)
        self.journal.record([note], holds=lambda ledger: told not in ledger.tags_told)

    @staticmethod
    def _told(environment: str, tag: Tag, why: Why) -> TagTold:
        return TagTold(environment=environment, tag=tag.name, commit=tag.commit, why=why.value)

    def _note(
        self, environment: str, action: str, words: str, entry: Promoting | Promoted | TagTold, actor: str = SYSTEM
    ) -> Note:
        refused = isinstance(entry, TagTold)
        return Note(
            Domain.PREVIEW if refused else Domain.RELEASE,
            action,
            "environment",
            environment,
            actor=actor,
            status=EventStatus.WARNING if refused else EventStatus.SUCCESS,
            severity=Severity.MEDIUM if refused else Severity.INFO,
            environment=environment,
            detail={"summary": words, "error_key": "validation_error" if refused else ""},
            entry=entry,
        )


def _what(entry: Promoting) -> str:
    return f"promotion of {entry.environment}"


def _because(entry: Promoting) -> str:
    tag = code_name(entry.tag, cap=300)
    asked = "by whom is not known for sure, so that two approvers are needed"
    if entry.asked:
        asked = f"signed by {code_name(entry.asked)}, who counts as its author"
    return f"Proposed because of the tag {tag}, {asked}."
