"""A Deployment's way from rolling to Recreate by server-side apply.

The server fills in `spec.strategy.rollingUpdate`, which nobody owns and which it then refuses beside Recreate, also
where an apply says null (seen on 1.36). An apply takes away only what it owned alone: so what the server filled in is
owned first, with every value as it stands, and given up by the apply that follows. A dry run cannot show two steps: it
is asked without the strategy, and for that field what is sent is the result (G9).
"""

from typing import Any

from reconciler.kube.marks import FIELD_MANAGER
from reconciler.kube.projection import Fields
from reconciler.state.observed import Json

_STRATEGY: Fields = {"f:type": {}, "f:rollingUpdate": {"f:maxSurge": {}, "f:maxUnavailable": {}}}
FIELDS: Fields = {"f:spec": {"f:strategy": _STRATEGY}}  # the whole strategy: what goes is compared, and shown


def leaves_rolling(sent: Json, live: Json) -> bool:
    """Whether this apply would have to take away what the server filled in for rolling."""
    if live is None or sent.get("kind") != "Deployment" or _strategy(sent).get("type") != "Recreate":
        return False
    return _strategy(live).get("rollingUpdate") is not None


def without_strategy(body: Json) -> Json:
    """A copy that says nothing of the strategy."""
    return {**body, "spec": {key: value for key, value in body["spec"].items() if key != "strategy"}}


def with_strategy(body: Json, sent: Json) -> Json:
    """A copy with the strategy that is sent."""
    return {**body, "spec": {**body.get("spec", {}), "strategy": sent["spec"]["strategy"]}}


def in_the_way(live: Json) -> tuple[str, ...]:
    """Other managers that own what would have to go: the field stays while they do."""
    return tuple(
        sorted(
            f"{entry.get('manager')}: spec.strategy.rollingUpdate"
            for entry in live["metadata"].get("managedFields") or ()
            if not (entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply")
            and "f:rollingUpdate" in ((entry.get("fieldsV1") or {}).get("f:spec") or {}).get("f:strategy", {})
        )
    )


def _strategy(body: Json) -> dict[str, Any]:
    spec = body.get("spec")
    strategy = spec.get("strategy") if isinstance(spec, dict) else None
    return strategy if isinstance(strategy, dict) else {}
