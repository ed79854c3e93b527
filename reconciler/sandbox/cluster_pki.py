"""A CA and a serving certificate for loopback, new for every sandbox and never on a disk longer than one call."""

import os
import ssl
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

# Fixed dates: a test that moves its clock must not find the certificate expired.
NOT_BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
NOT_AFTER = NOT_BEFORE + timedelta(days=100 * 365)


@dataclass(frozen=True, slots=True)
class ServingIdentity:
    """What a server shows and what its clients trust, all PEM; the CA's key is forgotten."""

    ca_pem: str
    certificate_pem: str
    key_pem: str = field(repr=False)

    def context(self) -> ssl.SSLContext:
        """A server context. Python loads certificates from files only: a private one is written and removed at once."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        descriptor, name = tempfile.mkstemp(prefix="sandbox-")  # 0600
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(self.key_pem + self.certificate_pem)
            context.load_cert_chain(name)
        finally:
            os.unlink(name)
        return context


def loopback_identity() -> ServingIdentity:
    """For a server at 127.0.0.1 and localhost."""
    ca_key, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    authority = _name("sandbox cluster CA")
    ca = (
        _builder(authority, authority, ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, SHA256())
    )
    names = [x509.IPAddress(IPv4Address("127.0.0.1")), x509.DNSName("localhost")]
    certificate = (
        _builder(_name("sandbox cluster"), authority, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return ServingIdentity(
        ca.public_bytes(Encoding.PEM).decode(), certificate.public_bytes(Encoding.PEM).decode(), private
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
