"""One content of a unit has the pins with which it was first accepted, for ever; also none."""

import pytest

from reconciler.machine.entry import Accepted
from reconciler.machine.pinning import PinBook
from reconciler.names import Digest, Revision
from reconciler.plan.change import ImagePin

CONTENT, OTHER = Digest("c" * 64), Digest("d" * 64)
PINNED = Accepted(
    unit="release/web",
    artifact=Digest("a" * 64),
    revision=Revision("1" * 40),
    base=CONTENT,
    pins=(ImagePin(image="r.example/web:v1", digest="sha256:1"),),
)
# as a branch from before there were pins has it
OLD = Accepted.model_validate({"unit": "release/web", "artifact": CONTENT, "revision": "2" * 40})


def test_a_record_from_before_there_were_pins_says_none() -> None:
    assert (OLD.base, OLD.pins) == ("", ())
    book = PinBook()
    book.accept(OLD)
    assert book.of("release/web", CONTENT) == {}
    assert book.moves == 0


def test_what_was_never_accepted_has_no_answer() -> None:
    book = PinBook()
    book.accept(PINNED)
    assert book.moves == 1
    assert book.of("release/web", OTHER) is None
    assert book.of("release/web", PINNED.artifact) is None  # its content is found by what it is without pins
    assert book.of("release/other", CONTENT) is None


@pytest.mark.parametrize(
    ("first", "then", "wanted"), [(PINNED, OLD, {"r.example/web:v1": "sha256:1"}), (OLD, PINNED, {})]
)
def test_the_first_word_stands(first: Accepted, then: Accepted, wanted: dict[str, str]) -> None:
    book = PinBook()
    book.accept(first)
    moves = book.moves
    book.accept(then)
    assert book.of("release/web", CONTENT) == wanted
    assert book.moves == moves


def test_what_was_removed_says_nothing_of_images() -> None:
    book = PinBook()
    book.accept(PINNED.model_copy(update={"removed": True}))
    assert book.of("release/web", CONTENT) is None


def test_it_travels_in_a_record_and_back() -> None:
    assert Accepted.model_validate_json(PINNED.model_dump_json()) == PINNED
