"""What a bundle may be, and everything that it may not (threats T33, T34; faults F24)."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.bundle import checksums
from reconciler.bundle.keys import generate_key, sign_bytes
from reconciler.bundle.sign import sign
from reconciler.bundle.verify import verify
from reconciler.errors import ReconcilerError, Rejected, Untrusted
from tests.bundle.making import HookText, Maker

HOOKS = {"preflight.sh": HookText("true")}


@pytest.fixture(scope="module")
def maker() -> Maker:
    return Maker.new()


@pytest.fixture
def root(maker: Maker, tmp_path: Path) -> Path:
    return maker.signed(tmp_path / "bundle", HOOKS)


def test_a_signed_bundle_is_what_its_index_says(maker: Maker, root: Path) -> None:
    bundle = verify(root, [maker.public])
    assert bundle.version == "test-1"
    assert bundle.signed_by == maker.public.name
    assert [(path, mode) for path, _, mode in bundle.files] == [("bin/tool", "0755"), ("hooks/preflight.sh", "0755")]
    assert bundle.runtime("k8s") is not None


def test_the_digest_moves_with_any_content_and_only_with_it(maker: Maker, tmp_path: Path) -> None:
    first, same = (maker.bundle(tmp_path / name, HOOKS).digest for name in ("a", "b"))
    other = maker.bundle(tmp_path / "c", {"preflight.sh": HookText("false")}).digest
    assert first == same != other


def relisted(root: Path, path: str) -> None:
    """List a file in the checksums, whose signature is then void."""
    with (root / "checksums/SHA256SUMS").open("a") as sums:
        sums.write(f"{'0' * 64}  {path}\n")


def link_to_outside(root: Path) -> None:
    (root / "bin/tool").unlink()
    (root / "bin/tool").symlink_to("/etc/passwd")


def linked_folder(root: Path) -> None:
    (root / "bin").rename(root.parent / "elsewhere")
    (root / "bin").symlink_to(root.parent / "elsewhere")


TAMPERED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed file": (lambda r: (r / "bin/tool").write_bytes(b"evil\n"), "artifact_checksum_mismatch"),
    "an appended byte": (lambda r: (r / "bin/tool").write_bytes(b"tool\n\n"), "artifact_checksum_mismatch"),
    "a cut file": (lambda r: (r / "bin/tool").write_bytes(b"too"), "artifact_checksum_mismatch"),
    "an unlisted file": (lambda r: (r / "bin/extra").write_bytes(b""), "artifact_checksum_mismatch"),
    "an unlisted file beside the sums": (lambda r: (r / "checksums/x").touch(), "artifact_checksum_mismatch"),
    "a link to outside": (link_to_outside, "artifact_checksum_mismatch"),
    "a linked folder": (linked_folder, "artifact_checksum_mismatch"),
    "a device": (lambda r: os.mkfifo(r / "pipe"), "artifact_checksum_mismatch"),
    "another index": (lambda r: (r / "manifests/index.yaml").write_text("a: b\n"), "artifact_checksum_mismatch"),
    "changed checksums": (lambda r: relisted(r, "bin/new"), "artifact_signature_invalid"),
    "a missing signature": (lambda r: (r / "checksums/SHA256SUMS.sig").unlink(), "artifact_signature_invalid"),
    "missing checksums": (lambda r: (r / "checksums/SHA256SUMS").unlink(), "artifact_signature_invalid"),
    "a missing key": (lambda r: (r / "checksums/public.key").unlink(), "artifact_signature_invalid"),
    "an empty signature": (lambda r: (r / "checksums/SHA256SUMS.sig").write_bytes(b""), "artifact_signature_invalid"),
    "another signer": (lambda r: sign(r, generate_key()[0]), "artifact_signature_invalid"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_t34_a_tampered_bundle_is_untrusted(maker: Maker, root: Path, what: str) -> None:
    tamper, key = TAMPERED[what]
    tamper(root)
    with pytest.raises(Untrusted) as refusal:
        verify(root, [maker.public])
    assert refusal.value.key == key


def test_t34_a_key_that_only_the_bundle_names_is_not_trusted(maker: Maker, root: Path) -> None:
    with pytest.raises(Untrusted, match="not trusted here"):
        verify(root, [])


def test_t34_a_trusted_signature_under_the_name_of_another_trusted_key_is_refused(maker: Maker, root: Path) -> None:
    _, other = generate_key()
    (root / "checksums/public.key").write_bytes(other.pem)
    with pytest.raises(Untrusted):
        verify(root, [maker.public, other])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_t34_any_change_of_any_byte_is_refused(maker: Maker, root: Path, data: st.DataObject) -> None:
    paths = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    path = root / data.draw(st.sampled_from(paths))
    before = path.read_bytes()
    at = data.draw(st.integers(0, len(before) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "append"]))
    after = {
        "flip": before[:at] + bytes([before[at] ^ 1 << data.draw(st.integers(0, 7))]) + before[at + 1 :],
        "cut": before[:at],
        "append": before + bytes([data.draw(st.integers(0, 255))]),
    }[kind]
    path.write_bytes(after)
    try:
        if path.name == "public.key" and _same_key(before, after):
            return  # white space around a PEM says nothing
        with pytest.raises(ReconcilerError) as refusal:
            verify(root, [maker.public])
        assert isinstance(refusal.value, (Untrusted, Rejected))
    finally:
        path.write_bytes(before)
    verify(root, [maker.public])


def _same_key(before: bytes, after: bytes) -> bool:
    from reconciler.bundle.keys import KeyRefused, read_public_key

    try:
        return read_public_key(after.decode("ascii", errors="replace")) == read_public_key(before.decode())
    except KeyRefused:
        return False


AGAIN: dict[str, Callable[[dict[str, str]], str]] = {
    "the same line": lambda sums: f"{sums['bin/tool']}  bin/tool\n",
    "the same path with another sum": lambda _sums: f"{'0' * 64}  bin/tool\n",
    "the path in another case": lambda sums: f"{sums['bin/tool']}  bin/TOOL\n",
    "its folder in another case": lambda sums: f"{sums['bin/tool']}  Bin/tool\n",
    "a path that is the same when it is resolved": lambda sums: f"{sums['bin/tool']}  bin/./tool\n",
    "a doubled slash": lambda sums: f"{sums['bin/tool']}  bin//tool\n",
    "a letter and its accent apart": lambda sums: f"{sums['bin/tool']}  bin/to\u0308ol\n",
    "the same letter in one": lambda sums: f"{sums['bin/tool']}  bin/t\u00f6ol\n",
    "a wide letter": lambda sums: f"{sums['bin/tool']}  bin/\uff54ool\n",
}


@pytest.mark.parametrize("what", AGAIN)
def test_t34_one_file_is_listed_once_also_where_a_trusted_key_signed_it_twice(
    maker: Maker, root: Path, what: str
) -> None:
    content = (root / "checksums/SHA256SUMS").read_bytes()
    content += AGAIN[what](checksums.parse(content)[0]).encode()
    (root / "checksums/SHA256SUMS").write_bytes(content)
    (root / "checksums/SHA256SUMS.sig").write_bytes(sign_bytes(maker.private, content)[0])
    with pytest.raises(Untrusted, match=r"stands twice|not `<sha256>") as refusal:
        verify(root, [maker.public])
    assert refusal.value.key == "artifact_checksum_mismatch"


def test_two_files_that_differ_in_case_alone_are_not_signed(maker: Maker, root: Path) -> None:
    (root / "bin/TOOL").write_bytes(b"other\n")
    with pytest.raises(Untrusted, match="bin/tool stands twice but for its case"):
        sign(root, maker.private)


def test_a_missing_file_is_named(maker: Maker, root: Path) -> None:
    (root / "bin/tool").unlink()
    with pytest.raises(Rejected, match="bin/tool") as refusal:
        verify(root, [maker.public])
    assert refusal.value.key == "artifact_missing"


def test_a_folder_without_an_index_is_no_bundle(maker: Maker, root: Path) -> None:
    (root / "manifests/index.yaml").unlink()
    with pytest.raises(Rejected) as refusal:
        verify(root, [maker.public])
    assert refusal.value.key == "artifact_manifest_missing"


def test_all_problems_are_told_at_once_and_the_worst_gives_the_key(maker: Maker, root: Path) -> None:
    (root / "bin/tool").unlink()
    (root / "hooks/preflight.sh").write_text("evil")
    (root / "extra").touch()
    with pytest.raises(Untrusted, match=r"3 problem\(s\).*extra.*hooks/preflight.sh.*bin/tool") as refusal:
        verify(root, [maker.public])
    assert refusal.value.key == "artifact_checksum_mismatch"


def test_the_index_is_not_read_before_the_signature_holds(maker: Maker, root: Path) -> None:
    (root / "manifests/index.yaml").write_text("not: [an, index")
    (root / "checksums/SHA256SUMS.sig").write_bytes(bytes(64))
    with pytest.raises(Untrusted, match="signature"):
        verify(root, [maker.public])


def test_an_index_that_describes_another_file_is_refused_though_signed(maker: Maker, root: Path) -> None:
    from reconciler.bundle import checksums
    from reconciler.bundle.files import sha256_inside
    from reconciler.bundle.keys import sign_bytes

    (root / "bin/tool").write_bytes(b"other\n")
    listed, _ = checksums.parse((root / checksums.SUMS).read_bytes())
    content = checksums.render({path: sha256_inside(root, path)[0] for path in listed})
    (root / checksums.SUMS).write_bytes(content)
    (root / checksums.SIGNATURE).write_bytes(sign_bytes(maker.private, content)[0])
    with pytest.raises(Untrusted, match="two files"):
        verify(root, [maker.public])
