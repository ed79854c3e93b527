"""Records: one spelling each, and everything else is named as malformed."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.canonical import canonical_json
from reconciler.forges.embedded import record as rec

COMMIT = "c" * 40
GOOD: dict[str, Any] = {
    "version": 1,
    "repository": "test://repository",
    "previous": "",
    "number": 1,
    "author": "ana",
    "time": "2026-03-01T12:00:00.000000Z",
    "said": {"kind": "commented", "body": "hello", "marker": "", "seen": ""},
}
OPENED = {"kind": "opened", "title": "t", "body": "", "base": "main", "head_ref": "feature", "head": COMMIT}
STATUS = {
    "kind": "status_set",
    "revision": COMMIT,
    "context": "c",
    "state": "success",
    "description": "",
    "url": "",
}


def bytes_of(**changed: Any) -> bytes:
    return canonical_json({**GOOD, **changed})


@pytest.mark.parametrize("said", [GOOD["said"], OPENED, STATUS])
def test_a_record_reads_back_to_its_own_bytes(said: dict[str, Any]) -> None:
    content = bytes_of(said=said)
    assert rec.parse(content).canonical() == content


MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"hello",
    "an array": b"[]",
    "not UTF-8": b'{"author":"\xff"}',
    "deep": b"[" * 50_000,
    "another spelling": json.dumps(GOOD).encode(),
    "a newline at the end": bytes_of() + b"\n",
    "a key twice": bytes_of().replace(b'{"author":"ana"', b'{"author":"ben","author":"ana"'),
    "an unknown field": bytes_of(extra=1),
    "a later version": bytes_of(version=2),
    "a number as text": bytes_of(number="1"),
    "a number with a point": bytes_of().replace(b'"number":1', b'"number":1.0'),
    "a truth value as a number": bytes_of(number=True),
    "a negative number": bytes_of(number=-1),
    "no repository": bytes_of(repository=""),
    "a short commit id": bytes_of(previous="abc"),
    "a commit id in capitals": bytes_of(previous="A" * 40),
    "a commit id with a newline": bytes_of(previous="a" * 40 + "\n"),
    "a login with a slash": bytes_of(author="a/b"),
    "a login with a newline": bytes_of(author="ana\n"),
    "an empty login": bytes_of(author=""),
    "a local time": bytes_of(time="2026-03-01T12:00:00.000000+01:00"),
    "a time without parts of seconds": bytes_of(time="2026-03-01T12:00:00Z"),
    "a day that does not exist": bytes_of(time="2026-02-30T12:00:00.000000Z"),
    "a leap second": bytes_of(time="2026-06-30T23:59:60.000000Z"),
    "an unknown kind": bytes_of(said={"kind": "approved_by_magic"}),
    "no kind": bytes_of(said={}),
    "a left-out field": bytes_of(said={"kind": "commented", "body": "hello"}),
    "a title of two lines": bytes_of(said={**OPENED, "title": "one\ntwo"}),
    "a title with an escape sequence": bytes_of(said={**OPENED, "title": "\x1b[2Jgone"}),
    "a title that runs backwards": bytes_of(said={**OPENED, "title": "\u202etxt.exe"}),
    "a blank title": bytes_of(said={**OPENED, "title": "   "}),
    "a long title": bytes_of(said={**OPENED, "title": "x" * 257}),
    "a body with an escape sequence": bytes_of(said={**OPENED, "body": "\x1b]0;owned\x07"}),
    "a body with a NUL": bytes_of(said={**OPENED, "body": "a\x00b"}),
    "a long body": bytes_of(said={**OPENED, "body": "x" * (rec.MAX_BODY + 1)}),
    "a branch that is an option": bytes_of(said={**OPENED, "head_ref": "--upload-pack=evil"}),
    "a branch that climbs": bytes_of(said={**OPENED, "head_ref": "../../refs/heads/main"}),
    "a branch with a colon": bytes_of(said={**OPENED, "head_ref": "a:refs/heads/main"}),
    "a branch with a star": bytes_of(said={**OPENED, "base": "*"}),
    "a branch with a newline": bytes_of(said={**OPENED, "base": "main\n"}),
    "a branch called HEAD": bytes_of(said={**OPENED, "base": "HEAD"}),
    "an empty branch": bytes_of(said={**OPENED, "base": ""}),
    "a long branch": bytes_of(said={**OPENED, "base": "b" * 251}),
    "a verdict of its own": bytes_of(
        said={
            "kind": "reviewed",
            "verdict": "dismissed",
            "commit": COMMIT,
            "base": "main",
            "body": "",
            "seen": "",
            "decision": "",
            "decision_signature": "",
        }
    ),
    "a status in another state": bytes_of(said={**STATUS, "state": "skipped"}),
    "a status with a long description": bytes_of(said={**STATUS, "description": "x" * 141}),
    "many assignees": bytes_of(said={"kind": "assigned", "assignees": [f"p{index}" for index in range(21)]}),
    "a position that is none": bytes_of(said={"kind": "review_dismissed", "review": "0", "body": "", "seen": ""}),
    "too large": b" " * (rec.MAX_RECORD + 1),
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_record_is_malformed(content: bytes) -> None:
    with pytest.raises(rec.Malformed):
        rec.parse(content)


def test_why_it_is_malformed_is_said_without_the_text_of_others() -> None:
    with pytest.raises(rec.Malformed, match=r"title") as caught:
        rec.parse(bytes_of(said={**OPENED, "title": "SECRET\nSECRET"}))
    assert "SECRET" not in str(caught.value)


@given(st.binary(max_size=400))
def test_no_bytes_do_anything_but_be_malformed(content: bytes) -> None:
    with pytest.raises(rec.Malformed):
        rec.parse(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(GOOD)), json_values)
def test_any_value_in_any_place_is_a_record_or_malformed(field: str, value: Any) -> None:
    content = json.dumps({**GOOD, field: value}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        record = rec.parse(content.encode(errors="surrogatepass"))
    except rec.Malformed:
        return
    assert record.canonical() == content.encode()


@given(st.text(max_size=100))
def test_a_body_comes_back_as_it_was_or_is_refused(body: str) -> None:
    try:
        said = rec.said_by(rec.Commented, {"body": body})
    except rec.Malformed:
        return
    record = rec.Record(repository="r", previous="", number=1, author="ana", time=GOOD["time"], said=said)
    read = rec.parse(record.canonical()).said
    assert isinstance(read, rec.Commented)
    assert read.body == body


def test_times_are_written_in_utc_with_microseconds() -> None:
    local = datetime(2026, 3, 1, 13, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    assert rec.written(local) == "2026-03-01T12:00:00.000005Z"
    assert datetime.fromisoformat(rec.written(local)) == local.astimezone(UTC)
