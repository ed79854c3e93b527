"""What the machine found, each as a short story that stays."""

from functools import partial

import pytest

from reconciler.state.forge import Verdict
from tests.model import texts
from tests.model.ground import Ground, Looks
from tests.model.machine import GateMachine
from tests.model.start import Begun


def _merged(begun: Begun, tag: str) -> Ground:
    """web's next tag, approved and merged; nobody has looked since."""
    GateMachine.fresh = begun.fresh
    ground = GateMachine()
    number = ground.town.propose("dev", ground.files("web", tag))
    ground.act("propose")
    ground.after(Looks.BOTH)
    ground.act("approve")
    ground.review("ann", ground.place.forge.pulls[number], Verdict.APPROVE, signed=False)
    ground.after(Looks.BOTH)
    ground.act("merge")
    assert ground.town.merge(number, "dev", "merge")
    return ground


@pytest.mark.parametrize("effect", range(5, 11))  # from the acceptance to the first effect and the record after it
@pytest.mark.parametrize("tag", ["v2", texts.BROKEN])
def test_a_worker_that_stood_still_does_nothing_again_that_another_ended(begun: Begun, tag: str, effect: int) -> None:
    ground = _merged(begun, tag)
    one, other = ground.stage.processes
    one.life.visitor, one.life.visit_in = partial(ground.look, other, to_the_end=True), effect
    ground.after(Looks.ONE)
    one.life.visitor = None
    ground.after(Looks.ONE)
    assert ground.stage.oracle.live("web") == ("v2" if tag == "v2" else "v1")
    ground.settled()
