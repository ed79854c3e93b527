"""What comes between two steps of somebody's way to production. One function each; `choice` picks a variant."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

from reconciler.state.forge import Verdict
from tests.model import texts
from tests.model.ground import Ground
from tests.model.lifeline import Line

Disturbance = Callable[[Ground, int, int, str], None]  # ground, choice, pull request, release


def _nothing(_ground: Ground, _choice: int, _number: int, _release: str) -> None:
    pass


def _push(ground: Ground, choice: int, number: int, release: str) -> None:
    pull = ground.place.forge.pulls[number]
    ground.town.commit("dev", ground.files(release, texts.GOOD[choice]), parent=pull.head, branch=pull.head_ref)


def _force_push(ground: Ground, choice: int, number: int, release: str) -> None:
    branch, files = ground.place.forge.pulls[number].head_ref, ground.files(release, texts.GOOD[choice])
    ground.town.commit("lead", files, parent=ground.town.tip, branch=branch, signed=choice > 0)


def _push_to_main(ground: Ground, choice: int, _number: int, release: str) -> None:
    ground.town.commit("dev", ground.files(release, texts.GOOD[choice]), parent=ground.town.tip, branch="main")


def _edit_target(ground: Ground, choice: int, _number: int, release: str) -> None:
    ground.town.edit_target(release, texts.GOOD[choice])


def _retract(ground: Ground, choice: int, number: int, _release: str) -> None:
    ground.town.retract(number, choice)


def _reject(ground: Ground, choice: int, number: int, _release: str) -> None:
    ground.review(texts.APPROVERS[choice], ground.place.forge.pulls[number], Verdict.REJECT, signed=False)


def _retarget(ground: Ground, _choice: int, number: int, _release: str) -> None:
    ground.town.retarget(number)


def _wait(ground: Ground, choice: int, _number: int, _release: str) -> None:
    ground.place.time.pass_by(timedelta(minutes=(31, 25 * 60, 8 * 24 * 60)[choice]))


def _roles(ground: Ground, choice: int, _number: int, _release: str) -> None:
    ground.roles(texts.SEATS[choice], rooted=True)


def _crash(ground: Ground, choice: int, number: int, _release: str) -> None:
    life = ground.stage.processes[0].life
    life.countdown, life.after = choice * 2 + 1, number % 2 == 0


def _cut(ground: Ground, choice: int, _number: int, _release: str) -> None:
    ground.stage.processes[choice % 2].life.cut.add(tuple(Line)[choice])


def _stand_still(ground: Ground, choice: int, _number: int, _release: str) -> None:
    one, other = ground.stage.processes
    one.life.visitor, one.life.visit_in = partial(ground.look, other, to_the_end=True), choice * 2 + 1


def _swap(ground: Ground, _choice: int, _number: int, release: str) -> None:
    ground.place.clusters[texts.RELEASES[release]].swap()


def _edit_comments(ground: Ground, _choice: int, number: int, _release: str) -> None:
    ground.town.edit_comments(number, "approved")


DISTURBANCES: Mapping[str, Disturbance] = {
    "nothing": _nothing,
    "push": _push,
    "force-push": _force_push,
    "direct push": _push_to_main,
    "hand edit": _edit_target,
    "retract": _retract,
    "reject": _reject,
    "retarget": _retarget,
    "wait": _wait,
    "roles": _roles,
    "crash": _crash,
    "cut": _cut,
    "stand still": _stand_still,
    "another cluster": _swap,
    "edit comments": _edit_comments,
}
