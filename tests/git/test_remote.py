"""Which URLs and ref names are let in, and what a token shows of itself (threats T12, T21)."""

import copy
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Refused, Rejected
from reconciler.git.paths import as_text, is_odd, parts_of
from reconciler.git.refnames import branch, checked, is_ref, wanted
from reconciler.git.remote import Remote, Token

from .world import git

ID, HOSTS = Path("/etc/reconciler/id"), Path("/etc/reconciler/known_hosts")

HOSTILE_URLS = (
    " https://h/r", "https://h/r ", "/r ", " /r",
    "", " ", "-oProxyCommand=id", "--upload-pack=id", "ext::sh -c id", "ext::sh%20-c%20id", "fd::17", "ftp://h/r",
    "git://h/r", "http://forge.example/r.git", "http://10.0.0.1/r.git", "http://127.0.0.1.evil.example/r",
    "http://localhost.evil/r", "https://user:secret@h/r.git", "https://user@h/r.git", "https://h@evil/r",
    "https://h/r?x=1", "https://h/r#x", "https:///r", "https://h\n/r", "https://h/%0aHost:evil", "https://h/%0Dx",
    "https://h/%00", "https://h:99999/r", "https://h:0/r", "https://-h/r", "https://[::1/r", "https://h /r",
    "ssh://-oProxyCommand=id/r", "ssh://u@-oProxyCommand=id/r", "ssh://-u@h/r", "ssh://u:p@h/r", "ssh://u@h/-r",
    "ssh://u@h", "ssh://$(id)@h/r", "ssh://u@`id`/r", "-u@h:r", "u@-h:r", "u@h:-r", "u@h: r", "file://h/r",
    "file://../r", "relative/r.git", "../r.git", "~/r.git", "/r?x", "/r#x", "/r%2e", "/r\x00", "/r\n", "HTTPS//h/r",
    "javascript:alert(1)", "https://h/\u202er", "\u2028/r", "http+unix://%2f/r", "rsync://h/r", "file:relative",
    "https://" + "a" * 3000,
)  # fmt: skip

HOSTILE_REFS = (
    "", "-", "--upload-pack=id", "-refs/heads/x", "main", "HEAD", "refs/", "refs/heads", "refs/heads/",
    "refs/heads//x", "refs//heads/x", "/refs/heads/x", "refs/heads/../x", "refs/heads/x..y", "refs/heads/.x",
    "refs/.heads/x", "refs/heads/x.lock", "refs/heads/x.lock/y", "refs/heads/x.", "refs/heads/x~1", "refs/heads/x^",
    "refs/heads/x:y", "refs/heads/x?", "refs/heads/*", "refs/heads/[x]", "refs/heads/x\\y", "refs/heads/x y",
    "refs/heads/x\ty", "refs/heads/x\ny", "refs/heads/x\x00", "refs/heads/x\x7f", "refs/heads/@{x",
    "refs/heads/x@{1}", "refs/heads/\u202ex", "refs/heads/\ud800", "refs/heads/" + "x" * 2000, "+refs/heads/x",
    "refs/heads/x/",
)  # fmt: skip


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_a_hostile_url_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        Remote(url, identity=ID, known_hosts=HOSTS)


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("https://forge.example/team/specs.git", "https"),
        ("https://forge.example:8443/r", "https"),
        ("https://[2001:db8::1]/r", "https"),
        ("http://127.0.0.1:3000/r", "http"),
        ("http://[::1]:3000/r", "http"),
        ("http://localhost/r", "http"),
        ("ssh://git@forge.example:2222/team/specs.git", "ssh"),
        ("git@forge.example:team/specs.git", "ssh"),
        ("/srv/git/specs.git", "file"),
        ("file:///srv/git/specs.git", "file"),
    ],
)
def test_a_plain_url_is_accepted(url: str, scheme: str) -> None:
    assert Remote(url, identity=ID, known_hosts=HOSTS).scheme == scheme


@pytest.mark.parametrize("name", ["relative", "/a b", '/a"b', "/a$b", "/a%h", "/a;b", "/a\nb", "/~x"])
def test_ssh_files_with_names_that_something_could_expand_are_refused(name: str) -> None:
    with pytest.raises(Refused):
        Remote("git@h:r", identity=Path(name), known_hosts=Path("/k"))
    with pytest.raises(Refused):
        Remote("git@h:r", identity=Path("/k"), known_hosts=Path(name))


def test_ssh_needs_a_pinned_host_key() -> None:
    with pytest.raises(Refused):
        Remote("git@h:r", identity=Path("/k"))


def test_a_token_goes_with_http_only() -> None:
    with pytest.raises(Refused):
        Remote("git@h:r", token=Token("secret"), identity=ID, known_hosts=HOSTS)
    with pytest.raises(Refused):
        Remote("/srv/r.git", token=Token("secret"))


@pytest.mark.parametrize("name", HOSTILE_REFS)
def test_a_hostile_ref_is_rejected(name: str) -> None:
    assert not is_ref(name)
    with pytest.raises(Rejected):
        checked(name)


@pytest.mark.parametrize("name", ["-x", "--mirror", "HEAD", "", "x:y", "x..y", "a b"])
def test_a_hostile_branch_name_is_rejected(name: str) -> None:
    with pytest.raises(Rejected):
        branch(name)


def test_plain_refs_are_accepted() -> None:
    assert branch("feature/svc-a") == "refs/heads/feature/svc-a"
    assert wanted("refs/pull/7/head", ("refs/pull/*/head",))
    assert not wanted("refs/pull/7/merge", ("refs/pull/*/head",))
    assert not wanted("refs/pull//head", ("refs/pull/*/head",))


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_what_passes_passes_git_too(tail: str) -> None:
    name = f"refs/heads/{tail}"
    if is_ref(name):
        git(Path("/"), "check-ref-format", name)


def test_a_token_cannot_be_printed_copied_or_pickled() -> None:
    token = Token("ghp_secret")
    remote = Remote("https://h/r", token)
    assert "ghp_secret" not in repr(remote)
    attempts = (str, lambda value: f"{value}", lambda value: f"{value:>9}", pickle.dumps, copy.copy, copy.deepcopy)
    for attempt in attempts:
        with pytest.raises(TypeError):
            attempt(token)


def test_a_token_with_a_line_break_is_refused() -> None:
    with pytest.raises(Refused):
        Token("secret\r\nHost: evil")


@pytest.mark.parametrize(
    "raw",
    [
        b"..", b"a/../b", b".git/x", b"a/.GIT", b"a/.git. ", b"GIT~1", b".git::$INDEX", b"\xff", b"a\nb", b'"', b"\\",
        b"a//b", b"/a", b".", b"",
    ],
)  # fmt: skip
def test_an_odd_path_is_quoted_and_never_written(raw: bytes) -> None:
    assert is_odd(as_text(raw))
    with pytest.raises(Refused):
        parts_of(raw.decode(errors="surrogateescape"))


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_two_paths_never_share_a_text(one: bytes, other: bytes) -> None:
    assert (as_text(one) == as_text(other)) == (one == other)


def test_a_plain_path_is_itself() -> None:
    for path in ("specs/a.yaml", "环境/生产.yaml", ".gitignore", "a/.github/x", "git~x"):
        assert as_text(path.encode()) == path
