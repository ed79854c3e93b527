"""Taking the pods of a workload away for a while, and giving them back: pure functions over JSON.

The number that stood is written onto the workload by the very write that takes its pods away, so nothing that happens
to us loses it; what is made meanwhile begins with such a mark. A CronJob has one "pod" where it runs and none where it
is suspended. Rules: everything else that we own is sent as it stands; an apply that does not say that the traffic is
stopped gives the pods back, so no later plan leaves a workload empty; a mark that says no number is never read as one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.errors import Refused
from reconciler.kube import marks
from reconciler.kube.projection import kept, owned_fields
from reconciler.names import ObjectRef
from reconciler.ports import Back
from reconciler.specs.claims import POLICY, When, claims_go
from reconciler.specs.jobs import SUSPENDED, is_stopped
from reconciler.state.observed import Json

SERVERS_DEFAULT = 1  # pods of a workload whose source says no number; a CronJob runs


@dataclass(frozen=True, slots=True)
class Turned:
    """What becomes of a workload's number of pods. `handed`: it is not ours to say, so another manager keeps it."""

    pods: int
    mark: Mapping[str, str] = field(default_factory=dict)
    handed: bool = False
    words: str = ""  # why it is not the number that its mark says
    instead: Mapping[str, Any] = field(default_factory=dict)  # what its spec says then; else a number of pods


Turn = Callable[[Json], Turned | None]  # what becomes of a live workload; None: it is so already


def concerns(ref: ObjectRef, live: Json, *, stopped: bool) -> bool:
    """Whether an apply has to keep pods away, or to give them back."""
    return is_stopped(ref.group, ref.kind) and (stopped or (live is not None and marks.stopped_at(live) is not None))


def stopping(live: Json) -> Turned | None:
    """What takes its pods away; None where they are."""
    if marks.stopped_at(live) is not None and pods_of(live) == 0:
        return None
    if claims_go(live, When.SCALED):
        message = "stopping traffic: the claims of a StatefulSet, and the data in them, would go with its pods"
        hint = f"let its {POLICY} say {When.SCALED}: Retain"
        raise Refused(message, key="release_rollback_failed", hint=hint)
    return Turned(0, mark_of(live))


def restoring(live: Json, back: Back) -> Turned | None:
    """What gives it its pods back; None where it has them. A number that is left to others is theirs again."""
    known, pods = marks.stopped_at(live), pods_of(live)
    if known is None:
        if pods or not back.unmarked or back.own == 0:
            return None
        given = back.least if back.own is None else back.own
        return Turned(given, handed=back.own is None, words="its mark is gone")
    lost = f"its mark {_annotation(live, marks.STOPPED)[:20]!r} says no number" if known == marks.UNREADABLE else ""
    if back.own is not None:  # a number that was set by hand on the version that is left is none of this one's
        return Turned(back.own, words=lost)
    if back.silent and not lost and not pods and not _annotation(live, marks.STOPPED_OF):
        known = SERVERS_DEFAULT  # the number was of the version that is left
    return Turned(max(pods or (back.least if lost else known), back.floor), handed=True, words=lost)


def mark_of(live: Json) -> dict[str, str]:
    """The mark that a stopped workload keeps; where it has pods, that of how many these are and who said so."""
    known, pods = marks.stopped_at(live), pods_of(live)
    if known is not None and pods == 0:
        found = {name: _annotation(live, name) for name in (marks.STOPPED, marks.STOPPED_OF)}
        return {name: text for name, text in found.items() if text}
    others = {} if is_ours(live) else {marks.STOPPED_OF: ", ".join(_holders(live)) or "nobody"}
    return {marks.STOPPED: str(pods), **others}


def mark_to_be(sent: Json, replicas: int) -> dict[str, str]:
    """The mark of what is made while the traffic is stopped: so many pods, or as many as is sent."""
    return {marks.STOPPED: str(replicas or pods_of(sent))}


def kept_stopped(sent: Json) -> Json:
    """What is sent while the traffic is stopped."""
    return with_pods(sent, 0)


def with_pods(body: Json, pods: int) -> Json:
    """A copy that says so many pods."""
    return {**body, "spec": {**(body.get("spec") or {}), **number(body["kind"], pods)}}


def without_number(kind: str, body: Json) -> Json:
    """A copy that says nothing of its pods."""
    spec, name = (body.get("spec") if isinstance(body, dict) else None), _field(kind)
    if not isinstance(spec, dict) or name not in spec:
        return body
    rest = {key: value for key, value in spec.items() if key != name}
    outer = {key: value for key, value in body.items() if key != "spec"}
    return {**outer, "spec": rest} if rest else outer


def rescued(sent: Json, live: Json, *, others: bool) -> int | None:
    """How many pods what was left stopped gets from an apply; None: as many as the source says. `others`: it says none,
    for an autoscaler or somebody else has the number."""
    if _field(sent["kind"]) in (sent.get("spec") or {}) and not others:
        return None
    known, pods = marks.stopped_at(live), pods_of(live)
    if known is None or known == marks.UNREADABLE:
        return pods or SERVERS_DEFAULT
    mine = not others and not _annotation(live, marks.STOPPED_OF)  # then it was of the version that was stopped
    return pods or (SERVERS_DEFAULT if mine else known)


def written(live: Json, turned: Turned) -> Json:
    """Everything that we own as it stands, with this number of pods, and no mark but this."""
    body = as_we_own(live)
    annotations = body["metadata"]["annotations"]
    left = {key: text for key, text in annotations.items() if key not in (marks.STOPPED, marks.STOPPED_OF)}
    body["metadata"]["annotations"] = {**left, **turned.mark}
    if turned.handed:
        return without_number(live["kind"], body)
    return {**body, "spec": {**(body.get("spec") or {}), **(turned.instead or number(live["kind"], turned.pods))}}


def as_we_own(live: Json) -> Json:
    """What an apply sends that changes nothing of a live object: everything that we own of it as it stands."""
    ours = kept(live, owned_fields(live))
    seen = live["metadata"]
    identity = {key: live[key] for key in ("apiVersion", "kind")}
    metadata = {**ours.get("metadata", {}), **{key: seen[key] for key in ("name", "uid", "resourceVersion")}}
    metadata["namespace"] = seen["namespace"]
    metadata["annotations"] = dict(metadata.get("annotations") or {})
    return {**ours, **identity, "metadata": metadata}


def number(kind: str, pods: int) -> dict[str, Any]:
    """The field of a spec that says so."""
    return {"suspend": pods == 0} if kind == SUSPENDED else {"replicas": pods}


def pods_of(body: Json) -> int:
    """How many pods a body says."""
    spec = body.get("spec") or {}
    if body["kind"] == SUSPENDED:
        return int(spec.get("suspend") is not True)
    return int(spec.get("replicas", 1))


def pods_to_be(live: Json) -> int:
    """How many pods it has, or had before they were taken away."""
    return pods_of(live) or max(0, marks.stopped_at(live) or 0)


def _field(kind: str) -> str:
    return "suspend" if kind == SUSPENDED else "replicas"


def _annotation(live: Json, name: str) -> str:
    return str((live["metadata"].get("annotations") or {}).get(name, ""))


def is_ours(live: Json) -> bool:
    """Whether we say how many pods it has."""
    return f"f:{_field(live['kind'])}" in owned_fields(live).get("f:spec", {})


def _holders(live: Json) -> list[str]:
    """Who says how many pods it has."""
    entries = live["metadata"].get("managedFields") or ()
    name = f"f:{_field(live['kind'])}"
    return sorted({str(one.get("manager")) for one in entries if name in (one.get("fieldsV1") or {}).get("f:spec", {})})
