"""The contract of the parts of ports.KubeApi that change a cluster: generations, applying, leaving.

On the sandbox cluster and on a real kube-apiserver; where they differ, the sandbox is wrong.
"""

from collections.abc import Iterator

import pytest

from reconciler.errors import Refused, Unavailable
from tests.contracts.kube_targets import (
    Lab,
    real_lab,
    sandbox_lab,
    widget,
)

LABS = {"sandbox": sandbox_lab, "real": real_lab}


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with LABS[request.param](request) as found:
        yield found


# Generations


def test_g25_the_generation_is_remembered(lab: Lab) -> None:
    lab.roll(lab.config(color="red"), generation=5)
    assert lab.kube.observe([lab.desired()])[lab.release].generation == 5


def test_g25_an_older_generation_is_refused(lab: Lab) -> None:
    lab.kube.begin(lab.release, lab.namespace, 5, "event-5")
    with pytest.raises(Refused) as refused:
        lab.kube.begin(lab.release, lab.namespace, 4, "event-4")
    assert refused.value.key == "resource_conflict"


def test_g25_the_same_generation_is_a_resume(lab: Lab) -> None:
    lab.kube.begin(lab.release, lab.namespace, 5, "event-5")
    lab.connect().begin(lab.release, lab.namespace, 5, "event-5")
    lab.kube.apply(lab.release, lab.config(color="red"), generation=5, expected_uid="")


def test_g25_nothing_is_applied_for_a_generation_that_does_not_hold_the_release(lab: Lab) -> None:
    lab.kube.begin(lab.release, lab.namespace, 5, "event-5")
    with pytest.raises(Refused):
        lab.kube.apply(lab.release, lab.config(color="red"), generation=4, expected_uid="")
    with pytest.raises(Refused):
        lab.kube.apply(lab.release, lab.config(color="red"), generation=6, expected_uid="")
    assert lab.outside.get(lab.path("configmaps", "settings")) is None


def test_g25_an_older_plan_creates_nothing_after_a_newer_one_began(lab: Lab) -> None:
    older, newer = lab.connect(), lab.connect()
    older.begin(lab.release, lab.namespace, 1, "event-1")
    newer.begin(lab.release, lab.namespace, 2, "event-2")
    with pytest.raises(Refused) as refused:
        older.apply(lab.release, lab.config(color="red"), generation=1, expected_uid="")
    assert refused.value.key == "resource_conflict"
    assert lab.outside.get(lab.path("configmaps", "settings")) is None


def test_g25_an_older_plan_does_not_write_over_a_newer_one(lab: Lab) -> None:
    lab.roll(lab.config(color="red"), generation=1)
    uid = lab.see(lab.config(color="red")).uid
    older, newer = lab.connect(), lab.connect()
    older.begin(lab.release, lab.namespace, 2, "event-2")
    newer.begin(lab.release, lab.namespace, 3, "event-3")
    newer.apply(lab.release, lab.config(color="blue"), generation=3, expected_uid=uid)
    with pytest.raises(Refused):
        older.apply(lab.release, lab.config(color="green"), generation=2, expected_uid=uid)
    with pytest.raises(Refused):
        older.delete(lab.release, lab.ref(lab.config()), generation=2, expected_uid=uid, forget=False)
    assert lab.outside.must_get(lab.path("configmaps", "settings"))["data"] == {"color": "blue"}


def test_g25_the_parent_remembers_kinds_before_their_first_object(lab: Lab) -> None:
    lab.kube.begin(lab.release, lab.namespace, 1, "event-1")
    with pytest.raises(Refused):
        lab.kube.apply(lab.release, lab.config(color="red"), generation=1, expected_uid="no-such-uid")
    parent = lab.outside.must_get(f"/api/v1/namespaces/default/configmaps/reconciler.contract.{lab.release}")
    annotations = parent["metadata"]["annotations"]
    assert annotations["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap"
    assert annotations["applyset.kubernetes.io/additional-namespaces"] == lab.namespace
    assert annotations["opspilot.spec/event"] == "event-1"


# Applying


def test_an_object_that_should_not_exist_yet_stops_the_apply(lab: Lab) -> None:
    lab.kube.begin(lab.release, lab.namespace, 1, "event-1")
    lab.outside.create(lab.path("configmaps"), lab.config(color="theirs"))
    with pytest.raises(Refused) as refused:
        lab.kube.apply(lab.release, lab.config(color="red"), generation=1, expected_uid="")
    assert refused.value.key == "target_changed"
    assert lab.outside.must_get(lab.path("configmaps", "settings"))["data"] == {"color": "theirs"}


def test_applying_again_under_the_same_generation_is_a_resume(lab: Lab) -> None:
    lab.roll(lab.config(color="red"))
    lab.kube.apply(lab.release, lab.config(color="red"), generation=1, expected_uid="")
    assert lab.outside.must_get(lab.path("configmaps", "settings"))["data"] == {"color": "red"}


def test_a_replaced_object_stops_the_apply(lab: Lab) -> None:
    lab.roll(lab.config(color="red"))
    uid = lab.see(lab.config(color="red")).uid
    lab.outside.delete(lab.path("configmaps", "settings"))
    lab.outside.create(lab.path("configmaps"), lab.config(color="theirs"))
    lab.kube.begin(lab.release, lab.namespace, 2, "event-2")
    with pytest.raises(Refused) as refused:
        lab.kube.apply(lab.release, lab.config(color="blue"), generation=2, expected_uid=uid)
    assert refused.value.key == "target_changed"
    assert lab.outside.must_get(lab.path("configmaps", "settings"))["data"] == {"color": "theirs"}


def test_a_vanished_object_is_not_created_again(lab: Lab) -> None:
    lab.roll(lab.config(color="red"))
    uid = lab.see(lab.config(color="red")).uid
    lab.outside.delete(lab.path("configmaps", "settings"))
    with pytest.raises(Refused) as refused:
        lab.kube.apply(lab.release, lab.config(color="blue"), generation=1, expected_uid=uid)
    assert refused.value.key == "target_changed"
    assert lab.outside.get(lab.path("configmaps", "settings")) is None


def test_what_somebody_else_owns_is_not_applied_to(lab: Lab) -> None:
    foreign = lab.config(color="red")
    foreign["metadata"]["annotations"] = {"meta.helm.sh/release-name": "theirs"}
    uid = lab.outside.create(lab.path("configmaps"), foreign)["metadata"]["uid"]
    lab.kube.begin(lab.release, lab.namespace, 1, "event-1")
    with pytest.raises(Refused) as refused:
        lab.kube.apply(lab.release, lab.config(color="blue"), generation=1, expected_uid=uid)
    assert refused.value.key == "owned_by_another"


def test_another_managers_value_is_never_forced(lab: Lab) -> None:
    lab.roll(lab.config(color="red"))
    lab.outside.edit(lab.path("configmaps", "settings"), {"data": {"color": "green"}})
    uid = lab.see(lab.config(color="red")).uid
    with pytest.raises(Refused) as refused:
        lab.kube.apply(lab.release, lab.config(color="blue"), generation=1, expected_uid=uid)
    assert refused.value.key == "resource_conflict"
    assert "kubectl-edit: data.color" in refused.value.message
    assert lab.outside.must_get(lab.path("configmaps", "settings"))["data"] == {"color": "green"}


def test_g27_equal_values_are_taken_over_without_a_change(lab: Lab) -> None:
    made = lab.outside.create(lab.path("deployments", group="apps"), lab.deployment())
    uid = made["metadata"]["uid"]
    lab.kube.begin(lab.release, lab.namespace, 1, "event-1")
    lab.kube.apply(lab.release, lab.deployment(), generation=1, expected_uid=uid)
    live = lab.outside.must_get(lab.path("deployments", "web", "apps"))
    assert live["spec"] == made["spec"]
    assert lab.see(lab.deployment()).owner == lab.release


def test_g28_an_object_changes_hands_between_two_releases(lab: Lab) -> None:
    old, new = f"{lab.release}-a", f"{lab.release}-b"
    lab.roll(lab.config(color="red", size="big"), release=old)
    uid = lab.see(lab.config(color="red"), release=new).uid
    lab.kube.begin(new, lab.namespace, 2, "event-2")
    lab.kube.apply(new, lab.config(color="red"), generation=2, expected_uid=uid)
    seen = lab.kube.observe([lab.desired(release=old), lab.desired(lab.config(color="red"), release=new)])
    assert seen[old].objects == {}
    assert seen[new].objects[lab.ref(lab.config())].owner == new
    assert lab.outside.must_get(lab.path("configmaps", "settings"))["data"] == {"color": "red"}


def test_an_object_of_a_kind_that_is_not_served_yet_is_for_later(lab: Lab) -> None:
    lab.kube.begin(lab.release, lab.namespace, 1, "event-1")
    with pytest.raises(Unavailable):
        lab.kube.apply(lab.release, widget(lab), generation=1, expected_uid="")


def test_an_invalid_secret_is_refused_without_its_value(lab: Lab) -> None:
    body = lab.secret()
    body["data"] = {"password": "%%canary-value%%"}
    body.pop("stringData")
    failure = lab.see(body).failure
    assert failure is not None
    assert "canary" not in failure.message
    assert "password" in failure.message


def test_an_invalid_object_names_the_field_and_not_the_value(lab: Lab) -> None:
    lab.roll(lab.deployment())
    changed = lab.deployment()
    changed["spec"]["selector"]["matchLabels"]["app"] = "canary-value"
    changed["spec"]["template"]["metadata"]["labels"]["app"] = "canary-value"
    seen = lab.see(changed)
    failure = seen.failure
    assert failure is not None
    assert seen.replaceable
    assert "spec.selector: Invalid value (field is immutable)" in failure.message
    assert "canary" not in failure.message


# Leaving


def test_a_deleted_object_is_gone_and_deleting_again_is_done(lab: Lab) -> None:
    lab.roll(lab.config(color="red"))
    uid = lab.see(lab.config(color="red")).uid
    for _ in range(2):
        lab.kube.delete(lab.release, lab.ref(lab.config()), generation=1, expected_uid=uid, forget=False)
    assert lab.outside.get(lab.path("configmaps", "settings")) is None


def test_another_object_of_the_same_name_is_not_deleted(lab: Lab) -> None:
    lab.roll(lab.config(color="red"))
    with pytest.raises(Refused) as refused:
        lab.kube.delete(lab.release, lab.ref(lab.config()), generation=1, expected_uid="another", forget=False)
    assert refused.value.key == "target_changed"
    assert lab.outside.get(lab.path("configmaps", "settings")) is not None


def test_what_we_annotated_is_seen_after_it_left_the_source_and_what_others_did_is_not(lab: Lab) -> None:
    body = lab.config(color="red")
    body["metadata"]["annotations"] = {"opspilot.spec/prune": "disabled"}
    lab.roll(body)
    lab.outside.edit(lab.path("configmaps", "settings"), {"metadata": {"annotations": {"theirs": "disabled"}}})
    left = lab.kube.observe([lab.desired()])[lab.release].objects[lab.ref(body)]
    assert left.live["metadata"]["annotations"] == {"opspilot.spec/prune": "disabled"}


@pytest.mark.parametrize("forget", [False, True])
def test_what_is_not_ours_is_neither_deleted_nor_let_go(lab: Lab, *, forget: bool) -> None:
    lab.roll(lab.config(color="red"), release=f"{lab.release}-a")
    uid = lab.see(lab.config(color="red")).uid
    lab.kube.begin(lab.release, lab.namespace, 1, "event-1")
    with pytest.raises(Refused) as refused:
        lab.kube.delete(lab.release, lab.ref(lab.config()), generation=1, expected_uid=uid, forget=forget)
    assert refused.value.key == "owned_by_another"
    assert lab.see(lab.config(color="red")).owner == f"{lab.release}-a"


def test_an_object_that_lost_our_label_is_not_deleted(lab: Lab) -> None:
    lab.roll(lab.config(color="red"))
    uid = lab.see(lab.config(color="red")).uid
    labels = {"applyset.kubernetes.io/part-of": None, "opspilot.spec/release": None}
    lab.outside.edit(lab.path("configmaps", "settings"), {"metadata": {"labels": labels}})
    with pytest.raises(Refused):
        lab.kube.delete(lab.release, lab.ref(lab.config()), generation=1, expected_uid=uid, forget=False)
    assert lab.outside.get(lab.path("configmaps", "settings")) is not None


def test_g28_a_forgotten_object_keeps_every_value_and_forgetting_again_is_done(lab: Lab) -> None:
    body = lab.deployment()
    body["metadata"]["annotations"] = {"note": "kept"}
    lab.roll(body)
    before = lab.outside.must_get(lab.path("deployments", "web", "apps"))
    for _ in range(2):
        lab.kube.delete(lab.release, lab.ref(body), generation=1, expected_uid=before["metadata"]["uid"], forget=True)
    after = lab.outside.must_get(lab.path("deployments", "web", "apps"))
    assert after["spec"] == before["spec"]
    assert after["metadata"]["labels"] == {"app": "web"}
    assert after["metadata"]["annotations"]["note"] == "kept"
    assert not any(key.startswith("opspilot.spec/") for key in after["metadata"]["annotations"])
    managers = {entry["manager"] for entry in after["metadata"].get("managedFields", [])}
    assert "reconciler" not in managers
    assert lab.see(body).owner == ""
