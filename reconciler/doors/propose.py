"""Proposing another version: of a release by its variables, of an environment by its revision (G19).

A branch and a pull request of the person who asks, who so counts as its author (G14). The rule: what is proposed is
read again before it is pushed, and what has a problem is not pushed.
"""

import re
from collections.abc import Mapping, Sequence

from reconciler.app import promotion
from reconciler.app.promotion import Move
from reconciler.doors.orders import Proposed, propose
from reconciler.doors.people import Desk
from reconciler.doors.reading import Reading
from reconciler.errors import Refused, SpecError
from reconciler.git import history, tags
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Person as Name
from reconciler.git.tags import Tag
from reconciler.git.trees import find
from reconciler.git.write import commit_tree
from reconciler.names import SHORT, Revision
from reconciler.report import neutral
from reconciler.specs.desired import Desired
from reconciler.specs.kinds import Environment, Release
from reconciler.specs.nodes import SPEC_LIMITS
from reconciler.specs.rewriting import with_variables
from reconciler.specs.spec import Spec

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHORTENED = re.compile(r"[0-9a-f]{7,40}")
_NOT_IN_A_BRANCH = re.compile(r"[^A-Za-z0-9._-]+")


def release(reading: Reading, desk: Desk, name: str, environment: str, values: Mapping[str, str]) -> Proposed:
    """A branch and a pull request that set variables of a release. Raises Refused, SpecError."""
    desired = reading.desired()
    spec = release_named(desired, name, environment)
    text = text_of(reading, spec.path)
    changed = with_variables(text, spec, values)
    if changed == text:
        said = ", ".join(f"{key}={value}" for key, value in values.items())
        raise Refused(f"proposing {said} for {spec.name}: it says so already", key="resource_conflict")
    title = f"{spec.name}: {', '.join(f'{key} {value}' for key, value in values.items())}"
    branch = _NOT_IN_A_BRANCH.sub("-", "-".join((spec.name, *values.values())))[:100].strip("-.")
    return edited(reading, desk, {spec.path: changed.encode()}, title, branch, "")


def text_of(reading: Reading, path: str) -> str:
    """A file of the tracked branch. Raises Refused."""
    found = find(reading.mirror.repository, reading.revision, path)
    content = reading.mirror.repository.blob(found.blob, SPEC_LIMITS.size) if found is not None else None
    if content is None:
        raise Refused(f"reading {path}: it cannot be read", key="validation_error")
    return content.decode("utf-8")


def edited(reading: Reading, desk: Desk, files: Mapping[str, bytes], title: str, branch: str, body: str) -> Proposed:
    """A branch and a pull request of these files. Raises Refused, SpecError where they have a new problem."""
    commit = _committed(reading, desk, files, title)
    _check(reading, commit)
    return propose(reading, desk, branch, commit, title, body)


def release_named(desired: Desired, name: str, environment: str) -> Spec[Release]:
    """A release by its name, or by its service's, in an environment. Raises Refused(release_not_found)."""
    here = [one for one in desired.releases_in(environment) if name in (one.name, one.spec.service)]
    exact = [one for one in here if one.name == name] or here
    if len(exact) != 1:
        known = ", ".join(one.name for one in desired.releases_in(environment)) or "none"
        raise Refused(
            f"looking for release {name[:80]} in {environment[:80]}: "
            + ("several releases are of this service" if exact else "there is none"),
            key="release_not_found",
            hint=f"releases there: {known}",
        )
    return exact[0]


def promote(reading: Reading, desk: Desk, environment: str, revision: str = "", *, previous: bool = False) -> Proposed:
    """A branch and a pull request that set an environment's revision. Raises Refused, SpecError."""
    spec = promotion.environment_named(reading.desired(), environment)
    repository = reading.mirror.repository
    known = tags.found(repository, tags.names(reading.mirror.refs()))
    move = _before(spec, repository, known) if previous else _named(spec, repository, known, revision)
    if move.old == move.new:
        raise Refused(
            f"promoting {spec.name} to {move.new[:SHORT]}: it is already there",
            key="resource_conflict",
            hint="`reconciler get releases` shows which revision is where",
        )
    if not history.is_ancestor(repository, move.new, reading.revision):
        raise _unknown(spec, move.new, f"it is not on {reading.settings.branch}")
    files = promotion.files_of(reading.desires, reading.revision, move)
    commit = _committed(reading, desk, files, move.title)
    promotion.check(reading.desires, reading.revision, commit, move)
    body = promotion.body_of(reading.desires, reading.revision, commit, move)
    return propose(reading, desk, move.branch(reading.revision), commit, move.title, body)


def _before(spec: Spec[Environment], repository: BareRepository, known: Sequence[Tag]) -> Move:
    found = promotion.previous(repository, known, spec.spec)
    old = spec.spec.revision
    if found is not None and old is not None:
        return Move(spec.name, Revision(old), found.commit, found.name)
    pattern = promotion.pattern_of(spec.spec)
    why = f"no tag {pattern} stands before {old[:SHORT]}" if old else "it has no revision, it follows the tip"
    raise Refused(
        f"looking for the tag before the one in force in {spec.name}: {why}",
        key="release_state_invalid",
        hint="name a commit or a tag with --revision",
    )


def _named(spec: Spec[Environment], repository: BareRepository, known: Sequence[Tag], text: str) -> Move:
    """A tag by its name, else a commit by its whole id or the beginning of it."""
    old = Revision(spec.spec.revision) if spec.spec.revision is not None else None
    tag = next((one for one in known if one.name == text), None)
    whole = _COMMIT.fullmatch(text) is not None
    if tag is not None and not whole:
        return Move(spec.name, old, tag.commit, tag.name)
    found = history.found(repository, text) if _SHORTENED.fullmatch(text) else None
    if found is None:
        raise _unknown(spec, text, "there is no such commit or tag")
    return Move(spec.name, old, found, promotion.tag_at(found, known, promotion.pattern_of(spec.spec)))


def _unknown(spec: Spec[Environment], text: str, why: str) -> Refused:
    hint = "name a commit of the tracked branch, or a tag of one"
    return Refused(f"promoting {spec.name} to {neutral.name(text, cap=80)}: {why}", key="validation_error", hint=hint)


def _committed(reading: Reading, desk: Desk, files: Mapping[str, bytes], title: str) -> Revision:
    return commit_tree(
        reading.mirror.repository,
        files=files,
        parents=(reading.revision,),
        message=title + "\n",
        author=Name(desk.login, desk.email(), desk.clock.now()),
        signer=desk.key,
    )


def _check(reading: Reading, commit: Revision) -> None:
    problems = reading.desires.at(commit).desired.problems
    known = {(one.place.path, one.key, one.message) for one in reading.desired().problems}
    new = [one for one in problems if (one.place.path, one.key, one.message) not in known]
    if new:
        raise SpecError(new)
