"""Tens of thousands of bad files through the reader, the models and the resolution: a place each, and nothing else.

More of them: `pytest tests/hostile/test_files.py --hostile-inputs 1000000`; others: `--hostile-seed 7`. A file that
fails is made again by its number, with `corpus.cases`.
"""

import gc
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from yaml.composer import ComposerError

from reconciler.errors import Problem
from reconciler.specs.annotate import as_annotations, as_lines
from reconciler.specs.desired import Desired
from reconciler.specs.load import Loaded
from reconciler.specs.nursery import Origin
from reconciler.specs.reader import Reader
from reconciler.specs.resolve import resolve
from reconciler.specs.source import mentions_specs
from tests.hostile.corpus import FAMILIES, MANIFESTS, Case, cases, example
from tests.specs.repository import GOOD_HOST, Repository

PARTS = 10  # so that several workers share the work
AT_ONCE = 500  # files of one revision
GROWTH = 48 * 1024 * 1024  # bytes; a part has some megabytes of specs alive at once
LONGEST = 6_000  # characters of one problem; Git's longest path is in it
EXAMPLE = example()
OWN = frozenset(path for path in EXAMPLE if path.endswith(".yaml"))


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a revision."""

    loaded: Loaded
    desired: Desired


@pytest.fixture(scope="module")
def unhurried() -> Iterator[Reader]:
    """The child's own limit of processor time stays; the clock's is for a machine that does nothing else."""
    with Reader(per_file=30.0) as shared:
        yield shared


def seen(batch: Sequence[Case], reader: Reader) -> Seen:
    repository = Repository.of(EXAMPLE)
    for case in batch:
        repository.add(case.path, case.content)
    loaded = repository.load(reader=reader)
    return Seen(loaded, resolve(loaded, repository.entries, repository.read, reader=reader))


def numbered(part: int, count: int) -> Iterator[tuple[int, int]]:
    """The batches of a part: first number and the one after the last."""
    size = count // PARTS
    for start in range(part * size, (part + 1) * size, AT_ONCE):
        yield start, min(start + AT_ONCE, (part + 1) * size)


def resident() -> int:
    """Bytes of memory that this process has now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


@pytest.mark.parametrize("part", range(PARTS))
def test_t24_t26_every_bad_file_is_a_problem_at_its_place_or_a_spec(
    part: int, pytestconfig: pytest.Config, unhurried: Reader
) -> None:
    seed, count = int(pytestconfig.getoption("--hostile-seed")), int(pytestconfig.getoption("--hostile-inputs"))
    before, read = 0, 0
    for start, stop in numbered(part, count):
        batch = list(cases(seed, start, stop))
        result = seen(batch, unhurried)
        wrong = [f"{case.family}-{case.number}: {why}" for case, why in wrongs(batch, result)]
        assert not wrong, wrong[:20]
        assert {spec.place.path for spec in result.loaded.specs} | _sources() >= OWN
        read += len(batch)
        before = before or resident()
    assert read == count // PARTS
    assert unhurried.started <= len(Origin), "a file ended a child"
    assert resident() - before < GROWTH


def _sources() -> set[str]:
    return {path for path in OWN if not mentions_specs(EXAMPLE[path])}


def wrongs(batch: Sequence[Case], result: Seen) -> Iterator[tuple[Case, str]]:
    """What must not be, of each file."""
    problems: dict[str, list[Problem]] = defaultdict(list)
    for problem in result.desired.problems:
        problems[problem.place.path].append(problem)
    specs: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for spec in result.loaded.specs:
        specs[spec.place.path].append((str(spec.kind), spec.name))
    for case in batch:
        found = problems[case.path]
        yield from ((case, why) for problem in found for why in _unplaced(case, problem))
        if not found and (case.path.startswith(MANIFESTS) or mentions_specs(case.content)):
            yield from ((case, why) for why in _otherwise(case, specs[case.path]))


def _unplaced(case: Case, problem: Problem) -> Iterator[str]:
    """What is wrong with a problem itself."""
    lines = case.content.split(b"\n")
    text = as_lines([problem]).removesuffix("\n")
    if not as_annotations([problem]).removesuffix("\n").isprintable():
        yield f"a job's log obeys it: {text[:100]}"
    if "could not be read safely" in text:
        yield f"lost: {text}"
    if not text.isprintable() or len(text) > LONGEST:
        yield f"not one readable line: {text[:100]!r}"
    if not 0 <= problem.place.line <= len(lines) + 1:
        yield f"no such line: {text[:200]}"
    elif (
        problem.place.line and not 1 <= problem.place.column <= len(lines[min(problem.place.line, len(lines)) - 1]) + 2
    ):
        yield f"no such column: {text[:200]}"


def _otherwise(case: Case, specs: list[tuple[str, str]]) -> Iterator[str]:
    """Where a file was taken for good: what another parser makes of it."""
    documents = _composed(case.content.decode())
    if documents is None:
        yield "accepted, and another parser refuses it"
        return
    said = [node for node in documents if _text(node, "apiVersion").startswith("opspilot.spec/")]
    names = [(_text(node, "kind"), _text(node, "metadata", "name")) for node in said]
    if names != specs and not case.path.startswith(MANIFESTS):
        yield f"read as {specs}, and by another parser as {names}"


def _composed(text: str) -> list[Any] | None:
    """The documents as PyYAML's own parser reads them; what only that one refuses (tabs in `{}`), as libyaml does."""
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        try:
            return list(yaml.compose_all(text, Loader=loader))
        except ComposerError:  # an anchor said twice, as YAML 1.2.2 (7.1) allows in manifests; a spec has none
            return []
        except yaml.YAMLError:
            continue
    return None


def _text(node: Any, *way: str) -> str:
    """The text at a place of a document, and nothing where there is none."""
    for step in way:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for key, value in pairs if key.value == step), None)
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def test_the_corpus_is_the_same_for_a_seed_and_has_no_idle_family(unhurried: Reader) -> None:
    one, again, other = (list(cases(seed, 0, 13 * 40)) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    result = seen(one, unhurried)
    refused = {problem.place.path for problem in result.desired.problems}
    counts = {family: sum(case.family == family and case.path in refused for case in one) for family in FAMILIES}
    assert all(count >= 10 for count in counts.values()), counts


@pytest.mark.parametrize("position", ["first", "between", "last"])
def test_t26_whatever_stands_beside_it_a_good_file_is_read(position: str, unhurried: Reader) -> None:
    batch = list(cases(3, 0, 13 * 4))
    path = {"first": "0.yaml", "between": "hostile/c.yaml", "last": "z.yaml"}[position]
    result = seen([*batch, Case(-1, "good", path, GOOD_HOST.encode())], unhurried)
    assert "web-1" in result.desired.hosts
    assert result.desired.unreadable
