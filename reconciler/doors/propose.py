"""Proposing another version of a release: the spec's own text with only the named values replaced, on a branch.

Knows where a value stands from the reader's outline, and YAML's marks for where it ends; nothing else of the file is
touched. The rule: what is proposed is read again before it is pushed, and what has a problem is not pushed.
"""

import json
import re
from collections.abc import Iterator, Mapping

import yaml

from reconciler.doors.orders import Proposed, propose
from reconciler.doors.people import Desk
from reconciler.doors.reading import Reading
from reconciler.errors import Place, Refused, SpecError
from reconciler.git.commits import Person as Name
from reconciler.git.trees import find
from reconciler.git.write import commit_tree
from reconciler.names import Revision
from reconciler.specs.desired import Desired
from reconciler.specs.kinds import Release
from reconciler.specs.nodes import SPEC_LIMITS
from reconciler.specs.scalars import typed
from reconciler.specs.spec import Spec

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")
_NOT_IN_A_BRANCH = re.compile(r"[^A-Za-z0-9._-]+")


def release(reading: Reading, desk: Desk, name: str, environment: str, values: Mapping[str, str]) -> Proposed:
    """A branch and a pull request that set variables of a release. Raises Refused, SpecError."""
    desired = reading.desired()
    spec = release_named(desired, name, environment)
    found = find(reading.mirror.repository, reading.revision, spec.path)
    content = reading.mirror.repository.blob(found.blob, SPEC_LIMITS.size) if found is not None else None
    if content is None:
        raise Refused(f"reading {spec.path}: it cannot be read", key="validation_error")
    text = content.decode("utf-8")
    changed = with_variables(text, spec, values)
    if changed == text:
        said = ", ".join(f"{key}={value}" for key, value in values.items())
        raise Refused(f"proposing {said} for {spec.name}: it says so already", key="resource_conflict")
    title = f"{spec.name}: {', '.join(f'{key} {value}' for key, value in values.items())}"
    commit = commit_tree(
        reading.mirror.repository,
        files={spec.path: changed.encode()},
        parents=(reading.revision,),
        message=title + "\n",
        author=Name(desk.login, desk.email(), desk.clock.now()),
        signer=desk.key,
    )
    _check(reading, commit)
    branch = _NOT_IN_A_BRANCH.sub("-", "-".join((spec.name, *values.values())))[:100].strip("-.")
    return propose(reading, desk, branch, commit, title, "")


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


def with_variables(text: str, spec: Spec[Release], values: Mapping[str, str]) -> str:
    """The same text with variables of one release set; what stood there keeps its place, what is new comes first."""
    for key, value in values.items():
        place = spec.place_of("variables", key)
        if key in spec.spec.variables:
            text = _replaced(text, place, value)
        elif spec.spec.variables:
            text = _inserted(text, spec.place_of("variables"), f"{key}: {_written(value)}")
        else:
            raise Refused(
                f"setting {key[:60]} of {spec.name}: its spec has no variables",
                key="validation_error",
                hint=f"write variables into {spec.path} by hand first",
            )
    return text


def _replaced(text: str, place: Place, value: str) -> str:
    for style, (start, line, column), end in _scalars(text):
        if (line, column) == (place.line, place.column) and style not in ("|", ">"):
            return text[:start] + _written(value, quoted=style is not None) + text[end:]
    raise Refused(
        f"setting a value at {place}: it is not written on one line there",
        key="validation_error",
        hint="edit it by hand",
    )


def _inserted(text: str, place: Place, entry: str) -> str:
    """Before the first entry of the mapping at a place."""
    lines = text.split("\n")
    line, column = lines[place.line - 1], place.column - 1
    if line[column : column + 1] == "{":
        lines[place.line - 1] = f"{line[: column + 1]}{entry}, {line[column + 1 :]}"
    else:
        lines.insert(place.line - 1, " " * column + entry)
    return "\n".join(lines)


def _scalars(text: str) -> Iterator[tuple[str | None, tuple[int, int, int], int]]:
    """Style, (index, line, column) and end of every scalar. Only events of the parser: nothing is constructed."""
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):  # libyaml's marks count bytes, this one's characters
            start, end = event.start_mark, event.end_mark
            if isinstance(event, yaml.ScalarEvent) and start is not None and end is not None:
                yield event.style, (start.index, start.line + 1, start.column + 1), end.index
    except yaml.YAMLError as error:
        raise Refused("reading the spec's file again: it is not YAML", key="validation_error") from error


def _written(value: str, *, quoted: bool = False) -> str:
    """A value as YAML writes it on one line: plain only where every reader takes it for the same text."""
    if not quoted and _PLAIN.fullmatch(value) and typed(value) == value:
        return value
    return json.dumps(value)


def _check(reading: Reading, commit: Revision) -> None:
    problems = reading.desires.at(commit).desired.problems
    known = {(one.place.path, one.key, one.message) for one in reading.desired().problems}
    new = [one for one in problems if (one.place.path, one.key, one.message) not in known]
    if new:
        raise SpecError(new)
