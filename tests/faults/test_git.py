"""A Git remote that is cut off around any push: one record of each thing, no false success, and it goes on after."""

from reconciler.errors import ReconcilerError
from tests.faults.conftest import OverHttp
from tests.faults.far_cluster import Cut, Spot
from tests.faults.release import TOLD, check, next_version, state_of
from tests.story.stage import Stage

PUSHES = 11  # of one release, from its merge to its end
ALL = {
    "test_f10_a_push_that_is_cut_off_is_there_once": [
        Spot(cut, number) for cut in Cut for number in range(1, PUSHES + 1)
    ]
}
SOME = {"test_f10_a_push_that_is_cut_off_is_there_once": [Spot(Cut.UNANSWERED, 3)]}


def settle(stage: Stage) -> None:
    """Look again and again, as the timer does, also where a look fails as a whole."""
    for _ in range(8):
        try:
            stage.settle()
        except ReconcilerError:
            continue
        if not stage.world.opened.reconciler.faults:
            return


def test_f12_where_every_other_answer_is_lost_nothing_is_said_or_done_twice(over_http: OverHttp) -> None:
    stage, git = over_http.stage, over_http.git
    pull, tag = next_version(stage)
    merged = stage.merge(pull, settle=False)
    git.lose_every_other()
    settle(stage)
    git.heal()
    assert git.cuts_met() > 2
    settle(stage)
    check(stage, pull, tag, merged)
    assert stage.actions(ticket=pull) == TOLD


def test_f10_a_push_that_is_cut_off_is_there_once(over_http: OverHttp, spot: Spot) -> None:
    stage, git = over_http.stage, over_http.git
    pull, tag = next_version(stage)
    merged = stage.merge(pull, settle=False)
    git.cut_at(spot.cut, spot.number, away=True)
    settle(stage)
    git.heal()
    stage.world.opened.mirror.sync()
    assert state_of(stage, merged) != "success" or stage.image() == tag
    settle(stage)
    check(stage, pull, tag, merged)
