"""What an image name means: its registry's host, the repository there, tag and digest.

Knows the grammar of https://github.com/distribution/reference (reference.go, normalize.go) and no registry. A name
without a host is one of docker.io, and a single word there is one of its `library`.
"""

import re
from dataclasses import dataclass
from typing import Final

DOCKER_HUB: Final = "docker.io"
LATEST: Final = "latest"
LONGEST: Final = 255  # of host and repository together
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?", re.ASCII)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
_TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
_OLD_HUB = "index.docker.io"


@dataclass(frozen=True, slots=True, order=True)
class ImageReference:
    """One image as it is asked for. `digest` is empty where it is named by its tag alone."""

    host: str
    path: str
    tag: str = LATEST
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.host}/{self.path}@{self.digest}" if self.digest else f"{self.host}/{self.path}:{self.tag}"


def parse_reference(text: str) -> ImageReference | None:
    """What the text means; None where it is no image name."""
    name, at, digest = text.partition("@")
    if at and DIGEST.fullmatch(digest) is None:
        return None
    before, slash, last = name.rpartition("/")
    word, colon, tag = last.partition(":")
    if colon and _TAG.fullmatch(tag) is None:
        return None
    host, path = _split(f"{before}{slash}{word}")
    if _HOST.fullmatch(host) is None or _PATH.fullmatch(path) is None or len(host) + 1 + len(path) > LONGEST:
        return None
    return ImageReference(host, path, tag or LATEST, digest)


def _split(name: str) -> tuple[str, str]:
    """Host and repository. The first part is a host where nothing else could be meant by it."""
    first, slash, rest = name.partition("/")
    named = slash and (any(sign in first for sign in ".:") or first == "localhost" or first.lower() != first)
    host, path = (first, rest) if named else (DOCKER_HUB, name)
    host = DOCKER_HUB if host == _OLD_HUB else host
    return host, f"library/{path}" if host == DOCKER_HUB and "/" not in path else path
