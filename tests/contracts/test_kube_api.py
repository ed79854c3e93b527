"""The contract of ports.KubeApi, on the sandbox cluster and on a real kube-apiserver.

Where they differ, the sandbox is wrong.
"""

import contextlib
from collections.abc import Iterator

import pytest

from reconciler.expression import parse
from reconciler.state.observed import NOT_SERVED
from reconciler.state.readiness import Saying, Status
from tests.contracts.kube_targets import (
    Body,
    Lab,
    content,
    definition,
    real_lab,
    sandbox_lab,
    until_current,
    until_served,
    widget,
)

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
    assert seen.live == seen.result == content(lab.deployment())


def test_g9_defaults_status_and_marks_are_in_no_projection(lab: Lab) -> None:
    lab.roll(lab.deployment(replicas=None))
    live = lab.outside.must_get(lab.path("deployments", "web", "apps"))
    assert live["spec"]["progressDeadlineSeconds"] == 600  # the server did fill something in
    assert lab.see(lab.deployment(replicas=None)).live == content(lab.deployment(replicas=None))


def test_a_changed_image_is_seen_before_and_after(lab: Lab) -> None:
    lab.roll(lab.deployment())
    seen = lab.see(lab.deployment(image="registry.example/web:v2"))
    assert seen.live == content(lab.deployment())
    assert seen.result == content(lab.deployment(image="registry.example/web:v2"))


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
    seen = lab.see(widget(lab), definition(lab))
    assert (seen.known_after_apply, seen.failure) == (True, None)
    assert seen.result == {"spec": {"size": 1}}


def test_a_kind_that_nobody_serves_is_a_failure(lab: Lab) -> None:
    failure = lab.see(widget(lab)).failure
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
    assert seen.live == seen.result == content(lab.deployment(replicas=None))
    assert seen.conflicts == ()
    lab.roll(lab.deployment(image="registry.example/web:v2", replicas=0), lab.autoscaler(), generation=2)
    assert lab.outside.must_get(lab.path("deployments", "web", "apps"))["spec"]["replicas"] == 3


def test_g9_handing_the_replicas_over_keeps_the_live_number(lab: Lab) -> None:
    lab.roll(lab.deployment(replicas=4))
    seen = lab.see(lab.deployment(replicas=None), lab.autoscaler())
    assert seen.live == seen.result == content(lab.deployment(replicas=None))
    lab.roll(lab.deployment(image="registry.example/web:v2", replicas=None), lab.autoscaler(), generation=2)
    live = lab.outside.must_get(lab.path("deployments", "web", "apps"))
    assert live["spec"]["replicas"] == 4
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/web:v2"


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
    until_current(lab, lab.ref(lab.deployment()))


def test_a_new_kind_becomes_current_and_its_objects_can_be_applied(lab: Lab) -> None:
    defined = definition(lab)
    lab.roll(defined)
    until_current(lab, lab.ref(defined))
    until_served(lab, defined)
    lab.roll(defined, widget(lab), generation=2)
    ref = lab.ref(widget(lab))
    for text, status in (("spec.size == 1", Status.CURRENT), ("status.size == 1", Status.IN_PROGRESS)):
        [found] = lab.kube.readiness([ref], {ref: Saying(parse(text))})
        assert found.status == status, found
    seen = lab.see(widget(lab), defined)
    assert seen.live == seen.result == {"spec": {"size": 1}}


def test_a_kind_that_was_taken_away_is_a_fault_of_its_objects_alone(lab: Lab) -> None:
    defined = definition(lab)
    lab.roll(defined)
    until_current(lab, lab.ref(defined))
    until_served(lab, defined)
    lab.roll(defined, widget(lab), lab.config(color="red"), generation=2)
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    lab.outside.delete(f"{crds}/{defined['metadata']['name']}")
    collection = lab.path("widgets", group=f"{lab.namespace}.example.com")
    for _ in range(2000):  # a real server takes a moment
        with contextlib.suppress(AssertionError):  # "storage is (re)initializing"
            if lab.outside.get(collection) is None:
                break
    wanted = lab.desired(widget(lab), lab.config(color="blue"))
    for _ in range(2):  # the second time it is known
        seen = lab.kube.observe([wanted])[lab.release].objects
        gone, stands = seen[lab.ref(widget(lab))], seen[lab.ref(lab.config())]
        assert gone.failure is not None
        assert NOT_SERVED in gone.failure.message
        assert (stands.failure, stands.result) == (None, {"data": {"color": "blue"}})
    [found] = lab.kube.readiness([lab.ref(widget(lab))])
    assert found.status == Status.NOT_FOUND


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
