"""Which version is where: a release's version by the name people know it by, and the revision it is pinned to (G19)."""

from reconciler.app import promotion
from reconciler.doors.reading import Json, Reading
from reconciler.git import tags
from reconciler.names import Revision
from reconciler.specs.release_versions import names_of


def versions(reading: Reading) -> dict[str, Json]:
    """By release: its version as desired, and of a pinned environment's the commit and a tag that stands there."""
    desired = reading.desired()
    pinned = {
        name: (Revision(spec.spec.revision), promotion.pattern_of(spec.spec))
        for name, spec in desired.environments.items()
        if spec.spec.revision is not None
    }
    targets = tags.names(reading.mirror.refs()) if pinned else {}
    known = tags.found(reading.mirror.repository, targets)
    standing = {name: (at, promotion.tag_at(at, known, pattern)) for name, (at, pattern) in pinned.items()}
    found: dict[str, Json] = {}
    for name, spec in desired.releases.items():
        revision, tag = standing.get(spec.spec.environment, (None, ""))
        version = list(names_of(spec, desired.sources.get(name)))
        found[name] = {"version": version, "revision": revision, "tag": tag}
    return found
