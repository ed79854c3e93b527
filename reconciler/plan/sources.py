"""What a reader of a preview should know of a release's source besides what would change. Blocks nothing."""

from collections import Counter
from collections.abc import Iterator, Sequence

from reconciler.plan.change import Change, Check, Severity
from reconciler.plan.part import warning
from reconciler.specs.image_reference import parse_reference
from reconciler.specs.release_source import ReleaseSource

MOST_NAMED = 5  # images in one line


def about_source(unit: str, source: ReleaseSource | None, changes: Sequence[Change]) -> Iterator[Check]:
    """Which images may become others, and which secrets everybody can read; nothing where nothing changes."""
    if source is None or not changes:
        return
    loose = [image for image in source.images if "@sha256:" not in image]
    if source.images:
        words = f"{unit}: {len(source.images) - len(loose)} of {len(source.images)} images pinned by digest"
        more = f", and {len(loose) - MOST_NAMED} more" if len(loose) > MOST_NAMED else ""
        words += _asked(source)
        named = [f"{image} ({source.loose[image]})" if image in source.loose else image for image in loose[:MOST_NAMED]]
        words += f"; by tag only: {', '.join(named)}{more}" if loose else ""
        yield Check(severity=Severity.INFO, key="", message=words, unit=unit)
    for name in source.in_the_open:
        message = f"{name} stands in Git as plain text; who reads the repository reads its values"
        yield warning(unit, "", message, "encrypt it with SOPS, or leave it to the cluster (docs/sources.md)")


def _asked(source: ReleaseSource) -> str:
    """How many of them which registry pinned."""
    hosts = Counter(reference.host for image in source.pins if (reference := parse_reference(image)) is not None)
    return "".join(f", {number} of them by registry {host}" for host, number in sorted(hosts.items()))
