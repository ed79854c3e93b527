"""A promotion that we proposed because of a tag: who asked is its author, an unknown one takes two (G14, G19)."""

from typing import Any

import pytest

from reconciler.approval.judgement import Why
from reconciler.approval.question import Requester, Tagged
from tests.approval.builders import ask, commit, key, pull, review, why

OURS = {"author_email": "reconciler@invalid", "committer_email": "reconciler@invalid", "signing_key": "", "pusher": ""}
NOBODY = Tagged("", "")


def asked(by: str = "", tagged: Tagged = NOBODY, **fields: Any) -> dict[str, Any]:
    return {
        "pull": pull(author="reconciler-login"),
        "tagged": tagged,
        "requester": Requester(by, ai=False) if by else None,
        "commits": (commit(**OURS, ours=True),),
        **fields,
    }


def test_g14_who_signed_the_tag_is_the_author_and_one_approver_is_enough() -> None:
    assert why(ask(reviews=(review("alice"),), **asked("alice")), "alice") == [Why.SELF]
    assert ask(reviews=(review(),), **asked("alice")).approved


def test_g14_a_tag_of_nobody_takes_two_approvers_and_nobody_has_to_be_allowed_to_propose() -> None:
    judgement = ask(reviews=(review(),), **asked())
    assert (judgement.required, judgement.approved, judgement.blocks) == (2, False, ())
    assert ask(reviews=(review(), review("carol")), **asked()).approved


@pytest.mark.parametrize("tagged", [Tagged("Bob@example.com", ""), Tagged("", key("bob"))])
def test_g14_whom_a_tag_names_does_not_approve_though_it_proves_nothing(tagged: Tagged) -> None:
    judgement = ask(reviews=(review("bob"), review("carol")), **asked(tagged=tagged))
    assert why(judgement, "bob") == [Why.SELF]
    assert not judgement.approved


def test_g16_who_signed_the_tag_needs_apply_there() -> None:
    judgement = ask(reviews=(review(),), **asked("carol"))
    assert not judgement.approved
    assert judgement.reasons[0].startswith("the author may not propose this")


def test_g14_our_own_commit_is_set_aside_and_every_other_one_counts() -> None:
    mine, other = commit(**OURS, ours=True), commit(author_email="bob@example.com", revision="b" * 40)
    judgement = ask(reviews=(review("bob"),), **asked("alice", commits=(mine, other)))
    assert why(judgement, "bob") == [Why.CONTRIBUTOR]


def test_g16_what_is_no_promotion_of_ours_is_its_accounts_own() -> None:
    judgement = ask(reviews=(review(), review("carol")), **asked(tagged=None))  # type: ignore[arg-type]
    assert judgement.reasons[0].startswith("the author may not propose this")
