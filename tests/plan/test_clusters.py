"""What connecting to a cluster records, and what stands in its way. No API, values only."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.plan.change import Action, ActionKind, Change, FieldChange, Operation, Severity, Touched
from reconciler.plan.clusters import plan_cluster
from reconciler.plan.part import Part
from reconciler.state.observed import Failure, ObservedCluster

SEEN = ObservedCluster("one", uid="uid-1", endpoint="https://10.0.0.1:6443", server_version="v1.30.1")


def connect(observed: ObservedCluster | None = SEEN, *, known: str = "", platform: bool = False) -> Part:
    return plan_cluster(
        "cluster/one",
        "one",
        observed,
        known_uid=known,
        platform=platform,
        renew_before=timedelta(days=30),
        at=datetime(2026, 3, 4, tzinfo=UTC),
    )


def keys(part: Part) -> list[tuple[Severity, str]]:
    return [(check.severity, check.key) for check in part.checks]


@pytest.mark.parametrize(("known", "before"), [("", None), ("uid-1", "uid-1")], ids=["first", "again"])
def test_g9_connecting_records_who_the_cluster_is(known: str, before: str | None) -> None:
    made = connect(known=known)
    assert made.changes == (
        Change(
            unit="cluster/one",
            operation=Operation.CONNECT,
            subject="Cluster one",
            where="cluster one",
            fields=(
                FieldChange(path="identity", before=before, after="uid-1"),
                FieldChange(path="version", after="v1.30.1"),
            ),
        ),
    )
    (step,) = made.steps
    assert (step.phase, step.action) == (
        0,
        Action(
            id="cluster/one:connect",
            kind=ActionKind.CONNECT_CLUSTER,
            unit="cluster/one",
            target="cluster/one",
            uid="uid-1",
            pre=known,
            post="uid-1",
        ),
    )
    assert made.touched == (
        Touched(subject="cluster/one", state={"uid": "uid-1", "endpoint": "https://10.0.0.1:6443"}),
    )
    assert made.checks == ()


def test_t36_another_cluster_than_before_blocks() -> None:
    assert keys(connect(known="uid-0")) == [(Severity.ERROR, "cluster_connect_failed")]


def test_a_cluster_that_could_not_be_looked_at_blocks_and_changes_nothing() -> None:
    for observed, key in (
        (None, "cluster_connect_failed"),
        (replace(SEEN, failure=Failure("kubeconfig_invalid", "x")), "kubeconfig_invalid"),
    ):
        made = connect(observed)
        assert (made.changes, made.steps, keys(made)) == ((), (), [(Severity.ERROR, key)])


def test_missing_rights_are_said_and_block_nothing() -> None:
    made = connect(replace(SEEN, missing_permissions=("list nodes", "get pods")))
    assert keys(made) == [(Severity.WARNING, "cluster_permission_insufficient")] * 2
    assert len(made.steps) == 1


def test_a_right_that_nothing_depends_on_is_not_missed() -> None:
    made = connect(replace(SEEN, missing_permissions=("list namespaces",)))
    assert made.checks == ()


def test_a_cluster_that_we_install_is_connected_when_that_has_run() -> None:
    made = connect(None, platform=True)
    assert (made.changes, made.steps, keys(made)) == ((), (), [(Severity.WARNING, "")])
