"""Logs for people and programs: JSON lines on stderr, one record a line, control characters escaped.

A traceback names files and lines and never holds the values of variables: they may be secrets.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from reconciler.report.neutral import plain

LONGEST = 4_000  # characters of one field


def configure(*, people: bool) -> None:
    """`people`: short lines for a terminal instead of JSON."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if people
        else structlog.processors.JSONRenderer(sort_keys=True)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(() if people else (structlog.processors.format_exc_info,)),
            _inert,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _inert(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and key not in {"exception", "timestamp"}:
            event[key] = plain(value, cap=LONGEST)
    return event
