"""What moved between two previews is named with its side: the specs, the target, or the tool (G11)."""

from typing import Any

from reconciler.canonical import digest_of
from reconciler.names import Digest
from reconciler.plan.change import Action, ActionKind, Check, FieldChange, Plan, PlanSet, Severity, Touched
from reconciler.report.moved import Move, Side, moved

from .plans import plan

ENVIRONMENT = "env-k8s-prod"


def sets(*each: Plan) -> PlanSet:
    return PlanSet(plans=each, digest=digest_of("ticket", [plan.digest for plan in each]))


def other(**changed: Any) -> Plan:
    return plan(digest=Digest("e" * 64), **changed)


def test_equal_digests_moved_nothing() -> None:
    assert moved(sets(plan()), sets(plan(observed_at=None))) == ()


def test_g11_a_changed_artifact_is_desired_and_names_the_spec_fields() -> None:
    image = FieldChange(path="spec.variables.image_tag", before="v2.0.0", after="v2.0.2")
    unit = plan().units[0].model_copy(update={"artifact": Digest("a"), "specs": (image,)})
    assert moved(sets(plan()), sets(other(units=(unit,)))) == (
        Move(Side.DESIRED, ENVIRONMENT, "release/svc-a", ("spec.variables.image_tag",)),
    )


def test_g11_a_unit_that_joins_is_desired_and_what_it_touches_follows_from_it() -> None:
    unit = plan().units[0].model_copy(update={"unit": "release/svc-c"})
    touched = Touched(subject="cluster/x: Service default/c", state={"exists": False})
    new = other(units=(*plan().units, unit), touched=(*plan().touched, touched))
    assert moved(sets(plan()), sets(new)) == (Move(Side.DESIRED, ENVIRONMENT, "release/svc-c"),)


def test_g11_a_live_value_that_moved_is_observed_with_its_path() -> None:
    touched = plan().touched[0]
    new = other(touched=(touched.model_copy(update={"state": {"uid": "u1", "image": "b"}}),))
    assert moved(sets(plan()), sets(new)) == (Move(Side.OBSERVED, ENVIRONMENT, touched.subject, ("image",)),)


def test_g11_an_object_that_vanished_is_observed_where_the_specs_stand() -> None:
    assert [move.side for move in moved(sets(plan()), sets(other(touched=())))] == [Side.OBSERVED]


def test_g11_both_sides_are_told_when_both_moved() -> None:
    touched = plan().touched[0]
    unit = plan().units[0].model_copy(update={"artifact": Digest("a")})
    new = other(units=(unit,), touched=(touched.model_copy(update={"state": {"uid": "u2", "image": "a"}}),))
    assert [move.side for move in moved(sets(plan()), sets(new))] == [Side.DESIRED, Side.OBSERVED]


def test_g11_a_bundle_with_other_content_is_desired() -> None:
    def install(digest: str) -> tuple[tuple[Action, ...], ...]:
        deliver = Action(id="a", kind=ActionKind.DELIVER_BUNDLE, unit="environment/e", target="host/h", bundle=digest)
        return ((deliver.model_copy(update={"bundle_version": "v1"}),),)

    assert moved(sets(plan(batches=install("1"))), sets(other(batches=install("2")))) == (
        Move(Side.DESIRED, ENVIRONMENT, "bundle v1"),
    )


def test_g11_a_new_block_is_observed_with_its_key() -> None:
    check = Check(severity=Severity.ERROR, key="cluster_connect_failed", message="away")
    assert moved(sets(plan()), sets(other(checks=(check,)))) == (
        Move(Side.OBSERVED, ENVIRONMENT, ENVIRONMENT, ("cluster_connect_failed",)),
    )


def test_g11_same_input_and_another_digest_is_the_tool() -> None:
    assert moved(sets(plan()), sets(other())) == (Move(Side.TOOL, ENVIRONMENT, ENVIRONMENT),)


def test_g11_an_environment_that_leaves_is_desired() -> None:
    more = plan(environment="env-two")
    assert moved(sets(plan(), more), sets(plan())) == (Move(Side.DESIRED, "env-two", "env-two"),)
