"""Whether an answer shows the object that was asked about, or says that it is gone.

Knows the shape that every object of a Kubernetes API has. The rule it keeps: a status code is a word; a read or a write
counts only where the body is the object itself, by kind, place and uid, or for a deletion a Status that says Success.
Whatever else a server or something in front of it says is as good as no answer: it is looked at again later.
"""

from typing import Any, Final

from reconciler.errors import Unavailable
from reconciler.kube.answers import Answer
from reconciler.names import ObjectRef
from reconciler.state.observed import Json

NEEDED: Final = ("uid", "resourceVersion")


def shown(body: Json, ref: ObjectRef, what: str, *, uid: str = "") -> Json:
    """The same body. Raises Unavailable where it is not this object, or with `uid` another one of its name."""
    metadata = _map(_map(body).get("metadata"))
    place = (_map(body).get("kind"), metadata.get("name"), metadata.get("namespace") or "")
    if place != (ref.kind, ref.name, ref.namespace) or not all(_is_text(metadata.get(key)) for key in NEEDED):
        raise _nonsense(what)
    if uid and metadata["uid"] != uid:
        raise _nonsense(what)
    return body


def found(body: Json, ref: ObjectRef, what: str) -> Json:
    """The same for a read: None is an object that is not there."""
    return None if body is None else shown(body, ref, what)


def check_deleted(answer: Answer, ref: ObjectRef, *, uid: str) -> None:
    """Raises Unavailable where this is no answer to a deletion. The object stands in it where something still holds
    it."""
    body = _map(answer.json)
    if body.get("kind") == "Status" and ref.kind != "Status":
        told = _map(body.get("details")).get("uid") or uid
        if body.get("status") != "Success" or told != uid:
            raise _nonsense(answer.what)
        return
    shown(body, ref, answer.what, uid=uid)


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _nonsense(what: str) -> Unavailable:
    return Unavailable(
        f"{what}: the server's answer does not show that object; is this a Kubernetes API, and nothing in front of it?",
        key="cluster_connect_failed",
    )
