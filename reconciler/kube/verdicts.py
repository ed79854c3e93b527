"""What the answer to a write says: done, overtaken by somebody, or changed since it was previewed."""

from http import HTTPStatus

from reconciler.errors import Refused, Unavailable
from reconciler.kube.answers import Answer, error_of


class Moved(Exception):
    """The object is not at the version that we read. Never leaves this package."""


def is_moved(answer: Answer) -> bool:
    """409 because the object is not at the version that we read."""
    return answer.status == HTTPStatus.CONFLICT and not answer.field_conflicts


def check_applied(answer: Answer, *, existed: bool) -> None:
    if answer.status == HTTPStatus.OK and not existed:
        raise changed(f"{answer.what}: somebody else created it at the same moment")
    if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED):
        raise error_of(answer)


def changed(message: str) -> Refused:
    return Refused(message, key="target_changed", hint="A new preview shows what is there now.")


def moving(what: str) -> Unavailable:
    return Unavailable(f"{what}: it keeps changing under us", key="resource_conflict")
