"""A credential goes only where it may (G4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.specs.addresses import allows


@pytest.mark.parametrize(
    ("entry", "address", "port"),
    [
        ("10.0.0.1", "10.0.0.1", 22),
        ("10.0.0.1:22", "10.0.0.1", 22),
        ("Host.example", "host.EXAMPLE.", 22),
        ("https://api:6443", "https://api:6443/path", None),
        ("api:443", "https://api", None),
        ("[2001:db8::1]:22", "2001:DB8:0::1", 22),
        ("2001:db8::1", "2001:db8::1", 2222),
    ],
)
def test_an_address_that_is_listed_is_allowed(entry: str, address: str, port: int | None) -> None:
    assert allows([entry], address, port)


@pytest.mark.parametrize(
    ("entry", "address", "port"),
    [
        ("10.0.0.1:22", "10.0.0.1", 2222),
        ("10.0.0.1:22", "10.0.0.1", None),
        ("10.0.0.1", "10.0.0.10", 22),
        ("example.com", "evil-example.com", None),
        ("example.com", "example.com.evil", None),
        ("example.com", "https://example.com@evil/", None),
        ("https://api:6443", "https://api", None),
        ("https://api", "https://api:6443", None),
        ("api", "https://", None),
        ("api", "https://api:notaport", None),
    ],
)
def test_an_address_that_is_not_listed_is_refused(entry: str, address: str, port: int | None) -> None:
    assert not allows([entry], address, port)


def test_nothing_listed_allows_nothing() -> None:
    assert not allows([], "10.0.0.1", 22)


@given(st.text(max_size=40), st.text(max_size=40))
def test_odd_addresses_are_refused_and_never_raise(entry: str, address: str) -> None:
    allows([entry], address)
    assert not allows([], address)
