"""Whose a workload's number of pods is: writes beside those of our field manager, by managers of our own."""

from http import HTTPStatus
from typing import Final

from reconciler.kube import marks, traffic
from reconciler.kube.answers import error_of
from reconciler.kube.client import APPLY_TYPE, MERGE_TYPE, Client, Request
from reconciler.kube.handing_over import held_with
from reconciler.kube.shown import found as found_object
from reconciler.kube.shown import shown
from reconciler.kube.verdicts import Moved, is_moved, moving
from reconciler.names import ObjectRef
from reconciler.state.observed import Json

ATTEMPTS: Final = 5


def keep_number(client: Client, path: str, ref: ObjectRef, live: Json, pods: int) -> None:
    """Have it so many pods, and another manager hold that number. `live` then stands at the version after it.

    Raises Moved where it is not at the version that was read.
    """
    seen = live["metadata"]
    body = traffic.with_pods(held_with(live, {}), pods)
    body["metadata"] |= {key: seen[key] for key in ("uid", "resourceVersion")}
    query = {"fieldManager": marks.HAND_OVER_MANAGER, "force": "true"}
    what = f"keeping the number of replicas of {ref}"
    answer = client.ask(Request("PATCH", path, what, query, body, APPLY_TYPE))
    if is_moved(answer):
        raise Moved
    if answer.status != HTTPStatus.OK:
        raise error_of(answer)
    live |= shown(answer.json, ref, what, uid=seen["uid"])


def unmark(client: Client, path: str, ref: ObjectRef, live: Json) -> None:
    """Take the mark of what has its pods back away where somebody wrote into it: then it is not ours to leave out."""
    what = f"taking the mark of {ref} away"
    first, query = live, {"fieldManager": marks.FORGET_MANAGER}
    for _ in range(ATTEMPTS):
        if not traffic.concerns(ref, live, stopped=False) or traffic.pods_of(live) != traffic.pods_of(first):
            return  # it is gone, or somebody stopped it again
        seen = {key: live["metadata"][key] for key in ("uid", "resourceVersion")}
        gone = {"metadata": {**seen, "annotations": dict.fromkeys((marks.STOPPED, marks.STOPPED_OF))}}
        answer = client.ask(Request("PATCH", path, what, query, gone, MERGE_TYPE))
        if answer.status == HTTPStatus.OK:
            return
        if not is_moved(answer):
            raise error_of(answer)
        live = found_object(client.find(path, what), ref, what)
    raise moving(what)
