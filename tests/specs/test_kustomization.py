"""Kustomizations: what they are made of, what is refused before anything renders, and that each is rendered once."""

import pytest

from reconciler.names import UnitKind, UnitRef
from reconciler.plan.units import Cutter
from reconciler.specs.cache import MemoryCache
from reconciler.specs.desired import Desired
from reconciler.specs.kustomization import MOST_FOLDERS
from reconciler.specs.reader import Reader
from reconciler.specs.resolve import resolve
from tests.specs.renderers import Stub, read
from tests.specs.repository import Repository, lines
from tests.specs.test_release_source import ENVIRONMENT, config, release

PROD = "app/prod/kustomization.yaml"
BASE = "app/base/kustomization.yaml"


def kustomized(files: dict[str, str | bytes], more: str = "", path: str = "app/prod") -> Repository:
    text = release(path, more=more).replace("manifests", "kustomize")
    return Repository.of({"env.yaml": ENVIRONMENT, "release.yaml": text, **files})


def plain(more: str = "", **changes: str) -> dict[str, str | bytes]:
    return {
        PROD: f"resources:\n- ../base\n{more}",
        BASE: "resources: [c.yaml]\n",
        "app/base/c.yaml": config(),
        **changes,
    }


def test_it_is_made_of_its_folder_and_of_those_that_it_names(reader: Reader) -> None:
    stub = Stub()
    files = plain(**{"app/prod/patch.yaml": "x", "app/other/secret.txt": "no"})
    desired = read(kustomized(files), stub, reader)
    assert lines(desired.problems) == []
    assert sorted(stub.given[0]) == ["app/base/c.yaml", BASE, PROD, "app/prod/patch.yaml"]
    assert stub.asked == [("app/prod",)]
    assert [path for path, _ in desired.sources["app"].files] == sorted(stub.given[0])
    (item,) = desired.sources["app"].objects
    assert item["data"] == {"a": "environment"}
    assert item["metadata"]["namespace"] == "apps"
    assert [str(place) for place in desired.sources["app"].places] == [PROD]


def test_the_file_may_be_named_instead_of_its_folder(reader: Reader) -> None:
    stub = Stub()
    assert lines(read(kustomized(plain(), path=PROD), stub, reader).problems) == []
    assert stub.asked == [("app/prod",)]


def test_what_a_release_says_of_its_workload_goes_into_what_was_rendered(reader: Reader) -> None:
    stub = Stub("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1}\n")
    desired = read(kustomized(plain(), "  capacity: {replicas: 7}\n"), stub, reader)
    assert desired.sources["app"].objects[0]["spec"]["replicas"] == 7


REFUSED: dict[str, tuple[str, str]] = {
    "https": (
        "resources: ['https://evil.example/x.yaml']",
        "validation_error: https://evil.example/x.yaml: only paths within",
    ),
    "a repository": (
        "resources: ['github.com/o/r//base?ref=main']",
        "validation_error: github.com/o/r//base?ref=main: only paths",
    ),
    "a repository without scheme": (
        "bases: [github.com/o/r/base]",
        "validation_error: github.com/o/r/base: only paths within",
    ),
    "ssh": ("components: ['git@evil.example:o/r']", "validation_error: git@evil.example:o/r: only paths within"),
    "a git folder": (
        "resources: [evil.example/o/r.git/base]",
        "validation_error: evil.example/o/r.git/base: only paths within",
    ),
    "an absolute path": ("resources: [/etc/passwd]", "validation_error: /etc/passwd: only paths within the repository"),
    "out of the repository": (
        "resources: [../../../etc]",
        "validation_error: ../../../etc: this leads out of the repository",
    ),
    "the whole repository": ("resources: [../..]", "validation_error: ../..: this is the whole repository"),
    "nothing there": ("resources: [gone.yaml]", "validation_error: gone.yaml: nothing stands there"),
    "a folder for a patch": ("patches: [{path: ../base}]", "validation_error: ../base: no file stands there"),
    "a patch from elsewhere": (
        "patches:\n- path: https://evil.example/p",
        "validation_error: https://evil.example/p: only paths",
    ),
    "an old patch from elsewhere": (
        "patchesStrategicMerge: ['https://evil.example/p']",
        "validation_error: https://evil.example/p: only",
    ),
    "a schema from elsewhere": (
        "crds: ['https://evil.example/p']",
        "validation_error: https://evil.example/p: only paths",
    ),
    "a generated file": (
        "configMapGenerator:\n- {name: a, files: [k=/etc/shadow]}",
        "validation_error: /etc/shadow: only paths",
    ),
    "a generated secret": (
        "secretGenerator:\n- {name: a, envs: [../../../.env]}",
        "validation_error: ../../../.env: this leads out",
    ),
    "a replacement": ("replacements: [{path: /x}]", "validation_error: /x: only paths within the repository"),
    "no text": ("resources: [{a: b}]", "validation_error: a path is text"),
    "a chart": ("helmCharts: [{name: x}]", "validation_error: helmCharts is not rendered here"),
    "helm settings": ("helmGlobals: {chartHome: /}", "validation_error: helmGlobals is not rendered here"),
    "a plugin": ("transformers: [p.yaml]", "validation_error: transformers is not rendered here"),
    "a generator": ("generators: [p.yaml]", "validation_error: generators is not rendered here"),
    "a validator": ("validators: [p.yaml]", "validation_error: validators is not rendered here"),
    "another case": ("HelmCharts: [{name: x}]", 'validation_error: a kustomization has no field "HelmCharts" here'),
    "a field of tomorrow": (
        "openapi: {path: 'https://evil.example'}",
        'validation_error: a kustomization has no field "openapi" here',
    ),
    "two documents": ("resources: []\n---\nresources: ['https://evil.example']", "a kustomization is one mapping"),
    "a list": ("- resources", "a kustomization is one mapping"),
    "no YAML": ("resources: [", "this is not YAML"),
}


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.replace(" ", "-"))
@pytest.mark.parametrize("where", [PROD, BASE])
def test_what_leads_elsewhere_or_runs_code_is_refused_before_it_is_rendered(
    where: str, case: str, reader: Reader
) -> None:
    text, said = REFUSED[case]
    stub = Stub()
    desired = read(kustomized({**plain(), where: text}), stub, reader)
    told = lines(desired.problems)
    assert any(line.startswith(where) and said in line for line in told), told
    assert stub.given == []
    assert desired.broken == {"dev"}
    assert desired.sources["app"].objects == ()


@pytest.mark.parametrize("where", ["app/prod/link", "app/base/link", "app/base"])
def test_links_are_refused(where: str, reader: Reader) -> None:
    files: dict[str, str | bytes] = plain() if where != "app/base" else {PROD: "resources: [../base]\n"}
    stub = Stub()
    desired = read(kustomized(files).link(where, "/etc"), stub, reader)
    assert "symbolic link" in str(desired.problems) or "nothing stands there" in str(desired.problems)
    assert stub.given == []


def test_a_circle_of_components_ends(reader: Reader) -> None:
    stub = Stub(refusal="rendering: cycle detected")
    files = plain(**{BASE: "components: [../prod, ../base]\nresources: [c.yaml]\n"})
    desired = read(kustomized(files), stub, reader)
    assert lines(desired.problems) == [f"{PROD}: validation_error: rendering: cycle detected"]


def test_folders_without_end_are_a_problem(reader: Reader) -> None:
    files: dict[str, str | bytes] = {
        f"app/{number}/kustomization.yaml": f"resources: [../{number + 1}]\n" for number in range(MOST_FOLDERS + 5)
    }
    stub = Stub()
    desired = read(kustomized(files, path="app/0"), stub, reader)
    assert f"it is made of more than {MOST_FOLDERS} folders" in str(desired.problems)
    assert stub.given == []


def test_files_without_end_are_a_problem(reader: Reader) -> None:
    stub = Stub()
    desired = read(kustomized({**plain(), **{f"app/prod/{n}": "x" for n in range(2001)}}), stub, reader)
    assert "more than 2000 files" in str(desired.problems)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"app/prod/x.yaml": config()}, "none of kustomization.yaml, kustomization.yml, Kustomization stands there"),
        ({PROD: "resources: []", "app/prod/Kustomization": "resources: []"}, "more than one of kustomization.yaml"),
        ({"app/x": "x"}, "nothing stands there"),
    ],
)
def test_a_folder_has_one_kustomization(files: dict[str, str | bytes], said: str, reader: Reader) -> None:
    assert said in str(read(kustomized(files), Stub(), reader).problems)


def test_what_is_rendered_is_read_like_any_manifest(reader: Reader) -> None:
    for text, said in (
        ("a: &a [x]\nb: !!python/object:os.system x\n", f"{PROD}: validation_error: what it renders to: "),
        (
            config("c", "data: {a: '${nobody}'}\n"),
            f'{PROD}: validation_error: there is no variable "nobody" (in ConfigMap c)',
        ),
        ("", f"{PROD}: validation_error: it renders to nothing"),
        (config() + "---\n" + config(), f"{PROD}: resource_conflict: ConfigMap apps/c is also at {PROD}"),
        ("x: " + "y" * (5 * 1024 * 1024), "larger than 4096 KiB"),
        ("kind: Deployment\n", "an object needs apiVersion"),
    ):
        told = lines(read(kustomized(plain()), Stub(text), reader).problems)
        assert any(said in line for line in told), told


def test_a_refusal_is_a_problem_and_no_empty_release(reader: Reader) -> None:
    desired = read(kustomized(plain()), Stub(refusal="rendering: no such field"), reader)
    assert lines(desired.problems) == [f"{PROD}: validation_error: rendering: no such field"]
    assert desired.unsound == {"app"}


def test_without_a_tool_it_is_said_of_the_release_and_not_of_the_files(reader: Reader) -> None:
    for renderer in (None, Stub(version="")):
        desired = read(kustomized(plain()), renderer, reader)
        assert lines(desired.problems) == []
        source = desired.sources["app"]
        assert source.unrendered is not None
        assert source.unrendered.key == "k8s_binary_missing"
        assert not source.resolved


def artifact(desired: Desired) -> str:
    return Cutter(b"k" * 32, {}).cut(desired)[UnitRef(UnitKind.RELEASE, "app")].artifact


def test_the_artifact_is_what_it_renders_to_whoever_renders_it(reader: Reader) -> None:
    first = artifact(read(kustomized(plain()), Stub(), reader))
    assert artifact(read(kustomized(plain(**{"app/base/readme": "x"})), Stub(version="stub v2"), reader)) == first
    assert artifact(read(kustomized(plain()), Stub(config("d")), reader)) != first
    assert artifact(read(kustomized(plain()), None, reader)) != first


def test_it_is_rendered_once_for_what_it_is_made_of(reader: Reader) -> None:
    stub, cache = Stub(), MemoryCache()
    first = read(kustomized(plain()), stub, reader, cache)
    assert len(stub.given) == 1
    read(kustomized(plain()), stub, reader, cache)  # a new process with the cache of the old one
    repository = kustomized(plain(**{"elsewhere/x.yaml": "x"}))
    again = read(repository, stub, reader, cache, first)
    assert len(stub.given) == 1
    read(repository, stub, reader, MemoryCache(), again)
    assert len(stub.given) == 2  # the specs were read anew, so that nothing was taken over
    read(kustomized(plain(**{"app/base/c.yaml": config("d")})), stub, reader, cache)
    stub.version = "stub v2"
    read(kustomized(plain()), stub, reader, cache)
    assert len(stub.given) == 4


def test_what_could_not_be_rendered_is_asked_for_again(reader: Reader) -> None:
    stub, repository, cache = Stub(version=""), kustomized(plain()), MemoryCache()
    loaded = repository.load(cache, reader)
    before = resolve(loaded, repository.entries, repository.read, cache, reader, renderer=stub)
    assert before.lacks_tool
    stub.version = "stub v1"
    after = resolve(loaded, repository.entries, repository.read, cache, reader, before, renderer=stub)
    assert after.sources["app"].objects


def test_a_refusal_is_remembered_for_the_same_files_and_tool(reader: Reader) -> None:
    stub, cache = Stub(refusal="rendering: no"), MemoryCache()
    for _ in range(3):
        assert "rendering: no" in str(read(kustomized(plain()), stub, reader, cache).problems)
    assert len(stub.given) == 1
    stub.version, stub.refusal = "stub v2", ""
    assert not read(kustomized(plain()), stub, reader, cache).problems
