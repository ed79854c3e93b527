"""Whether a delivery is our forge's: published vectors, what a stranger tries, and what was here before."""

import hashlib
import hmac
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.approval.persons import ForgeKind
from reconciler.forges.hooks import Deliveries, Delivery, Verdict
from reconciler.secret import Secret

# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
GITHUB = (
    "It's a Secret to Everybody",
    b"Hello, World!",
    {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
)
# https://www.rfc-editor.org/rfc/rfc4231#section-4.3, as Gitea sends it
GITEA = (
    "Jefe",
    b"what do ya want for nothing?",
    {"x-gitea-signature": "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
)
GITLAB = ("my$ecret", b'{"object_kind": "push"}', {"x-gitlab-token": "my$ecret"})
VECTORS = {
    ForgeKind.GITHUB: GITHUB,
    ForgeKind.EMBEDDED: GITHUB,
    ForgeKind.GITEA: GITEA,
    ForgeKind.GITLAB: GITLAB,
}
NAMES = {
    ForgeKind.GITHUB: "x-github-delivery",
    ForgeKind.EMBEDDED: "x-github-delivery",
    ForgeKind.GITEA: "x-gitea-delivery",
    ForgeKind.GITLAB: "idempotency-key",
}
every_forge = pytest.mark.parametrize("forge", list(ForgeKind))


def judged(
    forge: ForgeKind, secret: str, body: bytes, headers: dict[str, str], before: Deliveries | None = None
) -> Verdict:
    delivery = Delivery(forge, Secret(secret))
    for start, end in pairwise((0, len(body) // 2, len(body))):  # as a network would bring it
        delivery.take(body[start:end])
    return delivery.verdict(headers, Deliveries() if before is None else before)


@every_forge
def test_the_vector_of_each_forge_is_ours(forge: ForgeKind) -> None:
    assert judged(forge, *VECTORS[forge]) is Verdict.OURS


@every_forge
def test_another_secret_no_header_and_the_headers_of_other_forges_are_forged(forge: ForgeKind) -> None:
    secret, body, headers = VECTORS[forge]
    assert judged(forge, secret + "x", body, headers) is Verdict.FORGED
    assert judged(forge, secret, body, {}) is Verdict.FORGED
    assert judged(forge, secret, body, dict.fromkeys(headers, "")) is Verdict.FORGED
    for other, (_, _, theirs) in VECTORS.items():
        if theirs.keys() != headers.keys():
            assert judged(forge, secret, body, theirs) is Verdict.FORGED, other


@pytest.mark.parametrize("forge", [ForgeKind.GITHUB, ForgeKind.GITEA])
def test_a_signature_holds_for_its_bytes_alone(forge: ForgeKind) -> None:
    secret, body, headers = VECTORS[forge]
    assert judged(forge, secret, body + b" ", headers) is Verdict.FORGED
    assert judged(forge, secret, b"", headers) is Verdict.FORGED
    cut = {name: value[:-1] for name, value in headers.items()}
    assert judged(forge, secret, body, cut) is Verdict.FORGED


def test_githubs_signature_needs_its_prefix_and_the_old_sha1_is_none() -> None:
    secret, body, headers = GITHUB
    bare = {name: value.removeprefix("sha256=") for name, value in headers.items()}
    assert judged(ForgeKind.GITHUB, secret, body, bare) is Verdict.FORGED
    old = {"x-hub-signature": "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()}
    assert judged(ForgeKind.GITHUB, secret, body, old) is Verdict.FORGED


@every_forge
@given(said=st.text(st.characters(max_codepoint=255), max_size=80))
def test_no_text_in_the_header_is_an_error_or_gets_in(forge: ForgeKind, said: str) -> None:
    secret, body, headers = VECTORS[forge]
    right = next(iter(headers.values()))
    expected = Verdict.OURS if said == right else Verdict.FORGED
    assert judged(forge, secret, body, dict.fromkeys(headers, said)) is expected


def test_an_empty_secret_lets_nobody_in() -> None:
    with pytest.raises(ValueError, match="everybody"):
        Delivery(ForgeKind.GITLAB, Secret(""))


@every_forge
def test_a_delivery_counts_once_by_its_name(forge: ForgeKind) -> None:
    secret, body, headers = VECTORS[forge]
    before = Deliveries()
    named = {**headers, NAMES[forge]: "d1"}
    assert judged(forge, secret, body, named, before) is Verdict.OURS
    assert judged(forge, secret, body, named, before) is Verdict.REPLAYED


@pytest.mark.parametrize("forge", [ForgeKind.GITHUB, ForgeKind.GITEA])
def test_other_bytes_under_a_name_that_was_here_are_a_replay(forge: ForgeKind) -> None:
    secret, body, headers = VECTORS[forge]
    other = hmac.new(secret.encode(), b"{}", hashlib.sha256).hexdigest()
    before = Deliveries()
    assert judged(forge, secret, body, {**headers, NAMES[forge]: "d1"}, before) is Verdict.OURS
    (name, said), *_ = headers.items()
    signed = {name: said[: -len(other)] + other, NAMES[forge]: "d1"}
    assert judged(forge, secret, b"{}", signed, before) is Verdict.REPLAYED


@every_forge
def test_the_same_bytes_under_another_name_are_a_replay(forge: ForgeKind) -> None:
    """No signature covers the name: whoever recorded a delivery can write a new one onto it."""
    secret, body, headers = VECTORS[forge]
    before = Deliveries()
    assert judged(forge, secret, body, {**headers, NAMES[forge]: "d1"}, before) is Verdict.OURS
    assert judged(forge, secret, body, {**headers, NAMES[forge]: "d2"}, before) is Verdict.REPLAYED
    assert judged(forge, secret, body, headers, before) is Verdict.REPLAYED


def test_what_is_forged_is_not_remembered_and_cannot_shut_out_the_real_one() -> None:
    secret, body, headers = GITEA
    before = Deliveries()
    forged = {"x-gitea-signature": "0" * 64, "x-gitea-delivery": "d1"}
    assert judged(ForgeKind.GITEA, secret, body, forged, before) is Verdict.FORGED
    assert judged(ForgeKind.GITEA, secret, body, {**headers, "x-gitea-delivery": "d1"}, before) is Verdict.OURS


def test_the_memory_of_deliveries_is_bounded_and_forgets_the_oldest_first() -> None:
    before = Deliveries(most=3)
    marks = [bytes([number]) for number in range(5)]
    assert [before.seen(mark) for mark in marks] == [False] * 5
    assert before.seen(marks[4])
    assert before.seen(marks[2])
    assert not before.seen(marks[0])
    assert len(before._seen) == 3


@every_forge
def test_the_comparison_in_constant_time_decides_alone(forge: ForgeKind, monkeypatch: pytest.MonkeyPatch) -> None:
    secret, body, headers = VECTORS[forge]
    for said, verdict in ((False, Verdict.FORGED), (True, Verdict.OURS)):
        monkeypatch.setattr(hmac, "compare_digest", lambda _one, _other, said=said: said)
        assert judged(forge, secret, body, headers) is verdict
        assert judged(forge, secret, body, {}) is verdict
