"""What blocks a plan before anything is destroyed (T37, rule 7), and what must not be blocked."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.names import Digest, UnitRef
from reconciler.plan.change import Change, Operation, UnitPlan
from reconciler.plan.guards import (
    PruneLimits,
    deletion_cap,
    downgrade,
    empty_desired,
    namespace_in_use,
    removed_with_dependants,
    version_key,
)
from reconciler.plan.make import make_plan
from reconciler.state.observed import Observed, ObservedObject
from tests.plan.world import Files, ask, cluster, config, environment, keys, operations, plan, release, seen

NEXT = ("apps/web/deployment.yaml", "web:v1", "web:v2")
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n"


def deletions(count: int, unit: str = "release/web") -> list[Change]:
    return [Change(unit=unit, operation=Operation.DELETE, subject=f"ConfigMap a/{n}", where="x") for n in range(count)]


@pytest.mark.parametrize(
    ("deleted", "owned", "blocks"),
    [(3, 3, False), (4, 39, True), (4, 40, False), (10, 100, False), (11, 100, True), (0, 0, False), (4, 0, True)],
)
def test_t37_three_objects_or_ten_percent(deleted: int, owned: int, *, blocks: bool) -> None:
    assert [check.key for check in deletion_cap(deletions(deleted), owned, PruneLimits())] == (
        ["deletion_cap_exceeded"] if blocks else []
    )


def test_t37_the_cap_counts_over_all_releases_of_the_plan(files: Files) -> None:
    names = ("a", "b")
    more = files.but({f"{name}.yaml": release(name) for name in names})
    before = more.but({f"apps/{name}/{n}.yaml": config(f"{name}{n}") for name in names for n in range(3)})
    after = before.but({f"apps/{name}/{n}.yaml": None for name in names for n in (0, 1)})
    made = plan(after.good, before.good)
    assert [change.operation for change in made.changes] == [Operation.DELETE] * 4
    assert keys(made) == ["deletion_cap_exceeded"]


def test_t37_the_limits_are_those_of_the_policy_in_force(files: Files) -> None:
    before = files.good
    after = files.but({"apps/web/config.yaml": None}).good
    assert keys(plan(after, before)) == []
    assert keys(plan(after, before, limits=PruneLimits(max_percent=0, max_objects=0))) == ["deletion_cap_exceeded"]


EMPTY = dict.fromkeys(("env.yaml", "cluster.yaml", "web.yaml"))


def test_an_empty_repository_is_not_an_order_to_delete_everything(files: Files) -> None:
    made = plan(files.but(EMPTY).good, files.good)
    assert made.counts[Operation.DELETE] == 3
    assert keys(made) == ["deletion_cap_exceeded"]


def test_the_last_release_may_go_where_nothing_is_deleted(files: Files) -> None:
    before = files.edited("web.yaml", "namespace: web", "namespace: web, onRemoval: forget")
    made = plan(before.but(EMPTY).good, before.good)
    assert made.counts == {Operation.FORGET: 3}
    assert keys(made) == []


@pytest.mark.parametrize(
    "spoiled",
    [
        {"web.yaml": release("web", more=", no: x")},
        {"web.yaml": "apiVersion: opspilot.spec/v1\nkind: Release\nmetadata: {name: we"},
        {"apps/web/config.yaml": "apiVersion: v1\nkind: ConfigMap\n"},
        {"env.yaml": "apiVersion: opspilot.spec/v1\nkind: Environment\nmetadata: {name: dev}\nspec: {tier: dve}\n"},
        {"env.yaml": None},
    ],
    ids=["unknown field", "not YAML", "no object", "bad environment", "environment gone"],
)  # fmt: skip
def test_what_cannot_be_read_is_never_planned_and_never_deleted(files: Files, spoiled: dict[str, str | None]) -> None:
    before, after = files.good, files.but(spoiled).side
    assert after.desired.problems
    made = plan(after, before, units=[*before.units])
    assert (made.changes, made.batches) == ((), ())
    assert "validation_error" in keys(made)


def test_what_could_not_be_looked_at_is_never_read_as_empty(files: Files) -> None:
    before, after = files.good, files.but({"apps/web/config.yaml": None}).good
    look = seen(after, before)
    for observed in (
        replace(look, clusters={}),
        replace(look, clusters={"one": replace(look.clusters["one"], releases={})}),
    ):
        made = plan(after, before, observed=observed)
        assert (made.changes, made.batches, keys(made)) == ((), (), ["cluster_connect_failed"])
    hidden = plan(files.edited("apps/web/deployment.yaml", "web:v1", "web:v2").good, before, observed=_without(files))
    assert keys(hidden) == ["cluster_connect_failed"]


def _without(files: Files) -> Observed:
    look = seen(files.good, files.good)
    one = look.clusters["one"]
    web = one.releases["web"]
    left = {ref: item for ref, item in web.objects.items() if ref.kind != "Deployment"}
    return replace(look, clusters={"one": replace(one, releases={"web": replace(web, objects=left)})})


def test_a_cluster_stays_while_releases_need_it(files: Files) -> None:
    gone = files.but(
        {"cluster.yaml": None}
    ).side  # a reference into the void is broken already; this is the second wall
    desired = replace(gone.desired, broken=frozenset(), unreadable=False, problems=())
    made = plan(replace(gone, desired=desired), files.good, units=[UnitRef.parse("cluster/one")])
    assert keys(made) == ["resource_conflict"]
    assert "web" in made.blocked[0].message


def test_one_of_two_clusters_may_go(files: Files) -> None:
    both = files.but({"two.yaml": cluster("two", "dev", "https://10.0.0.2:6443")})
    assert keys(plan(files.good, both.good)) == []


def test_an_environment_goes_with_everything_in_it(files: Files) -> None:
    both = files.but({"b.yaml": environment("other"), "b2.yaml": cluster("two", "other", "https://10.0.0.2:6443")})
    made = plan(both.but(EMPTY).good, both.good)
    assert keys(made) == []
    assert [unit.unit for unit in made.units if unit.removed] == ["cluster/one", "environment/dev", "release/web"]


def test_t37_a_namespace_does_not_go_while_others_live_in_it(files: Files) -> None:
    before = files.but({"a.yaml": release("a"), "apps/a/ns.yaml": NAMESPACE})
    after = before.but({"apps/a/ns.yaml": config("other")})
    made = plan(after.good, before.good)
    assert operations(made)["Namespace web"] is Operation.DELETE
    assert keys(made) == ["resource_conflict"]
    elsewhere = before.but({"a.yaml": None, "web.yaml": None})
    assert keys(plan(elsewhere.good, before.good, limits=PruneLimits(100, 100))) == []


def test_an_object_of_nobody_or_of_another_blocks(files: Files) -> None:
    before, after = files.but({"apps/web/config.yaml": None}).good, files.good
    for owner, words in (("", "nobody"), ("else", "release else"), ("Helm release x", "by Helm release x")):
        item = {"ConfigMap web/settings": lambda found, owner=owner: replace(found, exists=True, uid="1", owner=owner)}
        made = plan(after, before, edit=item)
        assert keys(made) == ["owned_by_another"]
        assert words in made.blocked[0].message
        assert not [action for batch in made.batches for action in batch if action.object is not None]


def test_t16_nothing_is_said_of_the_values_of_anothers_object(files: Files) -> None:
    def others(item: ObservedObject) -> ObservedObject:
        return replace(item, exists=True, uid="1", owner="else", live={"data": {"a": "look-at-me"}})

    before, after = files.but({"apps/web/config.yaml": None}).good, files.good
    assert "look-at-me" not in plan(after, before, edit={"ConfigMap web/settings": others}).model_dump_json()


def test_a_conflict_blocks(files: Files) -> None:
    after = files.edited("apps/web/deployment.yaml", "web:v1", "web:v2").good
    made = plan(
        after, files.good, edit={"Deployment.apps web/web": lambda item: replace(item, conflicts=("kubectl: .spec",))}
    )
    assert keys(made) == ["resource_conflict"]
    assert "kubectl: .spec" in made.blocked[0].message


def test_t36_another_cluster_under_the_same_name_blocks(files: Files) -> None:
    after = files.edited("apps/web/deployment.yaml", "web:v1", "web:v2").edited(
        "cluster.yaml", "file: one", "file: two"
    )
    made = plan(after.good, files.good, known_uids={"one": "another"})
    assert sorted(keys(made)) == ["cluster_connect_failed", "target_changed"]
    assert keys(plan(after.good, files.good, known_uids={"one": "uid-of-one"})) == []


def test_a_static_plan_shows_and_never_acts(files: Files) -> None:
    after = files.edited("apps/web/deployment.yaml", "web:v1", "web:v2").but({"apps/web/config.yaml": None})
    made = make_plan(ask(after.good, files.good, observed=None))
    assert made.static
    assert made.observed_at is None
    assert (made.batches, made.touched) == ((), ())
    assert operations(made) == {
        "Deployment.apps web/web": Operation.UPDATE,
        "ConfigMap web/settings": Operation.DELETE,
    }


@pytest.mark.parametrize("suspend", ["", ", suspend: true"])
def test_a_release_does_not_move_to_another_cluster_even_while_suspended(files: Files, suspend: str) -> None:
    both = files.but({"two.yaml": cluster("two", "dev", "https://10.0.0.2:6443")})
    after = both.but({"web.yaml": release("web", on="two", more=suspend)})
    assert keys(plan(after.good, both.good)) == ["release_state_invalid"]


def test_a_suspended_release_is_left_alone(files: Files) -> None:
    after = files.but({"web.yaml": release("web", more=", suspend: true"), "apps/web/config.yaml": None})
    made = plan(after.good, files.good)
    assert (made.changes, made.batches, keys(made)) == ((), (), [])


@pytest.mark.parametrize(
    ("installed", "wanted", "blocks"),
    [
        ("v1.30.1-offline.1", "v1.30.1-offline.2", False),
        ("v1.30.1-offline.10", "v1.30.1-offline.9", True),
        ("v1.9.0", "v1.10.0", False),
        ("v1.30.1", "v1.29.9", True),
        ("v1.30.1", "v1.30.1", False),
        ("", "v1", False),
    ],
)
def test_a_downgrade_is_refused(installed: str, wanted: str, *, blocks: bool) -> None:
    assert bool(downgrade("environment/dev", installed, wanted)) is blocks


@given(st.text(), st.text())
def test_whatever_a_host_says_is_installed_can_be_compared(one: str, other: str) -> None:
    assert (version_key(one) < version_key(other)) in {True, False}


def update(subject: str, operation: Operation = Operation.UPDATE) -> Change:
    return Change(unit="release/web", operation=operation, subject=subject, where="cluster one")


def removal(name: str, *, removed: bool = True) -> UnitPlan:
    return UnitPlan(unit=name, artifact=Digest("9" * 64), removed=removed)


def test_rule_7_the_void_is_refused_where_something_is_removed_and_deleted() -> None:
    gone, stays = removal("release/web"), removal("release/api", removed=False)
    both = [*deletions(1), update("ConfigMap a/x")]
    (check,) = empty_desired([gone, stays], both, remaining=0)
    assert "would remove 1 units" in check.message
    assert empty_desired([stays], both, remaining=0) == ()
    assert empty_desired([gone], both[1:], remaining=0) == ()
    assert empty_desired([gone], both, remaining=1) == ()


def test_a_release_that_goes_is_in_nobodys_way() -> None:
    for name, blocks in (("release/web", False), ("cluster/web", True), ("environment/web", True)):
        needing = {UnitRef.parse(name): ["api"]}
        assert bool(removed_with_dependants([removal(name)], needing)) is blocks
        assert removed_with_dependants([removal(name, removed=False)], needing) == ()


def test_t37_only_the_deletion_of_a_namespace_takes_others_along() -> None:
    living = {("cluster one", "web"): "api"}
    assert namespace_in_use([update("Namespace web", Operation.DELETE)], living)
    assert not namespace_in_use([update("Namespace web")], living)
    assert not namespace_in_use([update("ConfigMap web", Operation.DELETE)], living)
    assert not namespace_in_use([update("Namespace other", Operation.DELETE)], living)


def test_versions_are_ordered_by_their_numbers_and_words_come_before_them() -> None:
    assert version_key("v1.30-rc") == ((1, ""), (30, ""), (-1, "rc"))
    assert version_key("1.\N{SUPERSCRIPT TWO}") == ((1, ""), (-1, "\N{SUPERSCRIPT TWO}"))
