"""The list of mutants that nothing can kill says only what is true of the source as it stands, and says why.

Whether each of them does survive, and whether another does, is what `make mutation` answers.
"""

import ast
from collections import Counter

import pytest

from tests.mutation.operators import MODULE, Mutant, mutants
from tests.mutation.survivors import FILES, ROOT, listed, reasons


def made(source: str) -> list[tuple[str, str]]:
    """What a piece of source is changed to: the code before and after."""
    return [(mutant.original, mutant.mutated) for mutant in mutants("x.py", ast.parse(source))]


def parts_of(file: str, names: set[str]) -> ast.Module:
    """The functions and classes of these names alone, and the top of the module for its own: to mutate all is slow."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    tree.body = [node for node in tree.body if getattr(node, "name", MODULE) in names]
    return tree


def test_every_listed_mutant_is_one_of_the_source_as_it_is() -> None:
    all_listed = listed()
    places: dict[str, set[str]] = {}
    for mutant in all_listed:
        places.setdefault(mutant.file, set()).add(mutant.function.partition(".")[0])
    assert places.keys() <= set(FILES)
    there = {mutant.key for file, names in places.items() for mutant in mutants(file, parts_of(file, names))}
    assert [mutant for mutant in all_listed if mutant.key not in there] == []


def test_every_listed_mutant_is_listed_once_and_with_a_reason() -> None:
    assert [key for key, count in Counter(mutant.key for mutant in listed()).items() if count > 1] == []
    assert [because for because in reasons() if len(because.split()) < 4] == []


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("if a == b:\n    x", ["if False:", "if True:"]),
        ("if a < 5:\n    x", ["if False:", "if True:", "if a <= 5:", "if a < 6:"]),
        ("if a and b and c:\n    x", ["if False:", "if b and c:", "if a and c:", "if a and b:"]),
        ("if a or b:\n    x", ["if True:", "if b:", "if a:"]),
        ("while a:\n    x", ["while False:"]),
        ("x = a if b else c", ["x = a if False else c", "x = a if True else c"]),
        ("x = [a for a in b if c]", ["x = [a for a in b if False]", "x = [a for a in b if True]"]),
        ("x = not a", ["x = a"]),
        ("x = any(a)", ["x = all(a)"]),
        ("x = sorted(a, key=b)", ["x = list(a)"]),
        ("x = {a: b, c: d}", ["left out", "left out"]),
        ("x = 'key'", ["x = 'XXkeyXX'"]),
        ("x = 'words for people'", []),
        ("x = f'words {a == b}'", []),
        ("x: Literal['a'] = b", []),
        ("def f():\n    '''Words.'''\n    g(a)", ["pass"]),
        ("def f(a=True):\n    return a", ["def f(a=False)"]),
        ("def f() -> bool:\n    return g(a)", ["return not g(a)"]),
        ("if a:\n    raise b", ["if False:", "if True:"]),  # without the only statement: the same as never
        ("class A(StrEnum):\n    A = 'a'", []),
        ("A = NewType('A', str)", []),
        ("A = Callable[[B | None], C | None]", []),
        ("@dataclass\nclass A:\n    a: B = field(repr=False)\n    b: bool = False", ["b: bool = True"]),
    ],
)
def test_each_condition_constant_and_entry_is_changed_one_at_a_time(source: str, changes: list[str]) -> None:
    assert [after for _, after in made(source)] == changes


def test_the_source_is_whole_again_after_every_mutant() -> None:
    for file in FILES[:3]:
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        before = ast.dump(tree)
        assert len({mutant.key for mutant in mutants(file, tree)}) == sum(1 for _ in mutants(file, tree))
        assert ast.dump(tree) == before


def test_a_mutant_knows_the_lines_that_a_test_must_reach() -> None:
    source = "def f(a):\n    if a:\n        return 1\n    return (\n        2\n    )\n"
    found = [(mutant.mutated, list(mutant.lines)) for mutant in mutants("x.py", ast.parse(source))]
    assert found == [("if False:", [2]), ("if True:", [2]), ("return 2", [3]), ("return 3", [4, 5, 6])]


def test_equal_changes_in_one_function_are_told_apart() -> None:
    found: list[Mutant] = list(mutants("x.py", ast.parse("def f():\n    g(1)\n    g(1)\n")))
    assert [mutant.nth for mutant in found if mutant.mutated == "g(2)"] == [1, 2]
