"""What users may write of each kind, beyond what the schema tests see."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from reconciler.specs.kinds import BUILT_IN_ROLES, KINDS, Kind, Permission, Release, Risk, Settings
from reconciler.specs.kinds.fields import LONGEST, format_duration, parse_duration
from tests.specs.repository import KEY

MINIMAL: dict[Kind, dict[str, Any]] = {
    Kind.SETTINGS: {},
    Kind.PROJECT: {},
    Kind.ROLE: {"permissions": ["deploy:release:read"]},
    Kind.USER: {},
    Kind.ROLE_BINDING: {"role": "admin", "subjects": [{"user": "a"}], "scope": {}},
    Kind.CREDENTIAL: {"type": "token", "env": "TOKEN"},
    Kind.HOST: {"address": "10.0.0.1", "credential": "c", "hostKey": KEY},
    Kind.ENVIRONMENT: {"tier": "dev", "runtimeType": "k8s", "mode": "external_managed"},
    Kind.CLUSTER: {"environment": "e", "sourceType": "platform_created"},
    Kind.SERVICE: {"runtimeType": "k8s"},
    Kind.RELEASE: {"environment": "e", "source": {"type": "compose", "path": "a"}},
}


def read(kind: Kind, **fields: Any) -> BaseModel:
    text = json.dumps({**MINIMAL[kind], **fields})
    return KINDS[kind].model_validate_json(text, by_alias=True, by_name=False)


@pytest.mark.parametrize("kind", Kind)
def test_few_fields_are_required_and_what_is_read_is_written_back(kind: Kind) -> None:
    spec = read(kind)
    assert KINDS[kind].model_validate_json(spec.model_dump_json(), by_alias=True, by_name=False) == spec


@pytest.mark.parametrize("kind", Kind)
def test_a_spec_cannot_be_changed(kind: Kind) -> None:
    spec = read(kind)
    with pytest.raises(ValidationError):
        setattr(spec, next(iter(KINDS[kind].model_fields)), None)


def test_mappings_of_a_spec_cannot_be_changed() -> None:
    release = read(Kind.RELEASE, variables={"a": "1"})
    assert isinstance(release, Release)
    with pytest.raises(TypeError):
        release.variables["a"] = "2"  # type: ignore[index]


def test_a_window_knows_time_zones() -> None:
    window = {"start": "22:00", "end": "06:00", "timezone": "Europe/Berlin", "days": ["fri"]}
    assert read(Kind.ENVIRONMENT, gates={"windows": [window]})


def test_the_spelling_of_attributes_is_no_second_spelling_in_yaml() -> None:
    with pytest.raises(ValidationError):
        read(Kind.HOST, host_key=KEY)


@pytest.mark.parametrize("kind", Kind)
def test_every_field_has_a_description(kind: Kind) -> None:
    def missing(model: type[BaseModel], seen: set[type[BaseModel]]) -> list[str]:
        seen.add(model)
        found = [
            f"{model.__name__}.{name}"
            for name, field in model.model_fields.items()
            if not (field.description or "").endswith(".")
        ]
        schema = model.model_json_schema()
        return found + [name for name, part in schema.get("$defs", {}).items() if not part.get("description")]

    assert missing(KINDS[kind], set()) == []


def test_defaults_are_those_of_the_product() -> None:
    settings = Settings()
    assert settings.poll_interval == timedelta(seconds=30)
    assert [settings.preview_ttl_at(risk) for risk in Risk] == [timedelta(minutes=30)] * 3 + [timedelta(minutes=10)]
    assert [settings.approval_ttl.at(risk) for risk in Risk] == [
        timedelta(days=7), timedelta(days=3), timedelta(hours=24), timedelta(hours=4)
    ]  # fmt: skip
    assert [settings.sla.at(risk) for risk in Risk] == [
        timedelta(hours=8), timedelta(hours=2), timedelta(minutes=30), timedelta(minutes=15)
    ]  # fmt: skip
    assert settings.rollback_grant == timedelta(days=7)
    assert (settings.prune.max_percent, settings.prune.max_objects) == (10, 3)
    assert not settings.allow_self_approval
    assert settings.standing_approval is None
    release = read(Kind.RELEASE)
    assert isinstance(release, Release)
    assert not release.rollback.automatic


def test_a_short_preview_ttl_holds_for_critical_risk_too() -> None:
    assert Settings(preview_ttl=timedelta(minutes=5)).preview_ttl_at(Risk.CRITICAL) == timedelta(minutes=5)


def test_built_in_roles_are_those_of_the_contract() -> None:
    assert BUILT_IN_ROLES["admin"] == frozenset(Permission)
    assert not BUILT_IN_ROLES["operator"] & {
        Permission.SERVICE_APPROVE,
        Permission.RELEASE_APPROVE,
        Permission.EMERGENCY,
    }
    assert not BUILT_IN_ROLES["approver"] & {Permission.RELEASE_APPLY, Permission.K8S_APPLY, Permission.COMPOSE_APPLY}


@given(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_a_duration_keeps_its_length_and_has_one_spelling(number: int, unit: str) -> None:
    try:
        value = parse_duration(f"{number}{unit}")
    except ValueError:
        assert number * {"d": 1}.get(unit, 0) > LONGEST.days or unit == "h"
        return
    assert parse_duration(format_duration(value)) == value
    assert format_duration(parse_duration(format_duration(value))) == format_duration(value)


@pytest.mark.parametrize("text", ["30s", "10m", "7d", "250ms", "0s", "4h"])
def test_a_duration_is_written_as_it_was(text: str) -> None:
    assert format_duration(parse_duration(text)) == text


@pytest.mark.parametrize(
    "text", ["", "30", "s", "1.5h", "-1s", "1h30m", "1 h", "٣s", "9" * 5000 + "d", "4000d", 30, None, True]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


LVS = {
    "address": "10.0.0.9",
    "interface": "eth0",
    "virtualRouterId": 1,
    "authCredential": "c",
    "backendNodes": ["a", "b"],
}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Kind.CREDENTIAL, {"file": "a"}),
        (Kind.CREDENTIAL, {"env": None}),
        (Kind.CREDENTIAL, {"env": "lower"}),
        (Kind.CREDENTIAL, {"env": None, "age": "AGE-SECRET-KEY-1"}),
        (Kind.CREDENTIAL, {"env": None, "file": "../etc/shadow"}),
        (Kind.CREDENTIAL, {"env": None, "file": "/etc/shadow"}),
        (Kind.HOST, {"hostKey": "ssh-ed25519 AAAA"}),
        (Kind.HOST, {"hostKey": KEY.replace("ssh-ed25519", "ssh-rsa")}),
        (Kind.HOST, {"address": "a b"}),
        (Kind.HOST, {"address": "-oProxyCommand=x"}),
        (Kind.HOST, {"user": "-l"}),
        (Kind.HOST, {"port": 0}),
        (Kind.HOST, {"port": True}),
        (Kind.ENVIRONMENT, {"mode": "platform_managed"}),
        (Kind.ENVIRONMENT, {"variables": {"a": 1}}),
        (Kind.ENVIRONMENT, {"revision": "v1"}),
        (Kind.ENVIRONMENT, {"gates": {"windows": [{"start": "09:00", "end": "17:00", "timezone": "Mars/Base"}]}}),
        (Kind.ENVIRONMENT, {"gates": {"windows": [{"start": "9:00", "end": "17:00"}]}}),
        (Kind.ENVIRONMENT, {"previewRenewal": "on_demand"}),
        (Kind.ENVIRONMENT, {"nodes": [{"host": "a", "role": "worker", "weight": 0}]}),
        (Kind.ENVIRONMENT, {"monitoring": {"healthUrl": "https://user:pass@host/"}}),
        (Kind.ENVIRONMENT, {"verification": [{"name": "x"}]}),
        (Kind.ENVIRONMENT, {"verification": [{"name": "x", "tcp": {"address": "a:1"}, "tries": 4}]}),
        (Kind.CLUSTER, {"sourceType": "external_imported"}),
        (Kind.CLUSTER, {"sourceType": "external_imported", "credential": "c", "authType": "cert_key"}),
        (Kind.CLUSTER, {"endpoint": "http://10.0.0.1:6443"}),
        (Kind.CLUSTER, {"networkEntry": {"mode": "lvs_vip"}}),
        (Kind.CLUSTER, {"networkEntry": {"lvsVip": LVS}}),
        (Kind.CLUSTER, {"networkEntry": {"mode": "lvs_vip", "lvsVip": {**LVS, "virtualRouterId": 256}}}),
        (Kind.CLUSTER, {"networkEntry": {"mode": "lvs_vip", "lvsVip": {**LVS, "interface": "eth0; reboot"}}}),
        (Kind.ROLE_BINDING, {"subjects": []}),
        (Kind.ROLE_BINDING, {"subjects": [{"user": "a", "group": "b"}]}),
        (Kind.ROLE_BINDING, {"scope": {"team": "t"}}),
        (Kind.ROLE_BINDING, {"scope": None}),
        (Kind.ROLE, {"permissions": ["*"]}),
        (Kind.SETTINGS, {"approvals": {"critical": 0}}),
        (Kind.SETTINGS, {"pollInterval": "0s"}),
        (Kind.SETTINGS, {"standingApproval": {"tiers": ["production"]}}),
        (Kind.RELEASE, {"namespace": "n"}),
        (Kind.RELEASE, {"source": {"type": "helm", "path": "a"}}),
        (Kind.RELEASE, {"source": {"type": "compose", "path": "a", "values": ["v"]}}),
        (Kind.RELEASE, {"strategy": {"type": "canary"}}),
        (Kind.RELEASE, {"strategy": {"type": "recreate", "rolling": {}}}),
        (Kind.RELEASE, {"strategy": {"type": "canary", "canary": {"steps": [{"weight": 50}, {"weight": 10}]}}}),
        (Kind.RELEASE, {"rollback": {"steps": [{"action": "migrate_database"}]}}),
        (Kind.RELEASE, {"autoscaling": {"maxReplicas": 2, "cpu": 50}}),
        (Kind.RELEASE, {"images": {"app:v1": "v2"}}),
    ]
    + [
        (Kind.RELEASE, {"source": {"type": "compose", "path": path}})
        for path in (
            "..",
            "a/..",
            "../a",
            "/a",
            "a//b",
            "./a",
            "a/./b",
            "",
            "a\nb",
            "a\\b",
            "~/a",
            "a/../../b",
            "C:/a",
            "a%2f..",
            "...",
        )
    ],
)
def test_what_cannot_be_meant_is_refused(kind: Kind, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read(kind, **fields)


@pytest.mark.parametrize("path", ["a", "a/b", "releases/svc-a/manifests/", ".config/x", "A_b-1.2/c.yaml"])
def test_an_ordinary_source_path_is_taken(path: str) -> None:
    assert read(Kind.RELEASE, source={"type": "compose", "path": path})


CLUSTER_RELEASE = {"cluster": "c", "namespace": "n", "source": {"type": "manifests", "path": "a"}}


@pytest.mark.parametrize(
    "fields",
    [
        {"autoscaling": {"maxReplicas": 2, "minReplicas": 3, "cpu": 50}},
        {"autoscaling": {"maxReplicas": 2}},
        {"autoscaling": {"maxReplicas": 2, "cpu": 50}, "capacity": {"replicas": 1}},
        {"capacity": {"resources": {"requests": {"cpu": 1}}}},
        {"cluster": None},
        {"namespace": None},
    ],
)
def test_what_cannot_be_meant_of_a_release_on_a_cluster_is_refused(fields: dict[str, Any]) -> None:
    assert read(Kind.RELEASE, **CLUSTER_RELEASE)
    with pytest.raises(ValidationError):
        read(Kind.RELEASE, **{**CLUSTER_RELEASE, **fields})
