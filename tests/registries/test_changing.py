"""What a registry changes while the process runs is learned, and what it packs is not believed."""

import gzip
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler.registries.asking import HttpRegistries
from reconciler.registries.source import RegistrySource
from reconciler.sandbox.cluster_pki import loopback_identity
from reconciler.secret import Secret
from tests.registries.far import PASSWORD, Asked, FarRegistry, Said
from tests.registries.test_asking import APP, HOST, other, registries, said

__all__ = ["other"]


def test_a_registry_that_moves_its_tokens_is_asked_what_it_wants_again(far: FarRegistry, other: FarRegistry) -> None:
    far.wants, far.realm = "bearer", f"{other.url}/token"
    digest = far.push("shop/app", "v1")
    asked = registries(far, realms=(other.url,))
    assert asked.digests([APP]) == {APP: digest}
    other.odd = lambda *_: Said(404)  # its tokens are somewhere else now, as it says itself
    far.realm = ""
    found = asked.digests([APP])[APP]
    assert found == digest


def test_a_registry_that_wants_nothing_any_more_is_asked_without(far: FarRegistry, other: FarRegistry) -> None:
    far.wants, far.realm = "bearer", f"{other.url}/token"
    digest = far.push("shop/app", "v1")
    asked = registries(far, realms=(other.url,))
    assert asked.digests([APP]) == {APP: digest}
    other.odd = lambda *_: None
    far.wants = ""
    assert asked.digests([APP]) == {APP: digest}


def test_a_digest_is_not_computed_of_what_is_packed(far: FarRegistry) -> None:
    digest = far.push("shop/app", "v1")

    def packs(asked: Asked, right: Said) -> Said:
        if asked.method == "HEAD":
            return Said(405)
        kind = right.headers["Content-Type"]
        return Said(200, {"Content-Type": kind, "Content-Encoding": "gzip"}, gzip.compress(right.body, mtime=0))

    far.odd = packs
    found = said(far)
    assert found == digest or isinstance(found, ReconcilerError), found


def test_a_ca_file_that_is_renewed_is_read_again(far: FarRegistry, tmp_path: Path) -> None:
    old, new = loopback_identity(), loopback_identity()
    server = far._server
    assert server is not None
    server.socket = new.context().wrap_socket(server.socket, server_side=True)
    digest = far.push("shop/app", "v1")
    ca = tmp_path / "ca.pem"
    ca.write_text(old.ca_pem)
    url = f"https://127.0.0.1:{server.server_address[1]}"
    asked = HttpRegistries({HOST: RegistrySource(HOST, url, ca_file=ca)}, lambda _: Secret(PASSWORD))
    first = asked.digests([APP])[APP]
    assert isinstance(first, ReconcilerError)
    assert first.key == "certificate_invalid"
    ca.write_text(new.ca_pem)  # what the hint says
    assert asked.digests([APP]) == {APP: digest}
