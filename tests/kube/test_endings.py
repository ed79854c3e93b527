"""Until when a connection is good: read from what it is made of, without a word of a secret."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509

from reconciler.kube.connection import ClientCertificate, Connection, connection
from reconciler.kube.endings import endings
from reconciler.kube.target import KubeTarget
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.secret import Secret
from tests.servers.pki import loopback_certificate

PKI = loopback_certificate()
END = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)


def jwt(claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2lnbmF0dXJl"


def with_token(token: str) -> Connection:
    return connection("https://10.0.0.11:6443", PKI.ca, token=Secret(token))


def test_a_service_accounts_token_says_when_it_ends() -> None:
    [found] = endings(with_token(jwt({"exp": int(END.timestamp()), "sub": "system:serviceaccount:a:b"})), b"")
    assert (found.what, found.at) == ("the token", END)


@pytest.mark.parametrize(
    "token",
    [
        "opaque",
        "a.b.c",
        "a.%%%.c",
        jwt({}),
        jwt([1]),
        jwt({"exp": "tomorrow"}),
        jwt({"exp": True}),
        jwt({"exp": 10**30}),
        f"e30.{base64.urlsafe_b64encode(b'[' * 9000).decode()}.x",
    ],
)
def test_a_token_that_names_no_end_has_none(token: str) -> None:
    assert endings(with_token(token), b"") == ()


def test_a_client_certificate_and_the_servers_say_when_they_end() -> None:
    pair = ClientCertificate(PKI.certificate, Secret(PKI.private_key))
    made = connection("https://10.0.0.11:6443", PKI.ca, certificate=pair)
    serving = x509.load_pem_x509_certificate(PKI.certificate.encode())
    from cryptography.hazmat.primitives.serialization import Encoding

    found = endings(made, serving.public_bytes(Encoding.DER))
    assert {ending.what for ending in found} == {"the client certificate", "the API server's certificate"}
    assert {ending.at for ending in found} == {serving.not_valid_after_utc}


def test_a_look_sees_the_certificate_that_it_was_answered_with() -> None:
    with SandboxCluster() as cluster:
        target = KubeTarget(connection(cluster.endpoint, cluster.ca_pem, token=Secret(cluster.token)))
        assert target.client.serving_certificate == b""
        [found] = target.facts().endings
        serving = x509.load_der_x509_certificate(target.client.serving_certificate)
        target.close()
    assert (found.what, found.at) == ("the API server's certificate", serving.not_valid_after_utc)
    x509.load_pem_x509_certificate(cluster.ca_pem.encode()).public_key()
    serving.verify_directly_issued_by(x509.load_pem_x509_certificate(cluster.ca_pem.encode()))
