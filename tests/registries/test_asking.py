"""What a tag stands for, asked of a registry over a real socket: what is sent, how often, and what is believed."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError, Refused, Unavailable
from reconciler.registries.asking import AT_ONCE, HttpRegistries
from reconciler.registries.line import LARGEST_MANIFEST, LARGEST_TOKEN, MANIFESTS
from reconciler.registries.source import RegistrySource
from reconciler.secret import Secret
from reconciler.specs.image_reference import ImageReference
from tests.registries.far import PASSWORD, USER, Asked, FarRegistry, Odd, Said, always

HOST = "registry.example.com"
APP = ImageReference(HOST, "shop/app", "v1")
OTHER = "sha256:" + "0" * 64


def source(far: FarRegistry, *, known: bool = True, **more: object) -> RegistrySource:
    as_whom = {"username": USER, "password_variable": "UNUSED"} if known else {}
    return RegistrySource(HOST, far.url, **as_whom, **more)  # type: ignore[arg-type]


def registries(far: FarRegistry, *, known: bool = True, longest: float = 20.0, **more: object) -> HttpRegistries:
    return HttpRegistries({HOST: source(far, known=known, **more)}, lambda _: Secret(PASSWORD), longest)


def said(far: FarRegistry, **more: object) -> str | ReconcilerError:
    return registries(far, **more).digests([APP])[APP]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wants", "first", "later"),
    [("", 1, 1), ("basic", 2, 1), ("bearer", 3, 2)],
)
def test_one_request_for_an_image_and_what_it_wants_to_see_is_learned_once(
    far: FarRegistry, wants: str, first: int, later: int
) -> None:
    far.wants = wants
    digest = far.push("shop/app", "v1")
    asked = registries(far)
    assert asked.digests([APP, APP]) == {APP: digest}
    assert len(far.asked) == first
    assert asked.digests([APP]) == {APP: digest}
    assert len(far.asked) == first + later
    assert {one.method for one in far.asked if "/manifests/" in one.path} == {"HEAD"}


def test_many_images_are_asked_once_each_and_a_few_at_a_time(far: FarRegistry) -> None:
    far.wants = "bearer"
    wanted = {ImageReference(HOST, f"shop/{name}", "v1"): far.push(f"shop/{name}", "v1", name) for name in "abcdefgh"}
    now, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(AT_ONCE)

    def watched(asked: Asked, right: Said) -> Said:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        if "/manifests/" in asked.path and not asked.path.startswith("/v2/shop/a") and asked.authorization:
            together.wait(10)  # the seven others, and one more of the first, would never be four at once
        with lock:
            now -= 1
        return right

    far.odd = watched
    wanted[ImageReference(HOST, "shop/i", "v1")] = far.push("shop/i", "v1", "i")  # eight beside the first
    assert registries(far).digests(wanted) == wanted
    assert most <= AT_ONCE
    assert len(far.manifests()) == len(wanted) + 1  # and the one by which it was learned that tokens are wanted
    assert sum(one.path.startswith("/token") for one in far.asked) == len(wanted)


def test_a_host_that_is_not_listed_is_never_contacted(far: FarRegistry) -> None:
    there = ImageReference(far.url.removeprefix("http://"), "shop/app", "v1")
    asked = registries(far)
    assert asked.digests([there]) == {}
    assert far.asked == []
    assert asked.hosts() == {HOST}


def nothing_in_head(asked: Asked, right: Said) -> Said:
    silent = asked.method == "HEAD" and right.code == 200
    return replace(right, headers={"Content-Type": MANIFESTS[0]}) if silent else right


def no_head(asked: Asked, right: Said) -> Said:
    return Said(405) if asked.method == "HEAD" else right


def never_a_digest(_: Asked, right: Said) -> Said:
    return replace(right, headers={"Content-Type": MANIFESTS[0]})


def no_form(asked: Asked, right: Said) -> Said:
    wrong = {"Content-Type": MANIFESTS[0], "Docker-Content-Digest": "sha256:short"}
    return replace(right, headers=wrong) if asked.method == "HEAD" else right


@pytest.mark.parametrize("odd", [nothing_in_head, no_head, never_a_digest, no_form])
def test_where_head_says_no_digest_it_is_computed_of_the_manifest(far: FarRegistry, odd: Odd) -> None:
    digest = far.push("shop/app", "v1")
    far.odd = odd
    assert said(far) == digest
    assert [method for method, _ in far.manifests()] == ["HEAD", "GET"]


def lies(asked: Asked, right: Said) -> Said:
    wrong = {"Content-Type": MANIFESTS[0], "Docker-Content-Digest": OTHER}
    return Said(405) if asked.method == "HEAD" else replace(right, headers=wrong)


def garbled(asked: Asked, right: Said) -> Said:
    return replace(no_form(asked, right), headers={"Content-Type": MANIFESTS[0], "Docker-Content-Digest": "md5:x"})


def old_schema(_: Asked, right: Said) -> Said:
    return replace(
        right, headers={**right.headers, "Content-Type": "application/vnd.docker.distribution.manifest.v1+json"}
    )


def a_page(_: Asked, right: Said) -> Said:
    return Said(200, {"Content-Type": "text/html"}, b"<html>welcome</html>")


def elsewhere(asked: Asked, right: Said) -> Said:
    return Said(307, {"Location": "/v2/shop/app/manifests/v2"})


def huge(asked: Asked, right: Said) -> Said:
    return Said(405) if asked.method == "HEAD" else replace(right, body=b" " * (LARGEST_MANIFEST + 1))


def dropped(asked: Asked, right: Said) -> None:
    return None


@pytest.mark.parametrize(
    ("odd", "key", "words"),
    [
        pytest.param(lies, "artifact_checksum_mismatch", "not what its digest says", id="another digest"),
        pytest.param(garbled, "artifact_checksum_mismatch", "its digest is none", id="no digest"),
        pytest.param(old_schema, "endpoint_invalid", "no manifest of an image", id="schema 1"),
        pytest.param(a_page, "endpoint_invalid", "no manifest of an image", id="a page"),
        pytest.param(elsewhere, "endpoint_invalid", "redirects are not followed", id="a redirect"),
        pytest.param(huge, "endpoint_invalid", "an answer of more than", id="huge"),
        pytest.param(dropped, "internal_error", "RemoteProtocolError", id="dropped"),
        pytest.param(always(404), "artifact_missing", "HTTP 404: it has no such image", id="404"),
        pytest.param(always(403), "permission_denied", "HTTP 403", id="403"),
        pytest.param(always(401), "permission_denied", "HTTP 401", id="401"),
        pytest.param(always(429), "rate_limited", "HTTP 429", id="429"),
        pytest.param(always(500), "internal_error", "HTTP 500", id="500"),
        pytest.param(always(503), "internal_error", "HTTP 503", id="503"),
        pytest.param(always(418), "endpoint_invalid", "HTTP 418", id="418"),
    ],
)
def test_whatever_else_it_says_is_told_with_a_key_and_believed_by_nobody(
    far: FarRegistry, odd: Odd, key: str, words: str
) -> None:
    far.push("shop/app", "v1")
    far.odd = odd
    found = said(far)
    assert isinstance(found, ReconcilerError)
    assert found.key == key
    assert words in found.message
    assert found.message.startswith(f"asking registry {HOST} for shop/app:v1: ")
    assert PASSWORD not in found.message + found.hint()


def test_an_image_that_is_not_there_takes_no_other_with_it_and_a_registry_that_is_away_is_asked_once(
    far: FarRegistry,
) -> None:
    wanted = [ImageReference(HOST, f"shop/{name}", "v1") for name in "abc"]
    digest = far.push("shop/b", "v1")
    found = registries(far).digests(wanted)
    assert [found[one] if isinstance(found[one], str) else found[one].key for one in wanted] == [  # type: ignore[union-attr]
        "artifact_missing", digest, "artifact_missing",
    ]  # fmt: skip
    far.asked.clear()
    far.odd = always(503)
    found = registries(far).digests(wanted)
    assert all(isinstance(found[one], Unavailable) for one in wanted)
    assert len(far.asked) == 1


@pytest.mark.parametrize("wants", ["basic", "bearer"])
def test_without_a_credential_it_is_said_that_one_is_wanted(far: FarRegistry, wants: str) -> None:
    far.wants = wants
    far.push("shop/app", "v1")
    found = said(far, known=False)
    if wants == "bearer":
        assert isinstance(found, str)  # a token that is for everybody
        assert {one.authorization for one in far.asked if one.path.startswith("/token")} == {""}
    else:
        assert isinstance(found, ReconcilerError)
        assert (found.key, len(far.asked)) == ("permission_denied", 1)
        assert "without a credential" in found.message


def test_a_wrong_password_is_refused_and_tried_once(far: FarRegistry) -> None:
    far.wants = "basic"
    wrong = HttpRegistries({HOST: source(far)}, lambda _: Secret("wrong"))
    found = wrong.digests([APP])[APP]
    assert isinstance(found, ReconcilerError)
    assert found.key == "permission_denied"
    assert len(far.asked) == 2
    again = wrong.digests([APP])[APP]
    assert isinstance(again, ReconcilerError)
    assert len(far.asked) == 3


@pytest.fixture
def other() -> Iterator[FarRegistry]:
    registry = FarRegistry().start()
    yield registry
    registry.stop()


def test_no_token_is_fetched_where_the_settings_do_not_say_so(far: FarRegistry, other: FarRegistry) -> None:
    far.wants, far.realm = "bearer", f"{other.url}/token"
    digest = far.push("shop/app", "v1")
    found = said(far)
    assert isinstance(found, Refused)
    assert found.key == "endpoint_invalid"
    assert other.asked == []
    assert said(far, realms=(other.url,)) == digest
    assert [one.path.partition("?")[0] for one in other.asked] == ["/token"]
    listed = {HOST: source(far), "auth.example.com": RegistrySource("auth.example.com", other.url)}
    assert HttpRegistries(listed, lambda _: Secret(PASSWORD)).digests([APP]) == {APP: digest}


@pytest.mark.parametrize(
    "realm",
    [
        "http://10.0.0.11/token",
        "ftp://127.0.0.1/token",
        "//127.0.0.1",
        "https://",
        "http://u:p@127.0.0.1/t",
        "x" * 9000,
    ],
)
def test_a_realm_that_is_no_place_is_refused(far: FarRegistry, realm: str) -> None:
    far.wants, far.realm = "bearer", realm
    far.push("shop/app", "v1")
    found = said(far)
    assert isinstance(found, ReconcilerError)
    assert len(far.asked) == 1


@pytest.mark.parametrize(
    ("body", "key"),
    [(b"{", "endpoint_invalid"), (b"[]", "endpoint_invalid"), (b'{"token": "a b"}', "endpoint_invalid"),
     (b'{"token": 7}', "endpoint_invalid"), (b" " * (LARGEST_TOKEN + 1), "endpoint_invalid")],
)  # fmt: skip
def test_a_token_that_is_none_is_sent_nowhere(far: FarRegistry, body: bytes, key: str) -> None:
    far.wants = "bearer"
    far.push("shop/app", "v1")
    far.odd = lambda asked, right: Said(200, {}, body) if asked.path.startswith("/token") else right
    found = said(far)
    assert isinstance(found, ReconcilerError)
    assert found.key == key
    assert len(far.manifests()) == 1


def test_a_token_that_ended_is_fetched_again_once(far: FarRegistry) -> None:
    far.wants = "bearer"
    digest = far.push("shop/app", "v1")
    ended: list[Asked] = []

    def ends(asked: Asked, right: Said) -> Said:
        if asked.method == "GET" and "/manifests/" in asked.path and asked.authorization and not ended:
            ended.append(asked)
            return FarRegistry._refused(far, Asked("GET", asked.path, ""), "repository:shop/app:pull") or right
        return nothing_in_head(asked, right)

    far.odd = ends
    assert said(far) == digest
    assert sum(one.path.startswith("/token") for one in far.asked) == 2


def test_nobody_there_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        found = HttpRegistries({HOST: RegistrySource(HOST, url)}, lambda _: Secret("")).digests([APP])[APP]
    assert isinstance(found, Unavailable)
    assert "ConnectError" in found.message


def test_who_never_ends_an_answer_holds_nobody_up(far: FarRegistry) -> None:
    release = threading.Event()

    def waits(asked: Asked, right: Said) -> Said:
        release.wait(10)
        return right

    far.odd = waits
    far.push("shop/app", "v1")
    found = said(far, longest=0.2)
    release.set()
    assert isinstance(found, Unavailable)
    assert "not all was answered in time" in found.message


def test_a_ca_file_that_is_none_and_a_password_that_is_not_there_are_told(far: FarRegistry, tmp_path: Path) -> None:
    found = said(far, ca_file=tmp_path / "none.pem")
    assert isinstance(found, Refused)
    assert found.key == "certificate_invalid"

    def gone(_: RegistrySource) -> Secret:
        raise Refused("it is not set", key="permission_denied")

    refused = HttpRegistries({HOST: source(far)}, gone).digests([APP])[APP]
    assert isinstance(refused, Refused)
    assert far.asked == []


def test_what_is_asked_for_is_every_kind_of_manifest(far: FarRegistry) -> None:
    for kind in MANIFESTS:
        digest = far.push("shop/app", "v1", kind=kind)
        assert said(far) == digest


def test_doctor_asks_whether_it_takes_us(far: FarRegistry) -> None:
    far.wants = "basic"
    registries(far).check(HOST)
    with pytest.raises(ReconcilerError, match="HTTP 401"):
        registries(far, known=False).check(HOST)
