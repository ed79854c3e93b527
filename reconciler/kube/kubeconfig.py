"""A kubeconfig as untrusted text: read strictly into a Connection, or refused with the key that is not accepted.

Knows the format's keys. Opens no file, starts no process, makes no connection and never calls the Kubernetes client's
own loader, which runs `exec` plugins while loading. The rule it keeps: only inline values (`server`, the three `*-data`
keys and `token`) are understood; every other key anywhere in the text, used or not, refuses the whole text.
Format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

from reconciler.errors import Rejected
from reconciler.kube.connection import ClientCertificate, Connection, connection
from reconciler.kube.plain_yaml import Node, NotPlain, read_plain
from reconciler.secret import Secret

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 12

TOP = frozenset({"apiVersion", "kind", "preferences", "clusters", "users", "contexts", "current-context", "extensions"})
ENTRY = {"clusters": "cluster", "users": "user", "contexts": "context"}
FIELDS: Mapping[str, frozenset[str]] = {
    "cluster": frozenset({"server", "certificate-authority-data", "disable-compression", "extensions"}),
    "user": frozenset({"token", "client-certificate-data", "client-key-data", "extensions"}),
    "context": frozenset({"cluster", "user", "namespace", "extensions"}),
}
EXTENSION = frozenset({"name", "extension"})
NAMEABLE = re.compile(r"[A-Za-z0-9._-]{1,32}")  # longer or odder keys may be a secret in the wrong place


def parse_kubeconfig(text: str) -> Connection:
    """The one connection that the text describes. Raises Rejected, mostly with kubeconfig_invalid."""
    try:
        root = _mapping(read_plain(text, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH), "the document")
    except NotPlain as error:
        raise _invalid(str(error)) from None
    _only(root, TOP, "")
    if (_text(root, "apiVersion", ""), _text(root, "kind", "")) != ("v1", "Config"):
        raise _invalid("apiVersion and kind must be v1 and Config")
    if root.get("preferences") not in (None, "", {}):
        raise _invalid("key preferences is accepted only empty")
    _check_extensions(root, "")
    clusters, users, contexts = (_entries(root, listed) for listed in ("clusters", "users", "contexts"))
    context = _chosen(contexts, _text(root, "current-context", "") if "current-context" in root else "")
    cluster = _referred(clusters, context, "cluster")
    return _connection(cluster, _referred(users, context, "user"))


def _connection(cluster: Mapping[str, Node], user: Mapping[str, Node]) -> Connection:
    token = _text(user, "token", "users.") if "token" in user else ""
    pair = {key: _decoded(user, key) for key in ("client-certificate-data", "client-key-data") if key in user}
    if bool(token) == bool(pair) or len(pair) == 1:
        raise _invalid(
            "the user needs exactly one identity: token, or client-certificate-data with client-key-data, all inline"
        )
    certificate = ClientCertificate(pair["client-certificate-data"], Secret(pair["client-key-data"])) if pair else None
    return connection(
        _text(cluster, "server", "clusters."),
        _decoded(cluster, "certificate-authority-data"),
        token=Secret(token) if token else None,
        certificate=certificate,
    )


def _entries(root: Mapping[str, Node], listed: str) -> dict[str, Mapping[str, Node]]:
    """Entries of one of the three lists by name; every one is checked, whether it is used or not."""
    inner = ENTRY[listed]
    items = root.get(listed)
    if not isinstance(items, list) or not items:
        raise _invalid(f"key {listed} must be a list with at least one entry")
    found: dict[str, Mapping[str, Node]] = {}
    for item in items:
        entry = _mapping(item, f"an entry of {listed}")
        _only(entry, frozenset({"name", inner}), f"{listed}.")
        name = _text(entry, "name", f"{listed}.")
        if name in found:
            raise _invalid(f"key {listed}: two entries have one name")
        found[name] = _mapping(entry.get(inner, ""), f"{listed}.{inner}")
        _only(found[name], FIELDS[inner], f"{listed}.{inner}.")
        _check_extensions(found[name], f"{listed}.{inner}.")
    return found


def _chosen(contexts: Mapping[str, Mapping[str, Node]], current: str) -> Mapping[str, Node]:
    if current:
        if current not in contexts:
            raise _invalid("current-context names a context that is not there")
        return contexts[current]
    if len(contexts) != 1:
        raise _invalid("current-context is missing and there is more than one context")
    return next(iter(contexts.values()))


def _referred(entries: Mapping[str, Mapping[str, Node]], context: Mapping[str, Node], what: str) -> Mapping[str, Node]:
    name = _text(context, what, "contexts.context.")
    if name not in entries:
        raise _invalid(f"the context names a {what} that is not there")
    return entries[name]


def _check_extensions(holder: Mapping[str, Node], where: str) -> None:
    """Notes of other tools (minikube writes some): flat text is ignored, anything deeper is refused."""
    extensions = holder.get("extensions", [])
    for item in extensions if isinstance(extensions, list) else [extensions]:
        entry = _mapping(item, f"{where}extensions")
        _only(entry, EXTENSION, f"{where}extensions.")
        content = entry.get("extension", {})
        flat = isinstance(content, dict) and all(isinstance(value, str) for value in content.values())
        if not flat:
            raise _invalid(f"key {where}extensions is accepted only as flat notes")


def _decoded(holder: Mapping[str, Node], key: str) -> str:
    encoded = "".join(_text(holder, key, "").split())
    try:
        return base64.b64decode(encoded, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise _invalid(f"key {key} is not base64 of PEM text") from None


def _text(holder: Mapping[str, Node], key: str, where: str) -> str:
    value = holder.get(key, "")
    if not isinstance(value, str) or not value:
        raise _invalid(f"key {where}{key} is missing or not text")
    return value


def _mapping(node: Node, what: str) -> Mapping[str, Node]:
    if not isinstance(node, dict):
        raise _invalid(f"{what} is not a mapping")
    return node


def _only(holder: Mapping[str, Node], allowed: frozenset[str], where: str) -> None:
    for key in holder:
        if key not in allowed:
            named = f"key {where}{key}" if NAMEABLE.fullmatch(key) else f"a key under {where or 'the top'}"
            raise _invalid(f"{named} is not accepted")


def _invalid(reason: str) -> Rejected:
    return Rejected(
        f"reading a kubeconfig: {reason}",
        key="kubeconfig_invalid",
        hint="Keep inline data only: server, certificate-authority-data, and token or client-*-data.",
    )
