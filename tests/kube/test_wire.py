"""Metadata in protobuf reads as the JSON of the same object, and what is cut short is never read as less."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.kube.wire import METADATA_ONLY, metadata_of, page_of
from reconciler.sandbox.cluster_wire import is_asked_for, metadata_list

TIMES = st.datetimes(datetime(1971, 1, 1)).map(lambda found: found.strftime("%Y-%m-%dT%H:%M:%SZ"))  # noqa: DTZ001
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
WORDS = st.text("abc-./é", min_size=1, max_size=20)
OWNERS = st.fixed_dictionaries(
    {"kind": WORDS, "name": WORDS, "uid": WORDS, "apiVersion": WORDS}, optional={"controller": st.booleans()}
)
MANAGERS = st.fixed_dictionaries(
    {
        "manager": WORDS,
        "operation": st.sampled_from(["Apply", "Update"]),
        "apiVersion": WORDS,
        "time": TIMES,
        "fieldsType": st.just("FieldsV1"),
        "fieldsV1": st.dictionaries(WORDS, st.dictionaries(WORDS, st.just({}), max_size=2), max_size=3),
    },
    optional={"subresource": st.sampled_from(["status", "scale"])},
)
METADATA = st.fixed_dictionaries(
    {"name": WORDS, "uid": WORDS, "resourceVersion": st.integers(1, 2**62).map(str), "creationTimestamp": TIMES},
    optional={
        "namespace": WORDS,
        "generation": st.integers(1, 2**40),
        "deletionTimestamp": TIMES,
        "labels": st.dictionaries(WORDS, TEXTS, min_size=1, max_size=4),
        "annotations": st.dictionaries(WORDS, TEXTS, min_size=1, max_size=4),
        "ownerReferences": st.lists(OWNERS, min_size=1, max_size=2),
        "finalizers": st.lists(WORDS, min_size=1, max_size=2),
        "managedFields": st.lists(MANAGERS, min_size=1, max_size=3),
    },
)


@settings(max_examples=40)
@given(st.lists(METADATA, max_size=4))
def test_what_is_read_is_what_the_json_says(found: list[dict[str, Any]]) -> None:
    page = page_of(metadata_list([{"metadata": one} for one in found], "7", ""))
    assert [metadata_of(item) for item in page.items] == found
    assert page.token == ""


def test_a_list_that_goes_on_says_so() -> None:
    assert page_of(metadata_list([], "7", "more")).token == "more"


@settings(max_examples=40)
@given(METADATA, st.data())
def test_what_ends_early_is_no_list(found: dict[str, Any], data: st.DataObject) -> None:
    whole = metadata_list([{"metadata": found}, {"metadata": found}], "7", "")
    end = len(whole) - len(b"\x1a\x00\x22\x00")  # two empty texts end it, which nobody reads
    cut = data.draw(st.integers(0, end - 1))
    with pytest.raises((ValueError, KeyError)):
        page_of(whole[:cut])


@pytest.mark.parametrize(
    "data",
    [b"", b'{"kind": "ConfigMapList"}', b"k8s\0", metadata_list([], "7", "").replace(b"Partial", b"Another")],
)
def test_anything_else_is_no_list(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        page_of(data)


def test_the_sandbox_answers_what_is_asked() -> None:
    assert is_asked_for(METADATA_ONLY)
    assert not is_asked_for("application/json")
