"""What is suspended, an environment or a release: nothing is done there until that is lifted, and then all of it is."""

from pathlib import Path

import pytest

from reconciler.app.settings import FILE_NAME
from reconciler.approval.decision import Verb
from tests.cli.terminal import Terminal
from tests.story.stage import RELEASE, Stage

HOME = "environments/env-k8s-prod.yaml"
BESIDE = "releases/beside/production.yaml"
CONFIG = "api/v1/namespaces/svc-a/configmaps/beside"


def land(stage: Stage, files: dict[str, str | None], branch: str) -> int:
    number = stage.propose(files, branch=branch)
    stage.approve(number)
    assert stage.merge(number)
    return number


def test_what_lands_in_a_suspended_environment_is_done_when_that_is_lifted(stage: Stage) -> None:
    home = stage.world.example()[HOME]
    before = stage.image()
    land(stage, {HOME: home + "  suspend: true\n"}, "suspend")
    done = stage.effects()
    land(stage, {RELEASE: stage.release_text("v2.0.1")}, "meanwhile")
    assert (stage.image(), stage.effects()) == (before, done)
    assert stage.ledger.units["release/svc-a"].outcome == "no_change"
    number = land(stage, {HOME: home}, "lift")
    assert stage.image() == "v2.0.1"
    assert "release/svc-a" in {unit.unit for plan in stage.plans(number).plans for unit in plan.units}


def test_what_is_suspended_is_not_said_to_be_applied(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed and went back is suspended after it: the version that was accepted does not run."""
    broken = stage.release_text("v2.0.1-broken")
    land(stage, {RELEASE: broken}, "bad")
    land(stage, {RELEASE: broken + "  suspend: true\n"}, "suspend")
    person = Terminal(tmp_path / "person", monkeypatch, ("--config", str(stage.world.home / FILE_NAME)), 220)
    (line,) = [one for one in person.type("tree").out.splitlines() if "release svc-a " in one]
    assert "approved (suspended)" in line


def test_a_failure_after_a_suspension_goes_back_to_what_ran_and_not_to_what_was_accepted_meanwhile(
    stage: Stage,
) -> None:
    before = stage.image()
    broken = stage.release_text("v2.0.1-broken")
    land(stage, {RELEASE: broken + "  suspend: true\n"}, "meanwhile")
    assert stage.image() == before
    land(stage, {RELEASE: broken}, "lift")
    state = stage.ledger.units["release/svc-a"]
    assert (state.outcome, stage.image()) == ("rolled_back", before)
    assert state.successful is not None
    assert not state.successful.suspended


def test_what_somebody_does_by_hand_in_a_suspended_release_is_left_when_another_one_goes_back(stage: Stage) -> None:
    text = stage.release_text("v2.0.0").replace("name: svc-a}", "name: beside}")
    text = text.replace("releases/svc-a/manifests", "releases/beside/manifests")
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: beside}\ndata: {level: info}\n"
    land(stage, {BESIDE: text, "releases/beside/manifests/config.yaml": config}, "beside")
    assert stage.ledger.units["release/beside"].outcome == "applied"
    suspended = {BESIDE: text + "  suspend: true\n", RELEASE: stage.release_text("v2.0.1-broken")}
    number = stage.propose(suspended, branch="both")
    stage.approve(number)
    stage.world.sandbox("prod").edit(CONFIG, {"data": {"level": "debug"}})
    assert stage.merge(number)
    assert stage.ledger.units["release/svc-a"].outcome == "rolled_back"
    assert stage.ledger.units["release/beside"].outcome == "no_change"
    live = stage.world.clusters["prod"].look(CONFIG)
    assert live is not None
    assert live["data"] == {"level": "debug"}


def test_a_suspended_release_is_not_rolled_back_past_what_runs(stage: Stage) -> None:
    land(stage, {RELEASE: stage.release_text("v2.0.1")}, "next")
    land(stage, {RELEASE: stage.release_text("v2.0.2") + "  suspend: true\n"}, "meanwhile")
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="back")
    stage.settle()
    assert stage.image() == "v2.0.1"
    assert stage.ledger.units["release/svc-a"].outcome == "no_change"
