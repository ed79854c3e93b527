"""The child may crash, hang or flood: it costs the one file that was being read."""

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.specs.cache import MemoryCache
from reconciler.specs.reader import MANIFESTS, SPECS, Lost, Reader
from tests.specs.repository import GOOD_HOST, Repository
from tests.specs.test_parse import HOSTILE

MISBEHAVING = """\
import os, struct, sys, time
def send(b): sys.stdout.buffer.write(struct.pack(">I", len(b)) + b); sys.stdout.buffer.flush()
send(b'{"ready": true}')
while head := sys.stdin.buffer.read(5):
    content = sys.stdin.buffer.read(struct.unpack(">cI", head)[1])
    if b"crash" in content: os.kill(os.getpid(), 11)
    if b"leave" in content: sys.exit(0)
    if b"sleep" in content: time.sleep(60)
    if b"trickle" in content:
        sys.stdout.buffer.write(struct.pack(">I", 1000)); sys.stdout.buffer.flush()
        while True: sys.stdout.buffer.write(b"x"); sys.stdout.buffer.flush(); time.sleep(0.1)
    if b"flood" in content: sys.stdout.buffer.write(struct.pack(">I", 2**31)); sys.stdout.buffer.flush()
    if b"garbage" in content: send(b"[1")
    elif b"excuse" in content: send(b'{"lost": "\\\\u001b[31m"}')
    elif b"invented" in content: send(b'{"specs":[],"invalid":[],"findings":[[1,1,"x","","no_such_key"]],"whole":true}')
    elif b"broken-off" in content: send(b'{"lost": ')
    elif b"lie" in content: send(b'{"specs":[["Host",1,1,"{}","{}"]],"invalid":[],"findings":[],"whole":true}')
    else: send(b'{"specs":[],"invalid":[],"findings":[],"whole":true}')
"""
BAD_CHILD = (sys.executable, "-I", "-c", MISBEHAVING)


class Counting(Reader):
    """Counts what it asks, by question."""

    def __init__(self, command: Sequence[str] = (), per_file: float = 20.0) -> None:
        super().__init__(command, per_file)
        self.asked: Counter[bytes] = Counter()

    def ask(self, question: bytes, content: bytes) -> bytes | Lost:
        self.asked[question] += 1
        return super().ask(question, content)


@pytest.mark.parametrize(
    ("content", "why", "again"),
    [
        (b"crash", "SIGSEGV", False),
        (b"leave", "ended", True),
        (b"sleep", "longer than", True),
        (b"trickle", "longer than", True),
        (b"flood", "ended", True),
    ],
)
def test_a_lost_file_is_named_and_the_next_is_read_by_a_fresh_child(content: bytes, why: str, *, again: bool) -> None:
    with Reader(BAD_CHILD, per_file=1.0) as reader:
        lost = reader.ask(SPECS, content)
        assert isinstance(lost, Lost)
        assert why in lost.why
        assert lost.again is again
        assert isinstance(reader.ask(SPECS, b"good"), bytes)
        assert reader.started == 2


def test_a_hang_costs_its_deadline_and_no_more() -> None:
    with Reader(BAD_CHILD, per_file=0.5) as reader:
        reader.ask(SPECS, b"good")
        begin = time.monotonic()
        assert isinstance(reader.ask(SPECS, b"sleep"), Lost)
        assert time.monotonic() - begin < 5


@pytest.mark.parametrize("content", ["garbage", "lie", "crash", "sleep", "excuse", "invented", "broken-off"])
def test_one_bad_file_leaves_its_neighbours_alone(content: str) -> None:
    files = {f"{number}.yaml": f"# opspilot.spec/ good {number}" for number in range(20)} | {
        "7.yaml": f"# opspilot.spec/ {content}"
    }
    repository = Repository.of(files)
    with Reader(BAD_CHILD, per_file=0.5) as reader:
        loaded = repository.load(reader=reader)
    assert [problem.place.path for problem in loaded.problems] == ["7.yaml"]
    assert loaded.problems[0].message.startswith("could not be read safely: ")
    assert loaded.problems[0].message.isprintable()
    assert loaded.unreadable == ("7.yaml",)


@pytest.mark.parametrize(("content", "asked_again"), [("crash", 0), ("sleep", 1), ("garbage", 1)])
def test_a_crash_is_remembered_and_what_may_pass_is_tried_again(content: str, asked_again: int) -> None:
    cache, repository = MemoryCache(), Repository.of({"a.yaml": f"# opspilot.spec/ {content}"})
    with Reader(BAD_CHILD, per_file=0.5) as reader:
        first = repository.load(cache, reader)
        second = repository.load(cache, reader)
    assert (first.parsed, second.parsed) == (1, asked_again)
    assert first.problems == second.problems
    assert second.unreadable == ("a.yaml",)


def test_many_files_need_one_child() -> None:
    repository = Repository.of({f"{number}.yaml": GOOD_HOST.replace("web-1", f"web-{number}") for number in range(200)})
    with Reader(per_file=20.0) as reader:
        loaded = repository.load(reader=reader)
        assert reader.started == 1
    assert len(loaded.specs) == loaded.parsed == 200


BATCHES = """\
import struct, sys
def frame(b): return struct.pack(">I", len(b)) + b
def send(b): sys.stdout.buffer.write(frame(b)); sys.stdout.buffer.flush()
good = b'{"specs":[],"invalid":[],"findings":[],"whole":true}'
send(b'{"ready": true}')
while head := sys.stdin.buffer.read(5):
    question, length = struct.unpack(">cI", head)
    content = sys.stdin.buffer.read(length)
    send(good if question.islower() else eval(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("says", "alone"),
    [
        ("frame(good) * 3", 0),
        ("frame(good) * 2", 3),
        ("frame(good) * 4", 3),
        ("frame(good) * 3 + b'x'", 3),
        ("(frame(good) * 3)[:-1]", 3),
        ("frame(good) * 2 + b'\\xff\\xff\\xff\\xff' + good", 3),
        ("b''", 3),
        ('b\'{"lost": "all"}\'', 3),
        ('frame(good) + frame(b\'{"lost": "one"}\') + frame(good)', 1),
        ("frame(good) + frame(b'[1') + frame(good)", 1),
    ],
)
def test_what_has_no_answer_with_the_others_is_asked_about_alone(says: str, alone: int) -> None:
    repository = Repository.of({f"{number}.yaml": f"# opspilot.spec/ {number}" for number in range(3)})
    with Counting((sys.executable, "-I", "-c", BATCHES, says), per_file=20.0) as reader:
        loaded = repository.load(reader=reader)
        assert (reader.asked[SPECS.upper()], reader.asked[SPECS]) == (1, alone)
    assert (loaded.problems, loaded.parsed) == ((), 3)


def test_many_files_are_asked_about_together_and_a_wrong_one_alone_again() -> None:
    repository = Repository.of({f"{number}.yaml": GOOD_HOST.replace("web-1", f"web-{number}") for number in range(200)})
    repository.add("7.yaml", GOOD_HOST.replace("address", "adress"))
    with Counting(per_file=20.0) as reader:
        loaded = repository.load(reader=reader)
    assert reader.asked == {SPECS.upper(): 4, SPECS: 1}
    assert [problem.place.path for problem in loaded.problems] == ["7.yaml"] * 2
    assert (len(loaded.specs), loaded.parsed) == (199, 200)


def test_a_child_that_does_not_start_is_a_problem_and_not_an_exception() -> None:
    with Reader((sys.executable, "-I", "-c", "pass")) as reader:
        loaded = Repository.of({"a.yaml": GOOD_HOST}).load(reader=reader)
    assert "did not start" in loaded.problems[0].message


def test_every_hostile_file_is_one_answer(reader: Reader) -> None:
    for name, content in HOSTILE.items():
        for question in (SPECS, MANIFESTS):
            answer = reader.ask(question, content + b"\n# opspilot.spec/v1")
            assert isinstance(answer, bytes), (name, answer)


def test_the_child_sees_no_environment_and_no_open_file(tmp_path: Path) -> None:
    os.environ["CANARY_FOR_THE_CHILD"] = "secret"
    script = (
        "import os, struct, sys\n"
        "def send(b): sys.stdout.buffer.write(struct.pack('>I', len(b)) + b); sys.stdout.buffer.flush()\n"
        "send(b'{\"ready\": true}')\n"
        "sys.stdin.buffer.read(5)\n"
        "seen = sorted(set(os.environ) - {'LC_CTYPE'}), sorted(int(f) for f in os.listdir('/proc/self/fd'))[:-1]\n"
        "send(repr(seen).encode())\n"
    )
    with (tmp_path / "open").open("w"), Reader((sys.executable, "-I", "-c", script)) as reader:
        assert reader.ask(SPECS, b"") == b"([], [0, 1, 2])"
    del os.environ["CANARY_FOR_THE_CHILD"]


def test_the_childs_memory_is_limited() -> None:
    script = (
        "import struct, sys\n"
        "import reconciler.specs.child as child\n"
        "import reconciler.specs.check as check\n"
        "class Greedy:\n"
        "    def as_json(self): return {'much': len(bytearray(900 * 1024 * 1024))}\n"
        "check.check = lambda content: Greedy()\n"
        "child.main()\n"
    )
    root = str(Path(__file__).parents[2])
    with Reader(
        (sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {root!r})\n{script}"), per_file=20.0
    ) as reader:
        lost = reader.ask(SPECS, b"x")
    assert isinstance(lost, Lost)
    assert "MemoryError" in lost.why
