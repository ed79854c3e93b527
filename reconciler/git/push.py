"""Moving a ref of the remote, by compare-and-swap.

Knows one `git push` with a lease and how to tell a lost race from everything else: after a rejection it looks where
the ref stands now, because forges word their refusals differently. Knows nothing of what is pushed. The rule: exactly
one of several pushers wins (measured: L7), and "moved" is a value, since losing a race is expected.
"""

import re
from enum import StrEnum

from reconciler.errors import Rejected
from reconciler.git.bare import BareRepository
from reconciler.git.outcry import failure, quoted
from reconciler.git.refnames import checked
from reconciler.git.remote import Remote
from reconciler.git.transport import LONG
from reconciler.names import Revision

_CONTENDED = re.compile(
    r"cannot lock ref|failed to (update ref|lock)|unable to create '[^']*\.lock'|stale info", re.IGNORECASE
)


class PushResult(StrEnum):
    """DONE: the ref stands at the new commit. MOVED: somebody else moved it, or is about to; look again."""

    DONE = "done"
    MOVED = "moved"


def push(
    repository: BareRepository, remote: Remote, ref: str, old: Revision | None, new: Revision | None
) -> PushResult:
    """Move `ref` of the remote from `old` (None: it must not exist) to `new` (None: remove it).

    Raises Rejected where the remote refuses what is pushed, Unavailable where it cannot be reached; after Unavailable
    the push may have happened, and pushing the same again answers DONE then.
    """
    checked(ref)
    answer = repository.transport.run(
        [
            *("push", "--porcelain", "--atomic", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"),
            *(f"--force-with-lease={ref}:{old or ''}", "--end-of-options", remote.url, f"{new or ''}:{ref}"),
        ],
        directory=repository.path,
        remote=remote,
        allowed=range(256),
        timeout=LONG,
    )
    if answer.code == 0:
        return PushResult.DONE
    lines = [line for line in answer.text.splitlines() if line.startswith("!")]
    if not lines:
        raise failure("push", answer.code, answer.err, remote)
    stands = remote_ref(repository, remote, ref)
    if stands == new:
        return PushResult.DONE
    if stands != old or _CONTENDED.search(lines[0] + answer.err):
        return PushResult.MOVED
    raise Rejected(f"pushing {ref} to {remote.url}: {quoted(lines[0])}; {quoted(answer.err)}", key="permission_denied")


def remote_ref(repository: BareRepository, remote: Remote, ref: str) -> Revision | None:
    """Where one ref of the remote stands now; None where it does not exist."""
    answer = repository.transport.run(
        ["ls-remote", "--quiet", "--refs", "--end-of-options", remote.url, checked(ref)], remote=remote
    )
    for line in answer.out.decode(errors="replace").splitlines():
        revision, _, name = line.partition("\t")
        if name == ref:
            return Revision(revision)
    return None
