"""The type that guards a secret: each way in which texts leave a program by accident shows a mask or refuses."""

import contextlib
import copy
import inspect
import io
import json
import logging
import pickle
import pprint
import string
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any

import pydantic
import pytest
import rich.console
import rich.pretty
import rich.traceback
import structlog
import yaml

from reconciler.secret import Secret
from tests.leaks.forms import Searcher

CANARY = "Zq7Wc9Lk2Vb5Nm8R"
SEARCHER = Searcher({"canary": CANARY})
Way = Callable[[Secret], object]


@dataclass(frozen=True)
class Holder:
    """What adapters look like: a value with a secret in it."""

    name: str
    key: Secret


class Model(pydantic.BaseModel):
    """The same of pydantic."""

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    key: pydantic.SkipValidation[Secret]


class Open(str):
    """What a secret would be without its type."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return str(self)


def _logged(secret: Secret, message: str = "key %s") -> str:
    stream = io.StringIO()
    logger = logging.Logger("leaks", logging.DEBUG)
    logger.addHandler(logging.StreamHandler(stream))
    with contextlib.redirect_stderr(stream):  # where logging says that its arguments do not fit
        logger.debug(message, secret)
    return stream.getvalue()


def _logged_by_structlog(renderer: Any) -> Way:
    def logged(secret: Secret) -> str:
        stream = io.StringIO()
        print_to = structlog.PrintLogger(stream)
        log = structlog.wrap_logger(print_to, processors=[renderer], wrapper_class=structlog.stdlib.BoundLogger)
        log.debug("opened", key=secret, holder=Holder("h", secret), many=[secret])
        return stream.getvalue()

    return logged


def _raised(secret: Secret) -> BaseException:
    held = Holder("h", secret)
    try:
        raise ValueError("reading it", secret, held)
    except ValueError as error:
        return error


def _trace(secret: Secret) -> str:
    return "".join(traceback.TracebackException.from_exception(_raised(secret), capture_locals=True).format())


def _rich_trace(secret: Secret) -> str:
    error = _raised(secret)
    console = rich.console.Console(file=io.StringIO(), width=200)
    found = rich.traceback.Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True)
    console.print(found)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


SHOWN: dict[str, Way] = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "print": lambda s: _printed(s),
    "an f-string": lambda s: f"{s}",
    "an f-string with !r": lambda s: f"{s!r}",
    "an f-string with =": lambda s: f"{s=}",
    "an f-string with a width": lambda s: f"{s:>40}",
    "an f-string with a precision": lambda s: f"{s:.3}",
    "an f-string with a number's spec": lambda s: f"{s:08x}",
    "an f-string with a spec of a spec": lambda s: f"{s:{'>'}{20}}",
    "format": lambda s: format(s, "s"),
    "str.format": "{}".format,
    "str.format with !a": "{!a}".format,
    "%s": lambda s: "%s" % s,  # noqa: UP031  it is the way that is tested
    "%r": lambda s: "%r" % s,  # noqa: UP031
    "%(name)s": lambda s: "%(name)s" % {"name": s},  # noqa: UP031
    "%10.2s": lambda s: "%10.2s" % s,  # noqa: UP031
    "string.Template": lambda s: string.Template("$key").substitute(key=s),
    "in a list": lambda s: str([s]),
    "in a mapping": lambda s: str({"key": s}),
    "in a dataclass": lambda s: repr(Holder("h", s)),
    "in another dataclass": lambda s: repr(replace(Holder("h", Secret("x")), key=s)),
    "in a pydantic model": lambda s: repr(Model(key=s)),
    "a pydantic model's str": lambda s: str(Model(key=s)),
    "a pydantic error": lambda s: _refused_by_pydantic(s),
    "pprint": lambda s: pprint.pformat({"key": s, "holder": Holder("h", s)}),
    "rich": lambda s: rich.pretty.pretty_repr({"key": s, "holder": Holder("h", s)}),
    "json with default=str": lambda s: json.dumps({"key": s}, default=str),
    "json with default=repr": lambda s: json.dumps({"key": s}, default=repr),
    "a log's argument": _logged,
    "a log's argument that does not fit": lambda s: _logged(s, "key %s %d"),
    "structlog's JSON": _logged_by_structlog(structlog.processors.JSONRenderer()),
    "structlog's JSON by str": _logged_by_structlog(structlog.processors.JSONRenderer(default=str)),
    "structlog's pairs": _logged_by_structlog(structlog.processors.KeyValueRenderer()),
    "structlog's logfmt": _logged_by_structlog(structlog.processors.LogfmtRenderer()),
    "structlog's terminal": _logged_by_structlog(structlog.dev.ConsoleRenderer(colors=False)),
    "an exception's str": lambda s: str(_raised(s)),
    "an exception's repr": lambda s: repr(_raised(s)),
    "a traceback": lambda s: "".join(traceback.format_exception(_raised(s))),
    "a traceback with locals": _trace,
    "a rich traceback with locals": _rich_trace,
    "inspect.getmembers": lambda s: repr([one for one in inspect.getmembers(s) if one[0] != "reveal"]),
    "dir with getattr": lambda s: repr([getattr(s, name, "") for name in dir(s)]),
    "sys.getsizeof": lambda s: str(s.__sizeof__()),
}
CUT_OR_BLIND = {  # ways that would show only a part of a text, or nothing of one
    "an f-string with a precision", "%10.2s", "inspect.getmembers", "dir with getattr", "sys.getsizeof"
}  # fmt: skip

REFUSED: dict[str, Way] = {
    "pickle": pickle.dumps,
    **{f"pickle protocol {number}": lambda s, n=number: pickle.dumps(s, n) for number in range(6)},  # type: ignore[misc]
    "pickle in a dataclass": lambda s: pickle.dumps(Holder("h", s)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "deepcopy of a mapping": lambda s: copy.deepcopy({"key": s}),
    "json": json.dumps,
    "json in a list": lambda s: json.dumps([s]),
    "json with default=vars": lambda s: json.dumps(s, default=vars),
    "hash": hash,
    "a key of a mapping": lambda s: {s: 1},
    "a member of a set": lambda s: {s},
    "less than": lambda s: s < s,  # type: ignore[operator]
    "at most": lambda s: s <= s,  # type: ignore[operator]
    "more than a text": lambda s: s > "a",  # type: ignore[operator]
    "sorted": lambda s: sorted([s, s]),  # type: ignore[type-var]
    "iteration": lambda s: list(s),  # type: ignore[call-overload]
    "unpacking": lambda s: [*s],  # type: ignore[misc]
    "in": lambda s: "Z" in s,  # type: ignore[operator]
    "an index": lambda s: s[0],  # type: ignore[index]
    "a slice": lambda s: s[:2],  # type: ignore[index]
    "len": len,  # type: ignore[dict-item]
    "adding": lambda s: s + "",  # type: ignore[operator]
    "adding to a text": lambda s: "" + s,  # type: ignore[operator]
    "multiplying": lambda s: s * 2,  # type: ignore[operator]
    "join": lambda s: "".join([s]),  # type: ignore[list-item]
    "bytes": bytes,  # type: ignore[dict-item]
    "int": int,  # type: ignore[dict-item]
    "%d": lambda s: "%d" % s,  # type: ignore[str-format]  # noqa: UP031
    "asdict": lambda s: asdict(Holder("h", s)),
    "astuple": lambda s: astuple(Holder("h", s)),
    "vars": vars,
    "its state": lambda s: s.__getstate__(),
    "its reduction": lambda s: s.__reduce__(),
    "an attribute more": lambda s: setattr(s, "text", "x"),
    "a weak reference": lambda s: __import__("weakref").ref(s),
    "writing it": lambda s: io.StringIO().write(s),  # type: ignore[arg-type]
    "YAML": lambda s: _yaml(yaml.dump, s),
    "safe YAML": lambda s: _yaml(yaml.safe_dump, s),
    "a pydantic model as JSON": lambda s: _as_json(s),
    "a pydantic model as plain values": lambda s: json.dumps(Model(key=s).model_dump()),
}


@pytest.mark.parametrize("way", SHOWN.values(), ids=SHOWN.keys())
def test_t17_what_shows_a_secret_shows_a_mask(way: Way) -> None:
    shown = str(way(Secret(CANARY)))
    assert not SEARCHER.found(shown.encode())


@pytest.mark.parametrize("way", REFUSED.values(), ids=REFUSED.keys())
def test_t17_what_would_carry_a_secret_off_is_refused_and_the_refusal_does_not_quote_it(way: Way) -> None:
    with pytest.raises((TypeError, AttributeError)) as refusal:
        way(Secret(CANARY))
    shown = [str(error) + repr(error) + repr(vars(error)) for error in _chain(refusal.value)]
    assert not SEARCHER.found("".join(shown).encode())


@pytest.mark.parametrize("name", sorted(SHOWN.keys() - CUT_OR_BLIND))
def test_each_way_would_show_a_text_that_is_no_secret(name: str) -> None:
    plain: Any = Open(CANARY)
    assert SEARCHER.found(str(SHOWN[name](plain)).encode())


@pytest.mark.parametrize("text", ["", "x", "\x00", "\ud800", "a\nb", CANARY])
def test_reveal_is_the_way_out(text: str) -> None:
    assert Secret(text).reveal() == text
    assert bool(Secret(text)) == bool(text)


@pytest.mark.parametrize(("one", "other", "equal"), [("a", "a", True), ("a", "b", False), ("\ud800", "\ud800", True)])
def test_a_secret_equals_the_same_secret_and_never_a_plain_text(one: str, other: str, *, equal: bool) -> None:
    assert (Secret(one) == Secret(other)) is equal
    assert (Secret(one) != Secret(other)) is not equal
    assert Secret(one) != one
    assert Secret(one) != one.encode("utf-8", "surrogatepass")


def test_secrets_are_compared_in_constant_time() -> None:
    assert "compare_digest" in Secret.__eq__.__code__.co_names


def _printed(secret: Secret) -> str:
    stream = io.StringIO()
    print(secret, file=stream)
    return stream.getvalue()


def _refused_by_pydantic(secret: Secret) -> str:
    class Wrong(pydantic.BaseModel):
        key: int

    with pytest.raises(pydantic.ValidationError) as refusal:
        Wrong(key=secret)
    return str(refusal.value) + repr(refusal.value.errors())


def _yaml(dump: Callable[[Any], str], secret: Secret) -> str:
    try:
        return dump({"key": secret})
    except yaml.representer.RepresenterError as error:
        raise TypeError(str(error)) from error


def _as_json(secret: Secret) -> str:
    try:
        return Model(key=secret).model_dump_json()
    except pydantic.ValidationError as error:
        raise TypeError(str(error)) from error
    except ValueError as error:  # pydantic's PydanticSerializationError
        raise TypeError(str(error)) from error


def _chain(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
