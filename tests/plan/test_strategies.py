"""A release's steps by its strategy: names from the source alone, the order, and what is said of it."""

from typing import Any

import pytest

from reconciler.names import ObjectRef
from reconciler.plan.canary import bodies
from reconciler.plan.change import Action, ActionKind, Plan, Told
from reconciler.plan.strategies import standing
from reconciler.specs.canaries import canary_of
from reconciler.specs.colours import VERSION
from reconciler.specs.routes import TRACK
from reconciler.state.observed import ObservedObject
from tests.plan.world import DEPLOYMENT, Files, keys, plan, release

PATH = "apps/web/deployment.yaml"
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: front, namespace: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30001}], clusterIP: 10.0.0.9}
"""
CHECK = ", health: {checks: [{http: {url: 'http://front.web.svc/'}}, {tcp: {address: 'db.example:5432'}}]}"


def strategy(delay: str = "10m", checks: str = CHECK, service: str = "front") -> str:
    return f", strategy: {{type: blue_green, blueGreen: {{service: {service}, scaleDownDelay: {delay}}}}}{checks}"


@pytest.fixture
def blue(files: Files) -> Files:
    return files.but({"web.yaml": release("web", more=strategy()), "apps/web/service.yaml": SERVICE})


def objects(files: Files) -> dict[str, Any]:
    return {f"{item['kind']} {item['metadata']['name']}": item for item in files.good.desired.sources["web"].objects}


def version(files: Files) -> str:
    return next(name for name in objects(files) if name.startswith("Deployment")).rpartition("-")[2]


def told(made: Plan) -> list[Told]:
    return [line.told for unit in made.units for line in unit.way]


def said(made: Plan) -> list[list[str]]:
    """What each batch does."""

    def words(action: Action) -> str:
        about = f"{action.object.kind} {action.object.name}" if action.object is not None else action.probe
        return f"{action.kind} {about}{f' of {action.instead}' if action.instead else ''}"

    return [[words(action) for action in batch] for batch in made.batches]


def test_the_workload_is_named_after_its_pods_and_the_service_selects_them(blue: Files) -> None:
    found, hashed = objects(blue), version(blue)
    workload = found[f"Deployment web-{hashed}"]
    assert workload["spec"]["selector"]["matchLabels"] == {"app": "web", VERSION: hashed}
    assert workload["spec"]["template"]["metadata"]["labels"] == {"app": "web", VERSION: hashed}
    assert found["Service front"]["spec"]["selector"] == {"app": "web", VERSION: hashed}
    beside = found[f"Service front-{hashed}"]["spec"]  # nothing in it that only one Service can have
    assert beside == {"ports": [{"port": 80, "targetPort": 8080}], "selector": {"app": "web", VERSION: hashed}}


def test_only_what_pods_are_moves_the_name(blue: Files) -> None:
    first = version(blue)
    assert version(blue.edited(PATH, "replicas: 2", "replicas: 9")) == first
    limits = 'image: "registry.example/web:v1", resources: {limits: {cpu: 1}}'
    assert version(blue.edited(PATH, 'image: "registry.example/web:v1"', limits)) == first
    assert version(blue.edited("apps/web/config.yaml", "a: '1'", "a: '2'")) == first
    assert version(blue.edited(PATH, "value: info", "value: debug")) != first
    assert version(blue.edited(PATH, "web:v1", "web:v2")) != first


def test_who_names_the_workload_follows_it(blue: Files) -> None:
    scaler = (
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\n"
        "spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 5}\n"
    )
    found = objects(blue.but({"apps/web/hpa.yaml": scaler}))
    assert found["HorizontalPodAutoscaler web"]["spec"]["scaleTargetRef"]["name"] == f"web-{version(blue)}"


@pytest.mark.parametrize(
    ("service", "more", "message", "path"),
    [
        ("other", {}, "which the source does not hold", "web.yaml"),
        ("front", {"apps/web/service.yaml": SERVICE.replace("app: web", "app: x")}, "selects no workload", "web.yaml"),
        (
            "front",
            {"apps/web/b.yaml": DEPLOYMENT.replace("{name: web, labels", "{name: b, labels")},
            "several workloads: Deployment b, Deployment web",
            "web.yaml",
        ),
        ("front", {PATH: DEPLOYMENT.replace("Deployment", "StatefulSet")}, "is for a Deployment", PATH),
        ("front", {PATH: DEPLOYMENT.replace("{name: web, labels", f"{{name: {'w' * 60}, labels")}, "longer than", PATH),
    ],
)
def test_what_cannot_be_done_is_a_problem_with_a_place(
    blue: Files, service: str, more: dict[str, str], message: str, path: str
) -> None:
    files = blue.but({"web.yaml": release("web", more=strategy(service=service)), **more})
    problems = files.side.desired.problems
    (problem,) = [one for one in problems if message in one.message]
    assert (problem.place.path, problem.place.line > 0) == (path, True)


def test_a_new_version_is_made_asked_switched_to_asked_waited_for_and_only_then_the_old_one_goes(blue: Files) -> None:
    new = blue.edited(PATH, "web:v1", "web:v2")
    old_hash, new_hash = version(blue), version(new)
    made = plan(new.good, blue.good)
    assert keys(made) == []
    assert said(made) == [
        [f"apply_object Service front-{new_hash}"],
        [f"apply_object Deployment web-{new_hash}"],
        [f"ask health.checks[0] of front-{new_hash}"],
        ["apply_object Service front"],
        ["ask health.checks[0]", "ask health.checks[1]"],
        [f"pause Deployment web-{new_hash}"],
        [f"delete_object Deployment web-{old_hash}"],
        [f"delete_object Service front-{old_hash}"],
    ]
    assert told(made) == [
        Told.BESIDE,
        Told.ASK_BESIDE,
        Told.SWITCH,
        Told.ASK,
        Told.ASK,
        Told.PAUSE,
        Told.LEAVE,
        Told.BACK,
    ]
    assert [one.replaced for one in made.changes if one.operation == "delete"] == [True, True]
    assert "deletion" not in " ".join(made.reasons)


def test_a_return_waits_for_nothing_and_is_one_write_while_the_old_one_stands(blue: Files) -> None:
    new = blue.edited(PATH, "web:v1", "web:v2")
    made = plan(blue.good, new.good, returning=True)
    kinds = {action.kind for batch in made.batches for action in batch}
    assert kinds == {ActionKind.APPLY_OBJECT, ActionKind.DELETE_OBJECT}


def test_a_change_that_makes_no_new_version_switches_nothing(blue: Files) -> None:
    made = plan(blue.edited(PATH, "replicas: 2", "replicas: 9").good, blue.good)
    assert said(made) == [
        [f"apply_object Deployment web-{version(blue)}"],
        ["ask health.checks[0]", "ask health.checks[1]"],
    ]
    assert Told.SWITCH not in told(made)


def test_each_step_is_in_the_digest(blue: Files) -> None:
    """The artifact moves with the spec, so the actions alone are compared."""
    new = blue.edited(PATH, "web:v1", "web:v2")
    longer = {"web.yaml": release("web", more=strategy("11m"))}
    fewer = {
        "web.yaml": release("web", more=strategy(checks=", health: {checks: [{http: {url: 'http://front.web.svc/'}}]}"))
    }

    def steps(more: dict[str, str]) -> list[list[Any]]:
        made = plan(new.but(more).good, blue.but(more).good)
        return [[action.digested() for action in batch] for batch in made.batches]

    assert steps({}) != steps(longer)
    assert steps({}) != steps(fewer)


def test_a_service_that_takes_in_both_versions_is_told(blue: Files) -> None:
    files = blue.but({"apps/web/more.yaml": SERVICE.replace("name: front", "name: metrics")})
    assert "several" not in str(files.side.desired.problems)
    made = plan(files.edited(PATH, "web:v1", "web:v2").good, files.good)
    assert [one.message for one in made.checks if one.message.startswith("Service ")] == [
        "Service web/metrics is not switched: it answers from both versions of front while both stand"
    ]


def test_the_first_switch_warns_that_until_then_the_service_takes_in_both(files: Files) -> None:
    rolling = files.but({"web.yaml": release("web"), "apps/web/service.yaml": SERVICE})
    first = rolling.but({"web.yaml": release("web", more=strategy())})
    words = "Service front selects no version yet: until its first switch it answers from both"
    assert words in [check.message for check in plan(first.good, rolling.good).checks]
    later = plan(first.edited(PATH, "web:v1", "web:v2").good, first.good)
    assert words not in [check.message for check in later.checks]


def test_it_is_said_where_traffic_is(blue: Files) -> None:
    made = plan(blue.edited(PATH, "web:v1", "web:v2").good, blue.good)
    assert [standing(made, batch) for batch in (2, 3, 4)] == [
        "Service front still answers from the version before",
        "Service front may answer from either version: its switch was not seen to end",
        "Service front answers from the new version",
    ]
    assert standing(plan(blue.good, None), 0) == ""


STEPS = "steps: [{weight: 20, pause: 1m}, {weight: 60, pause: 0s}], checks: [{http: {url: 'http://front.web.svc/'}}]"
CANARY = f", strategy: {{type: canary, canary: {{{STEPS}}}}}"
FOUR = DEPLOYMENT.replace("replicas: 2", "replicas: 4")
REF = ObjectRef("apps", "v1", "Deployment", "web", "web-canary")


@pytest.fixture
def shared(files: Files) -> Files:
    more = {"web.yaml": release("web", more=CANARY), "apps/web/service.yaml": SERVICE, PATH: FOUR}
    return files.but(more)


def looked(files: Files, **more: Any) -> dict[str, Any]:
    """What a look says of the canary."""
    (body,) = bodies(files.good.desired.sources["web"].objects, files.good.desired.releases["web"].spec.strategy.canary)
    return {"extra": {"web": [ObservedObject(REF, **{"exists": False, "result": body, **more})]}}


def test_a_canary_grows_step_by_step_and_the_old_pods_are_touched_last(shared: Files) -> None:
    new = shared.edited(PATH, "web:v1", "web:v2")
    made = plan(new.good, shared.good, **looked(new))
    assert keys(made) == []
    assert said(made) == [
        ["apply_object Deployment web-canary"],
        ["pause Deployment web-canary"],
        ["ask strategy.canary.checks[0]"],
        ["apply_object Deployment web-canary"],
        ["ask strategy.canary.checks[0]"],
        ["apply_object Deployment web"],
        ["delete_object Deployment web-canary"],
    ]
    first, second, left = (one for batch in made.batches for one in batch if one.canary)
    assert (first.replicas, second.replicas, first.pre, left.post) == (1, 3, "", "")
    assert (second.pre, left.pre) == (first.post, second.post)  # each finds what the one before left (G20)
    shares = [dict(line.values) for unit in made.units for line in unit.way if line.told is Told.SHARE]
    assert shares == [
        {"weight": 20, "of": 4, "pods": 1, "share": 20},
        {"weight": 60, "of": 4, "pods": 3, "share": 43},
    ]


def test_a_canary_is_the_new_pods_under_a_name_and_a_label_of_its_own(shared: Files) -> None:
    (stable,) = (one for name, one in objects(shared).items() if name == "Deployment web")
    found = canary_of(stable, 3)
    assert (found["metadata"]["name"], found["spec"]["replicas"]) == ("web-canary", 3)
    assert found["spec"]["selector"]["matchLabels"] == {"app": "web", TRACK: "canary"}
    assert found["spec"]["template"]["metadata"]["labels"] == {"app": "web", TRACK: "canary"}
    assert found["spec"]["template"]["spec"] == stable["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("old", "new"), [("replicas: 4", "replicas: 5"), ("labels: {app: web}}\nspec", "labels: {a: b}}\nspec")]
)
def test_what_changes_no_pods_needs_no_canary(shared: Files, old: str, new: str) -> None:
    changed = shared.edited(PATH, old, new)
    made = plan(changed.good, shared.good, **looked(changed))
    assert said(made) == [["apply_object Deployment web"]]


def test_the_first_version_and_a_return_need_no_canary(shared: Files) -> None:
    assert not [one for batch in plan(shared.good, None, **looked(shared)).batches for one in batch if one.canary]
    new = shared.edited(PATH, "web:v1", "web:v2")
    back = plan(shared.good, new.good, returning=True, **looked(shared))
    assert said(back) == [["apply_object Deployment web"]]


def test_a_canary_that_was_left_behind_goes_on_or_goes_away(shared: Files) -> None:
    new = shared.edited(PATH, "web:v1", "web:v2")
    stands = {"exists": True, "uid": "7", "owner": "web", "live": {"spec": {"replicas": 1}}}
    (first, *_, left) = (
        one for b in plan(new.good, shared.good, **looked(new, **stands)).batches for one in b if one.canary
    )
    assert (first.uid, left.uid, bool(first.pre)) == ("7", "7", True)
    gone = plan(shared.edited("apps/web/config.yaml", "'1'", "'2'").good, shared.good, **looked(shared, **stands))
    assert said(gone)[-1] == ["delete_object Deployment web-canary"]


def test_a_stranger_under_the_canary_s_name_blocks(shared: Files) -> None:
    new = shared.edited(PATH, "web:v1", "web:v2")
    made = plan(new.good, shared.good, **looked(new, exists=True, uid="7", owner=""))
    assert keys(made) == ["owned_by_another"]


SIZER = """\
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: web}
spec: {targetRef: {kind: Deployment, name: web}}
"""
TAKEN = FOUR.replace("name: web, labels", "name: web-canary, labels").replace("app: web", "app: c")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"apps/web/vpa.yaml": SIZER}, "beside VerticalPodAutoscaler web, which sizes pods"),
        ({"apps/web/service.yaml": SERVICE.replace("app: web", "app: x")}, "here: none"),
        ({PATH: DEPLOYMENT.replace("Deployment", "StatefulSet")}, "here: StatefulSet web"),
        ({"apps/web/c.yaml": TAKEN}, "is taken"),
    ],
)
def test_what_a_canary_cannot_do_is_a_problem_with_a_place(shared: Files, more: dict[str, str], message: str) -> None:
    (problem,) = shared.but(more).side.desired.problems
    assert message in problem.message
    assert (problem.place.path, problem.place.line > 0) == ("web.yaml", True)


def test_it_is_said_that_a_canary_still_stands(shared: Files) -> None:
    new = shared.edited(PATH, "web:v1", "web:v2")
    made = plan(new.good, shared.good, **looked(new))
    assert [bool(standing(made, batch)) for batch in range(7)] == [True] * 6 + [False]


def test_a_preview_says_how_it_is_told_that_what_it_applies_is_ready(files: Files) -> None:
    widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 1}\n"
    of_kind = "group: example.com, kind: {}, ready: status.phase == 'Up'"
    said = f"{{{of_kind.format('Widget')}, failed: has(status.error)}}, {{{of_kind.format('Gadget')}}}"
    more = f", health: {{readiness: [{said}]}}"
    gadget = widget.replace("Widget", "Gadget")
    before = files.but({"web.yaml": release("web", more=more), "apps/web/g.yaml": gadget, "apps/web/w.yaml": widget})
    made = plan(before.edited("apps/web/w.yaml", "size: 1", "size: 2").good, before.good)
    assert keys(made) == []
    (line,) = made.units[0].way
    assert line.told is Told.READY_OR_FAILED
    shown = {"kind": "Widget.example.com", "ready": "status.phase == 'Up'", "failed": "has(status.error)"}
    assert dict(line.values) == shown
