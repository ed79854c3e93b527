"""What may differ after a kill, and what may not."""

from collections import Counter

import pytest

from tests.failpoints.comparing import differences
from tests.failpoints.far_side import Left


def said(environment: str, state: str = "pending", batch: int = 1) -> str:
    return (
        f'reconciler #0 {{"context": "reconciler/apply: {environment}", "description": "batch {batch} of 3", '
        f'"kind": "status_set", "revision": "x", "state": "{state}", "url": ""}}'
    )


def left(*statuses: str) -> Left:
    return Left(ends={}, counts={"forge": Counter(statuses)}, findings=())


@pytest.mark.parametrize(
    ("lost", "found"),
    [
        ((said("a"),), 0),
        ((said("a"), said("b")), 0),  # applied at the same time by the process that died
        ((said("a"), said("a", batch=2)), 1),
        ((said("a", "success"),), 1),
        ((said("a"), said("b", "failure")), 1),
    ],
    ids=["one", "one of each environment", "two of one", "a success", "a failure"],
)
def test_of_each_environment_one_status_on_the_way_may_be_lost_and_never_a_last_word(
    lost: tuple[str, ...], found: int
) -> None:
    assert len(differences(left(*lost), left(), kills=1)) == found
