"""What a look at a cluster says beside its objects: in the preview, before anybody approves."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from reconciler.names import ObjectRef
from reconciler.plan.change import Check, Plan, Severity
from reconciler.plan.connections import ending_checks, version_checks
from reconciler.plan.guards import PruneLimits
from reconciler.state.observed import Ending, Failure, Lacking, Observed, ObservedCluster, ObservedObject
from tests.plan.world import AT, Files, plan, release, seen

NEXT = ("apps/web/deployment.yaml", "web:v1", "web:v2")


def lacks(verb: str, kind: str = "Deployment", group: str = "apps") -> Lacking:
    return Lacking(verb, group, kind, "web", f"{verb} {kind.lower()}s in web")


def planned(files: Files, change: Callable[[ObservedCluster], ObservedCluster]) -> Plan:
    """An image change of release web, where the look at the cluster said something besides."""
    after = files.edited(*NEXT)
    look = seen(after.good, files.good)
    return plan(after.good, files.good, observed=replace(look, clusters={"one": change(look.clusters["one"])}))


def with_lacking(*rights: Lacking) -> Callable[[ObservedCluster], ObservedCluster]:
    def change(cluster: ObservedCluster) -> ObservedCluster:
        return replace(cluster, releases={"web": replace(cluster.releases["web"], lacking=rights)})

    return change


def said(made: Plan) -> list[tuple[Severity, str]]:
    return [(check.severity, check.message.partition("may not ")[2].partition(";")[0]) for check in of_cluster(made)]


def of_cluster(made: Plan) -> list[Check]:
    """The checks without what is said of the source."""
    return [check for check in made.checks if "pinned by digest" not in check.message and "in Git" not in check.message]


@pytest.mark.parametrize("verb", ["get", "list", "patch"])
def test_a_right_that_the_plan_needs_blocks_it_by_name(files: Files, verb: str) -> None:
    made = planned(files, with_lacking(lacks(verb)))
    assert said(made) == [(Severity.ERROR, f"{verb} deployments in web")]
    assert [check.key for check in made.blocked] == ["cluster_permission_insufficient"]


@pytest.mark.parametrize("right", [lacks("delete"), lacks("create"), lacks("patch", "Secret", "")])
def test_a_right_that_only_a_later_change_needs_is_said(files: Files, right: Lacking) -> None:
    made = planned(files, with_lacking(right))
    assert said(made) == [(Severity.WARNING, right.words)]


def test_what_is_created_and_what_is_deleted_needs_its_own_rights(files: Files) -> None:
    more = files.but({"apps/web/more.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {}\n"})
    rights = (lacks("create", "Service", ""), lacks("delete", "Service", ""))

    def look(wanted: Files, live: Files) -> Observed:
        found = seen(wanted.good, live.good)
        return replace(found, clusters={"one": with_lacking(*rights)(found.clusters["one"])})

    created = plan(more.good, files.good, observed=look(more, files))
    assert said(created) == [(Severity.ERROR, "create services in web"), (Severity.WARNING, "delete services in web")]
    deleted = plan(files.good, more.good, observed=look(files, more))
    assert (Severity.ERROR, "delete services in web") in said(deleted)


@pytest.mark.parametrize(
    ("leaves", "needed"),
    [("delete", {"get", "list", "delete"}), ("forget", {"get", "list", "patch"})],
)
def test_what_leaves_needs_to_be_read_and_let_go(files: Files, leaves: str, needed: set[str]) -> None:
    before = files.but({"web.yaml": release("web", more=f", onRemoval: {leaves}")})
    after = before.but({"web.yaml": None})
    for verb in ("get", "list", "patch", "create", "delete"):
        found = seen(after.good, before.good)
        look = replace(found, clusters={"one": with_lacking(lacks(verb))(found.clusters["one"])})
        made = plan(after.good, before.good, observed=look, limits=PruneLimits(100, 100))
        told = [check.severity for check in made.checks if check.key == "cluster_permission_insufficient"]
        assert told == [Severity.ERROR if verb in needed else Severity.WARNING], verb


def test_an_object_that_could_not_be_asked_about_has_its_rights_named_as_errors(files: Files) -> None:
    ref = ObjectRef("apps", "v1", "Deployment", "web", "web")

    def change(cluster: ObservedCluster) -> ObservedCluster:
        release = cluster.releases["web"]
        failed = ObservedObject(ref, exists=False, failure=Failure("cluster_permission_insufficient", "forbidden"))
        changed = replace(release, objects={**release.objects, ref: failed}, lacking=(lacks("create"),))
        return replace(cluster, releases={"web": changed})

    made = planned(files, change)
    assert {check.severity for check in of_cluster(made)} == {Severity.ERROR}
    assert any("may not create deployments" in check.message for check in of_cluster(made))


def test_what_any_apply_needs_blocks_and_what_nothing_depends_on_does_not(files: Files) -> None:
    missing = ("create configmaps in default", "list namespaces")
    made = planned(files, lambda cluster: replace(cluster, missing_permissions=missing))
    assert said(made) == [(Severity.ERROR, "create configmaps in default")]


def test_a_look_that_was_forbidden_names_what_any_apply_needs_too(files: Files) -> None:
    failure = Failure("cluster_permission_insufficient", "forbidden")
    made = planned(
        files,
        lambda cluster: replace(
            cluster, failure=failure, missing_permissions=("list configmaps in default",), releases={}
        ),
    )
    assert [check.message for check in made.blocked] == [
        "forbidden",
        "on cluster one the credential may not list configmaps in default",
    ]


@pytest.mark.parametrize(
    ("version", "connecting", "found"),
    [
        ("v1.36.3", True, []),
        ("v1.23.0", True, []),
        ("v1.30.1-eks-1234", True, []),
        ("v1.22.17", False, [Severity.ERROR]),
        ("v0.99.0", False, [Severity.ERROR]),
        ("v1.37.0", True, [Severity.WARNING]),
        ("v1.37.0", False, []),
        ("v2.0.0", True, [Severity.WARNING]),
        ("", True, [Severity.WARNING]),
        ("nonsense", False, []),
    ],
)
def test_a_servers_version_is_held_against_what_we_can_work_with(
    version: str, *, connecting: bool, found: list[Severity]
) -> None:
    made = list(version_checks("one", version, connecting=connecting))
    assert [check.severity for check in made] == found
    assert {check.key for check in made if check.severity is Severity.ERROR} <= {"k8s_version_incompatible"}


def test_what_is_only_said_of_a_version_has_no_error_key() -> None:
    made = [check for version in ("v1.37.0", "") for check in version_checks("one", version, connecting=True)]
    assert [check.key for check in made] == ["", ""]


def test_too_old_a_server_blocks_a_release_on_it(files: Files) -> None:
    made = planned(files, lambda cluster: replace(cluster, server_version="v1.19.0"))
    assert [check.key for check in made.blocked] == ["k8s_version_incompatible"]


@pytest.mark.parametrize(("after", "told"), [(timedelta(days=31), 0), (timedelta(days=30), 1), (timedelta(days=-1), 1)])
def test_what_ends_within_renew_before_is_said(after: timedelta, told: int) -> None:
    observed = ObservedCluster("one", endings=(Ending("the client certificate", AT + after),))
    assert len(list(ending_checks(observed, timedelta(days=30), AT))) == told


def test_an_end_is_said_with_its_date_and_moves_no_digest(files: Files) -> None:
    def ending(at: datetime) -> Plan:
        return planned(files, lambda one: replace(one, endings=(Ending("the client certificate", at),)))

    soon, later = ending(AT + timedelta(days=3)), ending(AT + timedelta(days=300))
    [check] = of_cluster(soon)
    assert check == Check(
        severity=Severity.WARNING,
        key="certificate_invalid",
        message="connecting to cluster one: the client certificate ends at 2026-03-07 05:06 UTC",
        unit="cluster/one",
        hint="renew it before then; a credential in Git is renewed by a pull request",
    )
    assert of_cluster(later) == []
    assert soon.digest == later.digest
