"""Values that the real SOPS encrypted, in charts by the real Helm: what comes out is what Helm itself makes of them."""

import base64
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.rendering.helm import Helm
from reconciler.specs.desired import Desired
from reconciler.specs.reader import Reader
from reconciler.specs.resolve import resolve
from reconciler.specs.sealed import BOUND
from tests.leaks.forms import Searcher
from tests.specs.repository import lines
from tests.specs.test_charts import charted
from tests.specs.test_sealed import Identity

pytestmark = pytest.mark.real
ODD = 'Kx7 canary9:Qz2"vLw8m$é/x'
PLAIN = "Kx7canary9Qz2vLw8m"
SEARCHER = Searcher({"odd": ODD, "plain": PLAIN})
VALUES: dict[str, Any] = {"names": ["web", "mail"], "empty": ""}
SECRET = """\
apiVersion: v1
kind: Secret
metadata: {{name: {{{{ .Release.Name }}}}-db}}
{}
"""
WELL = {
    "in base64": ("data: {{p: {{{{ .Values.db.password | b64enc }}}}}}", ODD),
    "in base64, quoted": ("data: {{p: {{{{ .Values.db.password | b64enc | quote }}}}}}", ODD),
    "quoted": ("stringData: {{p: {{{{ .Values.db.password | quote }}}}}}", ODD),
    "required": ("stringData: {{p: {{{{ required `say it` .Values.db.password | quote }}}}}}", ODD),
    "by default": ("stringData: {{p: {{{{ .Values.db.password | default `x` | quote }}}}}}", ODD),
    "an address": ('data: {{p: {{{{ printf "postgres://u:%s@db" .Values.db.password | b64enc }}}}}}', ODD),
    "as JSON": ("data: {{p: {{{{ .Values.db | toJson | b64enc }}}}}}", PLAIN),
    "as YAML": ("data: {{p: {{{{ .Values.db | toYaml | b64enc }}}}}}", PLAIN),
    "bare": ("stringData: {{p: {{{{ .Values.db.password }}}}}}", PLAIN),
    "a block": ("stringData:\n  p: |\n    a={{{{ .Values.db.password }}}}\n    b=1", PLAIN),
    "every one": ("stringData: {{{{ toYaml .Values.db | nindent 2 }}}}", PLAIN),
    "a registry": (
        'data: {{p: {{{{ printf `{{"auth":"%s"}}` (printf "u:%s" .Values.db.password | b64enc) | b64enc }}}}}}',
        ODD,
    ),
}
BADLY = {
    "as JSON": ("data: {{p: {{{{ .Values.db | toJson | b64enc }}}}}}", "data.p: it is quoted or cut"),
    "hashed": ("stringData: {{p: {{{{ .Values.db.password | sha256sum }}}}}}", "something is made of"),
    "in small letters": ("stringData: {{p: {{{{ .Values.db.password | lower | quote }}}}}}", "something is made of"),
    "trimmed": ("stringData: {{p: {{{{ .Values.db.password | trim | quote }}}}}}", "it is quoted or cut"),
    "in a label": ("metadata2: {{p: {{{{ .Values.db.password | quote }}}}}}", "where no value of a Secret is"),
    "refused by it": ('{{{{ fail (printf "%s is bad" .Values.db.password) }}}}', "is bad"),
}


@pytest.fixture
def tool(official_helm: Path, tmp_path: Path) -> Helm:
    return Helm(tmp_path / "render", search=str(official_helm.parent))


def encrypted(sops: Path, folder: Path, values: dict[str, Any]) -> str:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump({**values, BOUND: "dev"}, allow_unicode=True))
    environment = {**os.environ, "SOPS_AGE_RECIPIENTS": Identity().recipient}
    command = [str(sops), "--config", "/dev/null", "--encrypt", str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    file.unlink()
    return done.stdout


def read(template: str, password: str, sops: Path, tool: Helm, folder: Path) -> Desired:
    text = encrypted(sops, folder, VALUES | {"db": {"password": password, "user": "web"}})
    assert not SEARCHER.found(text.encode())
    repository = charted({"app/chart/templates/c.yaml": template, "v.yaml": text}, ", values: [v.yaml]")
    with Reader() as reader:
        loaded = repository.load(reader=reader)
        return resolve(loaded, repository.entries, repository.read, None, reader, charts=tool, opener=Identity())


def by_helm(template: str, password: str, helm: Path, folder: Path) -> dict[str, str]:
    """What Helm itself makes of the value, as who mounts the Secret sees it."""
    chart = folder / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.2.3\n")
    (chart / "templates" / "c.yaml").write_text(template)
    values = folder / "clear.yaml"
    values.write_text(yaml.safe_dump(VALUES | {"db": {"password": password, "user": "web"}}))
    command = [str(helm), "template", "app", str(chart), "--values", str(values)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"HOME": str(folder)})
    return mounted(yaml.safe_load(done.stdout))


def mounted(body: dict[str, Any]) -> dict[str, str]:
    data = {key: base64.b64decode(value).decode() for key, value in (body.get("data") or {}).items()}
    return {**data, **(body.get("stringData") or {})}


@pytest.mark.parametrize(("fields", "password"), WELL.values(), ids=WELL)
def test_what_a_secret_holds_is_what_helm_itself_would_have_made(
    fields: str, password: str, tool: Helm, real_sops: Path, official_helm: Path, tmp_path: Path
) -> None:
    template = SECRET.format(fields.format())
    desired = read(template, password, real_sops, tool, tmp_path)
    assert lines(desired.problems) == []
    (body,) = desired.sources["app"].objects
    assert mounted(body) == by_helm(template, password, official_helm, tmp_path)
    assert SEARCHER.found("".join(mounted(body).values()).encode())
    assert not [path for path in (tmp_path / "render").rglob("*") if path.is_file()]


@pytest.mark.parametrize(("fields", "words"), BADLY.values(), ids=BADLY)
def test_what_cannot_be_told_is_refused_without_a_value(
    fields: str, words: str, tool: Helm, real_sops: Path, tmp_path: Path
) -> None:
    desired = read(SECRET.format(fields.format()), ODD, real_sops, tool, tmp_path)
    assert any(words in problem.message for problem in desired.problems), desired.problems
    assert not SEARCHER.found(repr(desired.problems).encode())


def test_a_number_in_it_is_named(tool: Helm, real_sops: Path, tmp_path: Path) -> None:
    text = encrypted(real_sops, tmp_path, {"db": {"port": 5432}})
    repository = charted({"v.yaml": text}, ", values: [v.yaml]")
    with Reader() as reader:
        loaded = repository.load(reader=reader)
        found = resolve(loaded, repository.entries, repository.read, None, reader, charts=tool, opener=Identity())
    assert [problem.message for problem in found.problems] == ["opening values that SOPS encrypted: db.port is no text"]
