"""The contract of ports.KubeApi, on the sandbox cluster and on a real kube-apiserver.

Where they differ, the sandbox is wrong.
"""

from collections.abc import Iterator

import pytest

from reconciler.errors import Refused, Unavailable
from reconciler.names import ObjectRef
from reconciler.state.readiness import Status
from tests.contracts.kube_targets import Body, Lab, real_lab, sandbox_lab

LABS = {"sandbox": sandbox_lab, "real": real_lab}


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with LABS[request.param](request) as found:
        yield found


# Looking


def test_an_object_that_does_not_exist_is_seen_as_what_it_would_become(lab: Lab) -> None:
    seen = lab.see(lab.config(color="red"))
    assert (seen.exists, seen.uid, seen.live, seen.result) == (False, "", None, {"data": {"color": "red"}})


def test_looking_changes_nothing(lab: Lab) -> None:
    lab.roll(lab.deployment())
    before = lab.outside.must_get(lab.path("deployments", "web", "apps"))["metadata"]["resourceVersion"]
    lab.see(lab.deployment(image="registry.example/web:v2"), lab.config(color="red"))
    after = lab.outside.must_get(lab.path("deployments", "web", "apps"))["metadata"]["resourceVersion"]
    assert lab.outside.get(lab.path("configmaps", "settings")) is None
    assert int(after) >= int(before)
    assert lab.see(lab.deployment()).live == lab.see(lab.deployment()).result


def test_an_applied_object_is_as_wanted_and_owned(lab: Lab) -> None:
    lab.roll(lab.deployment())
    seen = lab.see(lab.deployment())
    assert seen.owner == lab.release
    assert seen.live == seen.result == _content(lab.deployment())


def test_g9_defaults_status_and_marks_are_in_no_projection(lab: Lab) -> None:
    lab.roll(lab.deployment(replicas=None))
    live = lab.outside.must_get(lab.path("deployments", "web", "apps"))
    assert live["spec"]["progressDeadlineSeconds"] == 600  # the server did fill something in
    assert lab.see(lab.deployment(replicas=None)).live == _content(lab.deployment(replicas=None))


def test_a_changed_image_is_seen_before_and_after(lab: Lab) -> None:
    lab.roll(lab.deployment())
    seen = lab.see(lab.deployment(image="registry.example/web:v2"))
    assert seen.live == _content(lab.deployment())
    assert seen.result == _content(lab.deployment(image="registry.example/web:v2"))


def test_a_field_that_is_not_wanted_any_more_leaves_the_result(lab: Lab) -> None:
    lab.roll(lab.config(color="red", size="big"))
    seen = lab.see(lab.config(color="red"))
    assert seen.live == {"data": {"color": "red", "size": "big"}}
    assert seen.result == {"data": {"color": "red"}}


def test_g20_what_was_foreseen_is_what_is_seen_after_applying(lab: Lab) -> None:
    first, second = lab.deployment(replicas=0), lab.deployment(image="registry.example/web:v2", replicas=None)
    second["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "registry.example/side:v1"})
    lab.roll(first)
    foreseen = lab.see(second).result
    lab.roll(second, generation=2)
    assert lab.see(second).live == foreseen


def test_another_managers_field_is_in_no_projection_and_is_kept(lab: Lab) -> None:
    lab.roll(lab.config(color="red"))
    lab.outside.edit(lab.path("configmaps", "settings"), {"data": {"theirs": "kept"}})
    assert lab.see(lab.config(color="blue")).live == {"data": {"color": "red"}}
    lab.roll(lab.config(color="blue"), generation=2)
    assert lab.outside.must_get(lab.path("configmaps", "settings"))["data"] == {"color": "blue", "theirs": "kept"}


def test_an_object_that_is_not_wanted_any_more_is_found(lab: Lab) -> None:
    lab.roll(lab.config("one", a="1"), lab.secret("two", b="2"))
    seen = lab.kube.observe([lab.desired(lab.config("one", a="1"))])[lab.release].objects
    left = seen[lab.ref(lab.secret("two"))]
    assert (left.exists, left.owner, left.result) == (True, lab.release, None)
    assert left.uid


def test_all_objects_of_a_removed_release_are_found(lab: Lab) -> None:
    lab.roll(lab.config("one", a="1"), lab.deployment())
    seen = lab.kube.observe([lab.desired()])[lab.release].objects
    assert set(seen) == {lab.ref(lab.config("one")), lab.ref(lab.deployment())}


def test_what_a_release_owns_is_found_when_its_parent_was_removed(lab: Lab) -> None:
    lab.roll(lab.config("one", a="1"), lab.config("two", b="2"), generation=7)
    lab.outside.delete(f"/api/v1/namespaces/default/configmaps/reconciler.contract.{lab.release}")
    seen = lab.kube.observe([lab.desired(lab.config("one", a="1"))])[lab.release]
    assert set(seen.objects) == {lab.ref(lab.config("one")), lab.ref(lab.config("two"))}
    assert seen.generation == 7


def test_drift_of_our_own_field_is_seen(lab: Lab) -> None:
    lab.roll(lab.config(color="red"))
    lab.outside.edit(lab.path("configmaps", "settings"), {"data": {"color": "green"}})
    seen = lab.see(lab.config(color="red"))
    assert (seen.live, seen.result) == ({"data": {"color": "green"}}, {"data": {"color": "red"}})
    assert seen.conflicts == ("kubectl-edit: data.color",)


def test_a_field_that_somebody_removed_is_seen(lab: Lab) -> None:
    lab.roll(lab.config(color="red", size="big"))
    lab.outside.edit(lab.path("configmaps", "settings"), {"data": {"size": None}})
    seen = lab.see(lab.config(color="red", size="big"))
    assert seen.live == {"data": {"color": "red"}}
    assert seen.result == {"data": {"color": "red", "size": "big"}}


def test_a_new_namespace_and_what_is_in_it_are_known_after_apply(lab: Lab) -> None:
    name = f"{lab.namespace}-new"
    namespace: Body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    inside = {**lab.config(color="red"), "metadata": {"name": "settings", "namespace": name}}
    seen = lab.see(inside, namespace)
    assert (seen.known_after_apply, seen.result, seen.failure) == (True, {"data": {"color": "red"}}, None)
    assert not lab.see(namespace, inside).known_after_apply


def test_a_namespace_that_nobody_creates_is_a_failure(lab: Lab) -> None:
    inside = {**lab.config(color="red"), "metadata": {"name": "settings", "namespace": f"{lab.namespace}-none"}}
    seen = lab.see(inside)
    assert seen.failure is not None
    assert "does not exist" in seen.failure.message


def test_a_new_kind_and_its_objects_are_known_after_apply(lab: Lab) -> None:
    definition, widget = _definition(lab), _widget(lab)
    seen = lab.see(widget, definition)
    assert (seen.known_after_apply, seen.failure) == (True, None)
    assert seen.result == {"spec": {"size": 1}}


def test_a_kind_that_nobody_serves_is_a_failure(lab: Lab) -> None:
    failure = lab.see(_widget(lab)).failure
    assert failure is not None
    assert failure.key == "validation_error"


def test_what_somebody_else_owns_is_seen_without_its_values(lab: Lab) -> None:
    foreign = lab.config(color="red")
    foreign["metadata"]["annotations"] = {"meta.helm.sh/release-name": "theirs"}
    lab.outside.create(lab.path("configmaps"), foreign)
    seen = lab.see(lab.config(color="blue"))
    assert (seen.exists, seen.owner, seen.live, seen.result) == (True, "Helm release theirs", None, None)


def test_what_nobody_owns_shows_whose_values_would_change(lab: Lab) -> None:
    lab.outside.create(lab.path("configmaps"), lab.config(color="red", theirs="kept"))
    seen = lab.see(lab.config(color="blue"))
    assert (seen.exists, seen.owner) == (True, "")
    assert (seen.live, seen.result) == ({"data": {"color": "red"}}, {"data": {"color": "blue"}})
    assert seen.conflicts == ("kubectl-create: data.color",)


def test_a_label_that_looks_like_ours_does_not_make_an_object_ours(lab: Lab) -> None:
    stolen = lab.config(color="red")
    stolen["metadata"]["labels"] = {
        "applyset.kubernetes.io/part-of": "applyset-AAAA-v1",
        "opspilot.spec/release": lab.release,
    }
    lab.outside.create(lab.path("configmaps"), stolen)
    assert lab.see(lab.config(color="red")).owner == "ApplySet applyset-AAAA-v1"


def test_marks_written_by_users_are_replaced_by_ours(lab: Lab) -> None:
    body = lab.config(color="red")
    body["metadata"]["labels"] = {"applyset.kubernetes.io/part-of": "applyset-AAAA-v1"}
    body["metadata"]["annotations"] = {"opspilot.spec/generation": "99"}
    lab.roll(body)
    assert lab.see(body).owner == lab.release
    lab.roll(body, generation=2)


def test_secrets_are_compared_as_the_server_keeps_them(lab: Lab) -> None:
    lab.roll(lab.secret(password="hunter2"))
    seen = lab.see(lab.secret(password="hunter2"))
    assert seen.live == seen.result == {"data": {"password": "aHVudGVyMg=="}}
    assert "aHVudGVyMg" not in repr(seen)


def test_another_release_of_ours_is_named_as_owner(lab: Lab) -> None:
    lab.roll(lab.config(color="red"), release=f"{lab.release}-a")
    assert lab.see(lab.config(color="red"), release=f"{lab.release}-b").owner == f"{lab.release}-a"


def test_g9_an_autoscaled_number_of_replicas_is_neither_compared_nor_sent(lab: Lab) -> None:
    lab.roll(lab.deployment(replicas=0), lab.autoscaler())
    lab.outside.edit(lab.path("deployments", "web", "apps"), {"spec": {"replicas": 3}}, "somebody")
    seen = lab.see(lab.deployment(replicas=0), lab.autoscaler())
    assert seen.live == seen.result == _content(lab.deployment(replicas=None))
    assert seen.conflicts == ()
    lab.roll(lab.deployment(image="registry.example/web:v2", replicas=0), lab.autoscaler(), generation=2)
    assert lab.outside.must_get(lab.path("deployments", "web", "apps"))["spec"]["replicas"] == 3


def test_g9_handing_the_replicas_over_keeps_the_live_number(lab: Lab) -> None:
    lab.roll(lab.deployment(replicas=4))
    seen = lab.see(lab.deployment(replicas=None), lab.autoscaler())
    assert seen.live == seen.result == _content(lab.deployment(replicas=None))
    lab.roll(lab.deployment(image="registry.example/web:v2", replicas=None), lab.autoscaler(), generation=2)
    live = lab.outside.must_get(lab.path("deployments", "web", "apps"))
    assert live["spec"]["replicas"] == 4
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/web:v2"


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
        lab.kube.apply(lab.release, _widget(lab), generation=1, expected_uid="")


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
    failure = lab.see(changed).failure
    assert failure is not None
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


# Readiness and facts


def test_readiness_is_told_in_the_order_asked(lab: Lab) -> None:
    lab.roll(lab.config(color="red"))
    absent = lab.ref(lab.config("absent"))
    found = lab.kube.readiness([absent, lab.ref(lab.config())])
    assert [(item.ref, item.status) for item in found] == [
        (absent, Status.NOT_FOUND),
        (lab.ref(lab.config()), Status.CURRENT),
    ]


def test_a_deployment_without_replicas_becomes_current(lab: Lab) -> None:
    lab.roll(lab.deployment(replicas=0))
    _until_current(lab, lab.ref(lab.deployment()))


def test_a_new_kind_becomes_current_and_its_objects_can_be_applied(lab: Lab) -> None:
    definition = _definition(lab)
    lab.roll(definition)
    _until_current(lab, lab.ref(definition))
    _until_served(lab, definition)
    lab.roll(definition, _widget(lab), generation=2)
    seen = lab.see(_widget(lab), definition)
    assert seen.live == seen.result == {"spec": {"size": 1}}


def test_facts_name_the_cluster(lab: Lab) -> None:
    facts = lab.kube.facts()
    assert facts.uid == lab.outside.must_get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    assert facts.server_version.startswith("v1.")
    assert lab.namespace in facts.namespaces
    assert facts.missing_permissions == ()


# Cost, by our own count; that it is true is tested against the servers' accounts


def test_a_release_at_rest_costs_one_request_for_the_parents_and_one_for_each_kind(lab: Lab) -> None:
    bodies = [lab.config(f"c{number}", a=str(number)) for number in range(20)]
    lab.roll(*bodies, lab.deployment())
    lab.kube.client.requests.clear()
    lab.kube.observe([lab.desired(*bodies, lab.deployment())])
    assert lab.kube.client.requests == {"GET": 3}


def test_one_changed_object_costs_one_dry_run_and_a_second_look_none(lab: Lab) -> None:
    bodies = [lab.config(f"c{number}", a=str(number)) for number in range(20)]
    lab.roll(*bodies)
    bodies[3]["data"]["a"] = "changed"
    lab.kube.client.requests.clear()
    lab.kube.observe([lab.desired(*bodies)])
    assert lab.kube.client.requests == {"GET": 2, "PATCH": 1}
    lab.kube.client.requests.clear()
    lab.kube.observe([lab.desired(*bodies)])
    assert lab.kube.client.requests == {"GET": 2}


def _content(body: Body) -> Body:
    """What is compared of an object: without identity."""
    kept = {key: value for key, value in body["metadata"].items() if key in ("labels", "annotations")}
    rest = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata")}
    return {**rest, "metadata": kept} if kept else rest


def _until_current(lab: Lab, ref: ObjectRef) -> None:
    """A controller needs a moment: asked again, at most so often."""
    for _ in range(400):
        [found] = lab.kube.readiness([ref])
        if found.status == Status.CURRENT:
            return
        assert found.status == Status.IN_PROGRESS, found
    raise AssertionError(found)


def _until_served(lab: Lab, definition: Body) -> None:
    """Right after a kind is established the server answers "storage is (re)initializing": look again later."""
    for _ in range(2000):
        try:
            lab.kube.observe([lab.desired(definition, _widget(lab))])
        except Unavailable:
            continue
        return
    raise AssertionError("the new kind is not served")


def _definition(lab: Lab) -> Body:
    group = f"{lab.namespace}.example.com"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def _widget(lab: Lab) -> Body:
    return {
        "apiVersion": f"{lab.namespace}.example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "first", "namespace": lab.namespace},
        "spec": {"size": 1},
    }
