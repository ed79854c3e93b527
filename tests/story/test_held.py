"""What is held is one environment's part of what landed; the other parts stand as they were approved (G10, G18)."""

from tests.story.stage import RELEASE, Stage

STAGING = "releases/svc-a/staging.yaml"
CONFIG = "api/v1/namespaces/svc-a/configmaps/svc-a"


def test_g10_a_part_that_waits_for_its_cluster_is_not_held_with_the_other(stage: Stage) -> None:
    staging = stage.world.example()[STAGING].replace("v2.0.0", "v2.0.1")
    number = stage.propose({RELEASE: stage.release_text("v2.0.1"), STAGING: staging}, branch="both")
    stage.approve(number)
    stage.world.clusters["prod"].stop()
    stage.world.sandbox("staging").edit(CONFIG, {"data": {"VERSION": "v9"}})
    merged = stage.merge(number)
    said = stage.statuses(merged)
    assert "preview_mismatch" in said["reconciler/apply: env-staging"][1]
    assert "preview_" not in said["reconciler/apply: env-k8s-prod"][1]
    stage.world.clusters["prod"].start()
    stage.settle()
    assert stage.image() == "v2.0.1"  # by the approval that was given before the merge
    assert stage.image("staging") == "v2.0.0"
