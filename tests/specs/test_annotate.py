"""Problems as text that a person, a program or a forge's CI reads."""

import json

from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Place, Problem
from reconciler.specs.annotate import as_annotations, as_json, as_lines

PROBLEM = Problem(Place("a,b:c.yaml", 3, 7), "validation_error", "100% wrong:\nreally", "look, again")
WHOLE = Problem(Place("b.yaml"), "ssh_unreachable", "no answer")
HINT = "The host cannot be reached; check network and credentials."


def test_lines_are_for_people() -> None:
    assert as_lines([WHOLE, PROBLEM]).splitlines() == [
        "a,b:c.yaml:3:7: validation_error: 100% wrong:\\u000areally (look, again)",
        f"b.yaml: ssh_unreachable: no answer ({HINT})",
    ]


def test_hints_come_in_the_language_of_the_settings() -> None:
    assert "目标主机不可达" in as_lines([WHOLE], "zh")


def test_json_is_for_programs() -> None:
    first, second = json.loads(as_json([WHOLE, PROBLEM]))
    assert (first["path"], first["line"], first["column"]) == ("a,b:c.yaml", 3, 7)
    assert (first["key"], first["message"], first["hint"]) == (PROBLEM.key, PROBLEM.message, PROBLEM.hint)
    assert second["line"] == 0


def test_annotations_are_for_a_forges_ci() -> None:
    assert as_annotations([PROBLEM, WHOLE]).splitlines() == [
        "::error file=a%2Cb%3Ac.yaml,line=3,col=7,title=validation_error::100%25 wrong:%0Areally (look, again)",
        f"::error file=b.yaml,title=ssh_unreachable::no answer ({HINT})",
    ]


@given(st.text(), st.text(), st.text())
def test_nothing_that_is_written_becomes_another_command(path: str, message: str, hint: str) -> None:
    text = as_annotations([Problem(Place(path, 1, 1), "validation_error", message, hint)])
    assert text.endswith("\n")
    assert not {"\n", "\r"} & set(text[:-1])
    properties = text.split("::", 2)[1].removeprefix("error ").split(",")
    assert [part.split("=", 1)[0] for part in properties] == ["file", "line", "col", "title"]
    assert len(as_lines([Problem(Place(path, 1, 1), "validation_error", message, hint)]).splitlines()) == 1
