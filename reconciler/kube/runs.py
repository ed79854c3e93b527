"""Which runs of Jobs this process knows: those that it made, and those that it found made of what it would make.

Whoever may make Jobs in a namespace can make one of a run's name, with every mark on it, that does something else or
nothing. Marks say whose a run is, never what it does. So what is found is compared with what the server would make now
of what was approved, whatever admission adds to it or replaces; that is asked once for each object, by its uid, for
what a Job runs cannot be changed. Rule: nothing is told of a run that is not known.

Left out is what Kubernetes lets others change of a Job that waits (where its pods run, and their labels, as Kueue
does), and what we change to stop it. https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from collections.abc import Mapping
from typing import Any, Final

from reconciler.errors import Refused
from reconciler.kube.client import JSON_TYPE, Client, Request
from reconciler.kube.marks import FIELD_MANAGER
from reconciler.kube.verdicts import check_applied
from reconciler.kube.wanted import Wanted
from reconciler.plan.diff import diff
from reconciler.plan.jobs import TRIED
from reconciler.state.observed import Json

LIMIT: Final = "activeDeadlineSeconds"
OF_SPEC: Final = frozenset({"selector", "suspend", LIMIT, "template"})
OF_PODS: Final = frozenset({"nodeSelector", "tolerations", "affinity", "schedulingGates"})
OF_METADATA: Final = frozenset({"labels", "annotations", "creationTimestamp"})
MOST_TOLD: Final = 5  # fields that are named
LONGEST_TOLD: Final = 120  # characters of each
HINT: Final = (
    "Somebody else made it, or what admits Jobs there changes them otherwise since. Look at it and delete it; then"
    " retry, revert or order the return again: the approved one is run."
)


class Runs:
    """By uid; safe for several threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: set[str] = set()

    def know(self, made: Json) -> None:
        """This process made it."""
        self._known.add(made["metadata"]["uid"])

    def knows(self, live: Json) -> bool:
        """Whether this process made it, or looked at what it is made of."""
        return live["metadata"]["uid"] in self._known

    def check(self, found: Wanted, body: Json, run: str, live: Json) -> None:
        """Know a run that was found. `body` is what is sent to make it. Raises Refused where it would be another."""
        answer = self._client.ask(_trial(found, body, run))
        check_applied(answer, existed=True)
        made = answer.json
        other = differing(live["spec"], made["spec"])
        if other:
            message = f"running {found.ref}: it stands there, and is not made of what was approved ({', '.join(other)})"
            raise Refused(message, key="target_changed", hint=HINT)
        self.know(live)


def differing(live: Mapping[str, Any], made: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields of a Job's spec by which another would run, or for longer; no values."""
    stands, wanted = _what_runs(live), _what_runs(made)
    if not live.get("parallelism"):  # it is stopped, or does nothing
        stands["parallelism"] = wanted["parallelism"] = 0
    limit, most = live.get(LIMIT), made.get(LIMIT)
    longer = () if most is None or (isinstance(limit, int) and limit <= most) else (f"spec.{LIMIT}",)
    if stands == wanted:
        return longer
    fields = tuple(f"spec.{one.path}"[:LONGEST_TOLD] for one in diff(wanted, stands)[:MOST_TOLD])
    return (*(fields or ("the order of a list",)), *longer)


def _trial(found: Wanted, body: Json, run: str) -> Request:
    """The same creation under the name that no run has, of which nothing stays."""
    assert found.resource is not None  # noqa: S101  callers have looked
    name = f"{found.ref.name.removesuffix(run)}{TRIED}"
    sent = {**body, "metadata": {**body["metadata"], "name": name}}
    query = {"fieldManager": FIELD_MANAGER, "dryRun": "All"}
    path = found.resource.path(found.ref.namespace)
    return Request("POST", path, f"asking what {found.ref} would be made of", query, sent, JSON_TYPE)


def _what_runs(spec: Mapping[str, Any]) -> dict[str, Any]:
    template = spec.get("template") or {}
    pods, metadata = template.get("spec") or {}, template.get("metadata") or {}
    return {
        **_without(spec, OF_SPEC),
        "template": {"spec": _without(pods, OF_PODS), "metadata": _without(metadata, OF_METADATA)},
    }


def _without(value: Mapping[str, Any], left_out: frozenset[str]) -> dict[str, Any]:
    return {name: one for name, one in value.items() if name not in left_out}
