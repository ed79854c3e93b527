"""The edge: what a failure becomes. Exit codes are part of the contract."""

import pytest

from reconciler.cli.edge import Edge
from reconciler.errors import Place, Problem, ReconcilerError, Refused, Rejected, SpecError, Unavailable, Untrusted
from tests.cli.terminal import Terminal

CANARY = "canary-of-a-secret"


def left(error: BaseException, locale: str = "en") -> int:
    """The exit code after an error inside the edge."""
    edge = Edge()
    edge.locale = locale
    with pytest.raises(SystemExit) as ended, edge:
        raise error
    code = ended.value.code
    assert isinstance(code, int)
    return code


@pytest.mark.parametrize("kind", [Refused, Rejected, Unavailable, Untrusted])
def test_a_failure_tells_key_code_message_and_hint(
    kind: type[ReconcilerError], capsys: pytest.CaptureFixture[str]
) -> None:
    assert left(kind("asking the cluster: it said no", key="preview_mismatch", hint="look again")) == 2
    told = capsys.readouterr().err
    assert told == "error: preview_mismatch (32003): asking the cluster: it said no\nhint: look again\n"


def test_a_hint_comes_from_the_catalogue_in_the_chosen_language(capsys: pytest.CaptureFixture[str]) -> None:
    assert left(Refused("no", key="preview_required"), "zh") == 2
    assert "hint: 请先预览再确认发布" in capsys.readouterr().err


def test_every_problem_of_specs_is_told_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [Problem(Place("a.yaml", 3, 5), "validation_error", f"wrong {number}") for number in range(3)]
    assert left(SpecError(problems)) == 1
    assert capsys.readouterr().err.splitlines()[:1] == ["a.yaml:3:5: validation_error: wrong 0"]


def test_an_interrupt_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert left(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == ""


def test_a_defect_tells_where_and_never_what(capsys: pytest.CaptureFixture[str]) -> None:
    secret = CANARY
    assert left(ValueError(f"cannot read {secret}")) == 3
    told = capsys.readouterr().err
    assert "ValueError" in told
    assert "test_errors.py" in told
    assert CANARY not in told


def test_what_others_wrote_does_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert left(Refused("reading \x1b[2J\u202ebad", key="validation_error")) == 2
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert "\u202e" not in told


def test_a_wrong_option_is_exit_2(terminal: Terminal) -> None:
    assert terminal.type("tree", "--no-such-option").code == 2
    assert terminal.type("no-such-verb").code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("mcp", "--port", "1"),
        ("cluster", "kubeconfig", "x"),
    ],
)
def test_what_is_not_in_this_version_says_so(terminal: Terminal, words: tuple[str, ...]) -> None:
    seen = terminal.type(*words)
    assert (seen.code, seen.out) == (2, "")
    assert "not available in this version" in seen.err


def test_without_a_repository_the_way_forward_is_told(terminal: Terminal) -> None:
    seen = terminal.type("tree")
    assert seen.code == 2
    assert "--repo" in seen.err


def test_explain_knows_keys_and_numbers_and_guesses_near_ones(terminal: Terminal) -> None:
    by_key = terminal.well("explain", "preview_mismatch", "-o", "json").json
    by_code = terminal.well("explain", "32003", "-o", "json").json
    assert by_key == by_code
    assert set(by_key) == {"key", "code", "note", "hint"}
    wrong = terminal.type("explain", "preview_mismatched")
    assert wrong.code == 2
    assert "preview_mismatch" in wrong.err


def test_timings_tell_where_time_went(terminal: Terminal) -> None:
    seen = terminal.well("--timings", "explain", "vip_conflict")
    assert "together" in seen.err
