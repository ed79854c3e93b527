"""One release against what was seen of it: the turn of each kind, what is shown, found and recorded (G9)."""

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.canonical import digest_of
from reconciler.names import ObjectRef
from reconciler.plan.change import ActionKind, Operation, Severity
from reconciler.plan.mask import mask_object
from reconciler.plan.part import Part
from reconciler.plan.releases import REPLACE, ReleaseAsk, plan_release
from reconciler.specs.chart import ONCE, PRUNE
from reconciler.state.observed import Failure, ObservedObject, ObservedRelease
from tests.plan.world import KEY

TURNS = (
    ("Namespace", "CustomResourceDefinition"),
    ("ConfigMap", "Secret", "ServiceAccount", "PersistentVolumeClaim", "Service"),
    ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"),
    ("Ingress", "HTTPRoute", "HorizontalPodAutoscaler"),
)


def ref(kind: str = "ConfigMap", name: str = "one") -> ObjectRef:
    return ObjectRef("", "v1", kind, "web", name)


def body(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


def stands(which: ObjectRef, live: Any = None, **fields: Any) -> ObservedObject:
    """An object of release web that is as it should be, with whatever is different this time."""
    live = body(a=1) if live is None else live
    return ObservedObject(which, **{"exists": True, "uid": "7", "live": live, "result": live, "owner": "web", **fields})


def missing(which: ObjectRef, result: Any = None) -> ObservedObject:
    return ObservedObject(which, exists=False, result=body(a=1) if result is None else result)


def part(desired: Mapping[ObjectRef, Any], *seen: ObservedObject, **fields: Any) -> Part:
    observed = ObservedRelease("web", {item.ref: item for item in seen})
    given = {"unit": "release/web", "release": "web", "cluster": "one", "desired": desired, "observed": observed}
    return plan_release(ReleaseAsk(**{**given, **fields}), KEY)


def found(value: Any, kind: str = "ConfigMap") -> str:
    """How an action names what it finds or leaves (G20)."""
    return digest_of("object", mask_object(value, KEY, kind=kind))


@pytest.mark.parametrize(("kind", "turn"), [(kind, turn) for turn, kinds in enumerate(TURNS) for kind in kinds])
def test_a_kind_is_applied_in_its_turn_and_deleted_in_the_opposite_one_after_that(kind: str, turn: int) -> None:
    one = ref(kind)
    assert [step.phase for step in part({one: body()}, missing(one)).steps] == [turn]
    assert [step.phase for step in part({}, stands(one)).steps] == [len(TURNS) + len(TURNS) - 1 - turn]


def test_g9_what_is_made_is_shown_field_by_field_and_found_by_nothing() -> None:
    made = part({ref(): body(a=1, b=2)}, missing(ref(), body(a=1, b=2)))
    (change,), (step,), (touched,) = made.changes, made.steps, made.touched
    assert (change.operation, change.restarts) == (Operation.CREATE, False)
    assert [(field.path, field.before, field.after) for field in change.fields] == [
        ("spec", None, {"a": 1, "b": 2}),
    ]
    assert (step.action.pre, step.action.post) == ("", found(body(a=1, b=2)))
    assert touched.state == {"exists": False, "uid": "", "live": None}


def test_g9_what_is_changed_is_shown_where_it_differs_and_found_as_it_was_seen() -> None:
    before, after = body(a=1, b=2), body(a=1, b=3)
    made = part({ref(): after}, stands(ref(), before, result=after))
    (change,), (step,), (touched,) = made.changes, made.steps, made.touched
    assert change.operation is Operation.UPDATE
    assert [(field.path, field.before, field.after) for field in change.fields] == [("spec.b", 2, 3)]
    assert (step.action.uid, step.action.pre, step.action.post) == ("7", found(before), found(after))
    assert touched.state == {"exists": True, "uid": "7", "live": before}


def test_g9_where_a_dry_run_cannot_answer_what_is_sent_is_the_result() -> None:
    made = part({ref(): body(a=2)}, stands(ref(), result=None, known_after_apply=True))
    assert [(field.path, field.after) for field in made.changes[0].fields] == [("spec.a", 2)]
    assert made.steps[0].action.post == found(body(a=2))


@pytest.mark.parametrize("after_apply", [False, True])
def test_what_is_as_it_should_be_is_left_alone_unless_only_applying_it_tells(*, after_apply: bool) -> None:
    made = part({ref(): body(a=1)}, stands(ref(), known_after_apply=after_apply))
    assert [change.operation for change in made.changes] == [Operation.UPDATE] * after_apply
    assert len(made.steps) == len(made.touched) == after_apply


@pytest.mark.parametrize(
    ("item", "key"), [(None, "cluster_connect_failed"), (stands(ref(), failure=Failure("gone", "no")), "gone")]
)
def test_g4_what_could_not_be_looked_at_blocks_and_does_nothing(item: ObservedObject | None, key: str) -> None:
    made = part({ref(): body(a=2)}, *([item] if item else []))
    assert [(check.severity, check.key, check.unit) for check in made.checks] == [(Severity.ERROR, key, "release/web")]
    assert (made.changes, made.steps, made.touched) == ((), (), ())


POD = {"template": {"image": "v1"}}
NEW_POD = {"template": {"image": "v2"}}


@pytest.mark.parametrize(
    ("kind", "before", "after", "restarts"),
    [
        ("Deployment", POD, NEW_POD, True),
        ("StatefulSet", POD, NEW_POD, True),
        ("DaemonSet", POD, NEW_POD, True),
        ("Deployment", {"replicas": 1, **POD}, {"replicas": 2, **NEW_POD}, True),
        ("CronJob", POD, NEW_POD, False),
        ("Deployment", {"replicas": 1}, {"replicas": 2}, False),
        ("Deployment", {"strategy": "template"}, {"strategy": "x"}, False),
        ("Deployment", None, NEW_POD, False),
    ],
)
def test_a_change_of_its_pods_restarts_a_workload(kind: str, before: Any, after: Any, *, restarts: bool) -> None:
    one, now = ref(kind), body(**after)
    item = stands(one, body(**before), result=now) if before else missing(one, now)
    assert [change.restarts for change in part({one: now}, item).changes] == [restarts]


def test_g28_a_handed_over_workload_is_not_said_to_restart() -> None:
    one, now = ref("Deployment"), body(**NEW_POD)
    item = stands(one, body(**POD), result=now, owner="old")
    (change,) = part({one: now}, item, comes_from=frozenset({"old"})).changes
    assert (change.operation, change.restarts) == (Operation.HAND_OVER, False)


DATA = ("PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition")


@pytest.mark.parametrize(
    ("kind", "forget", "loses"),
    [
        *((kind, False, True) for kind in DATA),
        *((kind, True, False) for kind in DATA),
        *((kind, forget, False) for kind in ("ConfigMap", "StatefulSet") for forget in (False, True)),
    ],
)
def test_g21_no_return_covers_a_deletion_that_takes_data_along(kind: str, *, forget: bool, loses: bool) -> None:
    made = part({}, stands(ref(kind)), forget=forget)
    (change,), (step,), (touched,) = made.changes, made.steps, made.touched
    assert change.operation is (Operation.FORGET if forget else Operation.DELETE)
    assert change.reversible is not loses
    assert [(check.severity, check.key, check.unit) for check in made.checks] == [
        (Severity.WARNING, "", "release/web")
    ] * loses
    assert step.action.kind is (ActionKind.FORGET_OBJECT if forget else ActionKind.DELETE_OBJECT)
    assert (step.action.uid, step.action.pre, step.action.post) == ("7", found(body(a=1), kind), "")
    assert touched.state == {"exists": True, "uid": "7", "live": None}


@pytest.mark.parametrize(
    ("annotations", "kept"),
    [({PRUNE: "disabled"}, True), ({PRUNE: "enabled"}, False), ({"other": "disabled"}, False), (None, False)],
)
def test_what_was_applied_with_pruning_disabled_is_let_go_and_said(annotations: Any, *, kept: bool) -> None:
    made = part({}, stands(ref(), {"metadata": {"annotations": annotations}} if annotations else body(a=1)))
    (change,), (step,) = made.changes, made.steps
    assert change.operation is (Operation.FORGET if kept else Operation.DELETE)
    assert step.action.kind is (ActionKind.FORGET_OBJECT if kept else ActionKind.DELETE_OBJECT)
    assert [PRUNE in check.message for check in made.checks] == [True] * kept


@pytest.mark.parametrize(
    ("wanted", "fields", "told"),
    [
        (body(replicas=5), {"autoscaled": True}, True),
        (body(replicas=5), {}, False),
        (body(a=1), {"autoscaled": True}, False),
        (body(replicas=5), {"autoscaled": True, "owner": "other"}, False),
    ],
)
def test_g9_a_number_of_pods_that_is_not_sent_is_told(wanted: Any, fields: dict[str, Any], *, told: bool) -> None:
    made = part({ref("Deployment"): wanted}, stands(ref("Deployment"), **fields))
    assert any("spec.replicas 5 is not sent" in check.message for check in made.checks) is told


NO = Failure("release_apply_failed", "field is immutable")
MAY = {"metadata": {"annotations": {REPLACE: "allowed"}}}


@pytest.mark.parametrize(
    ("kind", "wanted", "live", "fields", "replaced"),
    [
        ("Deployment", MAY, None, {}, True),
        ("ConfigMap", body(a=1), MAY, {}, True),  # on the way back the old source does not say it yet
        ("Deployment", body(a=1), None, {}, False),
        ("Deployment", MAY, None, {"replaceable": False}, False),
        ("Deployment", MAY, None, {"owner": "other"}, False),
        ("PersistentVolumeClaim", MAY, None, {}, False),
    ],
)
def test_only_what_may_be_is_deleted_and_made_again(
    kind: str, wanted: Any, live: Any, fields: dict[str, Any], *, replaced: bool
) -> None:
    one = ref(kind)
    made = part({one: wanted}, stands(one, live, **{"failure": NO, "replaceable": True, **fields}))
    assert [check.key for check in made.checks] == [NO.key] * (not replaced)
    assert [change.operation for change in made.changes] == [Operation.REPLACE] * replaced
    kinds = [(step.action.kind, step.action.uid) for step in sorted(made.steps, key=lambda step: step.phase)]
    assert kinds == [(ActionKind.DELETE_OBJECT, "7"), (ActionKind.APPLY_OBJECT, "")] * replaced
    assert len({step.phase for step in made.steps}) == len(made.steps)


def test_g28_what_is_gone_already_or_anothers_is_not_deleted_and_not_counted() -> None:
    items = [
        stands(ref(name="mine")),
        stands(ref(name="gone"), exists=False),
        stands(ref(name="theirs"), owner="other"),
        stands(ref(name="nobodys"), owner=""),
    ]
    made = part({}, *items)
    assert [(change.operation, change.subject) for change in made.changes] == [
        (Operation.DELETE, "ConfigMap web/mine")
    ]  # a removed release is deleted unless its spec said to forget it
    assert made.owned == 1


def test_t16_what_is_asked_about_a_release_shows_none_of_its_values() -> None:
    one, secret = ref("Secret"), {"stringData": {"user": "Canary7"}}
    observed = ObservedRelease("web", {one: stands(one, secret, result=secret)})
    asked = ReleaseAsk(unit="release/web", release="web", cluster="one", desired={one: secret}, observed=observed)
    assert "Canary7" not in repr(asked)
    assert "Canary7" not in repr(plan_release(asked, KEY))


def test_a_release_is_planned_in_the_order_of_its_objects_and_not_of_its_files() -> None:
    names = ["c", "a", "d", "b"]
    made = part({ref(name=name): body() for name in names}, *(missing(ref(name=name)) for name in names))
    gone = part({}, *(stands(ref(name=name)) for name in names))
    for one in (made, gone):
        assert [change.subject[-1] for change in one.changes] == sorted(names)


KIND = ref("CustomResourceDefinition", "w.example.com")


def definition(size: int = 1) -> dict[str, Any]:
    once = {"kind": KIND.kind, "metadata": {"name": KIND.name, "annotations": dict(ONCE)}}
    return {**once, "spec": {"size": size}}


def test_what_lies_in_crds_is_made_where_it_is_missing() -> None:
    made = part({KIND: definition()}, missing(KIND, definition()))
    assert [change.operation for change in made.changes] == [Operation.CREATE]
    assert made.checks == ()


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (stands(KIND, definition()), ""),
        (stands(KIND, definition(), result=definition(2)), "is another one in the chart, and is left as it is"),
        (stands(KIND, definition(), failure=Failure("resource_conflict", "no")), "is another one in the chart"),
        (
            stands(KIND, definition(), owner="other"),
            "exists and is left as it is: what lies in crds/ is only",
        ),
        (stands(KIND, definition(), owner="", result=definition(2)), "only installed where it is missing"),
        (stands(KIND, definition(), owner="", conflicts=("helm: spec",)), "only installed where it is missing"),
    ],
)
@pytest.mark.parametrize("adopts", [False, True])
def test_what_lies_in_crds_is_never_changed_nor_taken_over(there: ObservedObject, said: str, *, adopts: bool) -> None:
    made = part({KIND: definition(2)}, there, adopts=adopts)
    assert (made.changes, made.steps, made.touched) == ((), (), ())
    assert [check.severity is not Severity.ERROR and said in check.message for check in made.checks] == [True] * bool(
        said
    )


def test_what_lies_in_crds_is_never_read_as_there_where_nobody_could_look() -> None:
    away = ObservedObject(KIND, exists=False, failure=Failure("cluster_connect_failed", "away"))
    assert [check.severity for check in part({KIND: definition()}, away).checks] == [Severity.ERROR]


@pytest.mark.parametrize("more", [{}, {"forget": True}])
def test_g28_what_lies_in_crds_stays_when_its_release_goes(more: dict[str, Any]) -> None:
    made = part({}, stands(KIND, definition()), **more)
    assert [change.operation for change in made.changes] == [Operation.FORGET]


def test_only_definitions_are_made_once() -> None:
    said = {"kind": "ConfigMap", "metadata": {"name": "one", "annotations": dict(ONCE)}, "spec": {"a": 2}}
    made = part({ref(): said}, stands(ref(), result=body(a=2)))
    assert [change.operation for change in made.changes] == [Operation.UPDATE]
