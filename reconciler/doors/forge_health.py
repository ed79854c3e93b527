"""What `doctor` looks at on a forge: who we are there, what our token can do, how the branches are protected.

Nothing here is needed for safety, since whatever came another way is held (contracts: G17, G18); it keeps people from
meeting a held commit where they expected a merge to be refused. Only the audit branch is a matter of trust (G24).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reconciler.app.settings import Settings
from reconciler.git.audit_branch import AUDIT
from reconciler.ports import ForgeInspector
from reconciler.state.forge import Access, Guard, OwnRules

REQUIRED = ("reconciler/validate", "reconciler/preview", "reconciler/approval")
UNSEEN = "cannot be seen with this token"
AUDIT_BRANCH = AUDIT.removeprefix("refs/heads/")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `status`: ok, warn or error."""

    name: str
    status: str
    message: str
    hint: str = ""


Tried = Callable[[str, Callable[[], Iterator[Finding]]], Iterator[Finding]]


def forge_findings(forge: ForgeInspector, settings: Settings, tried: Tried) -> Iterator[Finding]:
    """Every finding; what cannot be asked is one, too."""
    known: list[Access] = []

    def account() -> Iterator[Finding]:
        known.append(forge.access())
        yield from _account(known[0])

    yield from tried("forge account", account)
    yield from tried("tracked branch", lambda: _tracked(forge.guard(settings.branch)))
    yield from tried("forge rules", lambda: _own_rules(forge.own_rules(settings.branch), settings.forge))
    if known and not settings.audit.repository:
        shared = settings.audit.shared
        yield from tried("audit branch", lambda: _audit(forge.guard(AUDIT_BRANCH), known[0], shared=shared))


def audit_findings(forge: ForgeInspector, settings: Settings, tried: Tried) -> Iterator[Finding]:
    """The same of a repository that holds the audit branch alone: `forge` is asked about that one."""
    shared = settings.audit.shared
    yield from tried("audit branch", lambda: _audit(forge.guard(AUDIT_BRANCH), forge.access(), shared=shared))


def _account(access: Access) -> Iterator[Finding]:
    if access.may_write is None:
        hint = f"see that {access.login} has write access"
        yield Finding("forge account", "warn", f"we are {access.login}; whether we may write {UNSEEN}", hint)
    elif not access.may_write:
        yield Finding(
            "forge account",
            "error",
            f"{access.login} may not write to the repository: no status can be set",
            f"give {access.login} write access",
        )
    else:
        yield Finding("forge account", "ok", f"we are {access.login} and may write")
    if access.may_administer:
        yield Finding(
            "forge account",
            "warn",
            f"{access.login} administers the repository and could lift its protection",
            "write access is enough",
        )
    if access.may_administer is None:
        yield Finding("forge account", "warn", f"whether {access.login} administers the repository {UNSEEN}")
    if access.excess is None:
        hint = "see on the forge's page that it is for this repository and has the permissions of docs/forges alone"
        yield Finding("forge token", "warn", f"what the token itself reaches {UNSEEN}", hint)
    elif access.excess:
        kinds = ", ".join(access.excess)
        hint = "make a token for reading the user, and for reading and writing repository and issues, nothing else"
        yield Finding("forge token", "warn", f"the token reaches more than is needed: {kinds}", hint)


def _tracked(guard: Guard) -> Iterator[Finding]:
    name = guard.branch
    if not guard.exists:
        yield Finding("tracked branch", "error", f"there is no branch {name}", "push a first commit to it")
        return
    if not guard.protected and guard.unseen:
        yield from _unseen("tracked branch", guard)
        return
    if not guard.protected:
        yield Finding(
            "tracked branch",
            "warn",
            f"{name} is not protected: whoever can write can push to it, and such a commit is held",
            f"protect {name}, require {', '.join(REQUIRED)} and forbid direct pushes",
        )
        return
    if guard.required_statuses is None:
        status = "warn" if guard.unseen else "ok"
        yield Finding("tracked branch", status, f"{name} is protected; which statuses it requires is not told to us")
    elif missing := [one for one in REQUIRED if one not in guard.required_statuses]:
        hint = f"add {', '.join(missing)} to the required statuses of {name}"
        yield Finding("tracked branch", "warn", f"{name} is merged without {', '.join(missing)}", hint)
    else:
        yield Finding("tracked branch", "ok", f"{name} is protected and requires our statuses")
    yield from _unseen("tracked branch", guard)
    if guard.we_may_push:
        yield Finding(
            "tracked branch",
            "warn",
            f"our own account may push to {name} directly, which it never does",
            f"take it off those who may push to {name}",
        )


def _own_rules(rules: OwnRules, forge: str) -> Iterator[Finding]:
    """What the forge asks for beside us: seen, so that nobody takes it for what decides here."""
    beside = "who may approve is decided by the reconciler's own rules, and by no rule of the forge"
    asks = "; ".join(rules.asks) or "no approval of its own that we see"
    yield Finding("forge rules", "ok", f"before a merge {forge} asks for {asks}; {beside}")
    if rules.unseen:
        yield Finding("forge rules", "warn", f"{', '.join(rules.unseen)} {UNSEEN}", "look on the forge's pages")


def _unseen(name: str, guard: Guard) -> Iterator[Finding]:
    if guard.unseen:
        words = f"of {guard.branch}, {' and '.join(guard.unseen)} {UNSEEN}"
        yield Finding(name, "warn", words, "look on the forge's pages, or ask as somebody who administers it")


def _audit(guard: Guard, access: Access, *, shared: bool) -> Iterator[Finding]:
    name = guard.branch
    if not guard.exists:
        yield Finding(
            "audit branch", "warn", f"there is no {name} yet", "reconciler run --trust COMMIT, then look again"
        )
    elif guard.protected and guard.we_may_push is False:
        yield Finding("audit branch", "error", f"{name} is protected and {access.login} may not push to it", "allow it")
    elif guard.unseen and access.writers != ():
        yield from _unseen("audit branch", guard)
    elif guard.protected:
        yield Finding("audit branch", "ok", f"{name} is protected, and {access.login} may push to it")
    elif access.writers == ():
        yield Finding("audit branch", "ok", f"nobody but {access.login} may write to the repository")
    else:
        others = "others, who are not told to us," if access.writers is None else ", ".join(access.writers)
        yield Finding(
            "audit branch",
            "ok" if shared else "error",
            f"{others} may write {name}" + (", as `shared` in [audit] says" if shared else ""),
            ""
            if shared
            else f"protect {name} so that {access.login} alone may push to it, or set shared = true in [audit]",
        )
