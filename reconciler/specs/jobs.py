"""Jobs of a source that run at moments of their own: those that a release's hooks and its way back name.

They are set apart from what a release wants to stand, so that none is applied, compared or pruned with it. Rules: a
Job is named by what it is called in the source, once; what could not be run exactly once and waited for is a problem
with a place, never half done. Nothing here looks at a cluster.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.errors import Place, Problem
from reconciler.specs.chart_hooks import is_job, is_run
from reconciler.specs.claims import POLICY, When, claims_go
from reconciler.specs.colours import LONGEST, Items, Object
from reconciler.specs.finding import VALIDATION
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.release import RollbackAction, SourceKind
from reconciler.specs.spec import Spec

RUN = 10  # hex digits that tell one run of a Job from another
STOPPED = frozenset({"Deployment", "StatefulSet"})  # whose pods stop_traffic takes away, and restore_traffic gives back
SUSPENDED = "CronJob"  # which is suspended meanwhile
STOPPABLE = frozenset({("batch", SUSPENDED), *(("apps", kind) for kind in STOPPED)})  # group and kind
GOES_ON = frozenset({"DaemonSet", "ReplicaSet", "ReplicationController", "Pod"})  # pods that nobody scales to none
RESTARTS = ("Never", "OnFailure")
PER_INDEX = ("backoffLimitPerIndex", "maxFailedIndexes")  # how often each part of an indexed Job may be tried
TRIES = 1  # starts of a Job that says no backoffLimit


def named(release: Release) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every Job that a release names, with where it does."""
    for number, hook in enumerate(release.hooks):
        yield ("hooks", number, "job"), hook.job
    for number, step in enumerate(release.rollback.steps):
        if step.job is not None:
            yield ("rollback", "steps", number, "job"), step.job


def set_apart(
    release: Spec[Release], items: Items, problems: list[Problem]
) -> tuple[list[tuple[Object, Place]], tuple[Object, ...]]:
    """What stands, and the Jobs that are run on their own. What is wrong is added to `problems`."""
    if release.spec.source.type is SourceKind.COMPOSE:
        return list(items), ()
    jobs: dict[str, list[tuple[Object, Place]]] = {}
    for item, place in items:
        if is_job(item):
            jobs.setdefault(item["metadata"]["name"], []).append((item, place))
    wanted: dict[str, Object] = {}
    for steps, name in named(release.spec):
        if len(jobs.get(name, ())) != 1:
            many = f"{len(jobs[name])} Jobs {name}, in several namespaces" if name in jobs else f"no Job {name}"
            message = f"the source holds {many} (batch/v1)"
            problems.append(Problem(release.place_of(*steps), VALIDATION, message, f"here: {_listed(jobs)}"))
            continue
        ((item, place),) = jobs[name]
        if name not in wanted:
            problems += (Problem(place, VALIDATION, f"Job {name}: {words}", hint) for words, hint in _wrong(item))
        wanted[name] = item
    for name, (item, place) in _of_charts(release, jobs, wanted, problems):
        problems += (Problem(place, VALIDATION, f"Job {name}: {words}", hint) for words, hint in _wrong(item))
        wanted[name] = item
    apart = {id(item) for item in wanted.values()}
    stands = [(item, place) for item, place in items if id(item) not in apart]
    _check_stopped(release, stands, problems)
    return stands, tuple(wanted.values())


def _of_charts(
    release: Spec[Release],
    jobs: Mapping[str, list[tuple[Object, Place]]],
    named: Mapping[str, Object],
    problems: list[Problem],
) -> Iterator[tuple[str, tuple[Object, Place]]]:
    """The Jobs that a chart calls hooks and the release does not name."""
    if release.spec.source.type is not SourceKind.HELM:
        return
    for name, found in jobs.items():
        if name in named or not any(is_run(item) for item, _ in found):
            continue
        if len(found) > 1:
            message = f"the chart has {len(found)} Jobs {name}, in several namespaces, and one of them is a hook"
            problems.append(Problem(found[0][1], VALIDATION, message, "give them names of their own"))
            continue
        yield name, found[0]


def is_stopped(group: str, kind: str) -> bool:
    """Whether stop_traffic stops what is of this kind."""
    return (group, kind) in STOPPABLE


def goes_on(body: Mapping[str, Any]) -> bool:
    """Whether what stands so has pods that stop_traffic cannot take away; a Job that a release runs never stands."""
    return body["kind"] in GOES_ON or is_job(body)


def job_in(jobs: tuple[Object, ...], name: str) -> Object | None:
    """The Job of that name among those that were set apart."""
    return next((item for item in jobs if item["metadata"]["name"] == name), None)


def tries(job: Mapping[str, Any]) -> int:
    """How often a run of a Job may start its work, by what it says."""
    limit = job["spec"].get("backoffLimit")
    return limit + TRIES if isinstance(limit, int) else TRIES


def ignores_failures(job: Mapping[str, Any]) -> bool:
    """Whether some failures of its pods are not counted as tries, so that nobody can say how many there will be."""
    policy = job["spec"].get("podFailurePolicy")
    rules = policy.get("rules") if isinstance(policy, dict) else None
    return isinstance(rules, list) and any(isinstance(one, dict) and one.get("action") == "Ignore" for one in rules)


def _listed(jobs: Mapping[str, Any]) -> str:
    return ", ".join(sorted(jobs)[:10]) or "none"


def _wrong(job: Object) -> Iterator[tuple[str, str]]:
    """What keeps a Job from being run once, waited for and told of."""
    spec = job.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    pod = template.get("spec") if isinstance(template, dict) else None
    containers = pod.get("containers") if isinstance(pod, dict) else None
    name = job["metadata"]["name"]
    if not isinstance(spec, dict) or not isinstance(pod, dict) or not isinstance(containers, list) or not containers:
        yield "it has no spec.template.spec.containers", ""
        return
    if any(not isinstance(one, dict) or not one.get("image") for one in containers):
        yield "a container of it has no image", ""
    if pod.get("restartPolicy") not in RESTARTS:
        yield "its pods need restartPolicy Never or OnFailure", "Never runs each try in a pod of its own"
    yield from _again(job, pod, containers)
    if len(name) + 1 + RUN > LONGEST:
        yield f"its runs would have names longer than {LONGEST} characters", "choose a shorter name"
    if "ttlSecondsAfterFinished" in spec:
        yield "ttlSecondsAfterFinished would take it away before it is seen", "take it out: the next plan deletes it"
    for field in ("parallelism", "completions"):
        if spec.get(field) not in (None, 1):
            yield f"{field} {spec[field]} is not one run: it would do its work several times", "take it out"
    for field in PER_INDEX:
        if field in spec:
            yield f"{field} is of Jobs that do their work several times", "say backoffLimit"
    for field in ("suspend", "manualSelector"):
        if spec.get(field):
            yield f"{field} cannot be kept for a Job that is run", "take it out"


def _again(job: Object, pod: Object, containers: list[Any]) -> Iterator[tuple[str, str]]:
    """What would begin a run again that failed, where the Job does not say how often that may be."""
    spec = job["spec"]
    if "backoffLimit" in spec:
        limit = spec["backoffLimit"]
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
            yield "backoffLimit is a whole number from 0 on", "0 begins nothing again"
        return
    hint = "say Never, or how often it may be tried: backoffLimit"
    known = [one for one in containers if isinstance(one, dict)]
    restarted = any(one.get("restartPolicy", "Never") != "Never" or "restartPolicyRules" in one for one in known)
    if pod.get("restartPolicy") == "OnFailure" or restarted:
        yield "restartPolicy OnFailure may begin its work twice, and it does not say how often", hint
    if ignores_failures(job):
        yield "podFailurePolicy ignores failures, so its work may begin again, and it does not say how often", hint


def _check_stopped(release: Spec[Release], items: Items, problems: list[Problem]) -> None:
    """What stop_traffic cannot stop would go on beside the steps that rely on it."""
    steps = release.spec.rollback.steps
    number = next((n for n, step in enumerate(steps) if step.action is RollbackAction.STOP_TRAFFIC), None)
    if number is None:
        return
    place = release.place_of("rollback", "steps", number, "action")
    for item, _ in items:
        if goes_on(item):
            message = f"stop_traffic cannot stop {item['kind']} {item['metadata']['name']}: it has no replicas to take"
            hint = "have hooks run it" if is_job(item) else "make it a release of its own"
            problems.append(Problem(place, VALIDATION, message, hint))
        elif claims_go(item, When.SCALED):
            name = item["metadata"]["name"]
            message = f"stop_traffic would delete the data of StatefulSet {name}: its claims go when it is scaled"
            problems.append(Problem(place, VALIDATION, message, f"let its {POLICY} say {When.SCALED}: Retain"))
    if not any(item["kind"] in STOPPED for item, _ in items):
        message = "the source has no Deployment and no StatefulSet that stop_traffic could stop"
        problems.append(Problem(place, VALIDATION, message))
