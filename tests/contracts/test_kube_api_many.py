"""Many objects: a look at them says what a fresh look says, whatever happened in between, and asks less.

On the sandbox cluster and on a real kube-apiserver. A fresh look is one of a process that knows nothing, so it lists
every object with all that it holds.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from random import Random

import pytest

from reconciler.canonical import canonical_json
from reconciler.errors import Refused
from reconciler.kube import held, standing
from reconciler.kube.client import Request
from reconciler.kube.target import KubeTarget
from reconciler.kube.wire import METADATA_ONLY, metadata_of, page_of
from reconciler.ports import DesiredObjects
from tests.contracts.kube_targets import Body, Lab, definition, real_lab, sandbox_lab, until_served, widget
from tests.servers.apiserver import ADMIN_USER, ApiServer

LABS = {"sandbox": sandbox_lab, "real": real_lab}
COUNT = 20
PART_OF, RELEASE = "applyset.kubernetes.io/part-of", "opspilot.spec/release"


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def lab(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(standing, "MANY", COUNT // 2)  # a hundred objects would take time and show nothing more
    monkeypatch.setattr(standing, "FEW", 4)
    monkeypatch.setattr(held, "GOOD_SECONDS", 3600.0)  # a slow machine would read the parent again once a second
    with LABS[request.param](request) as found:
        yield found


class Story:
    """Two releases of many objects, to which random things happen."""

    def __init__(self, lab: Lab, seed: int) -> None:
        self.lab = lab
        self.random = Random(seed)
        self.releases = (f"{lab.release}-a", f"{lab.release}-b")
        self.wants = {(one, f"{one}-{n}"): 0 for one in self.releases for n in range(COUNT)}
        self.generation = 0

    def wanted(self) -> list[DesiredObjects]:
        def bodies(release: str) -> list[Body]:
            return [
                self.lab.config(name, version=str(value))
                for (owner, name), value in self.wants.items()
                if owner == release
            ]

        return [self.lab.desired(*bodies(one), release=one) for one in self.releases]

    def carry_out(self, kube: KubeTarget) -> None:
        """As a batch does; what is refused stays as it is."""
        self.generation += 1
        for wanted in self.wanted():
            kube.begin(wanted.release, wanted.namespace, self.generation, f"event-{self.generation}")
            seen = kube.observe([wanted])[wanted.release].objects
            for body in wanted.objects:
                item = seen[self.lab.ref(body)]
                if item.exists and item.live == item.result:
                    continue
                try:
                    kube.apply(wanted.release, body, generation=self.generation, expected_uid=item.uid)
                except Refused:
                    continue

    def happen(self) -> str:
        """Something to what is wanted, or to an object."""
        what = self.random.choice([*WISHES, *EDITS])
        release, name = self.random.choice(sorted(self.wants))
        if what in WISHES:
            self._wish(what, release, name)
        elif self.lab.outside.get(self.lab.path("configmaps", name)) is not None:
            self._edit(what, name)
        return what

    def _wish(self, what: str, release: str, name: str) -> None:
        if what == "all are changed":
            self.wants = {one: value + 1 for one, value in self.wants.items()}
        elif what == "it is as at first":
            self.wants[release, name] = 0
        elif what == "nothing is left to do":
            self.carry_out(self.random.choice([self.lab.kube, self.lab.connect()]))
        else:
            before = self.wants.pop((release, name))
            if what == "it is changed":
                self.wants[release, name] = before + 1
            elif what == "the other release wants it":
                self.wants[next(one for one in self.releases if one != release), name] = before

    def _edit(self, what: str, name: str) -> None:
        path = self.lab.path("configmaps", name)
        patch = EDITS[what]
        if patch is not None:
            self.lab.outside.edit(path, patch)
        else:
            self.lab.outside.delete(path)
            if what == "it is replaced":
                self.lab.outside.create(self.lab.path("configmaps"), self.lab.config(name, version="0"))


WISHES = (
    "nothing is left to do",
    "it is changed",
    "it is as at first",
    "it is not wanted any more",
    "the other release wants it",
    "all are changed",
)
EDITS: dict[str, Body | None] = {
    "somebody changes it": {"data": {"version": "1"}},
    "somebody changes it back": {"data": {"version": "0"}},
    "somebody adds to it": {"data": {"theirs": "1"}},
    "it loses our label": {"metadata": {"labels": {PART_OF: None}}},
    "somebody else's name is on it": {"metadata": {"labels": {RELEASE: "nobody"}}},
    "it is deleted": None,
    "it is replaced": None,
}


def told(kube: KubeTarget, wanted: list[DesiredObjects]) -> bytes:
    """Everything that a look says, in its order."""
    seen = kube.observe(wanted)
    return canonical_json(
        [
            [name, found.generation, [[str(ref), asdict(item)] for ref, item in found.objects.items()]]
            for name, found in seen.items()
        ]
    )


@pytest.mark.parametrize("seed", range(1))
def test_a_look_of_a_process_that_knows_much_says_what_a_fresh_one_says(lab: Lab, seed: int) -> None:
    story = Story(lab, seed)
    story.carry_out(lab.kube)
    happened = ["the beginning"]
    for _ in range(12):
        wanted = story.wanted()
        fresh = lab.connect()
        assert told(lab.kube, wanted) == told(fresh, wanted), happened[-3:]
        fresh.close()
        happened.append(story.happen())


def settled(lab: Lab) -> list[Body]:
    """Objects that stand as they are wanted, known to the lab's process."""
    bodies = [lab.config(f"settings-{n}", version="0") for n in range(COUNT)]
    lab.roll(*bodies)
    for _ in range(2):  # the first one finds them as wanted, the second asks the server's version too
        lab.kube.observe([lab.desired(*bodies)])
    lab.kube.client.requests.clear()
    return bodies


def changed(lab: Lab, count: int) -> list[Body]:
    return [lab.config(f"settings-{n}", version=str(int(n < count))) for n in range(COUNT)]


@pytest.mark.parametrize(
    ("count", "asked"),
    [
        (0, {"GET": 2}),  # the parents, and the metadata of all
        (3, {"GET": 2 + 3, "PATCH": 3}),  # each change is read and asked about
        (COUNT, {"GET": 2 + 1, "PATCH": COUNT}),  # a list of everything instead of so many reads
    ],
)
def test_a_look_at_many_asks_for_what_changed(lab: Lab, count: int, asked: dict[str, int]) -> None:
    settled(lab)
    lab.kube.observe([lab.desired(*changed(lab, count))])
    assert lab.kube.client.requests == Counter(asked)


def test_a_process_that_knows_nothing_lists_them_once(lab: Lab) -> None:
    bodies = settled(lab)
    fresh = lab.connect()
    fresh.observe([lab.desired(*bodies)])
    assert fresh.client.requests == Counter({"GET": 1 + 2 + 1})  # which kinds are served, the lists, the version


def test_what_is_not_wanted_any_more_is_seen_with_what_stands_in_it(lab: Lab) -> None:
    bodies = settled(lab)
    left = lab.kube.observe([lab.desired(*bodies[1:])])[lab.release].objects[lab.ref(bodies[0])]
    assert left.live == {"data": {"version": "0"}}


def test_g25_where_the_parent_was_removed_the_generation_comes_back_from_the_objects(lab: Lab) -> None:
    bodies = settled(lab)
    lab.outside.delete(f"/api/v1/namespaces/default/configmaps/reconciler.contract.{lab.release}")
    assert lab.kube.observe([lab.desired(*bodies)])[lab.release].generation == 1


def test_g25_what_a_look_saw_in_outline_is_read_and_written_at_that_version(lab: Lab) -> None:
    """A return writes what stands already once as it is (docs/decisions/0015)."""
    bodies = settled(lab)
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2")
    seen = lab.kube.observe([lab.desired(*bodies)])[lab.release].objects
    lab.kube.client.requests.clear()
    for body in bodies[:3]:
        lab.kube.apply(lab.release, body, generation=2, expected_uid=seen[lab.ref(body)].uid)
    assert lab.kube.client.requests == Counter({"GET": 1 + 3, "PATCH": 3})  # the parent once after the look


def test_g25_what_moved_after_it_was_seen_in_outline_is_written_after_the_parent_was_read_again(lab: Lab) -> None:
    bodies = settled(lab)
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2")
    seen = lab.kube.observe([lab.desired(*bodies)])[lab.release].objects
    lab.kube.apply(lab.release, bodies[0], generation=2, expected_uid=seen[lab.ref(bodies[0])].uid)
    lab.outside.edit(lab.path("configmaps", "settings-1"), {"data": {"theirs": "1"}})
    lab.connect().begin(lab.release, lab.namespace, 3, "event-3")
    with pytest.raises(Refused):
        lab.kube.apply(lab.release, bodies[1], generation=2, expected_uid=seen[lab.ref(bodies[1])].uid)


ON_A_REAL_SERVER = pytest.mark.parametrize("lab", [pytest.param("real", marks=pytest.mark.real)], indirect=True)


@ON_A_REAL_SERVER
def test_a_real_servers_audit_log_counts_the_same(lab: Lab, real_apiserver: ApiServer) -> None:
    settled(lab)
    before = len(real_apiserver.audit_lines(ADMIN_USER))
    lab.kube.observe([lab.desired(*changed(lab, 3))])
    for _ in range(2000):  # the server may write a record just after the answer
        asked = real_apiserver.audit_lines(ADMIN_USER)[before:]
        if len(asked) >= 8:
            break
    assert Counter(line["verb"] for line in asked) == Counter({"list": 2, "get": 3, "patch": 3})


@ON_A_REAL_SERVER
def test_g9_a_number_that_an_autoscaler_set_is_left_out_in_outline_too(lab: Lab) -> None:
    bodies = [lab.deployment(f"web-{n}") for n in range(COUNT)]
    lab.roll(*bodies)
    scale = lab.path("deployments", "web-0", "apps") + "/scale"
    lab.outside.edit(scale, {"spec": {"replicas": 3}}, "kube-controller-manager")
    asked: list[int] = []
    for _ in range(400):  # controllers write the status of each for a while
        lab.kube.client.requests.clear()
        seen = lab.see(*bodies)
        asked.append(sum(lab.kube.client.requests.values()))
        if asked[-1] == 2:  # so nothing but the lists told it
            break
    assert asked[-1] == 2
    fresh = lab.connect().observe([lab.desired(*bodies)])[lab.release].objects[seen.ref]
    assert seen.autoscaled
    assert replace(seen, resource_version="") == replace(fresh, resource_version="")


def test_metadata_in_protobuf_says_what_the_json_says(lab: Lab) -> None:
    strange = lab.config("strange", **{"a.b": "c"})
    strange["metadata"].update(labels={"app": "x"}, annotations={"note": "é\n" * 300})
    lab.roll(strange, lab.secret(token="x"), lab.deployment(), definition(lab))
    until_served(lab, definition(lab))
    lab.roll(widget(lab), release=f"{lab.release}-b")
    lab.outside.edit(lab.path("configmaps", "strange"), {"data": {"theirs": "1"}})
    for collection in (
        lab.path("configmaps"),
        lab.path("secrets"),
        lab.path("deployments", group="apps"),
        lab.path("widgets", group=f"{lab.namespace}.example.com"),
    ):
        binary, plain = at_rest(lab, collection)
        assert binary == plain
        assert plain


def at_rest(lab: Lab, collection: str) -> tuple[list[Body], list[Body]]:
    """The metadata of a collection's objects in both ways, at a moment when no controller was at work."""
    for _ in range(400):
        before = lab.outside.must_get(collection)["items"]
        answer = lab.kube.client.send(Request("GET", collection, "listing", accept=METADATA_ONLY))
        if lab.outside.must_get(collection)["items"] == before:
            return [metadata_of(item) for item in page_of(answer.data).items], [item["metadata"] for item in before]
    raise AssertionError("it keeps changing")
