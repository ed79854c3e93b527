"""Children are forked from a process that read nothing: each reader has its own, as bare as one started by itself."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.specs.nursery import Nursery, Origin
from reconciler.specs.reader import MANIFESTS, SPECS, Lost, Reader
from tests.specs.repository import GOOD_HOST

FILE = GOOD_HOST.encode()


@pytest.fixture(params=Origin)
def children(request: pytest.FixtureRequest) -> Iterator[Nursery]:
    made = Nursery(request.param)
    yield made
    made.close()


def process_of(reader: Reader) -> Path:
    """Where Linux tells about the child of a reader that has asked something."""
    (child,) = reader._open.values()
    return Path(f"/proc/{child.process}")  # type: ignore[attr-defined]


def reading(children: Nursery) -> Reader:
    return Reader(per_file=20.0, children=children)


def is_gone(process: Path) -> bool:
    """Whether a process ended; one that nobody has waited for counts."""
    try:
        return "State:\tZ" in (process / "status").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_every_reader_has_a_child_of_its_own_and_importing_happens_once(children: Nursery) -> None:
    with reading(children) as one, reading(children) as other:
        assert isinstance(one.ask(MANIFESTS, FILE), bytes)
        assert one.ask(MANIFESTS, FILE) == other.ask(MANIFESTS, FILE)
        assert process_of(one) != process_of(other)
    assert children.started == 1


def test_a_forked_child_has_no_environment_no_file_and_no_line_to_its_origin(
    children: Nursery, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CANARY_FOR_THE_CHILD", "secret")
    with (tmp_path / "open").open("w"), reading(children) as reader, reading(children) as other:
        reader.ask(MANIFESTS, FILE)
        other.ask(MANIFESTS, FILE)
        for process in (process_of(reader), process_of(other)):
            assert (process / "environ").read_bytes() == b""
            seen = {entry.name: str(entry.readlink()).partition(":")[0] for entry in (process / "fd").iterdir()}
            assert seen == {"0": "pipe", "1": "pipe", "2": "/dev/null"}
            assert (process / "cwd").readlink() == Path("/")
            assert os.getsid(int(process.name)) == int(process.name)


def test_a_forked_child_is_limited(children: Nursery) -> None:
    with reading(children) as reader:
        reader.ask(MANIFESTS, FILE)
        limits = (process_of(reader) / "limits").read_text(encoding="ascii")
    rows = {line[:26].strip(): line[26:47].strip() for line in limits.splitlines()}
    assert rows["Max open files"] == "16"
    assert int(rows["Max address space"]) < 2 * 1024**3
    assert int(rows["Max cpu time"]) <= 10


def test_a_closed_reader_leaves_no_process(children: Nursery) -> None:
    with reading(children) as reader:
        reader.ask(MANIFESTS, FILE)
        process = process_of(reader)
    assert not process.exists()


def test_after_a_crash_the_next_child_comes_from_a_new_origin(children: Nursery) -> None:
    with reading(children) as reader:
        reader.ask(MANIFESTS, FILE)
        os.kill(int(process_of(reader).name), signal.SIGSEGV)
        lost = reader.ask(MANIFESTS, FILE)
        assert isinstance(lost, Lost)
        assert "SIGSEGV" in lost.why
        assert isinstance(reader.ask(MANIFESTS, FILE), bytes)
    assert children.started == 2


def test_a_killed_nursery_is_replaced(children: Nursery) -> None:
    with reading(children) as before:
        before.ask(MANIFESTS, FILE)
    assert children._process is not None
    os.kill(children._process.pid, signal.SIGKILL)
    with reading(children) as after:
        assert isinstance(after.ask(MANIFESTS, FILE), bytes)
    assert children.started == 2


def test_closing_a_reader_whose_nursery_is_gone_ends_its_child_and_touches_no_other(children: Nursery) -> None:
    with reading(children) as old:
        old.ask(MANIFESTS, FILE)
        orphan = process_of(old)
        children.close()
        with reading(children) as young:
            young.ask(MANIFESTS, FILE)
            old.close()
            assert isinstance(young.ask(MANIFESTS, FILE), bytes)
    while not is_gone(orphan):
        os.sched_yield()


def test_the_quick_origin_is_light_because_it_knows_no_model() -> None:
    code = "import sys; sys.path.insert(0, %r); from reconciler.specs import child; child.%s();"
    code += " print('pydantic' in sys.modules)"
    root = str(Path(__file__).parents[2])
    said = [
        subprocess.check_output([sys.executable, "-I", "-c", code % (root, origin)], text=True).strip()
        for origin in Origin
    ]
    assert dict(zip(Origin, said, strict=True)) == {Origin.QUICK: "False", Origin.CAREFUL: "True"}


def test_what_is_plain_and_valid_needs_the_quick_origin_alone() -> None:
    with Reader(per_file=20.0) as reader:
        (answer,) = reader.ask_many(SPECS, [FILE])
        assert answer is not None
        assert list(reader._open) == [Origin.QUICK]
        assert reader.ask_many(SPECS, [FILE + b"  port: no\n"]) == [None]
        assert isinstance(reader.ask(SPECS, FILE + b"  port: no\n"), bytes)
        assert list(reader._open) == [Origin.QUICK, Origin.CAREFUL]
