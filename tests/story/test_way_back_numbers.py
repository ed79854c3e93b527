"""How many pods a way back by steps leaves where the source that comes back says no number."""

import re
from typing import Any

from tests.failpoints.scenes import JOB, MANIFEST, job
from tests.faults.release import cluster_of
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import RELEASE, Stage
from tests.story.test_way_back import land, text
from tests.story.test_way_back_made import order_back

NIGHTLY = """---
apiVersion: batch/v1
kind: CronJob
metadata: {{name: nightly}}
spec:
  schedule: "0 1 * * *"
{rest}  jobTemplate:
    spec:
      template:
        spec: {{restartPolicy: Never, containers: [{{name: it, image: "registry.example.invalid/nightly:v1"}}]}}
"""


def spec_of(stage: Stage, kind: str, name: str) -> dict[str, Any]:
    found = [one for one in cluster_of(stage).contents().values() if one["kind"] == kind]
    spec: dict[str, Any] = next(one["spec"] for one in found if one["metadata"]["name"] == name)
    return spec


def test_what_the_version_that_is_left_had_switched_off_runs_again(stage: Stage) -> None:
    """The old source says nothing of it, so what counts is what the server makes of that."""
    web = stage.world.example()[MANIFEST].rstrip() + "\n"
    worker = web.replace("name: svc-a\n", "name: worker\n", 1).replace("app: svc-a", "app: worker")
    old = web + "---\n" + worker.replace("  replicas: 2\n", "") + NIGHTLY.format(rest="")
    land(stage, {MANIFEST: old}, "more")
    off = web + "---\n" + worker.replace("replicas: 2", "replicas: 0") + NIGHTLY.format(rest="  suspend: true\n")
    new = re.sub(r"success: \[.*\]", "success: []", text(stage, "v2.0.1"))  # readiness alone counts
    land(stage, {RELEASE: new, MANIFEST: off, JOB: job("downgrade")}, "off")
    assert spec_of(stage, "Deployment", "worker")["replicas"] == 0
    assert spec_of(stage, "CronJob", "nightly")["suspend"] is True
    order_back(stage)
    assert stage.ledger.units["release/svc-a"].outcome == "rolled_back"
    assert spec_of(stage, "Deployment", "worker")["replicas"] == 1
    assert not spec_of(stage, "CronJob", "nightly").get("suspend")
