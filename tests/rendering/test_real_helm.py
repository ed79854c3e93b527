"""Charts by the real Helm, in the real cell: what they render to, what is refused, and what they cannot do."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import Rejected, Unavailable
from reconciler.rendering import cell
from reconciler.rendering.helm import BY_CHANCE, BY_CLUSTER, Helm
from reconciler.specs.chart import END
from reconciler.specs.reader import Reader
from reconciler.specs.resolve import resolve
from tests.specs.repository import lines
from tests.specs.test_charts import DEFINITION, charted

CHART = b"apiVersion: v2\nname: web\nversion: 1.2.3\n"
SECRET = "hunter2-of-the-values"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{c: '{}'}}\n"
HOOKED = "name: t, annotations: {{helm.sh/hook: test}}"


@pytest.fixture
def tool(official_helm: Path, tmp_path: Path) -> Helm:
    return Helm(tmp_path / "render", search=str(official_helm.parent))


def render(tool: Helm, expression: str, values: str = "{}", chart: bytes = CHART) -> str:
    files = {
        "c/Chart.yaml": chart,
        "c/templates/a.yaml": CONFIG.format(expression).encode(),
        "c.values.json": values.encode(),
    }
    return tool.render(files, "c", "app", "shop").decode()


@pytest.mark.real
def test_it_is_sealed_and_cut_off_where_root_runs_it(tool: Helm) -> None:
    found = tool.tool()
    assert (found.mode, found.cut_off) == (cell.SEALED, True)
    assert tool.identity().startswith("helm v4.3.1 ")


@pytest.mark.real
def test_a_chart_with_a_chart_in_it_renders_with_its_values(tool: Helm) -> None:
    sub = "app/chart/charts/sub"
    files: dict[str, str | bytes] = {
        "app/chart/Chart.yaml": f"{CHART.decode()}dependencies: [{{name: sub, version: 1.0.0}}]\n",
        "app/chart/values.yaml": "color: red\nsub: {size: 1}\n",
        "app/chart/templates/c.yaml": CONFIG.format(
            "{{ .Values.color }} {{ .Release.Namespace }} {{ .Release.IsInstall }}"
        ),
        "app/chart/templates/tests/t.yaml": CONFIG.replace("name: a", HOOKED).format("x"),
        f"{sub}/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
        f"{sub}/templates/s.yaml": CONFIG.replace("name: a", "name: s").format("{{ .Values.size }}"),
        "values.yaml": "color: '${who}'\nsub: {size: 2}\n",
    }
    repository = charted(files, ", values: [values.yaml]")
    with Reader() as reader:
        loaded = repository.load(reader=reader)
        desired = resolve(loaded, repository.entries, repository.read, reader=reader, charts=tool)
    assert lines(desired.problems) == []
    found = {item["metadata"]["name"]: item["data"] for item in desired.sources["app"].objects}
    assert found == {"a": {"c": "environment apps true"}, "s": {"c": "2"}}
    assert tool.ran == 2


@pytest.mark.real
def test_a_chart_in_an_archive_renders_as_if_it_were_unpacked(tool: Helm, official_helm: Path, tmp_path: Path) -> None:
    """The archive is one that helm itself packed."""
    inside = {
        "Chart.yaml": b"apiVersion: v2\nname: sub\nversion: 1.0.0\n",
        "values.yaml": b"size: 1\n",
        "crds/a.yaml": DEFINITION.encode(),
        f"templates/{'n' * 100}.yaml": CONFIG.replace("name: a", "name: s").format("{{ .Values.size }}").encode(),
    }
    for path, content in inside.items():
        target = tmp_path / "sub" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    home = {"HOME": str(tmp_path), "PATH": ""}
    asked = [str(official_helm), "package", str(tmp_path / "sub"), "--destination", str(tmp_path)]
    subprocess.run(asked, check=True, env=home, capture_output=True)
    archive = (tmp_path / "sub-1.0.0.tgz").read_bytes()
    files: dict[str, str | bytes] = {
        "app/chart/Chart.yaml": f"{CHART.decode()}dependencies: [{{name: sub, version: 1.0.0}}]\n",
        "app/chart/templates/c.yaml": CONFIG.format("x"),
        "values.yaml": "sub: {size: 2}\n",
        "app/chart/charts/sub-1.0.0.tgz": archive,
    }
    repository = charted(files, ", values: [values.yaml]")
    with Reader() as reader:
        desired = resolve(
            repository.load(reader=reader), repository.entries, repository.read, reader=reader, charts=tool
        )
    assert lines(desired.problems) == []
    found = {item["metadata"]["name"]: item.get("data") for item in desired.sources["app"].objects}
    assert found == {"w.example.com": None, "a": {"c": "x"}, "s": {"c": "2"}}


@pytest.mark.real
@pytest.mark.parametrize("more", [b"", b"---\n" + DEFINITION.replace("w.", "v.").encode()])
def test_definitions_come_before_what_templates_render_to(tool: Helm, more: bytes) -> None:
    files = {"c/Chart.yaml": CHART, "c/crds/a.yaml": DEFINITION.encode() + more, "c.values.json": b"{}"}
    alone = tool.render(files, "c", "app", "shop")
    files["c/templates/a.yaml"] = CONFIG.format("x").encode()
    definitions, end, rest = tool.render(files, "c", "app", "shop").partition(END)
    assert (definitions.count(b"kind: CustomResourceDefinition"), bool(end)) == (1 + bool(more), True)
    assert b"kind: ConfigMap" in rest
    assert b"CustomResourceDefinition" not in rest
    assert alone.startswith(definitions.rstrip())


@pytest.mark.real
def test_a_definition_in_a_template_is_one_like_any_other(tool: Helm) -> None:
    files = {"c/Chart.yaml": CHART, "c/templates/a.yaml": DEFINITION.encode(), "c.values.json": b"{}"}
    assert END not in tool.render(files, "c", "app", "shop")
    assert tool.ran == 2


@pytest.mark.real
@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("{{ randAlphaNum 8 }}", BY_CHANCE),
        ("{{ now | unixEpoch }}{{ uuidv4 }}", BY_CHANCE),
        ("{{ (genCA `x` 1).Cert | b64enc }}", BY_CHANCE),
        ("{{ .Capabilities.KubeVersion.Minor }}", BY_CLUSTER),
        ("{{ .Capabilities.APIVersions.Has `monitoring.coreos.com/v1` }}", BY_CLUSTER),
    ],
)
def test_g26_what_does_not_come_out_the_same_twice_is_refused(expression: str, why: str, tool: Helm) -> None:
    with pytest.raises(Rejected) as refused:
        render(tool, expression)
    assert refused.value.message == f"rendering: {why}"


@pytest.mark.real
@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("{{ range until 1000000000 }}x{{ end }}", "GiB of memory"),
        ("{{ repeat 20000000 `x` }}", "it says more than 16 MiB"),
        ("{{ define `x` }}{{ include `x` . }}{{ end }}{{ include `x` . }}", "x"),
        ("{{ env `PATH` }}", 'function "env" not defined'),
        ("{{ fail `no` }}", "no"),
        ("{{ nonsense", "parse error"),
    ],
)
def test_t24_what_asks_for_too_much_or_is_wrong_ends_in_words(expression: str, said: str, tool: Helm) -> None:
    with pytest.raises(Rejected) as refused:
        render(tool, expression)
    assert said in refused.value.message
    assert len(refused.value.message) < 700
    assert str(tool.folder) not in refused.value.message


@pytest.mark.real
@pytest.mark.parametrize(
    "expression",
    [
        "{{ .Files.Get `../../etc/hostname` }}",
        "{{ .Files.Get `/etc/hostname` }}",
        "{{ .Files.Get `../c.values.json` }}",
        "{{ range $path, $_ := .Files.Glob `/etc/*` }}{{ $path }}{{ end }}",
        "{{ getHostByName `localhost` }}",
        "{{ .Files.Get `c.values.json` }}",
        "{{ (lookup `v1` `Secret` `` ``).items }}",
    ],
)
def test_g26_nothing_outside_of_the_chart_is_seen(expression: str, tool: Helm) -> None:
    assert "data: {c: ''}" in render(tool, expression, f'{{"a": "{SECRET}"}}')


@pytest.mark.real
def test_a_folder_that_is_called_like_helms_settings_is_a_chart_like_any_other(tool: Helm) -> None:
    """Without a home Helm looks for them where it works; nothing of the repository stands there."""
    folder = ".config/helm"
    files = {
        f"{folder}/Chart.yaml": CHART,
        f"{folder}/registry/config.json": b"this breaks whoever reads it",
        f"{folder}/templates/a.yaml": CONFIG.format("x").encode(),
        f"{folder}.values.json": b"{}",
    }
    assert "data: {c: 'x'}" in tool.render(files, folder, "app", "shop").decode()


@pytest.mark.real
def test_a_chart_that_lacks_what_it_depends_on_is_refused(tool: Helm) -> None:
    lacking = CHART + b"dependencies: [{name: redis, version: 1.0.0, repository: 'https://charts.example.invalid'}]\n"
    with pytest.raises(Rejected, match="redis"):
        render(tool, "x", chart=lacking)


@pytest.mark.real
def test_nothing_of_this_process_environment_reaches_it(
    tool: Helm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "plugins" / "evil"
    plugin.mkdir(parents=True)
    (plugin / "plugin.yaml").write_text(f"name: evil\nversion: 1.0.0\nusage: x\ncommand: touch {tmp_path}/ran\n")
    for name in ("HELM_PLUGINS", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "plugins"))
    monkeypatch.setenv("HELM_NAMESPACE", "elsewhere")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    assert "'shop'" in render(tool, "{{ .Release.Namespace }}")
    assert not (tmp_path / "ran").exists()


def arguments_of_processes() -> Iterator[bytes]:
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                yield (process / "cmdline").read_bytes()
            except OSError:
                continue


@pytest.mark.real
def test_t18_values_are_among_no_process_arguments_and_leave_no_file(tool: Helm) -> None:
    seen: set[bytes] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.update(arguments_of_processes())

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        text = render(tool, "{{ .Values.password }}", f'{{"password": "{SECRET}"}}')
    finally:
        done.set()
        watching.join()
    assert SECRET in text
    assert any(b"template" in line and b"values.json" in line for line in seen)  # it was looked at while it ran
    assert not any(SECRET.encode() in line for line in seen)
    assert list(tool.folder.iterdir()) == []


def fake(folder: Path, version: str) -> Helm:
    program = folder / "helm"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    return Helm(folder / "render", search=str(folder))


@pytest.mark.parametrize("version", ["v3.19.0", "v2.17.0", "nonsense"])
def test_another_line_of_helm_is_not_used(version: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refused:
        fake(tmp_path, version).identity()
    assert refused.value.key == "k8s_binary_missing"
    assert "Helm 4" in refused.value.own_hint


def test_this_line_of_helm_is_used(tmp_path: Path) -> None:
    assert fake(tmp_path, "v4.0.0").identity().startswith("helm v4.0.0 ")


def test_where_there_is_none_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="not on the PATH") as refused:
        Helm(tmp_path / "render", search=str(tmp_path)).identity()
    assert refused.value.key == "k8s_binary_missing"
