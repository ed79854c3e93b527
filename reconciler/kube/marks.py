"""What we write on objects to know them again: ApplySet labels, the release, the generation and the last event.

Pure text. The rule it keeps: these marks are ours alone. They are cut from what users write before they are set, and
from what is compared after it was read, so nobody can claim an object by writing a label and no mark enters a digest
(G9).
ApplySet: https://git.k8s.io/enhancements/keps/sig-cli/3659-kubectl-apply-prune
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.state.observed import Json

FIELD_MANAGER: Final = "reconciler"
FORGET_MANAGER: Final = "reconciler-forget"
HAND_OVER_MANAGER: Final = "reconciler-hand-over"
BEFORE_ANYBODY: Final = "before-first-apply"  # the server's own word, and no manager that could write again
TOOLING: Final = "reconciler/v1"

PART_OF: Final = "applyset.kubernetes.io/part-of"
APPLYSET_ID: Final = "applyset.kubernetes.io/id"
APPLYSET_TOOLING: Final = "applyset.kubernetes.io/tooling"
APPLYSET_KINDS: Final = "applyset.kubernetes.io/contains-group-kinds"
APPLYSET_NAMESPACES: Final = "applyset.kubernetes.io/additional-namespaces"
RELEASE: Final = "opspilot.spec/release"
GENERATION: Final = "opspilot.spec/generation"
EVENT: Final = "opspilot.spec/event"
TURN: Final = "opspilot.spec/turn"  # on parents alone

STOPPED: Final = "opspilot.spec/stopped"  # how many pods a workload had whose traffic is stopped
STOPPED_OF: Final = "opspilot.spec/stopped-number-of"  # who had set that number, where it was not us
UNREADABLE: Final = -1  # its mark says no number of pods
MOST_PODS: Final = 2**31 - 1  # what a server takes as a number of pods
CLAIMED: Final = "opspilot.spec/claimed-by"  # which reconciler counts on a run: a name of its process
RUN: Final = "opspilot.spec/run"  # which run a Job is: it stands in no source

OUR_LABELS: Final = frozenset({PART_OF, RELEASE, RUN})
OUR_ANNOTATIONS: Final = frozenset({GENERATION, EVENT, STOPPED, STOPPED_OF, CLAIMED})


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one reconciler. `installation` tells reconcilers apart that share a cluster."""

    installation: str
    parent_namespace: str

    def parent_name(self, release: str) -> str:
        """The ConfigMap that is the release's ApplySet parent."""
        return f"reconciler.{self.installation}.{release}"

    def applyset(self, release: str) -> str:
        """The ApplySet id: `applyset-BASE64URL(sha256(name.namespace.kind.group))-v1`."""
        text = f"{self.parent_name(release)}.{self.parent_namespace}.ConfigMap."
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        return f"applyset-{digest}-v1"

    def owner(self, body: Mapping[str, Any]) -> str:
        """Who owns a live object: a release of ours, somebody else in words, or nobody that we know (empty)."""
        metadata = body.get("metadata", {})
        labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
        part_of = labels.get(PART_OF, "")
        if part_of:
            release = str(labels.get(RELEASE, ""))
            return release if release and self.applyset(release) == part_of else f"ApplySet {part_of}"
        for holder in metadata.get("ownerReferences") or ():
            if holder.get("controller"):
                return f"{holder.get('kind')} {holder.get('name')}"
        for mark, who in _CONTROLLERS.items():
            if mark in labels or mark in annotations:
                return f"{who} {labels.get(mark) or annotations.get(mark)}"
        return ""

    def holds(self, release: str, body: Mapping[str, Any]) -> bool:
        """Whether this release of ours owns it."""
        labels = body.get("metadata", {}).get("labels") or {}
        return labels.get(PART_OF) == self.applyset(release) and labels.get(RELEASE) == release

    def is_ours(self, body: Mapping[str, Any]) -> bool:
        """Whether a release of this reconciler owns it."""
        labels = body.get("metadata", {}).get("labels") or {}
        release = labels.get(RELEASE)
        return isinstance(release, str) and labels.get(PART_OF) == self.applyset(release)


# Controllers that would put back what we change, by the mark that they leave (G27).
_CONTROLLERS: Final = {
    "meta.helm.sh/release-name": "Helm release",
    "kustomize.toolkit.fluxcd.io/name": "Flux Kustomization",
    "helm.toolkit.fluxcd.io/name": "Flux HelmRelease",
    "argocd.argoproj.io/tracking-id": "Argo CD application",
    "argocd.argoproj.io/instance": "Argo CD application",
}


def marked(body: Json, *, labels: Mapping[str, str], annotations: Mapping[str, str]) -> Json:
    """A copy of the body that carries these marks."""
    metadata = dict(body.get("metadata", {}))
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    if annotations:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    return {**body, "metadata": metadata}


def unmarked(body: Json) -> Json:
    """A copy without our marks; a map of labels or annotations that becomes empty goes too."""
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
        return body
    metadata = dict(body["metadata"])
    for key, ours in (("labels", OUR_LABELS), ("annotations", OUR_ANNOTATIONS)):
        values = metadata.get(key)
        if isinstance(values, dict):
            metadata[key] = {name: value for name, value in values.items() if name not in ours}
        if key in metadata and not metadata[key]:
            del metadata[key]
    without = {key: value for key, value in body.items() if key != "metadata"}
    return {**without, "metadata": metadata} if metadata else without


def generation_of(body: Mapping[str, Any]) -> int:
    """The generation that an object or a parent remembers; 0 where it remembers none."""
    return counted(body, GENERATION)


def event_of(body: Mapping[str, Any]) -> str:
    """The last event of ours that touched an object; empty where none did."""
    return str((body.get("metadata", {}).get("annotations") or {}).get(EVENT, ""))


def run_of(body: Mapping[str, Any]) -> str:
    """Which run a Job is; empty for what is no run of ours."""
    return str((body.get("metadata", {}).get("labels") or {}).get(RUN, ""))


def stopped_at(body: Mapping[str, Any]) -> int | None:
    """How many pods a workload had when its traffic was stopped; None where it is not stopped by us.

    Below 0: somebody wrote into the mark, and nobody can tell.
    """
    text = (body.get("metadata", {}).get("annotations") or {}).get(STOPPED)
    if text is None:
        return None
    good = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < len(str(MOST_PODS))
    return int(text) if good else UNREADABLE


def counted(body: Mapping[str, Any], mark: str) -> int:
    """The number in an annotation; 0 where there is none."""
    text = (body.get("metadata", {}).get("annotations") or {}).get(mark, "0")
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else 0


def is_our_own(conflict: str) -> bool:
    """Whether a field conflict, `manager: field`, is with what we kept an autoscaler's number by, or with nobody: the
    server says so of what stood in an object whose managedFields were cleared when we first applied it."""
    return conflict.partition(":")[0] in (HAND_OVER_MANAGER, BEFORE_ANYBODY)
