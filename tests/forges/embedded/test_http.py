"""The same over a network: git's own CGI on loopback."""

from collections.abc import Iterator

import pytest

from reconciler.forges.embedded.record import Method
from reconciler.state.forge import CommitStatus, PullRequestState, StatusState
from tests.forges.embedded.world import World
from tests.git.world import Requests, http_backend, serving


@pytest.fixture
def server(world: World) -> Iterator[Requests]:
    world.store.config["http.receivepack"] = "true"
    with serving(http_backend(world.folder)) as requests:
        yield requests


def test_a_pull_request_goes_its_whole_way_over_http(world: World, server: Requests) -> None:
    url = f"{server.url}/remote.git"
    head = world.commit("feature", {"feature.yaml": "new: 1\n"})
    ana, ben = (world.door(login, world.ledger(url=url)) for login in ("ana", "ben"))
    ledger = world.ledger(url=url)
    forge = world.forge(ledger)
    number = ana.open("feature", "main", "Add feature")
    forge.write_comment(number, "m", "the preview")
    forge.set_status(head, CommitStatus("reconciler/preview", StatusState.SUCCESS, "1 change", ""))
    ben.approve(number, digest="ab" * 32, event="ev", expected_head=head)
    made = ben.merge(number, Method.REBASE, expected_head=head)
    pull = forge.pull_request(number)
    assert (pull.state, pull.merged_by, pull.merge_commit) == (PullRequestState.MERGED, "ben", made)
    assert dict(forge.merged_pull_requests([made])) == {made: number}
    assert [review.signer for review in forge.reviews(number)] == [world.keys["ben"].public.line]
    assert ledger.ignored() == ()


def test_a_look_at_a_forge_where_nothing_moved_is_one_request(world: World, server: Requests) -> None:
    world.commit("feature", {"feature.yaml": "new: 1\n"})
    number = world.person("ana").open("feature", "main", "Add feature")
    forge = world.forge(world.ledger(url=f"{server.url}/remote.git"))
    forge.comments(number)
    before = len(server.seen)
    forge.comments(number)
    assert len(server.seen) == before + 1
