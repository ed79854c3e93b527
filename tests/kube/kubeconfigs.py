"""Kubeconfigs for tests: a good one, and hostile ones as data: dangerous keys everywhere, in every disguise."""

import base64
import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.servers.pki import loopback_certificate

CANARY = "canary-7f3a9"
CA = loopback_certificate().ca


def good() -> dict[str, Any]:
    ca = base64.b64encode(CA.encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "one", "cluster": {"server": "https://10.0.0.1:6443", "certificate-authority-data": ca}}],
        "users": [{"name": "me", "user": {"token": CANARY}}],
        "contexts": [{"name": "here", "context": {"cluster": "one", "user": "me"}}],
        "current-context": "here",
    }


_COMMAND = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/touch", "args": ["/tmp/owned"]}
DANGEROUS: dict[str, Any] = {
    "exec": _COMMAND,
    "auth-provider": {"name": "gcp", "config": {"cmd-path": "/bin/touch", "cmd-args": "/tmp/owned"}},
    "tokenFile": "/etc/hostname",
    "client-certificate": "/etc/hostname",
    "client-key": "/etc/hostname",
    "certificate-authority": "/etc/hostname",
    "insecure-skip-tls-verify": True,
    "proxy-url": "http://127.0.0.1:9",
    "tls-server-name": "other.example",
    "username": "admin",
    "password": CANARY,
    "as": "system:admin",
    "as-uid": "0",
    "as-groups": ["system:masters"],
    "as-user-extra": {"scopes": ["all"]},
}

Spot = Callable[[dict[str, Any]], dict[str, Any]]
SPOTS: dict[str, Spot] = {
    "top": lambda root: root,
    "cluster entry": lambda root: root["clusters"][0],
    "cluster": lambda root: root["clusters"][0]["cluster"],
    "user entry": lambda root: root["users"][0],
    "user": lambda root: root["users"][0]["user"],
    "context entry": lambda root: root["contexts"][0],
    "context": lambda root: root["contexts"][0]["context"],
    "unused cluster": lambda root: _added(root, "clusters", "cluster"),
    "unused user": lambda root: _added(root, "users", "user"),
    "extension": lambda root: _extension(root),
}


def _added(root: dict[str, Any], listed: str, inner: str) -> dict[str, Any]:
    entry = {"name": "unused", inner: copy.deepcopy(root[listed][0][inner])}
    root[listed].append(entry)
    found: dict[str, Any] = entry[inner]
    return found


def _extension(root: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": "note"}
    root["users"][0]["user"]["extensions"] = [entry]
    return entry


def hostile() -> Iterator[tuple[str, str, str]]:
    """(what it is, the key that must be named, its text)."""
    for key, value in DANGEROUS.items():
        for spot, find in SPOTS.items():
            root = good()
            find(root)[key] = value
            yield f"{key} in {spot}", key, json.dumps(root)


def disguised() -> Iterator[tuple[str, str]]:
    """Texts that a loose reader would understand: (what it is, text)."""
    for key, value in DANGEROUS.items():
        text = json.dumps(good())
        user = f'"token": "{CANARY}"'
        written = json.dumps(value)
        escaped = '"' + "".join(f"\\x{ord(character):02x}" for character in key) + '"'
        yield f"{key} with its name escaped", text.replace(user, f"{user}, {escaped}: {written}")
        yield f"{key} by a merge key", text.replace(user, f'{user}, "<<": {{"{key}": {written}}}')
        yield f"{key} by an alias", text.replace(user, f'{user}, "{key}": &x {written}, "extensions": *x')
        yield f"{key} tagged", text.replace(user, f'{user}, "{key}": !!python/object/apply:os.system ["id"]')
        yield f"{key} in a second document", f"{text}\n---\n{json.dumps({key: value})}"
        yield f"{key} beside a repeated key", text.replace(user, f'{user}, "token": "x", "{key}": {written}')


def _trick(old: str, new: str) -> str:
    text = json.dumps(good())
    assert old in text
    return text.replace(old, new, 1)


# Good in every way but one, which a loose reader would accept.
TRICKS: dict[str, str] = {
    "an anchor": _trick(f'"{CANARY}"', f'&a "{CANARY}"'),
    "a tagged value": _trick(f'"{CANARY}"', f'!!str "{CANARY}"'),
    "a tagged mapping": _trick('"user": {"token"', '"user": !!map {"token"'),
    "a repeated key": _trick('"token"', '"token": "other", "token"'),
    "a repeated top key": _trick('"kind"', '"kind": "Config", "kind"'),
    "a merge key": _trick('"token"', '"<<": {}, "token"'),
    "a merge key at the top": _trick('"kind"', '"<<": [], "kind"'),
    "a directive": "%YAML 1.1\n---\n" + json.dumps(good()),
    "a second document": json.dumps(good()) + "\n---\n" + json.dumps(good()),
    "too large": json.dumps(good()) + "\n#" + "x" * 64 * 1024,
    "two entries of one name": _trick('"users": [', '"users": [{"name": "me", "user": {"token": "other"}}, '),
}

MALFORMED: dict[str, str] = {
    "empty": "",
    "not YAML": "{",
    "a list": "[]",
    "text": "apiVersion",
    "too deep": "[" * 100_000,
    "deep flow mappings": "{a: " * 5_000,
    "too large": "#" * (64 * 1024 + 1),
    "a tag": "!!python/object/apply:os.system [id]",
    "an anchor": "&a {b: c}",
    "an alias to nothing": "*a",
    "a billion laughs": "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]",
    "a directive": "%YAML 1.1\n---\na: b",
    "a tag directive": "%TAG ! tag:evil,2000:\n---\na: b",
    "a lone surrogate": "a: \ud800",
    "a null byte": "a: \x00",
    "a complex key": "? [a]\n: b",
    "keys of null": "~: x",
}
