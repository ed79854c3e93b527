"""Desired cluster x its API as reached -> whose cluster it is, and whether our credential suffices.

Connecting changes nothing on the cluster; it records the cluster's identity (the UID of kube-system), so that a
swapped kubeconfig is refused later (G1, T36).
"""

from datetime import datetime, timedelta

from reconciler.plan.change import Action, ActionKind, Change, Check, FieldChange, Operation, Touched
from reconciler.plan.connections import NOT_NEEDED, ending_checks, version_checks
from reconciler.plan.part import Part, Step, error, failed, warning
from reconciler.state.observed import ObservedCluster


def plan_cluster(
    unit: str,
    cluster: str,
    observed: ObservedCluster | None,
    *,
    known_uid: str,
    platform: bool,
    renew_before: timedelta,
    at: datetime,
) -> Part:
    """`known_uid`: the identity recorded at its last accepted connection, or empty. `platform`: we install it.

    `renew_before`: how long before an end of the connection people are told; `at`: when was looked.
    """
    if platform:
        message = f"cluster {cluster} is created by the install of its environment; it is connected when that has run"
        return Part(checks=(warning(unit, "", message),))
    if observed is None:
        return Part(
            checks=(error(unit, "cluster_connect_failed", f"connecting to cluster {cluster}: it was not tried"),)
        )
    if observed.failure is not None:
        return Part(checks=(failed(unit, observed.failure),))
    checks: list[Check] = [
        warning(unit, "cluster_permission_insufficient", f"on cluster {cluster} the credential may not {missing}")
        for missing in observed.missing_permissions
        if missing not in NOT_NEEDED
    ]
    checks += version_checks(cluster, observed.server_version, connecting=True)
    checks += ending_checks(observed, renew_before, at)
    if known_uid and known_uid != observed.uid:
        message = f"connecting to cluster {cluster}: it is another cluster than before ({known_uid} -> {observed.uid})"
        hint = "check the kubeconfig; a cluster that was really rebuilt gets a new Cluster spec"
        checks.append(error(unit, "cluster_connect_failed", message, hint))
    change = Change(
        unit=unit,
        operation=Operation.CONNECT,
        subject=f"Cluster {cluster}",
        where=f"cluster {cluster}",
        fields=(
            FieldChange(path="identity", before=known_uid or None, after=observed.uid),
            FieldChange(path="version", after=observed.server_version),
        ),
    )
    action = Action(
        id=f"{unit}:connect",
        kind=ActionKind.CONNECT_CLUSTER,
        unit=unit,
        target=f"cluster/{cluster}",
        uid=observed.uid,
        pre=known_uid,
        post=observed.uid,
    )
    touched = Touched(subject=f"cluster/{cluster}", state={"uid": observed.uid, "endpoint": observed.endpoint})
    return Part(changes=(change,), steps=(Step(0, action),), checks=tuple(checks), touched=(touched,))
