"""Hooks of two releases in one batch of a plan, of which one is refused."""

from tests.failpoints.scenes import JOB, job
from tests.story.altered import altered, makes_job
from tests.story.altered import quick as quick  # a fixture
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import RELEASE, Stage
from tests.story.test_way_back import land, made
from tests.story.test_way_back_beside import unread

OTHER = "releases/svc-x"


def hooked(stage: Stage, name: str, before: str) -> str:
    """A release whose Job runs before it."""
    text = (
        stage.release_text("v2.0.1")
        .replace("name: svc-a}", f"name: {name}}}")
        .replace("svc-a/manifests", f"{name}/manifests")
    )
    return f"{text.rstrip()}\n  hooks: [{{name: up, when: before, job: {before}, timeout: 2m}}]\n"


def both(stage: Stage, tag: str) -> dict[str, str | None]:
    example = stage.world.example()
    parts = ("configmap", "deployment", "service")
    texts = {part: example[f"releases/svc-a/manifests/{part}.yaml"].replace("svc-a", "svc-x") for part in parts}
    return {
        RELEASE: hooked(stage, "svc-a", "upgrade"),
        JOB: job("upgrade", tag),
        f"{OTHER}/production.yaml": hooked(stage, "svc-x", "up-x"),
        f"{OTHER}/manifests/jobs.yaml": job("up-x"),
        **{f"{OTHER}/manifests/{part}.yaml": text for part, text in texts.items()},
    }


def test_a_job_that_was_begun_is_waited_for_where_that_of_another_release_is_refused(stage: Stage) -> None:
    """Else a retry would begin it again beside itself."""
    cluster = altered(stage)
    cluster.refuse(403, lambda asked: makes_job(asked) and "up-x" in asked.path)
    land(stage, both(stage, "hanging"), "both")
    assert [one.rpartition("-")[0] for one in {*made(stage)}] == ["upgrade"]
    assert cluster.running() == []
    assert stage.ledger.units["release/svc-a"].outcome in {"failed", "rolled_back"}


def test_a_job_that_was_begun_and_may_not_be_read_is_told(stage: Stage) -> None:
    cluster = altered(stage)
    cluster.refuse(
        403, lambda asked: (makes_job(asked) and "up-x" in asked.path) or (bool(made(stage)) and unread(asked))
    )
    land(stage, both(stage, "hanging"), "both")
    assert "MAY STILL RUN" in " ".join(row.text for row in stage.rows(release="svc-a"))
