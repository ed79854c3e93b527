"""Two runs of one scene, compared. Everything has to be equal but what is named here, with its reason and its limit."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.failpoints.far_side import Left

WINDOW = 400  # characters shown where two texts part


@dataclass(frozen=True, slots=True)
class Allowance:
    """Something that a killed process may leave more or less often: at most `most` times for each kill.

    Where the pattern has a group, at most so often for each text of it.
    """

    counted: str
    what: re.Pattern[str]
    most: int
    why: str


MORE = (
    Allowance(
        "forge",
        re.compile(r'^\w+ #\d+ .*"kind": "reviewed".*"verdict": "approve"'),
        1,
        "a person who was not told that a review arrived types it again: one person's latest verdict counts (G13)",
    ),
    Allowance(
        "people",
        re.compile(r'^https://\S+ \{.*"person": "admin"'),
        1,
        "whoever is to be told of an emergency is told twice rather than never: nobody can ask whether it was heard",
    ),
    Allowance(
        "cluster prod",
        re.compile(r"^patch (/apis/batch/v1/namespaces/\S+/jobs/\S+-[0-9a-f]{10})$"),
        1,
        "who comes back claims the run that it found; that it was made once is asked of the cluster itself",
    ),
    Allowance(
        "cluster staging",
        re.compile(r"^patch (/apis/batch/v1/namespaces/\S+/jobs/\S+-[0-9a-f]{10})$"),
        1,
        "the same, where both environments go back",
    ),
)
LESS = (
    Allowance(
        "forge",
        re.compile(r'"context": "reconciler/apply: ([^"]+)".*"kind": "status_set".*"state": "pending"'),
        1,
        "environments are applied at the same time, and a process dies in all of them: the next status replaced it",
    ),
    Allowance(
        "forge",
        re.compile(r'"kind": "status_set".*"state": "pending"'),
        1,
        "a status on the way that the next one replaced; the last of each commit is compared in the end",
    ),
)


def differences(undisturbed: Left, killed: Left, *, kills: int) -> list[str]:
    """What a restart did not make good."""
    return [*killed.findings, *_ends(undisturbed, killed), *_counts(undisturbed, killed, kills)]


def _ends(undisturbed: Left, killed: Left) -> Iterator[str]:
    for name, wanted in undisturbed.ends.items():
        found = killed.ends[name]
        for key in sorted(wanted.keys() | found.keys()):
            if wanted.get(key) != found.get(key):
                yield f"{name}: {key}{_apart(str(wanted.get(key)), str(found.get(key)))}"


def _counts(undisturbed: Left, killed: Left, kills: int) -> Iterator[str]:
    for name, wanted in undisturbed.counts.items():
        found = killed.counts[name]
        for much, rules, word in ((found - wanted, MORE, "more"), (wanted - found, LESS, "less")):
            used: Counter[tuple[Allowance, tuple[str, ...]]] = Counter()
            for what, times in sorted(much.items()):
                fits = ((one, one.what.search(what)) for one in rules if one.counted == name)
                rule = next(((one, found.groups()) for one, found in fits if found is not None), None)
                if rule is not None:
                    used[rule] += times
                if rule is None or used[rule] > rule[0].most * kills:
                    yield f"{name}: {times} {word} than without a kill: {what}"


def _apart(wanted: str, found: str) -> str:
    """Where two texts part."""
    same = next((at for at, pair in enumerate(zip(wanted, found, strict=False)) if pair[0] != pair[1]), None)
    start = max(0, (same if same is not None else min(len(wanted), len(found))) - 60)
    return f"\n    wanted …{wanted[start : start + WINDOW]}\n    found  …{found[start : start + WINDOW]}"
