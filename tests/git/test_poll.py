"""A poll is one request, and its answer is read exactly (faults F6, F8)."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.errors import ReconcilerError, Rejected, Unavailable
from reconciler.git import pktline
from reconciler.git.mirror import Mirror
from reconciler.git.poll import Poller
from reconciler.git.refnames import is_ref
from reconciler.git.remote import Remote

from .world import Reply, Request, World, always, git, http_backend, serving

ANSWER = {"Content-Type": "application/x-git-upload-pack-result"}
ONE = b"003d" + b"1" * 40 + b" refs/heads/main\n"


def test_a_poll_over_http_is_one_request_and_agrees_with_git(world: World) -> None:
    world.clone.commit("other", branch="feature/a", b_yaml="b: 2\n")
    world.clone.push()
    git(world.clone.folder, "tag", "-a", "v1", "-m", "v1")
    world.clone.push("origin", "v1")
    git(world.remote, "update-ref", "refs/pull/7/head", "main")
    git(world.remote, "update-ref", "refs/pull/7/merge", "main")
    git(world.remote, "update-ref", "refs/notes/x", "main")
    with serving(http_backend(world.folder)) as requests:
        poller = Poller(Remote(f"{requests.url}/remote.git"), world.transport)
        found = poller.poll()
        assert [(method, path) for method, path, _ in requests.seen] == [("POST", "/remote.git/git-upload-pack")]
        poller.poll()
        assert poller.requests == len(requests.seen) == 2
        poller.close()
    listed = [line.split() for line in git(world.remote, "show-ref").splitlines()]
    expected = {name: oid for oid, name in listed if name not in ("refs/pull/7/merge", "refs/notes/x")}
    assert found == expected
    assert Poller(world.address, world.transport).poll() == expected


def test_an_unmoved_remote_is_polled_and_never_fetched(world: World, tmp_path: Path) -> None:
    with serving(http_backend(world.folder)) as requests:
        mirror = Mirror(tmp_path / "mirror", Remote(f"{requests.url}/remote.git"), world.transport)
        assert mirror.sync().fetched
        before = len(requests.seen)
        for _ in range(5):
            assert not mirror.sync().fetched
        assert len(requests.seen) - before == 5
        assert mirror.fetches == 1


def test_what_is_asked_for_is_narrow(world: World) -> None:
    asked: list[bytes] = []

    def answer(request: Request) -> Reply:
        asked.append(request.body)
        return 200, ANSWER, ONE + b"0000"

    with serving(answer) as requests:
        Poller(Remote(f"{requests.url}/r"), world.transport, ("refs/heads/reconciler/audit",)).poll()
    assert b"ref-prefix refs/heads/reconciler/audit\n" in asked[0]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"0000garbage", ONE, b"0001", ONE + b"0001" + b"0000", ONE + ONE + b"0000", b"003", b"zzzz", b"0003",
        b"fff5" + b"x" * 20, b"0004", b"0010ERR no such0000", b"<html>hello</html>", ONE[:-2], ONE + b"0000" + ONE,
        b"003d" + b"G" * 40 + b" refs/heads/main\n0000",
    ],
)  # fmt: skip
def test_an_answer_that_is_not_exact_is_no_answer(world: World, body: bytes) -> None:
    with serving(always(200, ANSWER, body)) as requests, pytest.raises(Rejected):
        Poller(Remote(f"{requests.url}/r"), world.transport).poll()


def test_a_server_of_another_kind_is_rejected(world: World) -> None:
    html = always(200, {"Content-Type": "text/html"}, ONE + b"0000")
    with serving(html) as requests, pytest.raises(Rejected, match="protocol v2"):
        Poller(Remote(f"{requests.url}/r"), world.transport).poll()


def test_a_busy_server_says_when_to_come_back(world: World) -> None:
    with serving(always(429, {"Retry-After": "120"}, b"")) as requests, pytest.raises(Unavailable) as caught:
        Poller(Remote(f"{requests.url}/r"), world.transport).poll()
    assert caught.value.retry_after.total_seconds() == 120
    assert caught.value.key == "rate_limited"


def test_an_oversized_answer_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.git.ask_http.CAP", 1000)
    with serving(always(200, ANSWER, ONE * 100)) as requests, pytest.raises(Rejected, match="more than"):
        Poller(Remote(f"{requests.url}/r"), world.transport).poll()


def test_an_emptied_repository_is_an_empty_answer_and_a_missing_one_is_none(world: World) -> None:
    git(world.remote, "update-ref", "-d", "refs/heads/main")
    poller = Poller(world.address, world.transport)
    assert poller.poll() == {}
    world.remote.rename(world.folder / "gone.git")
    with pytest.raises(Unavailable):
        poller.poll()


def test_a_branch_that_nobody_can_type_stops_no_other(world: World) -> None:
    tip = world.clone.head()
    packed = world.remote / "packed-refs"
    packed.write_bytes(b"# pack-refs with: peeled fully-peeled sorted \n" + tip.encode() + b" refs/heads/\xff\xfe\n")
    with serving(http_backend(world.folder)) as requests:
        assert Poller(Remote(f"{requests.url}/remote.git"), world.transport).poll() == {"refs/heads/main": tip}
    assert Poller(world.address, world.transport).poll() == {"refs/heads/main": tip}


@given(st.binary(max_size=300))
@example(ONE + b"0000")
def test_any_bytes_are_refs_or_rejected(data: bytes) -> None:
    try:
        pktline.refs(data)
    except ReconcilerError as error:
        assert isinstance(error, Rejected)  # noqa: PT017


@given(
    st.dictionaries(
        st.from_regex(r"refs/heads/[a-z0-9/]{1,20}", fullmatch=True), st.from_regex(r"[0-9a-f]{40}", fullmatch=True)
    )
)
def test_refs_survive_the_wire(found: dict[str, str]) -> None:
    data = b"".join(pktline.packet(f"{oid} {name}") for name, oid in found.items()) + b"0000"
    assert pktline.refs(data) == {name: oid for name, oid in found.items() if is_ref(name)}
