"""A mutated tree -> the program that runs, in a forked child. Knows how Python keeps functions, defaults and tables.

Nothing is imported again: a function's code is replaced within the function that everybody holds already, a default
where the function keeps it, a table in every module that has it under its name. So a mutant costs a fork and its tests.
"""

import ast
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from tests.mutation.operators import MODULE


class Unswappable(Exception):
    """This kind of place cannot be changed in a running program."""


def swap(module: ModuleType, tree: ast.Module, function: str) -> None:
    """Make the running program what the mutated tree says. For a child only: there is no way back."""
    if function == MODULE:
        _tables(module, tree)
        return
    place: Any = module
    for name in function.split("."):
        place = vars(place)[name]
    if isinstance(place, type):
        _fields(module, tree, place)
        return
    live = _function(place)
    code = compile(tree, module.__file__ or "", "exec", dont_inherit=True)
    live.__code__ = next(found for found in _codes(code) if found.co_qualname == function)
    definition = next(node for node in ast.walk(tree) if _is_definition(node, live))
    _defaults(module, live, definition)


def _function(place: Any) -> FunctionType:
    if isinstance(place, property):
        place = place.fget
    if isinstance(place, classmethod | staticmethod):
        place = place.__func__
    if not isinstance(place, FunctionType):
        raise Unswappable(str(place))
    return place


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _codes(value)


def _is_definition(node: ast.AST, live: FunctionType) -> bool:
    lines = {node.lineno, *(one.lineno for one in node.decorator_list)} if isinstance(node, ast.FunctionDef) else set()
    return live.__code__.co_firstlineno in lines


def _defaults(module: ModuleType, live: FunctionType, definition: ast.AST) -> None:
    if not isinstance(definition, ast.FunctionDef):
        raise Unswappable(live.__qualname__)
    live.__defaults__ = tuple(_value(module, node) for node in definition.args.defaults) or None
    named = zip(definition.args.kwonlyargs, definition.args.kw_defaults, strict=True)
    live.__kwdefaults__ = {arg.arg: _value(module, node) for arg, node in named if node is not None} or None


def _value(module: ModuleType, node: ast.expr) -> Any:
    code = compile(ast.fix_missing_locations(ast.Expression(body=node)), module.__file__ or "", "eval")
    return eval(code, dict(vars(module)))  # noqa: S307 (our own source)


def _fields(module: ModuleType, tree: ast.Module, owner: type) -> None:
    """Defaults of a dataclass's fields, which its __init__ keeps."""
    fields: dict[str, Any] = getattr(owner, "__dataclass_fields__", {})
    if not fields:
        raise Unswappable(owner.__qualname__)
    definition = next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == owner.__name__)
    initial: Any = vars(owner)["__init__"]
    names = initial.__code__.co_varnames[1 : initial.__code__.co_argcount]
    positional = dict(zip(reversed(names), reversed(initial.__defaults__ or ()), strict=False))
    for node in definition.body:
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(node.value, ast.Constant | ast.UnaryOp)
        ):
            name = node.target.id
            if name in positional:
                positional[name] = ast.literal_eval(node.value)
            elif name in (initial.__kwdefaults__ or {}):
                initial.__kwdefaults__[name] = ast.literal_eval(node.value)
    initial.__defaults__ = tuple(positional[name] for name in names if name in positional) or None


def _tables(module: ModuleType, tree: ast.Module) -> None:
    """What a module binds at its top, and what it derives from that, wherever else it is known by that name."""
    fresh = ast.parse(_source(module))
    changed: set[str] = set()
    for old, new in zip(fresh.body, tree.body, strict=True):
        name, value = _binding(new)
        if name is None or value is None:
            if ast.dump(old) != ast.dump(new):
                raise Unswappable(ast.unparse(new))
            continue
        if ast.dump(old) != ast.dump(new) or changed & {
            part.id for part in ast.walk(value) if isinstance(part, ast.Name)
        }:
            changed.add(name)
            _rebind(module, name, _value(module, value))


def _source(module: ModuleType) -> str:
    with open(module.__file__ or "", encoding="utf-8") as file:
        return file.read()


def _binding(node: ast.stmt) -> tuple[str | None, ast.expr | None]:
    match node:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.AnnAssign(target=ast.Name(id=name), value=value)
        ):
            return name, value
    return None, None


def _rebind(module: ModuleType, name: str, value: Any) -> None:
    old = vars(module)[name]
    for other in list(sys.modules.values()):
        known = getattr(other, "__dict__", None)
        if isinstance(known, dict) and known.get(name) is old:
            known[name] = value
