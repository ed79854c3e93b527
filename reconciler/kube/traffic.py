"""Taking the pods of a workload away for a while, and giving them back: pure functions over JSON.

The number that stood is written onto the workload by the very write that takes its pods away, so nothing that happens
to us loses it. Rules: everything else that we own is sent as it stands; an apply that does not say that the traffic is
stopped gives the pods back, so no later plan leaves a workload empty.
"""

from collections.abc import Mapping
from typing import Final

from reconciler.kube import marks
from reconciler.kube.projection import kept, owned_fields
from reconciler.names import ObjectRef
from reconciler.specs.jobs import STOPPED
from reconciler.state.observed import Json

GROUP: Final = "apps"


def is_stoppable(ref: ObjectRef) -> bool:
    """Whether it is a workload whose pods can be taken away."""
    return ref.group == GROUP and ref.kind in STOPPED


def concerns(ref: ObjectRef, live: Json, *, stopped: bool) -> bool:
    """Whether an apply has to keep pods away, or to give them back."""
    return is_stoppable(ref) and (stopped or (live is not None and marks.stopped_at(live) is not None))


def stopping(live: Json) -> Json:
    """What takes its pods away; None where they are."""
    known = marks.stopped_at(live)
    if known is not None and _pods(live) == 0:
        return None
    return _with(live, 0, {marks.STOPPED: str(_pods(live) if known is None else known)})


def restoring(live: Json, replicas: int | None) -> Json:
    """What gives it so many pods, or as many as it had; None where it has them."""
    known = marks.stopped_at(live)
    wanted = known if replicas is None else replicas
    if wanted is None or (known is None and _pods(live) == wanted):
        return None
    return _with(live, wanted, {})


def kept_stopped(sent: Json) -> Json:
    """What is sent while the traffic is stopped."""
    return {**sent, "spec": {**(sent.get("spec") or {}), "replicas": 0}}


def rescued(sent: Json, live: Json, *, autoscaled: bool) -> Json:
    """What is sent to a workload that was left stopped: as many pods as the source says, or as it had."""
    spec = sent.get("spec") or {}
    if "replicas" in spec and not autoscaled:
        return sent
    return {**sent, "spec": {**spec, "replicas": marks.stopped_at(live)}}


def mark_of(live: Json) -> dict[str, str]:
    """The mark that a stopped workload keeps, or gets where its pods had come back meanwhile."""
    if live is None:
        return {}
    known = marks.stopped_at(live)
    return {marks.STOPPED: str(_pods(live) if known is None else known)}


def _pods(live: Json) -> int:
    return int((live.get("spec") or {}).get("replicas", 1))


def _with(live: Json, pods: int, mark: Mapping[str, str]) -> Json:
    body = as_we_own(live)
    annotations = {key: value for key, value in body["metadata"]["annotations"].items() if key != marks.STOPPED}
    metadata = {**body["metadata"], "annotations": {**annotations, **mark}}
    return {**body, "metadata": metadata, "spec": {**(body.get("spec") or {}), "replicas": pods}}


def as_we_own(live: Json) -> Json:
    """What an apply sends that changes nothing of a live object: everything that we own of it as it stands."""
    ours = kept(live, owned_fields(live))
    seen = live["metadata"]
    identity = {key: live[key] for key in ("apiVersion", "kind")}
    metadata = {**ours.get("metadata", {}), **{key: seen[key] for key in ("name", "uid", "resourceVersion")}}
    metadata["namespace"] = seen["namespace"]
    metadata["annotations"] = dict(metadata.get("annotations") or {})
    return {**ours, **identity, "metadata": metadata}
