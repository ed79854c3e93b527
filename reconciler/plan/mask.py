"""Takes secret values out of an object before it can be compared, shown or stored.

A masked leaf keeps one thing: whether it is the same value as another (an HMAC under a key that never leaves the
reconciler). `Masked` is a type of its own: what is masked cannot be sent to a target by mistake, and nothing but a
masked value enters a plan. Text that holds a secret among other words (an argument, a line of a configuration file, an
address with a password) keeps its other words. Knows no renderer.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NewType

from reconciler.canonical import keyed_tag

Masked = NewType("Masked", object)

NAMES = (
    r"passw(?:or)?d|passphrase|pwd|secret|token|(?:api|access|private|signing|encryption|client)[_-]?-?key|credential"
    r"|authorization|conn(?:ection)?_?str"
)
# Names whose literal values are treated as secrets wherever they stand (env entries, ConfigMap keys, spec variables).
SENSITIVE_NAME = re.compile(NAMES + r"|(?:^|[_.-])pass$|(?:^|[_.-])dsn$", re.IGNORECASE)
# Annotations that repeat a whole object, so also its secret values.
SENSITIVE_ANNOTATIONS = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})
# Text that is a secret whatever its name says: private keys, as they are and in base64 (no certificates); and text
# that imitates a mark, so that nobody writes down what stands for a secret and has it taken for the same value.
PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|AGE-SECRET-KEY-1|LS0tLS1CRUdJTi(?!BDRVJU)|<secret [0-9a-f]"
)
# Secrets within longer text; the group that matched is what is taken out. What may repeat has an end: a long run of
# letters would else be read again from each of its letters.
SECRET_IN_TEXT = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"authorization[\"']?[ \t]*[=:][ \t]*[\"']?(?:[a-z]+[ \t]+)?([^\s\"'<,;&]+)",
        r"\b(?:bearer|basic)[ \t]+(?=\S*[0-9=])([a-z0-9._~+/=-]{8,})",
        r"[a-z][a-z0-9+.-]{0,30}://[^\s/:@]*:([^\s/@]+)@",  # postgres://user:x@host
        # password=x, --token=x, "apiKey": "x"; a colon needs its space, else the tag of image `token-service:v2` is one
        rf"(?:{NAMES})[\w.-]{{0,40}}[\"']?[ \t]*(?:=[ \t]*|:[ \t]+|:(?=[\"']))(?:[\"']([^\"'<]+)|([^\s\"'<,;&]+))",
        r"passw(?:or)?d:([^\s\"'<,;&]+)",
        r"(eyJ[\w-]{8,1000}\.[\w-]{8,}\.[\w-]*)",  # a JSON web token
    )
)
# An argument whose value is the next item: ["--password", "x"].
_FLAG = re.compile(rf"--?[\w.-]*(?:{NAMES})[\w.-]*", re.IGNORECASE)
# These fields name a secret or say how a token is mounted; they never hold one.
REFERENCES = frozenset(
    {
        "secretName", "secretRef", "secretKeyRef", "imagePullSecrets", "automountServiceAccountToken",
        "serviceAccountToken", "credential", "credentials", "tokenExpirationSeconds", "authCredential",
    }
)  # fmt: skip


def mask_object(body: Any, key: bytes, *, kind: str = "") -> Masked:
    """A Kubernetes object without secret values, or a projection of one that does not say its `kind` itself.

    `key`: the permanent HMAC key.
    """
    if not isinstance(body, Mapping):
        return mask_value(body, key)
    secret = (kind or body.get("kind")) == "Secret"
    masked = {name: mask_value(value, key, name=str(name)) for name, value in body.items()}
    if secret:
        masked.pop("stringData", None)
        masked.update(_secret_fields(body, key))
    if "binaryData" in body:  # nobody can read it in a preview, and it may be anything
        masked["binaryData"] = Masked({str(name): mark(v, key) for name, v in _mapping(body["binaryData"]).items()})
    return Masked(masked)


def mask_value(value: Any, key: bytes, *, name: str = "") -> Masked:
    """Any JSON value; `name` is the field it stands under."""
    if isinstance(value, Mapping):
        if isinstance(value.get("name"), str) and "value" in value and SENSITIVE_NAME.search(value["name"]):
            shown = {k: mask_value(v, key, name=str(k)) for k, v in value.items()}
            return Masked({**shown, "value": mark(value["value"], key)})
        return Masked({k: mask_value(v, key, name=str(k)) for k, v in value.items()})
    if isinstance(value, (list, tuple)):
        return Masked(list(_items(value, key, name)))
    if name in SENSITIVE_ANNOTATIONS:
        return Masked(mark(value, key))
    if value is None or isinstance(value, bool):
        return Masked(value)
    if SENSITIVE_NAME.search(name) and name not in REFERENCES:
        return Masked(mark(value, key))
    return Masked(_text(value, key) if isinstance(value, str) else value)


def mark(value: Any, key: bytes) -> str:
    """What stands in place of a secret: equal marks mean equal values, and nothing else can be told from it."""
    return f"<secret {keyed_tag(key, value if isinstance(value, str) else repr(value))[:32]}>"


def _items(values: Iterable[Any], key: bytes, name: str) -> Iterator[Masked]:
    flagged = False
    for value in values:
        yield Masked(mark(value, key)) if flagged else mask_value(value, key, name=name)
        flagged = isinstance(value, str) and _FLAG.fullmatch(value) is not None


def _text(text: str, key: bytes) -> str:
    if PRIVATE_KEY.search(text):
        return mark(text, key)
    for pattern in SECRET_IN_TEXT:
        text = pattern.sub(lambda found: _without(found, key), text)
    return text


def _without(found: re.Match[str], key: bytes) -> str:
    before, secret, after = parts_of(found)
    return f"{before}{mark(secret, key)}{after}"


def parts_of(found: re.Match[str]) -> tuple[str, str, str]:
    """What was matched: before the secret, the secret (the group that matched), and after it."""
    group = found.lastindex or 0
    start, end = found.start(group) - found.start(), found.end(group) - found.start()
    return found[0][:start], found[group], found[0][end:]


def _secret_fields(body: Mapping[str, Any], key: bytes) -> dict[str, Masked]:
    """`data` and `stringData` as one map: the API server stores both as `data`, so a change of form is no change."""
    merged: dict[str, str] = {}
    for name, value in _mapping(body.get("data")).items():
        merged[str(name)] = mark(_decoded(str(value)), key)
    for name, value in _mapping(body.get("stringData")).items():
        merged[str(name)] = mark(_latin(str(value).encode()), key)
    return {"data": Masked(merged)} if merged or "data" in body else {}


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _decoded(text: str) -> str:
    try:
        return _latin(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError):
        return text


def _latin(raw: bytes) -> str:
    return raw.decode("latin-1")
