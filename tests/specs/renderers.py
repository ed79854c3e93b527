"""A renderer that says one text and remembers what it was given, for sources that others render."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.errors import Rejected, Unavailable
from reconciler.specs.cache import ParseCache
from reconciler.specs.desired import Desired
from reconciler.specs.reader import Reader
from reconciler.specs.resolve import resolve
from reconciler.specs.sealed import Opener
from tests.specs.repository import Repository
from tests.specs.test_release_source import config


@dataclass
class Stub:
    """Both of the ports for renderers. `asked` holds the folder of each render, and what a chart is rendered as."""

    text: str = config("c", "data: {a: '${who}'}\n")
    version: str = "stub v1"
    refusal: str = ""
    given: list[dict[str, bytes]] = field(default_factory=list)
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def identity(self) -> str:
        if not self.version:
            raise Unavailable("looking for it: it is not there", key="k8s_binary_missing", hint="install it")
        return self.version

    def render(self, files: Mapping[str, bytes], folder: str, *names: str) -> bytes:
        self.given.append(dict(files))
        self.asked.append((folder, *names))
        if self.refusal:
            raise Rejected(self.refusal, key="validation_error")
        return self.text.encode()

    @property
    def values(self) -> Any:
        """What a chart was given last."""
        return json.loads(self.given[-1]["app/chart.values.json"])


def read(
    repository: Repository,
    stub: Stub | None,
    reader: Reader,
    cache: ParseCache | None = None,
    before: Desired | None = None,
    opener: Opener | None = None,
) -> Desired:
    """What the repository says, with this renderer for kustomizations and charts."""
    loaded = repository.load(cache, reader)
    return resolve(
        loaded, repository.entries, repository.read, cache, reader, before, renderer=stub, charts=stub, opener=opener
    )
