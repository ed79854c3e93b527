"""What stands in for encrypted values while a chart is rendered, and putting the values where the stand-ins came out.

Neither the tool nor the chart ever has an encrypted value: a chart could print it anywhere, or ask it question by
question. It is rendered with stand-ins, several times with different ones, and what came out is compared. Rules: a
value comes out in values of Secrets alone, as it is or in base64; where a template makes something else of it (cuts it,
quotes it, hashes it, asks what it is), that is refused as far as it can be seen, for nobody could say what the value
itself would have become. A checksum on a pod template may be made of stand-ins: they move when the value does.
"""

import base64
import hashlib
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

FILL: Final = f"{string.ascii_letters}{string.digits}-_." * 4  # every sign of a plain value, and longer than names are
SIGNS: Final = "~`!@#$%^&*()+={[}]|\\:;\"'<,>.?/ Äж中"
MOST_PLAIN: Final = 200  # characters; less than the stand-ins have, so what cuts it cuts them
DEEPEST: Final = 3  # base64 within base64
_PLAIN = re.compile(rf"[\w.-]{{1,{MOST_PLAIN}}}", re.ASCII)
_LETTER = re.compile(r"[G-NP-SU-WYg-np-su-wy]")  # of no number and no time, however YAML spells them
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_RUN = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")
_HASH = re.compile(r"[0-9a-f]{8,128}")


class Form(StrEnum):
    """Which stand-ins. `PLAIN` is what counts; the others are compared with it."""

    PLAIN = "plain"
    OTHER = "other"  # the same signs
    ODD = "odd"  # every sign that somebody quotes, cuts off or takes for something else
    ENDS = "ends"  # other signs where texts are trimmed


ODD_ONES: Final = (Form.ODD, Form.ENDS)  # with which a chart may be refused: then only plain values are put in
OTHERS: Final[tuple[Form, ...]] = (Form.OTHER, *ODD_ONES)


@dataclass(frozen=True, slots=True)
class Hidden:
    """One encrypted value. `tag` is keyed, and of this value at its place in the values of one release, so who sees the
    tags of guesses elsewhere learns nothing."""

    clear: str = field(repr=False)
    tag: str

    def stand_in(self, form: Form) -> str:
        """What stands in for it."""
        match form:
            case Form.PLAIN:
                return f"Sealed.{self.tag}-{FILL}z"
            case Form.OTHER:
                other = hashlib.sha256(f"other {self.tag}".encode()).hexdigest()
                return f"other_{other}.{FILL[::-1]}0.{FILL}Q"
            case Form.ODD:
                return f" \t{self.tag}{SIGNS}{FILL}\n- two: #lines\n /"
            case Form.ENDS:
                return f"https://{self.tag}{FILL}{SIGNS}two\n"


@dataclass(frozen=True, slots=True)
class Put:
    """Here comes a value."""

    tag: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """Here comes base64 of something that holds one."""

    shape: "Shape"


Objects = Sequence[Mapping[str, Any]]
Shape = tuple[str | Put | Encoded, ...]


class NotPutIn(Exception):
    """Where a value came out that may not, or not so. The words hold no value."""

    def __init__(self, message: str, *steps: str | int, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.steps = steps
        self.hint = hint


def hidden_in(values: Any) -> Iterator[Hidden]:
    """Every encrypted value among the values of a chart."""
    match values:
        case Hidden():
            yield values
        case dict():
            for value in values.values():
                yield from hidden_in(value)
        case list():
            for value in values:
                yield from hidden_in(value)


def standing(values: Any, form: Form | None) -> Any:
    """Values with stand-ins; with the values themselves where no form is said."""
    match values:
        case Hidden():
            return values.clear if form is None else values.stand_in(form)
        case dict():
            return {key: standing(value, form) for key, value in values.items()}
        case list():
            return [standing(value, form) for value in values]
        case _:
            return values


@dataclass(frozen=True, slots=True)
class Renders:
    """The objects that came out with each form, in the same order. `odd` is empty where one of those is missing."""

    hidden: tuple[Hidden, ...]
    other: Objects = field(repr=False)
    odd: Mapping[Form, Objects] = field(repr=False)

    def put_in(self, number: int, body: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """The object of that number with the values in it, and whether there is one. Raises NotPutIn."""
        secret = body.get("kind") == "Secret" and body.get("apiVersion") == "v1"
        fields = ("data", "stringData") if secret else ()
        for other in (self.other[number], *(objects[number] for objects in self.odd.values())):
            where = _difference(_without(body, fields), _without(other, fields), ())
            if where is not None:
                raise NotPutIn("an encrypted value comes out where no value of a Secret is", *where, hint=WITHIN)
        made, any_ = dict(body), False
        for name in fields:
            made |= {name: self._filled(number, name, body[name])} if isinstance(body.get(name), dict) else {}
            any_ |= made.get(name) != body.get(name)
        return made, any_

    def _filled(self, number: int, field_: str, values: Mapping[str, Any]) -> dict[str, Any]:
        other = self.other[number].get(field_)
        if not isinstance(other, dict) or list(other) != list(values):
            raise NotPutIn("which keys come out is decided by an encrypted value", field_, hint=WITHIN)
        odd = {form: objects[number].get(field_) for form, objects in self.odd.items()}
        return {
            key: self._one(
                value,
                other[key],
                {form: seen.get(key) for form, seen in odd.items() if isinstance(seen, dict)},
                field_,
                key,
            )
            for key, value in values.items()
        }

    def _one(self, plain: Any, other: Any, odd: Mapping[Form, Any], *way: str) -> Any:
        if not isinstance(plain, str):
            if plain != other:
                raise NotPutIn("what comes out is decided by an encrypted value", *way, hint=WITHIN)
            return plain
        shape = self._shape(plain, Form.PLAIN)
        if not isinstance(other, str) or self._shape(other, Form.OTHER) != shape:
            raise NotPutIn("something is made of an encrypted value", *way, hint=MADE)
        put = set(_tags(shape))
        same = [self._is_so(value, form, shape) for form, value in odd.items()]
        if not put and not all(same):
            raise NotPutIn("what comes out is decided by an encrypted value", *way, hint=WITHIN)
        if put and not (same and all(same)):
            wrong = [one for one in self.hidden if one.tag in put and not is_plain(one.clear)]
            if wrong:
                raise NotPutIn("it is quoted or cut, and the value is none that stays as it is", *way, hint=MADE)
        clear = {one.tag: one.clear for one in self.hidden}
        return _text(shape, clear)

    def _is_so(self, value: Any, form: Form, shape: Shape) -> bool:
        return isinstance(value, str) and self._shape(value, form) == shape

    def _shape(self, text: str, form: Form) -> Shape:
        return _shape(text, {one.stand_in(form): one.tag for one in self.hidden}, DEEPEST)


WITHIN: Final = "put it into data or stringData of a Secret, and have the object refer to that"
MADE: Final = "put the whole value in by `b64enc` or `quote`, and encrypt what is to come out as it is to come out"


def _without(body: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in fields}


def _difference(one: Any, other: Any, way: tuple[str | int, ...]) -> tuple[str | int, ...] | None:
    """Where two objects differ first; None where they do not."""
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        found = (_difference(one[key], other[key], (*way, key)) for key in one)
        return next((where for where in found if where is not None), None)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        found = (_difference(value, other[number], (*way, number)) for number, value in enumerate(one))
        return next((where for where in found if where is not None), None)
    same = type(one) is type(other) and one == other
    return None if same or _is_checksum(one, other, way) else way


def _is_checksum(one: Any, other: Any, way: tuple[str | int, ...]) -> bool:
    """Whether it only makes pods new when a value is: a hash on their template."""
    if len(way) < 4 or way[-4:-1] != ("template", "metadata", "annotations"):
        return False
    return all(isinstance(text, str) and _HASH.fullmatch(text) for text in (one, other))


def _shape(text: str, known: Mapping[str, str], deeper: int) -> Shape:
    """What a text is made of. A stand-in holds none of another."""
    parts: list[str | Put | Encoded] = []
    at = 0
    for found in re.finditer("|".join(map(re.escape, known)), text):
        parts += [*_runs(text[at : found.start()], known, deeper), Put(known[found[0]])]
        at = found.end()
    return _joined([*parts, *_runs(text[at:], known, deeper)])


def _runs(text: str, known: Mapping[str, str], deeper: int) -> Iterator[str | Put | Encoded]:
    at = 0
    for found in _RUN.finditer(text) if deeper else ():
        decoded = _decoded(found[0])
        shape = _shape(decoded, known, deeper - 1) if decoded is not None else ()
        if any(not isinstance(part, str) for part in shape):
            yield text[at : found.start()]
            yield Encoded(shape)
            at = found.end()
    yield text[at:]


def _joined(parts: list[str | Put | Encoded]) -> Shape:
    joined: list[str | Put | Encoded] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    return tuple(joined)


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except ValueError:  # binascii.Error and UnicodeDecodeError are of this kind
        return None


def _tags(shape: Shape) -> Iterator[str]:
    for part in shape:
        if isinstance(part, Put):
            yield part.tag
        elif isinstance(part, Encoded):
            yield from _tags(part.shape)


def _text(shape: Shape, clear: Mapping[str, str]) -> str:
    made = ""
    for part in shape:
        match part:
            case Put():
                made += clear[part.tag]
            case Encoded():
                made += base64.b64encode(_text(part.shape, clear).encode("utf-8", "surrogatepass")).decode()
            case _:
                made += part
    return made


def is_plain(clear: str) -> bool:
    """Whether it stays as it is where texts are quoted for YAML, JSON or addresses."""
    plain = _PLAIN.fullmatch(clear) and clear[0] not in "-." and _LETTER.search(clear)
    return bool(plain) and clear.lower() not in _WORDS
