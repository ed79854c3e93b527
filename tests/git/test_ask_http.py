"""The connection of a poller: who is trusted, what is followed, what is tried again."""

import socket
from pathlib import Path

import pytest

from reconciler.errors import Rejected, Unavailable, Untrusted
from reconciler.git import ask_http
from reconciler.git.ask_http import Line
from reconciler.git.poll import Poller
from reconciler.git.remote import Remote, Token
from tests.kube.servers import Scripted, answer, cut, playing

from .world import Reply, Request, World, always, http_backend, serving

GIT = {"Content-Type": "application/x-git-upload-pack-result"}
EMPTY = "0000"


def line(server: Scripted, folder: Path, *, trusts: bool = True, token: Token | None = None) -> Line:
    authority = folder / "ca.pem"
    authority.write_text(server.ca_pem)
    return Line(Remote(f"{server.endpoint}/r.git", token=token, ca_file=authority if trusts else None))


def test_a_server_of_the_configured_authority_is_asked_and_no_other(tmp_path: Path) -> None:
    with playing(tmp_path, answer(200, EMPTY, GIT)) as server:
        trusting = line(server, tmp_path)
        assert trusting.ask(b"0000") == b"0000"
        trusting.close()
        asked = len(server.script.heard)
        with pytest.raises(Untrusted) as caught:
            line(server, tmp_path, trusts=False, token=Token("hidden-one")).ask(b"0000")
        assert caught.value.key == "certificate_invalid"
        assert len(server.script.heard) == asked


def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    with playing(tmp_path, answer(200, EMPTY, GIT), host="127.0.0.2") as server, pytest.raises(Untrusted):
        line(server, tmp_path).ask(b"0000")
    assert not server.script.heard


def test_a_redirect_is_told_and_not_followed(tmp_path: Path) -> None:
    with playing(tmp_path, answer(302, "", {"Location": "/elsewhere", **GIT}), answer(200, EMPTY, GIT)) as server:
        with pytest.raises(Rejected, match="redirects are not followed"):
            line(server, tmp_path, token=Token("hidden-one")).ask(b"0000")
        assert len(server.script.heard) == 1


def test_a_request_that_is_cut_off_is_not_sent_again_and_the_next_one_is(tmp_path: Path) -> None:
    with playing(tmp_path, cut, answer(200, EMPTY, GIT)) as server:
        asked = line(server, tmp_path)
        with pytest.raises(Unavailable):
            asked.ask(b"0000")
        assert len(server.script.heard) == 1
        assert asked.ask(b"0000") == b"0000"


def test_an_answer_that_ends_early_is_no_answer(tmp_path: Path) -> None:
    short = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-result\r\nContent-Length: 40\r\n\r\n0000"

    def early(connection: socket.socket) -> None:
        connection.sendall(short)
        raise ConnectionAbortedError

    with playing(tmp_path, early) as server, pytest.raises(Unavailable):
        line(server, tmp_path).ask(b"0000")


def test_an_answer_without_end_is_cut_off_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask_http, "OVERALL", -1.0)
    with playing(tmp_path, answer(200, EMPTY, GIT)) as server, pytest.raises(Unavailable, match="no end"):
        line(server, tmp_path).ask(b"0000")


def test_no_proxy_of_the_environment_gets_the_token(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(always(200, {}, b"")) as proxy, serving(http_backend(world.folder)) as requests:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        poller = Poller(Remote(f"{requests.url}/remote.git", token=Token("hidden-one")), world.transport)
        assert poller.poll()
        poller.close()
        assert (len(proxy.seen), len(requests.seen)) == (0, 1)


def test_a_connection_is_kept_between_polls_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    ports: list[int] = []

    def heard(request: Request) -> Reply:
        ports.append(request.client)
        return 200, GIT, b"0000"

    with serving(heard) as requests:
        asked = Line(Remote(f"{requests.url}/r.git"))
        asked.ask(b"0000")
        asked.ask(b"0000")
        monkeypatch.setattr(ask_http, "KEPT", -1.0)
        asked.ask(b"0000")
        asked.close()
    assert ports[0] == ports[1] != ports[2]
