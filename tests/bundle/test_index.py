"""The index: what is wrong with it, all at once, with places."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.bundle.index import read_index
from tests.bundle.making import HookText, index_text

GOOD = index_text(["bin/tool"], {"preflight.sh": HookText("true")}, "test-1")
REPOSITORY = Path(__file__).parents[2]

WRONG = {
    "another version": ("opspilot.manifest/v1", "opspilot.manifest/v2", "artifact_version_unsupported"),
    "a path upwards": ('"bin/tool"', '"../tool"', "not a path inside a bundle"),
    "an absolute path": ('"bin/tool"', '"/bin/tool"', "not a path inside a bundle"),
    "a hidden path": ('"bin/tool"', '"bin/../../tool"', "not a path inside a bundle"),
    "a path among the sums": ('"bin/tool"', '"checksums/tool"', "not a path inside a bundle"),
    "a set-id mode": ('"0755"', '"4755"', "mode"),
    "a world-writable mode": ('"0755"', '"0757"', "mode"),
    "a short sum": ('"sha256": ""', '"sha256": "abc"', "sha256"),
    "an unknown field": ('"required": true', '"required": true, "url": "x"', "unknown field"),
    "a quoted flag": ('"required": true', '"required": "true"', "true or false"),
    "an unknown type": ('"binary"', '"rpm"', "type"),
    "no timeout": ('"timeoutSeconds": 60', '"timeoutSeconds": 0', "from 1 to"),
    "retries of what is not retryable": ('"maxRetries": 0', '"maxRetries": 2', "needs retryable"),
    "an unknown place to run": ('"runOn": "all"', '"runOn": "everywhere"', "runOn"),
    "an input that is no variable": ('"inputs": []', '"inputs": ["LD_PRELOAD"]', "inputs"),
    "another runtime": ("name: k8s", "name: nomad", "name"),
    "another key file": ("checksums/public.key", "checksums/other.key", "pubkeyRef"),
    "a duplicate key": ("kind: Inst", "kind: X\nkind: Inst", "kind"),
    "an anchor": ("version: test\n", "version: &a test\n", "anchor"),
}


def test_the_good_one_is_good() -> None:
    index, problems = read_index(GOOD.encode())
    assert problems == []
    assert index is not None
    assert index.version == "test-1"


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told_with_its_place(what: str) -> None:
    old, new, expected = WRONG[what]
    assert old in GOOD
    index, problems = read_index(GOOD.replace(old, new).encode())
    assert index is None
    assert any(expected in f"{one.key} {one.message} {one.hint}" for one in problems), problems
    assert all(one.place.path == "manifests/index.yaml" for one in problems)
    assert problems[0].place.line > 0


def test_every_problem_is_told_at_once() -> None:
    text = (
        GOOD.replace('"0755"', '"9999"')
        .replace('"runOn": "all"', '"runOn": "x"')
        .replace("bundleVersion: test-1\n", "")
    )
    _, problems = read_index(text.encode())
    assert len(problems) == 3


def test_one_name_stands_for_one_hook() -> None:
    line = next(one for one in GOOD.splitlines() if '"preflight.sh"' in one)
    _, problems = read_index((GOOD + line + "\n").encode())
    assert [one.message for one in problems] == ["k8s: hook preflight.sh stands twice"]


@given(st.binary(max_size=300))
def test_no_bytes_raise(content: bytes) -> None:
    index, problems = read_index(content)
    assert (index is None) == bool(problems)


@pytest.mark.parametrize("root", ["script", "example-desired-state/sandbox-bundle"])
def test_the_indexes_in_this_repository_are_good(root: str) -> None:
    index, problems = read_index((REPOSITORY / root / "manifests/index.yaml").read_bytes())
    assert problems == []
    assert index is not None
    assert {runtime.name for runtime in index.runtimes} == {"k8s", "compose"}
