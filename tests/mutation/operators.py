"""A module's source -> its mutants: one small change of meaning each. Knows syntax only; runs nothing.

What is changed: conditions (to what never or always holds, each operand of `and` and `or` left out), comparisons (`<`
to `<=`), numbers, booleans, one-word strings (error keys, names of fields), operators, entries of tables, cases, and
statements left out. What is not: text for people (strings with a space in them, f-strings, docstrings), annotations,
decorators, imports, members of enums, fields of models, `field(...)` of a dataclass, aliases of types. Of two changes
that the same tests kill, the harder is made.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

SHOWN = 110  # a mutant is shown within the largest piece of code around it that is no longer than this
MODULE = "<module>"

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
BORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
COUNTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
CALLED = {"any": "all", "all": "any", "min": "max", "max": "min", "sorted": "list"}
LEFT_OUT = (ast.Raise, ast.Continue, ast.Break, ast.AugAssign)
NEVER_ENTERED = {"annotation", "returns", "decorator_list", "bases", "type_comment"}
NEVER_LOOKED_INTO = (ast.JoinedStr, ast.Import, ast.ImportFrom)
Put = Callable[[ast.AST | None], None]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change. What identifies it is text, so that it outlives other changes of the file."""

    file: str
    function: str
    original: str
    mutated: str
    nth: int = 1  # of equal changes in one function
    lines: range = field(default=range(0), compare=False)

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        return (self.file, self.function, self.original, self.mutated, self.nth)


@dataclass(frozen=True, slots=True)
class _Site:
    """Where a change is made: the nodes around it, outermost first, and how to put another node there."""

    around: tuple[ast.AST, ...]
    put: Put
    old: ast.AST | None


def mutants(file: str, tree: ast.Module) -> Iterator[Mutant]:
    """Each mutant of a module; while one is looked at, `tree` is changed accordingly."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for site, new in _changes(tree):
        whole = isinstance(site.old, ast.stmt)
        shown = site.old if whole and site.old is not None else _shown(site.around)
        original = _text(shown)
        site.put(new)
        ast.fix_missing_locations(tree)
        mutated = _text(new or ast.Pass()) if whole else _text(shown)
        if new is None and not whole and site.old is not None:
            original, mutated = _text(site.old), "left out"
        function = _function(site.around)
        same = (function, original, mutated)
        seen[same] += 1
        try:
            if original != mutated:
                yield Mutant(file, function, original, mutated, seen[same], _lines(site.around))
        finally:
            site.put(site.old)


def _changes(tree: ast.Module) -> Iterator[tuple[_Site, ast.AST | None]]:
    for around, put in list(_nodes(tree, ())):
        node = around[-1]
        site = _Site(around, put, node)
        for new in _rewritten(around):
            yield site, new
        yield from _within(around)


def _nodes(node: ast.AST, outer: tuple[ast.AST, ...]) -> Iterator[tuple[tuple[ast.AST, ...], Put]]:
    """Every node that may change, with the nodes around it and the way to replace it."""
    around = (*outer, node)
    for name, value in ast.iter_fields(node):
        if name in NEVER_ENTERED or isinstance(node, NEVER_LOOKED_INTO) or _asserts(node):
            continue
        if isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, ast.AST) and not (_docstring(item) or _declared(node, item) or _named(item)):
                    yield (*around, item), _in_list(value, index)
                    yield from _nodes(item, around)
        elif isinstance(value, ast.AST):
            yield (*around, value), _in_field(node, name)
            yield from _nodes(value, around)


def _in_list(items: list[ast.AST], index: int) -> Put:
    def put(new: ast.AST | None) -> None:
        items[index] = new if new is not None else ast.Pass()

    return put


def _in_field(node: ast.AST, name: str) -> Put:
    return lambda new: setattr(node, name, new)


def _declared(owner: ast.AST, item: ast.AST) -> bool:
    """Members of an enum and fields of a model: what they are called is a contract, checked elsewhere."""
    return isinstance(owner, ast.ClassDef) and not owner.decorator_list and not isinstance(item, ast.FunctionDef)


def _asserts(node: ast.AST) -> bool:
    """`zip(..., strict=True)`: an assertion, which nothing can make false."""
    return isinstance(node, ast.keyword) and node.arg == "strict"


def _named(item: ast.AST) -> bool:
    """What a module exports, an annotation that has a name, a type's own name; and what only building a class reads."""
    match item:
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case ast.Assign(value=ast.Subscript(value=ast.Name(id="Annotated" | "Callable"))):
            return True
        case ast.Assign(value=ast.Call(func=ast.Name(id="NewType"))):
            return True
        case ast.AnnAssign(value=ast.Call(func=ast.Name(id="field"))):  # the class stands already: nothing would change
            return True
    return False


def _docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.JoinedStr)


def _rewritten(around: tuple[ast.AST, ...]) -> Iterator[ast.AST | None]:
    """What may stand in place of the last node of `around`."""
    node, parent = around[-1], around[-2]
    condition = _is_condition(parent, node)
    if condition and isinstance(node, ast.expr):
        yield from _always_and_never(node, parent)
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            if not condition or isinstance(op, BORDERS):
                yield ast.Compare(left=left, ops=[COMPARED[type(op)]()], comparators=[right])
        case ast.BoolOp(op=op, values=values):
            for index in range(len(values)):
                rest = values[:index] + values[index + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op=op, values=rest)
        case ast.UnaryOp(op=ast.Not(), operand=operand) if not condition:
            yield operand
        case ast.Constant():
            yield from _constants(node)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in COUNTED:
            yield ast.BinOp(left=left, op=COUNTED[type(op)](), right=right)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in CALLED:
            kept = [] if name == "sorted" else keywords
            yield ast.Call(func=ast.Name(id=CALLED[name], ctx=ast.Load()), args=args, keywords=kept)
        case ast.Return(value=ast.expr() as value) if _answers_yes_or_no(around) and not _is_logic(value):
            yield ast.Return(value=ast.UnaryOp(op=ast.Not(), operand=value))
        case ast.stmt() if _can_go(node) and not _alone(parent, node):
            yield None


def _is_condition(parent: ast.AST, node: ast.AST) -> bool:
    match parent:
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            return node is test
        case ast.comprehension(ifs=ifs):
            return any(node is one for one in ifs)
        case ast.match_case(guard=guard):
            return node is guard
    return False


def _always_and_never(test: ast.expr, parent: ast.AST) -> Iterator[ast.expr]:
    """Leaving an operand out of `and` is harder to see than `True` in its place, so that one is not made."""
    op = test.op if isinstance(test, ast.BoolOp) else None
    if not isinstance(op, ast.Or):
        yield ast.Constant(value=False)
    if not isinstance(op, ast.And) and not isinstance(parent, ast.While):
        yield ast.Constant(value=True)


def _constants(node: ast.Constant) -> Iterator[ast.expr]:
    match node.value:
        case bool(value):
            yield ast.Constant(value=not value)
        case int(value):
            yield ast.Constant(value=value + 1)
        case str(value) if " " not in value:
            yield ast.Constant(value=f"XX{value}XX")


def _can_go(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call | ast.Yield | ast.YieldFrom)
    return isinstance(node, LEFT_OUT)


def _alone(parent: ast.AST, node: ast.AST) -> bool:
    """All that an `if` does: the change of the condition says as much."""
    return isinstance(parent, ast.If) and not parent.orelse and parent.body == [node]


def _answers_yes_or_no(around: tuple[ast.AST, ...]) -> bool:
    functions = [node for node in around if isinstance(node, ast.FunctionDef)]
    returns = functions[-1].returns if functions else None
    return isinstance(returns, ast.Name) and returns.id == "bool"


def _is_logic(value: ast.expr) -> bool:
    return isinstance(value, ast.Compare | ast.BoolOp | ast.Constant) or (
        isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not)
    )


def _within(around: tuple[ast.AST, ...]) -> Iterator[tuple[_Site, ast.AST | None]]:
    """Entries of tables, cases and alternatives left out."""
    node = around[-1]
    for name in _entries(around):
        items = getattr(node, name)
        values = getattr(node, "values", None) if isinstance(node, ast.Dict) else None
        for index, item in enumerate(list(items)):
            if item is not None:
                yield _Site((*around, item), _without(items, values, index), item), None


def _entries(around: tuple[ast.AST, ...]) -> tuple[str, ...]:
    at_top = not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in around)
    match around[-1]:
        case ast.Dict():
            return ("keys",)
        case ast.Set(elts=elts) if len(elts) > 1:
            return ("elts",)
        case ast.Tuple(elts=elts) if at_top and len(elts) > 1 and isinstance(around[-2], ast.Assign | ast.AnnAssign):
            return ("elts",)
        case ast.Match(cases=cases) if len(cases) > 1:
            return ("cases",)
        case ast.MatchOr(patterns=patterns) if len(patterns) > 1:
            return ("patterns",)
    return ()


def _without(items: list[ast.AST], values: list[ast.AST] | None, index: int) -> Put:
    whole, whole_values = list(items), list(values) if values is not None else None

    def put(new: ast.AST | None) -> None:
        items[:] = whole if new is not None else whole[:index] + whole[index + 1 :]
        if values is not None and whole_values is not None:
            values[:] = whole_values if new is not None else whole_values[:index] + whole_values[index + 1 :]

    return put


def _function(around: tuple[ast.AST, ...]) -> str:
    """The outermost function, by its qualified name; a class's own name for its fields."""
    names = []
    for node in around:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.append(node.name)
        if isinstance(node, ast.FunctionDef):
            break
    return ".".join(names) or MODULE


def _shown(around: tuple[ast.AST, ...]) -> ast.AST:
    """The largest piece around the change that is short enough, at least what holds it, at most its statement."""
    pieces = [node for node in around[:-1] if isinstance(node, ast.stmt | ast.expr | ast.match_case)]
    shown = pieces[-1]
    for piece in reversed(pieces):
        if len(_text(piece)) > SHOWN:
            break
        shown = piece
        if isinstance(piece, ast.stmt):
            break
    return shown


def _text(node: ast.AST) -> str:
    """Source on one line; of what holds other statements only its head."""
    try:
        text = ast.unparse(node)
    except (AttributeError, ValueError):  # a list left empty
        return f"{type(node).__name__} left empty"
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        text = "\n".join(line for line in text.splitlines() if not line.startswith("@"))
        return text.partition(":\n")[0]
    if isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try):
        head = type(node)(**{**vars(node), "body": [ast.Pass()], "orelse": []})
        return " ".join(ast.unparse(head).removesuffix("pass").split())
    return " ".join(text.split())


def _lines(around: tuple[ast.AST, ...]) -> range:
    """The lines of the statement that is changed; of one that holds others, its head."""
    statement = next(node for node in reversed(around) if isinstance(node, ast.stmt))
    if isinstance(statement, ast.FunctionDef):  # a default: whoever calls the function sees it
        return range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    body = getattr(statement, "body", None) or getattr(statement, "cases", None)
    first = body[0] if body else None
    end = (statement.end_lineno or statement.lineno) + 1
    if first is None or isinstance(statement, ast.Match):
        return range(statement.lineno, end)
    return range(statement.lineno, max(first.lineno, statement.lineno + 1))
