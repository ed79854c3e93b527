"""Names of refs: which ones we accept, and which ones of a remote we care about.

Knows git's check-ref-format rules (https://git-scm.com/docs/git-check-ref-format). Knows no repository. The rule: a
ref reaches a command line or a request only after it passed here, always in full (`refs/...`), so it cannot be an
option.
"""

import re
from functools import lru_cache

from reconciler.errors import Rejected

# The commits of pull requests, not the merges that a forge makes of them: those move whenever the tracked branch does.
WANTED = ("refs/heads/*", "refs/tags/*", "refs/pull/*/head", "refs/merge-requests/*/head", "refs/reconciler/*")
LONGEST = 1024  # bytes of a name; file systems and forges stop earlier

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")


def is_ref(name: str) -> bool:
    """Whether git would accept this full ref name, and whether it can be printed."""
    return len(name) <= LONGEST and _is_ref(name)


@lru_cache(maxsize=4096)  # the same names at every look; none that is kept is long
def _is_ref(name: str) -> bool:
    parts = name.split("/")
    return (
        name.startswith("refs/")
        and len(parts) > 2
        and len(name.encode(errors="replace")) <= LONGEST
        and name.isprintable()
        and not _FORBIDDEN.search(name)
        and not name.endswith((".", "/"))
        and not any(part.startswith(".") or part.endswith(".lock") for part in parts)
    )


def checked(name: str) -> str:
    """The same full ref name. Raises Rejected where git would not accept it."""
    if not is_ref(name):
        raise Rejected(f"reading ref name {name[:80]!r}: not a full ref name that git accepts", key="validation_error")
    return name


def branch(name: str) -> str:
    """The full name of a branch. Raises Rejected on a name that git would not accept or that looks like an option."""
    if name.startswith("-") or name == "HEAD":
        raise Rejected(f"reading branch name {name[:80]!r}: git does not accept it", key="validation_error")
    return checked(f"refs/heads/{name}")


def prefix_of(pattern: str) -> str:
    """What stands before the star of a pattern: as narrow as a server can be asked."""
    return pattern.partition("*")[0]


def wanted(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether an acceptable ref falls under one of the patterns (one star each, which also spans slashes)."""
    return is_ref(name) and any(_matches(name, pattern) for pattern in patterns)


def _matches(name: str, pattern: str) -> bool:
    before, star, after = pattern.partition("*")
    if not star:
        return name == pattern
    return name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)
