"""Takes secret values out of an object before it can be compared, shown or stored.

A masked leaf keeps one thing: whether it is the same value as another (an HMAC under a key that never leaves the
reconciler). `Masked` is a type of its own: what is masked cannot be sent to a target by mistake, and nothing but a
masked value enters a plan. Knows no renderer.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, NewType

from reconciler.canonical import keyed_tag

Masked = NewType("Masked", object)

# Names whose literal values are treated as secrets wherever they stand (env entries, ConfigMap keys, spec variables).
SENSITIVE_NAME = re.compile(
    r"passw(or)?d|secret|token|api_?-?key|private_?-?key|credential|authorization|conn(ection)?_?str", re.IGNORECASE
)
# Annotations that repeat a whole object, so also its secret values.
SENSITIVE_ANNOTATIONS = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})
# Text that is a secret whatever its name says.
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|AGE-SECRET-KEY-1")


def mask_object(body: Any, key: bytes, *, kind: str = "") -> Masked:
    """A Kubernetes object without secret values, or a projection of one that does not say its `kind` itself.

    `key`: the permanent HMAC key.
    """
    if not isinstance(body, Mapping):
        return mask_value(body, key)
    masked = {name: mask_value(value, key, name=str(name)) for name, value in body.items()}
    if (kind or body.get("kind")) == "Secret":
        masked.update(_secret_fields(body, key))
    return Masked(masked)


def mask_value(value: Any, key: bytes, *, name: str = "") -> Masked:
    """Any JSON value; `name` is the field it stands under."""
    if isinstance(value, Mapping):
        if isinstance(value.get("name"), str) and "value" in value and SENSITIVE_NAME.search(value["name"]):
            return Masked({k: (mark(v, key) if k == "value" else mask_value(v, key)) for k, v in value.items()})
        return Masked({k: mask_value(v, key, name=str(k)) for k, v in value.items()})
    if isinstance(value, (list, tuple)):
        return Masked([mask_value(item, key) for item in value])
    if name in SENSITIVE_ANNOTATIONS:
        return Masked(mark(value, key))
    if isinstance(value, str) and (PRIVATE_KEY.search(value) or (SENSITIVE_NAME.search(name) and not _reference(name))):
        return Masked(mark(value, key))
    return Masked(value)


def mark(value: Any, key: bytes) -> str:
    """What stands in place of a secret: equal marks mean equal values, and nothing else can be told from it."""
    return f"<secret {keyed_tag(key, value if isinstance(value, str) else repr(value))[:32]}>"


def _reference(name: str) -> bool:
    # These fields name a secret or say how a token is mounted; they never hold one.
    return name in {"secretName", "secretRef", "secretKeyRef", "imagePullSecrets", "automountServiceAccountToken",
                    "serviceAccountToken", "credential", "credentials", "tokenExpirationSeconds"}  # fmt: skip


def _secret_fields(body: Mapping[str, Any], key: bytes) -> dict[str, Masked]:
    """`data` and `stringData` as one map: the API server stores both as `data`, so a change of form is no change."""
    merged: dict[str, str] = {}
    for name, value in _mapping(body.get("data")).items():
        merged[str(name)] = mark(_decoded(str(value)), key)
    for name, value in _mapping(body.get("stringData")).items():
        merged[str(name)] = mark(_latin(str(value).encode()), key)
    fields: dict[str, Masked] = {"stringData": Masked(None)} if "stringData" in body else {}
    if merged:
        fields["data"] = Masked(merged)
    return {name: value for name, value in fields.items() if value is not None} | (
        {} if merged or "data" not in body else {"data": Masked({})}
    )


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _decoded(text: str) -> str:
    try:
        return _latin(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return text


def _latin(raw: bytes) -> str:
    return raw.decode("latin-1")
