"""When the outline of an object is enough for a look, and when what it holds is read."""

from dataclasses import replace

import pytest

from reconciler.kube.discovery import ApiResource
from reconciler.kube.known import Known, Version
from reconciler.kube.marks import Marks
from reconciler.kube.outline import MOST, Outline, Outlines
from reconciler.kube.standing import is_enough
from reconciler.kube.wanted import Wanted, wanted
from reconciler.kube.wire import page_of
from reconciler.sandbox.cluster_wire import metadata_list

RESOURCE = ApiResource("apps", "v1", "Deployment", "deployments", namespaced=True)
VERSION = Version("1", "7", "10:00")
SEEN = Outline(
    ("apps", "Deployment", "web", "a"),
    VERSION,
    "svc",
    ours=True,
    event="",
    generation=1,
    autoscaled=False,
    deleting=False,
)


def found(*, release: str = "svc", replicas: int = 1) -> Wanted:
    metadata = {"name": "a", "namespace": "web"}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": replicas}}
    return wanted(release, body, lambda *_: RESOURCE)


@pytest.fixture
def known() -> Known:
    remembered = Known()
    remembered.remember(found(), VERSION)
    return remembered


def test_what_is_known_at_its_version_needs_no_more(known: Known) -> None:
    assert is_enough(SEEN, [found()], known)


def test_of_what_somebody_else_holds_nothing_more_is_read(known: Known) -> None:
    assert is_enough(replace(SEEN, owner="ApplySet x", ours=False), [found(replicas=2)], known)


@pytest.mark.parametrize(
    "seen",
    [
        replace(SEEN, version=VERSION._replace(uid="2")),
        replace(SEEN, version=VERSION._replace(resource_version="8")),
        replace(SEEN, version=VERSION._replace(times="10:01")),
        replace(SEEN, owner="other"),  # a server that was restored from a backup may say anything at a version
        replace(SEEN, owner="", ours=False),
        replace(SEEN, deleting=True),
        replace(SEEN, autoscaled=True),
    ],
    ids=lambda seen: str(seen),
)
def test_what_is_otherwise_than_it_was_found_is_read(known: Known, seen: Outline) -> None:
    assert not is_enough(seen, [found()], known)


@pytest.mark.parametrize(
    "wants", [[], [found(replicas=2)], [found(release="other")], [found(), found(release="other")]]
)
def test_what_is_wanted_otherwise_or_not_at_all_is_read(known: Known, wants: list[Wanted]) -> None:
    assert not is_enough(SEEN, wants, known)


def items(*names: str, version: str = "1") -> list[bytes]:
    bodies = [{"metadata": {"name": name, "uid": "1", "resourceVersion": version}} for name in names]
    return page_of(metadata_list(bodies, "9", "")).items


def test_other_bytes_are_another_outline() -> None:
    outlines = Outlines(Marks("default", "default"))
    [before] = outlines.read("x", "", "ConfigMap", items("a"))
    [same] = outlines.read("x", "", "ConfigMap", items("a"))
    [after] = outlines.read("x", "", "ConfigMap", items("a", version="2"))
    assert same is before
    assert (before.version.resource_version, after.version.resource_version) == ("1", "2")


def test_no_more_outlines_are_kept_than_those_of_the_last_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.kube.outline.MOST", 3)
    outlines = Outlines(Marks("default", "default"))
    for number in range(5):
        outlines.read("x", "", "ConfigMap", items("a", "b", version=str(number + 1)))
        assert outlines.kept == 2
    outlines.read("y", "", "ConfigMap", items("c", "d"))
    assert outlines.kept == 2
    assert len(outlines.read("z", "", "ConfigMap", items("a", "b", "c", "d"))) == 4
    assert outlines.kept == 0
    assert MOST > 1000
