"""Reading verbs: no key of anybody is needed, JSON is complete, tables fit, and another signer stops everything."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.doors.reading import SIGNERS
from reconciler.git.keys import SigningKey
from reconciler.sandbox.world import World
from tests.cli.conftest import Place
from tests.cli.terminal import Terminal
from tests.story.clock import MovableClock
from tests.story.stage import Stage

LISTINGS: dict[tuple[str, ...], set[str]] = {
    ("get", "releases"): {"kind", "name", "state", "accepted", "pending", "path", "line", "spec", "successful"},
    ("get", "env"): {"kind", "name", "state", "accepted", "pending", "path", "line", "spec"},
    ("get", "clusters"): {"kind", "name", "state", "path", "spec"},
    ("get", "users"): {"kind", "name", "path", "line", "spec"},
    ("tree",): {"environment", "tier", "state", "hosts", "clusters", "releases"},
    ("events", "--limit", "5"): {"event_id", "domain", "action", "resource_id", "actor_id", "occurred_at", "detail"},
    ("timeline", "--release", "svc-a"): {"event_id", "time", "action", "actor", "ticket", "status", "text"},
    ("pr", "list", "--state", "all"): {"number", "title", "state", "author", "head", "digest", "preview", "approval"},
}


@pytest.mark.parametrize("words", LISTINGS, ids=" ".join)
def test_programs_get_complete_rows_in_json_and_yaml(played: Place, words: tuple[str, ...]) -> None:
    rows = played.reader.well(*words, "-o", "json").json
    assert rows
    assert all(LISTINGS[words] <= set(row) for row in rows)
    assert yaml.safe_load(played.reader.well(*words, "-o", "yaml").out) == rows


@pytest.mark.parametrize("words", [*LISTINGS, ("pr", "list"), ("describe", "release", "svc-a"), ("task", "list")])
def test_tables_fit_80_columns_and_have_no_colour_in_a_pipe(played: Place, words: tuple[str, ...]) -> None:
    reader = played.reader
    reader.columns = 80
    seen = reader.well(*words)
    assert [line for line in seen.out.splitlines() if len(line) > 80] == []
    assert "\x1b" not in seen.out + seen.err


def test_state_is_what_the_audit_says(played: Place) -> None:
    found = {row["name"]: row for row in played.reader.well("get", "release", "-o", "json").json}
    assert found["svc-a"]["state"] == "applied"
    assert found["svc-a"]["ticket"] == "dep-appr-1"
    assert found["svc-a"]["approved_by"] == ["approver_user"]
    assert [one.partition("@")[0] for one in found["svc-a"]["pending"]] == ["dep-appr-2"]
    assert found["svc-a-staging"]["pending"] == []


def test_the_tree_shows_environments_with_what_is_in_them(played: Place) -> None:
    found = {row["environment"]: row for row in played.reader.well("tree", "-o", "json").json}
    assert [(one["release"], one["version"]) for one in found["env-k8s-prod"]["releases"]] == [("svc-a", "v2.0.1")]
    assert "release svc-a v2.0.1  applied" in played.reader.well("tree").out


def test_a_description_holds_spec_state_and_last_events(played: Place) -> None:
    found = played.reader.well("describe", "release", "svc-a", "-o", "json").json
    assert found["spec"]["variables"] == {"image_tag": "v2.0.1"}
    assert "applied" in {event["action"] for event in found["events"]}
    missing = played.reader.type("describe", "release", "nope")
    assert missing.code == 2
    assert "release_not_found" in missing.err


def test_a_credential_is_shown_as_a_reference_only(played: Place) -> None:
    rows = played.reader.well("get", "credentials", "-o", "json").json
    assert {row["name"]: row["spec"].get("file") for row in rows}["k8s-prod-external"] == "k8s-prod-external"
    token = played.stage.world.clusters["staging"].token
    assert token not in json.dumps(rows)


def test_the_timeline_is_the_one_that_the_reconciler_tells(played: Place) -> None:
    typed = played.reader.well("timeline", "--pr", "1", "-o", "json").json
    assert typed == [row.to_json() for row in played.stage.rows(ticket=1)]


def test_who_signed_the_audit_is_shown(played: Place) -> None:
    own = played.stage.world.opened.keys.signing.public.fingerprint
    assert own in played.reader.well("tree").err


def test_the_chain_is_verified_with_a_public_key(played: Place, tmp_path: Path) -> None:
    ours, other = tmp_path / "ours", tmp_path / "other"
    ours.write_text(played.stage.world.opened.keys.signing.public.line + "\n")
    other.write_text(SigningKey.generate().public.line + "\n")
    good = played.reader.well("audit", "verify", "--signers", str(ours), "-o", "json").json
    assert (good["findings"], good["signers_given"]) == ([], True)
    assert good["commits"] > 10
    bad = played.reader.type("audit", "verify", "--signers", str(other), "-o", "json")
    assert bad.code == 1
    assert len(bad.json["findings"]) == good["commits"]
    rewound = played.reader.type("audit", "verify", "--signers", str(ours), "--anchor", "1" * 40)
    assert rewound.code == 1


def test_another_signer_of_the_audit_stops_every_reading(played: Place) -> None:
    reader = Terminal(played.folder / "wary", played.patch, played.reader.defaults)
    reader.well("tree")
    (remembered,) = (played.folder / "wary" / "cache").rglob(SIGNERS)
    ours = remembered.read_text()
    remembered.write_text(SigningKey.generate().public.line + "\n")
    seen = reader.type("tree")
    assert seen.code == 2
    assert "audit_diverged" in seen.err
    remembered.write_text(ours)
    reader.well("tree")


def test_nothing_is_written_beside_the_cache(played: Place) -> None:
    before = sorted(str(path) for path in played.stage.world.origin.rglob("*"))
    played.reader.well("tree")
    assert sorted(str(path) for path in played.stage.world.origin.rglob("*")) == before


def test_an_unknown_kind_is_named_with_those_that_exist(played: Place) -> None:
    seen = played.reader.type("get", "deployments")
    assert seen.code == 2
    assert "environment" in seen.err


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One environment installed on one host."""
    folder = tmp_path_factory.mktemp("installed")
    clock = MovableClock()
    stage = Stage.on(World(folder / "world", clock=clock, hosts_wanted=("compose-1",)), clock)
    try:
        stage.accept_first()
        with pytest.MonkeyPatch.context() as patch:
            yield Place(stage, folder, patch)
    finally:
        stage.world.close()


def test_a_task_has_steps_with_status_and_logs(installed: Place) -> None:
    (task,) = [one for one in installed.reader.well("task", "list", "-o", "json").json if one["steps"]]
    assert (task["environment"], task["status"]) == ("env-compose-prod", "succeeded")
    shown = installed.reader.well("task", "show", task["task"], "-o", "json").json
    assert shown == task
    hooks = [step["step_name"] for step in shown["steps"] if step["log"]]
    assert "preflight.sh" in hooks
    logs = installed.reader.well("task", "logs", task["task"]).out
    assert [f"==> compose-1-{hook}.log <==" in logs for hook in hooks] == [True] * len(hooks)
    assert installed.reader.well("task", "logs", task["task"], "--host", "nobody").out == ""
    missing = installed.reader.type("task", "show", "env-9")
    assert "install_task_not_found" in missing.err
