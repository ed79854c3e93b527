"""An API server that is cut off around any request: never a false success, nothing twice, and it goes on after."""

from tests.faults.far_cluster import Cut, Spot, any_request, is_write
from tests.faults.release import STATUS, check, cluster_of, next_version, state_of
from tests.story.stage import Stage

WRITES = 3  # the parent, the ConfigMap, the Deployment
REQUESTS = 30  # more than a release makes: where none is left to cut, nothing was cut
ALL = {
    "test_f18_a_write_that_is_cut_off_is_done_once": [
        Spot(cut, number) for cut in Cut for number in range(1, WRITES + 1)
    ],
    "test_f16_a_server_that_goes_away_at_any_request_is_waited_for": [
        Spot(cut, number) for cut in (Cut.UNHEARD, Cut.TORN) for number in range(1, REQUESTS + 1)
    ],
}
SOME = {
    "test_f18_a_write_that_is_cut_off_is_done_once": [
        Spot(Cut.UNHEARD, 2),
        Spot(Cut.UNANSWERED, 1),
        Spot(Cut.UNANSWERED, 3),
        Spot(Cut.TORN, 3),
    ],
    "test_f16_a_server_that_goes_away_at_any_request_is_waited_for": [Spot(Cut.UNHEARD, 1), Spot(Cut.TORN, 12)],
}


def test_f18_a_write_that_is_cut_off_is_done_once(behind: Stage, spot: Spot) -> None:
    cluster = cluster_of(behind)
    pull, tag = next_version(behind)
    cluster.cut_at(spot.cut, spot.number, is_write, away=True)
    merged = behind.merge(pull)
    assert cluster.cuts_met() == 1
    assert behind.ledger.running()
    state, words = behind.statuses(merged)[STATUS]
    assert state == "pending"
    assert "wait" in words
    cluster.heal()
    behind.settle()
    check(behind, pull, tag, merged)


def test_f16_a_server_that_goes_away_at_any_request_is_waited_for(behind: Stage, spot: Spot) -> None:
    cluster = cluster_of(behind)
    pull, tag = next_version(behind)
    cluster.cut_at(spot.cut, spot.number, any_request, away=True)
    merged = behind.merge(pull)
    if cluster.cuts_met():
        assert state_of(behind, merged) == "pending"
        assert "applied" not in behind.actions(ticket=pull)
    cluster.heal()
    behind.settle()
    check(behind, pull, tag, merged)
