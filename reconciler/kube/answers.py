"""What an API server's answer means for the loop: the one place where a status becomes one of errors.py.

Knows Kubernetes' Status object. Does no I/O. The rule it keeps: messages name fields, reasons and managers, never the
values of an object; about a Secret, or where the body is not a Status, only the reason is told.
Status: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

import json
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from reconciler.errors import ReconcilerError, Refused, Rejected, Unavailable, Untrusted, Withdrawn
from reconciler.plan.hide import hidden_of
from reconciler.state.observed import Json
from reconciler.state.refusals import is_limit, is_of_a_webhook, with_advice

MAX_WORDS: Final = 300
SOON: Final = timedelta(seconds=15)
LONGEST_WAIT: Final = timedelta(minutes=10)
FIELD_CONFLICT: Final = "FieldManagerConflict"
TERMINATING: Final = "NamespaceTerminating"
WEBHOOK: Final = re.compile(r'admission webhook "([^"]{1,200})" denied the request')
POLICY: Final = re.compile(r"ValidatingAdmissionPolicy '([^']{1,200})'")
GOING: Final = re.compile(r"namespace ([a-z0-9-]{1,63}) ")
MANAGER: Final = re.compile(r'conflict with "([^"]{1,200})"')
# The ends of messages that can hold nothing of the value.
HARMLESS_TAIL: Final = re.compile(
    r": (field is immutable(?: after creation)?|may not (?:be changed|change once set|be specified)"
    r"|must be (?:specified|no more than \d+ (?:characters|bytes)|(?:greater|less) than(?: or equal to)? \d+))$"
)


# What the API server says of a field that only another object of that name could have.
UNCHANGEABLE: Final = re.compile(
    r"\bimmutable\b|may not (?:be changed|change once set)|updates to statefulset spec|cannot change roleRef"
)


class NotServed(Unavailable):
    """404 of no object: nothing is served at this path, such as where a kind was taken away since it was found."""


@dataclass(frozen=True)
class Answer:
    """A status code, the bytes that came with it, and what was being done."""

    status: int
    data: bytes = field(repr=False)
    what: str
    retry_after: str = ""
    secret: bool = False
    about_object: Json = field(default=None, repr=False)  # what was sent, so that no word repeats its secrets
    content_type: str = "application/json"

    @cached_property
    def json(self) -> Json:
        """The body as JSON. Raises Unavailable where it is none."""
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError):
            raise Unavailable(
                f"{self.what}: the server's answer is not JSON; is this a Kubernetes API?", key="cluster_connect_failed"
            ) from None

    @cached_property
    def _status(self) -> dict[str, Any]:
        try:
            body = json.loads(self.data)
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) and body.get("kind") == "Status" else {}

    @property
    def reason(self) -> str:
        """The machine-readable reason, such as AlreadyExists; empty where there is none."""
        return _text(self._status.get("reason"))

    @property
    def message(self) -> str:
        """The server's words. May hold values of the object: never show them unfiltered."""
        return _text(self._status.get("message"))

    @property
    def about(self) -> str:
        """The resource that the details name, such as `namespaces`."""
        return _text(self._details.get("kind"))

    @property
    def causes(self) -> tuple[dict[str, Any], ...]:
        """The details' causes."""
        causes = self._details.get("causes")
        return tuple(cause for cause in causes if isinstance(cause, dict)) if isinstance(causes, list) else ()

    @property
    def _details(self) -> dict[str, Any]:
        details = self._status.get("details")
        return details if isinstance(details, dict) else {}

    @property
    def absent(self) -> bool:
        """404 of an object that is not there (and not of a server that knows no such path)."""
        return self.status == HTTPStatus.NOT_FOUND and self.reason == "NotFound"

    @property
    def field_conflicts(self) -> tuple[str, ...]:
        """`manager: field` of each field that another manager owns, sorted; no values."""
        return tuple(sorted({_conflict(cause) for cause in self.causes if cause.get("reason") == FIELD_CONFLICT}))

    @property
    def unchangeable(self) -> bool:
        """Whether nothing but fields that cannot be changed is in the way."""
        invalid = self.status == HTTPStatus.UNPROCESSABLE_ENTITY and bool(self.causes)
        return invalid and all(UNCHANGEABLE.search(_text(cause.get("message"))) for cause in self.causes)


Meaning: TypeAlias = Callable[[Answer], ReconcilerError]


def error_of(answer: Answer) -> ReconcilerError:
    """What a refusing answer means. The order matters: the particular before the general."""
    for applies, build in _TABLE:
        if applies(answer):
            return build(answer)
    raise AssertionError("the last row of the table takes every answer")


def transport_error(error: BaseException, what: str, endpoint: str) -> ReconcilerError:
    """What a failure without any answer means."""
    where = f" at {endpoint}" if endpoint else ""
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Untrusted(
                f"{what}{where}: its certificate was not accepted: {cause.verify_message}",
                key="certificate_invalid",
                hint="Check the CA and the host name of the cluster's connection; until then nothing is done there.",
            )
    if any(isinstance(cause, ssl.SSLError) and "ALERT" in (cause.reason or "") for cause in _chain(error)):
        return Rejected(f"{what}{where}: the server refused our TLS identity", key="certificate_invalid")
    return Unavailable(f"{what}{where}: {_transport_words(error)}", key="cluster_connect_failed")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it wraps: urllib3 keeps the first one in `reason` or among the arguments."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        found = waiting.pop()
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting.extend([found.__cause__, found.__context__, getattr(found, "reason", None), *found.args])


def _transport_words(error: BaseException) -> str:
    """The innermost reason in words; a URL or header never is one."""
    deepest = list(_chain(error))
    for kind, words in _TRANSPORT_WORDS:
        if any(isinstance(cause, kind) for cause in deepest):
            return words
    if isinstance(error, (ValueError, TimeoutError)) and error.args:
        return str(error.args[0])
    return f"no answer ({type(deepest[-1]).__name__})"


_TRANSPORT_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, "the connection was refused"),
    (ConnectionResetError, "the connection was reset"),
)


def _told(answer: Answer) -> str:
    """What may be told of the server's words, and what a person does about them."""
    return with_advice(_words(answer), answer.message)


def _words(answer: Answer) -> str:
    if answer.secret:
        return f"the server said {answer.reason or answer.status}; its words may hold secret values and are not shown"
    if answer.causes and not is_of_a_webhook(answer.message):  # of that one a cause names no field, and less
        return "; ".join(_cause(cause) for cause in answer.causes[:8])
    return _short(hidden_of(answer.message, answer.about_object)) or f"the server said {answer.reason or answer.status}"


def _cause(cause: dict[str, Any]) -> str:
    """`spec.selector: Invalid value (field is immutable)`: the field and the kind of fault, without the value."""
    message = _text(cause.get("message"))
    fault = message.split(":", 1)[0] if ":" in message else _text(cause.get("reason"))
    tail = HARMLESS_TAIL.search(message)
    return f"{_text(cause.get('field')) or 'object'}: {_short(fault)}" + (f" ({tail.group(1)})" if tail else "")


def _conflict(cause: dict[str, Any]) -> str:
    manager = MANAGER.search(_text(cause.get("message")))
    return f"{manager.group(1) if manager else 'another manager'}: {_text(cause.get('field')).lstrip('.')}"


def _short(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= MAX_WORDS else line[:MAX_WORDS] + "..."


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _retry_after(answer: Answer) -> timedelta:
    seconds = int(answer.retry_after) if answer.retry_after.isascii() and answer.retry_after.isdigit() else 0
    return min(timedelta(seconds=min(seconds, 86400)), LONGEST_WAIT) or SOON


def _unavailable(key: str) -> Meaning:
    return lambda answer: Unavailable(f"{answer.what}: {_told(answer)}", key=key, retry_after=_retry_after(answer))


def _rejected(key: str) -> Meaning:
    return lambda answer: Rejected(f"{answer.what}: {_told(answer)}", key=key)


def _refused(key: str) -> Meaning:
    return lambda answer: Refused(f"{answer.what}: {_told(answer)}", key=key)


def _field_conflict(answer: Answer) -> ReconcilerError:
    held = ", ".join(answer.field_conflicts[:8])
    return Refused(
        f"{answer.what}: other managers own fields that would change: {held}",
        key="resource_conflict",
        hint="Take the fields out of the source, or have the other manager give them up; nothing is forced.",
    )


def _terminating(answer: Answer) -> str:
    """The namespace is no value of the object: it stands in the path."""
    names = [GOING.search(_text(cause.get("message"))) for cause in answer.causes]
    name = next((found.group(1) for found in names if found), "")
    told = f"namespace {name}" if name else "its namespace"
    return f"{told} is being deleted; `kubectl describe namespace {name or 'NAME'}` says what holds it"


def _withdrawn(answer: Answer) -> ReconcilerError:
    return Withdrawn(
        f"{answer.what}: the server does not take our credential ({_told(answer)});"
        " put a new secret where the cluster's Credential says"
    )


def _webhook(answer: Answer) -> ReconcilerError:
    by = WEBHOOK.search(answer.message) or POLICY.search(answer.message)
    who = by.group(1) if by else "an admission policy"
    return Rejected(f"{answer.what}: admission {who} denied it: {_told(answer)}", key="release_apply_failed")


_TABLE: tuple[tuple[Callable[[Answer], object], Meaning], ...] = (
    (lambda a: a.status == HTTPStatus.UNAUTHORIZED, _withdrawn),
    (lambda a: WEBHOOK.search(a.message) or POLICY.search(a.message), _webhook),
    (
        lambda a: any(cause.get("reason") == TERMINATING for cause in a.causes),
        lambda a: Unavailable(f"{a.what}: {_terminating(a)}", key="resource_conflict", retry_after=_retry_after(a)),
    ),
    (lambda a: a.status == HTTPStatus.FORBIDDEN and is_limit(a.message), _rejected("release_apply_failed")),
    (lambda a: a.status == HTTPStatus.FORBIDDEN, _rejected("cluster_permission_insufficient")),
    (lambda a: a.absent, _rejected("release_apply_failed")),
    (
        lambda a: a.status == HTTPStatus.NOT_FOUND,
        lambda a: NotServed(f"{a.what}: {_told(a)}", key="cluster_connect_failed", retry_after=_retry_after(a)),
    ),
    (lambda a: a.status == HTTPStatus.CONFLICT and a.field_conflicts, _field_conflict),
    (lambda a: a.status == HTTPStatus.CONFLICT and a.reason == "AlreadyExists", _refused("target_changed")),
    (lambda a: a.status == HTTPStatus.CONFLICT, _unavailable("resource_conflict")),
    (lambda a: a.status == HTTPStatus.GONE, _unavailable("cluster_connect_failed")),
    (lambda a: a.status == HTTPStatus.TOO_MANY_REQUESTS, _unavailable("rate_limited")),
    (
        lambda a: HTTPStatus.MULTIPLE_CHOICES <= a.status < HTTPStatus.BAD_REQUEST,
        lambda a: Rejected(
            f"{a.what}: the server answered with a redirect, which is not followed", key="endpoint_invalid"
        ),
    ),
    (lambda a: a.status >= HTTPStatus.INTERNAL_SERVER_ERROR, _unavailable("cluster_connect_failed")),
    (lambda _: True, _rejected("release_apply_failed")),
)
