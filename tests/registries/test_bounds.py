"""Where asking registries ends: what is asked, of whom, and how long; several of them are asked side by side."""

import socket
import threading
from dataclasses import replace

import pytest

from reconciler.errors import Unavailable
from reconciler.registries import line
from reconciler.registries.asking import HttpRegistries
from reconciler.registries.source import RegistrySource
from reconciler.secret import Secret
from tests.registries.far import Asked, FarRegistry, Said
from tests.registries.test_asking import APP, HOST, other, said

__all__ = ["other"]


def test_no_proxy_of_the_process_is_asked(
    far: FarRegistry, other: FarRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    digest = far.push("shop/app", "v1")
    assert said(far) == digest
    assert other.asked == []


def test_what_a_realm_asks_for_is_asked_and_its_fragment_is_not(far: FarRegistry) -> None:
    far.wants, far.realm = "bearer", f"{far.url}/token?tenant=one#part"
    digest = far.push("shop/app", "v1")
    assert said(far) == digest
    (asked,) = [one.path for one in far.asked if one.path.startswith("/token")]
    assert asked.startswith("/token?tenant=one&service=far&scope=")


def test_a_token_in_a_document_too_deep_to_read_is_none(far: FarRegistry) -> None:
    far.wants = "bearer"
    far.push("shop/app", "v1")
    deep = b"[" * 60_000
    far.odd = lambda asked, right: Said(200, {}, deep) if asked.path.startswith("/token") else right
    found = said(far)
    assert not isinstance(found, str)
    assert found.key == "endpoint_invalid"


def test_an_answer_that_drips_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "OVERALL", 0.2)
    gone = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drips() -> None:
            there, _ = server.accept()
            with there:
                there.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n")
                for _ in range(400):
                    if gone.wait(0.05):
                        return
                    try:
                        there.sendall(b" ")
                    except OSError:
                        return

        thread = threading.Thread(target=drips)
        thread.start()
        source = RegistrySource(HOST, f"http://127.0.0.1:{server.getsockname()[1]}")
        try:
            with pytest.raises(Unavailable, match="no end of the answer"):
                HttpRegistries({HOST: source}, lambda _: Secret("")).check(HOST)
        finally:
            gone.set()
            thread.join()


def test_headers_that_drip_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As doctor asks, which has no other bound."""
    monkeypatch.setattr(line, "OVERALL", 0.2)
    gone = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drips() -> None:
            there, _ = server.accept()
            with there:
                there.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n")
                for _ in range(400):
                    if gone.wait(0.05):
                        return
                    try:
                        there.sendall(b"X: y\r\n")
                    except OSError:
                        return
                there.sendall(b"\r\n")

        thread = threading.Thread(target=drips)
        thread.start()
        source = RegistrySource(HOST, f"http://127.0.0.1:{server.getsockname()[1]}")
        try:
            with pytest.raises(Unavailable, match="no end of the answer"):
                HttpRegistries({HOST: source}, lambda _: Secret("")).check(HOST)
        finally:
            gone.set()
            thread.join()


def test_registries_are_asked_side_by_side_within_one_bound(far: FarRegistry, other: FarRegistry) -> None:
    there = "other.example.invalid"
    both = threading.Barrier(2)
    wanted = {APP: far.push("shop/app", "v1")}
    wanted[replace(APP, host=there)] = other.push("shop/app", "v1")

    def met(_asked: Asked, right: Said) -> Said | None:
        try:
            both.wait(5)
        except threading.BrokenBarrierError:
            return None  # nobody else was asked meanwhile
        return right

    far.odd = other.odd = met
    sources = {HOST: RegistrySource(HOST, far.url), there: RegistrySource(there, other.url)}
    assert HttpRegistries(sources, lambda _: Secret("")).digests(list(wanted)) == wanted
