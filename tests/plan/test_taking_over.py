"""A side that takes over from another one is the side that it would be alone, and costs only what changed."""

import gc
import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from reconciler.names import BlobId, UnitKind, UnitRef
from reconciler.plan.make import Side
from reconciler.plan.units import Cutter
from reconciler.specs.cache import MemoryCache
from reconciler.specs.load import Loaded, load
from reconciler.specs.reader import Reader
from reconciler.specs.resolve import resolve
from tests.plan.world import FIRST, KEY, cluster, config, environment, release, spec
from tests.specs.repository import Repository

DEPLOYMENT = FIRST["apps/web/deployment.yaml"].replace("value: info", 'value: "${level}"')
SERVICE = spec("Service", "shop", "{project: default, runtimeType: k8s}")
START: Mapping[str, str] = {
    "env.yaml": environment("dev", more=", variables: {level: info}"),
    "other.yaml": environment("test", more=", variables: {level: warn}"),
    "cluster.yaml": cluster("one", "dev"),
    "cluster-two.yaml": cluster("two", "test", "https://10.0.0.2:6443"),
    "shop.yaml": SERVICE,
    "web.yaml": release("web", more=", service: shop"),
    "api.yaml": release("api", "test", "two", path="apps/web"),
    "apps/web/deployment.yaml": DEPLOYMENT,
    "apps/web/config.yaml": config("settings"),
}
EDITS: tuple[tuple[str, str | None], ...] = (
    ("env.yaml", environment("dev", more=", variables: {level: debug}")),
    ("env.yaml", environment("dev", "production", ", variables: {level: info}")),
    ("env.yaml", environment("dev")),  # the release's ${level} has nothing to be filled from
    ("env.yaml", None),
    ("env.yaml", "apiVersion: opspilot.spec/v1\nkind: Environment\nmetadata: {name: dev}\nspec: {tier: moon}\n"),
    ("moved/env.yaml", START["env.yaml"]),  # twice, unless the other one is away
    ("shop.yaml", spec("Service", "shop", "{project: default, runtimeType: k8s, owners: [somebody]}")),
    ("shop.yaml", None),
    ("web.yaml", release("web")),
    ("web.yaml", release("web", "test", "two")),  # another environment: other variables
    ("web.yaml", release("web", more=", variables: {level: trace}")),
    ("web.yaml", None),
    ("api.yaml", release("api", "test", "two", more=', images: {"registry.example/web": {tag: v2}}', path="apps/web")),
    ("api.yaml", release("api", "test", "two", path="apps/nowhere")),
    ("apps/web/config.yaml", config("settings", "2")),
    ("apps/web/config.yaml", None),
    ("apps/web/config.yaml", "a: ["),
    ("apps/web/more.yaml", config("settings")),  # said twice
    ("apps/web/notes.txt", "not a manifest"),
    ("cluster.yaml", None),
    ("bad.yaml", "apiVersion: opspilot.spec/v1\nkind: Release\nmetadata: {name: x}\n"),
)


def made(files: Mapping[str, str], reader: Reader, before: tuple[Loaded, Side] | None = None) -> tuple[Loaded, Side]:
    """As Desires makes it, with an empty cache."""
    repository, cache = Repository.of(files), MemoryCache()
    loaded_before, side_before = before or (None, None)
    loaded = load(repository.entries, repository.read, cache, reader, loaded_before)
    known = side_before.desired if side_before is not None else None
    desired = resolve(loaded, repository.entries, repository.read, cache, reader, known)
    return loaded, Side(desired, Cutter(KEY, {}).cut(desired, side_before))


def edited(files: Mapping[str, str], path: str, text: str | None) -> dict[str, str]:
    merged: dict[str, str | None] = {**files, path: text}
    return {path: text for path, text in merged.items() if text is not None}


@pytest.mark.parametrize("seed", range(12))
def test_a_chain_of_edits_ends_where_each_state_alone_would_be(seed: int, reader: Reader) -> None:
    order = random.Random(seed)
    files: Mapping[str, str] = START
    before = made(files, reader)
    for _ in range(8):
        path, text = order.choice(EDITS)
        # now and then a path returns to what it was
        files = edited(files, path, START.get(path) if order.random() < 0.4 else text)
        alone, chained = made(files, reader), made(files, reader, before)
        assert chained[0] == alone[0].__class__(
            alone[0].specs, alone[0].problems, alone[0].invalid, alone[0].unreadable, chained[0].read, chained[0].parsed
        )
        assert chained[1] == alone[1], (seed, path, text)
        assert {r: u.artifact for r, u in chained[1].units.items()} == {
            r: u.artifact for r, u in alone[1].units.items()
        }
        before = chained


@pytest.mark.parametrize(("path", "text"), EDITS)
def test_an_edit_and_its_return_end_where_they_would_alone(path: str, text: str | None, reader: Reader) -> None:
    start = made(START, reader)
    changed = made(edited(START, path, text), reader, start)
    assert changed[1] == made(edited(START, path, text), reader)[1]
    assert made(START, reader, changed)[1] == start[1]


def test_what_did_not_change_is_the_same_value(reader: Reader) -> None:
    start = made(START, reader)
    loaded, side = made(edited(START, "apps/web/config.yaml", config("settings", "2")), reader, start)
    assert (loaded.read, loaded.parsed) == (1, 0)  # looked at, and it holds no spec
    assert all(one is other for one, other in zip(loaded.specs, start[0].specs, strict=True))
    text = release("web", more=", variables: {level: trace}")
    loaded, side = made(edited(START, "web.yaml", text), reader, start)
    assert (loaded.read, loaded.parsed) == (1, 1)
    api, web = UnitRef(UnitKind.RELEASE, "api"), UnitRef(UnitKind.RELEASE, "web")
    assert side.units[api] is start[1].units[api]
    assert side.units[web] is not start[1].units[web]
    assert side.desired.sources["api"] is start[1].desired.sources["api"]


def test_units_look_at_everything_that_they_are_made_of(reader: Reader) -> None:
    """Also where sources were kept that another resolving would have made anew."""
    stack = "services: {a: {image: 'x:${level}'}}\n"
    compose = "{environment: dev, source: {type: compose, path: stacks/db}}"
    files = {**START, "stacks/db/compose.yaml": stack, "db.yaml": spec("Release", "db", compose)}
    side = made(files, reader)[1]
    other = made(edited(files, "env.yaml", EDITS[0][1]), reader)[1].desired
    db = UnitRef(UnitKind.RELEASE, "db")
    for changed in (
        replace(side.desired, environments=other.environments),
        replace(side.desired, releases={**side.desired.releases, "db": side.desired.releases["web"]}),
    ):
        assert Cutter(KEY, {}).cut(changed, side)[db] == Cutter(KEY, {}).cut(changed)[db] != side.units[db]


def test_a_file_that_could_not_be_read_is_read_again(reader: Reader) -> None:
    files = {"env.yaml": START["env.yaml"]}
    repository = Repository.of(files)
    with Reader(("false",)) as silent:
        lost = load(repository.entries, repository.read, MemoryCache(), silent)
    assert lost.unreadable == ("env.yaml",)
    again = load(repository.entries, repository.read, MemoryCache(), reader, lost)
    assert (again.unreadable, again.problems, again.parsed) == ((), (), 1)


def test_the_collector_rests_while_a_side_is_read_and_works_again_whatever_happens(reader: Reader) -> None:
    repository, seen = Repository.of(START), list[bool]()

    def broken(_blob: BlobId) -> bytes:
        seen.append(gc.isenabled())
        raise LookupError

    assert gc.isenabled()
    with pytest.raises(LookupError):
        load(repository.entries, broken, MemoryCache(), reader)
    assert (seen, gc.isenabled()) == ([False], True)
