"""What runs already and becomes a release's own: whose fields move, and when it may not (G27).

A new release adopts an object that nobody holds. An active controller (Flux, Argo CD, Helm, another object) would put
back what we change, so it is handed over first, and the way to do that is said. A Secret is never adopted: its values
would stand in Git, and a preview that told which of them are equal would be an oracle (G4).
"""

from typing import Final

from reconciler.names import ObjectRef
from reconciler.plan.change import Check, FieldChange
from reconciler.plan.part import error
from reconciler.state.observed import ObservedObject

REFUSED: Final = frozenset({"Secret", "Namespace", "CustomResourceDefinition"})
NOT_SHOWN: Final = "(exists)"
US: Final = "reconciler"
NOBODY: Final = "nobody"
REMOVE: Final = "take it out of the source, rename it, or remove the object by hand first"
LEAVE_OUT: Final = "leave it out of the source and refer to it by its name; it stays as it is"
RESET: Final = "clear its managedFields (`value: [{}]`, see docs/adopting.md)"
MANAGER: Final = "manager of "  # before the path of a field whose value stays
HAND_OVER: Final = {
    "Helm": "never `helm uninstall`, which deletes what runs, whatever its annotations say by now: have Helm forget the"
    " release by `kubectl delete secret --selector owner=helm,name=RELEASE`, remove the meta.helm.sh annotations, and "
    + RESET,
    "Flux": "set `prune: false` on the Flux object and delete it, remove its toolkit.fluxcd.io labels, and " + RESET,
    "Argo": "delete the Argo CD application with `--cascade=false`, remove its argocd marks, and " + RESET,
    "Fleet": "set `keepResources` on the GitRepo and delete it, and " + RESET,
}


def managers(item: ObservedObject) -> tuple[str, ...]:
    """Whose hold on the fields that we set ends."""
    return tuple(sorted({holder.manager for holder in item.holders}))


def in_conflict(item: ObservedObject) -> tuple[str, ...]:
    """Who holds fields that we set, with another value; a conflict is `manager: field`."""
    return tuple(sorted({conflict.partition(": ")[0] for conflict in item.conflicts}))


def held(item: ObservedObject) -> dict[str, list[str]]:
    """Which fields are taken from whom, for us: what an approval covers."""
    found: dict[str, list[str]] = {}
    for holder in item.holders:
        found[holder.manager] = sorted({*found.get(holder.manager, ()), *holder.paths})
    return found


def fields(changed: tuple[FieldChange, ...], item: ObservedObject) -> tuple[FieldChange, ...]:
    """Fields whose value changes, without what stands there; then each field whose ownership moves, and from whom;
    what the server put in and recorded for the same managers becomes nobody's, so that it may be set later."""
    hidden = tuple(one.model_copy(update={"before": None if one.before is None else NOT_SHOWN}) for one in changed)
    moved = tuple(
        FieldChange(path=f"{MANAGER}{path}", before=manager, after=US)
        for manager, paths in sorted(held(item).items())
        for path in paths
    )
    left = tuple(
        FieldChange(path=f"{MANAGER}{path}", before=manager, after=NOBODY)
        for manager, path in sorted({(one.manager, path) for one in item.holders for path in one.defaults})
    )
    return (*hidden, *moved, *left)


def refused(unit: str, cluster: str, ref: ObjectRef, item: ObservedObject, *, new: bool) -> Check:
    """Why an object that exists is not ours to apply, and what to do. `new`: the release may adopt."""
    if not item.owner:
        holder = "nobody that this reconciler knows"
        hint = LEAVE_OUT if new else f"{REMOVE}; a new release can adopt it"
    elif " " in item.owner:  # words name another controller
        holder = item.owner
        hint = HAND_OVER.get(item.owner.partition(" ")[0], REMOVE)
    else:
        holder, hint = f"release {item.owner}", REMOVE
    message = f"{ref} exists on {cluster} and is managed by {holder}"
    return error(unit, "owned_by_another", message, hint)
