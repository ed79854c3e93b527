"""Specs share the parts that are the same, and nobody can tell."""

from pathlib import Path
from typing import Any

from benchmarks.specs_tree import Shape
from reconciler.names import BlobId
from reconciler.specs.answer import decode
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.model import Model
from reconciler.specs.quick import quick
from reconciler.specs.sharing import Shared

BLOB = BlobId("a" * 40)
EXAMPLES = sorted((Path(__file__).parents[2] / "example-desired-state").rglob("*.yaml"))
RELEASE = """\
apiVersion: opspilot.spec/v1
kind: Release
metadata: {name: app}
spec:
  environment: test
  cluster: test
  namespace: app
  source: {type: manifests, path: app}
"""


def release(shared: Shared, text: str) -> Release:
    answer = quick((RELEASE + text).encode())
    assert answer is not None
    (spec,) = decode(answer, BLOB, shared).specs
    assert isinstance(spec.spec, Release)
    return spec.spec


def said(value: Any) -> Any:
    """Everything that a model says, and what of it somebody wrote."""
    if isinstance(value, Model):
        return type(value), value.model_fields_set, {name: said(part) for name, part in value.__dict__.items()}
    if isinstance(value, (tuple, list)):
        return type(value), [said(item) for item in value]
    return type(value), value


def test_equal_parts_are_one_object() -> None:
    shared = Shared()
    text = "  health: {timeout: 5m}\n  rollback: {steps: [{action: roll_back}, {action: verify, timeout: 3m}]}\n"
    one, other = release(shared, text), release(shared, text)
    assert one.health is other.health
    assert one.rollback is other.rollback
    assert one.source is other.source
    assert one.rollback.steps[1] is other.rollback.steps[1]
    assert one.model_fields_set is other.model_fields_set


def test_a_default_that_somebody_wrote_is_not_the_default() -> None:
    """Whether a field was written decides whether it is refused where it has no effect (plan/unsupported.py)."""
    shared = Shared()
    silent, written = release(shared, "  health: {}\n"), release(shared, "  health: {timeout: 10m}\n")
    assert silent.health == written.health
    assert (silent.health.model_fields_set, written.health.model_fields_set) == (set(), {"timeout"})


class Part(Model):
    """A part of which equal values may differ."""

    value: Any = None


class Whole(Model):
    """What holds one."""

    part: Part


def test_equal_values_of_another_type_are_not_shared() -> None:
    shared = Shared()
    values: list[Any] = [1, True, 1.0, "1", (1,), (True,), (1.0,), {"a": 1}, {"a": True}, [1], 0.0, -0.0]
    wholes = [Whole(part=Part(value=value)) for value in values]
    for whole in wholes:
        shared.within(whole)
    assert [repr(whole.part.value) for whole in wholes] == [repr(value) for value in values]


def test_what_may_change_is_never_shared() -> None:
    shared = Shared()
    one, other = Whole(part=Part(value={"a": 1})), Whole(part=Part(value={"a": 1}))
    shared.within(one)
    shared.within(other)
    assert one.part is not other.part


def test_shared_specs_say_what_others_say() -> None:
    shared = Shared()
    answers = [quick(text) for text in [*(path.read_bytes() for path in EXAMPLES)]]
    answers += [quick(text.encode()) for _, text in Shape(300).files()]
    told = [answer for answer in answers if answer is not None]
    for _ in range(2):
        for answer in told:
            alone, together = decode(answer, BLOB).specs, decode(answer, BLOB, shared).specs
            assert [said(spec.spec) for spec in together] == [said(spec.spec) for spec in alone]
            assert together == alone
