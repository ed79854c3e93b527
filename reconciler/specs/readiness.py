"""That what a release says of the readiness of its custom resources is said of something that it has."""

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.errors import Problem
from reconciler.specs.cluster_scoped import group_of
from reconciler.specs.finding import VALIDATION
from reconciler.specs.kinds import Release
from reconciler.specs.spec import Spec


def check_kinds(release: Spec[Release], objects: Sequence[Mapping[str, Any]], problems: list[Problem]) -> None:
    """Add what is said of nothing to `problems`: somebody would wait by other rules than they wrote."""
    there = {(group_of(str(item["apiVersion"])), item["kind"]) for item in objects}
    for number, one in enumerate(release.spec.health.readiness):
        if (one.group, one.kind) not in there:
            place = release.place_of("health", "readiness", number, "kind")
            problems.append(Problem(place, VALIDATION, f"the source has no {one.kind} of {one.group}"))
