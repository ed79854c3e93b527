"""A pull request of some hundred kilobytes kept the loop busy for minutes: work grew with the square of the specs.

Work is counted in calls, not in seconds: twice the specs may take about twice the calls.
"""

import cProfile
import pstats
from collections.abc import Callable, Iterable, Sequence

import pytest

from reconciler.specs.desired import Desired
from reconciler.specs.load import Loaded
from reconciler.specs.reader import Reader
from reconciler.specs.resolve import resolve
from reconciler.specs.source import TreeEntry
from tests.specs.repository import Repository

HEAD = "apiVersion: opspilot.spec/v1\nkind: "
FEW, MOST_GROWTH = 150, 2.6
PER_FILE = 50


def release(name: str, *, environment: str = "e", path: str = "m", after: Sequence[str] = (), more: str = "") -> str:
    return (
        f"{HEAD}Release\nmetadata: {{name: {name}}}\nspec:\n  environment: {environment}\n  cluster: c\n"
        f"  namespace: x\n  source: {{type: manifests, path: {path}}}\n  dependsOn: [{', '.join(after)}]\n{more}"
    )


def chain(count: int, prefix: str = "m") -> list[str]:
    names = [f"{prefix}{number}" for number in range(count)]
    return [release(one, after=[other]) for one, other in zip(names, [*names[1:], "z0"], strict=True)]


def ring(count: int, prefix: str) -> list[str]:
    return [release(f"{prefix}{n}", after=[f"{prefix}{(n + 1) % count}"]) for n in range(count)]


def binding(number: int) -> str:
    subject = f"subjects: [{{group: nobody-{number}}}]"
    return f"{HEAD}RoleBinding\nmetadata: {{name: b{number}}}\nspec: {{role: approver, {subject}, scope: {{}}}}\n"


def user(number: int) -> str:
    return (
        f"{HEAD}User\nmetadata: {{name: u{number}}}\nspec: {{emails: [u{number}@example.org], groups: [g{number}]}}\n"
    )


SHAPES: dict[str, Callable[[int], list[str]]] = {
    "names that nobody knows": lambda n: [release(f"r{i}", environment=f"x{i}", after=[f"q{i}"]) for i in range(n)],
    "a long wait": chain,
    "one circle": lambda n: ring(n, "r"),
    "a way from a circle to a circle": lambda n: [
        *ring(2, "z"), *chain(n), release("a", after=["b"]), release("b", after=["a", "m0"])
    ],
    "a long wait for what is invalid": lambda n: [*chain(n), release("z0", more="  nope: 1\n")],
    "all wait for what is not there": lambda n: [release(f"r{i}", after=[f"r{i + 1}", f"q{i}"]) for i in range(n)],
    "groups that nobody is in": lambda n: [text for i in range(n) for text in (binding(i), user(i))],
    "folders that are not there": lambda n: [release(f"r{i}", path=f"f/{i * 7919}") for i in range(n)],
}  # fmt: skip


def files(documents: Sequence[str]) -> Repository:
    return Repository.of(
        {
            f"f{start}.yaml": "---\n".join(documents[start : start + PER_FILE])
            for start in range(0, len(documents), PER_FILE)
        }
    )


def calls(documents: Sequence[str], reader: Reader) -> int:
    """How many functions are called to resolve what these documents say."""
    repository = files(documents)
    loaded = repository.load(reader=reader)
    assert loaded.specs
    profile = cProfile.Profile()
    profile.runcall(resolved, loaded, repository.entries, repository, reader)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


def resolved(loaded: Loaded, entries: Iterable[TreeEntry], repository: Repository, reader: Reader) -> Desired:
    return resolve(loaded, entries, repository.read, reader=reader)


@pytest.mark.parametrize("shape", SHAPES)
def test_t26_twice_the_specs_are_about_twice_the_work(shape: str) -> None:
    with Reader(per_file=30.0) as reader:
        calls(SHAPES[shape](FEW), reader)  # what is made once is made now
        few, many = (calls(SHAPES[shape](FEW * times), reader) for times in (1, 2))
    assert many < few * MOST_GROWTH


def test_every_knot_is_told_of_and_a_long_circle_is_short_to_read() -> None:
    documents = [*ring(300, "a"), *ring(3, "b"), *chain(20), *ring(2, "z"), release("own", after=["own"])]
    problems = [problem.message for problem in files(documents).resolve().problems]
    told = {text.partition("each other: ")[2] for text in problems if "wait for each other" in text}
    start = " -> ".join(f"a{number}" for number in range(10))
    end = " -> ".join(f"a{number}" for number in range(291, 300))
    assert told == {
        f"{start} -> 281 more -> {end} -> a0", "b0 -> b1 -> b2 -> b0", "own -> own", "z0 -> z1 -> z0"
    }  # fmt: skip


def test_each_of_many_circles_is_told_of() -> None:
    documents = [text for n in range(60) for text in ring(2, f"k{n:02}-")]
    problems = files(documents).resolve().problems
    assert len([problem for problem in problems if "wait for each other" in problem.message]) == 60
