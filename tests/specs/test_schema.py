"""The printed schemas: fresh, valid, and of one mind with the models."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from reconciler.specs.document import documents
from reconciler.specs.kinds import Kind
from reconciler.specs.schema import files, main, schema_of, stale
from tests.specs.test_kinds import MINIMAL

ROOT = Path(__file__).parents[2]


def example_documents() -> Iterator[dict[str, Any]]:
    for path in sorted((ROOT / "example-desired-state").rglob("*.yaml")):
        text = path.read_text("utf-8")
        if "opspilot.spec/v1" in text:
            yield from yaml.safe_load_all(text)


def test_the_schemas_in_the_repository_are_fresh() -> None:
    assert stale(ROOT / "schemas") == []


def test_a_stale_schema_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    (tmp_path / "host.json").write_text("{}")
    (tmp_path / "user.json").unlink()
    (tmp_path / "gone.json").write_text("{}")
    assert main(["--check", str(tmp_path)]) == 1
    assert [line.split(" ")[0].rpartition("/")[2] for line in capsys.readouterr().err.splitlines()] == [
        "gone.json",
        "host.json",
        "user.json",
    ]


def test_schemas_are_the_same_every_time() -> None:
    assert files() == files()


@pytest.mark.parametrize("kind", Kind)
def test_a_schema_is_valid_and_describes_every_field(kind: Kind) -> None:
    schema = schema_of(kind)
    Draft202012Validator.check_schema(schema)
    definitions = schema["$defs"]
    silent = []
    for part in (schema, *definitions.values()):
        for name, field in part.get("properties", {}).items():
            referred = definitions.get(field.get("$ref", "").rpartition("/")[2], {})
            if not (field.get("description") or referred.get("description")):
                silent.append(name)
    assert silent == []


def test_every_kind_of_the_example_validates() -> None:
    seen = set()
    for document in example_documents():
        Draft202012Validator(schema_of(Kind(document["kind"]))).validate(document)
        seen.add(document["kind"])
    assert seen == set(Kind) - {"Role"}


def mutants(value: Any) -> Iterator[Any]:
    """The value with one part taken out, one put in, and one of another type."""
    if isinstance(value, dict):
        yield {**value, "surprise": 1}
        for key, item in value.items():
            yield {name: other for name, other in value.items() if name != key}
            yield {**value, key: 7.5}
            yield {**value, key: ["UPPER !"]}
            for changed in mutants(item):
                yield {**value, key: changed}
    elif isinstance(value, list):
        for number, item in enumerate(value):
            for changed in mutants(item):
                yield [*value[:number], changed, *value[number + 1 :]]
    elif isinstance(value, str):
        yield value + " !"
        yield value.upper()


@pytest.mark.parametrize("kind", Kind)
def test_schema_and_model_refuse_the_same(kind: Kind) -> None:
    """What the schema refuses the model refuses; the model alone knows rules between fields and of encoded values."""
    validator = Draft202012Validator(schema_of(kind))
    samples = [document for document in example_documents() if document["kind"] == kind][:2]
    samples.append(
        {"apiVersion": "opspilot.spec/v1", "kind": str(kind), "metadata": {"name": "a"}, "spec": MINIMAL[kind]}
    )
    for sample in samples:
        for mutant in mutants(sample):
            try:
                documents()[kind].model_validate_json(json.dumps(mutant), by_alias=True, by_name=False)
            except ValueError:
                continue
            assert list(validator.iter_errors(mutant)) == []


@pytest.mark.parametrize("kind", Kind)
def test_every_default_fits_its_own_pattern(kind: Kind) -> None:
    """What an editor fills in, the reader takes."""
    schema = schema_of(kind)
    fields = [field for part in (schema, *schema["$defs"].values()) for field in part.get("properties", {}).values()]
    said = [(field["default"], field["pattern"]) for field in fields if "default" in field and "pattern" in field]
    assert [default for default, pattern in said if not re.search(pattern, str(default))] == []
