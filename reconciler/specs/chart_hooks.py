"""Hooks of charts: what Helm would make at moments of a release of its own, as the hooks that every release may have.

Jobs become hooks: run once for each accepted plan that installs or upgrades. What else a chart calls a hook and only
prepares them (accounts, rights, settings) is an object like any other, applied before the first of them. Rules: a
moment that this version does not have (a deletion, a rollback) is refused by name, never left out in silence; tests are
run by `helm test` and by nobody else. Format: https://helm.sh/docs/topics/charts_hooks/
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from reconciler.specs.kinds.release import Hook, HookPoint

HOOK: Final = "helm.sh/hook"
WEIGHT: Final = "helm.sh/hook-weight"
TESTS: Final = frozenset({"test", "test-success", "test-failure"})
JOB: Final = ("batch/v1", "Job")
PREPARES: Final = frozenset(
    {
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "Secret",
        "NetworkPolicy",
        "PersistentVolumeClaim",
    }
)
ENDS: Final = "ttlSecondsAfterFinished"  # of a Job: would take it away before its end is seen
BACKOFF: Final = 6  # backoffLimit of a Job that says none, as Kubernetes has it and charts count on


class Moment(StrEnum):
    """When a chart's hook is run; no other moment is known."""

    PRE_INSTALL = "pre-install"
    PRE_UPGRADE = "pre-upgrade"
    POST_INSTALL = "post-install"
    POST_UPGRADE = "post-upgrade"


POINTS: Final = {
    (True, HookPoint.BEFORE): Moment.PRE_INSTALL,
    (True, HookPoint.AFTER): Moment.POST_INSTALL,
    (False, HookPoint.BEFORE): Moment.PRE_UPGRADE,
    (False, HookPoint.AFTER): Moment.POST_UPGRADE,
}


def moments(body: Mapping[str, Any]) -> frozenset[str]:
    """When an object says that it is run, tests left out; empty for what simply stands."""
    return _said(body) - TESTS


def is_test(body: Mapping[str, Any]) -> bool:
    """Whether it is made by `helm test` alone."""
    said = _said(body)
    return bool(said) and said <= TESTS


def wrong(body: Mapping[str, Any]) -> tuple[str, str] | None:
    """What keeps a hook from being run or kept, and what to do."""
    said = moments(body)
    unknown = sorted(said - set(Moment))
    if unknown:
        words = f"is a hook of moments that this version does not run ({', '.join(unknown)[:80]})"
        return words, "switch it off in the values"
    if said and not is_job(body) and body["kind"] not in PREPARES:
        return "is a hook, and of those only Jobs are run", "switch it off in the values"
    if said and not _is_number(_annotations(body).get(WEIGHT, "0")):
        return f"says a {WEIGHT} that is no number", "say it as text: '5'"
    return None


def is_run(body: Mapping[str, Any]) -> bool:
    """Whether it is a Job that is run, and never stands."""
    return is_job(body) and bool(moments(body))


def prepares(body: Mapping[str, Any]) -> bool:
    """Whether it has to stand before the first Job is run."""
    return body["kind"] in PREPARES and bool(moments(body) & {Moment.PRE_INSTALL, Moment.PRE_UPGRADE})


def kept(body: Mapping[str, Any]) -> dict[str, Any]:
    """A Job as it is run: seen to its end, and tried as often as the chart counts on."""
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return dict(body)
    return {**body, "spec": {"backoffLimit": BACKOFF, **{key: value for key, value in spec.items() if key != ENDS}}}


def hooks_of(jobs: Iterable[Mapping[str, Any]], *, install: bool, timeout: timedelta) -> tuple[Hook, ...]:
    """The hooks of a chart's Jobs, in their order: by weight, then by name.

    `install`: nothing of it was ever deployed. No name of one is a name that a release's own hook can have.
    """
    found = sorted((body for body in jobs if is_run(body)), key=lambda body: (_weight(body), body["metadata"]["name"]))
    return tuple(
        Hook.model_construct(name=f"{name}.{moment}", when=when, job=name, timeout=timeout)
        for (first, when), moment in POINTS.items()
        for body in found
        for name in (body["metadata"]["name"],)
        if first is install and moment in moments(body)
    )


def is_job(body: Mapping[str, Any]) -> bool:
    """Whether an object is a Job."""
    return (body["apiVersion"], body["kind"]) == JOB


def _said(body: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(point.strip() for point in str(_annotations(body).get(HOOK, "")).split(",")) - {""}


def _annotations(body: Mapping[str, Any]) -> Mapping[str, Any]:
    annotations = body["metadata"].get("annotations")
    return annotations if isinstance(annotations, dict) else {}


def _weight(body: Mapping[str, Any]) -> int:
    return int(_annotations(body).get(WEIGHT, "0"))


def _is_number(text: object) -> bool:
    return (
        isinstance(text, str)
        and len(text) < 10
        and text.removeprefix("-").isascii()
        and text.removeprefix("-").isdigit()
    )
