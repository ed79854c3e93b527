"""Problems as text: lines for people, JSON for programs, annotations for a forge's CI.

Values in, text out. Rule: what a spec or a path says can never become a command of the CI that prints it.
"""

import json
from collections.abc import Iterable

from reconciler.errors import Problem, hint_of


def as_lines(problems: Iterable[Problem], locale: str = "en") -> str:
    """One line for each: `file:line:column: key: message (hint)`."""
    return "".join(f"{_one_line(str(_with_hint(problem, locale)))}\n" for problem in sorted(problems))


def as_json(problems: Iterable[Problem], locale: str = "en") -> str:
    """A list of objects: path, line, column, key, message, hint; line 0 means the whole file."""
    return json.dumps(
        [
            {
                "path": problem.place.path,
                "line": problem.place.line,
                "column": problem.place.column,
                "key": problem.key,
                "message": problem.message,
                "hint": problem.hint or hint_of(problem.key, locale),
            }
            for problem in sorted(problems)
        ],
        ensure_ascii=False,
        indent=2,
    )


def as_annotations(problems: Iterable[Problem], locale: str = "en") -> str:
    """Workflow commands that GitHub, Gitea and Forgejo show beside the line.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions#setting-an-error-message
    """
    return "".join(_annotation(_with_hint(problem, locale)) for problem in sorted(problems))


def _with_hint(problem: Problem, locale: str) -> Problem:
    return (
        problem if problem.hint else Problem(problem.place, problem.key, problem.message, hint_of(problem.key, locale))
    )


def _annotation(problem: Problem) -> str:
    place = problem.place
    named = {"file": place.path, "line": str(place.line), "col": str(place.column), "title": problem.key}
    if not place.line:
        del named["line"], named["col"]
    properties = ",".join(f"{name}={_property(value)}" for name, value in named.items())
    hint = f" ({problem.hint})" if problem.hint else ""
    return f"::error {properties}::{_message(problem.message + hint)}\n"


def _message(text: str) -> str:
    return _one_line(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text)
