"""Whatever the bytes are, parsing answers with documents and findings, at once."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.specs.check import check
from reconciler.specs.manifests import manifests
from reconciler.specs.nodes import SOURCE_LIMITS, SPEC_LIMITS
from reconciler.specs.parse import Parsed, parse


def found(text: str | bytes, *, sharing: bool = False) -> list[tuple[int, int, str]]:
    parsed = parse(text.encode() if isinstance(text, str) else text, SOURCE_LIMITS if sharing else SPEC_LIMITS)
    return [
        (f.line, f.column, f.message) for f in [*parsed.findings, *(f for d in parsed.documents for f in d.findings)]
    ]


def value(text: str) -> object:
    parsed = parse(text.encode(), SOURCE_LIMITS)
    assert not found(text, sharing=True)
    (document,) = parsed.documents
    assert document.root is not None
    return document.root.value()


def test_every_problem_of_a_file_is_found_with_its_place() -> None:
    text = "a: &x 1\nb: *x\n<<: {c: 1}\nd: !!str e\na: 2\nf: no\n3: 4\n"
    assert found(text) == [
        (1, 4, "anchors are not allowed"),
        (2, 4, "aliases are not allowed"),
        (3, 1, "merge keys are not allowed"),
        (4, 4, "tags are not allowed"),
        (5, 1, '"a" stands twice in this mapping, first in line 1'),
        (6, 4, '"no" is unclear: some YAML readers take it for true or false'),
        (7, 1, "a key must be text"),
    ]


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        (b"\xef\xbb\xbfa: 1", (1, 1), "byte order mark"),
        ("a: 1".encode("utf-16"), (1, 1), "UTF-16"),
        (b"a: 1\nb: \xff\n", (2, 4), "not UTF-8"),
        (b"a: x\0y", (1, 5), "U+0000"),
        ("a: 'user\u202e\u2066'".encode(), (1, 9), "RIGHT-TO-LEFT OVERRIDE"),
        ("a: 1\nb: x\u2028y".encode(), (2, 5), "LINE SEPARATOR"),
        ("a: ad\u200bmin".encode(), (1, 6), "ZERO WIDTH SPACE"),
        ("a: 1\nb: cafe\u0301".encode(), (2, 1), "NFC"),
        (b"a: 1\rb: 2", (1, 5), "U+000D"),
        (b"a: \x1b[31mred", (1, 4), "U+001B"),
        (b'a: "\\0"', (1, 4), "U+0000"),
        (b"a: [1, 2", (2, 1), "not YAML"),
        (b"a: b: c", (1, 5), "not YAML"),
        (b"a:\n\t- b", (2, 1), "not YAML"),
        (b"%TAG ! tag:x,2000:\n---\na: 1", (1, 1), "%TAG"),
        (b"a: 1\n" * 3000, (2, 1), "stands twice"),
        (b"#" * (256 * 1024 + 1), (0, 0), "256 KiB"),
        (b"- 1\n" * 6000, (4998, 3), "more than 5,000 parts"),
        (b"[" * 33, (1, 33), "more than 32"),
        (b"a: 1\n" + b"[" * 100_000, (2, 1), "more than 32"),  # column 1: the parser beneath was never asked
        (b"- " * 40 + b"a", (1, 65), "more than 32"),
        (b"? " * 40 + b"a", (1, 65), "more than 32"),
    ],
)
def test_what_is_wrong_with_a_file_has_a_place_and_words(content: bytes, place: tuple[int, int], words: str) -> None:
    line, column, message = found(content)[0]
    assert words in message
    assert (line, column) == place


HOSTILE = {
    "brackets": b"[" * 100_000,
    "braces": b"{" * 100_000,
    "spread brackets": b"[ a,\n" * 40_000,
    "dashes": b"- " * 100_000,
    "questions": b"? " * 100_000,
    "bangs": b"!" * 100_000,
    "huge number": b"a: " + b"9" * 200_000,
    "bad timestamp": b"a: !!timestamp abc",
    "bad bool": b"a: !!bool abc",
    "bad int": b"a: !!int abc",
    "python tag": b"a: !!python/object/apply:os.system [id]",
    "bad date": b"a: 2001-99-99",
    "merge bomb": b"a0: &a0 {x: 1}\n"
    + b"".join(b"a%d: &a%d {<<: [*a%d, *a%d]}\n" % (i, i, i - 1, i - 1) for i in range(1, 29)),
    "alias bomb": b"a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"a%d: &a%d [%s]\n" % (i, i, b",".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 10)),
    "text bomb": b"a0: &a0 " + b"x" * 100_000 + b"\n" + b"".join(b"b%d: *a0\n" % i for i in range(100)),
    "deep aliases": b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [*a%d]\n" % (i, i, i - 1) for i in range(1, 200)),
    "circle": b"a: &a [*a]",
    "keys": b"".join(b"k%d: 1\n" % i for i in range(20_000)),
    "nothing": b"",
    "colons": b":" * 100_000,
    "quotes": b'"' * 99_999,
    "long line": b"a" * 250_000,
    "newlines": b"\n" * 250_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_answered_quickly_and_in_little_text(name: str) -> None:
    for parsed in (parse(HOSTILE[name], SPEC_LIMITS), parse(HOSTILE[name], SOURCE_LIMITS)):
        assert isinstance(parsed, Parsed)
    assert len(json.dumps(manifests(HOSTILE[name]))) < 2_000_000
    assert len(json.dumps(check(HOSTILE[name]).as_json())) < 200_000


@pytest.mark.parametrize("name", ["alias bomb", "text bomb", "deep aliases", "circle"])
def test_what_is_shared_counts_as_often_as_it_is_used(name: str) -> None:
    assert found(HOSTILE[name], sharing=True)


def test_a_merge_bomb_of_one_field_is_one_field() -> None:
    merged = value(HOSTILE["merge bomb"].decode())
    assert isinstance(merged, dict)
    assert merged["a28"] == {"x": 1}


def test_merge_keys_of_manifests_mean_what_yaml_says() -> None:
    text = "base: &b {x: 1, z: 1}\nmore: &m {x: 2, w: 2}\nown: {<<: [*m, *b], z: 3}\nfirst: {z: 3, <<: *b}"
    merged = value(text)
    assert isinstance(merged, dict)
    assert merged["own"] == {"z": 3, "x": 2, "w": 2}
    assert merged["first"] == {"z": 3, "x": 1}


def test_an_unknown_alias_and_one_within_itself_are_named() -> None:
    assert [message for _, _, message in found("a: *b\nc: &c [*c]", sharing=True)] == [
        'the alias "b" refers to nothing above it',
        'the alias "c" stands inside what it refers to',
    ]


def test_an_anchor_of_one_document_is_unknown_in_the_next() -> None:
    assert found("a: &a 1\n---\nb: *a", sharing=True) == [(3, 4, 'the alias "a" refers to nothing above it')]


def test_a_secret_looking_value_is_not_quoted() -> None:
    assert "0123456789" not in str(found("password: 0123456789"))


@given(st.binary(max_size=400))
@example(b"\xff\xfe")
@example(b"%YAML 9.9\n---\n")
@example(b"--- |\n \xc2\x85")
def test_arbitrary_bytes_never_raise(content: bytes) -> None:
    check(content)
    check(b"apiVersion: opspilot.spec/v1\nkind: Host\n" + content)
    json.dumps(manifests(content))


PIECES = (
    *("a", "b: ", "- ", "[", "]", "{", "}", ",", ": ", "\n", "\n  ", "&x ", "*x", "<<: ", "? ", "| ", ">-\n  ", "!t "),
    *("'", '"', "#", "---\n", "...\n", "no", "1", "${v}", "%", "@", "\t", "~", "spec: ", "metadata: "),
    *("apiVersion: opspilot.spec/v1\n", "kind: Environment\n"),
)
YAML_PIECES = st.lists(st.sampled_from(PIECES), max_size=40)


@settings(max_examples=300)
@given(YAML_PIECES.map("".join))
def test_arbitrary_yaml_never_raises_and_places_are_in_the_file(text: str) -> None:
    checked = check(text.encode())
    last = text.count("\n") + 1
    for finding in checked.findings:
        assert 0 <= finding.line <= last + 1
    json.dumps(manifests(text.encode()))


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=12),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef-/.", min_size=1, max_size=6), inner, max_size=4)
    ),
)


@given(VALUES)
def test_json_reads_as_json(wanted: object) -> None:
    """JSON is YAML: what every other program reads from it is what is read here."""
    assert value(json.dumps(wanted, ensure_ascii=False)) == wanted
