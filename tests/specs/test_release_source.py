"""From files of manifests to objects: filled in, placed in a namespace, said once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.specs.desired import Desired
from reconciler.specs.images import image_name, with_version
from reconciler.specs.reader import Reader
from reconciler.specs.substitute import Filling, Steps, TooMuch
from tests.specs.repository import Repository, lines

ENVIRONMENT = """\
apiVersion: opspilot.spec/v1
kind: Environment
metadata: {name: dev}
spec:
  {tier: dev, runtimeType: k8s, mode: external_managed, variables: {who: environment, where: "dev ${who}"}}
---
apiVersion: opspilot.spec/v1
kind: Credential
metadata: {name: kc}
spec: {type: kubeconfig, env: KC}
---
apiVersion: opspilot.spec/v1
kind: Cluster
metadata: {name: dev}
spec: {environment: dev, sourceType: external_imported, credential: kc}
"""


def release(path: str = "app", name: str = "app", more: str = "") -> str:
    return (
        f"apiVersion: opspilot.spec/v1\nkind: Release\nmetadata: {{name: {name}}}\nspec:\n  environment: dev\n"
        f"  cluster: dev\n  namespace: apps\n  source: {{type: manifests, path: {path}}}\n{more}"
    )


def world(files: dict[str, str | bytes], more: str = "", path: str = "app") -> Repository:
    return Repository.of({"env.yaml": ENVIRONMENT, "release.yaml": release(path, more=more), **files})


def objects(desired: Desired, name: str = "app") -> list[dict[str, Any]]:
    assert not desired.problems
    return list(desired.sources[name].objects)


def config(name: str = "c", data: str = "", kind: str = "ConfigMap", api: str = "v1") -> str:
    return f"apiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}}}\n{data}"


def test_files_are_read_in_order_of_their_paths_and_lists_are_taken_apart(reader: Reader) -> None:
    inner = "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret, metadata: {name: c3}}]}"
    first = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c2}}"
    items = f"apiVersion: v1\nkind: List\nitems:\n- {first}\n- {inner}\n"
    repository = world(
        {
            "app/z/b.yml": items,
            "app/a.yaml": config("c1") + "---\n---\n# nothing\n",
            "app/notes.md": "x",
            "apps/x.yaml": config("no"),
        }
    )
    desired = repository.resolve(reader)
    assert [item["metadata"]["name"] for item in objects(desired)] == ["c1", "c2", "c3"]
    assert [path for path, _ in desired.sources["app"].files] == ["app/a.yaml", "app/z/b.yml"]
    assert [str(place) for place in desired.sources["app"].places] == [
        "app/a.yaml:1:1",
        "app/z/b.yml:1:1",
        "app/z/b.yml:1:1",
    ]


def test_a_single_file_is_a_source(reader: Reader) -> None:
    desired = world({"app/a.yaml": config("c1"), "app/b.yaml": config("c2")}, path="app/b.yaml").resolve(reader)
    assert [item["metadata"]["name"] for item in objects(desired)] == ["c2"]


def test_variables_are_filled_in_once_and_the_releases_win(reader: Reader) -> None:
    data = (
        "data: {who: '${who}', where: '${where}', kept: '$${who} costs $5 ${', both: '${who}-${who}', '${who}': key}\n"
    )
    desired = world({"app/a.yaml": config(data=data)}, "  variables: {who: release}\n").resolve(reader)
    (item,) = objects(desired)
    assert item["data"] == {
        "who": "release",
        "where": "dev ${who}",
        "kept": "${who} costs $5 ${",
        "both": "release-release",
        "${who}": "key",
    }


def test_an_unknown_variable_has_the_place_of_its_value(reader: Reader) -> None:
    data = "data:\n  a: ok\n  b: |\n    x ${whoo}\n  c: ${VAR:-default}\n"
    desired = world({"app/a.yaml": config(data=data)}).resolve(reader)
    define = "define it in the release or the environment; $${ keeps a ${"
    assert lines(desired.problems) == [
        'app/a.yaml:6:6: validation_error: there is no variable "whoo" (did you mean "who"?)',
        f'app/a.yaml:8:6: validation_error: there is no variable "VAR:-default" ({define})',
    ]
    assert desired.broken == {"dev"}


@given(st.text(max_size=30), st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text(max_size=10)))
def test_text_without_a_hole_stays_and_what_is_filled_in_is_not_looked_at_again(
    text: str, variables: dict[str, str]
) -> None:
    unknown: list[str] = []

    def note(_way: Steps, name: str) -> None:
        unknown.append(name)

    assert Filling(variables, note, 10**6).fill(text.replace("${", "")) == text.replace("${", "")
    for name, value in variables.items():
        assert Filling(variables, note, 10**6).fill(f"<${{{name}}}>") == f"<{value}>"
    assert not unknown


@pytest.mark.parametrize(
    "payload",
    ["{{ 7*7 }}", "{% for x in y %}", "#{7*7}", "${who.__class__}", "${who}[0]", "$(id)", "`id`", "%s", "\\${who}"],
)
def test_no_other_template_language_is_spoken(payload: str) -> None:
    unknown: list[str] = []
    filled = Filling({"who": "me"}, lambda _way, name: unknown.append(name), 1000).fill(payload)
    assert unknown or filled == payload.replace("${who}", "me")


def test_what_comes_out_is_bounded() -> None:
    with pytest.raises(TooMuch):
        Filling({"a": "x" * 1000}, lambda _way, _name: None, 100_000).fill(["${a}" * 50] * 50)


def test_a_source_that_grows_too_large_is_a_problem(reader: Reader) -> None:
    data = "data:\n" + "".join(f"  k{n}: '{'${big}' * 500}'\n" for n in range(20))
    variables = f"  variables: {{big: {'x' * 4000}}}\n"
    desired = world({"app/a.yaml": config(data=data)}, variables).resolve(reader)
    assert [problem.message for problem in desired.problems] == ["the source is larger than 16,777,216 characters"]


def test_objects_without_a_namespace_get_the_releases_and_cluster_scoped_ones_none(reader: Reader) -> None:
    crd = (
        config(
            "t.x.io",
            "spec: {group: x.io, scope: Cluster, names: {kind: Thing}}\n",
            "CustomResourceDefinition",
            "apiextensions.k8s.io/v1",
        )
        + "---\n"
        + config("thing", "", "Thing", "x.io/v1")
    )
    own = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own, namespace: elsewhere}\n"
    role = config("system:x", "", "ClusterRole", "rbac.authorization.k8s.io/v1")
    texts = (config("c"), config("ns", "", "Namespace"), own, crd, role, config("t", "", "Thing", "y.io/v1"))
    files: dict[str, str | bytes] = {f"app/{number}.yaml": text for number, text in enumerate(texts)}
    found = {
        item["metadata"]["name"]: item["metadata"].get("namespace") for item in objects(world(files).resolve(reader))
    }
    assert found == {
        "c": "apps",
        "ns": None,
        "own": "elsewhere",
        "t.x.io": None,
        "thing": None,
        "system:x": None,
        "t": "apps",
    }


def test_images_are_listed_and_replaced_by_tag_or_digest(reader: Reader) -> None:
    spec = (
        "spec: {template: {spec: {initContainers: [{name: i, image: 'reg:5000/init:v1'}],"
        " containers: [{name: a, image: 'reg.x/app:${tag}'}, {name: b, image: 'reg.x/app@sha256:"
        + "0" * 64
        + "'}, {name: c, image: side}]}}}\n"
    )
    digest = "sha256:" + "1" * 64
    more = f"  variables: {{tag: v1}}\n  images: {{reg.x/app: v2, side: '{digest}'}}\n"
    desired = world({"app/a.yaml": config(data=spec, kind="Deployment", api="apps/v1")}, more).resolve(reader)
    assert not desired.problems
    assert desired.sources["app"].images == ("reg.x/app:v2", "reg:5000/init:v1", f"side@{digest}")


def test_an_image_that_nothing_runs_is_a_problem(reader: Reader) -> None:
    spec = "spec: {containers: [{name: a, image: reg.x/app}]}\n"
    desired = world({"app/a.yaml": config(data=spec, kind="Pod")}, "  images:\n    reg.x/apq: v2\n").resolve(reader)
    assert lines(desired.problems) == [
        'release.yaml:10:16: validation_error: no container runs the image reg.x/apq (did you mean "reg.x/app"?)'
    ]


@given(st.sampled_from(["a", "reg.x/a", "reg:5000/a/b", "localhost/a"]), st.sampled_from(["v1", "sha256:" + "a" * 64]))
def test_an_image_name_survives_its_version(name: str, version: str) -> None:
    assert image_name(with_version(name, version)) == name


def test_an_object_is_said_once_in_a_release_and_in_a_cluster(reader: Reader) -> None:
    twice = (
        config("same", api="v1")
        + "---\n"
        + "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: same, namespace: apps}\n"
    )
    other = config("shared", "", "Role", "rbac.authorization.k8s.io/v1")
    repository = world({"app/a.yaml": twice, "app/b.yaml": other, "two/c.yaml": other.replace("/v1", "/v1beta1")})
    repository.add("two.yaml", release("two", "two"))
    desired = repository.resolve(reader)
    role = "Role.rbac.authorization.k8s.io apps/shared is also in the release"
    assert [(str(problem.place), problem.key, problem.message) for problem in desired.problems] == [
        ("app/a.yaml:5:1", "resource_conflict", "ConfigMap apps/same is also at app/a.yaml:1:1"),
        ("release.yaml:8:35", "resource_conflict", f"Release/app: source.path: {role} two"),
        ("two.yaml:8:35", "resource_conflict", f"Release/two: source.path: {role} app of the same cluster"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: ConfigMap\nmetadata: {name: a}", "apiVersion"),
        ("apiVersion: v1\nmetadata: {name: a}", "kind"),
        ("apiVersion: v1\nkind: ConfigMap", "metadata.name"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}", "metadata.name"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ../../secrets/x}", "metadata.name"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ..}", "metadata.name"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a?x=1}", "metadata.name"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: a/b}", "metadata.namespace"),
        ("apiVersion: ../v1\nkind: ConfigMap\nmetadata: {name: a}", "apiVersion"),
        ("apiVersion: v1\nkind: Config/Map\nmetadata: {name: a}", "kind"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 5}", "metadata.name"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: [name]", "metadata.name"),
        ("- a", "an object is a mapping"),
        ("just text", "an object is a mapping"),
        ("{{ .Values.x }}", "a key must be text"),
        ("a: [", "not YAML"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {mode: 0644}", "octal"),
    ],
)
def test_what_is_no_object_is_a_problem_with_a_place(text: str, words: str, reader: Reader) -> None:
    desired = world({"app/a.yaml": text, "app/b.yaml": config("good")}).resolve(reader)
    assert any(words in problem.message for problem in desired.problems)
    assert all(problem.place.path == "app/a.yaml" and problem.place.line for problem in desired.problems)
    assert "good" in [item["metadata"]["name"] for item in desired.sources["app"].objects]
    assert desired.broken == {"dev"}


def test_anchors_are_for_manifests(reader: Reader) -> None:
    data = "data: &d {a: b}\nmore: {<<: *d, c: *d}\n"
    (item,) = objects(world({"app/a.yaml": config(data=data)}).resolve(reader))
    assert item["more"] == {"c": {"a": "b"}, "a": "b"}


def test_specs_beside_manifests_are_not_manifests(reader: Reader) -> None:
    repository = world({"app/a.yaml": config("c")}).add("app/release.yaml", release(name="other", path="second"))
    repository.add("second/a.yaml", config("d"))
    assert len(objects(repository.resolve(reader))) == 1


@pytest.mark.parametrize("links", [["app/l.yaml"], ["app/data.bin"], ["app"]])
def test_a_link_in_a_source_or_on_the_way_to_it_is_refused(links: list[str], reader: Reader) -> None:
    repository = world({} if links == ["app"] else {"app/a.yaml": config("c")})
    for path in links:
        repository.link(path)
    desired = repository.resolve(reader)
    assert any("symbolic link" in problem.message for problem in desired.problems)
    assert not desired.may_plan("dev")


def test_a_folder_that_is_a_link_is_named_as_the_reason(reader: Reader) -> None:
    desired = world({}, path="app/sub").link("app", "elsewhere").resolve(reader)
    assert [problem.message for problem in desired.problems] == [
        "app: this is a symbolic link, and those are not followed"
    ]


def test_a_submodule_in_a_source_is_refused(reader: Reader) -> None:
    desired = world({"app/a.yaml": config("c")}).submodule("app/vendor").resolve(reader)
    assert any("submodule" in problem.message for problem in desired.problems)
    assert desired.broken == {"dev"}


def test_a_source_that_is_not_there_is_named_with_the_nearest_folder(reader: Reader) -> None:
    desired = world({"apps/a.yaml": config("c")}, path="app").resolve(reader)
    assert lines(desired.problems) == [
        'release.yaml:8:35: validation_error: app: nothing stands there (did you mean "apps"?)'
    ]


def test_a_folder_without_manifests_is_not_an_empty_release(reader: Reader) -> None:
    """An empty release would delete everything that runs."""
    desired = world({"app/readme.md": "x"}).resolve(reader)
    assert "no *.yaml or *.yml stands there" in str(desired.problems)
    assert desired.broken == {"dev"}


def test_what_others_render_is_kept_as_blobs(reader: Reader) -> None:
    repository = world({"app/compose.yaml": "name: {{ x }}", "app/more/x.env": "x"})
    repository.add("env.yaml", ENVIRONMENT.replace("runtimeType: k8s", "runtimeType: hybrid"))
    placed = "  cluster: dev\n  namespace: apps\n"
    repository.add("release.yaml", release().replace("manifests", "compose").replace(placed, ""))
    desired = repository.resolve(reader)
    assert [problem.key for problem in desired.problems] == ["insufficient_nodes"]  # of the environment, not of it
    source = desired.sources["app"]
    assert [path for path, _ in source.files] == ["app/compose.yaml", "app/more/x.env"]
    assert source.objects == ()


def test_a_secret_in_a_manifest_is_in_no_message(reader: Reader) -> None:
    data = "stringData:\n  a: ${missing}-hunter2\n  b: 0x4855e7e2\nmore: !vault hunter2\n"
    desired = world({"app/a.yaml": config(data=data, kind="Secret")}).resolve(reader)
    assert len(desired.problems) == 3
    assert "hunter2" not in str(desired.problems)
    assert "4855e7e2" not in str(desired.problems)


WIDGET = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n"


@pytest.mark.parametrize(
    ("readiness", "wrong"),
    [
        ("{group: example.com, kind: Widget, ready: status.phase == 'Up', failed: has(status.error)}", ""),
        (
            "{group: example.com, kind: Widget, ready: status.phase = 'Up'}",
            """this expression is not understood: "= 'Up'" cannot be read, at character 14; it knows ==, !=""",
        ),
        (
            "{group: example.com, kind: Gadget, ready: 'true'}",
            "release.yaml:10:44: validation_error: the source has no",
        ),
        (
            "{group: apps, kind: Deployment, ready: 'true'}",
            "spec.health.readiness[0].group: this must be the API group",
        ),
        (
            "{group: apiextensions.k8s.io, kind: CustomResourceDefinition, ready: 'true'}",
            "objects of apiextensions.k8s.io are judged by what the API server says",
        ),
        (
            "{group: example.com, kind: Widget, ready: 'true'}, {group: example.com, kind: Widget, ready: 'false'}",
            "the readiness of Widget.example.com is said twice",
        ),
    ],
)
def test_readiness_is_said_of_custom_resources_that_the_source_has(reader: Reader, readiness: str, wrong: str) -> None:
    files: dict[str, str | bytes] = {"app/w.yaml": WIDGET}
    desired = world(files, more=f"  health:\n    readiness: [{readiness}]\n").resolve(reader)
    found = [str(problem) for problem in desired.problems]
    assert len(found) == bool(wrong), found
    assert all(wrong in one for one in found), found
