"""What a registry wants to see, as its header says it."""

import pytest

from reconciler.registries.challenge import LONGEST, Challenge, read_challenge

TOKEN = 'Bearer realm="https://auth.example.com/token",service="registry.example.com",scope="repository:a:pull"'
WANTED = Challenge(basic=False, realm="https://auth.example.com/token", service="registry.example.com")
BASIC = Challenge(basic=True)


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ([TOKEN], WANTED),
        ([TOKEN.replace("Bearer", "bearer").replace(",", " , ")], WANTED),
        (["Bearer service=registry.example.com, realm=https://auth.example.com/token"], WANTED),
        ([f'Basic realm="registry", {TOKEN}'], WANTED),
        ([TOKEN, 'Basic realm="registry"'], WANTED),
        (['Basic realm="registry"'], BASIC),
        (["Basic"], BASIC),
        (["BASIC"], BASIC),
        (['Bearer service="x"', "Basic"], BASIC),
        (['Bearer realm=""'], None),
        (["Negotiate"], None),
        (['Digest realm="x", nonce="y"'], None),
        ([""], None),
        ([], None),
        (['realm="https://auth.example.com"'], None),
        (['Bearer realm="unfinished'], None),
        (['Bearer realm="with \\" in it"'], None),
        (["=,=,="], None),
        ([" " * 10 * LONGEST + TOKEN], None),
        (["," * LONGEST], None),
    ],
)
def test_a_token_comes_before_a_password_and_nothing_else_is_known(
    headers: list[str], wanted: Challenge | None
) -> None:
    assert read_challenge(headers) == wanted
