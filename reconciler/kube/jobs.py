"""What became of a Job that was run: how it ended, how it is stopped, and the last lines that its pods wrote.

One that admission suspended (Kueue and others) waits, and goes on when they say so; so what is to do nothing later is
not only suspended: it has no pod to run, and no time. Its words and its log are strangers' and may hold a secret: who
tells them hides those first. A log that cannot be read changes no judgement.
"""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

from reconciler.errors import Rejected, Unavailable
from reconciler.kube import marks
from reconciler.kube.claims import claimant
from reconciler.kube.client import Client
from reconciler.kube.marks import Marks
from reconciler.kube.traffic import Turned
from reconciler.names import ObjectRef
from reconciler.state.observed import JobSeen, Json

MOST_LINES: Final = 200
MOST_BYTES: Final = 128 * 1024  # of one container, in whole lines: its last ones
MOST_READ: Final = 1024 * 1024  # the API gives the beginning of what it cuts, so fewer lines are asked for then
FEWER_LINES: Final = (MOST_LINES, 20, 1)
MOST_PODS: Final = 5  # tries whose log is told: the newest
LOG_SECONDS: Final = 10.0
TOO_LONG: Final = "(the last line of {pod} is too long to be told)\n"


def seen(body: Json, owner: Marks, name: str, *, known: bool) -> JobSeen:
    """A live Job as a value, as who has this name sees it. `known`: see runs.py."""
    status = body.get("status") or {}
    ends = {one["type"]: one for one in status.get("conditions") or () if one.get("status") == "True"}
    end = ends.get("Failed") or ends.get("Complete") or {}
    words = ": ".join(str(end[key]) for key in ("reason", "message") if end.get(key))
    return JobSeen(
        run=marks.run_of(body),
        owner=owner.owner(body),
        ended=bool(end),
        failed="Failed" in ends,
        suspended=bool(body["spec"].get("suspend")),
        stopped=_never_again(body["spec"]),
        uid=str(body["metadata"]["uid"]),
        claimed=claimant(body) == name,
        known=known,
        words=words,
        took=_took(status, end),
    )


def stopping(live: Json) -> Turned | None:
    """What stops it for good; None where that is done. Whoever lets a suspended Job go on finds nothing to run.

    All three may be changed of a Job: https://kubernetes.io/docs/concepts/workloads/controllers/job/
    """
    if _never_again(live["spec"]):
        return None
    return Turned(0, instead={"suspend": True, "parallelism": 0, "activeDeadlineSeconds": 1})


def _never_again(spec: Any) -> bool:
    return bool(spec.get("suspend")) and spec.get("parallelism") == 0


def log_of(client: Client, ref: ObjectRef) -> str:
    """The last lines of a Job's newest pods, oldest pod first; what kept us from reading them, in words."""
    where = f"/api/v1/namespaces/{quote(ref.namespace, safe='')}/pods"
    try:
        query = {"labelSelector": f"job-name={ref.name}"}
        pods = client.get(where, f"listing the pods of {ref}", query).get("items") or []
        newest = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))[-MOST_PODS:]
        return "".join(_of_pod(client, where, pod) for pod in newest)
    except (Rejected, Unavailable) as error:
        return f"(its log is not known: {error.message})\n"


def _of_pod(client: Client, where: str, pod: Json) -> str:
    name = pod["metadata"]["name"]
    return "".join(_of_container(client, where, name, one["name"]) for one in pod["spec"].get("containers") or ())


def _of_container(client: Client, where: str, pod: str, container: str) -> str:
    for lines in FEWER_LINES:
        path = f"{where}/{quote(pod, safe='')}/log?{urlencode({'container': container, 'tailLines': lines})}"
        status, data, _ = client.through(path, f"reading the log of pod {pod}", LOG_SECONDS, MOST_READ)
        if status != HTTPStatus.OK:
            return f"(the log of pod {pod} is not known: the server answered {status})\n"
        if len(data) < MOST_READ:
            said = _end_of(data).decode(errors="replace")
            return said if not said or said.endswith("\n") else f"{said}\n"
    return TOO_LONG.format(pod=pod)


def _end_of(data: bytes) -> bytes:
    """Its last whole lines: half a line may be half a secret, which nobody would know again."""
    if len(data) <= MOST_BYTES:
        return data
    cut = data.find(b"\n", len(data) - MOST_BYTES - 1) + 1
    return data[cut:] if cut and cut < len(data) else TOO_LONG.format(pod="it").encode()


def _took(status: Any, end: Any) -> timedelta | None:
    try:
        begun = datetime.fromisoformat(str(status["startTime"]))
        ended = datetime.fromisoformat(str(status.get("completionTime") or end["lastTransitionTime"]))
    except (KeyError, ValueError):
        return None
    return ended - begun
