"""Two reconcilers of one repository: while a request of the first is on its way, the second does all that is to do.

So the first is as slow as can be: it goes on with what it saw before the other one had finished, turned back or brought
a newer version. What must hold is what holds of one reconciler, and the later word stands.
"""

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.approval.decision import Verb
from tests.failpoints.far_side import audited
from tests.faults.far_cluster import any_request, is_write
from tests.faults.refusing import Meanwhile, RefusingCluster
from tests.faults.sweep import LATER, Played, Sweep, apart, cluster_of, contents, lies
from tests.faults.ways import by_one_name
from tests.git.world import git
from tests.story.stage import RELEASE, Stage
from tests.story.twins import twin

NEWER = "v2.0.7"
WAIT = 300.0  # seconds that a second reconciler may take on a busy machine


@contextmanager
def second(stage: Stage, folder: Path) -> Iterator[Stage]:
    """The same world as another reconciler sees it."""
    with TemporaryDirectory(prefix="twin-", dir=folder) as place:
        world = copy.copy(stage.world)
        world.assembly = twin(stage, Path(place))
        try:
            world.opened.catch_up()
            yield Stage(world, stage.clock)
        finally:
            world.opened.close()


def _same(_other: Stage) -> None:
    """It carries out what the first one carries out."""


def _back(other: Stage) -> None:
    """A person turns it back."""
    other.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="no")


def _newer(other: Stage) -> None:
    """It finishes it, and the next version is approved and merged."""
    other.settle()
    text = git(other.world.origin, "show", f"main:{RELEASE}").replace("v2.0.1", NEWER)
    number = other.propose({RELEASE: text}, branch="newer")
    other.approve(number)
    other.merge(number)


ACTS: Mapping[str, Callable[[Stage], None]] = {"same": _same, "back": _back, "newer": _newer}


def overlapped(sweep: Sweep, name: str, act: str, number: int, *, answered: bool, reads: bool) -> Iterator[str]:
    """What is wrong when a second reconciler acts while the first one's request of this number is on its way.

    Raises LookupError where the scene makes fewer such requests.
    """
    played = _wanted(sweep.played(name), act)
    stage = sweep.theatre.play(name, lambda _: None)
    cluster = cluster_of(stage)
    cluster.forget()
    with second(stage, sweep.theatre.folder) as other:

        def meanwhile() -> None:
            ACTS[act](other)
            other.settle()

        between = Meanwhile(meanwhile, number, answered=answered, counts=any_request if reads else is_write)
        cluster.meanwhile = between
        try:
            stage.settle()
            if not between.seen >= number:
                raise LookupError
            assert between.done.wait(WAIT), "the second reconciler did not come to an end"
            if between.failure is not None:
                raise between.failure
            yield from lies(stage, played, "first")
            stage.clock.advance(LATER)
            for who in (other, stage):
                who.settle()
            for who, role in ((stage, "first"), (other, "second")):
                yield from lies(who, played, role)
                if who.ledger.running():
                    yield f"{role}: it neither went on nor ended"
            yield from _ended(stage, played, act)
            yield from audited(stage.world)[2]
        finally:
            cluster.meanwhile = None
            stage.clock.advance(-LATER)


def _wanted(played: Played, act: str) -> Played:
    """The same scene, with another end where somebody brings a newer version meanwhile."""
    if act != "newer":
        return played
    text = json.dumps(played.end).replace("v2.0.1", NEWER)
    return replace(played, end=json.loads(text))


def _ended(stage: Stage, played: Played, act: str) -> Iterator[str]:
    cluster = cluster_of(stage)
    now = contents(cluster)
    wanted = played.before if act == "back" else played.end
    if now != wanted:
        yield f"the cluster is not as wanted: {apart(now, wanted)}"
    # giving back is a turn of its own, and again another: each writes its name on the workload once; and so does who
    # finds a run of a Job on that
    again = bool(played.reason or cluster.runs) and by_one_name(cluster.turned, cluster.runs) == played.turned
    if act == "same" and not again and _lasting(cluster) != (alone := _lasting(cluster, played.changed)):
        yield f"changed otherwise: {_lasting(cluster) - alone} {alone - _lasting(cluster)}"
    applied = Counter(event.action for event in stage.world.opened.journal.events)["applied"]
    more = {"same": 0, "back": -1, "newer": 1}[act]
    if applied != played.told["applied"] + more:
        yield f"applied is told {applied} times, and {played.told['applied']} where one works alone"


def _lasting(cluster: RefusingCluster, changed: Counter[str] | None = None) -> Counter[str]:
    """Changes of what still stands; what was made too late, and undone, is gone."""
    found = cluster.changed if changed is None else changed
    return Counter({path: times for path, times in found.items() if cluster.look(path) is not None})
