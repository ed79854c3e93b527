"""What only a real API server has: RBAC, admission, quantities of its own, controllers, an audit log."""

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.errors import Rejected, Unavailable
from reconciler.kube import client
from reconciler.kube.endings import endings
from reconciler.kube.kubeconfig import parse_kubeconfig
from reconciler.kube.permissions import Need
from reconciler.kube.target import KubeTarget
from tests.contracts.kube_targets import Lab, lab_on
from tests.servers.apiserver import ApiServer

pytestmark = pytest.mark.real

RBAC = "rbac.authorization.k8s.io"


@pytest.fixture
def lab(real_apiserver: ApiServer) -> Iterator[Lab]:
    token = real_apiserver.admin_token
    with lab_on(real_apiserver.kubeconfig(token), real_apiserver.endpoint, real_apiserver.ca_pem, token) as found:
        yield found


@pytest.fixture
def limited(real_apiserver: ApiServer, lab: Lab) -> Iterator[KubeTarget]:
    """A user who may read the cluster's identity and keep parents, and nothing else before a test grants it."""
    grant(lab, "default", [{"verbs": ["get", "list", "create", "update"], "resources": ["configmaps"]}])
    cluster_role = {"verbs": ["get"], "apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"]}
    name = f"{lab.namespace}-identity"
    root = f"/apis/{RBAC}/v1"
    lab.outside.create(f"{root}/clusterroles", {"metadata": {"name": name}, "rules": [cluster_role]})
    lab.outside.create(
        f"{root}/clusterrolebindings",
        {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "limited"}],
        },
    )
    kubeconfig = real_apiserver.kubeconfig(real_apiserver.limited_token)
    target = KubeTarget(
        parse_kubeconfig(kubeconfig),
        installation="contract",
        needs=[Need("delete", "deployments", lab.namespace, "apps")],
    )
    yield target
    target.close()
    for listed in ("clusterroles", "clusterrolebindings"):
        lab.outside.delete(f"{root}/{listed}/{name}")


def grant(lab: Lab, namespace: str, rules: list[dict[str, Any]]) -> None:
    name = f"{lab.namespace}-{len(rules)}-{rules[0]['resources'][0]}"
    root = f"/apis/{RBAC}/v1/namespaces/{namespace}"
    whole = [{"apiGroups": [""], **rule} for rule in rules]
    lab.outside.create(f"{root}/roles", {"metadata": {"name": name}, "rules": whole})
    lab.outside.create(
        f"{root}/rolebindings",
        {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "limited"}],
        },
    )


def test_missing_permissions_are_told_by_name(limited: KubeTarget, lab: Lab) -> None:
    facts = limited.facts()
    assert facts.uid
    assert facts.missing_permissions == (f"delete deployments.apps in {lab.namespace}", "list namespaces")


def test_the_rights_that_a_release_needs_are_told_by_name_before_it_is_applied(limited: KubeTarget, lab: Lab) -> None:
    grant(lab, lab.namespace, [{"verbs": ["get", "list", "create", "patch"], "resources": ["configmaps"]}])
    wanted = lab.desired(lab.config(color="red"))
    limited.client.requests.clear()
    told = limited.observe([wanted], rights=True)[lab.release].lacking
    assert [one.words for one in told] == [f"delete configmaps in {lab.namespace}"]
    assert limited.client.requests["POST"] == 2  # the rules of the namespace, and the one that they do not show
    verbs = ("create", "delete", "get", "list", "patch")
    both = limited.lacking([lab.desired(lab.config(color="red"), lab.deployment())])[lab.release]
    assert [one.words for one in both if one.kind == "Deployment"] == [
        f"{verb} deployments.apps in {lab.namespace}" for verb in verbs
    ]


def test_a_right_on_one_name_suffices_for_that_name(limited: KubeTarget, lab: Lab) -> None:
    grant(
        lab,
        lab.namespace,
        [
            {"verbs": ["list", "create"], "resources": ["configmaps"]},
            {"verbs": ["get", "patch", "delete"], "resources": ["configmaps"], "resourceNames": ["settings"]},
        ],
    )
    assert limited.observe([lab.desired(lab.config(color="red"))], rights=True)[lab.release].lacking == ()
    told = limited.lacking([lab.desired(lab.config("other", color="red"))])[lab.release]
    assert [one.verb for one in told] == ["delete", "get", "patch"]


def test_a_look_that_is_forbidden_names_all_that_is_missing(limited: KubeTarget, lab: Lab) -> None:
    lab.roll(lab.config(color="red"))
    with pytest.raises(Rejected) as refused:
        limited.observe([lab.desired(lab.config(color="blue"))], rights=True)
    assert f"list configmaps in {lab.namespace}, patch configmaps in {lab.namespace}" in refused.value.message


def test_when_a_real_servers_certificate_and_a_service_accounts_token_end(real_apiserver: ApiServer, lab: Lab) -> None:
    root = lab.path("serviceaccounts")
    lab.outside.create(root, {"metadata": {"name": "reconciler"}})
    asked = {"spec": {"expirationSeconds": 3600}}
    made = lab.outside.create(f"{root}/reconciler/token", asked)["status"]
    target = KubeTarget(parse_kubeconfig(real_apiserver.kubeconfig(made["token"])))
    with pytest.raises(Rejected):  # it may read nothing yet
        target.facts()
    found = {one.what: one.at for one in endings(target.client.connection, target.client.serving_certificate)}
    target.close()
    assert f"{found['the token']:%Y-%m-%dT%H:%M:%SZ}" == made["expirationTimestamp"]
    assert found["the API server's certificate"] > found["the token"]


def test_who_changed_a_field_is_said_by_the_server_with_a_time(lab: Lab) -> None:
    lab.roll(lab.config(color="red"), lab.deployment())
    lab.outside.edit(lab.path("configmaps", "settings"), {"data": {"color": "blue"}}, "kubectl-edit")
    ref = lab.ref(lab.config())
    seen = lab.kube.history([ref, lab.ref(lab.config("absent"))])
    assert set(seen) == {ref}
    [other] = [one for one in seen[ref].holders if not one.ours]
    assert (other.manager, other.paths) == ("kubectl-edit", ("data.color",))
    assert other.at.startswith("20")
    assert seen[ref].event == "event-1"
    deployed = lab.kube.history([lab.ref(lab.deployment())])[lab.ref(lab.deployment())]
    ours = {path for one in deployed.holders if one.ours for path in one.paths}
    assert "spec.template.spec.containers[name=web].image" in ours
    assert not any("opspilot.spec" in path for path in ours)


def test_an_object_that_may_not_be_read_fails_alone(limited: KubeTarget, lab: Lab) -> None:
    grant(lab, lab.namespace, [{"verbs": ["get", "create", "patch"], "resources": ["configmaps"]}])
    wanted = lab.desired(lab.config(color="red"), lab.deployment())
    seen = limited.observe([wanted])[lab.release].objects
    assert seen[lab.ref(lab.config())].failure is None
    failure = seen[lab.ref(lab.deployment())].failure
    assert failure is not None
    assert failure.key == "cluster_permission_insufficient"
    assert not seen[lab.ref(lab.deployment())].exists


def test_a_list_that_may_not_be_read_is_no_absence(limited: KubeTarget, lab: Lab) -> None:
    lab.roll(lab.config(color="red"))
    with pytest.raises(Rejected) as refused:
        limited.observe([lab.desired()])
    assert refused.value.key == "cluster_permission_insufficient"


def test_what_may_not_be_applied_is_refused_and_not_retried(limited: KubeTarget, lab: Lab) -> None:
    grant(lab, lab.namespace, [{"verbs": ["get"], "resources": ["configmaps"]}])
    limited.begin(lab.release, lab.namespace, 1, "event-1")
    with pytest.raises(Rejected) as refused:
        limited.apply(lab.release, lab.config(color="red"), generation=1, expected_uid="")
    assert refused.value.key == "cluster_permission_insufficient"


def test_admission_that_denies_is_seen_before_anything_is_applied(lab: Lab) -> None:
    root = "/apis/admissionregistration.k8s.io/v1"
    name = f"{lab.namespace}-no-red"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": lab.namespace}}
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
        "validations": [{"expression": "!has(object.data) || object.data.color != 'red'", "message": "no red here"}],
    }
    lab.outside.create(f"{root}/validatingadmissionpolicies", {"metadata": {"name": name}, "spec": policy})
    binding = {"policyName": name, "validationActions": ["Deny"]}
    lab.outside.create(f"{root}/validatingadmissionpolicybindings", {"metadata": {"name": name}, "spec": binding})
    for _ in range(2000):  # the policy needs a moment to be in force
        failure = lab.see(lab.config(color="red")).failure
        if failure is not None:
            break
    assert failure is not None
    assert failure.key == "release_apply_failed"
    assert name in failure.message
    lab.kube.begin(lab.release, lab.namespace, 1, "event-1")
    with pytest.raises(Rejected):
        lab.kube.apply(lab.release, lab.config(color="red"), generation=1, expected_uid="")


def test_quantities_that_the_server_rewrites_are_no_drift_and_cost_one_dry_run(lab: Lab) -> None:
    body = lab.deployment()
    requests = {"cpu": "0.5", "memory": "1024Mi"}
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": requests}
    lab.roll(body)
    for _ in range(200):  # until the controller has written its annotation
        lab.kube.client.requests.clear()
        seen = lab.see(body)
        if not lab.kube.client.requests["PATCH"]:
            break
    assert seen.live == seen.result
    assert lab.kube.client.requests == {"GET": 2}


def test_g20_what_was_foreseen_is_what_is_seen_for_every_kind_of_a_usual_release(lab: Lab) -> None:
    bodies = [
        lab.config(color="red"),
        lab.secret(password="hunter2"),
        lab.deployment(),
        lab.autoscaler("other"),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": lab.namespace},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}, {"port": 81, "name": "b", "targetPort": 8}]},
        },
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "once", "namespace": lab.namespace},
            "spec": {
                "suspend": True,
                "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "x:1"}]}},
            },
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "web", "namespace": lab.namespace},
            "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
        },
    ]
    bodies[4]["spec"]["ports"][0]["name"] = "a"
    foreseen = lab.kube.observe([lab.desired(*bodies)])[lab.release].objects
    assert [item.failure for item in foreseen.values()] == [None] * len(bodies)
    lab.roll(*bodies)
    seen = lab.kube.observe([lab.desired(*bodies)])[lab.release].objects
    for ref, item in seen.items():
        assert item.live == foreseen[ref].result, ref
        assert item.live == item.result, ref


def test_g9_replicas_that_the_autoscaler_set_are_not_ours_any_more(lab: Lab) -> None:
    lab.roll(lab.deployment(replicas=0))
    scale = lab.path("deployments", "web", "apps") + "/scale"
    lab.outside.edit(scale, {"spec": {"replicas": 4}}, "kube-controller-manager")
    seen = lab.see(lab.deployment(replicas=0))
    assert seen.live == seen.result
    assert seen.conflicts == ()
    lab.roll(lab.deployment(image="registry.example/web:v2", replicas=0), generation=2)
    live = lab.outside.must_get(lab.path("deployments", "web", "apps"))
    assert live["spec"]["replicas"] == 4
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/web:v2"


def test_an_object_that_is_being_deleted_is_waited_for(lab: Lab) -> None:
    lab.roll(lab.config(color="red"))
    path = lab.path("configmaps", "settings")
    lab.outside.edit(path, {"metadata": {"finalizers": ["example.com/hold"]}})
    lab.outside.delete(path)
    failure = lab.see(lab.config(color="red")).failure
    assert failure is not None
    assert "being deleted" in failure.message
    lab.outside.edit(path, {"metadata": {"finalizers": None}})
    assert lab.see(lab.config(color="red")).exists is False


def test_a_controllers_object_is_not_ours_to_take(lab: Lab) -> None:
    lab.roll(lab.deployment())
    listed = lab.path("replicasets", group="apps")
    for _ in range(2000):
        found = lab.outside.must_get(listed)["items"]
        if found:
            break
    name = found[0]["metadata"]["name"]
    body = {**lab.deployment(name), "kind": "ReplicaSet"}
    seen = lab.see(body)
    assert (seen.exists, seen.live, seen.owner) == (True, None, "Deployment web")


def test_the_servers_own_account_of_requests_is_ours(real_apiserver: ApiServer, lab: Lab) -> None:
    bodies = [lab.config(f"c{number}", a=str(number)) for number in range(10)]
    lab.roll(*bodies)
    bodies[3]["data"]["a"] = "changed"
    before = len(real_apiserver.audit_lines())
    lab.kube.client.requests.clear()
    lab.kube.observe([lab.desired(*bodies)])
    for _ in range(2000):  # the log may be written just after the answer
        lines = [line for line in real_apiserver.audit_lines()[before:] if line["user"]["username"] == "admin"]
        if len(lines) >= lab.kube.client.requests.total():
            break
    assert sorted(line["verb"] for line in lines) == ["list", "list", "patch"]
    assert all("dryRun=All" in line["requestURI"] for line in lines if line["verb"] == "patch")


def test_a_paused_server_is_no_absence(real_apiserver: ApiServer, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:

    lab.roll(lab.config(color="red"))
    monkeypatch.setattr(client, "READ_SECONDS", 0.2)
    real_apiserver.pause()
    try:
        with pytest.raises(Unavailable):
            lab.kube.observe([lab.desired(lab.config(color="red"))])
    finally:
        real_apiserver.resume()


def test_the_parent_says_where_members_are_as_applysets_do(lab: Lab) -> None:
    parent = lab.outside
    lab.roll(lab.config(color="red"), lab.deployment())
    found = parent.must_get(f"/api/v1/namespaces/default/configmaps/reconciler.contract.{lab.release}")
    label = found["metadata"]["labels"]["applyset.kubernetes.io/id"]
    listed = parent.must_get(f"{lab.path('configmaps')}?labelSelector=applyset.kubernetes.io/part-of={label}")
    assert [item["metadata"]["name"] for item in listed["items"]] == ["settings"]
    kinds = found["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"]
    assert kinds == "ConfigMap,Deployment.apps"


def test_what_is_wrong_beside_a_field_that_cannot_change_is_no_case_for_another_object(lab: Lab) -> None:
    lab.roll(lab.deployment())
    changed = lab.deployment()
    changed["spec"]["selector"]["matchLabels"]["app"] = "other"
    changed["spec"]["template"]["metadata"]["labels"]["app"] = "other"
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = ""
    seen = lab.see(changed)
    assert seen.failure is not None
    assert not seen.replaceable


def test_g9_a_number_that_an_autoscaler_of_nobody_s_set_is_left_out_and_told_until_somebody_scales(lab: Lab) -> None:
    lab.roll(lab.deployment(replicas=0))
    scale = lab.path("deployments", "web", "apps") + "/scale"
    lab.outside.edit(scale, {"spec": {"replicas": 3}}, "kube-controller-manager")
    seen = lab.see(lab.deployment(replicas=5))
    assert seen.autoscaled
    assert seen.live == seen.result
    assert not lab.see(lab.deployment(replicas=5), lab.autoscaler()).autoscaled  # ours: that it is not sent is wanted
    lab.kube.observe([lab.desired()])
    lab.outside.edit(scale, {"spec": {"replicas": 5}}, "kubectl")
    after = lab.see(lab.deployment(replicas=5))
    assert not after.autoscaled
    assert after.live["spec"]["replicas"] == after.result["spec"]["replicas"] == 5
