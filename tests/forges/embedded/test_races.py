"""Two at once: nothing is lost, nothing is doubled, and what was decided on is what was done (faults F10, F12)."""

import threading
from collections.abc import Callable, Sequence

import pytest

from reconciler.errors import Refused, Unavailable
from reconciler.forges.embedded import record as rec
from reconciler.forges.embedded.log import REF
from reconciler.forges.embedded.person import Person
from reconciler.forges.embedded.record import Method
from reconciler.git.transport import Transport
from reconciler.names import Revision
from reconciler.state.forge import CommitStatus, PullRequestState, StatusState
from tests.forges.embedded.world import WatchedTransport, World

EACH = 15


def opened(world: World, branch: str = "feature") -> int:
    world.commit(branch, {f"{branch}.yaml": "new: 1\n"}, on=world.tip("main"))
    return world.person("ana").open(branch, "main", f"Add {branch}")


def watched(world: World, login: str) -> tuple[Person, WatchedTransport]:
    """A person between whose look and push something can happen."""
    transport = WatchedTransport(world.folder / "transport")
    return world.door(login, world.ledger(transport=transport)), transport


def head_of(world: World, branch: str = "feature") -> Revision:
    found = world.tip(branch)
    assert found
    return found


def together(*works: Callable[[], object]) -> list[BaseException]:
    failures: list[BaseException] = []
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        gate.wait()
        try:
            work()
        except Exception as error:  # noqa: BLE001  handed to the test
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_f10_two_writers_lose_nothing(world: World) -> None:
    number = opened(world)
    forge = world.forge()
    ben = world.person("ben")

    def comment() -> None:
        for index in range(EACH):
            ben.comment(number, f"ben {index}")

    def say() -> None:
        for index in range(EACH):
            forge.set_status(head_of(world), CommitStatus(f"c{index}", StatusState.SUCCESS, "", ""))

    assert together(comment, say) == []
    witness = world.forge()
    assert [comment.body for comment in witness.comments(number)] == [f"ben {index}" for index in range(EACH)]
    assert len(witness.statuses(head_of(world))) == EACH
    assert witness.ledger.ignored() == ()
    assert witness.ledger.records_read == 2 + 2 * EACH
    times = [comment.created_at for comment in witness.comments(number)]
    assert times == sorted(set(times))


def test_f10_threads_of_one_process_share_a_door(world: World) -> None:
    number = opened(world)
    forge = world.forge()
    works = [lambda index=index: forge.write_comment(number, f"marker {index}", "hello") for index in range(4)]
    assert together(*works, lambda: forge.open_pull_requests(), lambda: forge.comments(number)) == []
    assert len(forge.comments(number)) == 4


def test_two_who_open_at_once_get_two_numbers(world: World) -> None:
    first = opened(world)
    world.commit("one", {"one.yaml": "1\n"})
    world.commit("two", {"two.yaml": "2\n"})
    slow, transport = watched(world, "ben")
    numbers: list[int] = []
    transport.before.append(lambda _: numbers.append(world.person("ana").open("one", "main", "one")))
    numbers.append(slow.open("two", "main", "two"))
    assert numbers == [first + 1, first + 2]
    assert [pull.head_ref for pull in world.forge().open_pull_requests()] == ["feature", "one", "two"]


def test_two_who_open_the_same_branch_at_once_open_one(world: World) -> None:
    opened(world)
    world.commit("one", {"one.yaml": "1\n"})
    slow, transport = watched(world, "ben")
    transport.before.append(lambda _: world.person("ana").open("one", "main", "one"))
    with pytest.raises(Refused, match="#2 is open already"):
        slow.open("one", "main", "one")
    assert len(world.forge().open_pull_requests()) == 2


def test_a_decision_is_taken_again_on_what_stands_there_after_a_lost_race(world: World) -> None:
    """Somebody closes it between the look and the push: the approval is not recorded any more."""
    number = opened(world)
    slow, transport = watched(world, "ben")
    transport.before.append(lambda _: world.person("cleo").close(number))
    with pytest.raises(Refused, match="it is closed"):
        slow.approve(number, digest="ab" * 32, event="ev", expected_head=head_of(world))
    assert world.forge().reviews(number) == ()


def test_whoever_always_loses_is_told_to_come_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.forges.embedded.ledger.ATTEMPTS", 3)
    number = opened(world)
    slow, transport = watched(world, "ben")
    transport.before.extend([lambda _: world.person("cleo").comment(number, "me first")] * 3)
    with pytest.raises(Unavailable, match="others were faster 3 times") as caught:
        slow.comment(number, "me too")
    assert caught.value.key == "resource_locked"
    assert [comment.author for comment in world.forge().comments(number)] == ["cleo"] * 3


@pytest.mark.parametrize("method", list(Method))
def test_a_merge_that_loses_against_a_push_is_made_again(world: World, method: Method) -> None:
    number = opened(world)
    slow, transport = watched(world, "cleo")
    transport.before.extend([lambda _: None, lambda _: world.commit("main", {"direct.yaml": "d\n"})])
    made = slow.merge(number, method, expected_head=head_of(world))
    forge = world.forge()
    assert world.tip("main") == made
    assert set(world.files(made)) == {"README.md", "a.yaml", "feature.yaml", "direct.yaml"}
    direct = world.between(head_of(world, "main"), made)
    assert forge.pull_request(number).merge_commit == made
    assert dict(forge.merged_pull_requests([made, *direct])) == {made: number}


def test_two_who_merge_the_same_one_merge_it_once(world: World) -> None:
    number = opened(world)
    slow, transport = watched(world, "ben")
    head = head_of(world)
    merged: list[Revision] = []
    transport.before.extend(
        [
            lambda _: None,
            lambda _: merged.append(world.person("cleo").merge(number, Method.SQUASH, expected_head=head)),
        ]
    )
    with pytest.raises(Refused, match="it is merged"):
        slow.merge(number, Method.MERGE, expected_head=head)
    pull = world.forge().pull_request(number)
    assert (pull.merge_commit, pull.merged_by, world.tip("main")) == (merged[0], "cleo", merged[0])


def test_two_merges_at_once_both_arrive(world: World) -> None:
    numbers = [opened(world, "one"), opened(world, "two")]
    ben, cleo = world.person("ben"), world.person("cleo")
    failures = together(
        lambda: ben.merge(numbers[0], Method.MERGE, expected_head=head_of(world, "one")),
        lambda: cleo.merge(numbers[1], Method.REBASE, expected_head=head_of(world, "two")),
    )
    assert failures == []
    forge = world.forge()
    assert [forge.pull_request(number).state for number in numbers] == [PullRequestState.MERGED] * 2
    assert {"one.yaml", "two.yaml"} < set(world.files(head_of(world, "main")))


def test_g13_a_merge_that_somebody_forbade_in_the_same_moment_is_not_covered(world: World) -> None:
    """The commit cannot be taken back, but nothing is applied for it: it is held like a direct push."""
    number = opened(world)
    head = head_of(world)
    slow, transport = watched(world, "cleo")
    transport.before.extend(
        [
            lambda _: None,
            lambda _: world.person("ben").reject(number, reason="stop", expected_head=head),
        ]
    )
    with pytest.raises(Refused, match="not covered"):
        slow.merge(number, Method.MERGE, expected_head=head)
    tip = head_of(world, "main")
    assert dict(world.forge().merged_pull_requests([tip])) == {}


# --- lost answers


def cut(arguments: Sequence[str]) -> None:
    raise Unavailable("pushing: the connection was cut")


def test_f12_a_record_whose_answer_was_lost_is_written_once(world: World) -> None:
    number = opened(world)
    slow, transport = watched(world, "ben")
    transport.after.append(cut)
    place = slow.comment(number, "once")
    assert [(comment.id, comment.body) for comment in world.forge().comments(number)] == [(place, "once")]


def test_f12_a_lost_answer_is_understood_although_others_wrote_since(world: World) -> None:
    number = opened(world)
    slow, transport = watched(world, "ben")

    def cut_and_go_on(arguments: Sequence[str]) -> None:
        world.person("cleo").comment(number, "meanwhile")
        cut(arguments)

    transport.after.append(cut_and_go_on)
    slow.comment(number, "once")
    assert [comment.body for comment in world.forge().comments(number)] == ["once", "meanwhile"]


def test_f12_a_record_that_arrived_before_a_race_was_lost_is_not_written_again(world: World) -> None:
    """The push is told as lost, because others wrote on top of what had arrived."""
    number = opened(world)
    transport = WatchedTransport(world.folder / "transport")
    ledger = world.ledger(transport=transport)

    def arrive_and_go_on(arguments: Sequence[str]) -> None:
        plain = Transport(world.folder / "transport")
        plain.run(arguments, directory=ledger.mirror.repository.path, remote=ledger.mirror.remote)
        world.person("cleo").comment(number, "meanwhile")

    transport.before.append(arrive_and_go_on)
    world.door("ben", ledger).comment(number, "once")
    assert [comment.body for comment in world.forge().comments(number)] == ["once", "meanwhile"]


def test_f12_a_push_that_never_arrived_is_told_and_leaves_nothing(world: World) -> None:
    number = opened(world)
    slow, transport = watched(world, "ben")
    transport.before.append(cut)
    with pytest.raises(Unavailable, match="cut"):
        slow.comment(number, "never")
    assert world.forge().comments(number) == ()
    slow.comment(number, "now")
    assert [comment.body for comment in world.forge().comments(number)] == ["now"]


def test_f12_a_merge_whose_answer_was_lost_is_a_merge(world: World) -> None:
    number = opened(world)
    slow, transport = watched(world, "cleo")
    transport.after.extend([lambda _: None, cut])
    made = slow.merge(number, Method.MERGE, expected_head=head_of(world))
    assert world.forge().pull_request(number).merge_commit == made == world.tip("main")


def test_the_log_is_pushed_before_the_branch(world: World) -> None:
    number = opened(world)
    slow, transport = watched(world, "cleo")
    slow.merge(number, Method.MERGE, expected_head=head_of(world))
    assert transport.pushes == [REF, "refs/heads/main"]


def test_records_of_dead_attempts_do_not_count(world: World) -> None:
    """A claim whose push lost the race stays in the log and says nothing."""
    number = opened(world)
    slow, transport = watched(world, "cleo")
    transport.before.extend([lambda _: None, lambda _: world.commit("main", {"direct.yaml": "d\n"})])
    slow.merge(number, Method.MERGE, expected_head=head_of(world))
    ledger = world.ledger()
    with ledger.looking() as look:
        claims = look.thread(number).claims
        landed = look.landed(look.thread(number))
    assert len(claims) == 2
    assert landed == claims[1]
    assert isinstance(claims[0].method, rec.Method)
