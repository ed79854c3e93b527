"""Tags of a repository: the commits that they stand for, their order, and who verifiably made one.

Knows the format of tag objects (https://git-scm.com/docs/git-mktag) and their SSH signatures. Knows no policy: whose a
key is, is decided elsewhere. The rules: what stands for no commit is no tag here; who tagged is what the tag says and
proves nothing, a key is named only where it signed the very bytes of this name and commit.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pygit2
from pygit2.enums import ObjectType, SortMode

from reconciler.errors import ReconcilerError
from reconciler.git import signatures
from reconciler.git.bare import BareRepository
from reconciler.names import Revision

PREFIX = "refs/tags/"
DEEPEST = 5  # tags of tags
LARGEST = 64 * 1024  # bytes of a tag object; what is larger says nothing about its maker

_HEAD = re.compile(
    rb"object (?P<object>[0-9a-f]{40})\ntype (?P<type>[a-z]+)\ntag (?P<name>[^\n]*)\n"
    rb"(?:tagger [^\n]*?<(?P<email>[^<>\n]*)>[^\n]*\n)?"
)
_SIGNATURE = b"-----BEGIN SSH SIGNATURE-----"


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag that stands for a commit. `target` is what its ref names: the commit, or an object about it."""

    name: str
    target: Revision
    commit: Revision

    @property
    def annotated(self) -> bool:
        """Whether somebody wrote something about it."""
        return self.target != self.commit


@dataclass(frozen=True, slots=True)
class Maker:
    """Who made a tag: the address that it names, unproven, and the public key line that verifiably signed it."""

    email: str = ""
    key: str = ""


def names(refs: Mapping[str, Revision]) -> dict[str, Revision]:
    """Where each tag's ref stands, by the tag's short name."""
    return {name.removeprefix(PREFIX): target for name, target in refs.items() if name.startswith(PREFIX)}


def found(repository: BareRepository, targets: Mapping[str, Revision]) -> tuple[Tag, ...]:
    """The tags among these that stand for a commit, by name."""
    made = []
    for name, target in sorted(targets.items()):
        commit = _commit(repository, target)
        if commit is not None:
            made.append(Tag(name, target, commit))
    return tuple(made)


def maker(repository: BareRepository, tag: Tag) -> Maker:
    """Who made a tag, as far as it tells. A signature that does not check, or of another name, is nobody's."""
    raw = _read(repository, tag.target) if tag.annotated else None
    head = _HEAD.match(raw) if raw is not None else None
    if raw is None or head is None:
        return Maker()
    email = (head["email"] or b"").decode(errors="backslashreplace")
    direct = head["object"].decode() == tag.commit and head["name"] == tag.name.encode()
    payload, mark, rest = raw.partition(_SIGNATURE)
    if not direct or not mark or _SIGNATURE in rest:
        return Maker(email)
    try:
        key = signatures.verify(payload, signatures.COMMITS, (mark + rest).decode(errors="replace"))
    except ReconcilerError:
        return Maker(email)
    return Maker(email, key)


def newest_first(repository: BareRepository, tags: Iterable[Tag], without: Revision | None) -> tuple[Tag, ...]:
    """Tags in the order of history, descendants first; those that a commit has already are left out."""
    by_commit: dict[str, list[Tag]] = {}
    for tag in tags:
        by_commit.setdefault(tag.commit, []).append(tag)
    return tuple(
        tag
        for commit in _walk(repository, by_commit, without)
        for tag in sorted(by_commit.get(commit, ()), key=lambda one: one.name, reverse=True)
    )


def brought(repository: BareRepository, base: Revision | None, head: Revision) -> frozenset[str]:
    """The ids of the commits that a head has beside a base."""
    return frozenset(_walk(repository, (head,), base))


def _walk(repository: BareRepository, heads: Iterable[str], base: Revision | None) -> Iterator[str]:
    with repository.reading("the history of tags"):
        walker = repository.objects.walk(None, SortMode.TOPOLOGICAL | SortMode.TIME)
        for head in heads:
            walker.push(pygit2.Oid(hex=head))
        if base is not None:
            walker.hide(pygit2.Oid(hex=base))
        for commit in walker:
            yield str(commit.id)


def _commit(repository: BareRepository, target: Revision) -> Revision | None:
    for _ in range(DEEPEST):
        match _type(repository, target):
            case ObjectType.COMMIT:
                return target
            case ObjectType.TAG:
                head = _HEAD.match(_read(repository, target) or b"")
                if head is None:
                    return None
                target = Revision(head["object"].decode())
            case _:
                return None
    return None


def _type(repository: BareRepository, target: Revision) -> int | None:
    if not repository.has(target):
        return None
    with repository.reading(f"object {target}"):
        return int(repository.objects.odb.read_header(pygit2.Oid(hex=target))[0])


def _read(repository: BareRepository, target: Revision) -> bytes | None:
    with repository.reading(f"tag {target}"):
        kind, content = repository.objects.odb.read(pygit2.Oid(hex=target))
    return content if kind == ObjectType.TAG and len(content) <= LARGEST else None
