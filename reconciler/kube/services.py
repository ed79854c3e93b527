"""Asking a Service of the cluster by HTTP, through the API server's proxy and with our credential.

The answer is a stranger's: a status, at most so many bytes, and how long it took. No redirect is followed. A path that
could climb out of the Service is refused before anything is sent, because beyond it the same credential reads the API.
Proxy: https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/#discovering-builtin-services
"""

import json
import re
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, unquote

from reconciler.errors import Rejected
from reconciler.kube.answers import Answer, error_of
from reconciler.kube.client import Client
from reconciler.ports import Answered, GetThrough

MOST: Final = 64 * 1024  # bytes of an answer that are looked at
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
OUR_REFUSALS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def ask_service(client: Client, asked: GetThrough) -> Answered:
    """One GET. Raises Rejected where our credential may not, Unavailable where the API server is away."""
    path = path_of(asked)
    what = f"asking Service {asked.namespace}/{asked.service}"
    status, data, took = client.through(path, what, asked.timeout.total_seconds(), MOST)
    if status in OUR_REFUSALS and _is_of_the_api(data):
        raise error_of(Answer(status, data, what))
    return Answered(status, data, timedelta(seconds=took))


def path_of(asked: GetThrough) -> str:
    """Where the API server proxies this Service. Raises Rejected for what would lead elsewhere."""
    if not (_LABEL.fullmatch(asked.namespace) and _LABEL.fullmatch(asked.service)):
        raise Rejected(f"asking Service {asked.namespace}/{asked.service}: this is no name", key="validation_error")
    path, mark, query = asked.path.partition("?")
    decoded = unquote(unquote(path))
    if "\\" in decoded or any(part in (".", "..") for part in decoded.split("/")):
        message = f"asking Service {asked.namespace}/{asked.service}: its path may not climb"
        raise Rejected(message, key="validation_error")
    where = f"/api/v1/namespaces/{asked.namespace}/services/{asked.scheme}:{asked.service}:{asked.port}/proxy"
    return f"{where}/{quote(path.lstrip('/'), safe='/%:@!$&()*+,;=~-._')}{mark}{query}"


def _is_of_the_api(data: bytes) -> bool:
    """Whether the API server itself refused, and not the Service behind it."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return False
    if not isinstance(body, dict) or body.get("kind") != "Status":
        return False
    details = body.get("details")
    return body.get("apiVersion") == "v1" and (
        not isinstance(details, dict) or details.get("kind") in (None, "services")
    )
