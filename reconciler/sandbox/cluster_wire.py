"""The metadata of objects in Kubernetes' protobuf, as an API server writes it where it is asked for.

Written apart from the reader in `kube/wire.py`, so that neither hides a mistake of the other.
https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding-idl
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

Body = Mapping[str, Any]

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
PARAMETERS = {"as": "PartialObjectMetadataList", "g": "meta.k8s.io", "v": "v1"}


def is_asked_for(accept: str) -> bool:
    """Whether the first thing that a client accepts is a list of metadata in protobuf."""
    kind, *given = accept.partition(",")[0].split(";")
    return kind.strip() == CONTENT_TYPE and dict(part.split("=") for part in given) == PARAMETERS


def metadata_list(items: Iterable[Body], version: str, token: str) -> bytes:
    """The whole answer."""
    listed = _message(1, _text(2, version) + (_text(3, token) if token else b""))
    listed += b"".join(_message(2, _message(1, _metadata(item["metadata"]))) for item in items)
    kind = _text(1, "meta.k8s.io/v1") + _text(2, PARAMETERS["as"])
    return b"k8s\0" + _message(1, kind) + _message(2, listed) + _text(3, "") + _text(4, "")


def _metadata(found: Body) -> bytes:
    """ObjectMeta; as a server does, it writes the texts that are empty too."""
    parts = [_text(1, found["name"]), _text(2, ""), _text(3, found.get("namespace", "")), _text(4, "")]
    parts += [_text(5, found["uid"]), _text(6, found["resourceVersion"])]
    parts.append(_number(7, found.get("generation", 0)))
    for number, name in ((8, "creationTimestamp"), (9, "deletionTimestamp")):
        if name in found:
            parts.append(_message(number, _time(found[name])))
    for number, name in ((11, "labels"), (12, "annotations")):
        for key, value in sorted((found.get(name) or {}).items()):
            parts.append(_message(number, _text(1, key) + _text(2, value)))
    parts += [_message(13, _owner(owner)) for owner in found.get("ownerReferences") or ()]
    parts += [_text(14, finalizer) for finalizer in found.get("finalizers") or ()]
    parts += [_message(17, _manager(entry)) for entry in found.get("managedFields") or ()]
    return b"".join(parts)


def _owner(found: Body) -> bytes:
    texts = ((1, "kind"), (3, "name"), (4, "uid"), (5, "apiVersion"))
    flags = ((6, "controller"), (7, "blockOwnerDeletion"))
    written = [_text(number, found.get(name, "")) for number, name in texts]
    return b"".join([*written, *(_number(number, int(found[name])) for number, name in flags if name in found)])


def _manager(found: Body) -> bytes:
    texts = ((1, "manager"), (2, "operation"), (3, "apiVersion"), (6, "fieldsType"), (8, "subresource"))
    fields = json.dumps(found["fieldsV1"], separators=(",", ":"))
    written = [_text(number, found.get(name, "")) for number, name in texts]
    return b"".join([*written, _message(4, _time(found["time"])), _message(7, _text(1, fields))])


def _time(text: str) -> bytes:
    return _number(1, int(datetime.fromisoformat(text).timestamp())) + _number(2, 0)


def _text(number: int, value: str) -> bytes:
    return _message(number, value.encode())


def _message(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
