"""Whether an address is one that a credential may be used for (contracts: G4).

Rule: an entry without a port allows every port of its host; names and addresses are compared as written, lower case,
never looked up, because who answers a look-up is not who was approved.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

HTTPS = 443


@lru_cache(maxsize=16_384)  # each host is compared with each address of its credential, and they are the same few texts
def host_and_port(text: str) -> tuple[str, int | None]:
    """`host`, `host:port`, `[v6]:port`, `v6`, `https://host:port/...` to host and port. Raises ValueError."""
    if text.count(":") > 1 and "[" not in text and "//" not in text:
        return same_spelling(text), None
    parts = urlsplit(text if "//" in text else f"//{text}")
    if not parts.hostname:
        raise ValueError(f"no host in {text!r}")
    port = parts.port if parts.port is not None or parts.scheme != "https" else HTTPS
    return same_spelling(parts.hostname), port


def allows(entries: Iterable[str], address: str, port: int | None = None) -> bool:
    """Whether one of a credential's addresses covers this one."""
    try:
        host, own_port = host_and_port(address)
        wanted = port if port is not None else own_port
        for entry in entries:
            allowed_host, allowed_port = host_and_port(entry)
            if allowed_host == host and allowed_port in (None, wanted):
                return True
    except ValueError:
        return False
    return False


def same_spelling(host: str) -> str:
    """A host's address in the one spelling that equals every other of the same host."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return host.lower().rstrip(".")
