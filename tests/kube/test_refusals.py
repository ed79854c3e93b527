"""Refusals of the cluster's own rules, in the words of a real 1.36 server: none is a missing right."""

import json

import pytest

from reconciler.kube.answers import Answer, error_of
from reconciler.state.refusals import advice

QUOTA = "exceeded quota: small, requested: configmaps=1, used: configmaps=2, limited: configmaps=2"
REFUSALS = {
    "a quota": (f'configmaps "b" is forbidden: {QUOTA}', "ResourceQuota raised"),
    "a quota of what nobody asked for": (
        'pods "p" is forbidden: failed quota: small: must specify requests.cpu for: c',
        "say resources.requests",
    ),
    "a range": (
        'persistentvolumeclaims "v" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi',
        "LimitRange",
    ),
    "pod security": (
        'pods "p" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
        "securityContext",
    ),
}
MISSING = (
    'configmaps "b" is forbidden: User "system:serviceaccount:ops:exceeded" cannot patch resource "configmaps" in API '
    'group "" in the namespace "svc-a"'
)


def refusal(message: str, *, code: int = 403, secret: bool = False) -> Answer:
    body = {"kind": "Status", "code": code, "reason": "Forbidden", "message": message, "details": {}}
    return Answer(code, json.dumps(body).encode(), "applying b", secret=secret)


@pytest.mark.parametrize(("message", "way"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_limit_of_the_namespace_is_no_missing_right_and_says_what_to_do(message: str, way: str) -> None:
    error = error_of(refusal(message))
    assert error.key == "release_apply_failed"
    assert message in error.message
    assert way in error.message


def test_a_missing_right_stays_one() -> None:
    error = error_of(refusal(MISSING))
    assert error.key == "cluster_permission_insufficient"
    assert error.message == f"applying b: {MISSING}"


def test_what_to_do_is_said_of_a_secret_too_and_nothing_of_the_words() -> None:
    error = error_of(refusal(f'secrets "canary" is forbidden: {QUOTA}', secret=True))
    assert "ResourceQuota raised" in error.message
    assert "canary" not in error.message
    assert "small" not in error.message


@pytest.mark.parametrize(
    ("code", "message", "way"),
    [
        (400, 'admission webhook "w.example" does not support dry run', "sideEffects: None or NoneOnDryRun"),
        (500, 'Internal error occurred: failed calling webhook "w.example": context deadline', "webhook answers"),
    ],
)
def test_a_webhook_in_the_way_is_named_with_what_to_do(code: int, message: str, way: str) -> None:
    said = error_of(refusal(message, code=code)).message
    assert message in said
    assert way in said


def test_nothing_is_advised_where_nothing_is_known() -> None:
    assert advice("no") == advice('admission webhook "w" denied the request: no') == ""
