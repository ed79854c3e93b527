"""Adopting what runs already (G27): whose fields move, nothing restarts, and whoever was not named stops it.

On the sandbox cluster and on a real kube-apiserver; where they differ, the sandbox is wrong.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.errors import ReconcilerError, Refused
from reconciler.kube.marks import PART_OF
from tests.contracts.kube_targets import Lab, real_lab, sandbox_lab

LABS = {"sandbox": sandbox_lab, "real": real_lab}
IMAGE = "spec.template.spec.containers[name=web].image"


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with LABS[request.param](request) as found:
        yield found


def running(lab: Lab, manager: str = "kubectl-client-side-apply", **more: Any) -> dict[str, Any]:
    """A Deployment that somebody else made."""
    body = lab.deployment()
    body["metadata"].update(more)
    return lab.outside.create(lab.path("deployments", group="apps"), body, manager)


def live(lab: Lab) -> dict[str, Any]:
    return lab.outside.must_get(lab.path("deployments", "web", "apps"))


def adopt(lab: Lab, body: dict[str, Any], *take: str, generation: int = 1) -> None:
    wanted = lab.desired(body)
    seen = lab.kube.observe([wanted])[lab.release].objects[lab.ref(body)]
    lab.kube.begin(lab.release, lab.namespace, generation, "event-1")
    lab.kube.apply(lab.release, body, generation=generation, expected_uid=seen.uid, take=frozenset(take))


def settled(body: dict[str, Any]) -> list[Any]:
    """Who holds what, but for the controller that writes the status."""
    return [entry for entry in body["metadata"]["managedFields"] if entry.get("subresource") != "status"]


def holders(body: dict[str, Any], field: str) -> set[str]:
    """The managers that hold `spec.FIELD`."""
    entries = body["metadata"]["managedFields"]
    return {entry["manager"] for entry in entries if f"f:{field}" in entry.get("fieldsV1", {}).get("f:spec", {})}


def test_g27_who_holds_the_fields_that_we_would_set_is_seen_and_equal_values_are_no_conflict(lab: Lab) -> None:
    running(lab)
    seen = lab.see(lab.deployment())
    assert (seen.owner, seen.exists, seen.conflicts) == ("", True, ())
    [holder] = seen.holders
    assert (holder.manager, holder.operation) == ("kubectl-client-side-apply", "Update")
    assert IMAGE in holder.paths
    assert seen.live == seen.result


def test_g22_exactly_what_others_changed_of_ours_is_taken_back_and_only_from_whom_it_says(lab: Lab) -> None:
    body = lab.config(color="red", size="big", shape="round")
    lab.roll(body)
    path = lab.path("configmaps", "settings")
    shared = {**lab.config(shape="round"), "metadata": {"name": "settings", "namespace": lab.namespace}}
    lab.outside.apply(path, shared, "kubectl-edit")
    lab.outside.edit(path, {"data": {"color": "green", "theirs": "kept"}}, "kubectl-edit")
    lab.outside.edit(path, {"data": {"size": "small"}}, "somebody-else")
    with pytest.raises(Refused) as refused:
        adopt(lab, body, "kubectl-edit", generation=2)
    assert refused.value.key == "resource_conflict"
    drifted = {"color": "green", "size": "small", "shape": "round", "theirs": "kept"}
    assert lab.outside.must_get(path)["data"] == drifted
    adopt(lab, body, "kubectl-edit", "somebody-else", generation=2)
    after = lab.outside.must_get(path)
    assert after["data"] == {"color": "red", "size": "big", "shape": "round", "theirs": "kept"}
    held = [(one["manager"], key) for one in settled(after) for key in one["fieldsV1"].get("f:data", {}) if key != "."]
    ours = [(manager, key) for manager, key in held if manager == "reconciler"]
    # what differed is ours alone; what both set alike stays with both
    assert sorted(set(held) - set(ours)) == [("kubectl-edit", "f:shape"), ("kubectl-edit", "f:theirs")]
    assert {key for _, key in ours} == {"f:color", "f:shape", "f:size"}
    assert lab.see(body).conflicts == ()


def test_g27_adopting_changes_nothing_but_whose_it_is(lab: Lab) -> None:
    before = running(lab)
    adopt(lab, lab.deployment(), "kubectl-client-side-apply")
    after = live(lab)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert PART_OF in after["metadata"]["labels"]
    assert holders(after, "replicas") == {"reconciler"}
    held = lab.kube.history([lab.ref(lab.deployment())])[lab.ref(lab.deployment())].holders
    assert [one.ours for one in held if IMAGE in one.paths] == [True]


def test_g27_the_next_change_meets_no_other_manager(lab: Lab) -> None:
    running(lab)
    adopt(lab, lab.deployment(), "kubectl-client-side-apply")
    changed = lab.deployment(image="registry.example/web:v2")
    assert lab.see(changed).conflicts == ()
    lab.roll(changed, generation=2)
    assert live(lab)["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/web:v2"


def test_g27_without_moving_the_ownership_it_would(lab: Lab) -> None:
    """Why ownership is moved: an apply of equal values shares the field, and the next change of it is stopped."""
    running(lab)
    adopt(lab, lab.deployment())
    [conflict] = lab.see(lab.deployment(image="registry.example/web:v2")).conflicts
    assert conflict.startswith("kubectl-client-side-apply: ")


def test_g27_a_default_that_the_server_recorded_for_another_may_be_set_later(lab: Lab) -> None:
    """Nobody wrote it; without this, whoever sets it one day meets a manager that never meant it."""
    made = lab.deployment()
    made["spec"].update(revisionHistoryLimit=10, minReadySeconds=3)
    lab.outside.create(lab.path("deployments", group="apps"), made, "kubectl-client-side-apply")
    [holder] = lab.see(lab.deployment()).holders
    assert "spec.revisionHistoryLimit" in holder.defaults
    assert "spec.minReadySeconds" not in holder.defaults
    adopt(lab, lab.deployment(), "kubectl-client-side-apply")
    body = lab.deployment()
    body["spec"].update(revisionHistoryLimit=3)
    assert lab.see(body).conflicts == ()
    body["spec"].update(minReadySeconds=5)  # somebody did write this
    assert [one.partition(":")[0] for one in lab.see(body).conflicts] == ["kubectl-client-side-apply"]


def test_g27_another_value_is_applied_where_its_manager_was_named(lab: Lab) -> None:
    running(lab)
    body = lab.deployment(image="registry.example/web:v2")
    assert lab.see(body).conflicts
    adopt(lab, body, "kubectl-client-side-apply")
    assert live(lab)["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/web:v2"


def test_g27_a_manager_that_was_not_named_stops_it_and_nothing_is_changed(lab: Lab) -> None:
    running(lab)
    body = lab.deployment(image="registry.example/web:v2")
    before = live(lab)
    with pytest.raises(ReconcilerError) as stopped:
        adopt(lab, body, "somebody-else")
    assert stopped.value.key == "resource_conflict"
    assert live(lab)["spec"] == before["spec"]
    assert settled(live(lab)) == settled(before)


def test_g27_fields_that_we_do_not_set_stay_with_whoever_holds_them(lab: Lab) -> None:
    running(lab, annotations={"team.example/note": "kept"})
    lab.outside.edit(lab.path("deployments", "web", "apps"), {"spec": {"minReadySeconds": 3}}, "kubectl-edit")
    body = lab.deployment()
    body["metadata"].pop("annotations", None)
    adopt(lab, body, "kubectl-client-side-apply", "kubectl-edit")
    after = live(lab)
    assert after["metadata"]["annotations"]["team.example/note"] == "kept"
    assert (after["spec"]["minReadySeconds"], holders(after, "minReadySeconds")) == (3, {"kubectl-edit"})


@pytest.mark.parametrize("manager", ["helm", "kustomize-controller", "argocd-controller"])
def test_g27_what_an_active_controller_writes_is_its_own(lab: Lab, manager: str) -> None:
    running(lab, manager)
    seen = lab.see(lab.deployment())
    assert manager in seen.owner
    assert (seen.live, seen.result) == (None, None)


@pytest.mark.parametrize(
    ("mark", "value", "who"),
    [
        ("annotations", {"meta.helm.sh/release-name": "shop"}, "Helm release shop"),
        ("labels", {"kustomize.toolkit.fluxcd.io/name": "apps"}, "Flux Kustomization apps"),
        ("annotations", {"argocd.argoproj.io/tracking-id": "shop"}, "Argo CD application shop"),
    ],
)
def test_g27_what_carries_a_controllers_mark_is_its_own(lab: Lab, mark: str, value: dict[str, str], who: str) -> None:
    more: dict[str, Any] = {mark: value}
    running(lab, **more)
    assert lab.see(lab.deployment()).owner == who
    with pytest.raises(Refused) as refused:
        adopt(lab, lab.deployment(), "kubectl-client-side-apply")
    assert refused.value.key == "owned_by_another"
    assert PART_OF not in live(lab)["metadata"].get("labels", {})


def test_g28_letting_go_after_an_adoption_leaves_everything_running(lab: Lab) -> None:
    before = running(lab)
    body = lab.deployment()
    adopt(lab, body, "kubectl-client-side-apply")
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2")
    uid = before["metadata"]["uid"]
    lab.kube.delete(lab.release, lab.ref(body), generation=2, expected_uid=uid, forget=True)
    after = live(lab)
    assert after["spec"] == before["spec"]
    assert PART_OF not in after["metadata"].get("labels", {})
    assert lab.see(body).owner == ""
    adopt(lab, body, generation=3)  # and it can be adopted again
    assert live(lab)["spec"] == before["spec"]
