"""What a look at a cluster says beside its objects: rights that are missing, a version, and what ends soon.

Known before anybody approves, so that none of it is a surprise while a plan is carried out. A right that this plan
needs blocks it; one that only its return or a later removal needs is said. The texts hold dates and no distances, so
that a preview does not change by itself from day to day.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from reconciler.plan.change import Action, ActionKind, Check
from reconciler.plan.part import error, warning
from reconciler.state.observed import ObservedCluster, ObservedRelease

# Server-side apply is stable since Kubernetes 1.22, autoscaling/v2 since 1.23; older servers do not know what we send.
# https://kubernetes.io/docs/reference/using-api/server-side-apply/
# https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/
OLDEST_MINOR: Final = 23
NEWEST_TRIED_MINOR: Final = 36  # what the tests run against; a newer server is told, and not refused
VERSION: Final = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\D.*)?")

NOT_NEEDED: Final = frozenset({"list namespaces"})  # shows people which namespaces there are, and nothing depends on it
PROXY: Final = "services/proxy"  # what a Service of the cluster is asked through
VERBS: Final = {
    ActionKind.APPLY_OBJECT: frozenset({"get", "list", "patch"}),
    ActionKind.DELETE_OBJECT: frozenset({"get", "list", "delete"}),
    ActionKind.FORGET_OBJECT: frozenset({"get", "list", "patch"}),
    ActionKind.RUN_JOB: frozenset({"get", "list", "create", "patch"}),
    ActionKind.STOP_TRAFFIC: frozenset({"get", "patch"}),
    ActionKind.RESTORE_TRAFFIC: frozenset({"get", "patch"}),
    ActionKind.HELM_BEGIN: frozenset({"list", "create", "update"}),
    ActionKind.HELM_DEPLOYED: frozenset({"list", "update", "delete"}),
    ActionKind.HELM_UNINSTALL: frozenset({"list", "delete"}),
    ActionKind.HELM_FORGET: frozenset({"list", "update"}),
}


def version_checks(cluster: str, version: str, *, connecting: bool) -> Iterator[Check]:
    """Whether we can work with this server. `connecting`: the plan is about the connection itself."""
    unit = f"cluster/{cluster}"
    read = VERSION.fullmatch(version)
    if read is None:
        if connecting:
            yield warning(unit, "", f"cluster {cluster} does not say its version in a way that we know")
        return
    known = (int(read[1]), int(read[2]))
    if known < (1, OLDEST_MINOR):
        message = f"cluster {cluster} runs Kubernetes {version}; 1.{OLDEST_MINOR} is the oldest that can be worked with"
        yield error(unit, "k8s_version_incompatible", message, "upgrade the cluster")
    elif connecting and known > (1, NEWEST_TRIED_MINOR):
        message = (
            f"cluster {cluster} runs Kubernetes {version}; this version was tried up to 1.{NEWEST_TRIED_MINOR} only"
        )
        yield warning(unit, "", message)


def ending_checks(observed: ObservedCluster, renew_before: timedelta, at: datetime) -> Iterator[Check]:
    """What of the connection ends within `renewBefore` of the look."""
    for ending in observed.endings:
        if ending.at - at <= renew_before:
            message = f"connecting to cluster {observed.cluster}: {ending.what} ends at {ending.at:%Y-%m-%d %H:%M} UTC"
            hint = "renew it before then; a credential in Git is renewed by a pull request"
            yield warning(f"cluster/{observed.cluster}", "certificate_invalid", message, hint)


def base_rights(unit: str, observed: ObservedCluster) -> Iterator[Check]:
    """What any apply needs, whatever is released."""
    for missing in observed.missing_permissions:
        if missing not in NOT_NEEDED:
            yield _in_the_way(unit, observed.cluster, missing)


def release_rights(
    unit: str, cluster: str, seen: ObservedRelease | None, actions: tuple[Action, ...]
) -> Iterator[Check]:
    """What this plan's own objects need; each right by name."""
    if seen is None:
        return
    used = {need for action in actions for need in _used(action)}
    unseen = {(ref.group, ref.kind, ref.namespace) for ref, item in seen.objects.items() if item.failure is not None}
    for one in seen.lacking:
        key, message, hint = _not_granted(cluster, one.words)
        place = (one.group, one.kind, one.namespace)
        asks = one.kind == PROXY and any(action.kind is ActionKind.ASK for action in actions)
        if asks or (one.verb, *place) in used or place in unseen:
            yield _in_the_way(unit, cluster, one.words)
        else:
            later = f"{message}; this plan does not need it, its return or a later change may"
            yield warning(unit, key, later, hint)


def _used(action: Action) -> Iterator[tuple[str, str, str, str]]:
    about = action.object
    if about is None:
        return
    verbs = VERBS.get(action.kind, frozenset()) | (
        {"create"} if action.kind is ActionKind.APPLY_OBJECT and not action.pre else set()
    )
    for verb in verbs:
        yield verb, about.group, about.kind, about.namespace


def _in_the_way(unit: str, cluster: str, words: str) -> Check:
    return error(unit, *_not_granted(cluster, words)).model_copy(update={"acting": True})


def _not_granted(cluster: str, words: str) -> tuple[str, str, str]:
    return (
        "cluster_permission_insufficient",
        f"on cluster {cluster} the credential may not {words}",
        "grant it to the credential's account, or take what needs it out of the source",
    )
