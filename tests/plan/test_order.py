"""What is done before what, what is handed over, and what is forgotten (G28)."""

from dataclasses import replace

import pytest

from reconciler.errors import Refused
from reconciler.names import ObjectRef, UnitRef
from reconciler.plan.change import Action, ActionKind, Operation, Plan
from reconciler.plan.guards import PruneLimits
from reconciler.plan.order import batches_of
from reconciler.state.observed import ObservedObject
from tests.plan.world import Files, cluster, config, keys, operations, plan, release

ALL = PruneLimits(100, 100)
NEXT = ("apps/web/deployment.yaml", "web:v1", "web:v2")
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n"
INGRESS = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec: {}\n"


def steps(made: Plan) -> list[list[str]]:
    """Each batch as words."""
    return [[_words(action) for action in batch] for batch in made.batches]


def _words(action: Action) -> str:
    kind = f" {action.object.kind}" if action.object is not None else ""
    return f"{action.unit.partition('/')[2]} {action.kind.split('_')[0]}{kind}"


@pytest.fixture(scope="module")
def full(files: Files) -> Files:
    return files.but({"apps/web/ns.yaml": NAMESPACE, "apps/web/ingress.yaml": INGRESS})


def test_everything_comes_after_what_it_needs(files: Files, full: Files) -> None:
    made = plan(full.good, files.but(dict.fromkeys(files.content, None)).good)
    assert steps(made) == [
        ["one connect"],
        ["web apply Namespace"],
        ["web apply ConfigMap", "web apply Secret"],
        ["web apply Deployment"],
        ["web apply Ingress"],
    ]


def test_a_removal_goes_the_other_way(full: Files) -> None:
    made = plan(full.but({"web.yaml": None}).good, full.good, limits=ALL)
    assert steps(made) == [
        ["web delete Ingress"],
        ["web delete Deployment"],
        ["web delete ConfigMap", "web delete Secret"],
        ["web delete Namespace"],
    ]
    assert keys(made) == []


def test_what_is_applied_comes_before_what_is_deleted(full: Files) -> None:
    after = full.edited(*NEXT).but({"apps/web/config.yaml": config("settings2")})
    assert steps(plan(after.good, full.good)) == [
        ["web apply ConfigMap"],
        ["web apply Deployment"],
        ["web delete ConfigMap"],
    ]


def chain(files: Files, *links: str) -> Files:
    """Releases by name, each with what it depends on: `b<a` needs a."""
    content: dict[str, str | None] = {"web.yaml": None}
    for link in links:
        name, _, needed = link.partition("<")
        content[f"{name}.yaml"] = release(name, more=f", dependsOn: [{needed}]" if needed else "")
        content[f"apps/{name}/c.yaml"] = config(name)
    return files.but(content)


def test_a_release_comes_after_what_it_depends_on_and_beside_what_it_does_not(files: Files) -> None:
    before = files.but({"web.yaml": None}).good
    made = plan(chain(files, "a<b", "b<c", "c", "d").good, before)
    assert steps(made) == [["c apply ConfigMap", "d apply ConfigMap"], ["b apply ConfigMap"], ["a apply ConfigMap"]]


def test_dependants_are_removed_before_what_they_depend_on(files: Files) -> None:
    before = chain(files, "a<b", "b<c", "c").good
    made = plan(files.but({"web.yaml": None}).good, before, limits=ALL)
    assert steps(made) == [["a delete ConfigMap"], ["b delete ConfigMap"], ["c delete ConfigMap"]]


def test_what_a_release_stops_to_need_goes_after_its_change(files: Files) -> None:
    before = chain(files, "a<b", "b")
    after = before.but({"a.yaml": release("a"), "apps/a/c.yaml": config("a", "2"), "b.yaml": None})
    assert steps(plan(after.good, before.good)) == [["a apply ConfigMap"], ["b delete ConfigMap"]]


def test_a_cycle_is_named_by_all_its_members() -> None:
    with pytest.raises(Refused) as refused:
        batches_of({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]})
    assert refused.value.key == "validation_error"
    assert all(name in refused.value.message for name in "abc")


def test_a_cycle_blocks_the_plan(files: Files) -> None:
    side = chain(files, "a<b", "b<a").side
    assert side.desired.broken  # resolving finds it first; this is the second wall
    open_side = replace(side, desired=replace(side.desired, broken=frozenset(), problems=()))
    made = plan(open_side, files.but({"web.yaml": None}).good)
    assert keys(made) == ["validation_error"]
    assert made.batches == ()


# Hand-over


def renamed(files: Files) -> Files:
    return files.but({"web.yaml": None, "site.yaml": release("site", path="apps/web")})


def test_g28_a_renamed_release_is_handed_over_and_nothing_is_deleted(files: Files) -> None:
    made = plan(renamed(files).good, files.good)
    assert set(operations(made).values()) == {Operation.HAND_OVER}
    assert {action.kind for batch in made.batches for action in batch} == {ActionKind.APPLY_OBJECT}
    assert {change.unit for change in made.changes} == {"release/site"}
    assert keys(made) == []


def test_g28_handing_over_wins_over_forgetting(files: Files) -> None:
    before = files.but({"web.yaml": release("web", more=", onRemoval: forget")})
    assert set(operations(plan(renamed(before).good, before.good)).values()) == {Operation.HAND_OVER}


def test_g28_nothing_is_taken_from_a_release_that_is_not_in_the_plan(files: Files) -> None:
    before, after = files.good, renamed(files).good
    made = plan(after, before, units=[UnitRef.parse("release/site")])
    assert keys(made) == ["owned_by_another"] * 3
    assert made.batches == ()


def test_g28_nothing_is_taken_from_a_release_that_keeps_it(files: Files) -> None:
    both = files.but({"site.yaml": release("site", path="apps/web")}).side
    assert both.desired.broken  # resolving finds it first; this is the second wall
    open_side = replace(both, desired=replace(both.desired, broken=frozenset(), problems=()))
    made = plan(open_side, files.good, units=[UnitRef.parse("release/site"), UnitRef.parse("release/web")])
    assert keys(made) == ["owned_by_another"] * 3


def test_g28_an_object_of_the_same_name_on_another_cluster_is_no_heir(files: Files) -> None:
    two = files.but({"two.yaml": cluster("two", "dev", "https://10.0.0.2:6443")})
    after = two.but(
        {
            "apps/web/config.yaml": None,
            "b.yaml": release("b", on="two"),
            "apps/b/config.yaml": config("settings"),
        }
    )
    made = plan(after.good, two.good)
    assert [(change.operation, change.where, change.subject) for change in made.changes] == [
        (Operation.DELETE, "cluster one", "ConfigMap web/settings"),
        (Operation.CREATE, "cluster two", "ConfigMap web/settings"),
    ]


def old_version(ref: ObjectRef, owner: str = "web") -> ObservedObject:
    return ObservedObject(replace(ref, version="v1beta1"), exists=True, uid="1", live={}, owner=owner)


def test_an_object_in_another_version_of_its_api_is_the_same_object(files: Files) -> None:
    after = files.edited(*NEXT)
    ref = ObjectRef("apps", "v1", "Deployment", "web", "web")
    made = plan(after.good, files.good, extra={"web": [old_version(ref)]})
    assert made.counts == {Operation.UPDATE: 1}
    gone = plan(renamed(files).good, files.good, extra={"web": [old_version(ref)]})
    assert Operation.DELETE not in operations(gone).values()


# Forgetting


def test_g28_a_forgotten_release_leaves_everything_running(files: Files) -> None:
    before = files.but({"web.yaml": release("web", more=", onRemoval: forget")})
    made = plan(before.but({"web.yaml": None}).good, before.good)
    assert made.counts == {Operation.FORGET: 3}
    assert {action.kind for batch in made.batches for action in batch} == {ActionKind.FORGET_OBJECT}
    assert all(action.uid for batch in made.batches for action in batch)


def test_g28_forget_counts_only_where_it_was_accepted(files: Files) -> None:
    made = plan(files.but({"web.yaml": None}).good, files.good)
    assert made.counts == {Operation.DELETE: 3}


def test_only_what_the_release_owns_is_deleted(files: Files) -> None:
    other = ObservedObject(ObjectRef("", "v1", "ConfigMap", "web", "theirs"), exists=True, uid="1", owner="else")
    made = plan(files.but({"web.yaml": None}).good, files.good, extra={"web": [other]})
    assert "ConfigMap web/theirs" not in operations(made)


def test_deletions_are_shown_first(files: Files) -> None:
    after = files.edited(*NEXT).but({"apps/web/config.yaml": config("settings2")})
    shown = [change.operation for change in plan(after.good, files.good).changes]
    assert shown == [Operation.DELETE, Operation.CREATE, Operation.UPDATE]
