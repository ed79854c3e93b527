"""Whether a chain of audit commits is whole and ours.

Knows what each audit commit must be: one parent, signed by one of our keys, adding files and taking none away. Knows
no remote and no anchor's place. The rule: what was written stays as it was; an edit, a reordering, a removal or a
foreign commit shows (threat T40). Anybody with a clone and the public keys can ask.
"""

from collections.abc import Iterator, Set
from dataclasses import dataclass

from pygit2.enums import FileMode

from reconciler.errors import ReconcilerError, Untrusted
from reconciler.git import history
from reconciler.git.audit_message import Record, entry_of
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Commit
from reconciler.git.signatures import verify_commit
from reconciler.git.trees import changed
from reconciler.names import Revision

DIVERGED = "audit_diverged"
LARGEST = 64 * 1024 * 1024  # bytes of one file of an entry


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and at which commit."""

    revision: Revision
    problem: str


def findings(
    repository: BareRepository, tip: Revision, trusted: Set[str], anchor: Revision | None = None
) -> tuple[Finding, ...]:
    """Everything that is wrong from the root to `tip`, newest first. `trusted` are public key lines."""
    found: list[Finding] = []
    seen: set[Revision] = set()
    at: Revision | None = tip
    while at is not None and at not in seen:
        seen.add(at)
        try:
            commit = history.commit(repository, at)
        except ReconcilerError as error:
            found.append(Finding(at, error.message))
            break
        if problem := flaw(repository, commit, trusted):
            found.append(Finding(at, problem))
        at = commit.parents[0] if commit.parents else None
    if anchor is not None and anchor not in seen:
        found.append(Finding(anchor, "the last tip that we saw is not in this history"))
    return tuple(found)


def flaw(repository: BareRepository, commit: Commit, trusted: Set[str]) -> str:
    """What is wrong with one audit commit, or an empty string."""
    if len(commit.parents) > 1:
        return "it has more than one parent"
    try:
        signature = verify_commit(commit)
    except Untrusted as error:
        return error.message
    if signature.key not in trusted:
        return f"it is {signature.standing} and not by a key of ours"
    allowed = entry_of(commit.message, {}).replaces
    for change in changed(repository, commit.parents[0] if commit.parents else None, commit.id):
        if change.new_blob is None:
            return f"it removes {change.path}"
        if change.new_mode != FileMode.BLOB:
            return f"it adds {change.path}, which is no plain file"
        if change.old_blob is not None and change.path not in allowed:
            return f"it changes {change.path}"
    return ""


def between(repository: BareRepository, since: Revision | None, tip: Revision) -> tuple[Revision, ...]:
    """The commits after `since` (None: from the root) up to `tip`, oldest first, along first parents.

    Raises Untrusted where `tip` does not descend from `since`.
    """
    found: list[Revision] = []
    at: Revision | None = tip
    while at is not None and at != since:
        found.append(at)
        parents = history.commit(repository, at).parents
        at = parents[0] if parents else None
    if since is not None and at is None:
        raise Untrusted(f"reading the audit branch: {tip} does not descend from {since}", key=DIVERGED)
    return tuple(reversed(found))


def first_foreign(repository: BareRepository, revisions: tuple[Revision, ...], trusted: Set[str]) -> Finding | None:
    """The first of some commits, oldest first, that is not ours."""
    problems = ((revision, flaw(repository, history.commit(repository, revision), trusted)) for revision in revisions)
    return next((Finding(revision, problem) for revision, problem in problems if problem), None)


def records(repository: BareRepository, revisions: tuple[Revision, ...]) -> Iterator[Record]:
    """Commits read back as entries, with the files that each added or replaced."""
    for revision in revisions:
        yield record(repository, revision)


def record(repository: BareRepository, revision: Revision) -> Record:
    """One commit read back. Raises Untrusted on a file that is larger than anything we write."""
    commit = history.commit(repository, revision)
    files: dict[str, bytes] = {}
    for change in changed(repository, commit.parents[0] if commit.parents else None, revision):
        content = repository.blob(change.new_blob, LARGEST) if change.new_blob else None
        if content is None:
            raise Untrusted(f"reading audit commit {revision}: {change.path} is gone or too large", key=DIVERGED)
        files[change.path] = content
    return Record(revision, commit.committer.at, entry_of(commit.message, files))
