"""For each guard a short story in which it stands between somebody and the target.

Nothing is asserted but the oracle: a guard that is taken out of the product makes its story red (README.md: which were,
and behind which another stands). The machine meets the same in random orders; these are met in every run.
"""

from functools import partial

import pytest

from reconciler.state.forge import Verdict
from tests.model import texts
from tests.model.ground import Looks
from tests.model.lifeline import Line
from tests.model.machine import GateMachine, Way
from tests.model.start import Begun

WAYS = {
    "self-approval": Way("lead", "web", "v2", "lead", "merge", "nothing", 0, 1),
    "digest": Way("dev", "web", "v2", "ann", "merge", "hand edit", 2, 2),
    "another head": Way("dev", "web", "v2", "ann", "merge", "force-push", 2, 1),
    "expiry": Way("dev", "web", "v2", "ann", "merge", "wait", 2, 1),
    "rejection": Way("dev", "web", "v2", "ann", "merge", "reject", 2, 1),
    "role when used": Way("dev", "web", "v2", "ann", "squash", "roles", 2, 2),
    "retracted": Way("dev", "web", "v2", "ann", "merge", "retract", 2, 0),
    "a failure is no success": Way("dev", "web", texts.BROKEN, "ann", "merge", "nothing", 0, 1),
}


def _ground(begun: Begun) -> GateMachine:
    GateMachine.fresh = begun.fresh
    return GateMachine()


def _approved(
    ground: GateMachine, tag: str, *, maker: str = "dev", opener: str = "dev", person: str = "ann", signed: bool = True
) -> None:
    """web's next tag, made, opened and approved by somebody, merged; nobody has looked at the merge."""
    ground.act("propose")
    number = ground.town.propose(maker, ground.files("web", tag), opener=opener, signed=signed)
    ground.after(Looks.BOTH)
    ground.act("approve")
    ground.review(person, ground.place.forge.pulls[number], Verdict.APPROVE, signed=False)
    ground.after(Looks.BOTH)
    ground.act("merge")
    assert ground.town.merge(number, "dev", "merge")


@pytest.mark.parametrize("name", WAYS)
def test_a_disturbed_way_to_production(begun: Begun, name: str) -> None:
    ground = _ground(begun)
    ground.first(way=WAYS[name], looks=Looks.BOTH)
    ground.settled()


def test_the_undisturbed_way_reaches_production(begun: Begun) -> None:
    ground = _ground(begun)
    _approved(ground, "v2")
    ground.settled()
    assert ground.stage.oracle.live("web") == "v2"


def test_who_made_the_commits_approves_nothing(begun: Begun) -> None:
    ground = _ground(begun)
    _approved(ground, "v2", maker="ann")
    ground.settled()


def test_who_opened_it_approves_nothing_whoever_made_it(begun: Begun) -> None:
    ground = _ground(begun)
    _approved(ground, "v2", opener="lead", person="lead")
    ground.settled()


def test_one_approval_is_too_few_for_unsigned_commits(begun: Begun) -> None:
    ground = _ground(begun)
    _approved(ground, "v2", signed=False)
    ground.settled()


def test_an_older_plan_approved_late_never_follows_a_newer_one(begun: Begun) -> None:
    ground = _ground(begun)
    ground.push_to_main("dev", "web", "v2", signed=True, looks=Looks.BOTH)
    _approved(ground, "v3")
    ground.approve_held("ben", 0, Looks.BOTH)
    ground.settled()


@pytest.mark.parametrize("effect", [4, 5, 6, 7])
def test_a_hand_on_the_target_before_an_effect_stops_the_plan(begun: Begun, effect: int) -> None:
    ground = _ground(begun)
    _approved(ground, "v2")
    life = ground.stage.processes[0].life

    def meanwhile() -> None:
        ground.stage.check()  # what passed until now was judged by what ran until now
        ground.town.edit_target("web", "v3")

    life.visitor, life.visit_in = meanwhile, effect
    ground.after(Looks.ONE)
    ground.settled()


@pytest.mark.parametrize("effect", [3, 4, 5])
def test_another_cluster_at_the_address_gets_nothing(begun: Begun, effect: int) -> None:
    ground = _ground(begun)
    _approved(ground, "v2")
    life = ground.stage.processes[0].life
    life.visitor, life.visit_in = ground.place.clusters["prod"].swap, effect
    ground.after(Looks.ONE)
    ground.settled()


@pytest.mark.parametrize("effect", [1, 2, 3, 4])
def test_two_who_pass_the_same_plan_give_out_one_generation(begun: Begun, effect: int) -> None:
    ground = _ground(begun)
    _approved(ground, "v2")
    one, other = ground.stage.processes
    one.life.visitor, one.life.visit_in = partial(ground.look, other, to_the_end=False), effect
    ground.after(Looks.ONE)
    ground.settled()


@pytest.mark.parametrize("effect", [6, 7])
def test_the_target_refuses_who_comes_late_and_cannot_reach_git(begun: Begun, effect: int) -> None:
    ground = _ground(begun)
    _approved(ground, "v2")
    one, other = ground.stage.processes

    def meanwhile() -> None:
        one.life.cut.add(Line.GIT)
        ground.look(other, to_the_end=True)
        ground.stage.check()
        number = ground.town.propose("dev", ground.files("web", "v3"))
        ground.act("propose")
        ground.look(other, to_the_end=True)
        ground.act("approve")
        ground.review("ann", ground.place.forge.pulls[number], Verdict.APPROVE, signed=False)
        ground.act("merge")
        ground.town.merge(number, "dev", "merge")
        ground.look(other, to_the_end=True)
        ground.stage.check()

    one.life.visitor, one.life.visit_in = meanwhile, effect
    ground.after(Looks.ONE)
    one.life.cut.clear()
    ground.settled()
    assert ground.stage.oracle.live("web") == "v3"
