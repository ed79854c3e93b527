"""G9, G10: what moves a plan's digest and what must not."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.names import Revision, UnitRef
from reconciler.plan.change import Plan
from reconciler.plan.make import make_plan, plan_set
from reconciler.plan.units import Cutter
from reconciler.state.observed import ObservedObject
from tests.plan.world import AT, KEY, WEB, Edit, Files, ask, config, plan, seen

NEXT = ("apps/web/deployment.yaml", "web:v1", "web:v2")
MANY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def units(files: Files) -> dict[UnitRef, str]:
    return {ref: unit.artifact for ref, unit in files.good.units.items()}


def changed(files: Files, path: str, old: str, new: str) -> set[str]:
    before, after = units(files), units(files.edited(path, old, new))
    return {str(ref) for ref in before.keys() | after.keys() if before.get(ref) != after.get(ref)}


# What is only a way of writing


@MANY
@given(seed=st.integers(0, 2**32), comment=st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=30))
def test_g9_paths_labels_comments_and_the_order_of_keys_are_in_no_digest(files: Files, seed: int, comment: str) -> None:
    chance = random.Random(seed)
    base = files.edited(*NEXT)
    other = {}
    for path, text in base.content.items():
        documents = [_shuffled(document, chance) for document in yaml.safe_load_all(text)]
        for document in documents:
            if document["apiVersion"] == "opspilot.spec/v1":
                document["metadata"] |= {"labels": {"l": str(seed)}, "annotations": {"note": "x"}}
        moved = f"d{chance.randrange(9)}/{chance.randrange(99)}-{path.replace('/', '-')}"
        if path.startswith("apps/web/"):
            moved = f"other/place/{chance.randrange(99)}-{path.rpartition('/')[2]}"
        other[moved] = f"# {comment}\n{yaml.safe_dump_all(documents, sort_keys=False)}"
    rewritten = replace(base, content={path: text.replace("apps/web", "other/place") for path, text in other.items()})
    assert units(rewritten) == units(base)
    assert plan(rewritten.good, files.good).digest == plan(base.good, files.good).digest


def _shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        keys = chance.sample(list(value), len(value))
        return {key: _shuffled(value[key], chance) for key in keys}
    return value


def test_g9_times_commits_and_held_commits_are_in_no_digest(files: Files) -> None:
    before, after = files.good, files.edited(*NEXT).good
    first = plan(after, before)
    later = plan(
        after, before, at=AT + timedelta(days=1), accepted_at={WEB: Revision("b" * 40)}, held=(Revision("c" * 40),)
    )
    assert first.digest == later.digest
    assert first.observed_at != later.observed_at


def test_g9_versions_of_resources_and_of_the_server_are_in_no_digest(files: Files) -> None:
    before, after = files.good, files.edited(*NEXT).good
    look = seen(after, before, edit={"Deployment.apps web/web": lambda item: replace(item, resource_version="77")})
    one = look.clusters["one"]
    look = replace(look, clusters={"one": replace(one, server_version="v1.99", namespaces=("a", "b"))})
    assert plan(after, before, observed=look).digest == plan(after, before).digest


def test_the_order_of_units_and_of_plans_is_in_no_digest(files: Files) -> None:
    before, after = files.good, files.edited(*NEXT).edited("env.yaml", "tier: dev", "tier: staging").good
    refs = sorted(before.units)
    one, other = (plan(after, before, units=order) for order in (refs, refs[::-1]))
    assert one == other
    assert plan_set((one, replace_environment(one))).digest == plan_set((replace_environment(one), one)).digest


def replace_environment(made: Plan) -> Plan:
    return made.model_copy(update={"environment": "another"})


def test_a_plan_survives_its_own_json(files: Files) -> None:
    made = plan(files.edited(*NEXT).good, files.good)
    assert Plan.model_validate_json(made.model_dump_json()) == made


# What is content


@pytest.mark.parametrize(
    ("path", "old", "new", "unit"),
    [
        ("apps/web/deployment.yaml", "web:v1", "web:v2", "release/web"),
        ("apps/web/deployment.yaml", "replicas: 2", "replicas: 3", "release/web"),
        ("apps/web/deployment.yaml", "replicas: 2", "paused: null, replicas: 2", "release/web"),
        ("apps/web/secret.yaml", "first-value", "other-value", "release/web"),
        ("apps/web/config.yaml", "a: '1'", "a: '1', b: ''", "release/web"),
        ("apps/web/config.yaml", "name: settings", "name: settings2", "release/web"),
        ("apps/web/deployment.yaml", "apps/v1", "apps/v1beta1", "release/web"),
        ("web.yaml", "namespace: web", "namespace: web, suspend: true", "release/web"),
        ("web.yaml", "namespace: web", "namespace: web, onRemoval: forget", "release/web"),
        ("web.yaml", "namespace: web", "namespace: web, rollback: {automatic: true}", "release/web"),
        ("web.yaml", "namespace: web", "namespace: web, health: {timeout: 1m}", "release/web"),
        ("web.yaml", "namespace: web", "namespace: web, images: {registry.example/web: v9}", "release/web"),
        ("env.yaml", "tier: dev", "tier: staging", "environment/dev"),
        ("env.yaml", "tier: dev", "tier: dev, allowSelfApproval: true", "environment/dev"),
        ("env.yaml", "tier: dev", "tier: dev, variables: {a: b}", "environment/dev"),
        ("cluster.yaml", "endpoint: 'https://10.0.0.1:6443'", "endpoint: 'https://10.0.0.1:6443/'", "cluster/one"),
        ("cluster.yaml", "file: one", "file: two", "cluster/one"),
        ("cluster.yaml", "addresses: ['", "addresses: ['https://10.0.0.9', '", "cluster/one"),
    ],
)
def test_g9_any_change_of_content_moves_the_artifact_of_its_unit_alone(
    files: Files, path: str, old: str, new: str, unit: str
) -> None:
    if "paused" in new:
        new = "paused: null\n  replicas: 2"
    assert changed(files, path, old, new) == {unit}


def test_g7_a_changed_field_that_causes_no_action_is_in_the_plan(files: Files) -> None:
    after = files.edited("env.yaml", "tier: dev", "tier: staging").good
    made = plan(after, files.good)
    assert [(unit.unit, [field.path for field in unit.specs]) for unit in made.units] == [
        ("environment/dev", ["spec.tier"])
    ]
    assert not made.batches
    assert made.digest != plan(files.edited("env.yaml", "tier: dev", "tier: production").good, files.good).digest


LIVE: dict[str, tuple[str, Edit]] = {
    "uid": ("Deployment.apps web/web", lambda item: replace(item, uid="another")),
    "gone": ("Deployment.apps web/web", lambda item: ObservedObject(item.ref, exists=False, result=item.result)),
    "live field": ("Deployment.apps web/web", lambda item: replace(item, live={**item.live, "spec": {"replicas": 9}})),
    "live field removed": ("Deployment.apps web/web", lambda item: replace(item, live={})),
    "result": ("Deployment.apps web/web", lambda item: replace(item, result={**item.result, "spec": {}})),
    "another object": ("ConfigMap web/settings", lambda item: replace(item, live={"data": {"a": "by hand"}})),
    "secret by hand": ("Secret web/login", lambda item: replace(item, live={"stringData": {"user": "by hand"}})),
}


@pytest.mark.parametrize(("subject", "edit"), LIVE.values(), ids=LIVE.keys())
def test_g9_any_change_of_what_the_plan_touches_moves_its_digest(files: Files, subject: str, edit: Edit) -> None:
    before, after = files.good, files.edited(*NEXT).good
    assert plan(after, before, edit={subject: edit}).digest != plan(after, before).digest


def test_g9_an_object_that_the_plan_leaves_alone_does_not_move_it(files: Files) -> None:
    before, after = files.good, files.edited(*NEXT).good
    edit: dict[str, Edit] = {"ConfigMap web/settings": lambda item: replace(item, uid="another")}
    assert plan(after, before, edit=edit).digest == plan(after, before).digest


def test_g9_another_cluster_in_the_same_place_moves_it(files: Files) -> None:
    before, after = files.good, files.edited(*NEXT).good
    assert plan(after, before, uids={"one": "impostor"}).digest != plan(after, before).digest


def test_g9_a_deleted_object_that_was_replaced_moves_it(files: Files) -> None:
    before = files.good
    after = files.but({"apps/web/config.yaml": None}).good
    edit: dict[str, Edit] = {"ConfigMap web/settings": lambda item: replace(item, uid="another")}
    assert plan(after, before, edit=edit).digest != plan(after, before).digest


def test_g4_a_comparison_never_has_the_digest_of_a_look(files: Files) -> None:
    before, after = files.good, files.edited("env.yaml", "tier: dev", "tier: staging").good
    static = make_plan(ask(after, before, observed=None))
    looked = plan(after, before)
    assert static.static
    assert (static.batches, static.touched, static.artifact) == (looked.batches, looked.touched, looked.artifact)
    assert static.digest != looked.digest


LEAVES = st.integers() | st.booleans() | st.none() | st.text(max_size=3)
SMALL = st.dictionaries(st.text(max_size=3), LEAVES, max_size=3)


@MANY
@given(one=SMALL, other=SMALL)
def test_g9_two_live_states_have_one_digest_only_if_they_are_equal(
    files: Files, one: dict[str, Any], other: dict[str, Any]
) -> None:
    before, after = files.good, files.edited(*NEXT).good
    made = [
        plan(after, before, edit={"Deployment.apps web/web": lambda item, live=live: replace(item, live=live)})
        for live in (one, other)
    ]
    typed = [sorted((key, type(value).__name__, value) for key, value in live.items()) for live in (one, other)]
    typed = [[(key, kind, repr(value)) for key, kind, value in live] for live in typed]
    assert (made[0].digest == made[1].digest) == (typed[0] == typed[1])


# Sources that others render

CHART = """\
apiVersion: opspilot.spec/v1
kind: Release
metadata: {name: web}
spec:
  environment: dev
  cluster: one
  namespace: web
  suspend: true
  source: {type: helm, path: charts/web, values: [values/a.yaml, values/b.yaml]}
"""


@pytest.fixture(scope="module")
def chart(files: Files) -> Files:
    return files.but(
        {
            "web.yaml": CHART,
            "charts/web/Chart.yaml": "name: web\nversion: 1.0.0\n",
            "charts/web/templates/x.yaml": "x: 1\n",
            "charts/web/templates/y.yaml": "y: 1\n",
            "values/a.yaml": "a: 1\n",
            "values/b.yaml": "b: 1\n",
        }
    )


def test_g7_a_chart_and_its_values_may_move(chart: Files) -> None:
    def elsewhere(text: str) -> str:
        return text.replace("charts/web", "elsewhere").replace("values/", "v/")

    moved = {elsewhere(path): elsewhere(text) for path, text in chart.content.items()}
    assert units(replace(chart, content=moved)) == units(chart)


SWAPS: dict[str, Callable[[Files], Files]] = {
    "two files of the chart": lambda chart: chart.but(
        {"charts/web/templates/x.yaml": "y: 1\n", "charts/web/templates/y.yaml": "x: 1\n"}
    ),
    "the order of the values": lambda chart: chart.edited(
        "web.yaml", "values/a.yaml, values/b.yaml", "values/b.yaml, values/a.yaml"
    ),
    "a variable of the environment": lambda chart: chart.edited(
        "env.yaml", "tier: dev", "tier: dev, variables: {a: b}"
    ),
    "a value": lambda chart: chart.but({"values/a.yaml": "a: 2\n"}),
}


@pytest.mark.parametrize("swap", SWAPS.values(), ids=SWAPS.keys())
def test_g9_what_a_chart_is_rendered_from_is_in_its_artifact(chart: Files, swap: Callable[[Files], Files]) -> None:
    assert units(swap(chart))[WEB] != units(chart)[WEB]


def test_g9_a_source_of_manifests_without_objects_is_not_its_files(files: Files) -> None:
    bare = files.but({"apps/web/deployment.yaml": None, "apps/web/secret.yaml": None})
    empty = "apiVersion: v1\nkind: List\nitems: []\n"
    assert units(bare.but({"apps/web/config.yaml": empty})) == units(
        bare.but({"apps/web/config.yaml": f"# x\n{empty}"})
    )


# Bundles


def test_g9_the_signed_digest_of_its_bundle_is_in_the_environment(files: Files) -> None:
    named = files.edited("env.yaml", "tier: dev", "tier: dev, bundle: {version: v1}")
    side = named.good
    ref = UnitRef.parse("environment/dev")
    one, other = (Cutter(KEY, {"v1": digest * 64}).cut(side.desired)[ref] for digest in "ab")
    assert one.artifact != other.artifact


def test_a_config_map_of_another_release_is_not_in_this_one(files: Files) -> None:
    more = files.but(
        {"b.yaml": files.content["web.yaml"].replace("web", "b"), "apps/b/c.yaml": config("x", namespace="b")}
    )
    assert units(more)[WEB] == units(files)[WEB]
