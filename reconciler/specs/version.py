"""The version of reading: a cached answer is good only while nothing that made it has changed.

Rule: nobody has to remember to raise a number; any change of this package, of the parser or of the validator counts.
"""

import hashlib
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

import pydantic
import yaml


@cache
def reading_version() -> str:
    """The version of reading with this package's code."""
    return version_of(resources.files("reconciler.specs"))


def version_of(folder: Traversable) -> str:
    """A digest over the code in a folder and the versions of what it reads with; 32 hex digits."""
    digest = hashlib.sha256(f"pydantic {pydantic.VERSION}, pyyaml {yaml.__version__}".encode())
    for name, content in sorted(_code(folder)):
        digest.update(f"\n{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:32]


def _code(folder: Traversable, prefix: str = "") -> list[tuple[str, bytes]]:
    found = []
    for item in folder.iterdir():
        if item.is_dir():
            found += _code(item, f"{prefix}{item.name}/")
        elif item.name.endswith(".py"):
            found.append((prefix + item.name, item.read_bytes()))
    return found
