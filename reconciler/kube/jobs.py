"""What became of a Job that was run: how it ended, and the last lines that its pods wrote.

Its words and its log are strangers' and may hold a secret: who tells them hides those first. A log that cannot be read
changes no judgement.
"""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

from reconciler.errors import Rejected, Unavailable
from reconciler.kube import marks
from reconciler.kube.client import Client
from reconciler.kube.marks import Marks
from reconciler.names import ObjectRef
from reconciler.state.observed import JobSeen, Json

MOST_LINES: Final = 200
MOST_BYTES: Final = 64 * 1024
MOST_PODS: Final = 5  # tries whose log is told: the newest
LOG_SECONDS: Final = 10.0


def seen(body: Json, owner: Marks) -> JobSeen:
    """A live Job as a value."""
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
        words=words,
        took=_took(status, end),
    )


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
    text = ""
    for container in pod["spec"].get("containers") or ():
        query = urlencode({"container": container["name"], "tailLines": MOST_LINES, "limitBytes": MOST_BYTES})
        path = f"{where}/{quote(name, safe='')}/log?{query}"
        what = f"reading the log of pod {name}"
        status, data, _ = client.through(path, what, LOG_SECONDS, MOST_BYTES)
        if status != HTTPStatus.OK:
            text += f"(the log of pod {name} is not known: the server answered {status})\n"
            continue
        said = data.decode(errors="replace")
        text += said if not said or said.endswith("\n") else f"{said}\n"
    return text


def _took(status: Any, end: Any) -> timedelta | None:
    try:
        begun = datetime.fromisoformat(str(status["startTime"]))
        ended = datetime.fromisoformat(str(status.get("completionTime") or end["lastTransitionTime"]))
    except (KeyError, ValueError):
        return None
    return ended - begun
