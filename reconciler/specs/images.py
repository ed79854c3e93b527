"""Container images in Kubernetes objects: which there are, and another tag or digest in place of what is written."""

from collections.abc import Iterator, Mapping
from typing import Any

_LISTS = ("initContainers", "containers", "ephemeralContainers")


def image_name(reference: str) -> str:
    """`registry:5000/app` of `registry:5000/app:v1@sha256:...`."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def with_version(name: str, version: str) -> str:
    """An image name with a tag or a digest."""
    return f"{name}@{version}" if version.startswith("sha256:") else f"{name}:{version}"


def containers(value: Any) -> Iterator[dict[str, Any]]:
    """Every container with an image, in the order in which it is written."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in _LISTS and isinstance(item, list):
                yield from (one for one in item if isinstance(one, dict) and isinstance(one.get("image"), str))
            elif isinstance(item, (dict, list)):
                yield from containers(item)
    elif isinstance(value, list):
        for item in value:
            yield from containers(item)


def replace_images(objects: list[dict[str, Any]], versions: Mapping[str, str]) -> set[str]:
    """Put other versions into objects, in place; the names that were found."""
    found = set()
    for one in (one for item in objects for one in containers(item)):
        name = image_name(one["image"])
        if name in versions:
            one["image"] = with_version(name, versions[name])
            found.add(name)
    return found


def images_of(objects: list[dict[str, Any]]) -> tuple[str, ...]:
    """Every image that objects run, sorted."""
    return tuple(sorted({one["image"] for item in objects for one in containers(item)}))
