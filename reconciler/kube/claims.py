"""Whose the run of a Job is: who made it, or who came back since, found it, and counts on it.

A creation is fenced by nothing but the parent (G25), so a run that turns out to come too late is taken away again by
whoever made it. Rules: who finds a run writes a name of its own on it before anything else; a run is taken away by the
version that was seen, and only while it says the name of who made it. So what another reconciler waits for, or has seen
to the end, stands; what nobody found goes.
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

from reconciler.errors import ReconcilerError
from reconciler.kube import marks
from reconciler.kube.answers import error_of
from reconciler.kube.client import APPLY_TYPE, Client, Request
from reconciler.kube.shown import found as found_object
from reconciler.kube.traffic import as_we_own
from reconciler.kube.verdicts import is_moved
from reconciler.names import ObjectRef
from reconciler.state.observed import Json

TRIES: Final = 20  # its controller and its pods move it, a few times a second


def claimant(body: Json) -> str:
    """The name on a run; empty where there is none."""
    return str((body["metadata"].get("annotations") or {}).get(marks.CLAIMED, ""))


def claiming(path: str, ref: ObjectRef, live: Json, name: str) -> Request:
    """Write a name on a run, at the version that was read; everything else that we own as it stands."""
    body = as_we_own(live)
    body["metadata"]["annotations"][marks.CLAIMED] = name
    query = {"fieldManager": marks.FIELD_MANAGER, "force": "true"}
    return Request("PATCH", path, f"claiming {ref}", query, body, APPLY_TYPE)


def take_away(
    client: Client,
    path: str,
    ref: ObjectRef,
    made: Json,
    name: str,
    ways: Sequence[Callable[[Json], Request | None]],
) -> str:
    """Do away with a run that came too late, unless somebody else has claimed it: the first of these `ways` that is not
    refused, where None is that it is done. Empty, or in words that it may run all the same."""
    live, left, refused = made, [*ways], list[str]()
    for _ in range(TRIES):
        if live is None or live["metadata"]["uid"] != made["metadata"]["uid"] or claimant(live) != name:
            return ""
        request = left[0](live)
        if request is None:
            return ""
        try:
            answer = client.ask(request)
            if is_moved(answer):
                live = found_object(client.find(path, f"reading {ref}"), ref, f"reading {ref}")
                continue
            if answer.absent or answer.status < HTTPStatus.BAD_REQUEST:
                return ""
            refused.append(error_of(answer).message)
        except ReconcilerError as error:
            refused.append(error.message)
        left.pop(0)
        if not left:
            break
    return f"{ref} was made too late and may run, for it could not be taken away: {'; '.join(refused) or 'it moves'}"
