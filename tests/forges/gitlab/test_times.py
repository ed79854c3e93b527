"""Whatever the order and the distance in which people push, retarget and approve, and however late and skewed GitLab's
times are within what is allowed for: no approval counts for a head or a base that did not stand when it was given."""

from datetime import datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.forges.gitlab.reviews import (
    APPROVED,
    LATE,
    NOTHING,
    SKEW,
    UNAPPROVED,
    Act,
    Retarget,
    Story,
    Version,
)
from reconciler.names import Revision
from reconciler.state.forge import PullRequest, PullRequestState, Verdict
from tests.forges.gitlab.state import START

HEADS = [Revision(str(digit) * 40) for digit in range(1, 5)]
BASES = ["main", "release"]
SECONDS = st.sampled_from([0, 1, 3, 6, 30, 58, 66, 150]).map(lambda seconds: timedelta(seconds=seconds))
NOISE = st.sampled_from([-0.5, 0, 0.5]).map(lambda part: SKEW * part)
DELAY = st.sampled_from([0, 0.1, 0.5, 1]).map(lambda part: (LATE - SKEW) * part)
EVENT = st.one_of(
    st.tuples(st.just("push"), st.sampled_from(HEADS)),
    st.tuples(st.just("retarget"), st.sampled_from(BASES)),
    st.tuples(st.just("approve"), st.sampled_from([1, 2])),
    st.tuples(st.just("unapprove"), st.sampled_from([1, 2])),
)
HISTORY = st.lists(st.tuples(EVENT, SECONDS, NOISE, DELAY), max_size=10)


class Past:
    """What happened, and what GitLab tells of it."""

    def __init__(self) -> None:
        self.now: datetime = START
        self.head, self.base = HEADS[0], BASES[0]
        self.versions = [Version(self.head, START)]
        self.heads_until = [self.head]
        self.retargets: list[Retarget] = []
        self.acts: list[Act] = []
        self.standing: dict[int, datetime] = {}
        self.truth: dict[str, tuple[list[Revision], str]] = {}  # of each latest approval: heads until then, base then

    def happens(self, kind: str, what: object, noise: timedelta, delay: timedelta) -> None:
        at = self.now + noise
        if kind == "push" and what != self.head:
            self.head = Revision(str(what))
            self._version(at)
        elif kind == "retarget" and what != self.base:
            self.retargets.append(Retarget(at, self.base, str(what)))
            self.base = str(what)
            self._version(at)
        elif kind == "approve" and what not in self.standing:
            assert isinstance(what, int)
            self.standing[what] = at
            self._act(APPROVED, what, at + delay)
        elif kind == "unapprove" and what in self.standing:
            assert isinstance(what, int)
            del self.standing[what]
            self._act(UNAPPROVED, what, at + delay)

    def _version(self, at: datetime) -> None:
        self.versions.append(Version(self.head, max(at, self.versions[-1].at)))
        self.heads_until.append(self.head)

    def _act(self, what: str, who: int, at: datetime) -> None:
        self.acts.append(Act(str(len(self.acts)), what, who, f"person{who}", at))
        if what == APPROVED:
            self.truth[f"person{who}"] = (list(self.heads_until), self.base)

    def story(self, *, told: bool) -> Story:
        pull = PullRequest(1, "", "", "ana", self.base, "feature", self.head, PullRequestState.OPEN, START)
        return Story(
            merge_request=pull,
            versions=self.versions,
            retargets=self.retargets,
            acts=sorted(self.acts, key=lambda act: (act.at, int(act.id))),
            standing={who: at if told else None for who, at in self.standing.items()},
            rejecting={},
            bot=lambda _number, _name: False,
        )


SKEWED_APART = [  # the clocks of one GitLab are apart by all that is allowed for
    (("approve", 1), timedelta(seconds=3), SKEW * 0.5, timedelta()),
    (("push", HEADS[1]), timedelta(), SKEW * -0.5, timedelta()),
]


@settings(max_examples=100, deadline=None)
@example(history=SKEWED_APART, told=True)
@given(history=HISTORY, told=st.booleans())
def test_g13_no_approval_counts_for_what_did_not_stand_when_it_was_given(
    history: list[tuple[tuple[str, object], timedelta, timedelta, timedelta]], *, told: bool
) -> None:
    past = Past()
    for (kind, what), pause, noise, delay in history:
        past.now += pause
        past.happens(kind, what, noise, delay)
    for review in past.story(told=told).reviews():
        if review.verdict is not Verdict.APPROVE:
            continue
        heads, base = past.truth[review.author]
        assert review.commit in {*heads, NOTHING}
        assert review.base in {base, ""}


@settings(max_examples=25, deadline=None)
@given(pause=SECONDS, told=st.booleans())
def test_an_approval_that_is_given_in_peace_counts(pause: timedelta, *, told: bool) -> None:
    """So that the test above can fail: what is never attributed to anything is never wrong."""
    past = Past()
    past.now += pause
    past.happens("push", HEADS[1], timedelta(), timedelta())
    past.now += LATE + SKEW
    past.happens("approve", 1, timedelta(), timedelta())
    (review,) = past.story(told=told).reviews()
    assert (review.verdict, review.commit, review.base) == (Verdict.APPROVE, HEADS[1], BASES[0])
