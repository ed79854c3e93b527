"""`explain-drift`: what differs from what was approved, who changed it, and exit codes as `diff` has them."""

import json
import ssl
from collections.abc import Iterator

import httpx
import pytest

from reconciler.sandbox.cluster import SandboxCluster
from tests.cli.conftest import Place
from tests.story.stage import DEPLOYMENT, Stage


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
    assert len(seen.json["ways"]) == 2
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
