"""Logs for people and programs: JSON lines on stderr, one record a line, control characters escaped.

A traceback names types, files and lines, never the values of variables nor what an exception says: a stranger's message
may quote what it could not read, and that may be a secret. Failures that the product itself words are logged as such.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from reconciler.report.neutral import plain

LONGEST = 4_000  # characters of one field
LONGEST_CHAIN = 400  # lines of one traceback


def configure(*, people: bool) -> None:
    """`people`: short lines for a terminal instead of JSON."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if people
        else structlog.processors.JSONRenderer(sort_keys=True)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _where,
            _inert,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # as it stands then: it may be another by now
        cache_logger_on_first_use=False,
    )


def _where(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Where an exception was raised, with what it came from."""
    if event.pop("exc_info", None):
        error, lines = sys.exc_info()[1], list[str]()
        while error is not None and len(lines) < LONGEST_CHAIN:
            lines.append(type(error).__name__)
            lines += [f"  {at.filename}:{at.lineno} {at.name}" for at in traceback.extract_tb(error.__traceback__)]
            error = error.__cause__ or error.__context__
        event["exception"] = "\n".join(lines)
    return event


def _inert(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and key not in {"exception", "timestamp"}:
            event[key] = plain(value, cap=LONGEST)
    return event
