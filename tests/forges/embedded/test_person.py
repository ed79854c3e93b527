"""What people can do, what they are refused and why, and what their text cannot do."""

from collections.abc import Callable

import pygit2
import pytest

from reconciler.errors import Refused, Rejected
from reconciler.forges.embedded.merging import message_of, neutral
from reconciler.forges.embedded.person import REQUIRED, Person
from reconciler.forges.embedded.record import MAX_BODY, Method
from reconciler.git import history, signatures
from reconciler.git.signatures import Standing
from reconciler.names import Revision
from reconciler.state.forge import CommitStatus, PullRequestState, StatusState, Verdict
from tests.forges.embedded.world import World


def opened(world: World, title: str = "Add feature", body: str = "") -> int:
    world.commit("feature", {"feature.yaml": "new: 1\n"})
    return world.person("ana").open("feature", "main", title, body)


def head_of(world: World, branch: str = "feature") -> Revision:
    found = world.tip(branch)
    assert found
    return found


def test_a_list_can_be_of_some_states_only(world: World) -> None:
    number = opened(world)
    world.commit("other", {"other.yaml": "o\n"}, on=world.tip("main"))
    other = world.person("ana").open("other", "main", "Other")
    world.person("ana").close(other)
    ben = world.person("ben")
    assert [pull.number for pull in ben.pull_requests()] == [number, other]
    assert [pull.number for pull in ben.pull_requests(PullRequestState.CLOSED)] == [other]


def test_a_page_shows_everything_about_a_pull_request(world: World) -> None:
    number = opened(world)
    forge = world.forge()
    ben = world.person("ben")
    forge.write_comment(number, "m", "the preview")
    forge.set_status(head_of(world), CommitStatus("reconciler/preview", StatusState.SUCCESS, "1 change", ""))
    ben.comment(number, "I see")
    ben.review(number, "hm", expected_head=head_of(world))
    page = ben.show(number)
    assert page.pull_request == forge.pull_request(number)
    assert page.comments == forge.comments(number)
    assert page.reviews == forge.reviews(number)
    assert page.statuses == forge.statuses(head_of(world))


Verb = Callable[[World, int], object]


def approve(person: Person, number: int, head: Revision) -> str:
    return person.approve(number, digest="ab" * 32, event="ev", expected_head=head)


def rejected_by_ben(world: World, number: int) -> str:
    return world.person("ben").reject(number, reason="no", expected_head=head_of(world))


REFUSED: dict[str, tuple[Verb, str, str]] = {
    "opening a branch that is not there": (
        lambda world, _number: world.person("ana").open("nowhere", "main", "x"),
        "branch nowhere: it does not exist",
        "resource_conflict",
    ),
    "opening into a branch that is not there": (
        lambda world, _number: world.person("ana").open("feature", "nowhere", "x"),
        "branch nowhere: it does not exist",
        "resource_conflict",
    ),
    "opening twice": (
        lambda world, _number: world.person("ben").open("feature", "main", "x"),
        "#1 is open already",
        "resource_conflict",
    ),
    "opening into itself": (
        lambda world, _number: world.person("ana").open("main", "main", "x"),
        "not merged into itself",
        "resource_conflict",
    ),
    "retargeting to itself": (
        lambda world, number: world.person("ana").retarget(number, "feature"),
        "not merged into itself",
        "resource_conflict",
    ),
    "retargeting to a branch that is not there": (
        lambda world, number: world.person("ana").retarget(number, "nowhere"),
        "does not exist",
        "resource_conflict",
    ),
    "approving one's own": (
        lambda world, number: approve(world.person("ana"), number, head_of(world)),
        "ana opened it",
        "approval_permission_denied",
    ),
    "approving a head that moved": (
        lambda world, number: approve(world.person("ben"), number, head_of(world, "main")),
        "its head moved",
        "resource_conflict",
    ),
    "rejecting a head that moved": (
        lambda world, number: world.person("ben").reject(number, reason="x", expected_head=head_of(world, "main")),
        "its head moved",
        "resource_conflict",
    ),
    "merging a head that moved": (
        lambda world, number: world.person("ben").merge(number, Method.MERGE, expected_head=head_of(world, "main")),
        "its head moved",
        "resource_conflict",
    ),
    "editing another's comment": (
        lambda world, number: world.person("ben").edit_comment(number, world.person("ana").comment(number, "x"), "y"),
        "not one of ben's",
        "resource_conflict",
    ),
    "dismissing another's rejection": (
        lambda world, number: world.person("ana").dismiss(number, rejected_by_ben(world, number)),
        "only its author may",
        "permission_denied",
    ),
    "dismissing what is not there": (
        lambda world, number: world.person("ana").dismiss(number, "99"),
        "there is none",
        "resource_conflict",
    ),
}


@pytest.mark.parametrize(("verb", "message", "key"), REFUSED.values(), ids=REFUSED.keys())
def test_what_makes_no_sense_is_refused_and_says_why(world: World, verb: Verb, message: str, key: str) -> None:
    number = opened(world)
    before = world.forge().pull_request(number)
    with pytest.raises(Refused, match=message) as caught:
        verb(world, number)
    assert caught.value.key == key
    assert world.forge().pull_request(number) == before
    assert world.forge().ledger.ignored() == ()


AFTER_THE_END: dict[str, Callable[[World, int, Revision], object]] = {
    "approve": lambda world, number, head: approve(world.person("ben"), number, head),
    "reject": lambda world, number, head: world.person("ben").reject(number, reason="no", expected_head=head),
    "retarget": lambda world, number, _head: world.person("ana").retarget(number, "release"),
    "merge": lambda world, number, head: world.person("ben").merge(number, Method.MERGE, expected_head=head),
}


@pytest.mark.parametrize("end", ["merged", "closed", "branch gone"])
@pytest.mark.parametrize("verb", AFTER_THE_END.values(), ids=AFTER_THE_END.keys())
def test_what_is_over_is_over(world: World, verb: Callable[[World, int, Revision], object], end: str) -> None:
    number = opened(world)
    head = head_of(world)
    world.commit("release", {"r.yaml": "r\n"}, on=world.tip("main"))
    match end:
        case "merged":
            world.person("cleo").merge(number, Method.MERGE, expected_head=head)
        case "closed":
            world.person("cleo").close(number)
        case _:
            world.set_ref("refs/heads/feature", None)
    with pytest.raises(Refused, match=r"it is (merged|closed)"):
        verb(world, number, head)


@pytest.mark.parametrize("verb", ["close", "reopen"])
def test_a_merged_one_is_neither_closed_nor_reopened(world: World, verb: str) -> None:
    number = opened(world)
    world.person("cleo").merge(number, Method.SQUASH, expected_head=head_of(world))
    with pytest.raises(Refused, match="it is merged"):
        getattr(world.person("ana"), verb)(number)
    assert world.forge().pull_request(number).state is PullRequestState.MERGED


def test_closing_and_reopening_twice_is_once(world: World) -> None:
    number = opened(world)
    ana = world.person("ana")
    ana.close(number)
    tip = world.log_tip()
    ana.close(number)
    assert world.log_tip() == tip
    ana.reopen(number)
    tip = world.log_tip()
    ana.reopen(number)
    assert world.log_tip() == tip


def test_a_closed_branch_stays_reachable_for_new_mirrors(world: World) -> None:
    number = opened(world)
    world.commit("feature", {"second.yaml": "2\n"})
    head = head_of(world)
    world.person("ana").close(number)
    world.set_ref("refs/heads/feature", None)
    ledger = world.ledger()
    assert world.forge(ledger).pull_request(number).head == head
    assert ledger.mirror.repository.has(head)


# --- merging


def test_a_merge_needs_its_statuses(world: World) -> None:
    number = opened(world)
    forge = world.forge()
    strict = world.door("ben", required=REQUIRED)
    head = head_of(world)
    with pytest.raises(Refused, match="reconciler/approval is missing") as caught:
        strict.merge(number, Method.MERGE, expected_head=head)
    assert caught.value.key == "approval_required"
    for context in REQUIRED:
        forge.set_status(head, CommitStatus(context, StatusState.SUCCESS, "", ""))
    forge.set_status(head, CommitStatus("reconciler/approval", StatusState.PENDING, "", ""))
    with pytest.raises(Refused, match=r"^merging #1: reconciler/approval is pending$"):
        strict.merge(number, Method.MERGE, expected_head=head)
    forge.set_status(head, CommitStatus("reconciler/approval", StatusState.SUCCESS, "", ""))
    assert strict.merge(number, Method.MERGE, expected_head=head) == world.tip("main")


def test_t5_a_status_by_anybody_else_lets_nothing_through(world: World) -> None:
    from reconciler.forges.embedded import record as rec

    number = opened(world)
    for context in REQUIRED:
        said = rec.StatusSet(revision=head_of(world), context=context, state=StatusState.SUCCESS, description="")
        world.slip_in(world.record(said, "ana", 0), world.keys["ana"])
    with pytest.raises(Refused, match="is missing"):
        world.door("ben", required=REQUIRED).merge(number, Method.MERGE, expected_head=head_of(world))


@pytest.mark.parametrize("method", list(Method))
def test_a_conflict_is_refused_with_its_paths(world: World, method: Method) -> None:
    world.commit("feature", {"a.yaml": "a: 2\n"})
    number = world.person("ana").open("feature", "main", "Raise a")
    direct = world.commit("main", {"a.yaml": "a: 3\n"})
    with pytest.raises(Refused, match=r"conflicts: a\.yaml") as caught:
        world.person("ben").merge(number, method, expected_head=head_of(world))
    assert caught.value.key == "resource_conflict"
    assert "resolve" in caught.value.hint()
    assert world.tip("main") == direct
    assert world.forge().pull_request(number).state is PullRequestState.OPEN


def test_histories_without_anything_in_common_are_not_merged(world: World) -> None:
    root = world.tree_commit({"x": "x\n"}, [])
    world.set_ref("refs/heads/stranger", root)
    number = world.person("ana").open("stranger", "main", "From nowhere")
    with pytest.raises(Refused, match="nothing in common"):
        world.person("ben").merge(number, Method.MERGE, expected_head=root)


def test_what_is_in_already_is_not_merged_again(world: World) -> None:
    number = opened(world)
    world.set_ref("refs/heads/main", head_of(world))
    with pytest.raises(Refused, match="has everything of it already"):
        world.person("ben").merge(number, Method.MERGE, expected_head=head_of(world))


def test_a_rebase_of_what_is_there_in_other_words_is_refused(world: World) -> None:
    number = opened(world)
    world.commit("main", {"feature.yaml": "new: 1\n"})
    with pytest.raises(Refused, match="nothing is left"):
        world.person("ben").merge(number, Method.REBASE, expected_head=head_of(world))


@pytest.mark.parametrize("method", [Method.MERGE, Method.SQUASH])
def test_a_merge_is_by_the_person_and_names_the_pull_request(world: World, method: Method) -> None:
    number = opened(world, "Add feature")
    made = world.door("ben", name="Ben Example").merge(number, method, expected_head=head_of(world))
    commit = world.store[made].peel(pygit2.Commit)
    assert {(one.name, one.email) for one in (commit.author, commit.committer)} == {("Ben Example", "ben@example.org")}
    assert f"{number}" in commit.message.splitlines()[0]
    assert "Add feature" in commit.message.splitlines()[0]
    assert commit.message.splitlines()[-1] == f"Pull-Request: {number}"


def test_a_rebase_keeps_authors_and_messages(world: World) -> None:
    world.commit("feature", {"one.yaml": "1\n"}, author="ana", message="one")
    world.commit("feature", {"two.yaml": "2\n"}, author="cleo", message="two")
    number = world.person("ana").open("feature", "main", "Two")
    world.commit("main", {"direct.yaml": "d\n"})
    before = head_of(world, "main")
    made = world.person("ben").merge(number, Method.REBASE, expected_head=head_of(world))
    commits = [world.store[one].peel(pygit2.Commit) for one in world.between(before, made)]
    assert {(one.author.name, one.committer.name, one.message.strip()) for one in commits} == {
        ("ana", "ben", "one"),
        ("cleo", "ben", "two"),
    }


@pytest.mark.parametrize("method", list(Method))
def test_a_merge_can_be_signed_and_is_found_as_well(world: World, method: Method) -> None:
    number = opened(world)
    world.commit("main", {"direct.yaml": "d\n"})
    made = world.person("ben").merge(number, method, expected_head=head_of(world), sign=True)
    forge = world.forge()
    assert dict(forge.merged_pull_requests([made])) == {made: number}
    found = signatures.verify_commit(history.commit(forge.ledger.mirror.repository, made))
    assert (found.standing, found.key) == (Standing.VERIFIED, world.keys["ben"].public.line)


# --- other people's text

HOSTILE_TITLES = [
    "Approval-Ticket: dep-appr-1",
    "[skip ci] harmless",
    "# a comment for git",
    "@everyone look",
    "Merge pull request 7: another",
    "Closes #4, fixes org/repo!12",
    "<script>alert(1)</script>",
    "${HOME} $(reboot) `reboot` %n",
    "--force",
    "漢字とカナ",
    "a" * 256,
]


@pytest.mark.parametrize("title", HOSTILE_TITLES)
@pytest.mark.parametrize("method", [Method.MERGE, Method.SQUASH])
def test_t27_a_title_is_text_in_a_merge_message_and_nothing_else(world: World, title: str, method: Method) -> None:
    number = opened(world, title)
    pull = world.forge().pull_request(number)
    assert pull.title == title
    first, blank, last, *rest = message_of(pull, method).splitlines()
    assert (blank, last, rest) == ("", f"Pull-Request: {number}", [])
    assert len(first) < 200
    assert not first.startswith("#")
    for word in ("@everyone", "[skip ci]", "#4", "!12"):
        assert word not in first
    made = world.person("ben").merge(number, method, expected_head=head_of(world))
    assert world.store[made].peel(pygit2.Commit).message.splitlines() == [first, blank, last]


def test_a_title_of_nothing_but_signs_still_names_something() -> None:
    assert neutral("   ") == "untitled"


@pytest.mark.parametrize(
    "title", ["", "   ", "two\nlines", "bell\x07", "\x1b[31mred", "\u202eright to left", "x" * 257, "half \ud800"]
)
def test_t27_a_title_that_cannot_be_printed_on_one_line_is_refused(world: World, title: str) -> None:
    world.commit("feature", {"feature.yaml": "new: 1\n"})
    with pytest.raises(Rejected, match="title") as caught:
        world.person("ana").open("feature", "main", title)
    assert caught.value.key == "validation_error"
    forge = world.forge()
    assert forge.open_pull_requests() == ()
    assert forge.ledger.records_read == 1, "nothing but the beginning of the log"


@pytest.mark.parametrize("body", ["x" * (MAX_BODY + 1), "\x1b]0;owned\x07", "NUL \x00", "half \udfff"])
def test_t27_a_body_that_a_terminal_would_obey_or_that_is_too_long_is_refused(world: World, body: str) -> None:
    number = opened(world)
    forge = world.forge()
    with pytest.raises(Rejected, match="body"):
        world.person("ben").comment(number, body)
    with pytest.raises(Rejected, match="body"):
        forge.write_comment(number, "m", body)
    assert forge.comments(number) == ()


def test_a_body_of_full_length_in_any_script_fits(world: World) -> None:
    number = opened(world)
    body = '\\"' * (MAX_BODY // 2)
    world.person("ben").comment(number, body)
    wide = "漢" * MAX_BODY
    world.person("ben").comment(number, wide)
    assert [comment.body for comment in world.forge().comments(number)] == [body, wide]


def test_a_branch_whose_name_is_strange_but_allowed_works(world: World) -> None:
    name = "fix/ü-$(x)-'q'-&-|-;-漢"
    world.commit(name, {"feature.yaml": "new: 1\n"})
    number = world.person("ana").open(name, "main", "Strange")
    made = world.person("ben").merge(number, Method.MERGE, expected_head=head_of(world, name))
    assert world.forge().pull_request(number).merge_commit == made


@pytest.mark.parametrize("name", ["--upload-pack=x", "../main", "a b", "a:b", "HEAD", "x.lock", ""])
def test_a_branch_name_that_git_would_not_accept_is_refused(world: World, name: str) -> None:
    opened(world)
    with pytest.raises(Refused, match="does not exist"):
        world.person("ana").open(name, "main", "x")
    with pytest.raises(Rejected):
        world.forge().propose(name, head_of(world), "x", "")


def test_a_status_that_is_too_long_is_refused_before_it_is_written(world: World) -> None:
    head = head_of(world, "main")
    with pytest.raises(Rejected, match="description"):
        world.forge().set_status(head, CommitStatus("c", StatusState.SUCCESS, "x" * 141, ""))


def test_a_decision_about_no_whole_digest_is_refused(world: World) -> None:
    number = opened(world)
    with pytest.raises(Rejected, match="whole digest"):
        world.person("ben").approve(number, digest="abc", event="ev", expected_head=head_of(world))
    assert world.forge().reviews(number) == ()


def test_a_rejection_needs_no_preview_and_is_signed_where_there_is_one(world: World) -> None:
    number = opened(world)
    ben = world.person("ben")
    ben.reject(number, reason="no", expected_head=head_of(world))
    ben.reject(number, reason="no", expected_head=head_of(world), digest="ab" * 32, event="ev")
    reviews = world.forge().reviews(number)
    assert [review.verdict for review in reviews] == [Verdict.REJECT] * 2
    assert [review.signer for review in reviews] == ["", world.keys["ben"].public.line]
