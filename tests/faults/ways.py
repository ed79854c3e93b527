"""What must hold of a way back by steps, whatever its requests met: read from the cluster and from the records.

A run of a Job is named after its operation (docs/decisions/0020), so a retry, which is another one, makes another run.
What is compared therefore calls every run of a Job by one name; what such a name would hide is asked here of each run:
that an attempt made it once, that it stood alone, that a record tells of it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.app.traffic import MAY_BE_STOPPED, STOPPED_NOW
from reconciler.app.walked import MAY_RUN, RETURNS
from reconciler.kube.marks import RUN, STOPPED
from reconciler.machine.states import RolloutState
from reconciler.plan.change import ActionKind
from reconciler.plan.jobs import run_id
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.state.event import Event
from tests.faults.far_cluster import any_request
from tests.faults.refusing import Fault, RefusingCluster, Run, meets
from tests.story.stage import Stage

BY_STEPS = frozenset({"way-back", "no-way-back", "reverted"})
ENVIRONMENT = "env-k8s-prod"
UNIT = "release/svc-a"
MIGRATES = (UNIT, 2)  # the step of tests/failpoints/stepped.py that runs a Job
OPERATION = f"{UNIT}:{ActionKind.RUN_JOB}:rollback.steps[1]: migrate_database"
THERE_AND_BACK = 2
STEP = 600  # seconds that a step has which says nothing else
WAITED = 120  # and most that a fault that passes, and a slow machine, take of them
ATTEMPTS = 6  # of one approval, more than a scene makes


def without_runs(found: Mapping[str, Any]) -> dict[str, Any]:
    """The same contents without any run of a Job."""
    return {key: body for key, body in found.items() if not _run(body)}


def nameless(found: Mapping[str, Any]) -> dict[str, Any]:
    """Contents in which every run of a Job has one name; runs that differ in more stay apart, for nothing is hidden."""
    plain: dict[str, Any] = {}
    for key, body in found.items():
        name = _run(body)
        if not name:
            plain[key] = body
            continue
        labels = {label: text for label, text in body["labels"].items() if label != RUN}
        run = {**body, "labels": labels, "spec": _timeless(body["spec"])}
        if plain.setdefault(f"{key.removesuffix(f'-{name}')}-RUN", run) != run:
            plain[key] = run
    return plain


def _timeless(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A run has what is left to its step: nearly all of it, where nobody waited for long."""
    left = spec.get("activeDeadlineSeconds", 0)
    return {**spec, "activeDeadlineSeconds": "the rest" if STEP - WAITED <= left <= STEP else left}


def _run(content: Any) -> str:
    return str(content["labels"].get(RUN, "")) if content and content.get("labels") else ""


def by_one_name(changed: Counter[str], runs: Iterable[Run]) -> Counter[str]:
    """Counts of changes, those of all runs of a Job together; stopping one that may be running adds nothing."""
    names = {run.path: f"{run.path.removesuffix(run.name)}RUN" for run in runs}
    plain: Counter[str] = Counter()
    for path, times in changed.items():
        plain[names.get(path, path)] += 1 if path in names else times
    return +plain


def flaws(stage: Stage, cluster: RefusingCluster, status: tuple[str, str], met: Fault | None) -> Iterator[str]:
    """What may never be, at any moment: said of what is and of all that was done since the scene began.

    `met`: what lasted while it was tried, if anything did.
    """
    made = [run.path for run in cluster.runs]
    yield from (f"{path} was made {times} times" for path, times in Counter(made).items() if times > 1)
    operations = _operations(stage)
    of = {run.path: operations.get(run.name) for run in cluster.runs}
    yield from (f"{path} is a run of no operation that is known" for path, one in of.items() if one is None)
    attempts = Counter(one for one in of.values() if one is not None)
    yield from (f"attempt {one} ran {times} Jobs" for one, times in attempts.items() if times > 1)
    yield from cluster.beside
    yield from _of_traffic(stage, cluster, status, met)
    yield from _of_records(stage, cluster)


def _operations(stage: Stage) -> dict[str, tuple[int, int]]:
    """Which attempt of which rollout each run is of: the way forward of a revert, or a return."""
    found: dict[str, tuple[int, int]] = {}
    for name, generation in stage.ledger.rollouts:
        for attempt in range(ATTEMPTS):
            found[run_id(name, generation, attempt, "", OPERATION)] = (generation, attempt)
            for number in range(ATTEMPTS):
                place = run_id(name, generation, RETURNS + attempt, f"return {number}", OPERATION)
                found[place] = (generation, RETURNS + attempt)
    return found


def _of_traffic(stage: Stage, cluster: SandboxCluster, status: tuple[str, str], met: Fault | None) -> Iterator[str]:
    """Traffic that is stopped is told; what has ended does not say so where it is not."""
    bodies = cluster.contents()
    marked = marks_in(cluster)
    stopped = sorted(key for key, one in bodies.items() if one["kind"] == "Deployment" and one["spec"]["replicas"] == 0)
    last = newest(stage)
    well = last.finished is not None and last.finished.outcome in {"applied", "rolled_back"}
    if set(stopped) - set(marked) or (marked and well):  # a mark may stay where only taking it away was refused
        yield f"without pods are {stopped}, marked as stopped {marked}"
    if stopped and not _tells(status[1]):
        yield f"traffic is stopped at {stopped}, and the status does not say so: {status}"
    if last.finished is not None and stopped and not _tells(last.finished.message):
        yield f"traffic is stopped at {stopped}, and the record does not say so: {last.finished.message}"
    blind = met is not None and meets(met) is any_request and (UNIT, 1) in last.begun  # who may not look, says so
    if last.finished is not None and not stopped and not blind and STOPPED_NOW in status[1]:
        yield f"traffic is not stopped, and the status says so: {status[1]}"


def _tells(words: str) -> bool:
    """Whether that is said, also where the end of the words is cut."""
    return STOPPED_NOW in words or MAY_BE_STOPPED[:-2] in words


def _of_records(stage: Stage, cluster: RefusingCluster) -> Iterator[str]:
    """Of what has ended: each run is told of once, and a migration that is recorded as done was run."""
    last = newest(stage)
    if last.finished is None:
        return
    events = stage.world.opened.journal.events
    logs = Counter(_log(event) for event in events)
    for run in cluster.runs:
        told = sum(times for name, times in logs.items() if name.endswith(f"-{run.name}.log"))
        words = [str(event.detail.get("summary")) for event in events]
        lost = any(run.name in one or MAY_RUN in one for one in words)  # its end is not known to anybody
        if told > 1 or (not told and not lost):
            yield f"{run.path} is told of {told} times"
    if MIGRATES in last.walked and not cluster.runs:
        yield f"{MIGRATES} is recorded as done, and no Job was run"


def _log(event: Event) -> str:
    return str(event.detail.get("log") or "")


def newest(stage: Stage) -> RolloutState:
    """The last rollout of production."""
    generation = max(number for name, number in stage.ledger.rollouts if name == ENVIRONMENT)
    return stage.ledger.rollouts[ENVIRONMENT, generation]


def marks_in(cluster: SandboxCluster) -> list[str]:
    """The workloads that carry the mark of stopped traffic."""
    bodies = cluster.contents().items()
    return sorted(key for key, one in bodies if STOPPED in (one["metadata"].get("annotations") or {}))


def failed_otherwise(stage: Stage) -> bool:
    """Whether a return failed, which a word may repeat: also where it is to fail, it is to fail for its own reason."""
    state = stage.ledger.units.get(UNIT)
    return state is not None and state.outcome == "rollback_failed"


def reason(stage: Stage) -> str:
    """Why the last rollout went back; empty where it did not."""
    last = newest(stage)
    return last.returning.reason if last.returning is not None else ""


def halved(found: Counter[str], wanted: Counter[str]) -> Iterator[str]:
    """Of a way forward that failed earlier than where nothing was struck: what changed otherwise than it must.

    What it did not reach was not changed, and not changed back: two changes less of an object, and nothing else.
    """
    more, less = found - wanted, wanted - found
    if more or any(times != THERE_AND_BACK for times in less.values()):
        yield f"changed otherwise: {more} {less}"
