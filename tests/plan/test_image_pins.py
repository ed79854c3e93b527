"""Pins of images in what a plan says: a release's artifact with and without them, and what its reader is told (G9)."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.names import UnitRef
from reconciler.plan.ask import Side
from reconciler.plan.change import Change, ImagePin, Operation, Severity
from reconciler.plan.mask import mask_object
from reconciler.plan.sources import MOST_NAMED, about_source
from reconciler.plan.unit_plans import unit_plan
from reconciler.plan.units import Unit
from reconciler.specs.desired import Desired
from reconciler.specs.image_pins import pinned
from reconciler.specs.images import images_of
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.release_source import ReleaseSource
from tests.plan.test_units import CUTTER, DESIRED
from tests.plan.world import KEY, ask

WEB = UnitRef.parse("release/web")
DIGEST, OTHER = "sha256:" + "a1" * 32, "sha256:" + "b2" * 32
IMAGES = ("r.example/web:v1", "r.example/side:v1", "nginx:1.27")
PINS = {"r.example/web:v1": DIGEST, "nginx:1.27": OTHER, "r.example/side:v1": DIGEST}
PINNED, TAGS = "images pinned by digest", "by tag only"
CHANGE = Change(unit="release/web", operation=Operation.UPDATE, subject="Deployment web/a", where="cluster one")


def body(kind: str = "Deployment", version: str = "apps/v1") -> dict[str, Any]:
    pods = {"containers": [{"name": f"c{number}", "image": image} for number, image in enumerate(IMAGES)]}
    metadata = {"name": "a", "namespace": "web"}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": {"template": {"spec": pods}}}


def source(**more: Any) -> ReleaseSource:
    return ReleaseSource(SourceKind.MANIFESTS, "web", objects=(body(),), images=images_of([body()]), **more)


def side(of: ReleaseSource) -> Desired:
    return replace(DESIRED, sources={**DESIRED.sources, "web": of})


def cut(of: ReleaseSource) -> Unit:
    return CUTTER.cut(side(of))[WEB]


def test_g9_the_artifact_of_what_is_pinned_is_that_of_what_is_sent_and_knows_what_it_was_without() -> None:
    plain, made = cut(source()), pinned(source(), PINS, {})
    found = CUTTER.pinned(side(made), plain)
    assert (found.base, found.unpinned) == (plain.artifact, plain.artifact)
    assert found.artifact == cut(made).artifact != plain.artifact
    assert found.content["objects"] == {"Deployment.apps web/a": mask_object(made.objects[0], KEY)}
    again = CUTTER.pinned(side(pinned(source(), {**PINS, "nginx:1.27": DIGEST}, {})), found)
    assert again.artifact != found.artifact
    assert again.base == plain.artifact  # never that of another set of pins


def test_g9_without_pins_nothing_moves() -> None:
    plain = cut(source())
    assert (plain.base, plain.unpinned) == ("", plain.artifact)
    assert CUTTER.pinned(side(pinned(source(), {}, {"nginx:1.27": "nobody was asked"})), plain) == plain


def test_g9_jobs_that_are_run_on_their_own_are_in_the_artifact_as_they_are_run() -> None:
    job = body("Job", "batch/v1")
    plain = replace(source(), jobs=(job,))
    made = pinned(plain, PINS, {})
    assert cut(plain).content["jobs"] == {"Job.batch web/a": mask_object(job, KEY)}
    assert cut(made).content["jobs"] == {"Job.batch web/a": mask_object(made.jobs[0], KEY)}
    assert "jobs" not in cut(source()).content


def test_a_plan_says_the_pins_of_each_release_in_order() -> None:
    made = pinned(source(), PINS, {})
    unit = CUTTER.pinned(side(made), cut(source()))
    asked = ask(Side(side(made), {WEB: unit}), observed=None, units=(WEB,))
    said = unit_plan(asked, WEB)
    assert said.pins == tuple(ImagePin(image=name, digest=PINS[name]) for name in sorted(PINS))
    assert (said.base, said.artifact, said.unanswered) == (unit.base, unit.artifact, ())
    assert said.images == made.images
    gone = unit_plan(ask(Side(Desired()), Side(side(made), {WEB: unit}), observed=None, units=(WEB,)), WEB)
    assert (gone.base, gone.pins) == ("", ())


def told(of: ReleaseSource | None, *changes: Change) -> list[str]:
    checks = list(about_source("release/web", of, changes))
    assert {check.unit for check in checks} <= {"release/web"}
    return [f"{check.severity} {check.key}{check.message}{check.hint}" for check in checks]


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (None, []),
        (ReleaseSource(SourceKind.MANIFESTS, "web"), []),
        (source(), ["0 of 3 images pinned by digest; by tag only: nginx:1.27, r.example/side:v1, r.example/web:v1"]),
        (
            pinned(source(), PINS, {}),
            ["3 of 3 images pinned by digest, 1 of them by registry docker.io, 2 of them by registry r.example"],
        ),
        (
            pinned(source(), {"r.example/web:v1": DIGEST}, {"nginx:1.27": "no host", "r.example/side:v1": "no"}),
            [f"1 of 3 {PINNED}, 1 of them by registry r.example; {TAGS}: nginx:1.27 (no host), r.example/side:v1 (no)"],
        ),
        (
            ReleaseSource(SourceKind.MANIFESTS, "web", images=tuple(f"i{n}:v1" for n in range(MOST_NAMED + 2))),
            ["0 of 7 images pinned by digest; by tag only: i0:v1, i1:v1, i2:v1, i3:v1, i4:v1, and 2 more"],
        ),
        (
            ReleaseSource(SourceKind.MANIFESTS, "web", images=tuple(f"i{n}:v1" for n in range(MOST_NAMED))),
            ["0 of 5 images pinned by digest; by tag only: i0:v1, i1:v1, i2:v1, i3:v1, i4:v1"],
        ),
    ],
)
def test_its_reader_is_told_what_is_pinned_by_whom_and_what_is_not(of: ReleaseSource | None, words: list[str]) -> None:
    assert told(of, CHANGE) == [f"{Severity.INFO} release/web: {line}" for line in words]
    assert told(of) == []  # where nothing changes


def test_its_reader_is_told_of_secrets_that_everybody_can_read() -> None:
    secret = ReleaseSource(SourceKind.MANIFESTS, "web", in_the_open=("Secret web/s",))
    words = "Secret web/s stands in Git as plain text; who reads the repository reads its values"
    hint = "encrypt it with SOPS, or leave it to the cluster (docs/sources.md)"
    assert told(secret, CHANGE) == [f"{Severity.WARNING} {words}{hint}"]
