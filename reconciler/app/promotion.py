"""A promotion: one environment's `revision` set to a commit of the tracked branch, as a commit and in words (G19).

Knows how it is written and what it says; whose wish it is and how it is proposed, its callers know. The rules: nothing
but that value of that spec changes, which is read again before anything is pushed; and a tag's name stands in titles,
branches and commits only as far as it is plain, whole only as code.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from reconciler.app.desire import Desires
from reconciler.canonical import digest_of
from reconciler.errors import Refused, SpecError
from reconciler.git import history, tags
from reconciler.git.bare import BareRepository
from reconciler.git.tags import Tag
from reconciler.git.trees import find
from reconciler.names import SHORT, Revision, UnitKind
from reconciler.plan.make import Side
from reconciler.plan.units import touched
from reconciler.report.neutral import code_name
from reconciler.specs.desired import Desired
from reconciler.specs.kinds import Environment
from reconciler.specs.nodes import SPEC_LIMITS
from reconciler.specs.release_versions import matching, names_of, order_of
from reconciler.specs.rewriting import with_revision
from reconciler.specs.spec import Spec

EVERY_TAG = "*"
MOST_ROWS = 30  # releases that a body lists
MOST_VERSIONS = 3  # of one release
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")
_LONGEST_NAME = 60  # characters of a tag's name in a title, fewer in a branch


@dataclass(frozen=True, slots=True)
class Move:
    """From which commit to which an environment is to go; `old` None: it follows the tip. `tag`: whole, or empty."""

    environment: str
    old: Revision | None
    new: Revision
    tag: str = ""

    @property
    def title(self) -> str:
        """One line that no forge reads anything into."""
        return f"Promote {self.environment} to {plain_tag(self.tag) or self.new[:SHORT]}"

    def branch(self, tip: Revision) -> str:
        """A branch of its own for each environment, tag and commit, from where the tracked branch stood."""
        own = digest_of("promotion", [self.environment, self.tag, self.new, tip])[:8]
        return f"promote-{self.environment[:80]}-{(plain_tag(self.tag) or self.new[:SHORT])[:40].strip('.-+')}-{own}"


def plain_tag(name: str) -> str:
    """As much of a tag's name as may stand anywhere: letters, digits and marks without a meaning."""
    return _UNSAFE.sub("-", name)[:_LONGEST_NAME].replace("..", "-").strip("-.")


def environment_named(desired: Desired, name: str) -> Spec[Environment]:
    """An environment's spec. Raises Refused(environment_not_found)."""
    found = desired.environments.get(name)
    if found is None:
        known = ", ".join(sorted(desired.environments)) or "none"
        raise Refused(
            f"looking for environment {name[:80]}: there is none",
            key="environment_not_found",
            hint=f"environments are: {known}",
        )
    return found


def files_of(desires: Desires, tip: Revision, move: Move) -> dict[str, bytes]:
    """The changed file. Raises Refused where it cannot be read or written."""
    spec = environment_named(desires.at(tip).desired, move.environment)
    repository = desires.mirror.repository
    entry = find(repository, tip, spec.path)
    content = repository.blob(entry.blob, SPEC_LIMITS.size) if entry is not None else None
    if content is None:
        raise Refused(f"reading {spec.path}: it cannot be read", key="validation_error")
    return {spec.path: with_revision(content.decode("utf-8"), spec, move.new).encode()}


def check(desires: Desires, tip: Revision, commit: Revision, move: Move) -> None:
    """Raises SpecError where the commit has problems that the tip has not, Refused where it says anything else too."""
    before, after = desires.plain(tip).desired, desires.plain(commit).desired
    known = {(one.key, one.message) for one in desires.at(tip).desired.problems}
    new = [one for one in desires.at(commit).desired.problems if (one.key, one.message) not in known]
    if new:
        raise SpecError(new)
    if _said(before, move) != _said(after, move) or after.environments[move.environment].spec.revision != move.new:
        raise Refused(
            f"setting revision of {move.environment}: its file would say something else too",
            key="validation_error",
            hint=f"write it into {before.environments[move.environment].path} by hand",
        )


def _said(desired: Desired, move: Move) -> list[object]:
    """Everything that specs say, but for the value that is to move."""
    tables = [getattr(desired, one.name) for one in fields(Desired) if one.name not in _DERIVED]
    own = desired.environments[move.environment]
    others = {name: spec for name, spec in desired.environments.items() if name != move.environment}
    return [*tables, others, own.labels, own.annotations, own.spec.model_dump(mode="json", exclude={"revision"})]


_DERIVED = frozenset({"environments", "sources", "unsound", "problems", "broken"})


def body_of(desires: Desires, tip: Revision, commit: Revision, move: Move) -> str:
    """What a pull request says: from where to where, and which releases move."""
    old, new = desires.at(tip), desires.at(commit)
    known = tags.found(desires.mirror.repository, tags.names(desires.mirror.refs()))
    now = f"at {_shown(move.old, known)}" if move.old is not None else "at the tip of the tracked branch"
    moved = moving(old, new, move.environment)
    count = len({*_names(old.desired, move), *_names(new.desired, move)})
    then = _shown(move.new, known, move.tag)
    lines = [
        f"{code_name(move.environment)} is to read its releases at {then}; it reads them {now} now.",
        "",
        f"{len(moved)} of {count} releases move" + (":" if moved else "."),
    ]
    if moved:
        lines += ["", "| release | now | then |", "|---|---|---|"]
        lines += [f"| {code_name(n)} | {_version(old, n)} | {_version(new, n)} |" for n in moved[:MOST_ROWS]]
    if len(moved) > MOST_ROWS:
        lines += ["", f"and {len(moved) - MOST_ROWS} more."]
    return "\n".join(lines)


def moving(old: Side, new: Side, environment: str) -> tuple[str, ...]:
    """The releases of an environment that are not the same in both."""
    mine = [{ref: unit for ref, unit in side.units.items() if unit.environment == environment} for side in (old, new)]
    return tuple(ref.name for ref in touched(*mine) if ref.kind is UnitKind.RELEASE)


def _names(desired: Desired, move: Move) -> list[str]:
    return [release.name for release in desired.releases_in(move.environment)]


def _version(side: Side, name: str) -> str:
    release = side.desired.releases.get(name)
    if release is None:
        return "none"
    found = names_of(release, side.desired.sources.get(name))
    shown = [code_name(one, cap=40) for one in found[:MOST_VERSIONS]]
    return ", ".join(shown + (["..."] if len(found) > MOST_VERSIONS else [])) or "not named"


def _shown(revision: Revision, known: Sequence[Tag], tag: str = "") -> str:
    name = tag or tag_at(revision, known)
    return code_name(revision[:SHORT]) + (f" (tag {code_name(name, cap=100)})" if name else "")


def tag_at(revision: Revision, known: Iterable[Tag], pattern: str = EVERY_TAG) -> str:
    """The tag that stands at a commit, the latest version of several; empty where there is none."""
    here = [tag.name for tag in known if tag.commit == revision]
    fitting = matching(pattern, here)
    return max(fitting, key=lambda name: (order_of(name, pattern) or ((), -1, ()), name), default="")


def ranked(repository: BareRepository, known: Iterable[Tag], pattern: str, without: Revision | None) -> tuple[Tag, ...]:
    """The tags that a pattern means and that a commit does not have, newest first.

    By version where every one of them is one, else by history.
    """
    fitting = set(matching(pattern, (tag.name for tag in known)))
    found = tags.newest_first(repository, (tag for tag in known if tag.name in fitting), without)
    orders = {tag.name: order_of(tag.name, pattern) for tag in found}
    versions = {name: order for name, order in orders.items() if order is not None}
    if len(versions) < len(orders):
        return found
    return tuple(sorted(found, key=lambda tag: versions[tag.name], reverse=True))


def pattern_of(environment: Environment) -> str:
    """Which tags mean a version of this environment."""
    return environment.promotion.tags if environment.promotion is not None else EVERY_TAG


def previous(repository: BareRepository, known: Sequence[Tag], environment: Environment) -> Tag | None:
    """The tag before the revision in force, by the same order; None where there is none."""
    if environment.revision is None:
        return None
    now, pattern = Revision(environment.revision), pattern_of(environment)
    order = order_of(tag_at(now, known, pattern), pattern)
    for tag in ranked(repository, known, pattern, None):
        own = order_of(tag.name, pattern)
        if order is not None and own is not None and own >= order:
            continue
        if tag.commit != now and history.is_ancestor(repository, tag.commit, now):
            return tag
    return None
