"""`strategy.type: recreate` and `rolling`, in the words that each kind of workload has for them.

Knows the fields of three kinds (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/). Rule: what a
kind cannot do is a problem at the line that asks for it.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from reconciler.errors import Problem
from reconciler.specs.finding import VALIDATION
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.strategy import Rolling, StrategyType
from reconciler.specs.objects import Placed, object_ref
from reconciler.specs.spec import Spec

FIELDS: Mapping[str, str] = MappingProxyType(
    {"Deployment": "strategy", "StatefulSet": "updateStrategy", "DaemonSet": "updateStrategy"}
)


class _Misfit(Exception):
    """A kind of workload has no such way. The words say why."""


def put_strategy(workloads: list[Placed], release: Spec[Release], problems: list[Problem]) -> None:
    """Give every workload of a release the way that it asks for, where it asks for one."""
    strategy = release.spec.strategy
    steps: tuple[str, ...] = ("strategy", "rolling") if strategy.rolling is not None else ("strategy", "type")
    asked = strategy.type is StrategyType.RECREATE or strategy.rolling is not None
    if asked and not workloads:
        message = "the source has no Deployment, StatefulSet or DaemonSet that this could be said of"
        problems.append(Problem(release.place_of(*steps), VALIDATION, message))
    for item in workloads:
        body, kind = item.value, item.value["kind"]
        try:
            if strategy.type is StrategyType.RECREATE:
                body["spec"][FIELDS[kind]] = _recreate(kind)
            elif strategy.rolling is not None:
                body["spec"][FIELDS[kind]] = _rolling(kind, strategy.rolling, body["spec"].get(FIELDS[kind]))
            elif "type" in strategy.model_fields_set and strategy.type is StrategyType.ROLLING:
                _not_otherwise(body["spec"], FIELDS[kind])
        except _Misfit as misfit:
            message = f"{object_ref(body)}: {misfit}"
            problems.append(Problem(release.place_of(*steps), VALIDATION, message))


def _recreate(kind: str) -> dict[str, Any]:
    if kind != "Deployment":
        raise _Misfit(f"a {kind} cannot stop all of its pods before it starts new ones; only a Deployment can")
    return {"type": "Recreate"}


def _not_otherwise(spec: dict[str, Any], field: str) -> None:
    """The release says rolling and no more: what the source says of rolling stays, another way does not."""
    match spec.get(field):
        case {"type": str(way)} if way != "RollingUpdate":
            spec[field] = {"type": "RollingUpdate"}


def _rolling(kind: str, rolling: Rolling, before: Any) -> dict[str, Any]:
    kept = before.get("rollingUpdate") if isinstance(before, dict) else None
    return {"type": "RollingUpdate", "rollingUpdate": _WAYS[kind](rolling, kept if isinstance(kept, dict) else {})}


def _of_deployment(rolling: Rolling, _kept: Mapping[str, Any]) -> dict[str, Any]:
    if _is_none(rolling.max_surge) and _is_none(rolling.max_unavailable):
        raise _Misfit("maxSurge and maxUnavailable are both 0, so no pod could ever be replaced")
    return {"maxSurge": _number(rolling.max_surge), "maxUnavailable": _number(rolling.max_unavailable)}


def _of_stateful_set(rolling: Rolling, kept: Mapping[str, Any]) -> dict[str, Any]:
    if "max_surge" in rolling.model_fields_set:
        raise _Misfit("a StatefulSet has no maxSurge: its pods have names, and one takes the place of another")
    if "max_unavailable" not in rolling.model_fields_set:
        return {**kept}
    if _is_none(rolling.max_unavailable):
        raise _Misfit("maxUnavailable is 0, so no pod could ever be replaced")
    return {**kept, "maxUnavailable": _number(rolling.max_unavailable)}  # a partition stays


def _of_daemon_set(rolling: Rolling, _kept: Mapping[str, Any]) -> dict[str, Any]:
    given = rolling.model_fields_set
    surge = rolling.max_surge if "max_surge" in given else "0"
    # its own default is 1, which the API server refuses beside a surge
    unavailable = rolling.max_unavailable if "max_unavailable" in given else "1" if _is_none(surge) else "0"
    if _is_none(surge) == _is_none(unavailable):
        raise _Misfit("a DaemonSet takes exactly one of maxSurge and maxUnavailable, the other is 0")
    return {"maxSurge": _number(surge), "maxUnavailable": _number(unavailable)}


_WAYS: Mapping[str, Callable[[Rolling, Mapping[str, Any]], dict[str, Any]]] = MappingProxyType(
    {"Deployment": _of_deployment, "StatefulSet": _of_stateful_set, "DaemonSet": _of_daemon_set}
)


def _is_none(amount: str) -> bool:
    return int(amount.removesuffix("%")) == 0


def _number(amount: str) -> int | str:
    return amount if amount.endswith("%") else int(amount)
