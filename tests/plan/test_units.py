"""What a unit is made of, spelled out (G7, G9). Golden: approvals that stand would fall if a word changed."""

import json
from dataclasses import replace
from typing import Any

from reconciler.canonical import digest_of
from reconciler.names import BlobId, ObjectRef, UnitRef
from reconciler.plan.ask import Side
from reconciler.plan.mask import mask_object, mask_value
from reconciler.plan.units import Cutter, Unit, ref_of, touched
from reconciler.specs.desired import Desired
from reconciler.specs.kinds import Kind
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.release_source import ReleaseSource
from reconciler.specs.rendering import Unrendered
from reconciler.specs.spec import Spec
from tests.plan.said import access, cluster, environment, release, said
from tests.plan.test_sharing import KEY as HOST_KEY
from tests.plan.world import KEY

CUTTER = Cutter(KEY, {"v1": "sha256:b1"})
AGE = "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n"
VIP = {
    "address": "10.0.0.12", "interface": "eth0", "virtualRouterId": 7, "authCredential": "vip",
    "backendNodes": ["h1", "h2"],
}  # fmt: skip
NODES = [{"host": "h1", "role": "compose_manager"}, {"host": "unknown", "role": "compose_worker"}]
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "web"}, "data": {"b": "c"}}
CHART = {"type": "helm", "path": "charts/webX", "values": ["z.yaml", "a.yaml", "z.yaml"]}


def blob(digit: int) -> BlobId:
    return BlobId(str(digit) * 40)


FILES = (("z.yaml", blob(1)), ("charts/webX/Chart.yaml", blob(2)), ("a.yaml", blob(3)), ("charts/webX/b", blob(4)))
NO_TOOL = Unrendered("k8s_binary_missing", "there is no helm")  # then a chart stands for itself by its files
DESIRED = Desired(
    settings_spec=said(Kind.SETTINGS, "settings"),
    roles={"reader": said(Kind.ROLE, "reader", permissions=["deploy:release:read"])},
    users={"ann": said(Kind.USER, "ann", emails=["ann@example.com"])},
    bindings={"b": said(Kind.ROLE_BINDING, "b", role="reader", subjects=[{"user": "ann"}], scope={})},
    projects={"p": said(Kind.PROJECT, "p", teams=["t"])},
    credentials={
        "ssh": access("ssh", type="ssh_key", addresses=["10.0.0.1"]),
        "one-access": access(),
        "vip": access("vip", type="password", age=AGE),
    },
    hosts={"h1": said(Kind.HOST, "h1", address="10.0.0.1", credential="ssh", hostKey=HOST_KEY)},
    environments={
        "dev": environment(
            runtimeType="compose", mode="platform_managed", nodes=NODES, bundle={"version": "v1"}, project="p",
            variables={"tag": "v1", "db_password": "hunter2"},
        ),
        "bare": environment("bare", bundle={"version": "v0"}, project="nobodys"),
        "plain": environment("plain"),
    },
    clusters={
        "one": cluster(networkEntry={"mode": "lvs_vip", "lvsVip": VIP}),
        "two": cluster("two", credential="unknown"),
        "three": said(Kind.CLUSTER, "three", environment="dev", sourceType="platform_created"),
    },
    services={"s": said(Kind.SERVICE, "s", runtimeType="k8s")},
    releases={
        "web": release(service="s"),
        "chart": release("chart", source=CHART),
        "file": release("file", source={"type": "compose", "path": "c.yaml"}, cluster=None, namespace=None),
        "lost": release("lost", environment="unknown", source=CHART, service="unknown"),
    },
    sources={
        "web": ReleaseSource(SourceKind.MANIFESTS, "web", files=FILES, objects=(CONFIG,)),
        "chart": ReleaseSource(SourceKind.HELM, "charts/webX", files=FILES, unrendered=NO_TOOL),
        "file": ReleaseSource(SourceKind.COMPOSE, "c.yaml", files=(("c.yaml", blob(5)),)),
        "lost": ReleaseSource(SourceKind.HELM, "charts/webX", files=FILES, unrendered=NO_TOOL),
    },
)  # fmt: skip
UNITS = CUTTER.cut(DESIRED)


def unit(ref: str) -> Unit:
    return CUTTER.cut(DESIRED)[UnitRef.parse(ref)]


def fields(spec: Spec[Any]) -> Any:
    """A spec as it stands in a unit."""
    return mask_value(spec.spec.model_dump(mode="json"), KEY)


def secret(name: str, age: str | None = None) -> dict[str, Any]:
    """A credential as it stands in a unit: where it comes from and may go, never what it is."""
    return {name: {**DESIRED.credentials[name].spec.model_dump(mode="json"), "age": age}}


def test_g9_an_environment_is_its_spec_its_project_its_hosts_with_their_access_and_its_bundle() -> None:
    host = {"spec": fields(DESIRED.hosts["h1"]), "credentials": secret("ssh")}
    assert unit("environment/dev").content == {
        "spec": fields(DESIRED.environments["dev"]),
        "project": fields(DESIRED.projects["p"]),
        "hosts": {"h1": host},
        "bundle": "sha256:b1",
    }
    for name in ("bare", "plain"):
        own = {"spec": fields(DESIRED.environments[name]), "project": None, "hosts": {}, "bundle": ""}
        assert unit(f"environment/{name}").content == own


def test_g9_a_cluster_is_its_spec_and_its_credentials_by_the_digest_of_what_is_encrypted() -> None:
    both = {**secret("one-access"), **secret("vip", digest_of("ciphertext", AGE))}
    assert unit("cluster/one").content == {"spec": fields(DESIRED.clusters["one"]), "credentials": both}
    for name in ("two", "three"):
        assert unit(f"cluster/{name}").content == {"spec": fields(DESIRED.clusters[name]), "credentials": {}}


def released(name: str, **content: Any) -> dict[str, Any]:
    spec = fields(DESIRED.releases[name])
    spec["source"] = {key: value for key, value in spec["source"].items() if key not in {"path", "values"}}
    return {"spec": spec, "service": None, "objects": {}, "files": [], "variables": {}, **content}


def test_g7_what_is_in_a_suspended_environment_says_so_and_nothing_else_does() -> None:
    asleep = replace(DESIRED, environments={**DESIRED.environments, "dev": environment(suspend=True)})
    units = {str(ref): one for ref, one in CUTTER.cut(asleep).items()}
    assert units["release/web"].content["suspended"] is True
    assert units["cluster/one"].content["suspended"] is True
    assert "suspended" not in unit("release/web").content
    assert "suspended" not in units["release/lost"].content


def test_g9_a_release_is_its_spec_without_paths_its_service_and_what_its_source_says() -> None:
    objects = {"ConfigMap web/a": mask_object(CONFIG, KEY)}
    service = fields(DESIRED.services["s"])
    assert unit("release/web").content == released("web", service=service, objects=objects)
    places = {"values[0]values[2]": 1, "Chart.yaml": 2, "values[1]": 3, "b": 4}
    files = sorted([name, blob(digit)] for name, digit in places.items())
    variables = mask_value(DESIRED.variables_of("chart"), KEY)
    assert unit("release/chart").content == released("chart", files=files, variables=variables)
    assert unit("release/file").content == released("file", files=[["", blob(5)]], variables=variables)
    assert unit("release/lost").content == released("lost", files=files)
    assert "hunter2" not in repr(unit("release/chart"))
    bare = replace(DESIRED, sources={})
    assert CUTTER.cut(bare)[UnitRef.parse("release/web")].content == released("web", service=service)


def test_g9_the_policy_is_its_settings_roles_users_and_bindings() -> None:
    assert DESIRED.settings_spec is not None
    assert unit("policy/policy").content == {
        "settings": {"settings": fields(DESIRED.settings_spec)},
        "roles": {"reader": fields(DESIRED.roles["reader"])},
        "users": {"ann": fields(DESIRED.users["ann"])},
        "bindings": {"b": fields(DESIRED.bindings["b"])},
    }
    empty = CUTTER.cut(Desired())[UnitRef.parse("policy/policy")].content
    assert empty == {"settings": {}, "roles": {}, "users": {}, "bindings": {}}


def test_g9_a_unit_is_approved_by_the_digest_of_its_name_and_content_which_is_json() -> None:
    for ref, one in CUTTER.cut(DESIRED).items():
        assert json.loads(json.dumps(one.content)) == one.content
        assert one.artifact == digest_of("artifact", {"unit": str(ref), "content": one.content})
    assert {str(ref): one.environment for ref, one in UNITS.items()} == {
        "policy/policy": "policy",
        **{f"environment/{name}": name for name in ("dev", "bare", "plain")},
        **{f"cluster/{name}": "dev" for name in ("one", "two", "three")},
        **{f"release/{name}": "dev" for name in ("web", "chart", "file")},
        "release/lost": "unknown",
    }


def test_a_release_is_taken_over_from_another_cut_only_where_all_that_it_is_made_of_is_the_same() -> None:
    before = Side(DESIRED, UNITS)
    ref = UnitRef.parse("release/web")
    others: dict[str, dict[str, Any]] = {
        "release": {"releases": {**DESIRED.releases, "web": release(service="s")}},
        "source": {"sources": {**DESIRED.sources, "web": replace(DESIRED.sources["web"])}},
        "service": {"services": {"s": said(Kind.SERVICE, "s", runtimeType="k8s")}},
        "environment": {"environments": {**DESIRED.environments, "dev": environment()}},
    }
    assert CUTTER.cut(DESIRED, before)[ref] is UNITS[ref]
    assert CUTTER.cut(DESIRED, Side(DESIRED, {}))[ref] == UNITS[ref]
    for name, made in others.items():
        assert CUTTER.cut(replace(DESIRED, **made), before)[ref] is not UNITS[ref], name


def test_units_that_differ_are_named_in_order() -> None:
    names = sorted(UNITS)
    assert touched({}, UNITS) == touched(UNITS, {}) == tuple(names)
    assert touched(UNITS, CUTTER.cut(DESIRED)) == ()


def test_an_object_is_known_by_its_kind_and_place() -> None:
    assert ref_of(CONFIG) == ObjectRef("", "v1", "ConfigMap", "web", "a")
    metadata: dict[str, Any] = {"name": "a", "namespace": None}
    everywhere = ObjectRef("apps", "v1", "Deployment", "", "a")
    assert ref_of({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}) == everywhere
