"""Ed25519 keys at their edges (threats T35)."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.bundle.keys import FIELD_PRIME, PREFIX, KeyRefused, generate_key, read_public_key, sign_bytes
from reconciler.secret import Secret

ORDER = 2**252 + 27742317777372353535851937790883648493  # of the base point, RFC 8032 5.1
CURVE_D = -121665 * pow(121666, -1, FIELD_PRIME) % FIELD_PRIME


def encode(y: int, sign: int = 0) -> str:
    return PREFIX + base64.b64encode((y | sign << 255).to_bytes(32, "little")).decode()


def x_of(y: int) -> int | None:
    """An x with (x, y) on the curve, by the square root of RFC 8032 5.1.3, or None."""
    square = (y * y - 1) * pow(CURVE_D * y * y + 1, -1, FIELD_PRIME) % FIELD_PRIME
    root = pow(square, (FIELD_PRIME + 3) // 8, FIELD_PRIME)
    for candidate in (root, root * pow(2, (FIELD_PRIME - 1) // 4, FIELD_PRIME) % FIELD_PRIME):
        if candidate * candidate % FIELD_PRIME == square:
            return candidate
    return None


def doubled(point: tuple[int, int]) -> tuple[int, int]:
    x, y = point
    product = CURVE_D * x * x * y * y % FIELD_PRIME
    return (
        2 * x * y * pow(1 + product, -1, FIELD_PRIME) % FIELD_PRIME,
        (y * y + x * x) * pow(1 - product, -1, FIELD_PRIME) % FIELD_PRIME,
    )


def points_of_small_order() -> set[int]:
    """Their y, found by walking from (x, y) with 8 * P = 0: those whose third double is the identity."""
    root = pow(2, (FIELD_PRIME - 1) // 4, FIELD_PRIME)  # a square root of -1: (root, 0) has order 4
    found = {1, FIELD_PRIME - 1, 0}
    # order 8 doubles to (+-root, 0), so x*x = -y*y, and the curve is a quadratic equation in t = +-y*y
    for sign in (1, -1):
        discriminant = (1 + CURVE_D) % FIELD_PRIME  # of d*t*t - 2*t - 1 = 0, halved
        half = pow(discriminant, (FIELD_PRIME + 3) // 8, FIELD_PRIME)
        for s in (half, half * root % FIELD_PRIME):
            t = (1 + sign * s) * pow(CURVE_D, -1, FIELD_PRIME) % FIELD_PRIME
            y = pow(t, (FIELD_PRIME + 3) // 8, FIELD_PRIME)
            for candidate in (y, y * root % FIELD_PRIME):
                for one in (candidate, FIELD_PRIME - candidate):
                    x = x_of(one)
                    if x is not None and doubled(doubled(doubled((x, one)))) == (0, 1):
                        found.add(one)
    return found


SMALL = sorted(points_of_small_order())


def test_t35_the_arithmetic_finds_all_five_y_of_the_eight_points() -> None:
    assert len(SMALL) == 5


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", SMALL)
def test_t35_a_key_of_small_order_is_refused(y: int, sign: int) -> None:
    with pytest.raises(KeyRefused, match="small order"):
        read_public_key(encode(y, sign))


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", [FIELD_PRIME, FIELD_PRIME + 1, FIELD_PRIME + 3, 2**255 - 1])
def test_t35_a_non_canonical_encoding_is_refused(y: int, sign: int) -> None:
    with pytest.raises(KeyRefused, match="canonical"):
        read_public_key(encode(y, sign))


def test_t35_the_library_alone_would_accept_a_forgery_for_the_identity() -> None:
    forged = (1).to_bytes(32, "little") + bytes(32)  # R = identity, S = 0
    Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little")).verify(forged, b"anything")


def test_a_signature_holds_for_exactly_these_bytes_and_this_key() -> None:
    private, public = generate_key()
    signature, signer = sign_bytes(private, b"content")
    assert signer == public
    assert public.verifies(signature, b"content")
    assert not public.verifies(signature, b"Content")
    assert not generate_key()[1].verifies(signature, b"content")


def test_a_signature_of_another_form_of_the_same_number_is_refused() -> None:
    private, public = generate_key()
    signature, _ = sign_bytes(private, b"content")
    other = int.from_bytes(signature[32:], "little") + ORDER
    assert not public.verifies(signature[:32] + other.to_bytes(32, "little"), b"content")
    assert not public.verifies(signature + b"\0", b"content")


def test_both_written_forms_name_the_same_key() -> None:
    _, public = generate_key()
    assert read_public_key(str(public)) == public == read_public_key(public.pem.decode())
    assert len(public.name) == 16


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ed25519:",
        "ed25519:AAAA",
        "ed25519:" + "!" * 44,
        encode(5)[:-1] + " ",
        "-----BEGIN PUBLIC KEY-----\nxx\n-----END PUBLIC KEY-----",
        "ssh-ed25519 AAAA",
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(KeyRefused):
        read_public_key(text)


@pytest.mark.parametrize("text", ["", "canary-not-a-key"])
def test_t17_a_refused_signing_key_is_not_quoted(text: str) -> None:
    with pytest.raises(KeyRefused) as refusal:
        sign_bytes(Secret(text), b"x")
    assert "canary" not in str(refusal.value)
