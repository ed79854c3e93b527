"""`explain-drift`: what differs from what was approved, who changed it, and exit codes as `diff` has them."""

import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from reconciler.app.settings import FILE_NAME
from reconciler.doors import ignoring
from reconciler.sandbox.cluster import SandboxCluster
from tests.cli.conftest import Place
from tests.cli.terminal import Terminal
from tests.story.prepared import Moment, Prepared
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
from tests.story.test_pinned import moved


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """svc-a v2.0.0 runs in production."""
    folder = tmp_path_factory.mktemp("drift")
    stage = Stage.build(folder / "world")
    try:
        stage.accept_first()
        with pytest.MonkeyPatch.context() as patch:
            yield Place(stage, folder, patch)
    finally:
        stage.world.close()


@pytest.fixture
def place(ran: Place) -> Iterator[Place]:
    """The cluster is put back as it was after each test."""
    cluster = ran.stage.world.sandbox("prod")
    saved = cluster.save()
    try:
        yield ran
    finally:
        cluster.restore(saved)


def edited(cluster: SandboxCluster) -> None:
    body = cluster.look(DEPLOYMENT)
    assert body is not None
    container = {**body["spec"]["template"]["spec"]["containers"][0], "image": "registry.example/svc-a:hotfix"}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    cluster.edit(DEPLOYMENT, patch, "kubectl-edit")


def test_where_nothing_drifted_it_is_exit_0(place: Place) -> None:
    for name in ("svc-a", "release/svc-a", "env-k8s-prod"):
        found = place.operator.well("explain-drift", name)
        assert "no drift" in found.out
    assert "release_not_found" in place.operator.type("explain-drift", "nope").err


def test_who_changed_which_field_is_told_and_the_ways_forward(place: Place) -> None:
    cluster = place.stage.world.sandbox("prod")
    edited(cluster)
    effects = place.stage.effects()
    seen = place.operator.type("explain-drift", "svc-a", "-o", "json")
    assert seen.code == 1
    [row] = seen.json["drift"]
    assert row["object"] == "Deployment.apps svc-a/svc-a"
    assert row["field"].startswith("spec.template.spec.containers")
    assert (row["live"], row["manager"], row["what"]) == ("registry.example/svc-a:hotfix", "kubectl-edit", "changed")
    assert row["approved"].endswith(":v2.0.0")
    assert row["at"]
    assert row["event"] in {str(one.event_id) for one in place.stage.world.opened.journal.events}
    assert len(seen.json["ways"]) == 3
    table = place.operator.type("explain-drift", "env-k8s-prod")
    assert table.code == 1
    assert "kubectl-edit" in table.out
    assert "ways forward" in table.out
    assert place.stage.effects() == effects


def test_a_field_that_was_removed_is_held_by_nobody_and_an_object_that_is_gone_is_said(place: Place) -> None:
    cluster = place.stage.world.sandbox("prod")
    [config] = [path for path in cluster.contents() if "/configmaps/svc-a/" in f"/{path}"]
    path = f"api/v1/namespaces/svc-a/configmaps/{config.rpartition('/')[2]}"
    body = cluster.look(path)
    assert body is not None
    key = next(iter(body["data"]))
    cluster.edit(path, {"data": {key: None}}, "kubectl-edit")
    [row] = place.operator.type("explain-drift", "svc-a", "-o", "json").json["drift"]
    assert (row["field"], row["what"], row["manager"], row["live"]) == (f"data.{key}", "removed", "", None)
    assert row["approved"] == body["data"][key]
    with httpx.Client(verify=ssl.create_default_context(cadata=cluster.ca_pem), trust_env=False) as http:
        gone = http.delete(f"{cluster.endpoint}/{path}", headers={"Authorization": f"Bearer {cluster.token}"})
    assert gone.is_success
    [row] = place.operator.type("explain-drift", "svc-a", "-o", "json").json["drift"]
    assert (row["field"], row["what"]) == ("", "the object is gone")


def test_fields_of_others_are_no_drift_and_listed_when_asked_for(place: Place) -> None:
    cluster = place.stage.world.sandbox("prod")
    cluster.edit(DEPLOYMENT, {"metadata": {"annotations": {"team.example/note": "hello"}}}, "notebook")
    assert place.operator.well("explain-drift", "svc-a", "-o", "json").json["foreign"] == []
    rows = place.operator.well("explain-drift", "svc-a", "--all", "-o", "json").json["foreign"]
    assert {(row["field"], row["manager"]) for row in rows} >= {("metadata.annotations.team.example/note", "notebook")}
    assert "hello" not in json.dumps(rows)


def test_a_cluster_that_is_away_is_exit_2_and_never_no_drift(place: Place) -> None:
    place.stage.world.clusters["prod"].stop()
    try:
        seen = place.operator.type("explain-drift", "svc-a")
    finally:
        place.stage.world.clusters["prod"].start()
    assert seen.code == 2
    assert "no drift\n" not in seen.out


CONFIG = "api/v1/namespaces/svc-a/configmaps/svc-a"
LEVEL = '    - {kind: ConfigMap, name: svc-a, jsonPointers: ["/data/LOG_LEVEL"]}'


def level(place: Place, value: str) -> None:
    place.stage.world.sandbox("prod").edit(CONFIG, {"data": {"LOG_LEVEL": value}}, "kubectl-edit")


def as_person(place: Place, login: str = "dev_user") -> Terminal:
    """On the reconciler's machine, with a key of their own."""
    key = str(place.stage.world.folder / "keys" / login)
    config = str(place.stage.world.home / FILE_NAME)
    return Terminal(place.folder / f"beside-{login}", place.patch, ("--config", config, "--as", login, "--key", key))


def test_without_a_key_the_edit_that_leaves_it_to_others_is_printed_as_a_patch(place: Place) -> None:
    level(place, "trace")
    edited(place.stage.world.sandbox("prod"))
    seen = place.operator.type("explain-drift", "svc-a", "--propose-ignore")
    assert seen.code == 2
    assert f"+++ b/{RELEASE}" in seen.out
    assert [line for line in seen.out.splitlines() if line.startswith("+")][1:] == [
        "+  ignoreDifferences:",
        f"+{LEVEL}",
    ]
    assert "no key is named" in seen.err
    assert "the source does not set it, or it cannot be told from another field" in seen.err  # items of lists
    assert "trace" not in seen.out.partition("--- a/")[2]


def test_what_can_be_left_to_nobody_is_said_and_nothing_is_proposed(place: Place) -> None:
    edited(place.stage.world.sandbox("prod"))
    seen = as_person(place).type("explain-drift", "svc-a", "--propose-ignore")
    assert (seen.code, "nothing of this drift can be left to others" in seen.err) == (2, True)
    assert "release_not_found" in place.operator.type("explain-drift", "env-k8s-prod", "--propose-ignore").err


def test_a_person_opens_the_pull_request_that_leaves_it_to_others(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with prepared.lend(Moment()) as stage:
        left_to_others(Place(stage, tmp_path, monkeypatch))


def left_to_others(place: Place) -> None:
    stage = place.stage
    level(place, "trace")
    seen = as_person(place).well("explain-drift", "svc-a", "--propose-ignore")
    assert "opened #1 from ignore-svc-a-" in seen.err
    again = as_person(place).type("explain-drift", "svc-a", "--propose-ignore")
    assert (again.code, "no pull request was opened" in again.err) == (2, True)
    stage.settle()
    (plan,) = stage.plans(1).plans
    assert stage.pull(1).author == "dev_user"
    told = "release/svc-a: 1 field is left to others: ConfigMap svc-a/svc-a data.LOG_LEVEL"
    assert told in [check.message for check in plan.checks]
    assert (plan.changes, plan.blocked) == ((), ())
    effects = stage.effects()
    stage.approve(1)
    stage.merge(1)
    assert stage.effects() == effects
    over = as_person(place).well("explain-drift", "svc-a", "--propose-ignore")
    assert "nothing drifts any more, so there is nothing to propose" in over.err
    assert "1 field is left to others" in over.err


def test_one_object_that_cannot_be_looked_at_hides_nothing_of_the_others(place: Place) -> None:
    level(place, "trace")
    going = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    place.stage.world.sandbox("prod").edit(DEPLOYMENT, going, "kubectl-delete")
    seen = place.operator.type("explain-drift", "svc-a", "-o", "json")
    assert seen.code == 2
    assert [(row["object"], row["field"]) for row in seen.json["drift"]] == [
        ("ConfigMap svc-a/svc-a", "data.LOG_LEVEL")
    ]
    [unknown] = seen.json["unknown"]
    assert "not looked at: Deployment.apps svc-a/svc-a, because" in unknown


def test_of_a_pinned_environment_nothing_is_proposed(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its releases are read at the commit that it holds: an edit of the tip, at that one's lines, would be another."""
    with prepared.lend(Moment()) as stage:
        moved(stage, stage.tip())
        place = Place(stage, tmp_path, monkeypatch)
        level(place, "trace")
        seen = as_person(place).type("explain-drift", "svc-a", "--propose-ignore")
        assert seen.code != 0
        assert "move the environment's revision to it" in seen.err
        assert "+++" not in seen.out


def test_an_edit_that_says_something_else_when_it_is_read_again_is_not_offered(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with prepared.lend(Moment()) as stage:
        place = Place(stage, tmp_path, monkeypatch)
        level(place, "trace")

        def wrongly(text: str, *_: object) -> str:
            return text.replace("v2.0.0", "v2.0.1")

        monkeypatch.setattr(ignoring, "with_ignored", wrongly)
        seen = as_person(place).type("explain-drift", "svc-a", "--propose-ignore")
        assert seen.code != 0
        assert "only a person can add to" in seen.err
        assert "+++" not in seen.out


def test_the_printed_patch_of_a_file_with_other_line_ends_can_be_applied(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with prepared.lend(Moment()) as stage:
        text = stage.release_text("v2.0.0").replace("\n", "\r\n")
        stage.force_merge(stage.propose({RELEASE: text}, branch="windows"))
        stage.settle()
        place = Place(stage, tmp_path, monkeypatch)
        level(place, "trace")
        seen = place.operator.type("explain-drift", "svc-a", "--propose-ignore")
        patch = seen.out[seen.out.index("--- a/") :]
        tree = tmp_path / "tree"
        (tree / RELEASE).parent.mkdir(parents=True)
        (tree / RELEASE).write_bytes(text.encode())
        ran = subprocess.run(["git", "apply", "-"], input=patch.encode(), cwd=tree, capture_output=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, b"")
        assert b"ignoreDifferences:\r\n" in (tree / RELEASE).read_bytes()
