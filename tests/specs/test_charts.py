"""Charts: what they are made of, what is refused before and after anything renders, and what values they get."""

import gzip
from collections.abc import Mapping

import pytest

from reconciler.kube.helm_records import manifest
from reconciler.kube.marks import Marks
from reconciler.names import UnitKind, UnitRef
from reconciler.plan.units import Cutter
from reconciler.ports import DesiredObjects
from reconciler.specs.cache import MemoryCache
from reconciler.specs.chart import END, ONCE, is_made_once
from reconciler.specs.chart_archives import unpacked
from reconciler.specs.reader import Reader
from tests.specs.renderers import Stub, read
from tests.specs.repository import Repository, lines
from tests.specs.test_chart_archives import archive
from tests.specs.test_release_source import ENVIRONMENT, config, release

CHART = "app/chart/Chart.yaml"
TEMPLATE = "app/chart/templates/c.yaml"
CHART_TEXT = "apiVersion: v2\nname: web\nversion: 1.2.3\nappVersion: 7\n"


def charted(files: Mapping[str, str | bytes], values: str = "", more: str = "", name: str = "app") -> Repository:
    text = release("app/chart", name=name, more=more).replace("type: manifests", f"type: helm{values}")
    return Repository.of(
        {"env.yaml": ENVIRONMENT, "release.yaml": text, CHART: CHART_TEXT, TEMPLATE: "a: {{ .Values.a }}", **files}
    )


def problems(repository: Repository, reader: Reader, stub: Stub | None = None) -> list[str]:
    return lines(read(repository, stub or Stub(), reader).problems)


def test_what_it_renders_to_is_the_release_with_helms_marks_and_no_hole_of_it_is_filled(reader: Reader) -> None:
    stub = Stub()
    desired = read(charted({"app/other.txt": "no"}), stub, reader)
    assert lines(desired.problems) == []
    assert sorted(stub.given[0]) == ["app/chart.values.json", CHART, TEMPLATE]
    assert stub.asked == [("app/chart", "app", "apps")]
    source = desired.sources["app"]
    (item,) = source.objects
    assert item["data"] == {"a": "${who}"}
    assert item["metadata"]["namespace"] == "apps"
    assert item["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    assert item["metadata"]["annotations"] == {
        "meta.helm.sh/release-name": "app",
        "meta.helm.sh/release-namespace": "apps",
    }
    assert source.chart is not None
    assert source.chart.metadata == {"apiVersion": "v2", "name": "web", "version": "1.2.3", "appVersion": "7"}


def test_values_are_filled_in_after_parsing_and_the_later_file_wins(reader: Reader) -> None:
    stub = Stub()
    files = {
        "one.yaml": "a: {b: '${who}', c: 1}\nlist: [1, 2]\nkeep: '$${who}'\n",
        "two.yaml": "a: {c: 2}\nlist: [3]\nnothing: null\n",
    }
    assert problems(charted(files, ", values: [one.yaml, two.yaml]"), reader, stub) == []
    assert stub.values == {"a": {"b": "environment", "c": 2}, "list": [3], "keep": "${who}", "nothing": None}


def test_a_variable_cannot_write_yaml_into_the_values(reader: Reader) -> None:
    stub = Stub()
    more = '  variables: {who: "x\'\\nadmin: true\\n#"}\n'
    assert problems(charted({"v.yaml": "a: '${who}'\n"}, ", values: [v.yaml]", more), reader, stub) == []
    assert stub.values == {"a": "x'\nadmin: true\n#"}


@pytest.mark.parametrize(
    ("files", "values", "said"),
    [
        ({"v.yaml": "a: '${nobody}'"}, ", values: [v.yaml]", 'v.yaml:1:4: validation_error: there is no variable "nob'),
        ({"v.yaml": "[a]"}, ", values: [v.yaml]", "values are one mapping"),
        ({"v.yaml": "a: [", "x": "y"}, ", values: [v.yaml]", "v.yaml:"),
        ({}, ", values: [gone.yaml]", "gone.yaml: nothing stands there"),
        ({"v/a.yaml": "a: 1"}, ", values: [v]", "v: values are a file"),
        ({"app/chart/values.yaml": "a: ENC[AES256_GCM,data:eA==]"}, "", "the chart's own values are encrypted"),
        ({CHART: "name: web"}, "", "a chart has a name and a version"),
        (
            {"app/chart/charts/redis-1.tgz": b"\x1f\x8b"},
            "",
            "charts/redis-1.tgz: validation_error: the archive is not op",
        ),
        ({"app/chart/charts/a.tgz": b"version https://git-lfs.github.com/spec/v1\n"}, "", "Git LFS keeps its content"),
        ({"app/chart/charts/a.tar.gz": b""}, "", "archives that are called *.tgz only"),
        (
            {"app/chart/charts/a.tgz": archive({"charts/b.tgz": b"a"})},
            "",
            "charts/b.tgz in the archive: it holds another",
        ),
        (
            {"app/chart/charts/sub/charts/a.tgz": archive({"charts/b/templates/t": b"{{ lookup }}"})},
            "",
            "charts/b/templates/t in the archive: a template uses lookup",
        ),
        ({TEMPLATE: 'a: {{ lookup "v1" "Secret" "a" "b" }}'}, "", "a template uses lookup"),
        ({TEMPLATE: 'a: {{- $x := (\n lookup "v1" "Secret" "a" "b") }}'}, "", "a template uses lookup"),
        ({"app/chart/charts/sub/templates/_x.tpl": "{{ lookup }}"}, "", "a template uses lookup"),
    ],
)
def test_g26_what_a_chart_may_not_be(files: dict[str, str | bytes], values: str, said: str, reader: Reader) -> None:
    stub = Stub()
    found = problems(charted(files, values), reader, stub)
    assert any(said in line for line in found), found
    assert stub.given == []  # nothing of it was rendered


DEFINITION = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: w.example.com}\n"


def test_what_lies_in_crds_is_marked_to_be_made_once_and_is_no_part_of_helms_release(reader: Reader) -> None:
    stub = Stub(f"{DEFINITION}{END.decode()}---\n{DEFINITION.replace('w.', 'v.')}---\n{config('c')}")
    desired = read(charted({}), stub, reader)
    assert lines(desired.problems) == []
    found = {item["metadata"]["name"]: item for item in desired.sources["app"].objects}
    assert found["w.example.com"]["metadata"] == {"name": "w.example.com", "annotations": dict(ONCE)}
    assert [is_made_once(found[name]) for name in ("w.example.com", "v.example.com", "c")] == [True, False, False]
    assert found["v.example.com"]["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "Helm"}
    wanted = DesiredObjects("app", "apps", desired.sources["app"].objects, chart=desired.sources["app"].chart)
    kept = manifest(wanted, Marks("default", "default"))
    assert ("w.example.com" in kept, "v.example.com" in kept) == (False, True)


def test_crds_hold_definitions_only(reader: Reader) -> None:
    found = problems(charted({}), reader, Stub(f"{config('c')}{END.decode()}---\n{config('d')}"))
    assert ["crds/ holds ConfigMap c, which is no definition of a kind" in line for line in found] == [True]


def test_the_tool_gets_of_an_archive_only_what_was_looked_at(reader: Reader) -> None:
    stub = Stub()
    path = "app/chart/charts/sub-1.0.0.tgz"
    content = archive({"templates/a.yaml": b"a: 1"}, b"what the tool must not see")
    assert problems(charted({path: content}), reader, stub) == []
    assert sorted(stub.given[0]) == ["app/chart.values.json", CHART, path, TEMPLATE]
    assert b"must not see" not in gzip.decompress(stub.given[0][path])
    assert unpacked(stub.given[0][path], 100_000)["templates/a.yaml"] == b"a: 1"
    desired = read(charted({path: archive({"templates/a.yaml": b"a: 2"})}), stub, reader)
    assert len(stub.given) == 2  # another archive renders anew
    assert path in dict(desired.sources["app"].files)


@pytest.mark.parametrize(
    "text", ["{{ .Values.lookup }}", "{{/* lookup */}}", "lookup: {{ $lookup }}", '{{ "lookup" }}']
)
def test_the_word_lookup_elsewhere_is_only_a_word(text: str, reader: Reader) -> None:
    assert problems(charted({TEMPLATE: text}), reader) == []


def test_a_link_in_a_chart_is_not_followed(reader: Reader) -> None:
    repository = charted({})
    repository.add("app/chart/templates/link.yaml", "/etc/passwd", 0o120000)
    found = problems(repository, reader)
    assert any("release.yaml" in line and "and those are not followed" in line for line in found), found


def test_a_name_that_helm_does_not_take_is_said(reader: Reader) -> None:
    (line,) = problems(charted({}, name="a" * 54), reader)
    assert "at most 53 characters" in line


def annotated(annotation: str, kind: str = "Job", name: str = "x") -> str:
    return (
        f"apiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}\n  annotations: {{{annotation}}}\n"
        f"---\n{config('c', 'data: {a: b}')}"
    )


def hook(name: str, more: str = "restartPolicy: OnFailure", namespace: str = "apps") -> str:
    return (
        "apiVersion: batch/v1\nkind: Job\n"
        f"metadata: {{name: {name}, namespace: {namespace}, annotations: {{helm.sh/hook: pre-upgrade}}}}\n"
        "spec: {ttlSecondsAfterFinished: 9, template: {spec: {containers: [{name: it, image: it:v1}], %s}}}\n---\n"
        % more
    )


def test_jobs_that_are_hooks_are_set_apart_and_what_prepares_them_is_not_helms(reader: Reader) -> None:
    account = annotated("helm.sh/hook: pre-upgrade", "ServiceAccount")
    desired = read(charted({}), Stub(text=hook("migrate") + account), reader)
    assert lines(desired.problems) == []
    source = desired.sources["app"]
    (job,) = source.jobs
    assert (job["metadata"]["name"], job["spec"]["backoffLimit"]) == ("migrate", 6)
    assert "ttlSecondsAfterFinished" not in job["spec"]
    found = {item["kind"]: item["metadata"] for item in source.objects}
    assert sorted(found) == ["ConfigMap", "ServiceAccount"]
    assert "labels" not in found["ServiceAccount"]
    wanted = DesiredObjects("app", "apps", source.objects, chart=source.chart)
    remembered = manifest(wanted, Marks("default", "default"))
    assert ("ServiceAccount" in remembered, "ConfigMap" in remembered) == (False, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (annotated("helm.sh/hook: pre-install", "Pod"), "Pod x is a hook, and of those only Jobs are run"),
        (annotated("helm.sh/hook: 'test,post-delete'"), "moments that this version does not run (post-delete)"),
        (hook("migrate", "restartPolicy: Always"), "Job migrate: its pods need restartPolicy Never or OnFailure"),
        (hook("migrate") + hook("migrate", namespace="other"), "the chart has 2 Jobs migrate, in several namespaces"),
        (annotated("helm.sh/resource-policy: delete"), "Job x says helm.sh/resource-policy: delete"),
        (annotated("a: b", "Namespace", "apps"), "Namespace apps is where Helm keeps the release"),
        ("", "it renders to nothing"),
        ("a: [", "what it renders to:"),
    ],
)
def test_what_helm_would_do_beside_keeping_objects_is_refused_by_name(text: str, said: str, reader: Reader) -> None:
    found = problems(charted({}), reader, Stub(text=text))
    assert any(said in line and line.startswith(CHART) for line in found), found


def test_what_helm_leaves_behind_is_marked_to_be_let_go(reader: Reader) -> None:
    desired = read(charted({}), Stub(text=annotated("helm.sh/resource-policy: keep", "Secret")), reader)
    assert lines(desired.problems) == []
    found = {item["kind"]: item["metadata"]["annotations"] for item in desired.sources["app"].objects}
    assert found["Secret"]["opspilot.spec/prune"] == "disabled"
    assert "opspilot.spec/prune" not in found["ConfigMap"]


def test_tests_of_a_chart_are_no_part_of_the_release(reader: Reader) -> None:
    desired = read(charted({}), Stub(text=annotated("helm.sh/hook: test")), reader)
    assert lines(desired.problems) == []
    assert [item["kind"] for item in desired.sources["app"].objects] == ["ConfigMap"]


def test_what_the_tool_refuses_is_a_problem_of_the_chart(reader: Reader) -> None:
    (line,) = problems(charted({}), reader, Stub(refusal="rendering: no"))
    assert line.startswith(f"{CHART}: validation_error: rendering: no")


@pytest.mark.parametrize("stub", [None, Stub(version="")])
def test_without_a_tool_nobody_knows_what_it_says(stub: Stub | None, reader: Reader) -> None:
    desired = read(charted({}), stub, reader)
    assert lines(desired.problems) == []
    unrendered = desired.sources["app"].unrendered
    assert unrendered is not None
    assert unrendered.key == "k8s_binary_missing"
    assert [kind.value for kind in desired.lacks_tool] == ["helm"]


def test_it_is_rendered_once_for_what_it_is_made_of(reader: Reader) -> None:
    stub, cache = Stub(), MemoryCache()
    files, values = {"v.yaml": "a: '${who}'\n"}, ", values: [v.yaml]"
    first = read(charted(files, values), stub, reader, cache)
    read(charted(files, values), stub, reader, cache)
    read(charted(files, values), stub, reader, cache, first)
    assert len(stub.given) == 1
    changes: tuple[tuple[dict[str, str | bytes], str], ...] = (
        ({"v.yaml": "a: other\n"}, ""),
        ({**files, TEMPLATE: "b"}, ""),
        ({**files}, "  variables: {who: me}\n"),
    )
    for number, (changed, more) in enumerate(changes, 2):
        read(charted(changed, values, more), stub, reader, cache)
        assert len(stub.given) == number
    stub.version = "stub v2"
    read(charted(files, values), stub, reader, cache)
    assert len(stub.given) == 5


def test_g9_the_artifact_is_what_it_renders_to(reader: Reader) -> None:
    ref = UnitRef(UnitKind.RELEASE, "app")

    def artifact(text: str, **files: str) -> str:
        desired = read(charted({TEMPLATE: "x", **files}), Stub(text=text), reader)
        return str(Cutter(b"key", {}).cut(desired)[ref].artifact)

    one = config("c", "data: {a: b}")
    assert artifact(one) == artifact(one, **{"app/chart/README.md": "words"})
    assert artifact(one) != artifact(config("c", "data: {a: c}"))
