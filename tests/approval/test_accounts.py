"""Accounts, keys and policies (G1, G14): whom they name, whom they exclude, and what makes them equal."""

import base64
from typing import Any

import pytest

from reconciler.approval.decision import CommitSubject, Verb
from reconciler.approval.judgement import Why
from reconciler.approval.persons import ForgeKind
from reconciler.approval.policy import Policy, lacking
from reconciler.approval.roles import Permission
from reconciler.approval.ssh_keys import fingerprint, key_id
from reconciler.names import Revision
from reconciler.specs.kinds import Kind, Settings
from reconciler.specs.kinds.user import Logins
from tests.approval.builders import (
    ALPHA,
    BINDINGS,
    USERS,
    always,
    ask,
    commit,
    decision,
    key,
    plan,
    policy,
    pull,
    review,
    user,
    why,
)
from tests.approval.builders import spec as as_spec

LINE = key("bob")
KIND, BLOB = LINE.split()[:2]
RAW = base64.b64decode(BLOB)


def encoded(blob: bytes) -> str:
    return base64.b64encode(blob).decode()


@pytest.mark.parametrize(
    "line",
    [
        "",
        KIND,
        BLOB,
        f"{KIND} !{BLOB}",
        f"{KIND} {BLOB[:8]}!{BLOB[8:]}",
        f"{KIND} {encoded((12).to_bytes(4, 'big') + RAW[4:])}",  # the length of another kind's name
        f"{KIND} {encoded(RAW[:4] + b'ssh-ed25518' + RAW[15:])}",  # the name of another kind, as long
        f"ssh-rsa {BLOB}",
    ],
)
def test_g1_what_does_not_say_twice_which_kind_of_key_it_is_is_none(line: str) -> None:
    assert (key_id(line), fingerprint(line)) == (None, "")


def test_g1_the_comment_of_a_key_is_no_part_of_it_and_may_be_left_out() -> None:
    lines = [LINE, f"{KIND} {BLOB}", f"{KIND} {BLOB} another comment", f"  {KIND}   {BLOB}\n"]
    assert {key_id(line) for line in lines} == {f"{KIND} {BLOB}"}


@pytest.mark.parametrize(("forge", "counts"), [(forge, forge is not ForgeKind.EMBEDDED) for forge in ForgeKind])
def test_g13_an_unsigned_review_counts_where_the_forge_vouches_for_its_people(
    forge: ForgeKind, *, counts: bool
) -> None:
    judgement = ask(always(forge=forge), reviews=(review(),))
    assert judgement.approved is counts
    assert why(judgement) == ([] if counts else [Why.UNSIGNED])


@pytest.mark.parametrize("forge", ForgeKind)
def test_g14_only_the_embedded_forge_knows_a_user_without_a_login_by_name(forge: ForgeKind) -> None:
    """Elsewhere an account that happens to be called like a User may be anybody's."""
    persons = policy({**USERS, "bob": user("bob", logins=Logins())}, forge=forge).persons
    found = persons.by_login("bob")
    assert (found.name if found else None) == ("bob" if forge is ForgeKind.EMBEDDED else None)


@pytest.mark.parametrize("forge", ForgeKind)
def test_g14_a_user_with_a_login_is_not_known_by_name(forge: ForgeKind) -> None:
    persons = policy(forge=forge).persons
    assert persons.by_login("bob") is None
    assert persons.by_login("bob-login") == persons.by_name["bob"]


def test_a_policy_does_not_depend_on_the_order_of_its_specs() -> None:
    given = {f"binding-{n}": as_spec(Kind.ROLE_BINDING, f"binding-{n}", one) for n, one in enumerate(BINDINGS)}
    turned = dict(reversed(given.items()))
    fields: dict[str, Any] = {"root_signers": (), "forge": ForgeKind.GITHUB}
    assert Policy.of(None, {}, {}, given, **fields) == Policy.of(Settings(), {}, {}, turned, **fields)


@pytest.mark.parametrize(("name", "who"), [("stranger", "stranger"), ("", "an account of no known user")])
def test_g16_what_is_missing_is_said_with_whom_and_in_order(name: str, who: str) -> None:
    needed = frozenset(Permission)
    denial = lacking(policy(), policy().persons.by_name.get(name), needed, ALPHA)
    assert denial is not None
    assert denial.message == f"{who} lacks {', '.join(sorted(needed))} on {ALPHA}"


def test_g16_of_many_pushers_of_a_held_commit_each_is_named_and_in_order() -> None:
    names = [f"robber-{n}" for n in range(9)]
    users = {**USERS, **{name: user(name) for name in names}}
    held = Revision("d" * 40)
    commits = tuple(commit(revision=Revision(f"{n}" * 40), pusher=f"{name}-login") for n, name in enumerate(names))
    brought = (*commits, commit(revision=held, pusher=""), commit())
    judgement = ask(always(users), pull=None, held=held, commits=brought)
    said = [words for words in judgement.reasons if "robber" in words]
    assert len(said) == len(names)
    assert said == sorted(said)


def test_g14_commits_that_nobody_knows_are_named_in_order() -> None:
    held = tuple(Revision(f"{n}" * 40) for n in range(9))
    judgement = ask(pull=pull(), reviews=(review(),), plan=plan(held=held[::-1]))
    assert ", ".join(revision[:12] for revision in held) in judgement.reasons[0]


@pytest.mark.parametrize("what", [7, None, b"d" * 40, "d" * 39])
def test_g5_a_decision_about_what_is_no_commit_cannot_be_written(what: Any) -> None:
    with pytest.raises(ValueError, match="its subject is not one"):
        decision(Verb.TRUST, CommitSubject(what))
