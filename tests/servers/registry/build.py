"""How the registry is found: Debian's package of https://github.com/distribution/distribution, unpacked and not
installed. It takes the package of the machine's own release, since it is linked with its libc.
"""

from pathlib import Path

from tests.servers import debian
from tests.servers.cache import BuildFailed, build_once, cached, key_of, say

PACKAGE = "docker-registry"
SUITE = "bookworm"  # version 2.8.2
BINARY = Path("usr/bin/docker-registry")


def registry() -> Path:
    """The program: from the cache, or downloaded (5 MB). Raises BuildFailed."""
    return build_once("registry", _key(), _unpack) / BINARY


def registry_cached() -> Path | None:
    return cached("registry", _key())


def _key() -> str:
    return key_of(PACKAGE, SUITE)


def _unpack(folder: Path) -> None:
    say(f"downloading {PACKAGE} of Debian {SUITE}")
    debian.unpack(SUITE, [PACKAGE], folder)
    if not (folder / BINARY).is_file():
        raise BuildFailed(f"unpacking {PACKAGE}: there is no {BINARY} in it")
