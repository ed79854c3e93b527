"""`init`, and from there to a reconciler that runs: what the printed commands say."""

import json
import os
import stat
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal


def begun(terminal: Terminal, *words: str) -> dict[str, str]:
    made: dict[str, str] = terminal.well("init", "ops", "--as", "ada", *words, "-o", "json").json
    return made


def test_init_makes_at_most_three_specs_that_are_valid(terminal: Terminal) -> None:
    made = begun(terminal)
    assert 0 < len(made["specs"]) <= 3
    seen = terminal.well("validate", made["repository"], "-o", "json")
    assert seen.json["problems"] == []
    assert seen.json["specs"] >= len(made["specs"])


def test_init_tells_the_commands_that_come_next_and_they_work(terminal: Terminal) -> None:
    made = begun(terminal)
    config = ("--config", made["config"], "--key", made["key"])
    first = terminal.well(*config, "run", "--once", "--trust", made["commit"])
    ref = first.out.split()[-1]
    inbox = terminal.well(*config, "inbox", "-o", "json").json
    assert [ticket["ref"] for ticket in inbox["tickets"]] == [ref]
    terminal.well(*config, "approve", ref, "--reason", "first plan")
    assert terminal.well(*config, "run", "--once").out == ""
    tree = terminal.well(*config, "tree", "-o", "json").json
    assert [(one["environment"], one["state"]) for one in tree] == [("dev", "applied")]
    assert terminal.type(*config, "doctor").code == 0


def test_init_replaces_nothing(terminal: Terminal) -> None:
    made = begun(terminal)
    before = Path(made["config"]).read_bytes()
    again = terminal.type("init", "ops", "--as", "eve")
    assert again.code == 2
    assert "resource_conflict" in again.err
    assert Path(made["config"]).read_bytes() == before


def test_only_the_owner_reads_keys(terminal: Terminal) -> None:
    made = begun(terminal)
    folder = Path(made["config"]).parent
    keys = [path for path in folder.rglob("*") if path.is_file() and path.parent.name == "keys"]
    assert len(keys) >= 4
    assert [path.name for path in keys if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_an_existing_repository_gets_specs_to_commit(terminal: Terminal, tmp_path: Path) -> None:
    made = begun(terminal, "--repo", str(tmp_path / "elsewhere.git"))
    assert made["repository"] == str(tmp_path / "elsewhere.git")
    assert made["commit"] is None
    terminal.well("validate", "ops/specs")
    assert not (Path(made["config"]).parent / "repository.git").exists()


def test_a_name_that_no_user_can_have_is_refused(terminal: Terminal) -> None:
    seen = terminal.type("init", "ops", "--as", "a b: {")
    assert seen.code == 2
    assert not Path("ops/reconciler.toml").exists()


def test_run_does_nothing_and_says_so_before_anything_is_trusted(terminal: Terminal) -> None:
    made = begun(terminal)
    seen = terminal.type("--config", made["config"], "run", "--once")
    assert seen.code == 2
    assert "policy_not_in_force" in seen.err
    assert "--trust" in seen.err


def test_a_commit_is_trusted_by_at_least_seven_digits(terminal: Terminal) -> None:
    made = begun(terminal)
    config = ("--config", made["config"])
    assert terminal.type(*config, "run", "--once", "--trust", made["commit"][:6]).code == 2
    assert terminal.type(*config, "run", "--once", "--trust", "main").code == 2  # a name may move: name the commit
    terminal.well(*config, "run", "--once", "--trust", made["commit"][:7])


def test_doctor_says_what_needs_a_backup_and_where_settings_are_from(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = begun(terminal)
    config = ("--config", made["config"])
    terminal.well(*config, "run", "--once", "--trust", made["commit"])
    found = terminal.well(*config, "doctor", "-o", "json").json
    assert set(found) == {"settings", "checks", "backup", "public"}
    assert all(one["present"] and Path(one["path"]).exists() for one in found["backup"])
    sources = {one["setting"]: one["source"] for one in found["settings"]}
    assert (sources["repository"], sources["workers"]) == ("reconciler.toml", "default")
    assert len(sources) <= 21  # each one more is one more to read before the first run
    assert found["public"]["age_recipient"] == made["recipient"]
    secret = (Path(made["config"]).parent / "state" / "keys" / "hmac_key").read_text().strip()
    assert secret not in json.dumps(found)


def test_doctor_finds_keys_that_others_may_read(terminal: Terminal) -> None:
    made = begun(terminal)
    config = ("--config", made["config"])
    key = Path(made["config"]).parent / "state" / "keys" / "hmac_key"
    assert terminal.type(*config, "doctor").code == 0
    os.chmod(key, 0o644)
    seen = terminal.type(*config, "doctor", "-o", "json")
    assert seen.code == 1
    found = next(one for one in seen.json["checks"] if one["name"] == "keys")
    assert found["status"] == "error"
    assert "chmod" in found["hint"]


def test_a_root_signer_that_is_no_key_is_told_before_anything_runs(terminal: Terminal) -> None:
    made = begun(terminal)
    config = Path(made["config"])
    config.write_text(config.read_text().replace("ssh-ed25519 ", "ssh-ed25519 not-a-key-"))
    for words in (("run", "--once"), ("tree",), ("doctor",)):
        seen = terminal.type("--config", str(config), *words)
        assert seen.code == 1
        assert "root_signers" in seen.err
