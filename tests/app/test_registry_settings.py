"""`[registries."HOST"]` of reconciler.toml: who may be asked, where, and as whom (G1)."""

from pathlib import Path

import pytest

from reconciler.app.registry_settings import LONGEST, password_of
from reconciler.app.settings import load_settings
from reconciler.errors import Refused, SpecError
from reconciler.registries.source import RegistrySource, origin

HOST = "registry.example.com"


def listed(folder: Path, *lines: str) -> dict[str, RegistrySource]:
    path = folder / "reconciler.toml"
    path.write_text("\n".join(('repository = "https://forge.example.org/house/desired"', *lines)))
    return dict(load_settings(path, {}).registries)


def test_without_any_no_registry_is_asked(tmp_path: Path) -> None:
    assert listed(tmp_path) == {}


def test_a_host_alone_is_asked_over_tls_as_nobody(tmp_path: Path) -> None:
    assert listed(tmp_path, f'[registries."{HOST}"]') == {HOST: RegistrySource(HOST, f"https://{HOST}")}


def test_everything_is_said_in_its_table(tmp_path: Path) -> None:
    lines = (
        f'[registries."{HOST}:5000"]',
        'url = "http://127.0.0.1:5000/"',
        'ca_file = "ca.pem"',
        'username = "robot"',
        'password_file = "password"',
        'realms = ["https://auth.example.com/token", "https://[::1]:443"]',
    )
    wanted = RegistrySource(
        host=f"{HOST}:5000",
        url="http://127.0.0.1:5000",
        realms=("https://auth.example.com", "https://[::1]"),
        ca_file=tmp_path / "ca.pem",
        username="robot",
        password_file=tmp_path / "password",
    )
    assert listed(tmp_path, *lines) == {wanted.host: wanted}


def test_docker_hub_is_where_its_own_client_finds_it(tmp_path: Path) -> None:
    hub = listed(tmp_path, '[registries."docker.io"]')["docker.io"]
    assert (hub.url, hub.realms) == ("https://registry-1.docker.io", ("https://auth.docker.io",))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        pytest.param(('registries = ["x"]',), "is a table of registries", id="a list"),
        pytest.param(("[registries]", f'"{HOST}" = "x"'), "takes url, ca_file", id="a text"),
        pytest.param((f'[registries."{HOST}"]', 'token = "x"'), "takes url, ca_file", id="a field that is none"),
        pytest.param(('[registries."nginx"]',), "not the host of an image's name", id="a word"),
        pytest.param(('[registries."index.docker.io"]',), "not the host", id="another name of the hub"),
        pytest.param((f'[registries."https://{HOST}"]',), "not the host", id="an address"),
        pytest.param((f'[registries."{HOST}/team"]',), "not the host", id="a path"),
        pytest.param((f'[registries."{HOST}"]', f'url = "http://{HOST}"'), "plain http is for loopback", id="http"),
        pytest.param((f'[registries."{HOST}"]', 'url = "http://127.0.0.1.example.com"'), "plain http", id="like it"),
        pytest.param((f'[registries."{HOST}"]', f'url = "https://me:pw@{HOST}"'), "are origins", id="a password"),
        pytest.param((f'[registries."{HOST}"]', 'url = "ftp://x"'), "are origins", id="ftp"),
        pytest.param((f'[registries."{HOST}"]', f'url = "https://{HOST}/mirror"'), "has no path", id="path in url"),
        pytest.param((f'[registries."{HOST}"]', 'url = "https://[x/"'), "are origins", id="no url"),
        pytest.param((f'[registries."{HOST}"]', 'realms = ["http://auth.example.com"]'), "plain http", id="realm"),
        pytest.param((f'[registries."{HOST}"]', 'realms = "https://x"'), "`realms` is a list", id="one realm"),
        pytest.param((f'[registries."{HOST}"]', "ca_file = 7"), "everything else a text", id="a number"),
        pytest.param((f'[registries."{HOST}"]', 'username = "me"'), "goes with one of", id="no password"),
        pytest.param((f'[registries."{HOST}"]', 'password_file = "x"'), "goes with one of", id="nobody"),
        pytest.param(
            (f'[registries."{HOST}"]', 'username = "me"', 'password_file = "x"', 'password_variable = "X"'),
            "goes with one of",
            id="two passwords",
        ),
        pytest.param(
            (f'[registries."{HOST}"]', 'username = "a:b"', 'password_variable = "X"'), "holds a colon", id="a colon"
        ),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, lines: tuple[str, ...], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        listed(tmp_path, *lines)
    assert words in caught.value.problems[0].message


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://R.example.com:443/v2/", "https://r.example.com"),
        ("https://r.example.com:5000", "https://r.example.com:5000"),
        ("http://localhost:5000", "http://localhost:5000"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("http://10.0.0.11", None),
        ("http://localhost.example.com", None),
        ("https://", None),
        ("https://r.example.com:x", None),
        ("https://é.example.com", None),
    ],
)
def test_an_origin_is_a_scheme_and_an_address(url: str, wanted: str | None) -> None:
    assert origin(url) == wanted


def of(tmp_path: Path, **more: object) -> RegistrySource:
    return RegistrySource(HOST, f"https://{HOST}", username="robot", **more)  # type: ignore[arg-type]


def test_a_password_is_read_when_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "password"
    path.write_bytes(b"let me: in\r\n")
    assert password_of(of(tmp_path, password_file=path)).reveal() == "let me: in"
    monkeypatch.setenv("A_PASSWORD", "letmein")
    assert password_of(of(tmp_path, password_variable="A_PASSWORD")).reveal() == "letmein"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe", b"x" * (LONGEST + 1)])
def test_a_password_that_is_not_there_is_told_without_it(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Refused) as caught:
        password_of(of(tmp_path, password_file=path))
    assert (caught.value.key, "xxx" in caught.value.message) == ("permission_denied", False)
    with pytest.raises(Refused, match="NOBODY_SET_THIS is not set"):
        password_of(of(tmp_path, password_variable="NOBODY_SET_THIS"))
