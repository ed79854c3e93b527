"""A way back by steps that fails when its traffic is restored already; with `pytest tests/story --strategies all`."""

import re

from tests.failpoints.scenes import JOB, job
from tests.failpoints.stepped import NOBODY, with_steps
from tests.story.altered import mark
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import RELEASE, Stage
from tests.story.test_way_back import entries, land, made, pods
from tests.story.test_way_back_pods import told

LONGER = frozenset({"test_a_question_that_is_not_answered_well_gives_back_no_traffic_that_is_back"})
OF_TRAFFIC = re.compile("traffic|given back", re.IGNORECASE)


def test_a_question_that_is_not_answered_well_gives_back_no_traffic_that_is_back(stage: Stage) -> None:
    bad = with_steps(stage.release_text("v2.0.1-broken"), asked=NOBODY)
    land(stage, {RELEASE: bad, JOB: job("downgrade")}, "bad")
    assert stage.ledger.units["release/svc-a"].outcome == "rollback_failed"
    assert (stage.image(), pods(stage), mark(stage), len(made(stage))) == ("v2.0.0", 2, None, 1)
    assert entries(stage)[-1] == (5, False)  # and no turn in which pods are given back
    words = told(stage, "rollback_failed")
    assert "rollback.success[0] is not answered well" in words
    assert not OF_TRAFFIC.search(words), words
