"""The log in Git: what a signature is worth, what strangers can push into it, and what is read how often."""

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pygit2
import pytest

from reconciler.errors import Refused, Untrusted
from reconciler.forges.embedded import record as rec
from reconciler.forges.embedded.fold import RECONCILER
from reconciler.forges.embedded.log import RECORD, REF, SIGNATURE
from reconciler.git.keys import SigningKey
from reconciler.names import Revision
from reconciler.state.forge import CommitStatus, StatusState, Verdict
from tests.forges.embedded.world import REPOSITORY, World

COUNT = 2_000  # 10,000 take two seconds to read, but much longer to write
GITLINK = pygit2.enums.FileMode.COMMIT
SYMLINK = pygit2.enums.FileMode.LINK
FOLDER = pygit2.enums.FileMode.TREE


@pytest.fixture
def no_fsync() -> Iterator[None]:
    """Thousands of objects are written without waiting for the disk."""
    pygit2.settings.enable_fsync_gitdir(False)  # noqa: FBT003  it takes no keyword
    yield
    pygit2.settings.enable_fsync_gitdir(True)  # noqa: FBT003


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


# --- whose word it is


def test_a_record_signed_with_the_key_of_its_author_counts(world: World) -> None:
    number = opened(world)
    world.slip_in(world.record(approval(world), "ben", number), world.keys["ben"])
    forge = world.forge()
    assert [(review.author, review.verdict) for review in forge.reviews(number)] == [("ben", Verdict.APPROVE)]
    assert forge.ledger.ignored() == ()


Slip = Callable[[World, int], object]


def by_a_stranger(world: World, number: int) -> None:
    world.slip_in(world.record(approval(world), "ben", number), SigningKey.generate())


def by_the_author_in_anothers_name(world: World, number: int) -> None:
    world.slip_in(world.record(approval(world), "ben", number), world.keys["ana"])


def by_a_login_that_nobody_has(world: World, number: int) -> None:
    world.slip_in(world.record(approval(world), "mallory", number), SigningKey.generate())


def in_our_name(world: World, number: int) -> None:
    world.slip_in(world.record(rec.Commented(body="x", marker="m"), RECONCILER, number), world.keys["ana"])


def in_the_name_of_a_user_called_like_us(world: World, number: int) -> None:
    world.logins[RECONCILER] = [world.keys["ana"].public.line]
    world.slip_in(world.record(rec.Commented(body="x", marker="m"), RECONCILER, number), world.keys["ana"])


def from_another_repository(world: World, number: int) -> None:
    world.slip_in(world.record(approval(world), "ben", number, repository="test://other"), world.keys["ben"])


def from_another_place(world: World, number: int) -> None:
    world.slip_in(world.record(approval(world), "ben", number, previous="d" * 40), world.keys["ben"])


def for_the_beginning(world: World, number: int) -> None:
    world.slip_in(world.record(approval(world), "ben", number, previous=""), world.keys["ben"])


def tampered(world: World, number: int) -> None:
    record = world.record(approval(world, verdict="reject"), "ben", number)
    signature = world.keys["ben"].sign(record.canonical(), rec.NAMESPACE).encode()
    world.slip_in(record.canonical().replace(b'"reject"', b'"approve"'), world.keys["ben"], **{SIGNATURE: signature})


def signed_for_something_else(world: World, number: int) -> None:
    record = world.record(approval(world), "ben", number)
    signature = world.keys["ben"].sign(record.canonical(), "git").encode()
    world.slip_in(record, world.keys["ben"], **{SIGNATURE: signature})


def without_signature(world: World, number: int) -> None:
    world.slip_in(world.record(approval(world), "ben", number), world.keys["ben"], **{SIGNATURE: None})


def with_an_empty_signature(world: World, number: int) -> None:
    world.slip_in(world.record(approval(world), "ben", number), world.keys["ben"], **{SIGNATURE: b""})


def with_a_signature_of_rubbish(world: World, number: int) -> None:
    world.slip_in(world.record(approval(world), "ben", number), world.keys["ben"], **{SIGNATURE: bytes(range(256)) * 8})


def with_a_huge_signature(world: World, number: int) -> None:
    world.slip_in(world.record(approval(world), "ben", number), world.keys["ben"], **{SIGNATURE: b"x" * 20_000})


def a_huge_record(world: World, number: int) -> None:
    world.slip_in(b'"' + b"x" * rec.MAX_RECORD + b'"', world.keys["ben"])


def no_record(world: World, number: int) -> None:
    world.slip_in(b"{}", world.keys["ben"], **{RECORD: None})


def a_folder_as_record(world: World, number: int) -> None:
    world.slip_in(b"{}", world.keys["ben"], **{RECORD: (world.store.TreeBuilder().write(), FOLDER)})


def a_symlink_as_record(world: World, number: int) -> None:
    world.slip_in(b"{}", world.keys["ben"], **{RECORD: (world.store.create_blob(b"/etc/passwd"), SYMLINK)})


def a_submodule_as_record(world: World, number: int) -> None:
    world.slip_in(b"{}", world.keys["ben"], **{RECORD: (pygit2.Oid(hex="d" * 40), GITLINK)})


SLIPS: dict[Slip, str] = {
    by_a_stranger: "not one of ben",
    by_the_author_in_anothers_name: "not one of ben",
    by_a_login_that_nobody_has: "not one of mallory",
    in_our_name: "not one of reconciler",
    in_the_name_of_a_user_called_like_us: "not one of reconciler",
    from_another_repository: "another repository",
    from_another_place: "another place",
    for_the_beginning: "another place",
    tampered: "signature does not check",
    signed_for_something_else: "signature does not check",
    without_signature: "no file signature",
    with_an_empty_signature: "signature does not check",
    with_a_signature_of_rubbish: "signature does not check",
    with_a_huge_signature: "signature is larger",
    a_huge_record: "record.json is larger",
    no_record: "no file record.json",
    a_folder_as_record: "no file record.json",
    a_symlink_as_record: "no file record.json",
    a_submodule_as_record: "no file record.json",
}


@pytest.mark.parametrize(("slip", "reason"), SLIPS.items(), ids=lambda slip: getattr(slip, "__name__", ""))
def test_t5_what_is_not_proven_is_reported_and_changes_nothing(world: World, slip: Slip, reason: str) -> None:
    number = opened(world)
    forge = world.forge()
    before = (forge.pull_request(number), forge.reviews(number), forge.comments(number))
    slip(world, number)
    assert (forge.pull_request(number), forge.reviews(number), forge.comments(number)) == before
    (ignored,) = forge.ledger.ignored()
    assert ignored.position == 3
    assert reason in ignored.reason
    world.person("ben").comment(number, "life goes on")
    assert [comment.author for comment in forge.comments(number)] == ["ben"]
    assert not forge.ledger.mirror.repository.suspect, "what others push is no damage of our mirror"


def test_a_record_cannot_be_used_a_second_time(world: World) -> None:
    """An approval that was dismissed, pushed again as it was."""
    number = opened(world)
    record = world.record(approval(world), "ben", number)
    world.slip_in(record, world.keys["ben"])
    world.person("ben").dismiss(number, "3")
    world.slip_in(record, world.keys["ben"])
    forge = world.forge()
    assert [review.verdict for review in forge.reviews(number)] == [Verdict.DISMISSED]
    assert [one.position for one in forge.ledger.ignored()] == [5]


def test_a_key_that_leaves_the_policy_takes_its_records_with_it(world: World) -> None:
    number = opened(world)
    world.slip_in(world.record(approval(world), "ben", number), world.keys["ben"])
    forge = world.forge()
    assert len(forge.reviews(number)) == 1
    world.logins["ben"] = []
    assert forge.reviews(number) == ()
    world.logins["ben"] = [world.keys["ben"].public.line + " ben@laptop"]
    assert len(forge.reviews(number)) == 1
    assert forge.ledger.records_read == 3, "each record is opened once, whatever the policy does"


def test_a_person_whose_key_is_not_known_is_told_before_anything_is_written(world: World) -> None:
    number = opened(world)
    before = world.log_tip()
    stranger = world.door("ben", key=SigningKey.generate())
    with pytest.raises(Refused, match="does not speak for that login") as caught:
        stranger.comment(number, "hello")
    assert caught.value.key == "permission_denied"
    assert world.log_tip() == before


# --- the log only grows


def test_t5_a_log_that_was_cut_stops_everything(world: World) -> None:
    number = opened(world)
    forge = world.forge()
    kept = world.log_tip()
    world.person("ben").reject(number, reason="no", expected_head=world.tip("feature") or Revision(""))
    assert len(forge.reviews(number)) == 1
    cut = world.log_tip()
    world.set_ref(REF, kept)
    with pytest.raises(Untrusted, match="does not descend") as caught:
        forge.reviews(number)
    assert caught.value.key == "history_rewritten"
    assert str(cut) in caught.value.hint()
    with pytest.raises(Untrusted):
        forge.write_comment(number, "m", "nothing is written on a log that was cut")
    world.set_ref(REF, cut)
    assert len(forge.reviews(number)) == 1


def test_t5_a_log_that_was_cut_is_noticed_after_a_restart(world: World) -> None:
    number = opened(world)
    kept = world.log_tip()
    world.person("ben").comment(number, "hello")
    ledger = world.ledger()
    assert len(world.forge(ledger).comments(number)) == 1
    world.set_ref(REF, kept)
    restarted = type(ledger)(
        ledger.mirror,
        repository_id=REPOSITORY,
        logins=lambda _: [],
        our_keys=[world.ours.public.line],
        clock=world.clock,
    )
    with pytest.raises(Untrusted, match="does not descend"):
        world.forge(restarted).comments(number)


def test_t5_a_log_that_vanished_stops_everything(world: World) -> None:
    opened(world)
    forge = world.forge()
    assert len(forge.open_pull_requests()) == 1
    world.set_ref(REF, None)
    with pytest.raises(Untrusted, match="nothing"):
        forge.open_pull_requests()


def test_t5_a_side_branch_cannot_slide_under_the_log(world: World) -> None:
    """A commit whose second parent is the tip descends from it for git, but not for us."""
    number = opened(world)
    forge = world.forge()
    assert forge.pull_request(number)
    tip = world.log_tip()
    first = world.store[str(tip)].peel(pygit2.Commit).parent_ids[0]
    record = world.record(rec.Commented(body="x"), "ben", number, previous=str(first))
    world.slip_in(record, world.keys["ben"], parents=[first, tip])
    with pytest.raises(Untrusted, match="does not descend"):
        forge.comments(number)


def test_an_empty_repository_has_an_empty_forge(world: World) -> None:
    forge = world.forge()
    assert forge.open_pull_requests() == ()
    assert forge.ledger.ignored() == ()
    head = world.tip("main")
    assert head
    assert forge.statuses(head) == ()


# --- what it costs


def test_each_record_is_opened_once(world: World) -> None:
    number = opened(world)
    forge = world.forge()
    for index in range(5):
        world.person("ben").comment(number, f"remark {index}")
        assert len(forge.comments(number)) == index + 1
        forge.open_pull_requests()
        forge.reviews(number)
    assert forge.ledger.records_read == 2 + 5
    fetches = forge.ledger.mirror.fetches
    forge.comments(number)
    forge.open_pull_requests()
    assert forge.ledger.mirror.fetches == fetches, "nothing moved, so nothing is fetched"


def test_what_we_write_ourselves_is_not_fetched_back(world: World) -> None:
    number = opened(world)
    forge = world.forge()
    forge.write_comment(number, "m", "hello")
    fetches = forge.ledger.mirror.fetches
    for index in range(3):
        forge.write_comment(number, "m", f"hello {index}")
    assert forge.ledger.mirror.fetches == fetches


def test_thousands_of_statuses_are_read_once_and_kept_as_the_latest(world: World, no_fsync: None) -> None:
    head = world.tip("main")
    assert head
    contexts = ("reconciler/validate", "reconciler/preview", "reconciler/approval", "reconciler/apply: prod")
    states = tuple(StatusState)
    for index in range(COUNT):
        said = rec.StatusSet(
            revision=head,
            context=contexts[index % len(contexts)],
            state=states[(index // len(contexts)) % len(states)],
            description=str(index),
        )
        world.slip_in(world.record(said, RECONCILER, 0), world.ours)
    ledger = world.ledger()
    forge = world.forge(ledger)
    expected = {contexts[index % 4]: str(index) for index in range(COUNT - 4, COUNT)}
    assert {one.context: one.description for one in forge.statuses(head)} == expected
    forge.set_status(head, CommitStatus("reconciler/preview", StatusState.SUCCESS, "done", ""))
    assert len(forge.statuses(head)) == len(contexts)
    assert ledger.records_read == COUNT + 1
    with ledger.looking() as look:
        assert sum(len(found) for found in look.fold.statuses.values()) == len(contexts)


def test_a_log_that_a_stranger_flooded_is_read_once_and_reported(world: World) -> None:
    number = opened(world)
    stranger = SigningKey.generate()
    for index in range(200):
        world.slip_in(world.record(rec.Commented(body=f"spam {index}"), f"spam{index}", number), stranger)
    forge = world.forge()
    assert forge.comments(number) == ()
    assert len(forge.ledger.ignored()) == 200
    forge.comments(number)
    assert forge.ledger.records_read == 202


def test_a_reader_that_is_dropped_takes_the_log_along_without_the_collector(world: World) -> None:
    number = opened(world)
    ledger = world.ledger()
    assert world.forge(ledger).pull_request(number).number == number
    world.ledgers.remove(ledger)
    gone = weakref.ref(ledger)
    gc.disable()  # it comes by late in a process that lives long, and each reader held all that was ever recorded
    try:
        del ledger
        assert gone() is None
    finally:
        gc.enable()
