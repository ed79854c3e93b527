"""What people can do, what they are refused and why, and what their text cannot do."""

from collections.abc import Callable

import pytest

from reconciler.errors import Refused, Rejected
from reconciler.forges.embedded.person import Person
from reconciler.forges.embedded.record import MAX_BODY, Method
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


# --- other people's text


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
