"""Killed wherever a way back by steps fails: how it ends is the same, it says so, and no migration ran beside pods.

By default one place; `pytest tests/failpoints/test_failing.py --failpoints all` is every place of every such scene.
"""

from typing import Any

import pytest

from reconciler.kube.marks import STOPPED
from tests.failpoints.conftest import Playbill
from tests.failpoints.points import Point, Side
from tests.failpoints.scenes import SCENES
from tests.failpoints.stepped import ENDS, End
from tests.failpoints.test_kills import killed, kills
from tests.failpoints.theatre import Theatre

SOME = [("no-way-back", Side.BEFORE, Point.KUBE_RESTORE)]
EVERY = [(name, side, point) for name in ENDS for point in sorted(SCENES[name].reaches) for side in Side]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "blow" in metafunc.fixturenames:
        blows = SOME if metafunc.config.getoption("--failpoints") == "some" else EVERY
        metafunc.parametrize("blow", blows, ids=["-".join(blow) for blow in blows])


def test_g23_killed_wherever_a_way_back_fails_ends_with_its_pods_and_says_so(
    playbill: Playbill, blow: tuple[str, Side, Point], request: pytest.FixtureRequest
) -> None:
    name, side, point = blow
    theatre, reached, _ = playbill.played(SCENES[name])
    found = []
    for kill in kills(point, side, reached.get(point, 0), request.config.getoption("--failpoints")):
        killed(theatre, SCENES[name], kill)
        found += [f"killed {kill}: {one}" for one in wrong(theatre, ENDS[name])]
    assert point in reached
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def wrong(theatre: Theatre, end: End) -> list[str]:
    """What did not end as it has to."""
    theatre.stage.restart()
    cluster, ledger = theatre.world.sandbox("prod"), theatre.stage.ledger
    bodies = [one for one in cluster.contents().values() if one["kind"] == "Deployment"]
    pods = {one["metadata"]["name"]: (_tag(one), one["spec"]["replicas"]) for one in bodies}
    marked = any(STOPPED in one["metadata"]["annotations"] for one in bodies)
    (last,) = [one for (name, _), one in ledger.rollouts.items() if name == "env-k8s-prod"][-1:]
    message = last.finished.message if last.finished is not None else "it has not ended"
    outcomes = {name: ledger.units[f"release/{name}"].outcome for name in end.pods}
    runs = [one for one in cluster.contents().values() if one["kind"] == "Job"]
    seen = {
        "pods": (pods, end.pods),
        "mark": (marked, end.stopped),
        "words": (end.words in message or message, True),
        "outcomes": (outcomes, {name: "rolled_back" if name == end.back else end.outcome for name in end.pods}),
        "runs": (len(runs), end.runs),
        "rollouts that run": (len(ledger.running()), 0),
    }
    return [
        *theatre.beside(),
        *(f"{what}: {now} for {wanted}" for what, (now, wanted) in seen.items() if now != wanted),
    ]


def _tag(body: dict[str, Any]) -> str:
    text = str(body["spec"]["template"]["spec"]["containers"][0]["image"])
    return text.rpartition(":")[2]
