"""Reading untrusted kubeconfigs (threat T19): nothing in them runs, opens or connects, and the refused key is named."""

import copy
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Rejected
from reconciler.kube.kubeconfig import parse_kubeconfig
from tests.kube.kubeconfigs import CA, CANARY, MALFORMED, TRICKS, disguised, good, hostile

TOUCHING = ("open", "socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system", "os.spawn", "pty.")

_watched: set[int] = set()  # threads that must touch nothing now
_touched: list[str] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if threading.get_ident() in _watched and event.startswith(TOUCHING):
        _touched.append(f"{event} {arguments!r}")


sys.addaudithook(_watch)


@contextmanager
def touching_nothing() -> Iterator[None]:
    parse_kubeconfig(json.dumps(good()))  # what is imported or read lazily is so now
    with pytest.raises(Rejected):
        parse_kubeconfig("")
    _touched.clear()
    _watched.add(threading.get_ident())
    try:
        yield
    finally:
        _watched.discard(threading.get_ident())
    assert _touched == []


def test_the_watch_sees_an_opened_file() -> None:
    with pytest.raises(AssertionError), touching_nothing(), open("/dev/null", "rb"):
        pass


def test_a_plain_kubeconfig_becomes_a_connection() -> None:
    with touching_nothing():
        found = parse_kubeconfig(json.dumps(good()))
    assert (found.endpoint, found.ca_pem, found.certificate) == ("https://10.0.0.1:6443", CA, None)
    assert found.token is not None
    assert found.token.reveal() == CANARY


def test_block_style_is_read_like_flow_style() -> None:
    assert parse_kubeconfig(yaml.safe_dump(good())) == parse_kubeconfig(json.dumps(good()))


def test_a_connection_shows_no_secret() -> None:
    assert CANARY not in repr(parse_kubeconfig(json.dumps(good())))


HOSTILE = list(hostile())
DISGUISED = list(disguised())


def test_t19_there_are_enough_hostile_files() -> None:
    assert len(HOSTILE) + len(DISGUISED) + len(MALFORMED) >= 240


@pytest.mark.parametrize(("key", "text"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_t19_a_dangerous_key_anywhere_refuses_the_whole_text(key: str, text: str) -> None:
    with touching_nothing(), pytest.raises(Rejected) as refused:
        parse_kubeconfig(text)
    assert refused.value.key == "kubeconfig_invalid"
    assert key in refused.value.message
    assert CANARY not in refused.value.message


@pytest.mark.parametrize("text", [case[1] for case in DISGUISED], ids=[case[0] for case in DISGUISED])
def test_t19_a_disguised_key_refuses_the_whole_text(text: str) -> None:
    with touching_nothing(), pytest.raises(Rejected) as refused:
        parse_kubeconfig(text)
    assert refused.value.key == "kubeconfig_invalid"
    assert CANARY not in refused.value.message


@pytest.mark.parametrize("text", TRICKS.values(), ids=TRICKS.keys())
def test_t19_one_trick_in_an_otherwise_good_text_refuses_it(text: str) -> None:
    with touching_nothing(), pytest.raises(Rejected) as refused:
        parse_kubeconfig(text)
    assert refused.value.key == "kubeconfig_invalid"
    assert CANARY not in refused.value.message


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_text_is_refused(text: str) -> None:
    with touching_nothing(), pytest.raises(Rejected) as refused:
        parse_kubeconfig(text)
    assert refused.value.key == "kubeconfig_invalid"


@given(st.text(alphabet=st.sampled_from("{}[]:,&*!-?|>'\"%#@ \n\tab1~<.")))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(Rejected):
        parse_kubeconfig(text)


@pytest.mark.parametrize(
    ("server", "key"),
    [
        ("http://10.0.0.1:6443", "endpoint_invalid"),
        ("https://user:hunter2@10.0.0.1", "endpoint_invalid"),
        ("https://10.0.0.1:99999", "endpoint_invalid"),
        ("https://10.0.0.1/?a=b", "endpoint_invalid"),
        ("https://10.0.0.1/a/../b", "endpoint_invalid"),
        ("https://10.0.0.1/%2e%2e", "endpoint_invalid"),
        ("https://", "endpoint_invalid"),
        ("https://10.0.0.1\r\nX: y", "endpoint_invalid"),
        ("https://ex ample", "endpoint_invalid"),
        ("file:///etc/passwd", "endpoint_invalid"),
        ("", "kubeconfig_invalid"),
    ],
)
def test_only_a_plain_https_endpoint_is_accepted(server: str, key: str) -> None:
    root = good()
    root["clusters"][0]["cluster"]["server"] = server
    with pytest.raises(Rejected) as refused:
        parse_kubeconfig(json.dumps(root))
    assert refused.value.key == key
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize("token", ["a b", "a\nb", "a\r\nX-Evil: 1", "é", "", "a" * 20_000])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    root = good()
    root["users"][0]["user"]["token"] = token
    with pytest.raises(Rejected):
        parse_kubeconfig(json.dumps(root))


def _without(path: str) -> dict[str, Any]:
    root = copy.deepcopy(good())
    place: Any = root
    *parents, last = path.split("/")
    for part in parents:
        place = place[int(part)] if part.isdigit() else place[part]
    del place[last]
    return root


@pytest.mark.parametrize(
    "path",
    [
        "apiVersion",
        "kind",
        "clusters",
        "users",
        "contexts",
        "clusters/0/cluster/server",
        "clusters/0/cluster/certificate-authority-data",
        "contexts/0/context/user",
        "users/0/name",
        "users/0/user/token",
    ],
)
def test_what_is_needed_must_be_there(path: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse_kubeconfig(json.dumps(_without(path)))
    assert refused.value.key == "kubeconfig_invalid"


def test_the_only_context_needs_no_name() -> None:
    assert parse_kubeconfig(json.dumps(_without("current-context"))).endpoint == "https://10.0.0.1:6443"


def test_one_of_several_contexts_must_be_named() -> None:
    root = good()
    root["contexts"].append({"name": "there", "context": {"cluster": "one", "user": "me"}})
    parse_kubeconfig(json.dumps(root))
    del root["current-context"]
    with pytest.raises(Rejected):
        parse_kubeconfig(json.dumps(root))


def test_two_identities_are_refused() -> None:
    root = good()
    root["users"][0]["user"]["client-certificate-data"] = "eA=="
    root["users"][0]["user"]["client-key-data"] = "eA=="
    with pytest.raises(Rejected):
        parse_kubeconfig(json.dumps(root))


def test_flat_notes_of_other_tools_are_ignored() -> None:
    root = good()
    root["clusters"][0]["cluster"]["extensions"] = [{"name": "x", "extension": {"provider": "minikube.example"}}]
    parse_kubeconfig(json.dumps(root))
