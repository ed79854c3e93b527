"""What GitHub tells of a repository's people and of what keeps a branch, to a token that does not administer it.

Rules: such a token sees the rules of rulesets (`/rules/branches`) and of branch protection only that it is there and
which statuses it requires; who may push past either, and with what reviews branch protection merges, it cannot see.
What cannot be seen is said so and never taken for fine.
"""

from collections.abc import Iterable, Sequence

from reconciler.errors import Rejected
from reconciler.forges.asking import MALFORMED, Reading
from reconciler.state.forge import Guard

KEEPING = frozenset({"pull_request", "required_status_checks", "update"})  # rules with which not everybody may push
ENFORCED_FOR_NONE = "off"
WHO_MAY_PUSH = "who may push to it past that"
RULESETS = "the rules of rulesets"
REVIEWS = "which reviews its branch protection requires"


def writes(reading: Reading, name: str) -> bool | None:
    """Whether an account has a right by its role; None where GitHub does not tell. What its token may is not told."""
    rights = reading.maybe_part("permissions")
    return rights.flag(name) if rights is not None else None


def writers(entries: Iterable[Reading], own: str) -> tuple[str, ...]:
    """The collaborators beside us that may push; one of whom it is not told is one."""
    others = {one.text("login") for one in entries if writes(one, "push") is not False}
    return tuple(sorted(others - {own}))


def guard(branch: Reading, name: str, rules: Sequence[Reading] | None) -> Guard:
    """How a branch is kept. `rules`: those of rulesets that hold for it; None where they cannot be seen."""
    if branch.text("name") != name:
        raise Rejected(f"{branch.what}: by its name the answer is about something else", key=MALFORMED)
    classic = branch.flag("protected")
    kinds = {one.text("type") for one in rules or ()}
    required = _of_protection(branch) if classic else ()
    required += tuple(
        check.text("context")
        for one in rules or ()
        if one.text("type") == "required_status_checks"
        for check in one.part("parameters").parts("required_status_checks")
    )
    kept = classic or bool(kinds & KEEPING)
    unseen = ((WHO_MAY_PUSH,) if kept else ()) + ((RULESETS,) if rules is None else ())
    return Guard(
        name,
        exists=True,
        protected=kept,
        required_statuses=None if rules is None else tuple(dict.fromkeys(required)),
        unseen=unseen,
    )


def own_rules(branch: Reading, rules: Sequence[Reading] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which reviews GitHub itself asks for before a merge, in words; and what of that cannot be seen."""
    found: list[str] = []
    for one in rules or ():
        if one.text("type") != "pull_request":
            continue
        asked = one.part("parameters")
        number = asked.number("required_approving_review_count")
        found += [f"approving reviews: {number}"] if number else []
        found += ["a review of code owners (CODEOWNERS)"] if asked.flag("require_code_owner_review") else []
        found += ["an approval after the last push"] if asked.flag("require_last_push_approval") else []
    classic = branch.flag("protected")
    return tuple(dict.fromkeys(found)), ((RULESETS,) if rules is None else ()) + ((REVIEWS,) if classic else ())


def _of_protection(branch: Reading) -> tuple[str, ...]:
    protection = branch.maybe_part("protection")
    checks = protection.maybe_part("required_status_checks") if protection is not None else None
    if checks is None or checks.maybe("enforcement_level") == ENFORCED_FOR_NONE:
        return ()
    named = checks.content.get("contexts")
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise Rejected(f"{branch.what}: field 'contexts' of the answer is missing or malformed", key=MALFORMED)
    return tuple(named)
