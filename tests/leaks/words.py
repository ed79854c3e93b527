"""Everything that an exception says and holds, with what it came from: what any logger, debugger or crash reporter
could print of it without the variables of frames."""

from collections.abc import Iterator
from typing import Any


def of_exception(error: BaseException) -> bytes:
    """Texts, arguments and attributes of the exception and of its causes, contexts and groups."""
    return "\n".join(line for one in chain(error) for line in _lines(one)).encode("utf-8", "backslashreplace")


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The exception, and every one that it came from, whether a traceback would show it or not."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def _lines(error: BaseException) -> Iterator[str]:
    yield repr(error)
    yield str(error)
    for name in dir(error):
        if not name.startswith("__"):
            yield f"{name}={_shown(getattr(error, name, None))}"
    yield from map(_shown, getattr(error, "__notes__", ()))


def _shown(value: Any) -> str:
    return "" if callable(value) else value.decode("latin-1") if isinstance(value, bytes) else repr(value)
