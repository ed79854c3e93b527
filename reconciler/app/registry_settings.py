"""`[registries."HOST"]` of reconciler.toml: which registries may be asked, where, and as whom.

Rule: a registry is asked over TLS; plain http is for this machine alone. A password is named, never written: by a file
or a variable of the environment.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from reconciler.errors import Refused
from reconciler.registries.source import WELL_KNOWN, RegistrySource, origin
from reconciler.secret import Secret
from reconciler.specs.image_reference import parse_reference

FIELDS: Final = ("url", "ca_file", "username", "password_file", "password_variable", "realms")
LONGEST: Final = 64 * 1024  # bytes of a password's file


def read_registries(
    table: Any, file: Callable[[str], Path], problem: Callable[[str], None]
) -> dict[str, RegistrySource]:
    """By host, as images name it. What is wrong is told."""
    found: dict[str, RegistrySource] = {}
    if not isinstance(table, dict):
        problem('`registries` is a table of registries, such as [registries."registry.example.com"]')
        return found
    for host, entry in table.items():
        name = f'registries."{host}"'
        reference = parse_reference(f"{host}/name")
        if reference is None or reference.host != host:
            problem(f"{name}: not the host of an image's name, such as registry.example.com or docker.io")
            continue
        wrong = _wrong(entry)
        if wrong:
            problem(f"{name}: {wrong}")
            continue
        usual, realms = WELL_KNOWN.get(host, (f"https://{host}", ()))
        url = origin(entry.get("url", usual))
        named = [origin(text) for text in entry.get("realms", ())]
        if url is None or None in named:
            problem(f"{name}: `url` and `realms` are origins such as https://HOST; plain http is for loopback alone")
            continue
        if urlsplit(entry.get("url", "")).path.strip("/"):
            problem(f"{name}: `url` has no path: a registry's API begins at the root of its host")
            continue
        found[host] = RegistrySource(
            host=host,
            url=url,
            realms=(*realms, *(one for one in named if one is not None)),
            ca_file=file(entry["ca_file"]) if "ca_file" in entry else None,
            username=entry.get("username", ""),
            password_file=file(entry["password_file"]) if "password_file" in entry else None,
            password_variable=entry.get("password_variable", ""),
        )
    return found


def _wrong(entry: Any) -> str:
    if not isinstance(entry, dict) or entry.keys() - set(FIELDS):
        return f"takes {', '.join(FIELDS)}"
    texts = [value for name, value in entry.items() if name != "realms"]
    realms = entry.get("realms", [])
    if not isinstance(realms, list) or not all(isinstance(text, str) and text for text in (*texts, *realms)):
        return "`realms` is a list of texts, everything else a text"
    passwords = ("password_file" in entry) + ("password_variable" in entry)
    if passwords != ("username" in entry):
        return "`username` goes with one of `password_file` and `password_variable`"
    if ":" in entry.get("username", ""):
        return "`username` holds a colon, which no password can follow (RFC 7617)"
    return ""


def password_of(source: RegistrySource) -> Secret:
    """The password of a registry. Raises Refused where it is not there."""
    what = f"reading the password for registry {source.host}"
    hint = "correct the registry's entry in reconciler.toml"
    if source.password_file is None:
        secret = Secret(os.environ.get(source.password_variable, ""))
        if not secret:
            raise Refused(f"{what}: {source.password_variable} is not set", key="permission_denied", hint=hint)
        return secret
    try:
        with source.password_file.open("rb") as opened:
            text = opened.read(LONGEST + 1)
        secret = Secret(text.decode("utf-8").removesuffix("\n").removesuffix("\r"))
    except (OSError, UnicodeDecodeError) as error:
        words = f"{what}: {source.password_file}: {type(error).__name__}"
        raise Refused(words, key="permission_denied", hint=hint) from None
    if not secret or len(text) > LONGEST:
        raise Refused(f"{what}: {source.password_file} holds none", key="permission_denied", hint=hint)
    return secret
