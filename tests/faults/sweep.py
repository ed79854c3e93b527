"""A scene of tests/failpoints where one request meets an answer of a server that does not do as it is asked.

What must hold then, read from the cluster, the statuses and a fresh fold of the audit branch: nothing is said to be
done that is not; what failed says why with a key; what goes on by itself ends as if nothing had been, with every object
written as often; anything else is finished by one word of a person. What a way back by steps owes beside: ways.py.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pygit2

from reconciler import catalogue
from reconciler.approval.decision import Verb
from reconciler.kube.marks import HAND_OVER_MANAGER, OUR_ANNOTATIONS
from reconciler.names import Revision
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.sandbox.cluster_http import Asked
from reconciler.sandbox.cluster_status import has_ended
from reconciler.sandbox.world import World
from tests.failpoints.far_side import audited
from tests.failpoints.scenes import SCENES
from tests.failpoints.theatre import Theatre
from tests.faults import ways
from tests.faults.far_cluster import any_request
from tests.faults.refusing import Fault, RefusingCluster, Strike
from tests.story.clock import MovableClock
from tests.story.stage import Stage

OURS = "reconciler/apply: env-k8s-prod"
BASE = "base"
LATER = timedelta(seconds=20)  # longer than anybody asks us to stay away
KEY = re.compile(r"[a-z]+(?:_[a-z]+)+")
End = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Played:
    """How a scene ends where nothing is struck, what it began with, and how often each object was changed."""

    before: End
    end: End
    status: str
    outcomes: Mapping[str, str]
    changed: Counter[str]
    told: Counter[str]  # events by action
    reason: str = ""  # why it went back by steps
    turned: Counter[str] = field(default_factory=Counter)  # as `changed`, but for what only we write on objects


def refusing_world(folder: Path, clock: MovableClock) -> World:
    return World(folder, clock=clock, hosts_wanted=(), make_cluster=lambda _name: RefusingCluster())


def cluster_of(stage: Stage) -> RefusingCluster:
    found = stage.world.clusters["prod"]
    assert isinstance(found, RefusingCluster)
    return found


def contents(cluster: SandboxCluster) -> End:
    """What stands there, and who holds it; of our parents only that they are there."""
    found = {key: _content(key, body) for key, body in cluster.contents().items()}
    plain: End = json.loads(json.dumps(found))
    return plain


def _content(key: str, body: Mapping[str, Any]) -> Any:
    if key.startswith("/configmaps/default/reconciler."):
        return None
    metadata = body["metadata"]
    annotations = {name: text for name, text in metadata.get("annotations", {}).items() if name not in OUR_ANNOTATIONS}
    holders = {(entry["manager"], entry["operation"]) for entry in metadata.get("managedFields", [])}
    managers = sorted(one for one in holders if one[0] != HAND_OVER_MANAGER)  # what it keeps, we may write
    rest = {name: value for name, value in body.items() if name not in ("metadata", "status")}
    if body["kind"] == "Job":  # it has what its step had left when it was made; one that is over may be stopped, too
        unlike = ("activeDeadlineSeconds", *(("suspend", "parallelism") if has_ended(body) else ()))
        rest["spec"] = {name: value for name, value in rest["spec"].items() if name not in unlike}
    return {**rest, "labels": metadata.get("labels"), "annotations": annotations, "managers": managers}


def outcomes(stage: Stage) -> dict[str, str]:
    return {name: state.outcome for name, state in stage.ledger.units.items()}


class Sweep:
    """Scenes in one theatre whose clusters can refuse."""

    def __init__(self, theatre: Theatre) -> None:
        self.theatre = theatre
        self._played: dict[str, Played] = {}
        self._kept_at: dict[str, datetime] = {}
        theatre.stage.accept_first()
        theatre.keep(BASE)

    def played(self, name: str) -> Played:
        """The scene undisturbed; played once."""
        if name not in self._played:
            self.theatre.play(BASE, SCENES[name].prepare)
            self.theatre.keep(name)
            self._kept_at[name] = self.theatre.stage.clock.now()
            stage = self.theatre.play(name, lambda _: None)
            cluster = cluster_of(stage)
            before = contents(cluster)
            cluster.forget()
            stage.settle()
            told = Counter(event.action for event in stage.world.opened.journal.events)
            self._played[name] = Played(
                before,
                contents(cluster),
                said(stage)[0],
                outcomes(stage),
                cluster.changed,
                told,
                ways.reason(stage),
                ways.by_one_name(cluster.turned, cluster.runs),
            )
        return self._played[name]

    def struck(
        self, name: str, fault: Fault, number: int, *, lasts: bool, counts: Callable[[Asked], bool] = any_request
    ) -> Iterator[str]:
        """What is wrong when the scene meets a fault around its request of this number, of those that count.

        Raises LookupError where it makes fewer such requests.
        """
        played = self.played(name)
        self.theatre.stage.clock.return_to(self._kept_at[name])  # else a preview grows old while all others are played
        stage = self.theatre.play(name, lambda _: None)
        cluster = cluster_of(stage)
        cluster.strike = Strike(fault, number, lasts=lasts, counts=counts)
        cluster.forget()
        met = fault if lasts else None
        owed = ways.flaws if name in ways.BY_STEPS else (lambda *_: ())
        try:
            stage.settle()
            if not cluster.strike.met:
                raise LookupError
            yield from lies(stage, played, "struck")
            yield from (f"struck: {one}" for one in owed(stage, cluster, said(stage), met))
            cluster.strike = None
            stage.clock.advance(LATER)
            stage.settle()
            yield from lies(stage, played, "healed")
            if _running(stage):
                yield "healed: it neither went on nor ended"
            yield from (f"healed: {one}" for one in owed(stage, cluster, said(stage), met))
            ended = _same(contents(cluster), played.end) and not ways.marks_in(cluster)
            if ended and outcomes(stage) == played.outcomes:
                yield from self._doubled(stage, played)
            yield from self._finished(stage, played)
            yield from (f"finished: {one}" for one in owed(stage, cluster, said(stage), None))
            _, afresh, wrong = audited(stage.world)
            yield from wrong
            if afresh.units != stage.ledger.units or afresh.rollouts != stage.ledger.rollouts:
                yield "the records say another thing when they are read afresh"
        finally:
            cluster.strike = None

    def _doubled(self, stage: Stage, played: Played) -> Iterator[str]:
        """What went on by itself changed each object as often as if nothing had been."""
        cluster = cluster_of(stage)
        if ways.reason(stage) != played.reason:  # it went back from an earlier point
            yield from ways.halved(ways.by_one_name(cluster.turned, cluster.runs), played.turned)
        elif played.reason and ways.by_one_name(cluster.turned, cluster.runs) == played.turned:
            return  # giving back is a turn of its own, and again another: each writes its name on the workload once
        elif cluster.changed != played.changed:
            yield f"changed otherwise: {cluster.changed - played.changed} {played.changed - cluster.changed}"

    def _finished(self, stage: Stage, played: Played) -> Iterator[str]:
        """One word of a person is enough, where any is needed."""
        number = max((int(name.rpartition("-")[2]) for name in _open(stage)), default=0)
        if number:
            desk, held = stage.desk("approver_user"), stage.preview(number)
            desk.decide_commit(held, stage.tip(), Verb.APPROVE, reason="as before")
        else:
            bad = {name for name, one in outcomes(stage).items() if one != played.outcomes.get(name)}
            as_played = _same(contents(cluster_of(stage)), played.end) and not ways.marks_in(cluster_of(stage))
            if ways.failed_otherwise(stage) and not as_played:
                bad.add(ways.UNIT)
            for name in sorted(bad):
                stage.desk("dev_user").order(name, Verb.RETRY, reason="again")
        stage.settle()
        yield from lies(stage, played, "finished")
        now, state = contents(cluster_of(stage)), said(stage)
        if "it is another object than the previewed one" in state[1] and _same(now, played.before):
            return  # what a return made anew is not deleted by the approval of its forerunner: a new preview shows it
        end = played.end if cluster_of(stage).turned or not played.reason else played.before  # nothing done: not walked
        if not _same(now, end) or ways.marks_in(cluster_of(stage)):
            yield f"finished: {state}, and the cluster is not as wanted: {apart(now, end)}"
        if (state[0], outcomes(stage)) != (played.status, played.outcomes):
            yield f"finished: {state}, {outcomes(stage)}"


def said(stage: Stage) -> tuple[str, str]:
    """The status of the last merge: read where it stands, for a desk would fetch it each time."""
    tip = pygit2.Repository(str(stage.world.origin)).references["refs/heads/main"].raw_target
    return stage.statuses(Revision(str(tip))).get(OURS, ("none", ""))


def lies(stage: Stage, played: Played, when: str) -> Iterator[str]:
    """What is said and is not so."""
    state, words = said(stage)
    now = contents(cluster_of(stage))
    if state == "success" and not _same(now, played.end):
        yield f"{when}: green ({words}), and the cluster is not as wanted: {apart(now, played.end)}"
    if state in {"failure", "error"} and not set(KEY.findall(words)) & catalogue.errors().keys():
        yield f"{when}: {state} without a key: {words}"
    if state == "pending" and not (_running(stage) or stage.ledger.waiting):
        yield f"{when}: pending ({words}), and nothing is on its way"
    new = {name: one for name, one in outcomes(stage).items() if one != played.outcomes.get(name)}
    back = "rolled_back" in (outcomes(stage) if played.reason else new).values()
    if back and not _same(ways.without_runs(now), ways.without_runs(played.before)):
        yield f"{when}: said to be back, and the cluster is not: {apart(now, played.before)}"
    if len({one.passed.environment for one in stage.ledger.running()}) != len(stage.ledger.running()):
        yield f"{when}: two rollouts in one environment"
    yield from (f"{when}: {one}" for one in stage.world.opened.reconciler.faults if "internal_error" in one)


def _same(found: End, wanted: End) -> bool:
    """Whether the same stands there; a run of a Job is as good as another run of it (ways.py)."""
    return ways.nameless(found) == ways.nameless(wanted)


def _running(stage: Stage) -> bool:
    return bool(stage.ledger.running())


def _open(stage: Stage) -> list[str]:
    """Tickets of pull requests that wait for a word."""
    return sorted({ticket for ticket in stage.ledger.waiting if re.fullmatch(r"dep-appr-\d{1,4}", ticket)})


def apart(found: End, wanted: End) -> str:
    found, wanted = ways.nameless(found), ways.nameless(wanted)
    return ", ".join(
        f"{key}: {found.get(key, 'not there')!r} for {wanted.get(key, 'nothing')!r}"
        for key in sorted(found.keys() | wanted.keys())
        if (key in found, found.get(key)) != (key in wanted, wanted.get(key))
    )
