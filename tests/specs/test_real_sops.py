"""What the real SOPS encrypts is opened, whatever stands in it."""

import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.specs.sealed import BOUND, REGEX, opened
from tests.specs.test_sealed import Identity

pytestmark = pytest.mark.real
NOTES = ("", " ", "true", "0", "null", "a: b", "- x", "ü€", "two\nlines\n", "'\"\\", "#", "2026-01-01")
ODD = (*NOTES, "ENC[")


def bodies() -> list[dict[str, Any]]:
    """Secrets of many shapes; the same in every run."""
    chance = random.Random(7)
    made = []
    for number in range(12):
        values = {f"k{one}.x-{number}": chance.choice(ODD) + "v" * chance.randrange(0, 3000, 700) for one in range(5)}
        annotations = {"note": chance.choice(NOTES), BOUND: "dev"}
        metadata: dict[str, Any] = {"name": f"s{number}", "annotations": annotations}
        if number % 2:
            metadata |= {"labels": {"a": "b"}, "odd": [{"a": 1, "b": [1.5, True, None]}], "generation": 10**9}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values, "immutable": False}
        made.append(body)
    return made


@pytest.mark.parametrize("body", bodies(), ids=lambda body: body["metadata"]["name"])
def test_it_comes_back_as_it_was(body: dict[str, Any], real_sops: Path, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(yaml.safe_dump(body, allow_unicode=True, sort_keys=False))
    command = [str(real_sops), "--config", "/dev/null", "--encrypt", "--encrypted-regex", REGEX, str(file)]
    environment = {**os.environ, "SOPS_AGE_RECIPIENTS": Identity().recipient}
    sealed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "vvvv" not in sealed
    annotations = {name: text for name, text in body["metadata"]["annotations"].items() if name != BOUND}
    wanted = {**body, "metadata": {**body["metadata"], "annotations": annotations}}
    assert opened(yaml.safe_load(sealed), "dev", Identity(), whole=True) == wanted
