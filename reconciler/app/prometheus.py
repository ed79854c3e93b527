"""One number from Prometheus: how it is asked for, and whether the answer is a number within its bounds.

Anything but exactly one finite number is a failure with words: an error, an incomplete answer, no series, several,
NaN. Knows the answer's format (https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries) and no
socket. Of the answer only that number is ever repeated.
"""

import json
import math
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from reconciler.ports import Answered
from reconciler.specs.kinds.probes import PrometheusProbe

QUERY = "/api/v1/query"


class Measured(str):
    """What is wrong with a number that was measured: asking again is no answer to that."""

    __slots__ = ()


def query_url(probe: PrometheusProbe, timeout: timedelta) -> str:
    """The address of the question. Prometheus gives up when nobody waits any more."""
    asked = urlencode({"query": probe.query, "timeout": f"{math.ceil(timeout.total_seconds() * 1000)}ms"})
    return f"{probe.url.rstrip('/')}{QUERY}?{asked}"


def judged(probe: PrometheusProbe, answer: Answered) -> str:
    """What is wrong with the answer; empty: nothing. Measured where it is the number."""
    try:
        number = _number(answer)
    except _Unusable as unusable:
        return str(unusable)
    if not math.isfinite(number):
        return Measured(f"got {number:g}, which says nothing")
    if (probe.min is not None and number < probe.min) or (probe.max is not None and number > probe.max):
        return Measured(f"got {number:g}")
    return ""


class _Unusable(Exception):
    """The answer holds no single number. The words say why."""


def _number(answer: Answered) -> float:
    if not answer.status:
        raise _Unusable("no answer in time")
    body = _body(answer)
    if body.get("status") == "error":
        raise _Unusable(f"got an error of the query ({answer.status})")
    if answer.status != HTTPStatus.OK or body.get("status") != "success":
        raise _Unusable(f"got {answer.status} and no result")
    if body.get("warnings"):
        raise _Unusable("the answer is incomplete: it came with warnings")
    match body.get("data"):
        case {"resultType": "scalar", "result": [_, str(value)]}:
            return _float(value)
        case {"resultType": "vector", "result": []}:
            raise _Unusable("no series answers the query")
        case {"resultType": "vector", "result": [{"value": [_, str(value)]}]}:
            return _float(value)
        case {"resultType": "vector", "result": list(several)} if len(several) > 1:
            raise _Unusable(f"{len(several)} series answer the query, and one is needed")
    raise _Unusable("the answer is neither a scalar nor one series")


def _body(answer: Answered) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _Unusable(f"got {answer.status} and no whole answer of Prometheus ({len(answer.body)} bytes)")
    return found


def _float(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise _Unusable("the value is no number") from None
