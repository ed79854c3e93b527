"""What is desired and how it stands, for doors: get, describe, tree, events, timeline, tasks. It only reads.

States are the words of events.yaml. A secret is shown as its reference, sealed text as such.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from reconciler.app.operations import task_of
from reconciler.doors.advice import advice
from reconciler.doors.reading import Json, Reading
from reconciler.doors.releases import versions
from reconciler.doors.specs import spec_json
from reconciler.doors.traffic import Stopped
from reconciler.errors import Refused
from reconciler.git.trees import entries
from reconciler.machine.ledger import RolloutState, UnitState
from reconciler.machine.stages import Stage
from reconciler.machine.words import word_of
from reconciler.names import SHORT, UnitKind, UnitRef
from reconciler.report.timeline import Question, timeline
from reconciler.specs.desired import Desired
from reconciler.specs.kinds import Kind
from reconciler.state.event import Event

TABLES: Mapping[Kind, str] = {
    Kind.PROJECT: "projects",
    Kind.ROLE: "roles",
    Kind.USER: "users",
    Kind.ROLE_BINDING: "bindings",
    Kind.CREDENTIAL: "credentials",
    Kind.HOST: "hosts",
    Kind.ENVIRONMENT: "environments",
    Kind.CLUSTER: "clusters",
    Kind.SERVICE: "services",
    Kind.RELEASE: "releases",
}
UNITS: Mapping[Kind, UnitKind] = {
    Kind.RELEASE: UnitKind.RELEASE,
    Kind.ENVIRONMENT: UnitKind.ENVIRONMENT,
    Kind.CLUSTER: UnitKind.CLUSTER,
}
# With a task's id in it: what hosts did, and runs of Jobs.
STEP_ACTIONS = frozenset(
    {
        *("install_step_succeeded", "install_step_failed", "install_step_started"),
        *("deploy_apply_succeeded", "deploy_apply_failed"),
    }
)
SHORTEST = 3  # characters of a kind's name
RECENT = 10  # events of a description


def kind_named(text: str) -> Kind:
    """A kind by its name in any case, singular, plural or as much of it as names one. Raises Refused."""
    word = text.lower().replace("-", "").replace("_", "")
    found = [kind for kind in TABLES if len(word) >= SHORTEST and f"{kind.lower()}s".startswith(word)]
    exact = [kind for kind in found if word in {kind.lower(), f"{kind.lower()}s"}]
    if len(exact or found) == 1:
        return (exact or found)[0]
    known = ", ".join(kind.lower() for kind in TABLES)
    raise Refused(f"reading {text[:60]}: there is no such kind", key="validation_error", hint=f"one of {known}")


def specs_of(reading: Reading, kind: Kind) -> list[Json]:
    """Every spec of a kind on the tracked branch, by name, with its state where it is a unit."""
    desired = reading.desired()
    table = TABLES[kind]
    known = versions(reading) if kind is Kind.RELEASE else {}
    away = reading.stopped() if kind is Kind.RELEASE else {}
    rows = [
        {**spec_json(desired, table, name), **_standing(reading, kind, name, away), **known.get(name, {})}
        for name in getattr(desired, table)
    ]
    gone = _gone(reading, kind, getattr(desired, table), away)
    return [*sorted(rows, key=lambda row: str(row["name"])), *gone]


def described(reading: Reading, kind: Kind, name: str) -> Json:
    """One spec with everything known about it. Raises Refused where there is none of this name."""
    row = next((row for row in specs_of(reading, kind) if row["name"] == name), None)
    if row is None:
        keys = {Kind.ENVIRONMENT: "environment_not_found", Kind.CLUSTER: "cluster_not_found"}
        raise Refused(
            f"describing {kind} {name[:80]}: there is none on {reading.settings.branch}",
            key=keys.get(kind, "release_not_found" if kind is Kind.RELEASE else "validation_error"),
            hint=f"`reconciler get {kind.lower()}` lists them",
        )
    questions = {Kind.RELEASE: Question(release=name), Kind.ENVIRONMENT: Question(environment=name)}
    question = questions.get(kind)
    rows = timeline(reading.events, question)[-RECENT:] if question is not None else ()
    problems = [
        {"key": one.key, "message": one.message, "path": one.place.path, "line": one.place.line}
        for one in reading.desired().problems
        if one.place.path == row["path"]
    ]
    return {**row, "problems": problems, "events": [one.to_json() for one in rows]}


def tree(reading: Reading) -> list[Json]:
    """Environments with their hosts, clusters and releases, and how each stands."""
    desired = reading.desired()
    away = reading.stopped()
    return [_branch(reading, desired, name, away) for name in sorted(desired.environments)]


def events(reading: Reading) -> list[Json]:
    """Every event of the audit, oldest first, without the entries that only machines read."""
    return [_event(event) for event in reading.events]


def rows(reading: Reading, *, release: str = "", environment: str = "", ticket: str | int = "") -> Sequence[Any]:
    """The timeline's rows that answer a question, oldest first."""
    return timeline(reading.events, Question(release=release, environment=environment, ticket=ticket))


def tasks(reading: Reading) -> list[Json]:
    """Everything that ran or runs on hosts, and what ran Jobs, newest first."""
    steps: dict[str, list[Event]] = {}
    for event in reading.events:
        task = event.detail.get("task_id")
        if event.action in STEP_ACTIONS and isinstance(task, str):
            steps.setdefault(task, []).append(event)
    found = {
        task_of(state.passed.environment, state.passed.generation): state for state in reading.ledger.rollouts.values()
    }
    made = [
        _task(task, state, steps.get(task, [])) for task, state in found.items() if _on_hosts(state, steps.get(task))
    ]
    return sorted(made, key=lambda one: str(one["started_at"]), reverse=True)


def task(reading: Reading, name: str) -> Json:
    """One task with its steps. Raises Refused where there is none."""
    found = next((one for one in tasks(reading) if one["task"] == name), None)
    if found is None:
        raise Refused(
            f"reading task {name[:80]}: there is none", key="install_task_not_found", hint="`reconciler task list`"
        )
    return found


def logs(reading: Reading, name: str, host: str = "") -> Iterator[tuple[str, str]]:
    """The logs of a task as (file, text), by host and hook or by release and run, as they were written and masked."""
    task(reading, name)
    prefix = f"tasks/{name}/"
    audit = reading.audit
    for entry in entries(reading.view.mirror.repository, audit) if audit is not None else ():
        if entry.path.startswith(prefix) and entry.path.removeprefix(prefix).startswith(host):
            content = reading.view.mirror.repository.blob(entry.blob, 64 * 1024 * 1024) or b""
            yield entry.path.removeprefix(prefix), content.decode(errors="replace")


def state_of(reading: Reading, unit: str) -> str:
    """One word of events.yaml for a unit."""
    held = reading.ledger.holds.get(unit)
    state = reading.ledger.units.get(unit)
    word = _word(reading, unit, state)
    if state is not None and state.accepted.suspended and state.outcome:
        word = f"{Stage.APPROVED} (suspended)"  # nothing of it was done, whatever runs
    return f"{word} (held)" if held is not None and held.until > reading.clock.now() else word


def _word(reading: Reading, unit: str, state: UnitState | None) -> str:
    waiting = any(unit in _units_waiting(reading, ticket) for ticket in reading.ledger.waiting)
    if state is None:
        return "pending_approval" if waiting else "draft"
    return word_of(reading.ledger, state)


def _units_waiting(reading: Reading, ticket: str) -> Iterable[str]:
    preview = reading.ledger.previews.get(ticket)
    waits = set(reading.ledger.waiting[ticket].landed.environments)
    plans = preview.previewed.plans if preview is not None else ()
    return [unit for plan in plans if plan.environment in waits for unit in plan.units]


def _standing(reading: Reading, kind: Kind, name: str, away: Mapping[str, Stopped]) -> Json:
    if kind not in UNITS:
        return {}
    unit = str(UnitRef(UNITS[kind], name))
    state = reading.ledger.units.get(unit)
    found: Json = {
        "state": state_of(reading, unit),
        "accepted": None,
        "successful": None,
        "pending": _pending(reading, unit),
        **(_traffic(unit, away) if kind is Kind.RELEASE else {}),
        "advice": list(advice(reading, unit, away.get(unit))),
    }
    if state is not None:
        found["accepted"] = state.accepted.revision
        found["successful"] = state.successful.revision if state.successful is not None else None
        rollout = reading.ledger.rollouts.get((state.environment, state.generation))
        if rollout is not None:
            found["generation"] = state.generation
            found["ticket"] = rollout.passed.ticket
            found["approved_by"] = list(rollout.passed.approved_by)
            found["message"] = rollout.finished.message if rollout.finished is not None else ""
            found["error_key"] = rollout.finished.key if rollout.finished is not None else ""
    return found


def _traffic(unit: str, away: Mapping[str, Stopped]) -> Json:
    """Whether a way back stopped its traffic, as the records say; empty where it did not."""
    return {"traffic": away[unit].loud if unit in away else ""}


def _pending(reading: Reading, unit: str) -> list[str]:
    """Tickets that are open and would change a unit, as TICKET@digest."""
    open_ones = [
        state
        for ticket, state in sorted(reading.ledger.previews.items())
        if not state.ended and (ticket in reading.ledger.waiting or not _landed(reading, ticket))
    ]
    return [
        f"{state.previewed.ticket}@{state.previewed.digest[:SHORT]}"
        for state in open_ones
        if any(unit in plan.units for plan in state.previewed.plans)
    ]


def _landed(reading: Reading, ticket: str) -> bool:
    return any(one.ticket == ticket for one in reading.ledger.landed.values())


def _gone(reading: Reading, kind: Kind, present: Mapping[str, object], away: Mapping[str, Stopped]) -> list[Json]:
    """Units that were accepted and are not desired any more, until their removal ended well."""
    if kind not in UNITS:
        return []
    found = []
    for unit in sorted(reading.ledger.accepted()):
        ref = UnitRef.parse(unit)
        if ref.kind is UNITS[kind] and ref.name not in present:
            spec: Json = {"kind": str(kind), "name": ref.name, "path": "", "line": 0, "labels": {}, "spec": {}}
            named: Json = {"version": [], "revision": None, "tag": ""} if kind is Kind.RELEASE else {}
            found.append({**spec, **_standing(reading, kind, ref.name, away), **named})
    return found


def _branch(reading: Reading, desired: Desired, name: str, away: Mapping[str, Stopped]) -> Json:
    environment = desired.environments[name].spec
    return {
        "environment": name,
        "tier": environment.tier.value,
        "project": environment.project,
        "team": environment.team,
        "state": state_of(reading, f"environment/{name}"),
        "hosts": [{"host": node.host, "role": node.role.value} for node in environment.nodes],
        "clusters": [
            {"cluster": one.name, "state": state_of(reading, f"cluster/{one.name}")}
            for one in desired.clusters_in(name)
        ],
        "releases": [
            {
                "release": one.name,
                "cluster": one.spec.cluster,
                "version": one.spec.variables.get("image_tag", ""),
                "state": state_of(reading, f"release/{one.name}"),
                **_traffic(f"release/{one.name}", away),
            }
            for one in desired.releases_in(name)
        ],
    }


def _event(event: Event) -> Json:
    return {
        "event_id": event.event_id,
        "domain": event.domain.value,
        "action": event.action,
        "resource_type": event.resource_type,
        "resource_id": event.resource_id,
        "environment_id": event.environment_id,
        "project_id": event.project_id,
        "team_id": event.team_id,
        "actor_id": event.actor_id,
        "actor_type": event.actor_type.value,
        "source": event.source.value,
        "status": event.status.value,
        "severity": event.severity.value,
        "occurred_at": event.occurred_at.isoformat(),
        "detail": {name: value for name, value in event.detail.items() if name != "entry"},
    }


def _on_hosts(state: RolloutState, steps: list[Event] | None) -> bool:
    """Whether a rollout is a task: it did something on a host, or ran Jobs, or runs and may still."""
    installs = any(UnitRef.parse(unit.unit).kind is UnitKind.ENVIRONMENT for unit in state.passed.units)
    return bool(steps) or (installs and state.finished is None and state.passed.batches > 0)


def _task(name: str, state: RolloutState, steps: Sequence[Event]) -> Json:
    ended = state.finished
    words: Callable[[str], str] = lambda outcome: "succeeded" if outcome in {"applied", "no_change"} else outcome  # noqa: E731
    status = words(ended.outcome) if ended is not None else "running" if state.batch >= 0 else "pending"
    return {
        "task": name,
        "environment": state.passed.environment,
        "generation": state.passed.generation,
        "status": status,
        "ticket": state.passed.ticket,
        "approved_by": list(state.passed.approved_by),
        "started_at": _time(state.started_at),
        "error_key": ended.key if ended is not None else "",
        "message": ended.message if ended is not None else "",
        "steps": [_step(step) for step in steps],
    }


def _step(event: Event) -> Json:
    names = ("host_id", "step_name", "exit_code", "duration_ms", "stderr_excerpt", "log", "error_key", "outputs")
    found = {name: event.detail.get(name) for name in names}
    found["host_id"] = found["host_id"] or event.detail.get("cluster_id")  # where it ran
    return {"at": _time(event.occurred_at), "status": event.status.value, **found}


def _time(moment: datetime) -> str:
    return moment.isoformat()
