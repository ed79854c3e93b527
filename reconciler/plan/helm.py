"""A release's part, where it is one of Helm: its objects as any other's, between two entries in Helm's own history.

Decides what is entered and when: pending before the first object, deployed after the last one is ready; nothing where
Helm says already what is so. A release of Helm that this reconciler did not make is never taken over.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from reconciler.canonical import digest_of
from reconciler.plan.adoption import HAND_OVER
from reconciler.plan.change import Action, ActionKind, Change, Check, FieldChange, Operation, Reference, Touched
from reconciler.plan.mask import mask_object
from reconciler.plan.part import Part, Step, error
from reconciler.specs.chart import Chart
from reconciler.state.observed import HelmRevision

FIRST: Final = -30_000  # before every object and every Job: from then on Helm begins nothing else
LAST: Final = 1000  # after the last deletion
ARTIFACT_DIGITS: Final = 40  # what a label holds, and more than enough
LONGEST_NAME: Final = 53  # of a release of Helm
DEPLOYED: Final = "deployed"


@dataclass(frozen=True, slots=True)
class HelmAsk:
    """One release of Helm. `chart` is None where it is removed."""

    unit: str
    release: str
    cluster: str
    namespace: str
    chart: Chart | None
    objects: tuple[Any, ...]
    newest: HelmRevision | None
    forget: bool = False
    jobs: tuple[Any, ...] = ()


def with_entries(ask: HelmAsk, part: Part, key: bytes) -> Part:
    """The part with what is entered into Helm's history. `key`: the permanent HMAC key (plan/mask.py)."""
    newest = ask.newest
    if newest is not None and not newest.ours:
        if ask.chart is None:
            return part  # it was never ours to remove
        message = f"Helm release {ask.namespace}/{ask.release} exists on cluster {ask.cluster} and is somebody else's"
        hint = f"rename the release; or, to take over what it runs: {HAND_OVER['Helm']}"
        return _blocked(part, ask, "owned_by_another", message, hint)
    if newest is not None and newest.pending and not newest.by_us:
        message = f"Helm release {ask.namespace}/{ask.release}: somebody's helm is at work on it, or was broken off"
        return _blocked(part, ask, "resource_conflict", message, "wait for it, or `helm rollback` it by hand")
    if ask.chart is None:
        return _leaving(ask, part)
    artifact = artifact_of(ask.chart, ask.objects, key, ask.jobs)
    if not part.steps and newest is not None and (newest.status, newest.artifact) == (DEPLOYED, artifact):
        return part
    steps = (
        Step(FIRST, _action(ask, ActionKind.HELM_BEGIN, artifact)),
        Step(LAST, _action(ask, ActionKind.HELM_DEPLOYED, artifact)),
    )
    number = newest.number if newest is not None else 0
    fields = (
        FieldChange(path="revision", before=number or None, after=number + 1),
        FieldChange(path="chart", before=None, after=str(ask.chart)),
    )
    operation = Operation.CREATE if newest is None else Operation.UPDATE
    return _more(part, ask, operation, steps, fields)


def artifact_of(chart: Chart, objects: Iterable[Any], key: bytes, jobs: Iterable[Any] = ()) -> str:
    """What names the content of a release of Helm, on its records too; nobody guesses a short secret from it."""
    masked = [mask_object(body, key) for body in objects]
    runs = [mask_object(body, key) for body in jobs]  # of a chart without, it is what it was
    content = [dict(chart.metadata), masked, *([runs] if runs else [])]
    return digest_of("helm", content).rpartition(":")[2][:ARTIFACT_DIGITS]


def switches(unit: str, release: str, old: tuple[str, str | None], new: tuple[str, str | None]) -> tuple[Check, ...]:
    """What cannot be done in one step. Each side: the source's type and the namespace."""
    if "helm" not in (old[0], new[0]):
        return ()
    hint = "add the release under a new name, and remove this one in a later pull request"
    if old[0] != new[0]:
        message = f"release {release} goes from a source of type {old[0]} to {new[0]} in one step"
        return (error(unit, "release_state_invalid", message, hint),)
    if old[1] != new[1]:
        message = (
            f"release {release} goes from namespace {old[1]} to {new[1]} in one step, and Helm keeps it where it is"
        )
        return (error(unit, "release_state_invalid", message, hint),)
    return ()


def _leaving(ask: HelmAsk, part: Part) -> Part:
    if ask.newest is None:
        return part
    kind = ActionKind.HELM_FORGET if ask.forget else ActionKind.HELM_UNINSTALL
    operation = Operation.FORGET if ask.forget else Operation.DELETE
    part = replace(part, owned=part.owned + 1)  # it is among the deletions, so it is among what there is
    return _more(part, ask, operation, (Step(LAST, _action(ask, kind, "")),), ())


def _more(
    part: Part, ask: HelmAsk, operation: Operation, steps: tuple[Step, ...], fields: tuple[FieldChange, ...]
) -> Part:
    change = Change(
        unit=ask.unit, operation=operation, subject=_subject(ask), where=f"cluster {ask.cluster}", fields=fields
    )
    touched = Touched(subject=f"cluster/{ask.cluster}: {_subject(ask)}", state={"newest": str(ask.newest or "")})
    return replace(part, changes=(*part.changes, change), steps=(*part.steps, *steps), touched=(*part.touched, touched))


def _blocked(part: Part, ask: HelmAsk, key: str, message: str, hint: str) -> Part:
    return replace(part, steps=(), checks=(*part.checks, error(ask.unit, key, message, hint)))


def _subject(ask: HelmAsk) -> str:
    return f"Helm release {ask.namespace}/{ask.release}"


def _action(ask: HelmAsk, kind: ActionKind, artifact: str) -> Action:
    """`pre`: the newest revision as it stands; the object says in which namespace the records are."""
    where = Reference(
        group="", version="v1", kind="Secret", namespace=ask.namespace, name=f"sh.helm.release.v1.{ask.release}"
    )
    return Action(
        id=f"{ask.unit}:{kind}",
        kind=kind,
        unit=ask.unit,
        target=f"cluster/{ask.cluster}",
        object=where,
        pre=str(ask.newest or ""),
        post=artifact,
    )
