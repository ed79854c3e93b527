"""Letting go of an object: what takes our marks and our ownership away, and leaves every value (G28)."""

from reconciler.kube import marks
from reconciler.state.observed import Json


def without_us(live: Json) -> Json:
    """A merge patch that removes our marks and our entries of managedFields, and nothing else."""
    metadata = live["metadata"]
    others = [
        entry
        for entry in metadata.get("managedFields") or ()
        if entry.get("manager") not in (marks.FIELD_MANAGER, marks.HAND_OVER_MANAGER)
    ]
    patch = {
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
        "managedFields": others or [{}],  # an empty list would mean "as it was"; one empty entry means none
    }
    for key, ours in (("labels", marks.OUR_LABELS), ("annotations", marks.OUR_ANNOTATIONS)):
        present = sorted(ours & set(metadata.get(key) or ()))
        if present:
            patch[key] = dict.fromkeys(present)
    return {"metadata": patch}
