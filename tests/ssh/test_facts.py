"""Facts as (name, output, exit code, answer), and the record of an install against anything a host may hold."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Rejected
from reconciler.ssh.facts import Requirements, answers, machine_id
from reconciler.ssh.observe import read_installed, write_installed
from reconciler.state.observed import InstalledBundle

FACTS = answers(Requirements(arch="amd64", kernel=(4, 19), disk_kib=1000))
CASES = [
    ("os", b"Linux\n", 0, True),
    ("os", b"Darwin\n", 0, False),
    ("os", b"Linux\nLinux\n", 0, False),
    ("os", b"Linux\n", 1, False),
    ("arch", b"x86_64\n", 0, True),
    ("arch", b"aarch64\n", 0, False),
    ("kernel", b"4.19.0-27-amd64\n", 0, True),
    ("kernel", b"4.19\n", 0, True),
    ("kernel", b"6.18.44-fc-v669\n", 0, True),
    ("kernel", b"4.9.337\n", 0, False),
    ("kernel", b"3.10.0-1160.el7.x86_64\n", 0, False),
    ("kernel", b"99999.1\n", 0, False),
    ("kernel", b"$(id)\n", 0, False),
    ("kernel", b"", 0, False),
    ("disk", b"  Avail\n   1000\n", 0, True),
    ("disk", b"Avail\n999\n", 0, False),
    ("disk", b"Avail\n1000\n1000\n", 0, False),
    ("disk", b"Avail\n-5\n", 0, False),
    ("disk", b"Avail\n" + b"9" * 5000, 0, False),
    ("tools", b"", 0, True),
    ("tools", b"", 1, False),
]


@pytest.mark.parametrize(("name", "output", "code", "expected"), CASES)
def test_a_fact_is_read(name: str, output: bytes, code: int, *, expected: bool) -> None:
    assert FACTS[name].read(output, code) is expected


@pytest.mark.parametrize(
    ("output", "code", "expected"),
    [
        (b"0123456789abcdef0123456789abcdef\n", 0, "0123456789abcdef0123456789abcdef"),
        (b"0123456789abcdef0123456789abcdef\n", 1, ""),
        (b"uninitialized\n", 0, ""),
        (b"", 0, ""),
        (b"0123456789ABCDEF0123456789ABCDEF\n", 0, ""),
    ],
)
def test_a_machine_id_is_read(output: bytes, code: int, expected: str) -> None:
    assert machine_id(output, code) == expected


@given(st.sampled_from(sorted(FACTS)), st.binary(max_size=200), st.integers(0, 255))
def test_t14_no_output_raises(name: str, output: bytes, code: int) -> None:
    assert FACTS[name].read(output, code) in (True, False)
    assert machine_id(output, code) == "" or len(output) in (32, 33)


RECORD = InstalledBundle("env-k8s-prod", "v1.30.1-offline.1", "ab" * 32, "control_plane", 7)


def test_a_record_survives_its_text() -> None:
    assert read_installed(write_installed(RECORD).encode()) == RECORD


def test_no_record_is_none() -> None:
    assert read_installed(b"") is None


WELL = json.loads(write_installed(RECORD))
WRONG = {
    "another type": [WELL],
    "a missing field": {name: value for name, value in WELL.items() if name != "role"},
    "a further field": WELL | {"x": 1},
    "a generation as text": WELL | {"generation": "7"},
    "a generation as flag": WELL | {"generation": True},
    "a negative generation": WELL | {"generation": -1},
    "a huge generation": WELL | {"generation": 10**16},
    "no name": WELL | {"environment": ""},
    "a command": WELL | {"environment": "$(id)"},
    "a control character": WELL | {"version": "v1\x1b[2J"},
    "a nested value": WELL | {"role": ["worker"]},
}


@pytest.mark.parametrize("what", WRONG)
def test_t14_a_record_that_we_would_not_write_is_not_read(what: str) -> None:
    with pytest.raises(ValueError, match=r"installed\.json"):
        read_installed(json.dumps(WRONG[what]).encode())


@pytest.mark.parametrize(
    "text",
    ["[" * 4000, '{"a":' * 800, "{" + '"environment":"a",' * 2 + '"x":1}', "NaN", "\ufeff{}", "{", "x" * 5000, "\xff"],
)
def test_t14_hostile_text_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"installed\.json"):
        read_installed(text.encode("latin-1", errors="replace"))


@given(st.binary(min_size=1, max_size=300))
def test_t14_no_bytes_raise_anything_else(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"installed\.json"):
        read_installed(content)


def test_what_could_not_be_read_back_is_not_written() -> None:
    with pytest.raises(Rejected):
        write_installed(InstalledBundle("two words", "v1", "d", "worker", 1))
