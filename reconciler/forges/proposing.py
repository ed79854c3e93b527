"""Bringing a branch of ours to a commit, wherever Git can push.

Knows branches and our signing key; no forge. Rules: a branch is moved by compare-and-swap, and never where somebody
else made it or added to it.
"""

from reconciler.errors import ReconcilerError, Refused
from reconciler.git import history, signatures
from reconciler.git.mirror import Mirror
from reconciler.git.push import PushResult, push
from reconciler.git.refnames import branch as branch_ref
from reconciler.names import Revision


def place(mirror: Mirror, branch: str, head: Revision, *, key: str, proposed: bool) -> None:
    """Make the remote's branch stand at `head`, which is in the mirror.

    `key`: the public line of the key that we sign with. `proposed`: whether a pull request of ours is open for the
    branch. Raises Refused where the branch is somebody else's or was moved meanwhile.
    """
    mirror.sync()
    stands = mirror.refs().get(f"refs/heads/{branch}")
    if stands == head:
        return
    if stands is not None and not (proposed and _ours(mirror, stands, key)):
        raise Refused(
            f"proposing {branch}: the branch exists and holds {stands}, which is not ours",
            key="resource_conflict",
            hint="merge or remove that branch first",
        )
    if push(mirror.repository, mirror.remote, branch_ref(branch), stands, head) is PushResult.MOVED:
        raise Refused(f"proposing {branch}: somebody moved it meanwhile", key="resource_conflict")


def _ours(mirror: Mirror, stands: Revision, key: str) -> bool:
    """Whether we wrote a commit: our signature says so, whoever pushed it."""
    try:
        return signatures.verify_commit(history.commit(mirror.repository, stands)).key == key
    except ReconcilerError:
        return False
