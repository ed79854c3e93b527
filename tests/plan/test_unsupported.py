"""What a spec may say already and this version does not act on blocks, field by field; nothing is ignored."""

import json
from typing import Any

import pytest

from reconciler.plan.change import Check, Severity
from reconciler.plan.unsupported import HINT, in_environment, in_release
from reconciler.specs.kinds import Environment, Release

RELEASE = {
    "environment": "dev",
    "cluster": "one",
    "namespace": "web",
    "source": {"type": "manifests", "path": "apps/web"},
}
ENVIRONMENT = {"tier": "dev", "runtimeType": "k8s", "mode": "external_managed"}
PROBE = {"http": {"url": "https://web.example/healthz"}}
BACK = {"action": "roll_back"}
HOOK = {"name": "migrate", "when": "before", "job": "migrate"}
COMPOSE = {"source": {"type": "compose", "path": "apps/web"}, "cluster": None, "namespace": None}

RELEASES: dict[str, dict[str, Any]] = {
    "strategy.type: canary of a chart": {
        "source": {"type": "helm", "path": "charts/web"},
        "strategy": {"type": "canary", "canary": {"steps": [{"weight": 10}]}},
    },
    "rollback.steps": {**COMPOSE, "rollback": {"steps": [BACK]}},
    "hooks": {**COMPOSE, "hooks": [HOOK]},
}
ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "gates": {"gates": {"statuses": ["ci"]}},
    "verification": {"verification": [{"name": "it answers", **PROBE}]},
    "monitoring": {"monitoring": {"interval": "60s"}},
}


def release(spec: dict[str, Any]) -> Release:
    return Release.model_validate_json(json.dumps(spec))


def environment(spec: dict[str, Any]) -> Environment:
    return Environment.model_validate_json(json.dumps(spec))


def said(checks: list[Check], unit: str) -> list[str]:
    """The fields that block, each with where, why and the way on."""
    for check in checks:
        assert (check.severity, check.key, check.unit, check.hint) == (
            Severity.ERROR,
            "validation_error",
            unit,
            HINT,
        )
    return [
        check.message.removeprefix(f"{unit}: ").removesuffix(" is not acted on by this version") for check in checks
    ]


@pytest.mark.parametrize(("field", "asked"), RELEASES.items(), ids=RELEASES)
def test_a_release_gets_what_it_asks_for_or_is_refused(field: str, asked: dict[str, Any]) -> None:
    assert said(list(in_release("release/web", release({**RELEASE, **asked}))), "release/web") == [field]


@pytest.mark.parametrize(("field", "asked"), ENVIRONMENTS.items(), ids=ENVIRONMENTS)
def test_an_environment_gets_what_it_asks_for_or_is_refused(field: str, asked: dict[str, Any]) -> None:
    spec = environment({**ENVIRONMENT, **asked})
    assert said(list(in_environment("environment/dev", spec)), "environment/dev") == [field]


def test_what_asks_for_nothing_more_is_not_in_the_way() -> None:
    assert list(in_release("release/web", release(RELEASE))) == []
    plain = release({**RELEASE, "strategy": {"type": "rolling"}, "health": {"timeout": "60s"}})
    assert list(in_release("release/web", plain)) == []
    for shaped in (
        {"strategy": {"type": "recreate"}},
        {"strategy": {"rolling": {"maxUnavailable": "1"}}},
        {"capacity": {"replicas": 2}},
        {"hooks": [HOOK]},
        {"autoscaling": {"minReplicas": 1, "maxReplicas": 3, "cpu": 50}},
    ):
        assert list(in_release("release/web", release({**RELEASE, **shaped}))) == []
    assert list(in_environment("environment/dev", environment(ENVIRONMENT))) == []
    reporting = environment({**ENVIRONMENT, "drift": "report", "monitoring": {}, "revision": "a" * 40})
    assert list(in_environment("environment/dev", reporting)) == []
