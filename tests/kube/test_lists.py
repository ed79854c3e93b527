"""LIST of a server that has no measure: pages without end, pages that are large together (T21)."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import Unavailable
from reconciler.kube import client as client_module
from reconciler.kube import lists
from reconciler.kube.client import Client
from reconciler.kube.connection import connection
from reconciler.kube.discovery import Discovery
from reconciler.kube.lists import list_all, list_metadata
from reconciler.kube.marks import Marks
from reconciler.kube.observe import Observer
from reconciler.kube.parent import Parents
from reconciler.ports import DesiredObjects
from reconciler.secret import Secret
from tests.kube.servers import Play, Scripted, answer, playing

PADDING = "x" * 1000


def page(*names: str, more: bool = False, kind: str = "ConfigMap") -> Play:
    """One page, of a thousand bytes an item."""
    items = [{"metadata": {"name": name}, "data": {"padding": PADDING}} for name in names]
    token = {"continue": "next"} if more else {}
    return answer(200, json.dumps({"kind": f"{kind}List", "apiVersion": "v1", "metadata": token, "items": items}))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_LOOK_BYTES", 10_000)


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[Scripted]:
    with playing(tmp_path, page("a", "b", more=True)) as server:
        yield server


def client_of(server: Scripted) -> Client:
    return Client(connection(server.endpoint, server.ca_pem, token=Secret("token")))


@pytest.mark.usefixtures("small")
def test_t21_pages_that_are_large_together_end_the_list(endless: Scripted) -> None:
    client = client_of(endless)
    with pytest.raises(Unavailable, match=r"listing x.*larger than 10000 bytes") as refused:
        list_all(client, "/x", {}, "listing x")
    client.close()
    assert refused.value.key == "cluster_connect_failed"
    assert len(endless.script.heard) == 5  # of two thousand bytes and some more


def test_t21_pages_without_end_end_the_list(endless: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_PAGES", 3)
    client = client_of(endless)
    with pytest.raises(Unavailable, match="more than 1500 objects"):
        list_all(client, "/x", {}, "listing x")
    client.close()
    assert len(endless.script.heard) == 3


@pytest.mark.usefixtures("small")
def test_what_is_too_large_for_one_answer_is_asked_in_pages_and_the_first_try_takes_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 5_000)
    monkeypatch.setattr(client_module, "CHUNK_BYTES", 1_000)
    names = ("a", "b", "c", "d", "e", "f")
    with playing(tmp_path, page(*names), page(*names[:4], more=True), page(*names[4:])) as server:
        client = client_of(server)
        found = list_all(client, "/x", {}, "listing x", whole=True)
        client.close()
    assert [item["metadata"]["name"] for item in found] == list(names)
    assert ["limit=" in line for line in server.script.heard] == [False, True, True]


@pytest.mark.usefixtures("small")
def test_a_list_of_metadata_that_is_too_large_or_no_such_list_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 5_000)
    large, refused = page("a", "b", "c", "d", "e", "f"), answer(406, "{}")
    with playing(tmp_path, large, page("a"), refused) as server:
        client = client_of(server)
        assert [list_metadata(client, "/x", {}, "listing x") for _ in range(3)] == [None] * 3
        client.close()


@pytest.mark.usefixtures("small")
def test_each_list_has_the_whole_measure_and_a_look_has_it_once(tmp_path: Path) -> None:
    with playing(tmp_path, page("a", "b", "c", "d", "e", "f")) as server:
        client = client_of(server)
        for _ in range(3):
            assert len(list_all(client, "/x", {}, "listing x")) == 6
        one_look = client.metered()
        list_all(one_look, "/x", {}, "listing x")
        with pytest.raises(Unavailable, match="one look's answers are larger than 10000 bytes"):
            one_look.find("/x/a", "reading a")
        one_look.drop(10_000)
        one_look.find("/x/a", "reading a")
        client.close()


@pytest.mark.usefixtures("small")
def test_t21_a_look_ends_where_its_answers_are_large_together_and_is_never_taken_for_a_whole_one(
    tmp_path: Path,
) -> None:
    """The parents in six thousand bytes, the object in as many: each is small enough by itself."""
    parents = {"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {}, "items": [], "padding": PADDING * 6}
    kinds = {"resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": True}]}
    found = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "padding": PADDING * 6}
    plays = (answer(200, json.dumps(body)) for body in (parents, kinds, found))
    with playing(tmp_path, *plays) as server:
        client = client_of(server)
        owner = Marks("default", "default")
        observer = Observer(client, Discovery(client), owner, Parents(client, owner))
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
        with pytest.raises(Unavailable, match=r"reading .*one look's answers are larger than 10000 bytes"):
            observer.observe([DesiredObjects("svc", "a", (body,))])
        client.close()
    assert len(server.script.heard) == 3
