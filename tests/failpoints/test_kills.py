"""Killed at every record and every effect, and started again: nothing lost, nothing twice (G20, G21, G24; fault F1).

By default the points of one release and one preview, each once; `pytest tests/failpoints --failpoints all` is every
point of every scene, each time that it is reached; of requests, pushes and other smaller steps the first and the last,
and with `--failpoints each` every single one: name a scene beside it (`-k way-back`), which takes minutes.
"""

from collections.abc import Iterable, Iterator

import pytest

from tests.failpoints.comparing import differences
from tests.failpoints.conftest import Playbill
from tests.failpoints.points import STEPS, Kill, Point, Side
from tests.failpoints.scenes import SCENES, Scene
from tests.failpoints.stepped import ENDS
from tests.failpoints.theatre import KILLED, Theatre

SOME = (
    *(("release", Side.AFTER, point) for point in (Point.KUBE_BEGIN, Point.KUBE_APPLY, Point.AUDIT_APPEND)),
    *(("release", Side.BEFORE, point) for point in (Point.KUBE_BEGIN, Point.KUBE_APPLY, Point.AUDIT_APPEND)),
    *(("release", side, Point.FORGE_STATUS) for side in Side),
    *(("preview", side, Point.FORGE_COMMENT) for side in Side),
    ("preview", Side.AFTER, Point.AUDIT_APPEND),
    ("moved", Side.AFTER, Point.AUDIT_APPEND),
    ("pinned", Side.AFTER, Point.KUBE_BEGIN),
    ("held", Side.BEFORE, Point.FORGE_STATUS),
    ("rollback", Side.AFTER, Point.AUDIT_APPEND),
    ("forgotten", Side.AFTER, Point.KUBE_APPLY),
    ("canary", Side.AFTER, Point.KUBE_APPLY),
    ("blue-green", Side.AFTER, Point.KUBE_APPLY),
    ("blue-green", Side.BEFORE, Point.KUBE_DELETE),
    ("way-back", Side.AFTER, Point.KUBE_RUN_JOB),
    ("hooks", Side.AFTER, Point.KUBE_RUN_JOB),
)
EVERY = tuple(
    (name, side, point)
    for name, scene in SCENES.items()
    if name not in ENDS
    for point in sorted(scene.reaches)
    for side in Side
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" in metafunc.fixturenames:
        some = metafunc.config.getoption("--failpoints") == "some"
        places = SOME if some else EVERY
        metafunc.parametrize("place", places, ids=["-".join(place) for place in places])


def kills(point: Point, side: Side, times: int, how: str) -> Iterable[Kill]:
    """By default the first time; else every time, of the smaller steps the first and the last, or each as well."""
    ends = how == "all" and point in STEPS
    every = [1] if how == "some" else sorted({1, times}) if ends else range(1, times + 1)
    return [Kill(side, point, nth) for nth in every]


def killed(theatre: Theatre, scene: Scene, *deaths: Kill) -> None:
    """The scene's first run dies in turn of each; then all its runs go through."""
    theatre.put_back(scene.name)
    first, *_ = scene.runs(theatre)
    for kill in deaths:
        ran = theatre.run(first, kill)
        assert ran.code == KILLED, f"{kill} was not reached: {ran.code}: {ran.said}"
        scene.meanwhile(theatre)
    for words in scene.runs(theatre):
        ran = theatre.run(words)
        assert ran.code == 0, f"after {deaths}: {ran.said}"


def wrong(playbill: Playbill, scene: Scene, deaths: Iterable[Kill]) -> Iterator[str]:
    """What each kill left different from the undisturbed scene."""
    theatre, _, undisturbed = playbill.played(scene)
    for kill in deaths:
        killed(theatre, scene, kill)
        for difference in (*theatre.beside(), *differences(undisturbed, theatre.left(scene.name), kills=1)):
            yield f"killed {kill}: {difference}"


def test_f1_killed_and_started_again_leaves_what_an_undisturbed_run_leaves(
    playbill: Playbill, place: tuple[str, Side, Point], request: pytest.FixtureRequest
) -> None:
    name, side, point = place
    _, reached, _ = playbill.played(SCENES[name])
    how = request.config.getoption("--failpoints")
    found = list(wrong(playbill, SCENES[name], kills(point, side, reached[point], how)))
    if found:
        pytest.fail("\n".join(found), pytrace=False)  # a picture of two worlds helps nobody


def test_f1_killed_again_and_again_on_the_way_leaves_what_an_undisturbed_run_leaves(playbill: Playbill) -> None:
    """Each process after the first begins where the one before it died; the third kill is met while recovering."""
    scene = SCENES["release"]
    theatre, _, undisturbed = playbill.played(scene)
    deaths = (
        Kill(Side.AFTER, Point.AUDIT_APPEND),
        Kill(Side.BEFORE, Point.KUBE_APPLY),
        Kill(Side.AFTER, Point.KUBE_APPLY),
    )
    killed(theatre, scene, *deaths)
    found = list(differences(undisturbed, theatre.left(scene.name), kills=len(deaths)))
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def test_g18_a_refusal_is_never_left_without_its_preview_and_the_comment_follows(playbill: Playbill) -> None:
    """What landed is the first record, why it is held and its preview the second."""
    found = list(wrong(playbill, SCENES["refused"], [Kill(Side.AFTER, Point.AUDIT_APPEND, 2)]))
    if found:
        pytest.fail("\n".join(found), pytrace=False)
