"""The limited child ends whatever it runs, and what it runs has nothing of ours."""

import contextlib
import os
import select
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import Rejected, Unavailable
from reconciler.rendering import cell
from reconciler.rendering.child import MOST_OUTPUT, SLOW, Ran, run
from reconciler.rendering.folder import private_folder
from reconciler.rendering.kustomize import Kustomize

Program = Callable[[str], Path]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A program that is a script of Python; it is no static one, so it is not sealed."""

    def made(body: str) -> Path:
        path = tmp_path / "tool"
        path.write_text(f"#!{sys.executable} -IS\nimport os, sys\n{body}\n")
        path.chmod(0o755)
        return path

    return made


def ran(tool: Path, root: Path, *arguments: str, seconds: float = 30.0) -> Ran:
    return run(cell.OPEN, root, tool, arguments, seconds)


def test_it_has_no_environment_no_open_file_of_ours_and_stands_in_its_folder(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "hunter2")
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    inside = tmp_path / "inside"
    inside.mkdir()
    with secret.open() as opened:
        os.set_inheritable(opened.fileno(), True)  # noqa: FBT003
        tool = program(
            "print(dict(os.environ).keys() - {'LC_CTYPE'}, os.listdir('/proc/self/fd'), os.getcwd(), sys.argv[1:])"
        )
        found = ran(tool, inside, "a", "b")
    assert (found.code, found.why) == (0, "")
    # 3 is the script, or the folder that is listed
    assert found.output.decode().split() == ["set()", "['0',", "'1',", "'2',", "'3']", str(inside), "['a',", "'b']"]


def test_it_reaches_no_address(program: Program, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        tool = program(f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)")
        found = ran(tool, tmp_path)
        if not found.cut_off:
            pytest.skip("neither root nor user namespaces here: the network cannot be taken away")
        assert found.code == 1
        assert "OSError" in found.words or "unreachable" in found.words
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_it_writes_no_file_and_takes_no_more_memory_than_it_may(program: Program, tmp_path: Path) -> None:
    found = ran(program("os.write(os.open('out', os.O_CREAT | os.O_WRONLY), b'x')"), tmp_path)
    assert found.code != 0
    assert (tmp_path / "out").read_bytes() == b""
    found = ran(program("x = bytearray(3 * 1024 ** 3)"), tmp_path)
    assert found.code == 1
    assert "MemoryError" in found.words


def test_what_never_ends_is_ended(program: Program, tmp_path: Path) -> None:
    tool = program("import signal; print(os.getpid(), flush=True)\nsignal.pause()")
    found = ran(tool, tmp_path, seconds=1.5)
    assert (found.code, found.why) == (None, SLOW)
    assert not Path("/proc", found.output.decode().strip()).exists()


def test_what_it_started_ends_with_it(program: Program, tmp_path: Path) -> None:
    body = (
        "pid = os.fork()\nif pid: print(pid, flush=True)\nelse: os.close(1); os.close(2); import signal; signal.pause()"
    )
    found = ran(program(body), tmp_path)
    assert found.code == 0
    with contextlib.suppress(ProcessLookupError):  # gone already
        left = os.pidfd_open(int(found.output))
        ended = select.poll()
        ended.register(left, select.POLLIN)
        assert ended.poll(10_000)


def test_a_flood_is_cut_off(program: Program, tmp_path: Path) -> None:
    found = ran(program("while True: os.write(1, b'x' * 65536)"), tmp_path)
    assert (found.code, found.why) == (None, "it says more than 16 MiB")
    assert len(found.output) <= MOST_OUTPUT
    found = ran(program("for _ in range(100): os.write(2, b'x' * 65536)"), tmp_path)
    assert found.code == 0
    assert len(found.words) <= 65536


def test_a_tool_that_cannot_start_is_no_answer(tmp_path: Path) -> None:
    found = ran(tmp_path / "gone", tmp_path)
    assert found.why == "the limited child did not start"


def test_the_folder_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    under = tmp_path / "render"
    with private_folder(under, {"a/b/c.yaml": b"x", "a/d": b"y"}) as root:
        assert (root / "a/b/c.yaml").read_bytes() == b"x"
        assert stat.S_IMODE(root.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(under.stat().st_mode) == 0o700
    assert list(under.iterdir()) == []
    with pytest.raises(KeyError), private_folder(under, {"a": b"x"}):
        raise KeyError
    assert list(under.iterdir()) == []


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", ""])
def test_nothing_is_written_elsewhere(tmp_path: Path, path: str) -> None:
    with pytest.raises(Unavailable), private_folder(tmp_path / "render", {path: b"x"}):
        raise AssertionError
    assert list((tmp_path / "render").iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_uses_stays(tmp_path: Path) -> None:
    dead, living = tmp_path / "999999999-x", tmp_path / f"{os.getppid()}-x"
    dead.mkdir()
    living.mkdir()
    with private_folder(tmp_path, {}):
        assert not dead.exists()
        assert living.exists()


KUSTOMIZE = """
if sys.argv[1] == "version": print("v5.9.9")
elif os.path.exists(sys.argv[2] + "/refuse"): sys.exit("Error: in " + os.getcwd() + "/app: password=hunter2 is wrong")
else: print(open(sys.argv[2] + "/kustomization.yaml").read())
"""


@pytest.fixture
def kustomize(tmp_path: Path) -> Kustomize:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "kustomize").write_text(f"#!{sys.executable} -IS\nimport os, sys\n{KUSTOMIZE}")
    (programs / "kustomize").chmod(0o755)
    return Kustomize(tmp_path / "render", search=str(programs))


def test_the_tool_is_found_asked_and_believed(kustomize: Kustomize) -> None:
    assert kustomize.identity() == "kustomize v5.9.9"
    assert kustomize.render({"app/kustomization.yaml": b"resources: []"}, "app") == b"resources: []\n"
    assert kustomize.ran == 1


def test_a_refusal_is_told_without_the_folder_and_without_secrets(kustomize: Kustomize) -> None:
    with pytest.raises(Rejected) as refused:
        kustomize.render({"app/kustomization.yaml": b"", "app/refuse": b""}, "app")
    assert refused.value.message == "rendering: in app: password=*** is wrong"


def test_a_missing_tool_and_one_that_is_none_are_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as missing:
        Kustomize(tmp_path, search=str(tmp_path)).identity()
    assert missing.value.message == "looking for kustomize: neither kustomize nor kubectl is on the PATH"
    (tmp_path / "kubectl").write_text("#!/bin/sh\necho hello\n")
    (tmp_path / "kubectl").chmod(0o755)
    with pytest.raises(Unavailable) as useless:
        Kustomize(tmp_path, search=str(tmp_path)).identity()
    assert useless.value.message.endswith("kubectl did not say a version of it")
