"""What lands while a canary is in a pause waits for its end (G8), and is then shown anew where the canary was in it.

A canary that has ended cannot be deleted or let go, so a plan that named it is held (G18) and approved again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest

from reconciler.approval.decision import Verb
from reconciler.kube import marks
from reconciler.names import Revision
from tests.failpoints.theatre import Theatre
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
from tests.story.test_blue_green import workloads
from tests.story.test_canary import text, theatre  # noqa: F401  a fixture
from tests.story.test_suspension import HOME

LONGER = frozenset(
    {"test_what_is_suspended_meanwhile_is_finished_and_then_left_alone", "test_a_release_that_is_let_go_keeps_its_pods"}
)
OURS = "reconciler/apply: env-k8s-prod"
FORGETTING = "  onRemoval: forget\n"
Files = Mapping[str, str | None]


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Stage:
    """As test_canary's."""
    made: Theatre = request.getfixturevalue("theatre")
    return made.play("first", lambda _: None)


@dataclass(frozen=True, slots=True)
class Merged:
    """A pull request and what its merge is."""

    number: int
    commit: Revision


def merged(stage: Stage, files: Files, branch: str) -> Merged:
    number = stage.propose(files, branch=branch)
    assert [check for plan in stage.plans(number).plans for check in plan.blocked] == []
    stage.approve(number)
    return Merged(number, stage.merge(number))


def to_its_end(stage: Stage) -> None:
    for _ in range(3):
        stage.clock.advance(timedelta(minutes=6))
        stage.settle()


def owner(stage: Stage) -> str:
    found = stage.world.sandbox("prod").look(DEPLOYMENT)
    assert found is not None
    return str(found["metadata"]["labels"].get(marks.RELEASE, ""))


def held_and_approved_again(stage: Stage, canary: Merged, later: Merged) -> None:
    """The canary ends first, untouched; then the other plan is refused, shown, approved and done."""
    assert workloads(stage) == {"svc-a": "v2.0.0", "svc-a-canary": "v2.0.1"}
    assert stage.statuses(canary.commit)[OURS][0] == "pending"
    assert stage.statuses(later.commit)[OURS] == (
        "pending",
        f"waits for dep-appr-{canary.number}, which is applied now",
    )
    to_its_end(stage)
    assert stage.statuses(canary.commit)[OURS][0] == "success"
    assert (workloads(stage), owner(stage)) == ({"svc-a": "v2.0.1"}, "svc-a")
    state, words = stage.statuses(later.commit)[OURS]
    assert (state, "preview_mismatch" in words) == ("failure", True), words
    held = stage.preview(later.number)
    stage.desk("approver_user").decide_commit(
        held, later.commit, Verb.APPROVE, reason="it is the same without the canary"
    )
    stage.settle()
    assert stage.statuses(later.commit)[OURS][0] == "success"


def test_a_rename_in_a_pause_hands_the_same_objects_over_after_the_canary(stage: Stage) -> None:
    canary = merged(stage, {RELEASE: text(stage, "v2.0.1")}, "next")
    before = stage.world.sandbox("prod").look(DEPLOYMENT)
    named = text(stage, "v2.0.1").replace("name: svc-a}", "name: svc-new}", 1)
    later = merged(stage, {RELEASE: None, "releases/svc-a/renamed.yaml": named}, "rename")
    held_and_approved_again(stage, canary, later)
    after = stage.world.sandbox("prod").look(DEPLOYMENT)
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert (workloads(stage), owner(stage)) == ({"svc-a": "v2.0.1"}, "svc-new")


def test_a_release_that_is_let_go_keeps_its_pods(stage: Stage) -> None:
    merged(stage, {RELEASE: stage.release_text("v2.0.0") + FORGETTING}, "forgetting")
    canary = merged(stage, {RELEASE: text(stage, "v2.0.1") + FORGETTING}, "next")
    later = merged(stage, {RELEASE: None}, "remove")
    held_and_approved_again(stage, canary, later)
    assert (workloads(stage), owner(stage)) == ({"svc-a": "v2.0.1"}, "")


SUSPENDED: Mapping[str, Callable[[Stage], Files]] = {
    "the release": lambda stage: {RELEASE: text(stage, "v2.0.1") + "  suspend: true\n"},
    "its environment": lambda stage: {HOME: stage.world.example()[HOME] + "  suspend: true\n"},
}


@pytest.mark.parametrize("what", SUSPENDED)
def test_what_is_suspended_meanwhile_is_finished_and_then_left_alone(stage: Stage, what: str) -> None:
    """Suspending is for what lands later; what stops a rollout is `hold`."""
    canary = merged(stage, {RELEASE: text(stage, "v2.0.1")}, "next")
    later = merged(stage, SUSPENDED[what](stage), "suspend")
    to_its_end(stage)
    assert stage.statuses(canary.commit)[OURS][0] == "success"
    assert workloads(stage) == {"svc-a": "v2.0.1"}
    assert stage.statuses(later.commit)[OURS] == ("success", "0 changes")
    done = stage.effects()
    suspended = {**SUSPENDED[what](stage), RELEASE: text(stage, "v2.0.2")}
    if what == "the release":
        suspended[RELEASE] = text(stage, "v2.0.2") + "  suspend: true\n"
    merged(stage, suspended, "another")
    to_its_end(stage)
    assert stage.effects() == done
    merged(stage, {HOME: stage.world.example()[HOME], RELEASE: text(stage, "v2.0.2")}, "lift")
    to_its_end(stage)
    assert workloads(stage) == {"svc-a": "v2.0.2"}
