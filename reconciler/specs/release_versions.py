"""Versions: which tags a pattern means, which of two comes later, and by which names a release's version is known.

Knows text only. The order is semver's (https://semver.org, section 11), for as many numbers as a tag has; what stands
before the pattern's first wildcard, and a leading `v`, are not part of the version.
"""

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from reconciler.specs.images import image_name
from reconciler.specs.kinds import Release
from reconciler.specs.release_source import ReleaseSource
from reconciler.specs.spec import Spec

Order = tuple[tuple[int, ...], int, tuple[tuple[int, int, str], ...]]

_NUMBER = r"[0-9]{1,18}"
_VERSION = re.compile(rf"[vV]?({_NUMBER}(?:\.{_NUMBER}){{0,3}})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?", re.ASCII)
_WHOLE = re.compile(_NUMBER, re.ASCII)
_NUMBERS = 4
_NAMES_IT = re.compile(r"(.*[_-])?(tag|version)", re.ASCII | re.IGNORECASE)
_SHORT_DIGEST = 12  # characters after `sha256:`


def matching(pattern: str, tags: Iterable[str]) -> tuple[str, ...]:
    """The tags that a pattern means, in the order given; `*` also spans slashes."""
    return tuple(tag for tag in tags if fnmatchcase(tag, pattern))


def order_of(tag: str, pattern: str = "") -> Order | None:
    """What a tag is sorted by as a version; None where it is none."""
    match = _VERSION.fullmatch(tag.removeprefix(re.split(r"[*?]", pattern, maxsplit=1)[0])) or _VERSION.fullmatch(tag)
    if match is None:
        return None
    numbers = [int(number) for number in match[1].split(".")]
    before = tuple(_identifier(one) for one in match[2].split(".")) if match[2] else ()
    return (*numbers, *[0] * (_NUMBERS - len(numbers))), 0 if before else 1, before


def _identifier(text: str) -> tuple[int, int, str]:
    """Numbers come before words and are compared as numbers."""
    return (0, int(text), "") if _WHOLE.fullmatch(text) else (1, 0, text)


def names_of(release: Spec[Release], source: ReleaseSource | None) -> tuple[str, ...]:
    """By what people know a release's version: its images' tags, else the variables that name it; perhaps nothing."""
    images = source.images if source is not None else ()
    found = [name for image in images if (name := _version_of(image))] or [
        _short(v) for v in release.spec.images.values()
    ]
    return tuple(sorted(set(found or _by_variables(release))))


def _version_of(image: str) -> str:
    rest = image[len(image_name(image)) :]
    return _short(rest.lstrip(":@").partition("@")[0])


def _short(version: str) -> str:
    if version.startswith("sha256:"):
        return version[: len("sha256:") + _SHORT_DIGEST]
    return version


def _by_variables(release: Spec[Release]) -> Iterator[str]:
    for name, value in release.spec.variables.items():
        if _NAMES_IT.fullmatch(name):
            yield str(value)
