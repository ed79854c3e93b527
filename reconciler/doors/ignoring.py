"""The drift of a release as a rule that leaves its fields to others: exactly that edit of its YAML, as a pull request.

The rule is made from the tracked branch as it stands, for that is what is changed; what cannot be left to others is
said and left out. The pull request is the person's own, by their own rights; where they have none here, or there is no
forge, the patch is theirs to bring. No value of a field stands in any of it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff

from pydantic import ValidationError

from reconciler.app.wiring import Assembly
from reconciler.canonical import digest_of
from reconciler.doors import propose
from reconciler.doors.drift import Explained
from reconciler.doors.orders import Proposed
from reconciler.doors.people import Desk
from reconciler.doors.reading import Json, Reading
from reconciler.errors import ReconcilerError, Refused
from reconciler.git.commits import Person as Author
from reconciler.git.write import commit_tree
from reconciler.names import SHORT, Revision
from reconciler.report import neutral
from reconciler.specs.ignoring import Object, ignored, pointers_of, why_kept
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.ignoring import MOST_POINTERS, IgnoredFields
from reconciler.specs.objects import object_ref
from reconciler.specs.rewriting import with_ignored
from reconciler.specs.spec import Spec
from reconciler.specs.ways import words

TAG = 8  # hex digits of the rules' digest in a branch's name, so that the same drift is proposed once


@dataclass(frozen=True, slots=True)
class Offer:
    """Rules for a release as the tracked branch says it. `fields`: what they leave, and to whom; `kept`: what they do
    not, and why."""

    release: str
    revision: Revision
    rules: tuple[IgnoredFields, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offered:
    """The edit as a patch, and its pull request; None where it could not be opened, and `why`."""

    patch: str
    proposed: Proposed | None = None
    why: str = ""


def offer(assembly: Assembly, found: Explained, name: str) -> Offer:
    """The rules that leave what drifted to others. Raises Refused where that is no release of the tracked branch."""
    tip = assembly.mirror.refs().get(f"refs/heads/{assembly.settings.branch}")
    bare = name.removeprefix("release/")
    desired = assembly.planner.desires.at(tip).desired if tip is not None else None
    if tip is None or desired is None or bare not in desired.releases or bare not in desired.sources:
        message = f"leaving fields of {name[:80]} to others: there is no such release on {assembly.settings.branch}"
        raise Refused(message, key="release_not_found", hint="name one release; `reconciler get release` lists them")
    spec, source = desired.releases[bare].spec, desired.sources[bare]
    pinned = desired.environments[spec.environment].spec.revision
    if pinned is not None:  # what is proposed edits the tip, and was found out at another commit
        message = f"leaving fields of {bare} to others: {spec.environment} stands at its revision {pinned[:SHORT]}"
        hint = "write the rule into a commit that comes after that one, and move the environment's revision to it"
        raise Refused(message, key="release_state_invalid", hint=hint)
    if source.unrendered is not None:  # nobody knows here what it says
        unknown = source.unrendered
        raise Refused(f"leaving fields of {bare} to others: {unknown.message}", key=unknown.key, hint=unknown.hint)
    objects = source.objects
    there = {str(object_ref(item)): item for item in objects}
    left = {(str(ref), words(way)) for ref, ways in ignored(spec, objects).items() for way in ways}
    pointers: dict[str, list[str]] = {}
    fields: list[tuple[str, str]] = []
    kept: list[str] = []
    for row in found.drift:
        place = f"{row['object']} {row['field'] or '(the object)'}"
        pointer = _pointer(there.get(row["object"]), row)
        why = _why_not(there.get(row["object"]), row, pointer, left) or (
            why_kept(there[row["object"]], pointer, spec.strategy.type)
        )
        if why:
            kept.append(f"{place}: {why}")
            continue
        pointers.setdefault(row["object"], []).append(pointer)
        fields.append((place, str(row["manager"])))
    made = [
        one for subject, found_there in sorted(pointers.items()) for one in _rules(there, subject, found_there, kept)
    ]
    return Offer(bare, tip, tuple(made), tuple(fields), tuple(kept))


def propose_offer(reading: Reading, desk: Callable[[], Desk], offered: Offer) -> Offered:
    """Open the pull request, or say why not; the patch in any case. Raises Refused where the branch moved meanwhile."""
    if reading.revision != offered.revision:
        message = f"leaving fields of {offered.release} to others: {reading.settings.branch} moved meanwhile"
        raise Refused(message, key="resource_conflict", hint="try again")
    spec = reading.desired().releases[offered.release]
    text = propose.text_of(reading, spec.path)
    changed = with_ignored(text, spec, offered.rules)
    _check_said(reading, spec, changed, offered)
    patch = "".join(_patch(text, changed, spec.path))
    tag = digest_of("ignore", [one.model_dump(mode="json") for one in offered.rules])[:TAG]
    title = f"{offered.release}: leave {_counted(len(offered.fields))} to others"
    try:
        if reading.settings.app is not None:
            raise Refused(
                "opening it here: the App is the reconciler's account and no person's", key="permission_denied"
            )
        person = desk()
        body = "\n".join(_body(offered))
        branch = f"ignore-{offered.release}-{tag}"
        made = propose.edited(reading, person, {spec.path: changed.encode()}, title, branch, body)
    except ReconcilerError as error:
        return Offered(patch, why=f"{error.message}{f' ({error.hint()})' if error.hint() else ''}")
    return Offered(patch, made)


def _check_said(reading: Reading, spec: Spec[Release], changed: str, offered: Offer) -> None:
    """Read the edited file again. Raises Refused where it says anything else than before and exactly the rules."""
    author = Author("reconciler", "reconciler@localhost", reading.clock.now())
    commit = commit_tree(
        reading.mirror.repository,
        files={spec.path: changed.encode()},
        parents=(reading.revision,),
        message="read again, and nowhere else\n",
        author=author,
    )
    before, after = reading.desired(), reading.desires.at(commit).desired
    wanted = {name: one.spec for name, one in before.releases.items()}
    listed = (*offered.rules, *spec.spec.ignore_differences)
    wanted[spec.name] = spec.spec.model_copy(update={"ignore_differences": listed})
    if {name: one.spec for name, one in after.releases.items()} != wanted or len(after.problems) > len(before.problems):
        message = (
            f"leaving fields of {spec.name} to others: {spec.path} is written in a way that only a person can add to"
        )
        raise Refused(message, key="validation_error", hint="write the rules by hand")


def _pointer(item: Object | None, row: Json) -> str:
    """The only way to a field that a preview names so; empty: nobody can tell."""
    found = [pointer for path, pointer in pointers_of(item) if path == row["field"]] if item is not None else []
    return found[0] if len(found) == 1 else ""


def _why_not(item: Object | None, row: Json, pointer: str, left: Iterable[tuple[str, str]]) -> str:
    if (row["object"], row["field"]) in left:
        return "the tracked branch leaves it to others already; that holds from its approval on"
    if not row["field"] or item is None:
        return str(row["what"]) if not row["field"] else "the tracked branch has no such object any more"
    return "" if pointer else "the source does not set it, or it cannot be told from another field"


def _rules(there: Mapping[str, Object], subject: str, pointers: list[str], kept: list[str]) -> Iterator[IgnoredFields]:
    ref = object_ref(there[subject])
    alike = Counter((object_ref(item).kind, object_ref(item).name) for item in there.values())[ref.kind, ref.name] > 1
    for start in range(0, len(pointers), MOST_POINTERS):
        try:
            yield IgnoredFields(
                group=ref.group if alike else None,
                kind=ref.kind,
                name=ref.name,
                namespace=(ref.namespace or None) if alike else None,
                json_pointers=tuple(pointers[start : start + MOST_POINTERS]),
            )
        except ValidationError:
            kept.append(f"{subject}: its name cannot be written in a rule")


def _body(offered: Offer) -> Iterator[str]:
    yield f"Others change {_counted(len(offered.fields))} of this release. With this change"
    yield "they are neither compared nor sent while their objects are there; a new object is made with them."
    yield ""
    for place, manager in offered.fields:
        yield f"- {neutral.code_name(place)} by {neutral.code_name(manager) if manager else 'nobody that is known'}"


def _counted(fields: int) -> str:
    return "1 field" if fields == 1 else f"{fields} fields"


def _patch(before: str, after: str, path: str) -> Iterator[str]:
    lines = before.splitlines(keepends=True), after.splitlines(keepends=True)
    for line in unified_diff(*lines, f"a/{path}", f"b/{path}"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
