"""Over all sequences of statements: no role never approves, what is ignored moves nothing, a rejection blocks."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.approval.decision import CommitSubject, PullSubject, Verb
from reconciler.approval.judge import admit, judge
from reconciler.approval.judgement import Judgement, Verdict, Why
from reconciler.approval.persons import ForgeKind
from reconciler.approval.policy import Policies
from reconciler.approval.question import Question
from reconciler.names import Digest
from reconciler.plan.change import Risk
from reconciler.state.forge import PullRequestState, Review
from reconciler.state.forge import Verdict as Said
from tests.approval.builders import (
    HEAD,
    HELD,
    NOW,
    OTHER_HEAD,
    PLAN_DIGEST,
    POSTED,
    TICKET_DIGEST,
    USERS,
    always,
    ask,
    commit,
    decision,
    merged,
    minutes,
    plan,
    policy,
    preview,
    pull,
    question,
    review,
    side,
    signed,
    signed_review,
)

EVERYBODY = (*USERS, "mallory")
POWERLESS = ("stranger", "robot", "oracle", "mallory")  # nobody of them may approve anything
ENTITLED = ("bob", "carol", "dave", "admin")

LATEST = 1800  # seconds after the posting; a little ahead of our clock
times = st.integers(-120, LATEST).map(lambda seconds: POSTED + timedelta(seconds=seconds))
bodies = st.sampled_from(["", "LGTM", TICKET_DIGEST[:12], PLAN_DIGEST, "exclude-return", TICKET_DIGEST[:11]])


def reviews_by(*names: str) -> st.SearchStrategy[Review]:
    """Reviews of every kind: signed or not, for this or another head, base and digest."""

    def made(by: str, said: Said, *, is_signed: bool, fits: bool, **fields: Any) -> Review:
        if not is_signed:
            return review(by, said, **fields)
        verb = Verb.REJECT if said is Said.REJECT else Verb.APPROVE
        subject = PullSubject(7, "main", HEAD) if fits else CommitSubject(HELD)
        return signed_review(by, decision(verb, subject), verdict=said, **fields)

    return st.builds(
        made,
        st.sampled_from(names),
        st.sampled_from(list(Said)),
        is_signed=st.booleans(),
        fits=st.booleans(),
        at=times,
        commit=st.sampled_from([HEAD, HEAD, OTHER_HEAD]),
        base=st.sampled_from(["main", "main", "release"]),
        body=bodies,
        id=st.uuids().map(str),
    )


questions = st.builds(
    question,
    pull=st.sampled_from([pull(), merged(at=minutes(25)), pull(author="bob-login"), merged(by="stranger-login")]),
    plan=st.sampled_from([plan(), plan(risk=Risk.CRITICAL), plan(risk=Risk.LOW)]),
    preview=st.sampled_from([preview(), preview(changed_at=POSTED)]),
    sides=st.sampled_from([(side(),), (side(self_approval=True),)]),
    commits=st.sampled_from([(commit(),), (commit(author_email="carol@example.com", signing_key="", pusher=""),)]),
)
policies_of = st.sampled_from(
    [always(forge=forge, allow_self_approval=alone) for forge in ForgeKind for alone in (False, True)]
    + [always(approvals={"high": 2, "low": 3})]
)


def core(judgement: Judgement) -> Judgement:
    """A judgement without what only explains it."""
    return replace(judgement, ignored=(), key="" if judgement.verdict is Verdict.PENDING else judgement.key)


def with_reviews(asked: Question, *given_: Review) -> Question:
    return replace(asked, reviews=given_)


@given(questions, policies_of, st.lists(reviews_by(*POWERLESS), max_size=8))
def test_t4_no_sequence_of_reviews_without_the_role_ever_approves(
    asked: Question, policies: Policies, given_: list[Review]
) -> None:
    before = judge(with_reviews(asked), policies, NOW)
    after = judge(with_reviews(asked, *given_), policies, NOW)
    assert after.approved <= before.approved  # a merge by its author alone may be one (G15); a review adds nothing
    assert core(after) == core(before)


@given(questions, policies_of, st.lists(reviews_by(*EVERYBODY), max_size=7), reviews_by(*EVERYBODY))
def test_g13_an_ignored_review_never_changes_the_verdict(
    asked: Question, policies: Policies, given_: list[Review], more: Review
) -> None:
    after = judge(with_reviews(asked, *given_, more), policies, NOW)
    moved = {Why.SUPERSEDED, Why.ENDED}
    if any(ignored.id == more.id and ignored.why not in moved for ignored in after.ignored):
        assert core(judge(with_reviews(asked, *given_), policies, NOW)) == core(after)


@given(questions, policies_of, st.lists(reviews_by(*EVERYBODY), max_size=7), st.sampled_from(ENTITLED), bodies)
def test_g13_a_last_rejection_by_anyone_who_could_approve_always_blocks(
    asked: Question, policies: Policies, given_: list[Review], by: str, body: str
) -> None:
    after_all = POSTED + timedelta(seconds=LATEST + 1)
    last = review(by, Said.REJECT, at=after_all, body=body, commit=OTHER_HEAD, base="elsewhere")
    judgement = judge(with_reviews(asked, *given_, last), policies, NOW)
    assert judgement.verdict is Verdict.REJECTED
    assert by in {rejection.person for rejection in judgement.rejections}


@given(questions, policies_of, st.lists(reviews_by(*EVERYBODY), max_size=8), st.randoms())
def test_g13_the_order_of_answers_never_matters(
    asked: Question, policies: Policies, given_: list[Review], random: Any
) -> None:
    shuffled = list(given_)
    random.shuffle(shuffled)
    one, other = (judge(with_reviews(asked, *order), policies, NOW) for order in (given_, shuffled))
    assert (one.verdict, one.approvals, one.until) == (other.verdict, other.approvals, other.until)


@given(questions, policies_of, st.lists(reviews_by(*EVERYBODY), max_size=8))
def test_every_approval_names_entitled_people_and_every_refusal_says_why(
    asked: Question, policies: Policies, given_: list[Review]
) -> None:
    judgement = judge(with_reviews(asked, *given_), policies, NOW)
    people = {counted.person for counted in judgement.approvals}
    assert people <= {*ENTITLED, "alice"}
    assert ("alice" not in people) or judgement.self_approved
    assert judgement.reasons
    assert all(ignored.words for ignored in judgement.ignored)
    if judgement.approved:
        assert len(people) >= judgement.required >= 1
        assert judgement.until is not None
        assert judgement.until > NOW


@given(questions, policies_of, st.lists(reviews_by(*EVERYBODY), max_size=6), st.text("0123456789abcdef", min_size=64))
def test_i1_nothing_is_admitted_with_another_digest(
    asked: Question, policies: Policies, given_: list[Review], digest: str
) -> None:
    asked = with_reviews(asked, *given_)
    admitted = admit(asked, policies, NOW, digest=Digest(digest))
    assert not isinstance(admitted, Judgement) or digest == PLAN_DIGEST


GOOD = {"pull": merged(at=minutes(15)), "reviews": (review(),)}
LIES: dict[str, dict[str, Any]] = {
    "base": {"pull": merged(at=minutes(15), base="release")},
    "head": {"pull": merged(at=minutes(15), head=OTHER_HEAD)},
    "state open": {"pull": pull()},
    "state closed": {"pull": pull(state=PullRequestState.CLOSED)},
    "merged before the review": {"pull": merged(at=minutes(9))},
    "never merged at": {"pull": merged(at=None)},  # type: ignore[arg-type]
    "author without a user": {"pull": merged(at=minutes(15), author="ghost")},
    "author is the reviewer": {"pull": merged(at=minutes(15), author="bob-login")},
    "no author": {"pull": merged(at=minutes(15), author="")},
    "from a fork": {"pull": merged(at=minutes(15), from_fork=True)},
    "reviewer without a user": {"reviews": (review("ghost"),)},
    "no reviewer": {"reviews": (review(author=""),)},
    "review of another commit": {"reviews": (review(commit=OTHER_HEAD),)},
    "review of another base": {"reviews": (review(base=""),)},
    "review of the past": {"reviews": (review(at=POSTED - timedelta(days=1)),)},
    "review of the future": {"reviews": (review(at=NOW + timedelta(days=1)),)},
    "review by a bot": {"reviews": (review(author_is_bot=True),)},
    "no review": {"reviews": ()},
    "no commits": {"commits": ()},
    "other commits": {"commits": (commit(revision=OTHER_HEAD),)},
    "no sides": {"sides": ()},
    "no plans": {"plans": question().plans.model_copy(update={"plans": ()})},
    "nothing": {"pull": None},
    "never looked": {"preview": preview(looked_at=None)},
    "looked in the future": {"preview": preview(looked_at=NOW + timedelta(seconds=1))},
    "posted in the future": {"preview": preview(posted_at=NOW + timedelta(hours=1))},
}


def test_t5_the_whole_truth_is_admitted() -> None:
    assert isinstance(admit(question(**GOOD), always(), NOW, digest=PLAN_DIGEST), Judgement)


@pytest.mark.parametrize("name", LIES)
def test_t5_one_lie_or_gap_is_enough_to_refuse(name: str) -> None:
    answer = admit(question(**{**GOOD, **LIES[name]}), always(), NOW, digest=PLAN_DIGEST)
    assert not isinstance(answer, Judgement)


def test_t2_the_judge_sees_only_accepted_policies() -> None:
    """A grant is worth nothing until it is accepted, even where the same people review it."""
    empty = Policies(policy(users={}, bindings=[]))
    assert not ask(empty, reviews=(review(), signed_review("admin")), decisions=(signed(),)).approved
