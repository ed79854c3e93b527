"""`run`, `diff`, `preview` and `cluster test`: exit codes, stopping, one process for a state folder."""

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

from reconciler.app.clock import SystemClock
from reconciler.app.settings import FILE_NAME
from reconciler.doors import run
from reconciler.sandbox.cluster import EVERYTHING
from tests.cli.conftest import Place
from tests.story.stage import DEPLOYMENT, RELEASE

ROOT = Path(__file__).parents[2]


def test_once_ends_well_where_nothing_is_left_to_do(place: Place) -> None:
    before = place.stage.effects()
    assert place.operator.well("run", "--once", "-o", "json").json == {"faults": [], "waiting": []}
    assert place.stage.effects() == before


def test_once_is_exit_1_where_something_failed(place: Place) -> None:
    place.stage.world.rewind(place.stage.world.commit("away", {"x.md": "x"}, author="admin", branch="other"))
    first = place.stage.ledger.trusted
    assert first is not None
    place.stage.world.commit("apart", {"y.md": "y"}, author="admin", branch="apart", start="nowhere")
    place.stage.world.rewind(place.stage.desk("admin").mirror.sync().after["refs/heads/apart"])
    seen = place.operator.type("run", "--once")
    assert seen.code == 1
    assert "history_rewritten" in seen.err


def test_a_failed_rollout_is_no_success_of_once(place: Place) -> None:
    place.stage.world.commit("straight", {RELEASE: place.stage.release_text("v2.0.1-broken")}, author="dev_user")
    ref = place.operator.well("run", "--once").out.split()[-1]
    place.person("approver_user").well("approve", ref)
    place.operator.type("run", "--once")
    assert place.reader.well("get", "release", "svc-a", "-o", "json").json["state"] == "rolled_back"


def test_two_reconcilers_do_not_share_a_state_folder(place: Place) -> None:
    state = place.stage.world.home / "state"
    with run.alone(state):
        seen = place.operator.type("run", "--once")
        assert seen.code == 2
        assert "resource_locked" in seen.err
    place.operator.well("run", "--once")


def test_sigterm_stops_at_a_safe_point_and_ends_well(place: Place) -> None:
    config = place.stage.world.home / FILE_NAME
    started = subprocess.Popen(
        [sys.executable, "-m", "reconciler.cli.main", "--config", str(config), "run"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        number = place.stage.desk("dev_user")
        place.stage.world.commit(
            "next", {RELEASE: place.stage.release_text("v2.0.1")}, author="dev_user", branch="change"
        )
        opened = number.person().open("change", "main", "a change")
        previewed = wait_until(lambda: place.stage.desk("admin").person().show(opened).statuses != ())
        started.send_signal(signal.SIGTERM)
        _, err = started.communicate(timeout=60)
    finally:
        if started.poll() is None:
            started.kill()
            started.communicate()
    assert started.returncode == 0, err
    assert "stopping at the next safe point" in err
    assert previewed or "stopped" in err


def wait_until(true: object) -> bool:
    """Look again until something holds, as long as a reconciler's first look may take."""
    assert callable(true)
    clock = SystemClock()
    for _ in range(300):
        if true():
            return True
        clock.wait(timedelta(milliseconds=100))
    return False


def test_rings_are_remembered_until_somebody_waits() -> None:
    bell = run.Bell()
    bell.ring("look")
    bell.ring("look")
    bell.ring("drift")
    assert bell.wait() == {"look", "drift"}
    late = threading.Thread(target=bell.ring, args=("look",))
    late.start()
    assert bell.wait() == {"look"}
    late.join()


def test_diff_is_0_without_a_difference_1_with_one_and_2_where_nobody_can_tell(place: Place) -> None:
    assert place.operator.well("diff").out == "no change\n"
    place.stage.world.sandbox("prod").edit(DEPLOYMENT, {"spec": {"replicas": 7}})
    drifted = place.operator.type("diff", "-o", "json")
    assert drifted.code == 1
    changes = [one for plan in drifted.json["plans"] for one in plan["changes"] if one["operation"] == "update"]
    assert ["Deployment" in one["subject"] for one in changes] == [True]
    place.stage.world.clusters["prod"].stop()
    assert place.operator.type("diff").code == 2


def test_diff_and_preview_change_nothing(place: Place) -> None:
    place.stage.propose()
    before = (place.stage.effects(), len(place.stage.world.opened.journal.events))
    assert place.operator.type("diff", "--rev", "change-v2.0.1").code == 1
    shown = place.operator.well("preview", "--pr", "1", "-o", "json").json
    assert shown["digest"] == place.stage.preview(1).previewed.digest
    assert "### Preview" in place.operator.well("preview", "--pr", "1", "-o", "markdown").out
    place.stage.settle()
    assert (place.stage.effects(), len(place.stage.world.opened.journal.events)) == before


def test_preview_takes_exactly_one_of_two(place: Place) -> None:
    assert place.operator.type("preview").code == 2
    assert place.operator.type("preview", "--pr", "1", "--rev", "main").code == 2


def test_verbs_of_the_operator_need_its_settings(place: Place) -> None:
    seen = place.reader.type("diff")
    assert seen.code == 2
    assert "--config" in seen.err


def test_a_cluster_is_tested_as_the_reconciler_reaches_it(place: Place) -> None:
    found = place.operator.well("cluster", "test", "k8s-prod-external", "-o", "json").json
    assert found["same_cluster"] is True
    assert found["missing_permissions"] == []
    assert found["uid"] == found["recorded_uid"]
    token = place.stage.world.clusters["prod"].token
    assert token not in str(found)
    assert set(found["ends"]) == {"the API server's certificate"}
    assert found["errors"] == found["warnings"] == []
    [until] = found["ends"].values()
    assert f"the API server's certificate {until}" in place.operator.well("cluster", "test", "k8s-prod-external").out
    place.stage.world.sandbox("prod").rules = []
    lacking = place.operator.type("cluster", "test", "k8s-prod-external", "-o", "json")
    assert lacking.code == 1
    assert "patch deployments.apps in svc-a" in lacking.json["missing_permissions"]
    place.stage.world.sandbox("prod").rules = [EVERYTHING]
    [ending] = place.operator.well("cluster", "certs", "k8s-prod-external", "-o", "json").json
    assert (ending["what"], ending["renew"]) == ("the API server's certificate", False)
    assert ending["ends"] == found["ends"][ending["what"]]
    assert "cluster_not_found" in place.operator.type("cluster", "test", "nope").err
    place.stage.world.clusters["prod"].stop()
    away = place.operator.type("cluster", "test", "k8s-prod-external")
    assert away.code == 2
    assert "cluster_connect_failed" in away.err
