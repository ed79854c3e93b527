"""What runs already and becomes a release's own: what is shown, what is covered by the approval, what is refused."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.names import ObjectRef, UnitRef
from reconciler.plan import adoption
from reconciler.plan.change import FieldChange, Operation
from reconciler.plan.part import Part
from reconciler.plan.releases import ReleaseAsk, fingerprint, plan_release
from reconciler.state.observed import Holder, ObservedObject, ObservedRelease
from tests.plan.world import KEY, WEB, Files, keys, plan, seen

SETTINGS = ObjectRef("", "v1", "ConfigMap", "web", "settings")
DEPLOYED = ObjectRef("apps", "v1", "Deployment", "web", "web")
RESET = "clear its managedFields (`value: [{}]`, see docs/adopting.md)"


def holder(manager: str, *paths: str) -> Holder:
    return Holder(manager, "Update", "", "2026-01-01T00:00:00Z", paths, ours=False)


def runs(ref: ObjectRef, live: Any, result: Any, *holders: Holder, **more: Any) -> ObservedObject:
    return ObservedObject(ref, exists=True, uid="7", live=live, result=result, holders=holders, **more)


def adopted(item: ObservedObject, *, adopts: bool = True) -> Part:
    observed = ObservedRelease("web", {item.ref: item})
    desired = {item.ref: item.result or {}}
    ask = ReleaseAsk("release/web", "web", "one", desired=desired, observed=observed, adopts=adopts)
    return plan_release(ask, KEY)


def test_g27_each_field_whose_ownership_moves_is_shown_with_whoever_held_it() -> None:
    item = runs(SETTINGS, {"data": {"a": "1"}}, {"data": {"a": "1"}}, holder("z", "data.b", "data.a"), holder("k", "x"))
    made = adopted(item)
    (change,), (step,), (touched,) = made.changes, made.steps, made.touched
    assert (change.operation, change.restarts, made.checks) == (Operation.ADOPT, False, ())
    assert change.fields == (
        FieldChange(path="manager of x", before="k", after="reconciler"),
        FieldChange(path="manager of data.a", before="z", after="reconciler"),
        FieldChange(path="manager of data.b", before="z", after="reconciler"),
    )
    assert step.action.takes == ("k", "z")
    assert touched.state == {
        "exists": True,
        "uid": "7",
        "live": step.action.pre,
        "from": {"k": ["x"], "z": ["data.a", "data.b"]},
    }


def test_g27_one_manager_may_hold_fields_twice() -> None:
    item = runs(SETTINGS, {}, {}, holder("k", "b", "a"), holder("k", "c", "a"))
    assert adoption.held(item) == {"k": ["a", "b", "c"]}
    assert adoption.managers(item) == ("k",)


def test_g27_what_the_server_put_in_becomes_nobodys_and_is_said() -> None:
    one = replace(holder("k", "data.a"), defaults=("spec.b", "spec.a"))
    [change] = adopted(runs(SETTINGS, {}, {}, one, one)).changes
    assert [(field.path, field.after) for field in change.fields] == [
        ("manager of data.a", "reconciler"),
        ("manager of spec.a", "nobody"),
        ("manager of spec.b", "nobody"),
    ]


def test_g4_another_value_is_a_change_and_what_stands_there_is_not_shown() -> None:
    before, after = {"data": {"a": "hunter2", "c": "same"}}, {"data": {"a": "1", "b": "2", "c": "same"}}
    made = adopted(runs(SETTINGS, before, after))
    assert [(one.path, one.before, one.after) for one in made.changes[0].fields] == [
        ("data.a", "(exists)", "1"),
        ("data.b", None, "2"),
    ]
    assert "hunter2" not in repr(made)
    assert made.steps[0].action.pre == fingerprint(before)  # type: ignore[arg-type]


def test_g27_a_pod_template_that_changes_restarts_and_is_said() -> None:
    def template(image: str) -> Any:
        return {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": image}]}}}}

    assert adopted(runs(DEPLOYED, template("v1"), template("v2"))).changes[0].restarts
    path = "spec.template.spec.containers[name=web].image"
    assert not adopted(runs(DEPLOYED, template("v1"), template("v1"), holder("k", path))).changes[0].restarts
    assert not adopted(runs(SETTINGS, template("v1"), template("v2"))).changes[0].restarts


def test_g27_only_a_manager_that_is_named_gives_way() -> None:
    conflicts = ("k: .data.a", "scaler: .data.b")
    item = runs(SETTINGS, {"data": {"a": "0"}}, {"data": {"a": "1"}}, holder("k", "data.a"), conflicts=conflicts)
    [check] = adopted(item).checks
    assert check.key == "resource_conflict"
    assert "scaler: .data.b" in check.message


@pytest.mark.parametrize("kind", ["Secret", "Namespace", "CustomResourceDefinition"])
def test_g4_some_kinds_are_never_adopted_and_nothing_of_them_is_told(kind: str) -> None:
    item = runs(replace(SETTINGS, kind=kind), {"data": {"a": "1"}}, {"data": {"a": "1"}}, holder("k", "data.a"))
    made = adopted(item)
    [check] = made.checks
    assert (check.key, made.changes, made.steps, made.touched) == ("owned_by_another", (), (), ())
    assert check.hint == "leave it out of the source and refer to it by its name; it stays as it is"


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        (
            "Helm release shop",
            adoption.HAND_OVER["Helm"],
        ),
        (
            "Flux Kustomization apps",
            f"set `prune: false` on the Flux object and delete it, remove its toolkit.fluxcd.io labels, and {RESET}",
        ),
        (
            "Argo CD application shop",
            f"delete the Argo CD application with `--cascade=false`, remove its argocd marks, and {RESET}",
        ),
        ("Fleet (field manager fleetagent)", f"set `keepResources` on the GitRepo and delete it, and {RESET}"),
        ("ReplicaSet web-1", "take it out of the source, rename it, or remove the object by hand first"),
        ("other", "take it out of the source, rename it, or remove the object by hand first"),
    ],
)
def test_g27_whoever_works_on_it_keeps_it_and_the_way_to_hand_over_is_said(owner: str, words: str) -> None:
    made = adopted(ObservedObject(SETTINGS, exists=True, uid="7", owner=owner))
    [check] = made.checks
    assert (check.key, check.hint, made.steps) == ("owned_by_another", words, ())
    assert check.message.endswith(f"is managed by {owner if ' ' in owner else f'release {owner}'}")


def test_the_way_to_hand_a_helm_release_over_keeps_its_objects() -> None:
    """Annotations of live objects keep nothing: Helm reads `resource-policy` from the manifest that it stored."""
    way = adoption.HAND_OVER["Helm"]
    assert "never `helm uninstall`, which deletes what runs" in way
    assert "`kubectl delete secret --selector owner=helm,name=RELEASE`" in way
    assert way.endswith(RESET)


def test_a_release_that_stands_adopts_nothing_and_is_told_who_could() -> None:
    made = adopted(runs(SETTINGS, {}, {}, holder("k", "a")), adopts=False)
    [check] = made.checks
    assert (check.key, made.steps) == ("owned_by_another", ())
    assert check.hint == (
        "take it out of the source, rename it, or remove the object by hand first; a new release can adopt it"
    )


def test_g27_only_a_release_of_which_nothing_ended_well_yet_adopts(files: Files) -> None:
    def nobodys(item: ObservedObject) -> ObservedObject:
        return replace(item, exists=True, uid="1", owner="", live=item.result)

    side = files.good
    look = seen(side, edit={"ConfigMap web/settings": nobodys})
    new = plan(side, observed=look, units=[WEB], fresh=frozenset({WEB}))
    assert keys(new) == []
    assert Operation.ADOPT in {change.operation for change in new.changes}
    other = plan(side, observed=look, units=[WEB], fresh=frozenset({UnitRef.parse("release/other")}))
    assert keys(other) == ["owned_by_another"]


def test_g9_whose_fields_are_taken_is_in_the_digest(files: Files) -> None:
    def by(manager: str) -> Any:
        def edit(item: ObservedObject) -> ObservedObject:
            return replace(item, exists=True, uid="1", live=item.result, holders=(holder(manager, "data.a"),))

        return seen(files.good, edit={"ConfigMap web/settings": edit})

    one, other = (plan(files.good, observed=by(name), units=[WEB], fresh=frozenset({WEB})) for name in ("a", "b"))
    assert one.digest != other.digest
