"""G5: one spelling of a decision, and it is about exactly one thing."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.approval.decision import (
    LONGEST_DECISION,
    CommitSubject,
    Decision,
    PolicySubject,
    PullSubject,
    Subject,
    UnitSubject,
    Verb,
    mismatch,
    parse_decision,
)
from reconciler.approval.judgement import Why
from reconciler.names import Digest, Revision
from reconciler.state.forge import Verdict as Said
from tests.approval.builders import (
    EVENT,
    HEAD,
    HELD,
    OTHER_HEAD,
    PLAN_DIGEST,
    REPOSITORY,
    TICKET_DIGEST,
    always,
    ask,
    decision,
    question,
    review,
    signed,
    signed_review,
    why,
)

revisions = st.text("0123456789abcdef", min_size=40, max_size=40).map(Revision)
digests = st.text("0123456789abcdef", min_size=64, max_size=64).map(Digest)
texts = st.text(st.characters(codec="utf-8"), max_size=60)
filled = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
judged: st.SearchStrategy[Subject] = st.one_of(
    st.builds(PullSubject, st.integers(1, 2**31), filled, revisions),
    st.builds(CommitSubject, revisions),
    st.builds(PolicySubject, st.one_of(st.just(""), digests), digests),
)


@given(
    subject=judged,
    verb=st.sampled_from([Verb.APPROVE, Verb.REJECT, Verb.EMERGENCY]),
    digest=digests,
    event=filled,
    reason=texts,
    repository=filled,
    at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  given a zone
    exclude=st.booleans(),
)
def test_g5_a_decision_reads_back_to_itself(exclude: Any, **fields: Any) -> None:
    made = Decision(**fields, exclude_return=exclude)
    assert parse_decision(made.signed_bytes) == made


def test_g5_the_bytes_are_rfc_8785_and_name_everything() -> None:
    made = decision(reason="läuft", at=datetime(2026, 1, 5, 13, 10, tzinfo=timezone(timedelta(hours=1))))
    assert made.signed_bytes.decode() == (
        '{"at":"2026-01-05T12:10:00Z","digest":"' + TICKET_DIGEST + '","event":"01-preview","exclude_return":false,'
        '"reason":"läuft","repository":"example/desired-state","schema":1,'
        '"subject":{"pull_request":{"base":"main","head":"' + HEAD + '","number":7}},"verb":"approve"}'
    )


GOOD: dict[str, Any] = json.loads(decision().signed_bytes)
WRONG: dict[str, dict[str, Any]] = {
    "unknown field": {"extra": 1},
    "other schema": {"schema": 2},
    "no such verb": {"verb": "merge"},
    "verb of a unit": {"verb": "hold"},
    "verb of trust": {"verb": "trust"},
    "short digest": {"digest": TICKET_DIGEST[:12]},
    "no digest": {"digest": ""},
    "digest in capitals": {"digest": TICKET_DIGEST.upper()},
    "no event": {"event": ""},
    "no repository": {"repository": ""},
    "number as text": {"subject": {"pull_request": {"number": "7", "base": "main", "head": HEAD}}},
    "number as truth": {"subject": {"pull_request": {"number": True, "base": "main", "head": HEAD}}},
    "number zero": {"subject": {"pull_request": {"number": 0, "base": "main", "head": HEAD}}},
    "short head": {"subject": {"pull_request": {"number": 7, "base": "main", "head": HEAD[:12]}}},
    "no base": {"subject": {"pull_request": {"number": 7, "base": "", "head": HEAD}}},
    "subject with more": {"subject": {"pull_request": {"number": 7, "base": "main", "head": HEAD, "more": 1}}},
    "subject without head": {"subject": {"pull_request": {"number": 7, "base": "main"}}},
    "two subjects": {"subject": {"pull_request": {"number": 7, "base": "main", "head": HEAD}, "commit": {}}},
    "unknown subject": {"subject": {"branch": {"name": "main"}}},
    "subject as list": {"subject": []},
    "commit as list": {"subject": {"commit": {"commit": [HEAD]}}},
    "short policy": {"subject": {"policy": {"old": "1", "new": TICKET_DIGEST}}},
    "unit to approve": {"subject": {"unit": {"unit": "release/svc-a"}}},
    "time without zone": {"at": "2026-01-05T12:10:00"},
    "time with offset": {"at": "2026-01-05T12:10:00+00:00"},
    "time that is none": {"at": "2026-13-05T12:10:00Z"},
    "time as number": {"at": 1},
    "time with idle digits": {"at": "2026-01-05T12:10:00.000000Z"},
    "reason as number": {"reason": 1},
    "reason too long": {"reason": "x" * 4097},
    "flag as number": {"exclude_return": 0},
}


@pytest.mark.parametrize("name", WRONG)
def test_g5_what_is_not_a_whole_decision_is_none(name: str) -> None:
    wrong = {**GOOD, **WRONG[name]}
    data = json.dumps(wrong, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    with pytest.raises(ValueError, match=r"reading a decision"):
        parse_decision(data)


@pytest.mark.parametrize("missing", GOOD)
def test_g5_every_field_is_needed(missing: str) -> None:
    fields = {key: value for key, value in GOOD.items() if key != missing}
    with pytest.raises(ValueError, match=r"reading a decision"):
        parse_decision(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b'"approve"',
        b"\xff\xfe",
        json.dumps(GOOD).encode(),
        decision().signed_bytes + b"\n",
        decision().signed_bytes.replace(b'"verb":', b'"verb":"reject","verb":'),
        b"[" * 10_000,
        b" " * (LONGEST_DECISION + 1),
    ],
)
def test_g5_only_the_canonical_bytes_are_a_decision(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"reading a decision"):
        parse_decision(data)


def test_g5_what_is_too_long_is_neither_written_nor_parsed() -> None:
    with pytest.raises(ValueError, match=r"writing a decision .* longer than"):
        decision(reason="\N{GRINNING FACE}" * 4096)
    assert parse_decision(decision(reason="x" * 4096).signed_bytes)
    with pytest.raises(ValueError, match="16385 bytes, more than 16384"):
        parse_decision(b"[" * (LONGEST_DECISION + 1))


@given(st.binary(max_size=300))
def test_g5_no_bytes_crash_the_reading(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_decision(data)


@pytest.mark.parametrize(
    ("verb", "subject"),
    [
        (Verb.HOLD, UnitSubject("release/svc-a")),
        (Verb.RESUME, UnitSubject("environment/prod")),
        (Verb.RETRY, UnitSubject("release/svc-a")),
        (Verb.ROLLBACK, UnitSubject("release/svc-a")),
        (Verb.TRUST, CommitSubject(HELD)),
        (Verb.EMERGENCY, CommitSubject(HELD)),
        (Verb.APPROVE, PolicySubject("", PLAN_DIGEST)),
    ],
)
def test_g5_each_verb_decides_its_subjects(verb: Verb, subject: Subject) -> None:
    made = decision(verb, subject)
    assert parse_decision(made.signed_bytes) == made


@pytest.mark.parametrize(
    "fields",
    [
        {"verb": Verb.HOLD, "subject": UnitSubject("")},
        {"verb": Verb.HOLD, "subject": UnitSubject("release/svc-a"), "digest": "12"},
        {"verb": Verb.TRUST},
        {"at": datetime(2026, 1, 5)},  # noqa: DTZ001  that is the mistake
    ],
)
def test_g5_a_wrong_decision_cannot_be_written(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"writing a decision"):
        decision(**fields)


OTHER: dict[str, dict[str, Any]] = {
    "repository": {"repository": "example/other"},
    "number": {"subject": PullSubject(8, "main", HEAD)},
    "base": {"subject": PullSubject(7, "release", HEAD)},
    "head": {"subject": PullSubject(7, "main", OTHER_HEAD)},
    "subject": {"subject": CommitSubject(HEAD)},
    "digest": {"digest": PLAN_DIGEST},
    "event": {"event": "00-before"},
    "verb": {"verb": Verb.EMERGENCY},
    "rejection": {"verb": Verb.REJECT},
    "policy": {"subject": PolicySubject("", PLAN_DIGEST)},
}


@pytest.mark.parametrize("other", OTHER)
def test_g5_a_decision_about_anything_else_counts_for_nothing(other: str) -> None:
    judgement = ask(reviews=(signed_review(made=decision(**OTHER[other])),))
    assert why(judgement) == [Why.OTHER_DECISION]
    assert judgement.ignored[0].key == "approval_ticket_scope_mismatch"
    assert not judgement.approved
    assert not ask(decisions=(signed(made=decision(**OTHER[other])),)).approved


def test_g5_the_same_decision_about_this_counts() -> None:
    assert ask(reviews=(signed_review(),)).approved
    assert ask(decisions=(signed(),)).approved


def test_g5_a_decision_for_an_equivalent_head_counts() -> None:
    made = decision(subject=PullSubject(7, "main", OTHER_HEAD))
    given = signed_review(made=made, commit=OTHER_HEAD)
    assert ask(reviews=(given,), equivalent_heads=frozenset({OTHER_HEAD})).approved


@pytest.mark.parametrize("text", ["", "{}", "null", decision().signed_bytes.decode() + " "])
def test_g5_a_signed_review_without_a_readable_decision_does_not_count(text: str) -> None:
    judgement = ask(reviews=(signed_review(decision=text),))
    assert why(judgement) == [Why.UNREADABLE]
    assert not judgement.approved


def test_g5_a_decision_without_a_verified_signature_is_only_a_review() -> None:
    claimed = review(decision=decision().signed_bytes.decode())
    assert not ask(always(forge="embedded"), reviews=(claimed,)).approved


def test_g5_in_the_embedded_forge_an_unsigned_approval_does_not_count() -> None:
    embedded = always(forge="embedded")
    judgement = ask(embedded, reviews=(review(),))
    assert why(judgement) == [Why.UNSIGNED]
    assert judgement.ignored[0].key == "approval_permission_denied"
    assert ask(embedded, reviews=(signed_review(),)).approved


def test_g5_in_the_embedded_forge_a_rejection_blocks_without_a_decision() -> None:
    judgement = ask(always(forge="embedded"), reviews=(signed_review("carol"), review(verdict=Said.REJECT)))
    assert judgement.rejections[0].person == "bob"


def test_g5_a_signed_rejection_of_the_ticket_blocks_and_one_of_another_does_not() -> None:
    about_this, about_other = decision(Verb.REJECT), decision(Verb.REJECT, digest=PLAN_DIGEST)
    assert ask(reviews=(review("carol"),), decisions=(signed(made=about_this),)).rejections
    assert ask(reviews=(review("carol"),), decisions=(signed(made=about_other),)).approved


@pytest.mark.parametrize("verb", [Verb.HOLD, Verb.RETRY])
def test_g5_other_verbs_are_no_statements_about_the_ticket(verb: Verb) -> None:
    judgement = ask(decisions=(signed(made=decision(verb, UnitSubject("release/svc-a"))),))
    assert (judgement.approvals, judgement.ignored) == ((), ())


def test_g5_the_mismatch_says_in_words_what_it_is_about_instead() -> None:
    asked = question()
    others: list[tuple[Verb, Subject]] = [
        (Verb.APPROVE, PullSubject(8, "main", HEAD)),
        (Verb.APPROVE, CommitSubject(HELD)),
        (Verb.APPROVE, PolicySubject("", PLAN_DIGEST)),
        (Verb.HOLD, UnitSubject("release/svc-a")),
    ]
    said = [
        mismatch(
            decision(subject=subject, verb=verb),
            repository=REPOSITORY,
            subjects=asked.subjects,
            verb=Verb.APPROVE,
            postings=asked.postings,
        )
        for verb, subject in others
    ]
    assert said == [
        f"it is about another subject: pull request 8 into 'main' at {HEAD[:12]}",
        f"it is about another subject: commit {HELD[:12]}",
        f"it is about another subject: policy none to {PLAN_DIGEST[:12]}",
        "it is about another subject: release/svc-a",
    ]
    assert asked.postings[0].event == EVENT
