"""What is entered into Helm's own history of a release while a plan is carried out.

Knows which entry each action is. The rule it keeps: a failure to say that a revision failed hides no other failure, and
the next revision says it then.
"""

import contextlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from reconciler.errors import ReconcilerError
from reconciler.plan.change import Action, ActionKind
from reconciler.ports import DesiredObjects, HelmEntry, HelmOutcome, KubeApi
from reconciler.specs.chart import Chart
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.release_source import ReleaseSource

ENTRIES: Final[Mapping[ActionKind, HelmOutcome]] = {
    ActionKind.HELM_BEGIN: HelmOutcome.BEGUN,
    ActionKind.HELM_DEPLOYED: HelmOutcome.DEPLOYED,
    ActionKind.HELM_UNINSTALL: HelmOutcome.UNINSTALLED,
    ActionKind.HELM_FORGET: HelmOutcome.FORGOTTEN,
}


def chart_of(release: Release, source: ReleaseSource | None) -> Chart | None:
    """The chart that a release is made from; an empty one where it is removed; None where Helm has no part in it."""
    if release.source.type is not SourceKind.HELM:
        return None
    return source.chart if source is not None and source.chart is not None else Chart()


def enter(api: KubeApi, wanted: DesiredObjects, action: Action, generation: int, at: datetime) -> None:
    """Enter what an action says."""
    words = f"generation {generation} of reconciler"
    entry = HelmEntry(ENTRIES[action.kind], generation, at, artifact=action.post, before=action.pre, words=words)
    api.record_helm(wanted, entry)


def enter_failure(api: KubeApi, actions: Iterable[Action], generation: int, at: datetime, words: str) -> None:
    """Say of each release that these actions begin a revision of that it failed, as far as that can be said now."""
    for action in actions:
        if action.kind is ActionKind.HELM_BEGIN and action.object is not None:
            wanted = DesiredObjects(action.unit.partition("/")[2], action.object.namespace, (), chart=Chart())
            with contextlib.suppress(ReconcilerError):
                api.record_helm(wanted, HelmEntry(HelmOutcome.FAILED, generation, at, words=words))
