"""Where a secret enters: what goes wrong there is told without it, and leaves nothing of it in an exception's chain."""

import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from reconciler.app import telemetry
from reconciler.app.announcing import HttpAnnouncer
from reconciler.app.credentials import Vault, seal
from reconciler.app.keys import Keys, age_recipient, load_keys, make_keys
from reconciler.app.settings import SecretSource, Settings, carries_credentials, load_settings
from reconciler.errors import Place, ReconcilerError, Refused, Rejected, SpecError, Unavailable
from reconciler.kube.connection import ClientCertificate, connection
from reconciler.kube.kubeconfig import parse_kubeconfig
from reconciler.names import BlobId
from reconciler.secret import Secret
from reconciler.specs.kinds import Credential, Kind
from reconciler.specs.kinds.credential import CredentialType
from reconciler.specs.spec import Spec
from reconciler.ssh.identity import login_key
from tests.leaks.forms import Searcher
from tests.leaks.words import of_exception

CANARY = "Zq7Wc9Lk2Vb5Nm8RtY4x"
SEARCHER = Searcher({"canary": CANARY})
ADDRESS = "127.0.0.1:6443"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(repository=str(tmp_path / "origin.git"), state=tmp_path / "state")
    make_keys(made)
    return made


def _credential(**source: str) -> Spec[Credential]:
    spec = Credential.model_validate({"type": CredentialType.TOKEN, "project": "p", **source})
    return Spec(Kind.CREDENTIAL, "c", {}, {}, spec, Place("c.yaml", 1, 1), BlobId("0" * 40), "")


def _armored(content: bytes, keys: Keys) -> str:
    import pyrage

    sealed: bytes = pyrage.encrypt(content, [pyrage.x25519.Recipient.from_str(age_recipient(keys))], armored=True)
    return sealed.decode()


ENVELOPES = {
    "no JSON": CANARY.encode(),
    "cut JSON": json.dumps({"name": "c", "secret": CANARY})[:-1].encode(),
    "no UTF-8": b"\xff" + CANARY.encode(),
    "no mapping": json.dumps([CANARY]).encode(),
    "deep": b"[" * 20_000 + CANARY.encode(),
    "another name": json.dumps({"name": CANARY, "project": "p", "addresses": [], "secret": CANARY}).encode(),
    "no address": json.dumps({"name": "c", "project": "p", "addresses": [CANARY], "secret": CANARY}).encode(),
    "no text": json.dumps({"name": "c", "project": "p", "addresses": [ADDRESS], "secret": [CANARY]}).encode(),
}


@pytest.mark.parametrize("content", ENVELOPES.values(), ids=ENVELOPES.keys())
def test_t17_a_sealed_text_that_cannot_be_used_is_refused_without_a_word_of_it(
    settings: Settings, content: bytes
) -> None:
    keys = load_keys(settings)
    with pytest.raises(Refused) as refusal:
        Vault(settings, keys).open(_credential(age=_armored(content, keys)), address=ADDRESS, project="p")
    assert refusal.value.key == "credential_scope_denied"
    assert not SEARCHER.found(of_exception(refusal.value))


def test_a_sealed_text_that_is_right_is_opened(settings: Settings) -> None:
    keys = load_keys(settings)
    text = seal(Secret(CANARY), name="c", project="p", addresses=(ADDRESS,), recipient=age_recipient(keys))
    opened = Vault(settings, keys).open(_credential(age=text), address=ADDRESS, project="p")
    assert opened.reveal() == CANARY


@pytest.mark.parametrize("name", ["age_identity", "hmac_key", "signing_key"])
@pytest.mark.parametrize(
    "content",
    [CANARY.encode(), f"AGE-SECRET-KEY-1{CANARY}".encode(), b"\xff" + CANARY.encode(), b""],
    ids=["another text", "a broken key", "bytes", "nothing"],
)
def test_a_damaged_key_is_an_error_with_a_way_forward_and_without_the_key(
    settings: Settings, name: str, content: bytes
) -> None:
    path = settings.signing_key.with_name(name)
    path.write_bytes(content)
    with pytest.raises(ReconcilerError) as refusal:
        load_keys(settings)
    assert refusal.value.hint()
    assert not SEARCHER.found(of_exception(refusal.value))


@pytest.mark.parametrize("content", ["", "00", "ab" * 31])
def test_an_hmac_key_that_is_cut_is_refused_and_not_used(settings: Settings, content: str) -> None:
    settings.hmac_key.write_text(content)
    with pytest.raises(Unavailable):
        load_keys(settings)


def test_a_credential_file_that_is_no_text_is_not_quoted(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(CANARY.encode() + b"\xff")
    listed = Settings("x", state=settings.state, files={"f": SecretSource(tmp_path / "key", "", "p", ())})
    with pytest.raises(Unavailable) as refusal:
        Vault(listed, load_keys(settings)).open(_credential(file="f"), address=ADDRESS, project="p")
    assert not SEARCHER.found(of_exception(refusal.value))


TOKENS = ["\r\nX: 1", "é", "\x00", " and more"]


@pytest.mark.parametrize("tail", TOKENS)
def test_a_webhooks_token_that_no_header_carries_is_refused_without_it(tail: str) -> None:
    with pytest.raises(Rejected) as refusal:
        HttpAnnouncer().announce("https://127.0.0.1:1/", Secret(f"{CANARY}{tail}{CANARY}"), {})
    assert not SEARCHER.found(of_exception(refusal.value))


@pytest.mark.parametrize("tail", TOKENS)
def test_a_clusters_token_that_no_header_carries_is_refused_without_it(tail: str) -> None:
    with pytest.raises(Rejected) as refusal:
        connection("https://127.0.0.1", "", token=Secret(f"{CANARY}{tail}"))
    assert not SEARCHER.found(of_exception(refusal.value))


PEM = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n"
BROKEN: dict[str, Callable[[], object]] = {
    "an SSH key": lambda: login_key(Secret(PEM)),
    "an SSH key that is another text": lambda: login_key(Secret(CANARY)),
    "a client key": lambda: connection("https://h", "", certificate=ClientCertificate("", Secret(PEM))),
    "a chain that holds the key": lambda: connection("https://h", "", certificate=ClientCertificate(PEM, Secret(""))),
    "an authority that holds a key": lambda: connection("https://h", PEM, token=Secret("x")),
    "an endpoint with a password": lambda: connection(f"https://u:{CANARY}@h", "", token=Secret("x")),
    "a kubeconfig that is another text": lambda: parse_kubeconfig(CANARY),
    "a kubeconfig that is no YAML": lambda: parse_kubeconfig(f"token: [{CANARY}"),
    "a kubeconfig with an unknown key": lambda: parse_kubeconfig(f"{CANARY * 2}: 1"),
    "a kubeconfig with a password": lambda: parse_kubeconfig(_kubeconfig(password=CANARY)),
    "a kubeconfig with two identities": lambda: parse_kubeconfig(
        _kubeconfig(token=CANARY, **{"client-key-data": CANARY})
    ),
    "a kubeconfig with a key that is no base64": lambda: parse_kubeconfig(
        _kubeconfig(**{"client-key-data": f"{CANARY}!", "client-certificate-data": f"{CANARY}!"})
    ),
}


@pytest.mark.parametrize("use", BROKEN.values(), ids=BROKEN.keys())
def test_t17_a_broken_credential_is_refused_without_a_word_of_it(use: Callable[[], object]) -> None:
    with pytest.raises(ReconcilerError) as refusal:
        use()
    assert not SEARCHER.found(of_exception(refusal.value))


URLS = (
    f"https://bot:{CANARY}@forge.invalid/r.git",
    f"https://{CANARY}@forge.invalid/r.git",
    f"http://x:{CANARY}@127.0.0.1/r.git",
    f"https://forge.invalid/r.git?private_token={CANARY}",
    f"https://forge.invalid/r.git#{CANARY}",
    f"ssh://git:{CANARY}@forge.invalid/r.git",
    f"git:{CANARY}@forge.invalid:r.git",
)


@pytest.mark.parametrize("url", URLS)
def test_t17_a_url_that_carries_a_token_is_refused_before_anything_stores_or_prints_it(
    tmp_path: Path, url: str
) -> None:
    (tmp_path / "reconciler.toml").write_text(f'repository = "{url}"\n')
    with pytest.raises(SpecError) as refusal:
        load_settings(tmp_path / "reconciler.toml", {})
    (tmp_path / "other.toml").write_text("")
    with pytest.raises(SpecError) as by_variable:
        load_settings(tmp_path / "other.toml", {"RECONCILER_REPOSITORY": url})
    assert not SEARCHER.found(of_exception(refusal.value) + of_exception(by_variable.value))


@pytest.mark.parametrize("words", [("doctor",), ("get", "release"), ("init", "--repo")], ids=lambda words: words[0])
@pytest.mark.parametrize("url", URLS[:1])
def test_t17_no_verb_prints_or_keeps_a_url_that_carries_a_token(
    tmp_path: Path, words: tuple[str, ...], url: str
) -> None:
    asked = ["init", "here", "--repo", url] if words[0] == "init" else [*words, "--repo", url]
    seen = subprocess.run(
        [sys.executable, "-m", "reconciler.cli.main", *asked],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        check=False,
    )
    assert seen.returncode != 0
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not SEARCHER.found(seen.stdout + seen.stderr + kept)


@pytest.mark.parametrize(
    "url", ["/srv/r.git", "file:///srv/r.git", "https://forge.invalid/r.git", "git@forge.invalid:r.git",
            "ssh://git@forge.invalid:22/r.git", "/srv/a:b@c/r.git"]
)  # fmt: skip
def test_a_url_without_credentials_is_taken(url: str) -> None:
    assert not carries_credentials(url)


@pytest.fixture
def logged() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("people", [True, False])
def test_t17_a_defect_is_logged_by_where_it_is_and_not_by_what_it_says(
    capsys: pytest.CaptureFixture[str], logged: None, *, people: bool
) -> None:
    telemetry.configure(people=people)
    canary = Secret(CANARY)
    try:
        try:
            json.loads(canary.reveal())
        except ValueError as error:
            raise KeyError(canary.reveal()) from error
    except KeyError:
        structlog.get_logger("x").exception("defect", what="reading")
    told = capsys.readouterr().err
    assert "KeyError" in told
    assert "JSONDecodeError" in told
    assert "test_doors.py" in told
    assert not SEARCHER.found(told.encode())


def test_t17_no_core_is_dumped(tmp_path: Path) -> None:
    script = (
        "import resource, reconciler.cli.edge as edge\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)\n"
        "with edge.Edge(): print(resource.getrlimit(resource.RLIMIT_CORE))\n"
    )
    seen = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "(0, 0)"
    assert resource.RLIMIT_CORE is not None


def test_t18_keys_and_state_are_readable_by_their_owner_alone(settings: Settings) -> None:
    for path in (settings.state, *settings.state.rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def _kubeconfig(**user: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": "https://h", "certificate-authority-data": "QQ=="}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        }
    )
