"""How git is started: nothing but our arguments decides what it does (threats T11, T12, T21)."""

import contextlib
import os
import select
import stat
import sys
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError, Refused, Rejected, Unavailable
from reconciler.git import ask_http
from reconciler.git.mirror import Mirror
from reconciler.git.poll import Poller
from reconciler.git.push import PushResult, push
from reconciler.git.remote import Remote, Token
from reconciler.git.transport import Transport

from .world import World, always, git, http_backend, serving

TOKEN = "canary-4f1b"


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `git` in front of the real one that writes down its arguments and environment."""
    seen = tmp_path / "seen"
    seen.mkdir()
    real = git(tmp_path, "--exec-path")
    _program(
        tmp_path / "bin" / "git",
        "import json, os, sys\n"
        f"json.dump([sys.argv, dict(os.environ)], open(f'{seen}/{{os.getpid()}}', 'w'))\n"
        f"os.execv('{real}/git', sys.argv)\n",
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return seen


def test_nothing_of_the_machines_environment_reaches_git(
    world: World, recorder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "GIT_DIR",
        "GIT_SSH_COMMAND",
        "GIT_CONFIG_PARAMETERS",
        "GIT_EXTERNAL_DIFF",
        "HOME",
        "LD_PRELOAD_X",
        "GIT_TRACE",
    ):
        monkeypatch.setenv(name, "/planted")
    world.transport.run(["version"])
    seen = "".join(path.read_text() for path in recorder.iterdir())
    assert "GIT_TERMINAL_PROMPT" in seen
    assert "/planted" not in seen


def test_hooks_never_run_in_the_mirror_nor_in_a_local_remote(world: World, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror", world.address, world.transport)
    marker = tmp_path / "a hook ran"
    hooks = (
        "reference-transaction",
        "post-update",
        "post-receive",
        "pre-receive",
        "update",
        "pre-push",
        "post-checkout",
        "pre-auto-gc",
    )
    for repository in (mirror.repository.path, world.remote):
        for hook in hooks:
            _program(repository / "hooks" / hook, f"open({str(marker)!r}, 'w')\n")
    mirror.sync()
    tip = world.clone.head()
    assert push(mirror.repository, world.address, "refs/heads/new", None, tip) is PushResult.DONE
    mirror.compact()
    assert not marker.exists()
    git(world.clone.folder, "push", "-q", "origin", "main:refs/heads/proof")
    assert marker.exists()  # a person's push does run them: the marker works


def test_a_protocol_that_the_remote_does_not_have_is_not_spoken(world: World, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror", Remote("http://127.0.0.1:9/r"), world.transport)
    with pytest.raises(Rejected, match="not allowed"):
        world.transport.run(
            ["fetch", "--end-of-options", str(world.remote)], directory=mirror.repository.path, remote=mirror.remote
        )


def test_a_tree_with_hostile_names_is_not_let_in(world: World, tmp_path: Path) -> None:
    blob = world.blob(b"x")
    for number, name in enumerate((b"..", b".git", b".GIT")):
        tree = world.tree(("100644", blob, name))
        git(world.remote, "update-ref", f"refs/heads/hostile-{number}", world.commit_of(tree))
        mirror = Mirror(tmp_path / f"mirror-{number}", world.address, world.transport)
        with pytest.raises(Rejected) as caught:
            mirror.sync()
        assert caught.value.key == "validation_error"
        assert mirror.refs() == {}
        git(world.remote, "update-ref", "-d", f"refs/heads/hostile-{number}")


def test_a_local_remote_refuses_hostile_trees_that_we_push(world: World) -> None:
    other = world.folder / "other.git"
    git(world.folder, "init", "-q", "--bare", str(other))
    revision = world.commit_of(world.tree(("100644", world.blob(b"x"), b"..")))
    with pytest.raises(ReconcilerError):
        push(world.bare, Remote(str(other)), "refs/heads/main", None, revision)
    assert git(other, "for-each-ref") == ""


def test_a_token_is_in_no_argument_and_reaches_the_server(world: World, tmp_path: Path, recorder: Path) -> None:
    with serving(http_backend(world.folder)) as requests:
        remote = Remote(f"{requests.url}/remote.git", Token(TOKEN))
        mirror = Mirror(tmp_path / "mirror", remote, world.transport)
        mirror.sync()
        push(mirror.repository, remote, "refs/heads/new", None, world.clone.head())
        assert len(requests.authorizations) == len(requests.seen) > 4
        assert set(requests.authorizations) == {Token(TOKEN).authorization()}
    for record in recorder.iterdir():
        arguments = record.read_text().split('], {"')[0]
        assert TOKEN not in arguments
        assert Token(TOKEN).authorization().split()[1] not in arguments
    assert TOKEN not in "".join(
        p.read_text(errors="replace") for p in (tmp_path / "transport").rglob("*") if p.is_file()
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirecting_server_gets_no_token_to_another_origin(world: World, tmp_path: Path, status: int) -> None:
    with (
        serving(http_backend(world.folder)) as elsewhere,
        serving(lambda request: (status, {"Location": f"{elsewhere.url}{request.path}"}, b"")) as first,
    ):
        remote = Remote(f"{first.url}/remote.git", Token(TOKEN))
        mirror = Mirror(tmp_path / "mirror", remote, world.transport)
        for attempt in (mirror.poller.poll, mirror.fetch):
            with pytest.raises(Rejected) as caught:
                attempt()
            assert caught.value.key == "endpoint_invalid"
        assert first.authorizations
        assert elsewhere.seen == []


def test_an_echoed_token_is_not_in_the_error(world: World, tmp_path: Path) -> None:
    token = Token(TOKEN)
    echo = f"your header was {token.authorization()} and {TOKEN}".encode()
    with serving(always(500, {"Content-Type": "text/plain"}, echo)) as requests:
        mirror = Mirror(tmp_path / "mirror", Remote(f"{requests.url}/r", token), world.transport)
        with pytest.raises(Unavailable) as caught:
            mirror.fetch()
    assert "your header was" in caught.value.message
    assert TOKEN not in caught.value.message
    assert token.authorization().split()[1] not in caught.value.message


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Rejected), (403, Rejected), (404, Unavailable), (500, Unavailable), (503, Unavailable)]
)
def test_polling_and_fetching_agree_on_what_an_answer_means(
    world: World, tmp_path: Path, status: int, kind: type[ReconcilerError]
) -> None:
    with serving(always(status, {}, b"")) as requests:
        mirror = Mirror(tmp_path / "mirror", Remote(f"{requests.url}/r"), world.transport)
        for attempt in (mirror.poller.poll, mirror.fetch):
            with pytest.raises(kind) as caught:
                attempt()
            assert (caught.value.key == "repository_unreachable") is (kind is Unavailable)


def test_an_unreachable_remote_is_unavailable(world: World, tmp_path: Path) -> None:
    remote = Remote("http://127.0.0.1:9/r")
    mirror = Mirror(tmp_path / "mirror", remote, world.transport)
    for attempt in (mirror.poller.poll, mirror.fetch, lambda: push(world.bare, remote, "refs/heads/x", None, None)):
        with pytest.raises(Unavailable) as caught:
            attempt()
        assert caught.value.key == "repository_unreachable"


def test_a_remote_that_never_ends_its_answer_is_unreachable(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask_http, "OVERALL", -1.0)
    answer = (200, {"Content-Type": "application/x-git-upload-pack-result"}, b"0000")
    with serving(always(*answer)) as requests, pytest.raises(Unavailable, match="no end after") as polled:
        Poller(Remote(f"{requests.url}/r"), world.transport).poll()
    assert polled.value.key == "repository_unreachable"
    _program(tmp_path / "bin" / "git", "import signal\nsignal.pause()\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    remote = Remote("http://127.0.0.1:9/r")
    for of, key in ((remote, "repository_unreachable"), (None, "internal_error")):
        with pytest.raises(Unavailable, match="no end after") as caught:
            Transport(tmp_path / "transport").run(["fetch"], remote=of, timeout=0.2)
        assert caught.value.key == key


def test_a_child_that_does_not_end_is_ended_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = tmp_path / "pids"
    _program(
        tmp_path / "bin" / "git",
        f"import os, signal\nos.fork()\nopen({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\nsignal.pause()\n",
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    with pytest.raises(Unavailable, match="no end after"):
        Transport(tmp_path / "transport").run(["fetch"], timeout=3.0)
    for pid in map(int, pids.read_text().split()):
        with contextlib.suppress(ProcessLookupError):
            assert select.select([os.pidfd_open(pid)], [], [], 10)[0]  # readable once it has ended


def test_an_endless_answer_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "bin" / "git", "import os\nwhile True: os.write(1, b'x' * 1_000_000)\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    with pytest.raises(Rejected, match="larger than"):
        Transport(tmp_path / "transport").run(["log"])


def test_a_missing_git_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="starting git"):
        Transport(tmp_path / "transport").run(["version"])


def test_ssh_is_started_with_a_pinned_host_key_and_nothing_else(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "ssh-arguments"
    _program(
        tmp_path / "bin" / "ssh",
        "import os, shlex, sys\n"
        f"open({str(seen)!r}, 'w').write('\\0'.join(sys.argv[1:]))\n"
        "command = shlex.split(sys.argv[-1])\nos.execvp(command[0], command)\n",
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    remote = Remote(
        f"ssh://git@forge.example:2222{world.remote}", identity=Path("/keys/id"), known_hosts=Path("/keys/known")
    )
    mirror = Mirror(tmp_path / "mirror", remote, world.transport)
    assert mirror.sync().after == {"refs/heads/main": world.clone.head()}
    arguments = seen.read_text().split("\0")
    assert arguments[:4] == ["-F", "/dev/null", "-i", "/keys/id"]
    assert {"StrictHostKeyChecking=yes", "UserKnownHostsFile=/keys/known", "BatchMode=yes"} <= set(arguments)
    assert Poller(remote, world.transport).poll() == mirror.refs()


def test_the_home_of_git_is_private(world: World) -> None:
    world.transport.run(["version"])
    assert stat.S_IMODE(world.transport.home.stat().st_mode) == 0o700
    assert list((world.transport.home / "empty").iterdir()) == []


def test_an_unwritable_home_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        Transport(tmp_path / "file" / "home").run(["version"])


def test_a_remote_that_is_no_repository_is_unavailable_and_not_empty(world: World, tmp_path: Path) -> None:
    remote = Remote(str(tmp_path / "nowhere"))
    with pytest.raises(Unavailable):
        Mirror(tmp_path / "mirror", remote, world.transport).sync()


def test_plain_http_to_another_machine_is_refused() -> None:
    with pytest.raises(Refused, match="plain http"):
        Remote("http://forge.example/r")
