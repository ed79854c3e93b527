"""Kustomizations by the real tool, in the real cell: what they render to, and what they cannot do."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from reconciler.errors import Rejected
from reconciler.rendering import cell
from reconciler.rendering.kustomize import Kustomize
from reconciler.specs.desired import Desired
from reconciler.specs.reader import Reader
from reconciler.specs.resolve import resolve
from tests.specs.repository import Repository, lines
from tests.specs.test_kustomization import BASE, PROD, kustomized

pytestmark = pytest.mark.real
CASES = sorted((Path(__file__).parent / "cases").iterdir())


@pytest.fixture
def tool(real_kubectl: Path, tmp_path: Path) -> Kustomize:
    return Kustomize(tmp_path / "render", search=str(real_kubectl))


def read(repository: Repository, tool: Kustomize) -> Desired:
    with Reader() as reader:
        return resolve(
            repository.load(reader=reader), repository.entries, repository.read, reader=reader, renderer=tool
        )


def render(tool: Kustomize, files: Mapping[str, str]) -> str:
    return tool.render({path: text.encode() for path, text in files.items()}, "app/prod").decode()


def test_it_is_sealed_and_cut_off_where_root_runs_it(tool: Kustomize) -> None:
    found = tool.tool()
    assert (found.mode, found.cut_off) == (cell.SEALED, True)
    assert tool.identity().startswith("kustomize v5.")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_it_renders_to(case: Path, tool: Kustomize) -> None:
    files = {
        str(path.relative_to(case)): path.read_bytes()
        for path in sorted(case.rglob("*"))
        if path.is_file() and path.name != "expected.yaml"
    }
    desired = read(kustomized({**files}), tool)
    assert lines(desired.problems) == []
    assert list(desired.sources["app"].objects) == list(yaml.safe_load_all((case / "expected.yaml").read_text()))


ESCAPES: dict[str, dict[str, str]] = {
    "a file of the machine": {PROD: "resources: [/etc/hostname]"},
    "a way up": {PROD: "resources: [../../../../../../etc/hostname]"},
    "a generated file of the machine": {PROD: "configMapGenerator: [{name: a, files: [x=/etc/hostname]}]"},
    "an address": {PROD: "resources: ['https://127.0.0.1:1/x.yaml']"},
    "a repository": {PROD: "resources: ['https://127.0.0.1:1/o/r.git']"},
    "a chart": {PROD: "helmCharts: [{name: x, repo: 'https://127.0.0.1:1'}]"},
    "a program": {
        PROD: "transformers: [t.yaml]",
        "app/prod/t.yaml": (
            "apiVersion: v1\nkind: T\nmetadata:\n  name: t\n  annotations:\n"
            "    config.kubernetes.io/function: |\n      exec: {path: ./run}\n"
        ),
        "app/prod/run": "#!/bin/sh\ntouch /tmp/reached\n",
    },
    "a circle": {
        PROD: "components: [../base]",
        BASE: "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\ncomponents: [../prod]",
    },
}


@pytest.mark.parametrize("case", ESCAPES, ids=lambda case: case.replace(" ", "-"))
def test_the_cell_holds_what_reading_it_beforehand_would_have_refused(case: str, tool: Kustomize) -> None:
    with pytest.raises(Rejected) as refused:
        render(tool, ESCAPES[case])
    assert str(tool.folder) not in refused.value.message
    assert list(tool.folder.iterdir()) == []


def test_an_output_without_measure_is_a_problem(tool: Kustomize) -> None:
    many = "".join(f"- {{name: c{number}, files: [big]}}\n" for number in range(6))
    desired = read(kustomized({PROD: f"configMapGenerator:\n{many}", "app/prod/big": "x" * 1024 * 1024}), tool)
    assert "larger than 4096 KiB" in str(desired.problems)
    assert desired.sources["app"].objects == ()


def test_very_many_objects_are_a_problem(tool: Kustomize) -> None:
    text = "".join(f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{n}}}\n" for n in range(100_000))
    desired = read(kustomized({PROD: "resources: [x.yaml]", "app/prod/x.yaml": text}), tool)
    source = desired.sources["app"]
    assert desired.problems or source.unrendered is not None  # which limit ends it depends on the machine's load
    assert source.objects == ()
