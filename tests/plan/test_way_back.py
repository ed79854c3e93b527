"""Ways back by steps of their own: what is done in which order, what is said of it, and what has to hold for it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from reconciler.names import ObjectRef
from reconciler.plan.ask import Side
from reconciler.plan.change import Line, Operation, Plan, Ungranted
from reconciler.plan.jobs import TRIED
from reconciler.plan.units import object_in, ref_of
from reconciler.plan.way_back import (
    Leaving,
    least_of_autoscaler,
    least_pods,
    leaving,
    only_numbers,
    own_pods,
    pods_of,
)
from reconciler.state.observed import Failure, Lacking, Observed, ObservedObject
from tests.plan.world import DEPLOYMENT, WEB, Edit, Files, config, plan, release, seen

TRIED_RUN = ObservedObject(ObjectRef("batch", "v1", "Job", "web", f"down-{TRIED}"), exists=False)
STOP = "{action: stop_traffic, timeout: 2m}"
MIGRATE = "{action: migrate_database, job: down, reversible: true, timeout: 3m}"
LOSING = "{action: migrate_database, job: down}"
BACK, RESTORE, VERIFY = "{action: roll_back}", "{action: restore_traffic, timeout: 4m}", "{action: verify}"
ALL = (STOP, MIGRATE, BACK, RESTORE, VERIFY)
ASKS = "[{http: {url: 'https://web.example/healthz'}}, {tcp: {address: 'web.example:443'}}]"
JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {name: down}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: it, image: "registry.example/db:v1"}]}}}
"""
HOURLY = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: hourly}
spec:
  schedule: "0 * * * *"
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: it, image: "registry.example/web:v1"}]}}}
"""


def stepped(files: Files, *steps: str, asks: str = ASKS, more: Mapping[str, str | None] | None = None) -> Files:
    """The next version: another image, and a way back by these steps."""
    said = f", rollback: {{success: {asks}, steps: [{', '.join(steps)}]}}"
    new = files.edited("apps/web/deployment.yaml", "web:v1", "web:v2")
    return new.but({"web.yaml": release("web", more=said), "apps/web/job.yaml": JOB, **(more or {})})


def left_by(new: Files, done: frozenset[int] = frozenset()) -> Leaving:
    """How that version is left."""
    side = new.side
    found = leaving(side.desired.releases["web"].spec, side.desired.sources["web"].jobs, done)
    assert found is not None
    return found


def looked(
    side: Side,
    live: Side,
    *lacking: str,
    run: ObservedObject | None = TRIED_RUN,
    extra: tuple[ObservedObject, ...] = (),
    edit: Mapping[str, Edit] | None = None,
) -> Observed:
    """What is seen where `live` was applied; the credential lacks rights on these kinds."""
    found = seen(side, live, edit=edit, extra={"web": (*((run,) if run is not None else ()), *extra)})
    one = found.clusters["one"]
    rights = tuple(Lacking("list", "", kind, "web", f"list {kind}") for kind in lacking)
    releases = {**one.releases, "web": replace(one.releases["web"], lacking=rights)}
    return replace(found, clusters={"one": replace(one, releases=releases)})


def back(old: Files, new: Files, *lacking: str, done: frozenset[int] = frozenset(), **looks: Any) -> Plan:
    """The plan from the next version to the old one."""
    observed = looked(old.good, new.side, *lacking, **looks)
    return plan(old.good, new.side, leaving={WEB: left_by(new, done)}, observed=observed)


def forth(old: Files, new: Files, *lacking: str, **looks: Any) -> Plan:
    """The plan that the next version is approved by."""
    return plan(new.side, old.good, observed=looked(new.side, old.good, *lacking, **looks))


def words(made: Plan) -> list[str]:
    """Every action in order: its step, what is done to what, how many pods it gets, and how long it may take."""
    found = []
    for batch in made.batches:
        assert len({one.step for one in batch}) == 1, "no step begins before the one before it is done"
        for one in batch:
            if one.object is None:
                found.append(f"{one.step} {one.kind} {one.probe}")
                continue
            pods = f" {pods_of(one)} pods" if one.kind == "restore_traffic" else ""
            more = (", without pods" if one.stopped else "") + ("" if one.uid else ", new")
            found.append(f"{one.step} {one.kind} {object_in(one)}{pods}, {one.seconds}s{more}")
    return found


def said(made: Plan) -> list[str]:
    """What stands in the way of going back, or is to be known of it."""
    mine = [one for one in made.checks if one.unit == "release/web"]
    noise = ("by this version", "pinned by digest", "as plain text")
    return [f"{one.key or one.severity}: {one.message}" for one in mine if not any(n in one.message for n in noise)]


def of_the_way(made: Plan) -> list[str]:
    return [one for one in said(made) if "the way back of" in one]


def told(lines: Iterable[Line]) -> list[str]:
    """What a preview says, line by line."""
    return [": ".join([one.told, *(f"{key} {value}" for key, value in one.values)]) for one in lines]


def named(text: str, name: str, more: str = "") -> str:
    """The same object by another name."""
    return text.replace("{name: web", f"{{name: {name}{more}", 1)


def test_each_step_is_done_after_the_one_before_it_and_in_its_time(files: Files) -> None:
    """One workload stays, one goes, one comes, and one runs every hour; what has no pods is not stopped."""
    old = files.but({"apps/web/hourly.yaml": HOURLY, "apps/web/came.yaml": named(DEPLOYMENT, "came")})
    more = {"apps/web/came.yaml": None, "apps/web/goes.yaml": named(DEPLOYMENT, "goes"), "apps/web/config.yaml": None}
    made = back(old, stepped(old, *ALL, more=more))
    assert words(made) == [
        "1 stop_traffic CronJob.batch web/hourly, 120s",
        "1 stop_traffic Deployment.apps web/goes, 120s",
        "1 stop_traffic Deployment.apps web/web, 120s",
        "2 run_job Job.batch web/down, 180s, without pods, new",
        "3 apply_object ConfigMap web/settings, 600s, without pods, new",
        "3 apply_object Deployment.apps web/came, 600s, without pods, new",
        "3 apply_object Deployment.apps web/web, 600s, without pods",
        "3 delete_object Deployment.apps web/goes, 600s, without pods",
        "4 restore_traffic CronJob.batch web/hourly None pods, 240s",
        "4 restore_traffic Deployment.apps web/came 2 pods, 240s, new",
        "4 restore_traffic Deployment.apps web/web 2 pods, 240s",
        "5 ask rollback.success[0]",
        "5 ask rollback.success[1]",
    ]
    assert said(made) == []
    names = [dict(one.values).get("names") for one in made.units[0].way]
    assert names[0] == "Deployment.apps web/goes, Deployment.apps web/web, CronJob.batch web/hourly (suspended)"
    assert names[3] == "Deployment.apps web/came, Deployment.apps web/web, CronJob.batch web/hourly"


def test_the_checks_of_the_version_that_comes_back_do_not_stand_in_its_way(files: Files) -> None:
    """They would be asked while nothing runs that could answer; verify asks what is left says."""
    checks = ", health: {checks: [{http: {url: 'https://web.example/ready'}}]}"
    old = files.but({"web.yaml": release("web", more=checks)})
    found = [one for one in words(back(old, stepped(files, *ALL))) if " ask " in one]
    assert found == ["5 ask rollback.success[0]", "5 ask rollback.success[1]"]


def test_what_was_done_is_not_done_again(files: Files) -> None:
    asks = ["5 ask rollback.success[0]", "5 ask rollback.success[1]"]
    rest = "4 restore_traffic Deployment.apps web/web 2 pods, 240s"
    applied = "3 apply_object Deployment.apps web/web, 600s, without pods"
    assert words(back(files, stepped(files, *ALL), done=frozenset({1, 2}))) == [applied, rest, *asks]
    assert words(back(files, stepped(files, *ALL), done=frozenset({1, 2, 3, 4}))) == asks


def test_what_is_never_stopped_is_rolled_back_with_its_pods(files: Files) -> None:
    assert words(back(files, stepped(files, MIGRATE, BACK, asks="[]"))) == [
        "1 run_job Job.batch web/down, 180s, new",
        "2 apply_object Deployment.apps web/web, 600s",
    ]


def test_what_is_let_go_of_gets_its_pods_before_it_is_nobodys(files: Files) -> None:
    kept = named(DEPLOYMENT, "kept", ", annotations: {opspilot.spec/prune: disabled}")
    settings = config("kept").replace("kept,", "kept, annotations: {opspilot.spec/prune: disabled},")
    more = {"apps/web/kept.yaml": kept, "apps/web/more.yaml": settings, "apps/web/job.yaml": None}
    made = back(files, stepped(files, STOP, BACK, RESTORE, asks="[]", more=more))
    assert words(made) == [
        "1 stop_traffic Deployment.apps web/kept, 120s",
        "1 stop_traffic Deployment.apps web/web, 120s",
        "2 apply_object Deployment.apps web/web, 600s, without pods",
        "2 forget_object ConfigMap web/kept, 600s, without pods",
        "3 restore_traffic Deployment.apps web/kept None pods, 240s",
        "3 restore_traffic Deployment.apps web/web 2 pods, 240s",
        "3 forget_object Deployment.apps web/kept, 240s",
    ]
    assert [one.kind for one in made.batches[-1]] == ["forget_object"]
    more = {"apps/web/kept.yaml": kept}
    assert words(back(files, stepped(files, MIGRATE, BACK, asks="[]", more=more))) == [
        "1 run_job Job.batch web/down, 180s, new",
        "2 apply_object Deployment.apps web/web, 600s",
        "2 forget_object Deployment.apps web/kept, 600s",
    ]


def test_what_is_made_anew_gets_its_pods_under_its_new_uid(files: Files) -> None:
    """What cannot be changed is deleted on the way, and made again."""
    old = files.edited(
        "apps/web/deployment.yaml", "{name: web,", "{name: web, annotations: {opspilot.spec/replace: allowed},"
    )
    fails = {"failure": Failure("release_apply_failed", "field is immutable"), "replaceable": True}
    edit = {"Deployment.apps web/web": lambda item: replace(item, **fails)}
    assert words(back(old, stepped(old, STOP, MIGRATE, BACK, RESTORE, asks="[]"), edit=edit))[2:] == [
        "3 delete_object Deployment.apps web/web, 600s, without pods",
        "3 apply_object Deployment.apps web/web, 600s, without pods, new",
        "4 restore_traffic Deployment.apps web/web 2 pods, 240s, new",
    ]


def test_the_preview_says_what_each_step_does(files: Files) -> None:
    old = files.but({"apps/web/hourly.yaml": HOURLY})
    new = stepped(old, STOP, MIGRATE, LOSING, BACK, RESTORE, VERIFY)
    made = back(old, new)
    assert told(made.units[0].way) == [
        "step_stop: names Deployment.apps web/web, CronJob.batch web/hourly (suspended): time 2m",
        "step_migrate: job Job.batch web/down: time 3m",
        "step_migrate_losing: job Job.batch web/down: time 10m",
        "step_roll_back: time 10m",
        "step_restore: names Deployment.apps web/web, CronJob.batch web/hourly: time 4m",
        "step_verify: what GET https://web.example/healthz: 200: time 10m",
        "step_verify: what TCP web.example:443: time 10m",
    ]
    assert made.units[0].ungranted is Ungranted.GOES_BACK
    assert [(one.subject, one.reversible) for one in made.changes if one.operation is Operation.RUN] == [
        ("Job.batch web/down (rollback.steps[1]: migrate_database)", True),
        ("Job.batch web/down (rollback.steps[2]: migrate_database)", False),
        ("stop_traffic: CronJob.batch web/hourly", True),
        ("stop_traffic: Deployment.apps web/web", True),
    ]
    nothing = back(old, stepped(old, MIGRATE, BACK, VERIFY, asks="[]"))
    assert told(nothing.units[0].way) == [
        "step_migrate: job Job.batch web/down: time 3m",
        "step_roll_back: time 10m",
        "step_ready",
    ]
    empty = "release/web: the step verify asks nothing, for rollback.success is empty: readiness alone counts"
    assert said(nothing) == [f"warning: {empty}"]


def test_what_is_accepted_says_how_it_would_be_gone_back_from(files: Files) -> None:
    made = forth(files, stepped(files, *ALL))
    assert (made.units[0].ungranted, said(made)) == (None, [])
    assert [one.told for one in made.units[0].back] == [
        "step_stop",
        "step_migrate",
        "step_roll_back",
        "step_restore",
        "step_verify",
        "step_verify",
    ]
    losing = forth(files, stepped(files, LOSING, BACK, asks="[]"))
    assert losing.units[0].ungranted is Ungranted.IRREVERSIBLE
    warned = "warning: release/web: no return is granted: Job down of its way back is not said to be reversible"
    assert said(losing) == [warned]
    new = stepped(files, LOSING, BACK, asks="[]")
    automatic = new.edited("web.yaml", "{success: []", "{automatic: true, success: []")
    assert said(forth(files, automatic)) == [f"{warned}; a failed rollout stays as it is"]


def test_a_first_version_has_nothing_to_go_back_to_and_says_nothing_of_it(files: Files) -> None:
    new = stepped(files, LOSING, BACK, asks="[]")
    nothing = Files(files.but({"web.yaml": None}).content, files.reader, files.cache)
    made = plan(new.side, nothing.good, observed=looked(new.side, nothing.good))
    (unit,) = (one for one in made.units if one.unit == "release/web")
    assert (unit.back, unit.ungranted) == ((), Ungranted.IRREVERSIBLE)
    assert not any("no return" in one for one in said(made))


def test_where_nothing_is_to_be_done_nothing_is_said_of_going_back(files: Files) -> None:
    new = stepped(files, LOSING, BACK, asks="[]").edited("apps/web/deployment.yaml", "web:v2", "web:v1")
    made = forth(files, new)
    assert (made.units[0].back, made.units[0].ungranted, said(made)) == ((), None, [])


def test_g21_a_plan_that_changes_no_object_shows_the_way_back_that_its_approval_grants(files: Files) -> None:
    for migrate, ungranted in ((MIGRATE, None), (LOSING, Ungranted.IRREVERSIBLE)):
        new = stepped(files, migrate, BACK, asks="[]")
        failed = {"otherwise": {WEB: files.good}, "unfinished": frozenset({WEB})}
        again = new.edited("web.yaml", "rollback: {", "onRemoval: forget, rollback: {")
        made = plan(again.side, new.good, observed=looked(again.side, new.good), **failed)
        assert (made.batches, len(made.units[0].back), made.units[0].ungranted) == ((), 2, ungranted)


def test_g21_no_return_is_granted_that_would_go_forward_by_the_steps_of_an_older_version(files: Files) -> None:
    new = stepped(files, *ALL)
    made = plan(new.side, files.good, observed=looked(new.side, files.good), older=frozenset({WEB}))
    assert (made.units[0].back, made.units[0].ungranted, bool(made.batches)) == ((), Ungranted.OLDER, True)


def test_where_its_release_was_not_seen_nothing_is_planned_and_that_is_said(files: Files) -> None:
    new = stepped(files, *ALL)
    found = looked(files.good, new.side)
    unseen = replace(found, clusters={"one": replace(found.clusters["one"], releases={})})
    made = plan(files.good, new.side, leaving={WEB: left_by(new)}, observed=unseen)
    assert said(made) == ["cluster_connect_failed: looking at cluster one: it was not looked at"]
    assert not made.batches


MISSING: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "its pods cannot be counted": (ALL, ("pods",), "list pods"),
    "nor its Jobs": (ALL, ("jobs",), "list jobs"),
    "nothing can be asked": (ALL, ("services/proxy",), "list services/proxy"),
}


@pytest.mark.parametrize(("steps", "lacking", "right"), MISSING.values(), ids=MISSING)
def test_a_right_that_a_step_needs_is_known_before_anybody_approves(
    files: Files, steps: tuple[str, ...], lacking: tuple[str, ...], right: str
) -> None:
    new = stepped(files, *steps)
    words = "the way back of release/web could not be gone: on cluster one the credential may not"
    expected = [f"cluster_permission_insufficient: {words} {right}"]
    assert of_the_way(back(files, new, *lacking)) == expected
    assert of_the_way(forth(files, new, *lacking)) == expected


def test_a_right_that_no_step_needs_is_not_asked_for(files: Files) -> None:
    assert of_the_way(back(files, stepped(files, MIGRATE, BACK, VERIFY), "pods", "jobs")) == []
    assert of_the_way(back(files, stepped(files, *ALL[:4], asks="[]"), "services/proxy")) == []
    assert of_the_way(back(files, stepped(files, *ALL, asks="[]"), "services/proxy")) == []


def test_a_job_that_could_not_be_made_is_known_before_anybody_approves(files: Files) -> None:
    new = stepped(files, *ALL)
    observed = looked(old := files.good, new.side, run=None)
    made = plan(old, new.side, leaving={WEB: left_by(new)}, observed=observed)
    assert said(made) == ["cluster_connect_failed: looking at Job down: it was not looked at"]
    done = plan(old, new.side, leaving={WEB: left_by(new, frozenset({1, 2}))}, observed=observed)
    assert said(done) == []


@pytest.mark.parametrize(("owner", "exists", "blocks"), [("web", True, True), ("", True, False), ("web", False, False)])
def test_pods_of_its_own_that_nobody_can_stop_stand_in_the_way(
    files: Files,
    owner: str,
    exists: bool,  # noqa: FBT001
    blocks: bool,  # noqa: FBT001
) -> None:
    ref = ObjectRef("apps", "v1", "DaemonSet", "web", "agent")
    there = ObservedObject(ref, exists=exists, uid="u", owner=owner)
    found = [one for one in said(back(files, stepped(files, *ALL), extra=(there,))) if "cannot stop" in one]
    message = f"release_state_invalid: stop_traffic cannot stop {ref}, which runs there: it has no replicas to take"
    assert found == ([message] if blocks else [])
    assert not any(
        "cannot stop" in one for one in said(back(files, stepped(files, MIGRATE, BACK, asks="[]"), extra=(there,)))
    )


def body(replicas: Any = None, kind: str = "Deployment", **spec: Any) -> dict[str, Any]:
    number = {} if replicas is None else {"replicas": replicas}
    return {"kind": kind, "metadata": {"name": "web", "namespace": "web"}, "spec": {**number, **spec}}


def scaler(least: Any = 3, kind: str = "Deployment", name: str = "web", namespace: str = "web") -> dict[str, Any]:
    spec = {"scaleTargetRef": {"kind": kind, "name": name}, **({} if least is None else {"minReplicas": least})}
    return {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "x", "namespace": namespace}, "spec": spec}


# what its source says, what else it holds; its own number, the fewest of an autoscaler, and where nobody knows
NUMBERS: dict[str, tuple[dict[str, Any], list[Any], tuple[int | None, int | None, int]]] = {
    "a number": (body(4), [], (4, None, 4)),
    "none": (body(0), [], (0, None, 1)),
    "nothing": (body(), [], (None, None, 1)),
    "no number": (body("4"), [], (None, None, 1)),
    "yes": (body(replicas=True), [], (None, None, 1)),
    "an autoscaler has it": (body(4), [scaler()], (None, 3, 3)),
    "an autoscaler that says no number": (body(4), [scaler(None)], (None, 1, 1)),
    "an autoscaler that may leave none": (body(4), [scaler(0)], (None, 1, 1)),
    "an autoscaler that says nonsense": (body(4), [scaler("3")], (None, 1, 1)),
    "an autoscaler of another": (body(4), [scaler(name="other")], (4, None, 4)),
    "an autoscaler of another kind": (body(4), [scaler(kind="StatefulSet")], (4, None, 4)),
    "an autoscaler elsewhere": (body(4), [scaler(namespace="other")], (4, None, 4)),
    "no autoscaler": (body(4), [{**scaler(), "kind": "ScaledObject"}], (4, None, 4)),
    "an autoscaler of nothing": (body(4), [{**scaler(), "spec": {}}, {**scaler(), "spec": None}], (4, None, 4)),
    "a CronJob goes": (body(kind="CronJob", suspend=False), [], (1, None, 1)),
    "a CronJob rests": (body(kind="CronJob", suspend=True), [], (0, None, 1)),
    "a CronJob says nothing": (body(kind="CronJob"), [], (None, None, 1)),
}


@pytest.mark.parametrize(("said", "more", "numbers"), NUMBERS.values(), ids=NUMBERS)
def test_how_many_pods_a_source_says(
    said: dict[str, Any], more: list[Any], numbers: tuple[int | None, int | None, int]
) -> None:
    objects = {ref_of({"apiVersion": "x/v1", **one}): one for one in (said, *more)}
    found = (own_pods(said, objects), least_of_autoscaler(said, objects.values()), least_pods(said, objects))
    assert found == numbers


SAME: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "nothing": (body(2), body(2), True),
    "a number of pods": (body(2), body(5), True),
    "a number that one does not say": (body(2), body(), True),
    "more than that": (body(2), body(5, paused=True), False),
    "a number of something else": (body(2, "Widget"), body(5, "Widget"), False),
    "no spec": ({**body(), "spec": None}, {**body(), "spec": None}, True),
    "one without a spec": ({**body(), "spec": None}, body(), False),
}


@pytest.mark.parametrize(("one", "other", "same"), SAME.values(), ids=SAME)
def test_versions_that_differ_in_numbers_of_pods_are_one(
    one: dict[str, Any],
    other: dict[str, Any],
    same: bool,  # noqa: FBT001
) -> None:
    assert only_numbers([one], [other]) is same


def test_which_step_stops_the_traffic_and_whether_it_is_away(files: Files) -> None:
    late = stepped(files, *ALL)
    assert (left_by(late).stop, left_by(late).stops) == (1, True)
    assert left_by(late, frozenset({1, 2, 3})).stops
    assert not left_by(late, frozenset({1, 2, 3, 4})).stops
    never = left_by(stepped(files, MIGRATE, BACK, asks="[]"))
    assert (never.stop, never.stops) == (0, False)
    assert leaving(files.good.desired.releases["web"].spec, ()) is None
    assert left_by(late).moved


SETS: dict[str, tuple[str, bool]] = {  # what the StatefulSet says, and whether something is said of it
    "in order": ("replicas: 3", True),
    "in order, and others say how many": ("serviceName: web", True),
    "at once": ("replicas: 3, podManagementPolicy: Parallel", False),
    "one pod": ("replicas: 1", False),
}


@pytest.mark.parametrize("way", [forth, back], ids=["accepted", "reverted"])
@pytest.mark.parametrize("stops", [True, False])
@pytest.mark.parametrize(("said", "warned"), SETS.values(), ids=SETS)
def test_pods_that_go_in_order_may_not_go_when_they_are_not_ready(
    files: Files,
    said: str,
    warned: bool,  # noqa: FBT001
    stops: bool,  # noqa: FBT001
    way: Any,
) -> None:
    template = (
        "template: {metadata: {labels: {app: db}}, spec: {containers: [{name: it, image: 'registry.example/db:v1'}]}}"
    )
    spec = f"spec: {{{said}, selector: {{matchLabels: {{app: db}}}}, {template}}}"
    text = f"apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: db}}\n{spec}\n"
    old = files.but({"apps/web/db.yaml": text})
    ref = "StatefulSet.apps web/db"
    ours: Edit = lambda item: replace(item, live={"spec": item.live["spec"]})  # noqa: E731  as a cluster shows it
    made = way(old, stepped(old, *(ALL if stops else (MIGRATE, BACK, VERIFY))), edit={ref: ours})
    message = f"release/web: stop_traffic fails where several pods of {ref} are not ready: they go in order"
    found = [check.message for check in made.checks if "in order" in check.message]
    assert found == ([message] if warned and stops else [])
