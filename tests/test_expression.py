"""Expressions as data: (text, yes or no, or a word of why there is no answer)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.evaluation import MOST_STEPS, NoAnswer
from reconciler.expression import DEEPEST, MOST_CHARACTERS, NotAnExpression, parse

BODY: dict[str, Any] = {
    "apiVersion": "example.com/v1",
    "kind": "Widget",
    "metadata": {"name": "x", "generation": 2, "annotations": {"a.b/c": "yes"}},
    "spec": {"size": 3, "paused": False, "share": 0.5, "nothing": None},
    "data": {"password": "hunter2"},
    "status": {
        "phase": "Running",
        "ready": 3,
        "observedGeneration": 2,
        "conditions": [
            {"type": "Synced", "status": "True"},
            {"status": "True"},
            {"type": "Ready", "status": "False"},
        ],
    },
}

ANSWERS: dict[str, bool | str] = {
    "status.phase == 'Running'": True,
    'status.phase != "Running"': False,
    "status['phase'] == 'Running'": True,
    "metadata.annotations['a.b/c'] == 'yes'": True,
    "status.ready >= spec.size && !spec.paused": True,
    "status.ready > spec.size || spec.share < 1": True,
    "spec.share == 0.5 && spec.size == 3.0": True,
    "spec.size > -1": True,
    "spec.nothing == null": True,
    "spec.size == null": False,
    "status.phase in ['Running', 'Idle']": True,
    "status.phase in []": False,
    "'phase' in status": True,
    "has(status.phase)": True,
    "has(status.url)": False,
    "!has(status.url) || status.url == ''": True,
    "size(status.conditions) == 3": True,
    "status.conditions[0].type == 'Synced'": True,
    "status.conditions.exists(c, has(c.type) && c.type == 'Synced' && c.status == 'True')": True,
    "status.conditions.exists(c, has(c.type) && c.type == 'Ready' && c.status == 'True')": False,
    "status.conditions.exists(c, c.type == 'Synced')": True,
    "status.conditions.exists(c, [1, 2].exists(n, n == size(c)))": True,
    "(false || true) && (true == !false)": True,
    "'it\\'s' == \"it's\"": True,
    "true || false && false": True,
    # what is told whatever the rest is, as CEL has it
    "false && status.missing": False,
    "status.missing && false": False,
    "status.missing == 1 || true": True,
    # never a yes by chance
    "true == 1": False,
    "spec.paused == 0": False,
    "'3' == 3": False,
    # no answer
    "status.missing == 1": "missing is not there",
    "status.missing == 1 || false": "missing is not there",
    "!status.missing": "missing is not there",
    "status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')": "type is not there",
    "has(status.url.host)": "url is not there",
    "has(status.phase.x)": "has no fields",
    "status.phase < 3": "two numbers or two texts",
    "spec.paused < true": "two numbers or two texts",
    "status.phase": "something else than yes or no",
    "!status.phase": "something else than yes or no",
    "status == spec": "are not compared",
    "status.conditions[9].type == 'x'": "nothing at a place",
    "status.conditions[-1].type == 'x'": "nothing at a place",
    "size(spec.size) == 1": "size() is of",
    "status.phase.exists(c, true)": "exists() is of a list",
    "1 in 2": "no list",
}


@pytest.mark.parametrize(("text", "answer"), ANSWERS.items(), ids=ANSWERS.keys())
def test_an_expression_says_yes_no_or_why_it_cannot_be_told(text: str, answer: bool | str) -> None:  # noqa: FBT001
    if isinstance(answer, bool):
        assert parse(text).answer(BODY) is answer
    else:
        with pytest.raises(NoAnswer) as refused:
            parse(text).answer(BODY)
        assert answer in str(refused.value)


REFUSED = {
    "": "something is missing",
    "status.phase ==": "something is missing",
    "status.phase = 'x'": "cannot be read",
    "status..phase": "a name is missing",
    "phase == 'x'": "'phase' is not known: a field begins with metadata, spec, status, at character 1",
    "data.password == 'x'": "'data' is not known",
    "object.status.phase == 'x'": "'object' is not known",
    "status.conditions.all(c, c.ok)": "there is no all()",
    "status.phase.matches('(a+)+$')": "there is no matches()",
    "status.conditions.exists(status, true)": "'status' is taken",
    "[1].exists(c, [1].exists(c, true))": "'c' is taken",
    "has(true)": "has() asks for a field",
    "(status.a == 1": "')' is missing",
    "status.a == 1 status.b": "'status' was not expected",
    "'open": "cannot be read",
    "'two\nlines' == 'x'": "cannot be read",
    "1 == 1 == 1": "'==' was not expected",
    "status.a + 1 == 2": "cannot be read",
    "status.__class__ ? 1 : 2": "cannot be read",
    "(" * 30 + "true" + ")" * 30: f"deeper than {DEEPEST}",
    "!" * 30 + "true": f"deeper than {DEEPEST}",
    "status" + ".a" * 30: f"deeper than {DEEPEST}",
    "true || " * 200 + "true": f"longer than {MOST_CHARACTERS}",
}


@pytest.mark.parametrize(("text", "why"), REFUSED.items(), ids=range(len(REFUSED)))
def test_what_is_not_understood_is_said_with_its_place(text: str, why: str) -> None:
    with pytest.raises(NotAnExpression) as refused:
        parse(text)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "status.items.exists(a, status.items.exists(b, status.items.exists(c, a == b && b == c && c == 'never')))",
        "status.items.exists(a, 'never' in status.items)",
        "!status.items.exists(a, a != 'x' || status.missing)",
    ],
)
def test_an_answer_takes_a_bounded_number_of_steps(text: str) -> None:
    body = {"status": {"items": ["x"] * MOST_STEPS}}
    with pytest.raises(NoAnswer) as refused:
        parse(text).answer(body)
    assert "too long" in str(refused.value)


WORDS = ["status", ".", "a", "[", "]", "(", ")", "!", "&&", "||", "==", "<", "in", "'x'", "1", ",", "has", "size"]
WORDS += ["exists", "c", "true", "null", "spec", "\\", "'", '"', "%"]


@given(text=st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join) | st.text(max_size=60), body=st.just(BODY))
def test_whatever_is_written_is_refused_answered_or_not_answered(text: str, body: dict[str, Any]) -> None:
    said = ""
    try:
        said = str(parse(text).answer(body))
    except (NotAnExpression, NoAnswer) as error:
        said = str(error)
    assert said
    assert "hunter2" not in said
