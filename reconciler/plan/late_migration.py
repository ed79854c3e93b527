"""A migration of a way back that is run when the old version is rolled back already: what it would not find, or meet.

Rules: what only the version that is left brought is deleted by then, so a Job that refers to it cannot start; and what
the old version makes meanwhile runs beside it, where that has pods which nobody takes away. Both are known before
anybody approves. Objects that both versions have are those of the old one then.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from reconciler.names import ObjectRef
from reconciler.plan.change import Check
from reconciler.plan.part import error
from reconciler.plan.units import ref_of
from reconciler.specs.jobs import goes_on
from reconciler.specs.kinds.release import RollbackAction, RollbackStep

# where a pod names an object: the field, the one in it that holds the name, the kind
NAMED = (
    ("configMap", "name", "ConfigMap"),
    ("configMapRef", "name", "ConfigMap"),
    ("configMapKeyRef", "name", "ConfigMap"),
    ("secret", "secretName", "Secret"),
    ("secret", "name", "Secret"),
    ("secretRef", "name", "Secret"),
    ("secretKeyRef", "name", "Secret"),
    ("nodePublishSecretRef", "name", "Secret"),
    ("imagePullSecrets", "name", "Secret"),
    ("persistentVolumeClaim", "claimName", "PersistentVolumeClaim"),
)
ACCOUNTS = ("serviceAccountName", "serviceAccount")


def late(steps: Collection[tuple[int, RollbackStep]]) -> tuple[str, ...]:
    """The Jobs of steps that come after roll_back."""
    at = [number for number, step in steps if step.action is RollbackAction.ROLL_BACK]
    return tuple(step.job for number, step in steps if step.job is not None and at and number > at[0])


def refused(
    unit: str, jobs: Collection[Any], goes: Collection[ObjectRef], comes: Collection[Any], *, stops: bool
) -> Iterator[Check]:
    """`jobs` that are run late; `goes`: what is deleted before; `comes`: the objects of the old version."""
    for job in jobs:
        ref = ref_of(job)
        for one in sorted(set(goes) & needed(job)):
            message = (
                f"{unit}: {ref} runs after roll_back, and needs {one}, which the version that it goes back to lacks"
            )
            hint = "let migrate_database come before roll_back, or have both versions hold it"
            yield error(unit, "release_state_invalid", message, hint)
    if not jobs or not stops:
        return
    for body in comes:
        if goes_on(body):
            message = f"{unit}: {ref_of(body)} of the version that it goes back to would run beside a late migration"
            hint = "let migrate_database come before roll_back, or remove it in a change of its own first"
            yield error(unit, "release_state_invalid", message, hint)


def needed(job: Mapping[str, Any]) -> set[ObjectRef]:
    """The objects without which the pods of a Job do not start."""
    place = job["metadata"].get("namespace", "")
    return {ObjectRef("", "v1", kind, place, name) for kind, name in _named(job["spec"]["template"]["spec"])}


def _named(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for one in value:
            yield from _named(one)
    if not isinstance(value, dict):
        return
    for field in ACCOUNTS:
        if isinstance(value.get(field), str):
            yield "ServiceAccount", value[field]
    for field, name, kind in NAMED:
        found = value.get(field)
        for one in found if isinstance(found, list) else [found]:
            if isinstance(one, dict) and isinstance(one.get(name), str) and one.get("optional") is not True:
                yield kind, one[name]
    for one in value.values():
        yield from _named(one)
