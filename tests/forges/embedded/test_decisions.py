"""Decisions inside reviews: whose key signed them, and what they are bound to (gate.md G5)."""

from typing import Any

import pytest

from reconciler.approval.decision import SSHSIG_NAMESPACE, PullSubject, Verb, parse_decision
from reconciler.forges.embedded import record as rec
from reconciler.git.keys import SigningKey
from tests.forges.embedded.world import REPOSITORY, World


def opened(world: World) -> int:
    world.commit("feature", {"a.yaml": "a: 2\n"})
    return world.person("ana").open("feature", "main", "Raise a")


def approval(world: World, **changed: Any) -> rec.Reviewed:
    fields = {
        "verdict": "approve",
        "commit": world.tip("feature"),
        "base": "main",
        "body": "",
        "seen": world.tip("main"),
    }
    return rec.Reviewed(**{**fields, **changed})


def decided(world: World, key: SigningKey, text: str = '{"verb":"approve"}', signed: str = "") -> rec.Reviewed:
    signature = key.sign((signed or text).encode(), SSHSIG_NAMESPACE)
    return approval(world, decision=text, decision_signature=signature)


def test_g5_a_decision_names_the_key_that_signed_it(world: World) -> None:
    number = opened(world)
    world.slip_in(world.record(decided(world, world.keys["ben"]), "ben", number), world.keys["ben"])
    (review,) = world.forge().reviews(number)
    assert (review.signer, review.decision) == (world.keys["ben"].public.line, '{"verb":"approve"}')


@pytest.mark.parametrize(
    "changed",
    [
        {"decision": '{"verb":"approve","digest":"other"}'},
        {"decision_signature": ""},
        {"decision_signature": "rubbish"},
    ],
    ids=["other text", "no signature", "rubbish"],
)
def test_g5_a_decision_whose_signature_does_not_check_names_no_key(world: World, changed: dict[str, str]) -> None:
    number = opened(world)
    said = decided(world, world.keys["ben"]).model_copy(update=changed)
    world.slip_in(world.record(said, "ben", number), world.keys["ben"])
    (review,) = world.forge().reviews(number)
    assert (review.author, review.signer) == ("ben", "")


def test_g5_a_signature_over_a_record_is_none_over_a_decision(world: World) -> None:
    number = opened(world)
    text = '{"verb":"approve"}'
    said = approval(world, decision=text, decision_signature=world.keys["ben"].sign(text.encode(), rec.NAMESPACE))
    world.slip_in(world.record(said, "ben", number), world.keys["ben"])
    assert [review.signer for review in world.forge().reviews(number)] == [""]


def test_what_people_approve_is_bound_to_repository_pull_request_base_head_digest_and_preview(world: World) -> None:
    number = opened(world)
    head = world.tip("feature")
    assert head
    world.person("ben").approve(number, digest="ab" * 32, event="ev-1", expected_head=head, exclude_return=True)
    (review,) = world.forge().reviews(number)
    decision = parse_decision(review.decision.encode())
    assert (decision.repository, decision.verb, decision.digest) == (REPOSITORY, Verb.APPROVE, "ab" * 32)
    assert decision.subject == PullSubject(number, "main", head)
    assert (decision.event, decision.exclude_return) == ("ev-1", True)
    assert review.signer == world.keys["ben"].public.line
