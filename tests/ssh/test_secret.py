"""A secret does not leave by accident."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.secret import MASK, Secret

CANARY = "canary-5f1c"


@pytest.mark.parametrize(
    "shown", [repr, str, "{}".format, "{!r}".format, "{:>40}".format, lambda secret: f"{[secret]}"]
)
def test_t17_a_secret_shows_only_a_mask(shown: Callable[[Secret], str]) -> None:
    assert CANARY not in shown(Secret(CANARY))
    assert MASK in shown(Secret(CANARY))


@pytest.mark.parametrize("stored", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, hash])
def test_t17_a_secret_is_not_stored_copied_or_hashed(stored: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError) as refusal:
        stored(Secret(CANARY))
    assert CANARY not in str(refusal.value)


def test_a_secret_equals_the_same_secret_and_never_a_plain_text() -> None:
    assert Secret(CANARY) == Secret(CANARY)
    assert Secret(CANARY) != Secret("other")
    assert Secret(CANARY) != CANARY


def test_reveal_is_the_way_out() -> None:
    assert Secret(CANARY).reveal() == CANARY
