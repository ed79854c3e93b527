"""G14, G16: who may approve, judged when given and again when used; T4's table over all relations."""

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.approval.judgement import Verdict, Why
from reconciler.approval.persons import ForgeKind
from reconciler.approval.policy import Policies
from reconciler.approval.question import Requester
from reconciler.names import Digest, Revision
from reconciler.plan.change import PlanSet, Risk
from reconciler.report.phrases import Locale
from reconciler.report.pull_status import approval_status
from reconciler.specs.kinds import User
from reconciler.specs.kinds.settings import ForkPolicy
from reconciler.specs.kinds.user import Logins
from reconciler.state.forge import StatusState
from reconciler.state.forge import Verdict as Said
from tests.approval.builders import (
    BINDINGS,
    HEAD,
    USERS,
    always,
    ask,
    bind,
    commit,
    key,
    merged,
    minutes,
    plan,
    policy,
    pull,
    review,
    signed_review,
    user,
    why,
)

SECOND_COMMIT = Revision("e" * 40)
NOBODY = {"author_email": "", "committer_email": "", "signing_key": "", "pusher": ""}


def with_commit(**fields: Any) -> dict[str, Any]:
    """A second commit, of which only these are bob's."""
    return {"commits": (commit(), commit(**{"revision": SECOND_COMMIT, **NOBODY, "pusher": "alice-login", **fields}))}


RELATIONS: Mapping[str, tuple[dict[str, Any], Why | None]] = {
    "no relation": ({}, None),
    "author of the pull request": ({"pull": pull(author="bob-login")}, Why.SELF),
    "author, in other letters": ({"pull": pull(author="Bob-LOGIN")}, Why.SELF),
    "author of a commit": (with_commit(author_email="bob@example.com"), Why.CONTRIBUTOR),
    "author of a commit, in other letters": (with_commit(author_email=" BOB@Example.com"), Why.CONTRIBUTOR),
    "author by the forge's noreply address": (
        with_commit(author_email="123+bob-login@users.noreply.github.com"),
        Why.CONTRIBUTOR,
    ),
    "committer": (with_commit(committer_email="bob@example.com"), Why.CONTRIBUTOR),
    "signer of a commit": (with_commit(signing_key=key("bob") + "-other-comment"), Why.CONTRIBUTOR),
    "pusher": (with_commit(pusher="bob-login"), Why.CONTRIBUTOR),
    "merger": ({"pull": merged(by="bob-login")}, None),
    "who updated the branch by a clean merge": (with_commit(author_email="bob@example.com", clean_merge=True), None),
    "e-mail that only looks alike": (with_commit(author_email="bob@example.com.org"), None),
    "who asked the bot": (
        {"pull": pull(author="robot-login"), "requester": Requester("bob", ai=False)},
        Why.SELF,
    ),
}


@pytest.mark.parametrize("relation", RELATIONS)
def test_g14_relations_to_the_change(relation: str) -> None:
    fields, reason = RELATIONS[relation]
    judgement = ask(reviews=(review(),), **fields)
    assert why(judgement) == ([reason] if reason else [])
    assert [counted.person for counted in judgement.approvals] == ([] if reason else ["bob"])
    assert judgement.approved is (reason is None)


def test_g14_co_authored_by_lines_are_not_read() -> None:
    body = "fix\n\nCo-authored-by: Bob <bob@example.com>"
    assert ask(pull=pull(body=body), reviews=(review(),)).approved


def test_g14_the_author_may_not_approve_from_a_second_account() -> None:
    second: dict[str, Any] = {"author": "", "signer": key("alice-second")}
    users = {**USERS, "alice": user("alice", ssh_keys=(key("alice"), key("alice-second")))}
    judgement = ask(always(users), reviews=(signed_review("alice", **second),))
    assert why(judgement, "alice") == [Why.SELF]


def test_g14_two_accounts_of_one_user_are_one_person() -> None:
    users = {**USERS, "bob": user("bob", ssh_keys=(key("bob"), key("bob-second")))}
    two = always(users, approvals={"high": 2})
    twice = (review(at=minutes(3)), signed_review(signer=key("bob-second"), at=minutes(4)))
    judgement = ask(two, reviews=twice)
    assert judgement.verdict is Verdict.PENDING
    assert len(judgement.approvals) == 1


def test_g14_an_account_of_two_users_gives_nobody_power_and_excludes_both() -> None:
    shared = {**USERS, "carol": user("carol", logins=Logins(github="bob-login"), groups=("approvers",))}
    policies = always(shared)
    assert why(ask(policies, reviews=(review(),)), "unknown: bob-login") == [Why.UNKNOWN_PERSON]
    judgement = ask(policies, pull=pull(author="bob-login"), reviews=(signed_review("carol", author=""),))
    assert why(judgement, "carol") == [Why.SELF]


PEOPLE: Mapping[str, Why | None] = {
    "bob": None,
    "carol": None,  # by group
    "admin": None,
    "alice": Why.SELF,
    "stranger": Why.NO_ROLE,
    "robot": Why.BOT,
    "oracle": Why.AI,
    "unknown: mallory-login": Why.UNKNOWN_PERSON,
}


@pytest.mark.parametrize("name", PEOPLE)
def test_t4_only_entitled_people_approve(name: str) -> None:
    reason = PEOPLE[name]
    account = name.removeprefix("unknown: ").removesuffix("-login")
    judgement = ask(reviews=(review(account),))
    assert judgement.approved is (reason is None)
    assert why(judgement, name) == ([reason] if reason else [])


def test_c04_an_approval_without_the_role_is_denied_with_its_key() -> None:
    judgement = ask(reviews=(review("stranger"),))
    assert judgement.verdict is Verdict.PENDING
    assert judgement.key == "approval_permission_denied"
    assert judgement.ignored[0].key == "approval_permission_denied"


def test_c04_a_denied_approval_does_not_hide_what_is_missing() -> None:
    judgement = ask(always(approvals={"high": 2}), reviews=(review(), review("stranger")))
    assert judgement.key == "approval_required"


def test_g14_an_account_that_the_forge_marks_as_bot_never_approves() -> None:
    judgement = ask(reviews=(review(author_is_bot=True),))
    assert why(judgement) == [Why.BOT]
    assert not judgement.approved


def test_g14_an_ai_never_approves_even_as_signing_admin() -> None:
    policies = always(bindings=[*BINDINGS, bind("admin", "oracle", "robot")])
    for name, reason in (("oracle", Why.AI), ("robot", Why.BOT)):
        judgement = ask(policies, reviews=(signed_review(name),))
        assert why(judgement, name) == [reason]
        assert not judgement.approved


def test_g14_the_role_must_hold_when_the_approval_is_used() -> None:
    removed = policy(bindings=[one for one in BINDINGS if one.role != "approver"])
    policies = Policies(policy(), ((minutes(-60), policy()), (minutes(15), removed)))
    before = Policies(policy(), ((minutes(-60), policy()),))
    assert ask(before, reviews=(review(),)).approved
    judgement = ask(policies, reviews=(review(),))
    assert why(judgement) == [Why.NO_ROLE]
    assert not judgement.approved


def test_g14_the_role_must_have_held_when_the_approval_was_given() -> None:
    without = policy(bindings=[one for one in BINDINGS if one.role != "approver"])
    policies = Policies(without, ((minutes(-60), without), (minutes(15), policy())))
    judgement = ask(policies, reviews=(review(at=minutes(10)),))
    assert why(judgement) == [Why.NO_ROLE]
    assert "not theirs when they approved" in judgement.ignored[0].words
    assert ask(policies, reviews=(review(at=minutes(15)),)).approved


def test_g14_the_account_must_have_been_theirs_when_the_approval_was_given() -> None:
    another = policy({**USERS, "bob": user("bob", logins=Logins(github="bob-old"), ssh_keys=(key("bob-old"),))})
    policies = Policies(another, ((minutes(-60), another), (minutes(15), policy())))
    for given in (review(), signed_review()):
        judgement = ask(policies, reviews=(given,))
        assert why(judgement) == [Why.NO_ROLE]
        assert not judgement.approved


def test_g14_an_approval_stays_with_whoever_had_the_account_when_it_was_given() -> None:
    users = {**USERS, "bob": user("bob", logins=Logins()), "carol": user("carol", logins=Logins(github="bob-login"))}
    carols = policy(users, [*BINDINGS, bind("approver", "carol")])
    policies = Policies(carols, ((minutes(-60), carols), (minutes(15), policy())))
    judgement = ask(policies, reviews=(review(at=minutes(10)),))
    assert why(judgement) == [Why.NO_ROLE]
    assert not judgement.approved


def test_g14_before_any_policy_nobody_has_a_role() -> None:
    assert not ask(Policies(policy(users={}, bindings=[])), reviews=(review(),)).approved
    later = Policies(policy(users={}, bindings=[]), ((minutes(11), policy()),))
    assert not ask(later, reviews=(review(at=minutes(10)),)).approved


def test_g14_a_removed_person_no_longer_blocks_by_an_old_rejection() -> None:
    gone = policy({name: one for name, one in USERS.items() if name != "carol"})
    policies = Policies(policy(), ((minutes(-60), policy()), (minutes(15), gone)))
    assert ask(policies, reviews=(review("carol", Said.REJECT), review())).approved


UNSIGNED = {"signing_key": "", "pusher": ""}


@pytest.mark.parametrize("risk", [Risk.LOW, Risk.MEDIUM])
def test_g14_unsigned_commits_of_unknown_pusher_need_one_approver_at_lower_risk(risk: Risk) -> None:
    assert ask(plan=plan(risk=risk), commits=(commit(**UNSIGNED),), reviews=(review(),)).approved


@pytest.mark.parametrize("risk", [Risk.HIGH, Risk.CRITICAL])
def test_g14_unsigned_commits_of_unknown_pusher_need_two_approvers_at_higher_risk(risk: Risk) -> None:
    fields: dict[str, Any] = {"plan": plan(risk=risk), "commits": (commit(**UNSIGNED),)}
    one = ask(reviews=(signed_review(),), **fields)
    assert not one.approved
    assert one.required == 2
    assert any("unknown pusher" in reason for reason in one.reasons)
    assert ask(reviews=(signed_review(), signed_review("carol")), **fields).approved


@pytest.mark.parametrize(
    ("commits", "required"),
    [
        ((commit(),), 1),
        ((commit(pusher=""),), 1),
        ((commit(signing_key=""),), 1),
        ((commit(signing_key=key("unknown"), pusher=""),), 2),
        ((commit(signing_key="", pusher="mallory-login"),), 2),
        ((commit(), commit(revision=SECOND_COMMIT, **UNSIGNED)), 2),
        ((commit(), commit(revision=SECOND_COMMIT, clean_merge=True, **UNSIGNED)), 1),
    ],
    ids=["both", "signed", "pushed", "unknown key", "unknown account", "one of two", "clean merge"],
)
def test_g14_a_commit_is_somebodys_by_signature_or_by_pusher(commits: Any, required: int) -> None:
    assert ask(commits=commits, reviews=(review(),)).required == required


BY_BOT: dict[str, Any] = {"pull": pull(author="robot-login")}


def test_g14_a_bots_pull_request_that_nobody_asked_for_needs_two_approvers() -> None:
    judgement = ask(reviews=(review(),), **BY_BOT)
    assert (judgement.required, judgement.approved) == (2, False)
    assert any("a bot opened it" in reason for reason in judgement.reasons)
    assert ask(reviews=(review(), review("carol")), **BY_BOT).approved


def test_g14_who_asked_the_bot_counts_as_author() -> None:
    asked = {**BY_BOT, "requester": Requester("alice", ai=False)}
    judgement = ask(reviews=(review("alice"),), **asked)
    assert why(judgement, "alice") == [Why.SELF]
    assert ask(reviews=(review(),), **asked).approved


def test_g14_an_account_that_the_forge_marks_as_bot_is_one() -> None:
    assert ask(reviews=(review(),), author_is_bot=True).required == 2


@pytest.mark.parametrize("name", ["robot", "oracle"])
def test_g14_a_bot_that_asks_a_bot_is_nobody(name: str) -> None:
    judgement = ask(reviews=(review(), review("carol")), **BY_BOT, requester=Requester(name, ai=False))
    assert judgement.required == 2
    assert judgement.key == "permission_denied"  # and nobody with `apply` proposed it
    assert not judgement.approved


def test_g16_a_requester_whom_nobody_knows_may_not_propose() -> None:
    judgement = ask(reviews=(review(), review("carol")), **BY_BOT, requester=Requester("ghost", ai=False))
    assert not judgement.approved
    assert judgement.key == "permission_denied"


def test_g16_a_requester_means_nothing_where_a_person_opened_it() -> None:
    judgement = ask(pull=pull(author="stranger-login"), reviews=(review(),), requester=Requester("alice", ai=False))
    assert not judgement.approved


@pytest.mark.parametrize("author", ["stranger", "carol", "mallory"])
def test_g16_the_author_needs_apply(author: str) -> None:
    judgement = ask(pull=pull(author=f"{author}-login"), reviews=(review(),))
    assert judgement.verdict is Verdict.PENDING
    assert judgement.key == "permission_denied"
    assert judgement.reasons[0].startswith("the author may not propose this")
    told = approval_status("dep-appr-1", PlanSet(plans=(), digest=Digest("d" * 64)), {"": judgement}, Locale.EN)
    assert (told.state, told.description[:17]) == (StatusState.PENDING, "approvals: 1 of 1")
    assert "but the author may not propose this" in told.description


def test_logins_of_another_forge_name_nobody() -> None:
    users: dict[str, User] = {**USERS, "bob": user("bob", logins=Logins(gitlab="bob-login"))}
    assert not ask(always(users), reviews=(review(),)).approved
    assert ask(always(users, forge=ForgeKind.GITLAB), reviews=(review(),)).approved


def test_the_embedded_forge_knows_people_by_their_own_name() -> None:
    users = {**USERS, "bob": user("bob", logins=Logins())}
    given = signed_review(author="bob")
    assert ask(always(users, forge=ForgeKind.EMBEDDED), reviews=(given,)).approved


def test_g14_a_signature_of_one_person_under_the_account_of_another_does_not_count() -> None:
    judgement = ask(reviews=(signed_review("bob", author="carol-login"),))
    assert why(judgement) == [Why.OTHER_PERSON]
    assert not judgement.approved


def test_g14_a_signature_under_an_account_of_no_user_counts_for_the_signer() -> None:
    assert ask(reviews=(signed_review("bob", author="ci"),)).approved


@pytest.mark.parametrize("line", ["", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-rsa " + key("bob").split()[1]])
def test_what_is_no_key_is_nobodys(line: str) -> None:
    judgement = ask(reviews=(signed_review(author="", signer=line or "x"),))
    assert not judgement.approved
    assert judgement.ignored[0].why is Why.UNKNOWN_PERSON


def test_t4_a_missing_list_of_commits_blocks() -> None:
    judgement = ask(commits=(), reviews=(review(),))
    assert judgement.key == "preview_required"
    assert HEAD[:12] in judgement.reasons[0]
    assert not judgement.approved


def test_t4_a_held_commit_that_the_plan_includes_must_be_known() -> None:
    with_held = plan(held=(SECOND_COMMIT,))
    assert not ask(plan=with_held, reviews=(review(),)).approved
    known = (commit(), commit(revision=SECOND_COMMIT))
    assert ask(plan=with_held, commits=known, reviews=(review(),)).approved
    by_bob = (commit(), commit(revision=SECOND_COMMIT, author_email="bob@example.com"))
    assert why(ask(plan=with_held, commits=by_bob, reviews=(review(),))) == [Why.CONTRIBUTOR]


@pytest.mark.parametrize(
    ("fields", "signed_by_author"),
    [
        ({}, True),
        ({"signing_key": ""}, False),
        ({"signing_key": key("bob")}, False),
        ({"author_email": "bob@example.com"}, False),
        ({"author_email": "nobody@example.com"}, False),
        ({"signing_key": "", "clean_merge": True}, True),
    ],
)
def test_required_signatures_are_of_the_authors_own_key(fields: dict[str, Any], *, signed_by_author: bool) -> None:
    strict = always(require_signed_commits=True)
    judgement = ask(strict, commits=(commit(**fields),), reviews=(review("carol"),))
    assert judgement.approved is signed_by_author
    assert ask(commits=(commit(**fields),), reviews=(review("carol"),)).approved


def test_t1_pull_requests_from_forks_are_denied_unless_the_settings_say_otherwise() -> None:
    from_fork = pull(from_fork=True)
    assert ask(pull=from_fork, reviews=(review(),)).key == "permission_denied"
    assert ask(always(forks=ForkPolicy.STATIC), pull=from_fork, reviews=(review(),)).approved


def test_t2_who_may_approve_is_named_while_it_waits() -> None:
    judgement = ask()
    (waiting,) = judgement.open_scopes
    assert waiting.may_approve == ("admin", "bob", "carol", "dave")  # not the author, no bot, no AI
    assert judgement.reasons == (f"1 of 1 approvals missing for {waiting.scope}",)
    assert judgement.key == "approval_required"
