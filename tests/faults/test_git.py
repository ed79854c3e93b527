"""A Git remote that is cut off around any push: one record of each thing, no false success, and it goes on after."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from reconciler.errors import ReconcilerError
from tests.faults.conftest import OverHttp
from tests.faults.far_cluster import Cut, Spot
from tests.faults.release import TOLD, check, cluster_of, next_version, state_of
from tests.git.world import Reply, Request
from tests.git.world import git as git_itself
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


def test_f38_the_cluster_and_git_fail_in_one_release(over_http: OverHttp) -> None:
    stage, git = over_http.stage, over_http.git
    pull, tag = next_version(stage)
    merged = stage.merge(pull, settle=False)
    cluster_of(stage).cut_at(Cut.UNANSWERED, 2, away=True)
    git.lose_every_other()
    settle(stage)
    assert cluster_of(stage).cuts_met() == 1
    assert state_of(stage, merged) == "pending"
    cluster_of(stage).heal()
    settle(stage)
    git.heal()
    settle(stage)
    check(stage, pull, tag, merged)


def no_such_repository(_request: Request) -> Reply:
    return 404, {}, b""


def not_allowed(_request: Request) -> Reply:
    return 401, {}, b""


def a_login_page(_request: Request) -> Reply:
    return 200, {"Content-Type": "text/html"}, b"<html>please log in</html>"


@pytest.mark.parametrize("refusal", [no_such_repository, not_allowed, a_login_page])
def test_f08_what_is_gone_or_denied_is_never_read_as_nothing_wanted(
    over_http: OverHttp, refusal: Callable[[Request], Reply]
) -> None:
    stage, git = over_http.stage, over_http.git
    before, tip = stage.effects(), stage.tip()
    git.refuse(refusal)
    with pytest.raises(ReconcilerError):
        stage.world.opened.reconciler.look()
    git.heal()
    assert stage.settle() == []
    assert (stage.effects(), stage.tip()) == (before, tip)


@pytest.mark.parametrize("pattern", ["refs/heads/main", "refs/"])
def test_f08_a_branch_that_vanished_deletes_nothing(over_http: OverHttp, pattern: str) -> None:
    stage = over_http.stage
    origin = stage.world.origin
    stage.settle()
    before = stage.effects()
    listed = [line.split() for line in git_itself(origin, "show-ref").splitlines()]
    refs = {name: oid for oid, name in listed if name.startswith(pattern)}
    assert "refs/heads/main" in refs
    for name in refs:
        git_itself(origin, "update-ref", "-d", name)
    with suppress(ReconcilerError):
        assert any("history_rewritten" in fault for fault in stage.settle())
    assert stage.effects() == before
    for name, oid in refs.items():
        git_itself(origin, "update-ref", name, oid)
    stage.settle()
    assert stage.effects() == before
    assert stage.ledger.stopped is None
