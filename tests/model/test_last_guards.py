"""Guards behind which, in most stories, another one stands: here each is the last one before the target.

As in test_guards.py nothing is asserted but the oracle; README.md lists what was taken out and seen red.
"""

from functools import partial

from reconciler.names import Revision
from reconciler.state.forge import Verdict
from tests.model.ground import Looks
from tests.model.lifeline import Line
from tests.model.machine import GateMachine
from tests.model.start import Begun


def _ground(begun: Begun) -> GateMachine:
    GateMachine.fresh = begun.fresh
    return GateMachine()


def _approved(ground: GateMachine, tag: str) -> int:
    """web's next tag, made by dev and approved by ann, open."""
    ground.act("propose")
    number = ground.town.propose("dev", ground.files("web", tag))
    ground.after(Looks.BOTH)
    ground.act("approve")
    ground.review("ann", ground.place.forge.pulls[number], Verdict.APPROVE, signed=False)
    ground.after(Looks.BOTH)
    return number


def _merge(ground: GateMachine, number: int, looks: Looks = Looks.BOTH) -> None:
    ground.act("merge")
    assert ground.town.merge(number, "dev", "merge")
    ground.after(looks)


def _approve_commit(ground: GateMachine, commit: Revision) -> None:
    """ben approves what is held of a commit, having read what stands there now."""
    ledger = ground.stage.processes[0].journal.ledger
    ticket = ledger.landed[commit].ticket
    if ticket not in ledger.waiting:
        return  # nobody is asked any more
    state = ledger.previews[ticket]
    ground.act("approve held")
    digest, event = state.previewed.digest, str(state.event)
    ground.town.decide("ben", ticket, commit, state.previewed.path, digest=digest, event=event)
    ground.after(Looks.BOTH)


def test_a_review_is_for_the_head_that_was_read_also_where_the_plan_stays_the_same(begun: Begun) -> None:
    ground = _ground(begun)
    number = _approved(ground, "v2")
    pull = ground.place.forge.pulls[number]
    ground.town.commit("lead", {"notes.txt": "nothing managed"}, parent=pull.head, branch=pull.head_ref)
    ground.after(Looks.BOTH)
    _merge(ground, number)
    ground.settled()


def test_a_dismissed_review_is_no_review(begun: Begun) -> None:
    ground = _ground(begun)
    number = _approved(ground, "v2")
    ground.town.retract(number, 0)
    _merge(ground, number)
    ground.settled()


def test_what_runs_was_seen_by_whoever_approved_also_where_a_hand_has_our_name(begun: Begun) -> None:
    """Fields that a hand took under our own name conflict with nobody: only the recorded state before tells."""
    ground = _ground(begun)
    number = _approved(ground, "v2")
    life = ground.stage.processes[0].life
    ground.act("merge")
    assert ground.town.merge(number, "dev", "merge")

    def meanwhile() -> None:
        ground.stage.check()
        ground.town.seize_target("web", "v3")

    life.visitor, life.visit_in = meanwhile, 4  # it passed the gate, and its worker has not looked yet
    ground.after(Looks.ONE)
    life.visitor = None
    ground.settled()


def test_the_parent_never_goes_back_to_an_older_generation(begun: Begun) -> None:
    """Who comes late and cannot ask Git writes nothing, not even that it was here."""
    ground = _ground(begun)
    _merge(ground, _approved(ground, "v2"), Looks.NOBODY)
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

    one.life.visitor, one.life.visit_in = meanwhile, 8  # it has read the parent, and is about to take it
    ground.after(Looks.ONE)
    one.life.visitor = None
    one.life.cut.clear()
    ground.settled()


def test_an_older_commit_never_passes_after_a_newer_one_also_where_the_tip_says_the_same_again(begun: Begun) -> None:
    ground = _ground(begun)
    push = partial(ground.push_to_main, "dev", "web", signed=True, looks=Looks.BOTH)
    push(tag="v2")
    older = ground.town.tip
    _merge(ground, _approved(ground, "v3"), Looks.NOBODY)
    push(tag="v2")
    for _ in range(2):  # the plan is another one by now: it is shown anew, and approved anew
        _approve_commit(ground, older)
    ground.settled()
