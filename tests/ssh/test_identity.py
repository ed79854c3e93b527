"""Pinned host keys and login keys."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from reconciler.errors import Rejected
from reconciler.sandbox.hosts import new_login
from reconciler.secret import Secret
from reconciler.ssh.identity import HostKey, login_key

KEYS: dict[str, Any] = {
    "ssh-ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ecdsa-sha2-nistp256": ec.generate_private_key(ec.SECP256R1()),
    "ssh-rsa": rsa.generate_private_key(65537, 2048),
}
FORMS = {
    "openssh": serialization.PrivateFormat.OpenSSH,
    "pkcs8": serialization.PrivateFormat.PKCS8,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KEYS)
def test_each_kind_of_key_is_read_in_each_form(kind: str, form: str) -> None:
    pem = KEYS[kind].private_bytes(serialization.Encoding.PEM, FORMS[form], serialization.NoEncryption())
    assert login_key(Secret(pem.decode())).get_name() == kind


def test_a_key_with_a_passphrase_is_told() -> None:
    pem = KEYS["ssh-ed25519"].private_bytes(
        serialization.Encoding.PEM, FORMS["openssh"], serialization.BestAvailableEncryption(b"x")
    )
    with pytest.raises(Rejected, match="unencrypted"):
        login_key(Secret(pem.decode()))


def test_a_pinned_key_is_written_without_its_comment() -> None:
    _, line = new_login()
    assert HostKey.parse(f"{line} root@host").line == line


def test_t22_sha1_signatures_are_never_asked_for() -> None:
    public = KEYS["ssh-rsa"].public_key()
    line = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    assert HostKey.parse(line).algorithms == ("rsa-sha2-512", "rsa-sha2-256")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 !!!",
        "ssh-dss AAAAB3NzaC1kc3M=",
        "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x07ssh-rsa" + b"x" * 32).decode(),
        "ssh-ed25519-cert-v01@openssh.com AAAA",
        "@cert-authority * ssh-ed25519 AAAA",
    ],
)
def test_t22_what_is_no_pinned_key_is_refused(line: str) -> None:
    with pytest.raises(Rejected) as refusal:
        HostKey.parse(line)
    assert refusal.value.key == "validation_error"
