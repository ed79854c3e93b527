"""What Helm remembers of a release, in the form that Helm itself reads: one Secret for each revision.

Pure: labels, and a release as JSON, packed. Rule: what is read was written by anybody, so it is unpacked up to a size
and never believed to be ours but for our labels, which count only on the very revision that they were written on (Helm
copies labels from revision to revision).
Format: pkg/storage/driver and pkg/release/v1 of Helm 4, which is that of Helm 3.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from reconciler.errors import Rejected, Unavailable
from reconciler.kube.marks import GENERATION, PART_OF, RELEASE, Marks, marked
from reconciler.kube.projection import sendable
from reconciler.names import ObjectRef
from reconciler.plan.hide import hidden
from reconciler.ports import DesiredObjects, HelmEntry
from reconciler.specs.chart import is_made_once
from reconciler.specs.chart_hooks import moments
from reconciler.state.observed import HelmRevision, Json

TYPE: Final = "helm.sh/release.v1"
HELM_OWNER: Final = "opspilot.spec/helm-of"  # not the label of an ApplySet: these are no objects of the release
HELM_REVISION: Final = "opspilot.spec/helm-revision"
HELM_ARTIFACT: Final = "opspilot.spec/helm-artifact"
OURS: Final = frozenset({HELM_OWNER, HELM_REVISION, HELM_ARTIFACT, RELEASE, GENERATION})

PENDING_INSTALL, PENDING_UPGRADE = "pending-install", "pending-upgrade"
DEPLOYED, FAILED, SUPERSEDED = "deployed", "failed", "superseded"
MOST_PACKED: Final = 1024 * 1024  # bytes of what one Secret holds
MOST_UNPACKED: Final = 32 * 1024 * 1024
LONGEST_WORDS: Final = 200
_GZIP: Final = 31  # wbits of zlib: a gzip header is there


def revision_of(body: Json, owner: Marks) -> HelmRevision:
    """A record as it is told; from its labels alone."""
    labels = body["metadata"].get("labels") or {}
    release = str(labels.get("name", ""))
    ours = labels.get(HELM_OWNER) == owner.applyset(release) and labels.get(RELEASE) == release
    number = _number(labels.get("version"))
    return HelmRevision(
        number,
        str(labels.get("status", "")),
        ours,
        by_us=ours and labels.get(HELM_REVISION) == str(number),
        artifact=str(labels.get(HELM_ARTIFACT, "")),
        generation=_number(labels.get(GENERATION)),
    )


def ref_of(namespace: str, release: str, number: int) -> ObjectRef:
    """Where a revision is kept."""
    return ObjectRef("", "v1", "Secret", namespace, f"sh.helm.release.v1.{release}.v{number}")


def begun(wanted: DesiredObjects, entry: HelmEntry, number: int, first: str, owner: Marks) -> Json:
    """A new revision that is pending. `first`: when the release was first deployed, where that is known.

    Raises Rejected where it is more than a Secret holds.
    """
    assert wanted.chart is not None  # noqa: S101  asked for releases of Helm only
    at = entry.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    status = PENDING_UPGRADE if number > 1 else PENDING_INSTALL
    release = {
        "name": wanted.release,
        "info": {
            "first_deployed": first or at,
            "last_deployed": at,
            "description": f"generation {entry.generation} of reconciler is being applied",
            "status": status,
        },
        "chart": {
            "metadata": dict(wanted.chart.metadata),
            "lock": None,
            "templates": [],
            "values": {},
            "schema": None,
            "files": [],
        },
        "config": dict(wanted.chart.values),
        "manifest": manifest(wanted, owner),
        "version": number,
        "namespace": wanted.namespace,
        "apply_method": "ssa",
    }
    ref = ref_of(wanted.namespace, wanted.release, number)
    labels = {
        "name": wanted.release,
        "owner": "helm",
        "status": status,
        "version": str(number),
        "createdAt": str(int(entry.at.timestamp())),
        RELEASE: wanted.release,
        GENERATION: str(entry.generation),
        HELM_OWNER: owner.applyset(wanted.release),
        HELM_REVISION: str(number),
        HELM_ARTIFACT: entry.artifact,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": ref.name, "namespace": ref.namespace, "labels": labels},
        "type": TYPE,
        "data": {"release": _packed(release, wanted.release)},
    }


def ended(body: Json, status: str, words: str, at: datetime) -> Json:
    """The same record with another status, as Helm would write it."""
    release = unpacked(body)
    release["info"] = {**release["info"], "status": status, "description": hidden(words)[:LONGEST_WORDS]}
    labels = {**body["metadata"]["labels"], "status": status, "modifiedAt": str(int(at.timestamp()))}
    changed = {**body, "metadata": {**body["metadata"], "labels": labels}}
    return {**changed, "data": {**body["data"], "release": _packed(release, release["name"])}}


def superseded(body: Json, at: datetime) -> Json:
    """The same record, after another took its place; what it says of itself stays."""
    return ended(body, SUPERSEDED, str(unpacked(body)["info"].get("description", "")), at)


def forgotten(body: Json) -> Json:
    """The same record without what makes it ours."""
    labels = {key: value for key, value in body["metadata"]["labels"].items() if key not in OURS}
    return {**body, "metadata": {**body["metadata"], "labels": labels}}


def first_deployed(bodies: Iterable[Json]) -> str:
    """When the release was first deployed, by the newest record that says it."""
    for body in bodies:
        said = unpacked(body)["info"].get("first_deployed")
        if isinstance(said, str) and said:
            return said
    return ""


def manifest(wanted: DesiredObjects, owner: Marks) -> str:
    """The objects as Helm keeps them: documents of YAML (JSON is that), in the order of the source.

    With the labels that make them ours, so that a `helm rollback` by hand leaves them ours.
    """
    labels = {PART_OF: owner.applyset(wanted.release), RELEASE: wanted.release}
    parts = []
    # neither what lies in crds/ nor hooks are part of it: `helm uninstall` leaves both alone
    for body in (one for one in wanted.objects if not is_made_once(one) and not moments(one)):
        shown = marked(sendable(body), labels=labels, annotations={})
        parts.append(f"---\n# Source: {wanted.chart}\n{json.dumps(shown, indent=2, sort_keys=True)}\n")
    return "".join(parts)


def unpacked(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a record holds. Raises Unavailable where it is nothing that Helm wrote."""
    name = body["metadata"]["name"]
    try:
        packed = base64.b64decode(base64.b64decode(body["data"]["release"]))
        unzip = zlib.decompressobj(_GZIP)
        text = unzip.decompress(packed, MOST_UNPACKED)
        release = json.loads(text) if unzip.eof else None
    except (ValueError, KeyError, TypeError, zlib.error, RecursionError):
        release = None
    if not isinstance(release, dict) or not isinstance(release.get("info"), dict) or "name" not in release:
        raise Unavailable(f"reading {name}: this is no record of Helm", key="cluster_connect_failed")
    return release


def _packed(release: Json, name: str) -> str:
    zip_up = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    packed = zip_up.compress(json.dumps(release).encode()) + zip_up.flush()
    held = base64.b64encode(packed)  # Helm's own coat; the other is that of every value of a Secret
    if len(held) > MOST_PACKED:
        message = f"recording Helm release {name}: it is larger than Helm keeps in one Secret"
        raise Rejected(message, key="release_apply_failed", hint="split the chart into several releases")
    return base64.b64encode(held).decode()


def _number(text: object) -> int:
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 10 else 0
