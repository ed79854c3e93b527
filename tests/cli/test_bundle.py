"""`bundle` and `credential seal`: what a person prepares on their own machine."""

import shutil
from pathlib import Path

import pytest
import yaml

from reconciler.app.credentials import Vault
from reconciler.app.keys import make_keys
from reconciler.app.settings import FILE_NAME, load_settings
from reconciler.doors.specs import _folder, spec_json
from reconciler.errors import Refused
from reconciler.sandbox.world import BUNDLE, example_folder
from reconciler.specs.cache import MemoryCache
from reconciler.specs.desired import Desired
from reconciler.specs.load import load
from tests.cli.terminal import Terminal

SECRET = "canary-of-a-secret"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    shutil.copytree(example_folder() / BUNDLE, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_bundle_is_filled_signed_and_verified(terminal: Terminal, bundle: Path, tmp_path: Path) -> None:
    terminal.well("bundle", "index", str(bundle))
    rows = terminal.well("bundle", "fetch-list", str(bundle), "-o", "json").json
    assert all(row["present"] for row in rows)
    signed = terminal.well("bundle", "sign", str(bundle), "--private-key", str(tmp_path / "key"), "--generate").out
    key = signed.split('"')[1]
    found = terminal.well("bundle", "verify", str(bundle), "--trust", key, "-o", "json").json
    assert found["version"] == "sandbox-1"
    (bundle / "hooks" / "preflight.sh").write_text("#!/bin/sh\n")
    changed = terminal.type("bundle", "verify", str(bundle), "--trust", key)
    assert changed.code == 2
    assert "artifact_checksum_mismatch" in changed.err


def test_a_bundle_of_an_unknown_signer_is_refused(terminal: Terminal, bundle: Path, tmp_path: Path) -> None:
    terminal.well("bundle", "sign", str(bundle), "--private-key", str(tmp_path / "one"), "--generate")
    shutil.copytree(bundle, tmp_path / "copy")
    other = terminal.well(
        "bundle", "sign", str(tmp_path / "copy"), "--private-key", str(tmp_path / "two"), "--generate"
    )
    seen = terminal.type("bundle", "verify", str(bundle), "--trust", other.out.split('"')[1])
    assert seen.code == 2
    assert "artifact_signature_invalid" in seen.err


def test_a_missing_file_is_listed_and_exit_1(terminal: Terminal, bundle: Path) -> None:
    rows = terminal.well("bundle", "fetch-list", str(bundle), "-o", "json").json
    required = next(row["path"] for row in rows if row["required"])
    (bundle / required).unlink()
    seen = terminal.type("bundle", "fetch-list", str(bundle), "-o", "json")
    assert seen.code == 1
    assert {row["path"]: row["present"] for row in seen.json}[required] is False


def test_a_key_is_made_only_where_asked_for_and_never_replaced(
    terminal: Terminal, bundle: Path, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    assert terminal.type("bundle", "sign", str(bundle), "--private-key", str(key)).code == 2
    terminal.well("bundle", "sign", str(bundle), "--private-key", str(key), "--generate")
    before = key.read_bytes()
    assert key.stat().st_mode & 0o077 == 0
    terminal.well("bundle", "sign", str(bundle), "--private-key", str(key), "--generate")
    assert key.read_bytes() == before


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    (tmp_path / FILE_NAME).write_text('repository = "r.git"\n')
    settings = load_settings(tmp_path / FILE_NAME, {})
    return Vault(settings, make_keys(settings))


def test_a_sealed_secret_opens_for_its_address_and_no_other(terminal: Terminal, vault: Vault, tmp_path: Path) -> None:
    words = ("credential", "seal", "my-token", "--project", "default", "--address", "https://10.0.0.1:6443")
    seen = terminal.well("--config", str(tmp_path / FILE_NAME), *words, "--type", "token", given=f"{SECRET}\n")
    assert SECRET not in seen.out + seen.err
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "credential.yaml").write_text(seen.out)
    loaded = load(*_folder(folder), MemoryCache())
    assert loaded.problems == ()
    (spec,) = loaded.specs
    opened = vault.open(spec, address="10.0.0.1:6443", project="default")  # type: ignore[arg-type]
    assert opened.reveal() == SECRET
    with pytest.raises(Refused):
        vault.open(spec, address="10.0.0.2:6443", project="default")  # type: ignore[arg-type]
    shown = spec_json(Desired(credentials={"my-token": spec}), "credentials", "my-token")  # type: ignore[dict-item]
    assert shown["spec"]["age"] == "(sealed)"
    assert yaml.safe_load(seen.out)["metadata"] == {"name": "my-token"}


def test_sealing_needs_a_recipient_and_a_secret(terminal: Terminal, vault: Vault, tmp_path: Path) -> None:
    words = ("credential", "seal", "x", "--project", "p", "--address", "10.0.0.1:22")
    config = ("--config", str(tmp_path / FILE_NAME))
    assert terminal.type(*config, *words).code == 2
    wrong = terminal.type(*words, "--recipient", "ssh-ed25519 AAAA", given=SECRET)
    assert wrong.code == 2
    assert SECRET not in wrong.out + wrong.err
    assert terminal.type(*words, "--recipient", "age1wrong", given=SECRET).code == 2
