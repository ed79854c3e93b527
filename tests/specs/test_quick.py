"""The quick answer is the careful one, or none: whatever it lets through, check.py would have answered the same."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.specs_tree import Shape
from reconciler.names import BlobId
from reconciler.specs import quick as quick_module
from reconciler.specs.answer import decode
from reconciler.specs.check import check
from reconciler.specs.quick import quick
from tests.specs.repository import GOOD_HOST
from tests.specs.test_parse import HOSTILE

BLOB = BlobId("a" * 40)
EXAMPLES = sorted((Path(__file__).parents[2] / "example-desired-state").rglob("*.yaml"))
MADE = [text for _, text in Shape(60).files()]


def careful(content: bytes) -> bytes:
    """What the child says about a file that is asked about alone."""
    return json.dumps(check(content).as_json(), ensure_ascii=False, separators=(",", ":")).encode()


def agrees(content: bytes) -> bool:
    """Whether a quick answer, if there is one, is the careful one, or one that whoever reads it refuses."""
    answer = quick(content)
    if answer is None or answer == careful(content):
        return True
    with pytest.raises(ValueError):  # pydantic's and ours; then the file is asked about alone
        decode(answer, BLOB)
    return bool(check(content).findings)


def test_what_people_write_is_answered_quickly_and_alike() -> None:
    specs = [path.read_bytes() for path in EXAMPLES] + [text.encode() for text in MADE]
    answered = [content for content in specs if quick(content) is not None]
    assert [quick(content) for content in answered] == [careful(content) for content in answered]
    assert len(answered) > len(MADE)


@pytest.mark.parametrize(
    "text",
    [
        GOOD_HOST + "---\n" + GOOD_HOST,
        GOOD_HOST.replace("web-1}", 'web-1, labels: {"app.example.com/name": "yes", a: b}}'),
        GOOD_HOST.replace("web-1}", "web-1, annotations: {note: 北京 \u00fc, b: 'it''s', c: \"\"}}"),
        GOOD_HOST.replace("web-1}", "web-1, labels: {}}"),
        GOOD_HOST + "  port: 2222\n",
        GOOD_HOST.replace("  address", "  # a note\n\n  address").replace("\n", "\r\n"),
        "---\n" + GOOD_HOST + "...\n",
        GOOD_HOST.replace("10.0.0.1", ">-\n    10.0.0.1"),
    ],
)
def test_every_way_to_write_a_valid_spec_is_answered_alike(text: str) -> None:
    assert quick(text.encode()) == careful(text.encode())
    assert decode(careful(text.encode()), BLOB).specs


UNUSUAL = {
    "an anchor": GOOD_HOST.replace("10.0.0.1", "&a 10.0.0.1"),
    "an anchored mapping": GOOD_HOST.replace("{name", "&a {name"),
    "an anchored key": GOOD_HOST.replace("  address", "  &a address"),
    "an alias": GOOD_HOST.replace("10.0.0.1", "*a"),
    "an alias in a list": GOOD_HOST + "  x: [*a]\n",
    "a tag": GOOD_HOST.replace("10.0.0.1", "!!str 10.0.0.1"),
    "a tagged key": GOOD_HOST.replace("  address", "  !!str address"),
    "a tagged mapping": GOOD_HOST.replace("{name", "!!map {name"),
    "a directive": "%TAG ! tag:x,2000:\n---\n" + GOOD_HOST,
    "a merge key": GOOD_HOST + "  <<: {port: 22}\n",
    "a key twice": GOOD_HOST + "  address: 10.0.0.2\n",
    "a key twice in other quotes": GOOD_HOST + '  "address": 10.0.0.2\n',
    "a key that is no text": GOOD_HOST + "  3: 4\n",
    "a key that is a word of truth": GOOD_HOST + "  no: 4\n",
    "a key that is a list": GOOD_HOST + "  [a]: 4\n",
    "an unclear value": GOOD_HOST.replace("10.0.0.1", "no"),
    "a long unclear value": GOOD_HOST.replace("10.0.0.1", "1" * 100),
    "an escape": GOOD_HOST.replace("10.0.0.1", '"\\0"'),
    "half a character": GOOD_HOST.replace("10.0.0.1", '"\\ud800"'),
    "no YAML": GOOD_HOST + "  x: [\n",
    "another version": GOOD_HOST.replace("spec/v1", "spec/v2"),
    "another kind": GOOD_HOST.replace("kind: Host", "kind: Hots"),
    "no kind": GOOD_HOST.replace("kind: Host\n", ""),
    "a list": "- opspilot.spec/v1\n",
    "too deep": GOOD_HOST + "  x: " + "[" * 40 + "]" * 40 + "\n",
    "too many parts": GOOD_HOST + f"  x: [{'a, ' * 1_100}]\n",
    "too many documents": ("---\n" + GOOD_HOST) * 120,
    "too large": GOOD_HOST + "# " + "x" * 300 * 1024,
    "another encoding": GOOD_HOST.encode("utf-16").decode("latin-1"),
    "a sign that hides": GOOD_HOST.replace("10.0.0.1", "10.0.0.1\u200b"),
    "another spelling that looks the same": GOOD_HOST + "  x: cafe\u0301\n",
}


@pytest.mark.parametrize("what", UNUSUAL)
def test_whatever_is_unusual_is_left_to_the_careful_reader(what: str) -> None:
    assert quick(UNUSUAL[what].encode()) is None


def test_a_spec_that_its_model_refuses_is_refused_by_whoever_reads_the_answer() -> None:
    content = GOOD_HOST.replace("address", "adress").encode()
    answer = quick(content)
    assert answer is not None
    with pytest.raises(ValueError, match="adress"):
        decode(answer, BLOB)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_never_answered_otherwise(name: str) -> None:
    for content in (HOSTILE[name], HOSTILE[name] + b"\n# opspilot.spec/v1", GOOD_HOST.encode() + HOSTILE[name]):
        assert agrees(content)


SIGNS = "\n :-,[]{}'\"#&*!|>%@`?~<=.\t\r\\0x"
WORDS = ("---\n", "- ", "\n  ", ": ", "yes", "1e3", "<<: ", "null", "é", "\u200b", "kind: Host\n", "a: b\n")
PIECES = st.sampled_from((*SIGNS, *WORDS, "apiVersion: opspilot.spec/v1\n", "metadata: {name: a}\n"))


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 6), PIECES), min_size=1, max_size=4), st.sampled_from(MADE)
)
@example([(0, 0, "\\")], GOOD_HOST)
@example([(0, 0, "---\n")], "null\n")
def test_a_spec_with_other_signs_in_it_is_answered_alike_or_refused(
    edits: list[tuple[int, int, str]], text: str
) -> None:
    for at, length, piece in edits:
        at = min(at, len(text))
        text = text[:at] + piece + text[at + length :]
    assert agrees(text.encode())


@given(st.lists(PIECES, max_size=20).map("".join) | st.text(max_size=60))
def test_any_text_is_answered_alike_or_refused(text: str) -> None:
    assert agrees(f"apiVersion: opspilot.spec/v1\nkind: Host\n{text}".encode("utf-8", "surrogatepass"))


def test_what_is_remembered_is_short() -> None:
    quick(GOOD_HOST.replace("10.0.0.1", "x" * 1_000).encode())
    before = quick_module._short.cache_info().currsize
    quick(GOOD_HOST.replace("10.0.0.1", "y" * 1_000).encode())
    assert quick_module._short.cache_info().currsize == before
