"""Killed where traffic is stopped, and people do something before the next process begins: the traffic comes back.

By default one word of one person; `--failpoints all` is each, around every step, and `--failpoints each` wherever the
process dies while traffic is stopped.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from reconciler.approval.decision import Verb
from reconciler.kube.marks import STOPPED
from tests.failpoints.conftest import Playbill
from tests.failpoints.points import Kill, Point, Side
from tests.failpoints.scenes import MANIFEST, SCENES
from tests.failpoints.theatre import KILLED, Theatre
from tests.failpoints.watched import Watched
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
from tests.story.test_way_back_refused import ENVIRONMENT

OURS = "reconciler/apply: env-k8s-prod"
AROUND = (Point.KUBE_STOP, Point.KUBE_RUN_JOB, Point.KUBE_RESTORE)
POINTS = (*AROUND, Point.AUDIT_APPEND, Point.FORGE_STATUS, Point.KUBE_BEGIN, Point.KUBE_APPLY)


def _held(stage: Stage) -> None:
    stage.desk("dev_user").order("release/svc-a", Verb.HOLD, reason="wait")


def _turned_back(stage: Stage) -> None:
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="no")


def _tried_again(stage: Stage) -> None:
    stage.desk("dev_user").order("release/svc-a", Verb.RETRY, reason="again")


def _suspended(stage: Stage) -> None:
    number = stage.propose({ENVIRONMENT: stage.world.example()[ENVIRONMENT] + "  suspend: true\n"}, branch="suspend")
    stage.approve(number)
    stage.merge(number, settle=False)


def _burning(stage: Stage) -> None:
    manifest = stage.world.example()[MANIFEST].replace("replicas: 2", "replicas: 5")
    number = stage.propose({MANIFEST: manifest}, branch="scale")
    stage.desk("admin").decide(stage.preview(number), Verb.EMERGENCY, reason="it burns")
    stage.settle()
    stage.force_merge(number)


def _newer(stage: Stage) -> None:
    number = stage.propose({RELEASE: stage.release_text("v2.0.9")}, branch="newer")
    stage.approve(number)
    stage.force_merge(number)


ACTS: Mapping[str, Callable[[Stage], None]] = {
    "hold": _held,
    "rollback": _turned_back,
    "retry": _tried_again,
    "suspend": _suspended,
    "emergency": _burning,
    "newer": _newer,
}
SOME = [("way-back", "hold")]
EVERY = [(scene, act) for scene in ("way-back", "no-way-back", "reverted") for act in ACTS]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "meanwhile" in metafunc.fixturenames:
        found = SOME if metafunc.config.getoption("--failpoints") == "some" else EVERY
        metafunc.parametrize("meanwhile", found, ids=["-".join(one) for one in found])


def test_g23_whatever_people_do_while_nobody_runs_stopped_traffic_comes_back(
    playbill: Playbill, meanwhile: tuple[str, str], request: pytest.FixtureRequest
) -> None:
    name, act = meanwhile
    theatre, reached, _ = playbill.played(SCENES[name])
    met, found = 0, []
    for kill in places(reached, request.config.getoption("--failpoints")):
        theatre.put_back(name)
        (words,) = SCENES[name].runs(theatre)
        assert theatre.run(words, kill).code == KILLED
        if not is_stopped(theatre):
            continue
        met += 1
        with people(theatre) as stage:
            ACTS[act](stage)
        assert is_stopped(theatre), "somebody gave it back before the next process"
        assert theatre.run(words).code == 0
        found += [f"killed {kill}: {one}" for one in wrong(theatre, act)]
    assert met, "no process died while traffic was stopped"
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def places(reached: Mapping[Point, int], how: str) -> list[Kill]:
    """Where the process dies."""
    if how == "some":
        return [Kill(Side.BEFORE, Point.KUBE_RUN_JOB)]
    points = POINTS if how == "each" else AROUND
    return [Kill(side, point, n) for point in points for side in Side for n in range(1, reached.get(point, 0) + 1)]


@contextmanager
def people(theatre: Theatre) -> Iterator[Stage]:
    """What people do, and what is previewed for them, while the cluster takes no write."""
    cluster = theatre.world.clusters["prod"]
    assert isinstance(cluster, Watched)
    cluster.away = True
    theatre.stage.restart()
    yield theatre.stage
    theatre.leave()
    cluster.away = False


def is_stopped(theatre: Theatre) -> bool:
    found = theatre.world.sandbox("prod").look(DEPLOYMENT)
    assert found is not None
    return STOPPED in found["metadata"]["annotations"]


def wrong(theatre: Theatre, act: str) -> Iterator[str]:
    """What is not as it has to be; a hold is taken back then."""
    yield from theatre.beside()
    theatre.stage.restart()
    stage = theatre.stage
    body = stage.world.sandbox("prod").look(DEPLOYMENT)
    assert body is not None
    if is_stopped(theatre) or not body["spec"]["replicas"]:
        yield f"its traffic is stopped: {stage.statuses(stage.tip())}"
    if act == "hold":
        stage.desk("dev_user").order("release/svc-a", Verb.RESUME, reason="go on")
    stage.settle()
    yield from (one for one in stage.world.opened.reconciler.faults if "internal_error" in one)
    if stage.ledger.running():
        yield f"it neither went on nor ended: {stage.statuses(stage.tip())}"
    yield from theatre.beside()
