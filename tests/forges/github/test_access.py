"""A GitHub App as the source of tokens for the API and for Git (F15, T17, T31)."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reconciler.app.clock import SystemClock
from reconciler.app.settings import AppSource, Settings, load_settings
from reconciler.doors.health import examine
from reconciler.doors.reading import Where
from reconciler.errors import ReconcilerError, Refused, Rejected, SpecError
from reconciler.forges.github.access import PERMISSIONS, App, AppToken, load_key
from reconciler.forges.github.forge import GitHubForge
from reconciler.forges.github.opening import app_token, opened, root_of
from reconciler.forges.opening import Opening
from reconciler.git.mirror import Mirror
from reconciler.git.push import PushResult, push
from reconciler.git.remote import Remote, Token
from reconciler.git.transport import Transport
from reconciler.state.forge import CommitStatus, StatusState
from tests.forges.embedded.world import TickingClock
from tests.forges.github.server import FakeGitHub

SLUG, INSTALLATION, ID = "reconciler-of-ours", 77, "4711"
SAID = CommitStatus("reconciler/preview", StatusState.PENDING, "")


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def written(path: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, mode: int = 0o600) -> Path:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    path.chmod(mode)
    return path


@pytest.fixture
def source(fake_github: FakeGitHub, tmp_path: Path, key: rsa.RSAPrivateKey) -> AppToken:
    """An App that is installed in the one repository, which has a first commit."""
    fake_github.hub.push("ana", "main", {"a.yaml": "a: 1\n"})
    fake_github.apps.add(ID, SLUG, key.public_key(), INSTALLATION)
    fake_github.apps.granted = dict(PERMISSIONS)
    app = App(ID, written(tmp_path / "app.pem", key))
    return app_token(app, fake_github.clone_url, "", fake_github.hub.clock)


def adapter(fake: FakeGitHub, source: AppToken, folder: Path) -> GitHubForge:
    return opened(Opening(fake.clone_url, "", source, "main", "", mirror(fake, source, folder), fake.hub.clock))


def mirror(fake: FakeGitHub, source: AppToken, folder: Path) -> Mirror:
    return Mirror(folder / "mirror", Remote(fake.clone_url, Token(source)), Transport(folder / "home"))


def moved(fake: FakeGitHub, by: timedelta) -> None:
    assert isinstance(fake.hub.clock, TickingClock)
    fake.hub.clock.wait(by)


def test_an_app_speaks_under_its_own_name_and_its_token_reads_git_too(
    fake_github: FakeGitHub, source: AppToken, tmp_path: Path
) -> None:
    door = adapter(fake_github, source, tmp_path)
    tip = fake_github.hub.tip("main")
    assert tip is not None
    assert door.own_login() == f"{SLUG}[bot]"
    door.set_status(tip, SAID)
    assert fake_github.hub.statuses[0]["creator"] == f"{SLUG}[bot]"
    seen = mirror(fake_github, source, tmp_path)
    seen.sync()
    assert seen.refs()["refs/heads/main"] == tip
    door.close()


def test_t31_its_token_is_for_this_repository_and_these_rights_alone(
    fake_github: FakeGitHub, source: AppToken, tmp_path: Path
) -> None:
    source.token()
    rights = {"contents": "write", "metadata": "read", "pull_requests": "write", "statuses": "write"}
    assert fake_github.apps.asked == [{"repositories": ["desired"], "permissions": rights}]


def test_f15_a_token_is_renewed_before_it_ends(fake_github: FakeGitHub, source: AppToken) -> None:
    first = source.token()
    moved(fake_github, timedelta(minutes=40))
    assert source.token() == first
    moved(fake_github, timedelta(minutes=5))
    assert source.token() != first
    assert len(fake_github.apps.asked) == 2


def test_f15_a_token_that_was_revoked_is_renewed_once_in_the_middle(
    fake_github: FakeGitHub, source: AppToken, tmp_path: Path
) -> None:
    door = adapter(fake_github, source, tmp_path)
    assert door.open_pull_requests() == ()
    moved(fake_github, timedelta(minutes=2))
    fake_github.apps.revoke()
    assert door.open_pull_requests() == ()
    assert len(fake_github.apps.asked) == 2
    door.close()


def test_f15_an_app_that_was_removed_is_no_storm_of_requests(
    fake_github: FakeGitHub, source: AppToken, tmp_path: Path
) -> None:
    door = adapter(fake_github, source, tmp_path)
    door.open_pull_requests()
    fake_github.refuse = lambda what: (401, {}, b"{}") if "access_tokens" not in what else None
    moved(fake_github, timedelta(minutes=2))
    before = len(fake_github.counts.seen)
    for _ in range(10):
        with pytest.raises(Rejected) as refused:
            door.open_pull_requests()
        assert refused.value.key == "permission_denied"
    assert len(fake_github.apps.asked) == 2
    assert len(fake_github.counts.seen) - before == 12  # one more for the renewed token, and the request for it
    door.close()


def test_f15_git_renews_a_revoked_token_to_look_and_to_push(
    fake_github: FakeGitHub, source: AppToken, tmp_path: Path
) -> None:
    ours = mirror(fake_github, source, tmp_path)
    ours.sync()
    moved(fake_github, timedelta(minutes=2))
    fake_github.apps.revoke()
    pushed = fake_github.hub.push("ben", "main", {"b.yaml": "b: 1\n"})
    ours.sync()
    assert ours.refs()["refs/heads/main"] == pushed
    moved(fake_github, timedelta(minutes=2))
    fake_github.apps.revoke()
    fake_github.hub.git.git("config", "http.receivepack", "true")
    assert push(ours.repository, ours.remote, "refs/heads/ours", None, pushed) is PushResult.DONE
    assert fake_github.hub.tip("ours") == pushed
    assert len(fake_github.apps.asked) == 3


def test_f15_an_app_that_was_installed_again_is_found_under_its_new_number(
    fake_github: FakeGitHub, source: AppToken, tmp_path: Path, key: rsa.RSAPrivateKey
) -> None:
    door = adapter(fake_github, source, tmp_path)
    door.open_pull_requests()
    moved(fake_github, timedelta(minutes=2))
    fake_github.apps.revoke()
    fake_github.apps.installations.clear()
    with pytest.raises(Rejected):
        door.open_pull_requests()
    fake_github.apps.add(ID, SLUG, key.public_key(), INSTALLATION + 1)
    moved(fake_github, timedelta(minutes=2))
    assert door.open_pull_requests() == ()
    moved(fake_github, timedelta(minutes=2))
    fake_github.apps.revoke()
    fake_github.apps.installations.clear()
    fake_github.apps.add(ID, SLUG, key.public_key(), INSTALLATION + 2)
    assert door.open_pull_requests() == ()  # without anything failing in between
    door.close()


def test_a_token_that_has_ended_already_is_none(fake_github: FakeGitHub, source: AppToken) -> None:
    fake_github.lie = lambda _, content: {**content, "expires_at": "2020-01-01T00:00:00Z"}
    with pytest.raises(Rejected, match="ended") as refused:
        source.token()
    assert "set this machine's clock" in refused.value.hint()


def test_a_clock_that_was_set_back_keeps_no_refused_token(fake_github: FakeGitHub, source: AppToken) -> None:
    source.token()
    assert not source.renew()  # within the minute
    moved(fake_github, -timedelta(days=1))
    assert source.renew()


@pytest.mark.parametrize("name", ["token", "expires_at"])
def test_a_token_without_its_fields_is_none(fake_github: FakeGitHub, source: AppToken, name: str) -> None:
    wrong: object
    for wrong in (None, 7, "", "ghs_t\u00f6ken"):
        fake_github.lie = lambda _, content: {**content, name: wrong}  # noqa: B023  asked within the same turn
        with pytest.raises(Rejected):
            source.token()


def test_a_key_that_others_may_read_is_refused(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    for mode in (0o640, 0o604, 0o666):
        with pytest.raises(Refused, match="others may read it"):
            load_key(written(tmp_path / "app.pem", key, mode))
    assert load_key(written(tmp_path / "app.pem", key)).key_size == 2048


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda _: None, id="missing"),
        pytest.param(lambda path: path.mkdir(mode=0o700), id="a folder"),
        pytest.param(lambda path: (path.write_text("no key"), path.chmod(0o600)), id="not a key"),
        pytest.param(lambda path: written(path, ec.generate_private_key(ec.SECP256R1())), id="another kind"),
    ],
)
def test_what_is_no_rsa_key_is_refused(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "app.pem")
    with pytest.raises(Refused):
        load_key(tmp_path / "app.pem")


def test_nothing_that_fails_tells_the_key_or_a_token(
    fake_github: FakeGitHub, source: AppToken, tmp_path: Path, key: rsa.RSAPrivateKey
) -> None:
    secrets = [source.token().reveal(), (tmp_path / "app.pem").read_text().splitlines()[1]]
    told = [repr(source), repr(Token(source))]
    (tmp_path / "app.pem").write_text("-----BEGIN RSA PRIVATE KEY-----\n" + secrets[1])
    moved(fake_github, timedelta(minutes=50))
    with pytest.raises(ReconcilerError) as refused:
        source.token()
    told += [str(refused.value), refused.value.hint(), repr(refused.value.__cause__), repr(refused.value.__context__)]
    assert not any(secret in text for secret in secrets for text in told)


@pytest.mark.parametrize(
    ("repository", "api", "root"),
    [
        ("https://github.com/house/desired.git", "", "https://api.github.com"),
        ("git@github.com:house/desired.git", "", "https://api.github.com"),
        ("ssh://git@ssh.github.com:443/house/desired", "", "https://api.github.com"),
        ("https://ghe.example.org/house/desired.git", "", "https://ghe.example.org/api/v3"),
        ("https://ghe.example.org/house/desired.git", "https://api.example.org/v3", "https://api.example.org/v3"),
        ("https://github.com.example.org/house/desired", "", "https://github.com.example.org/api/v3"),
    ],
)
def test_the_api_is_where_the_repository_says(repository: str, api: str, root: str) -> None:
    assert root_of(repository, api) == root


def settings_of(folder: Path, *lines: str) -> Settings:
    path = folder / "reconciler.toml"
    path.write_text("\n".join(('repository = "https://github.com/house/desired"', *lines)))
    return load_settings(path, {})


GITHUB, APP = 'forge = "github"', 'app = {id = "4711", key = "app.pem"}'


def test_an_app_is_named_by_its_id_and_its_key(tmp_path: Path) -> None:
    assert settings_of(tmp_path, GITHUB, APP).app == AppSource("4711", tmp_path / "app.pem")
    assert settings_of(tmp_path, GITHUB, 'token_variable = "T"').app is None


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((GITHUB, 'app = {id = "4711"}'), id="no key"),
        pytest.param((GITHUB, 'app = {key = "app.pem"}'), id="no id"),
        pytest.param((GITHUB, 'app = {id = 4711, key = "app.pem"}'), id="a number"),
        pytest.param((GITHUB, 'app = "app.pem"'), id="no table"),
        pytest.param((GITHUB, 'app = {id = "1", key = "app.pem", more = "x"}'), id="more"),
        pytest.param(('forge = "gitea"', APP), id="another forge"),
        pytest.param((GITHUB, 'token_variable = "T"', APP), id="a token too"),
    ],
)
def test_half_an_app_is_an_error_of_the_settings(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(SpecError, match="`app`"):
        settings_of(tmp_path, *lines)


def test_doctor_says_where_the_key_is_that_needs_a_backup(tmp_path: Path) -> None:
    settings_of(tmp_path, GITHUB, APP)
    path = tmp_path / "reconciler.toml"
    path.write_text(path.read_text().replace("https://github.com", "http://127.0.0.1:1"))
    (tmp_path / "app.pem").write_text("a key")
    told = json.loads(json.dumps(examine(Where(config=path))))
    assert {Path(one["path"]).name: one["present"] for one in told["backup"]}["app.pem"]
    assert "a key" not in json.dumps(told)


def test_the_clock_of_the_process_serves_an_app(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    """Making the source connects to nothing and reads no key."""
    app = App(ID, tmp_path / "no such file")
    assert app_token(app, "https://github.com/house/desired", "", SystemClock())
    assert not os.path.exists(app.key)
