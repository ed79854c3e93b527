"""A registry as the operator's settings list it: where it is asked, whose certificate it shows, as whom, and whose
tokens it may send us for. Nothing in Git adds one, or moves one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from reconciler.loopback import is_loopback
from reconciler.secret import Secret
from reconciler.specs.image_reference import DOCKER_HUB

# What Docker Hub's names lead to (https://distribution.github.io/distribution/spec/api, and what its own client does).
WELL_KNOWN: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = MappingProxyType(
    {DOCKER_HUB: ("https://registry-1.docker.io", ("https://auth.docker.io",))}
)


@dataclass(frozen=True, slots=True)
class RegistrySource:
    """One registry. `url` and `realms` are origins; the password is in a file or a variable, or there is none."""

    host: str
    url: str
    realms: tuple[str, ...] = ()
    ca_file: Path | None = None
    username: str = ""
    password_file: Path | None = None
    password_variable: str = ""

    @property
    def has_credential(self) -> bool:
        """Whether it is asked as somebody."""
        return bool(self.username)


Password = Callable[[RegistrySource], Secret]  # raises Refused where there is none


def origin(url: str) -> str | None:
    """Scheme and address of an http(s) URL without user or password; None where it is none, or plain http anywhere
    but on this machine."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = (parts.hostname or "").lower()
    if not host or "@" in parts.netloc or parts.scheme not in {"http", "https"} or not url.isascii():
        return None
    if parts.scheme == "http" and not is_loopback(host):
        return None
    named = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{named}" + (f":{port}" if port is not None and port != usual else "")
