"""SSH signatures: ours and ssh-keygen's are the same, and everything else is refused (G5, G14; T9, L5)."""

import base64
import copy
import hashlib
import pickle
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Refused, Untrusted
from reconciler.git import history, sshsig, wire
from reconciler.git.commits import parse, serialise
from reconciler.git.keys import PublicKey, SigningKey
from reconciler.git.signatures import CommitSignature, Standing, sign, verify, verify_commit
from reconciler.git.write import commit_tree

from .world import ANNA, World, git

SPACE = "reconciler.decision"
MESSAGE = b"approve dep-appr-7@0123"
KEY = SigningKey.generate()
GOOD = sign(MESSAGE, SPACE, KEY)


def _keygen(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["ssh-keygen", *arguments], input=stdin, capture_output=True, check=False)


def _made_key(folder: Path, *kind: str) -> Path:
    assert _keygen("-q", "-N", "", "-C", "anna", *kind, "-f", str(folder / "key")).returncode == 0
    return folder / "key"


def _opened(armored: str) -> bytes:
    return base64.b64decode("".join(armored.splitlines()[1:-1]))


def _wrapped(content: bytes) -> str:
    return f"-----BEGIN SSH SIGNATURE-----\n{base64.b64encode(content).decode()}\n-----END SSH SIGNATURE-----\n"


def _edited(armored: str, old: bytes, new: bytes) -> str:
    assert old in _opened(armored)
    return _wrapped(_opened(armored).replace(old, new, 1))


def test_a_signature_names_its_key() -> None:
    assert verify(MESSAGE, SPACE, GOOD) == KEY.public.line


def test_ssh_keygen_accepts_what_we_sign(tmp_path: Path) -> None:
    (tmp_path / "signature").write_text(GOOD)
    (tmp_path / "allowed").write_text(f"anna {KEY.public.line}\n")
    arguments = ("-Y", "verify", "-f", str(tmp_path / "allowed"), "-I", "anna", "-s", str(tmp_path / "signature"), "-n")
    assert _keygen(*arguments, SPACE, stdin=MESSAGE).returncode == 0
    assert _keygen(*arguments, SPACE, stdin=MESSAGE + b".").returncode != 0
    assert _keygen(*arguments, "git", stdin=MESSAGE).returncode != 0


@pytest.mark.parametrize("kind", [("-t", "ed25519"), ("-t", "ecdsa", "-b", "256"), ("-t", "rsa", "-b", "2048")])
@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_we_accept_what_ssh_keygen_signs(tmp_path: Path, kind: tuple[str, ...], digest: str) -> None:
    key = _made_key(tmp_path, *kind)
    signed = _keygen("-Y", "sign", "-f", str(key), "-n", SPACE, "-O", f"hashalg={digest}", stdin=MESSAGE)
    line = key.with_suffix(".pub").read_text()
    assert verify(MESSAGE, SPACE, signed.stdout.decode()) == PublicKey.parse(line).line == " ".join(line.split()[:2])
    with pytest.raises(Untrusted):
        verify(MESSAGE + b".", SPACE, signed.stdout.decode())
    fingerprint = _keygen("-l", "-f", str(key)).stdout.decode().split()[1]
    assert PublicKey.parse(line).fingerprint == fingerprint


@pytest.mark.parametrize("kind", [("-t", "ecdsa", "-b", "384"), ("-t", "rsa", "-b", "1024")])
def test_keys_of_kinds_that_we_do_not_check_are_refused(tmp_path: Path, kind: tuple[str, ...]) -> None:
    key = _made_key(tmp_path, *kind)
    with pytest.raises(Untrusted):
        PublicKey.parse(key.with_suffix(".pub").read_text())


_BLOB = KEY.public.blob
_ED25519, _RSA = b"\0\0\0\x53\0\0\0\x0bssh-ed25519", b"\0\0\0\x54\0\0\0\x0crsa-sha2-512"
_TAMPERED = {
    "another message": (MESSAGE + b"\n", SPACE, GOOD),
    "another namespace asked": (MESSAGE, "git", GOOD),
    "another namespace inside": (MESSAGE, "reconciler.decisioN", _edited(GOOD, SPACE.encode(), b"reconciler.decisioN")),
    "no namespace": (MESSAGE, "", sign(MESSAGE, "", KEY)),
    "another hash name": (MESSAGE, SPACE, _edited(GOOD, b"sha512", b"sha256")),
    "an unknown hash": (MESSAGE, SPACE, _edited(GOOD, b"sha512", b"sha224")),
    "another key": (MESSAGE, SPACE, _edited(GOOD, _BLOB, SigningKey.generate().public.blob)),
    "version 2": (MESSAGE, SPACE, _edited(GOOD, b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\2")),
    "other magic": (MESSAGE, SPACE, _edited(GOOD, b"SSHSIG", b"SSHSIX")),
    "something reserved": (MESSAGE, SPACE, _edited(GOOD, SPACE.encode() + b"\0\0\0\0", SPACE.encode() + b"\0\0\0\1x")),
    "bytes behind the end": (MESSAGE, SPACE, _wrapped(_opened(GOOD) + b"x")),
    "text before": (MESSAGE, SPACE, "x\n" + GOOD),
    "text behind": (MESSAGE, SPACE, GOOD + "x\n"),
    "two signatures": (MESSAGE, SPACE, GOOD + GOOD),
    "nothing": (MESSAGE, SPACE, ""),
    "no base64": (MESSAGE, SPACE, "-----BEGIN SSH SIGNATURE-----\nä***\n-----END SSH SIGNATURE-----\n"),
    "gpg": (MESSAGE, SPACE, "-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n"),
    "a rsa algorithm with an ed25519 key": (MESSAGE, SPACE, _edited(GOOD, _ED25519, _RSA)),
}  # fmt: skip


@pytest.mark.parametrize("case", _TAMPERED)
def test_a_signature_that_is_not_exactly_right_is_untrusted(case: str) -> None:
    message, namespace, armored = _TAMPERED[case]
    with pytest.raises(Untrusted):
        verify(message, namespace, armored)


_SMALL = [
    0, 1, 2**255 - 20,
    2707385501144840649318225287225658788936804267575313519463743609750303402022,
    55188659117513257062467267217118295137698188065244968500265048394206261417927,
]  # fmt: skip


@pytest.mark.parametrize("sign_bit", [0, 1])
@pytest.mark.parametrize("y", [*_SMALL, 2**255 - 19, 2**255 - 18])
def test_a_key_with_which_anything_can_be_signed_is_refused(y: int, sign_bit: int) -> None:
    point = (y | sign_bit << 255).to_bytes(32, "little")
    blob = wire.string(b"ssh-ed25519") + wire.string(point)
    with pytest.raises(Untrusted, match="point"):
        PublicKey.of_blob(blob)


def test_the_forgery_that_the_library_accepts_is_refused_here() -> None:
    identity = (1).to_bytes(32, "little")
    forged = identity + bytes(32)  # R = identity, S = 0
    Ed25519PublicKey.from_public_bytes(identity).verify(forged, b"anything")  # raises nothing: that is the point
    blob = wire.string(b"ssh-ed25519") + wire.string(identity)
    armored = sshsig.armored(blob, SPACE, wire.string(b"ssh-ed25519") + wire.string(forged))
    with pytest.raises(Untrusted):
        verify(MESSAGE, SPACE, armored)


@given(st.binary(max_size=200))
def test_any_bytes_as_a_key_or_signature_are_untrusted(data: bytes) -> None:
    with pytest.raises(Untrusted):
        PublicKey.of_blob(data)
    with pytest.raises(Untrusted):
        KEY.public.check(data, b"x")
    with pytest.raises(Untrusted):
        verify(MESSAGE, SPACE, _wrapped(b"SSHSIG\0\0\0\1" + data))


@given(st.integers(0, len(_opened(GOOD)) - 1), st.integers(1, 255))
def test_one_changed_byte_anywhere_is_untrusted(at: int, by: int) -> None:
    content = bytearray(_opened(GOOD))
    content[at] ^= by
    with pytest.raises(Untrusted):
        verify(MESSAGE, SPACE, _wrapped(bytes(content)))


def test_the_signing_key_is_read_only_from_a_file_of_our_own(tmp_path: Path) -> None:
    path = _made_key(tmp_path, "-t", "ed25519")
    assert SigningKey.load(path).public == PublicKey.parse(path.with_suffix(".pub").read_text())
    path.chmod(0o640)
    with pytest.raises(Refused) as caught:
        SigningKey.load(path)
    assert caught.value.key == "permission_denied"
    saved = tmp_path / "saved"
    KEY.save(saved)
    assert saved.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(saved).public == KEY.public
    with pytest.raises(Refused):
        KEY.save(saved)


def test_what_is_no_signing_key_is_refused(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_text("garbage")
    garbage.chmod(0o600)
    (tmp_path / "rsa").mkdir()
    (tmp_path / "locked").mkdir()
    locked = tmp_path / "locked" / "key"
    _keygen("-q", "-t", "ed25519", "-N", "passphrase", "-f", str(locked))
    for path in (
        garbage,
        tmp_path / "absent",
        tmp_path,
        _made_key(tmp_path / "rsa", "-t", "rsa", "-b", "2048"),
        locked,
    ):
        with pytest.raises(Refused):
            SigningKey.load(path)


def test_a_signing_key_cannot_be_printed_copied_or_pickled() -> None:
    for attempt in (str, lambda value: f"{value}", pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            attempt(KEY)
    assert repr(KEY) == f"SigningKey({KEY.public.fingerprint})"


def test_git_accepts_the_commits_that_we_sign(world: World, tmp_path: Path) -> None:
    made = commit_tree(
        world.bare, files={"a": b"1"}, parents=(world.clone.head(),), message="signed\n\nbody", author=ANNA, signer=KEY
    )
    allowed = tmp_path / "allowed"
    allowed.write_text(f'anna@example.org namespaces="git" {KEY.public.line}\n')
    settings = ("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={allowed}")
    git(world.remote, *settings, "verify-commit", made)
    assert git(world.remote, *settings, "log", "-1", "--format=%G?", made) == "G"
    assert verify_commit(history.commit(world.bare, made)) == CommitSignature(Standing.VERIFIED, KEY.public.line)


def test_we_accept_the_commits_that_git_signs(world: World, tmp_path: Path) -> None:
    key = _made_key(tmp_path, "-t", "ed25519")
    settings = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}")
    git(world.clone.folder, *settings, "commit", "-q", "-S", "--allow-empty", "-m", "signed")
    world.clone.push()
    signed = history.commit(world.bare, world.clone.head())
    assert verify_commit(signed).key == PublicKey.parse(key.with_suffix(".pub").read_text()).line
    raw = world.bare.raw_commit(signed.id)
    for old, new in (
        (b"signed", b"Signed"),
        (b"Anna", b"Amma"),
        (b"gpgsig -----BEGIN SSH", b"x-header 1\ngpgsig -----BEGIN SSH"),
    ):
        assert old in raw
        with pytest.raises(Untrusted):
            verify_commit(parse(signed.id, raw.replace(old, new)))


def test_an_unsigned_commit_is_unsigned_and_a_gpg_signed_one_is_unverifiable(world: World) -> None:
    plain = history.commit(world.bare, world.clone.head())
    assert verify_commit(plain) == CommitSignature(Standing.UNSIGNED)
    for armored in (
        "-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----",
        "-----BEGIN SIGNED MESSAGE-----\nx",
        "x",
    ):
        raw = serialise(plain.tree, plain.parents, ANNA, ANNA, "m", armored)
        assert verify_commit(parse(plain.id, raw)) == CommitSignature(Standing.UNVERIFIABLE)


def test_a_commit_with_two_signatures_is_nobodys(world: World) -> None:
    plain = history.commit(world.bare, world.clone.head())
    signed = serialise(
        plain.tree,
        plain.parents,
        ANNA,
        ANNA,
        "m",
        KEY.sign(serialise(plain.tree, plain.parents, ANNA, ANNA, "m"), "git"),
    )
    assert verify_commit(parse(plain.id, signed)).standing is Standing.VERIFIED
    head, _, tail = signed.partition(b"gpgsig ")
    for name in (b"gpgsig", b"gpgsig-sha256"):
        doubled = head + name + b" -----BEGIN SSH SIGNATURE-----\ngpgsig " + tail
        assert verify_commit(parse(plain.id, doubled)).standing is Standing.UNVERIFIABLE


def test_a_signature_for_something_else_is_none_for_a_commit(world: World) -> None:
    plain = history.commit(world.bare, world.clone.head())
    payload = serialise(plain.tree, plain.parents, ANNA, ANNA, "m")
    signed = serialise(plain.tree, plain.parents, ANNA, ANNA, "m", KEY.sign(payload, SPACE))
    with pytest.raises(Untrusted):
        verify_commit(parse(plain.id, signed))


def test_the_fingerprint_is_over_the_wire_form() -> None:
    digest = base64.b64encode(hashlib.sha256(KEY.public.blob).digest()).decode().rstrip("=")
    assert KEY.public.fingerprint == f"SHA256:{digest}"
