"""Filling, signing and finding bundles."""

import shutil
from pathlib import Path

import pytest

from reconciler.bundle import files
from reconciler.bundle.assemble import assemble, fetch_list, fill_index
from reconciler.bundle.folder import FolderBundles
from reconciler.bundle.index import PATH
from reconciler.bundle.keys import generate_key
from reconciler.bundle.sign import sign
from reconciler.errors import ReconcilerError, Rejected, Untrusted
from reconciler.secret import Secret
from tests.bundle.making import HookText, Maker

HOOKS = {"preflight.sh": HookText("true")}
SANDBOX = Path(__file__).parents[2] / "example-desired-state/sandbox-bundle"


def test_the_list_names_what_is_missing_and_filling_takes_it_by_name(tmp_path: Path) -> None:
    root = Maker.new().unsigned(tmp_path / "bundle", HOOKS)
    offered = tmp_path / "downloads"
    offered.mkdir()
    shutil.move(root / "bin/tool", offered / "tool")
    assert [(one.path, one.present) for one in fetch_list(root)] == [("bin/tool", False)]
    assert assemble(root, offered) == ("bin/tool",)
    assert [(one.path, one.present) for one in fetch_list(root)] == [("bin/tool", True)]


def test_a_file_with_another_sum_is_not_taken(tmp_path: Path) -> None:
    root = Maker.new().unsigned(tmp_path / "bundle", HOOKS)
    (root / "bin/tool").unlink()
    (tmp_path / "tool").write_bytes(b"other")
    with pytest.raises(Untrusted, match="not the bin-tool of the index"):
        assemble(root, tmp_path)
    assert not (root / "bin/tool").exists()


def test_filling_the_index_changes_only_sums_and_sizes(tmp_path: Path) -> None:
    root = Maker.new().unsigned(tmp_path / "bundle", HOOKS)
    before = (root / PATH).read_text()
    (root / "bin/tool").write_bytes(b"longer content\n")
    assert fill_index(root) == ("bin/tool",)
    after = (root / PATH).read_text()
    changed = [pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]]
    assert len(changed) == 1
    assert '"sizeBytes": 15' in changed[0][1]
    assert fill_index(root) == ()


def test_an_index_that_was_not_filled_in_is_not_signed(tmp_path: Path) -> None:
    maker = Maker.new()
    root = maker.unsigned(tmp_path / "bundle", HOOKS)
    (root / "bin/tool").write_bytes(b"other")
    with pytest.raises(Untrusted, match="bundle index"):
        sign(root, maker.private)
    (root / "bin/tool").unlink()
    with pytest.raises(Rejected, match="fetch-list") as refusal:
        sign(root, maker.private)
    assert refusal.value.key == "artifact_missing"
    assert not (root / "checksums").exists()


def test_a_link_is_not_signed(tmp_path: Path) -> None:
    maker = Maker.new()
    root = maker.unsigned(tmp_path / "bundle", HOOKS)
    (root / "bin/more").symlink_to("tool")
    with pytest.raises(Untrusted, match="bin/more"):
        sign(root, maker.private)


def test_an_unusable_signing_key_is_told(tmp_path: Path) -> None:
    root = Maker.new().unsigned(tmp_path / "bundle", HOOKS)
    with pytest.raises(Rejected, match="signing key"):
        sign(root, Secret("nonsense"))


def test_bundles_are_found_by_version_below_a_folder(tmp_path: Path) -> None:
    maker = Maker.new()
    for version in ("v1", "v2"):
        maker.signed(tmp_path / version, HOOKS, version)
    bundles = FolderBundles([tmp_path], [str(maker.public)])
    assert [bundles.load(version).version for version in ("v1", "v2")] == ["v1", "v2"]
    with pytest.raises(Rejected) as refusal:
        bundles.load("v3")
    assert refusal.value.key == "artifact_missing"


def test_a_version_that_may_stand_in_an_untrusted_bundle_is_untrusted_not_missing(tmp_path: Path) -> None:
    maker = Maker.new()
    maker.signed(tmp_path / "a", HOOKS, "v1")
    Maker.new().signed(tmp_path / "b", HOOKS, "v2")
    bundles = FolderBundles([tmp_path], [str(maker.public)])
    assert bundles.load("v1").version == "v1"
    with pytest.raises(Untrusted):
        bundles.load("v2")


def test_two_contents_under_one_version_are_refused(tmp_path: Path) -> None:
    maker = Maker.new()
    maker.signed(tmp_path / "a", HOOKS)
    maker.signed(tmp_path / "b", {"preflight.sh": HookText("false")})
    with pytest.raises(Rejected) as refusal:
        FolderBundles([tmp_path], [str(maker.public)]).load("test-1")
    assert refusal.value.key == "resource_conflict"


def test_a_change_after_a_first_look_is_seen(tmp_path: Path) -> None:
    maker = Maker.new()
    root = maker.signed(tmp_path / "a", HOOKS)
    bundles = FolderBundles([root], [str(maker.public)])
    bundles.load("test-1")
    (root / "bin/tool").write_bytes(b"tooL\n")
    with pytest.raises(Untrusted):
        bundles.load("test-1")


@pytest.mark.parametrize("keys", [["nonsense"], ["ed25519:" + "A" * 43 + "="]])
def test_t35_an_unusable_trusted_key_is_told_at_once(keys: list[str]) -> None:
    with pytest.raises(Rejected) as refusal:
        FolderBundles([], keys)
    assert refusal.value.key == "artifact_signature_invalid"


def test_the_sandbox_bundle_can_be_signed_and_loaded(tmp_path: Path) -> None:
    shutil.copytree(SANDBOX, tmp_path / "bundle")
    private, public = generate_key()
    assert fill_index(tmp_path / "bundle") == ()  # what is in Git is filled in
    sign(tmp_path / "bundle", private)
    bundle = FolderBundles([tmp_path], [str(public)]).load("sandbox-1")
    assert {runtime.name for runtime in bundle.runtimes} == {"k8s", "compose"}


def test_t33_no_component_of_a_path_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_bytes(b"x")
    (tmp_path / "linked").symlink_to("real")
    (tmp_path / "file").symlink_to("real/file")
    assert files.sha256_inside(tmp_path, "real/file")[1] == 1
    for path in ("linked/file", "file", "real"):
        with pytest.raises(OSError), files.open_inside(tmp_path, path):
            pass
    for path in ("../x", "/etc/passwd", "real/../file", "real//file", "", ".", "real/./file"):
        with pytest.raises(ValueError, match="inside a bundle"), files.open_inside(tmp_path, path):
            pass


def test_a_folder_that_is_not_there_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError) as refusal:
        FolderBundles([tmp_path / "absent"], []).load("v1")
    assert refusal.value.key == "artifact_manifest_missing"
