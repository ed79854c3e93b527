"""A pinned environment has its pin's releases and no others; a pin that would take another's name breaks it alone."""

import pytest

from reconciler.specs.kinds import Release
from reconciler.specs.pins import Pin, composed, pinned
from reconciler.specs.reader import Reader
from reconciler.specs.resolve import resolve
from tests.specs.repository import Repository

ENVIRONMENT = """\
apiVersion: opspilot.spec/v1
kind: Environment
metadata: {{name: {name}}}
spec: {{tier: dev, runtimeType: k8s, mode: external_managed{more}}}
"""
RELEASE = """\
apiVersion: opspilot.spec/v1
kind: Release
metadata: {{name: {name}}}
spec: {{environment: {environment}, cluster: c, namespace: web, source: {{type: manifests, path: app}}}}
"""
PINNED = f", revision: {'a' * 40}"


def repository(*releases: tuple[str, str]) -> Repository:
    files = {
        "prod.yaml": ENVIRONMENT.format(name="prod", more=PINNED),
        "dev.yaml": ENVIRONMENT.format(name="dev", more=""),
    }
    files |= {f"{name}.yaml": RELEASE.format(name=name, environment=where) for name, where in releases}
    return Repository.of(files)


@pytest.mark.parametrize(
    ("there", "here", "expected", "wrong"),
    [
        ([("web", "prod")], [("web", "prod")], {"web": "prod"}, []),
        ([("old", "prod")], [("new", "prod"), ("api", "dev")], {"old": "prod", "api": "dev"}, []),
        ([], [("new", "prod"), ("api", "dev")], {"api": "dev"}, []),
        ([("api", "prod")], [("api", "dev")], {"api": "dev"}, ["resource_conflict"]),
    ],
    ids=["the same", "another", "none", "taken since"],
)
def test_g19_the_pins_releases_stand_in_place_of_the_tips(
    there: list[tuple[str, str]],
    here: list[tuple[str, str]],
    expected: dict[str, str],
    wrong: list[str],
    reader: Reader,
) -> None:
    then = repository(*there)
    at = tuple(spec for spec in then.load(reader=reader).specs if isinstance(spec.spec, Release))
    loaded = repository(*here).load(reader=reader)
    assert list(pinned(loaded.specs)) == ["prod"]
    specs, good, complaints = composed(loaded.specs, {"prod": Pin(at, tuple(then.entries))})  # type: ignore[arg-type]
    assert {spec.name: spec.spec.environment for spec in specs if isinstance(spec.spec, Release)} == expected
    assert [complaint.key for complaint in complaints] == wrong
    assert [(complaint.spec.name, complaint.steps) for complaint in complaints] == [("prod", ("revision",))] * len(
        wrong
    )
    assert list(good) == ([] if wrong else ["prod"])


def test_g19_a_pin_that_leads_nowhere_breaks_its_environment_and_no_other(reader: Reader) -> None:
    here = repository(("web", "prod"))
    pins = {"prod": Pin(wrong="there is no such commit")}
    desired = resolve(here.load(reader=reader), here.entries, here.read, reader=reader, pins=pins)
    assert (desired.may_plan("prod"), desired.may_plan("dev")) == (False, True)
    (problem,) = (one for one in desired.problems if "there is no such commit" in one.message)
    assert (problem.place.path, problem.place.line, problem.key) == ("prod.yaml", 4, "validation_error")
    assert problem.hint
