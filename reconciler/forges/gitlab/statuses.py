"""Commit statuses on GitLab, which are jobs of a pipeline: a small machine with transitions, and words that cannot be
changed within a state.

Knows what stands and what to send so that it reads as wanted. Rules: nothing on the way to what is wanted is ever a
success; GitLab has no state for an error, so one is a failure whose words begin with ERROR_WORD.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reconciler.errors import Rejected
from reconciler.forges.asking import MALFORMED, Reading
from reconciler.forges.gitlab.answers import login
from reconciler.names import Revision
from reconciler.state.forge import CommitStatus, StatusState

PENDING, RUNNING, CANCELED, FAILED, SUCCESS = "pending", "running", "canceled", "failed", "success"
UNFINISHED = frozenset({PENDING, RUNNING})  # a next one changes it; after any other a next one is a new job
ERROR_WORD = "error: "
SENT: Mapping[StatusState, str] = MappingProxyType(
    {StatusState.SUCCESS: SUCCESS, StatusState.FAILURE: FAILED, StatusState.ERROR: FAILED}
)
READ: Mapping[str, StatusState] = MappingProxyType(  # what else there is (`skipped`, `manual`) is of others: unfinished
    {SUCCESS: StatusState.SUCCESS, FAILED: StatusState.FAILURE, CANCELED: StatusState.FAILURE}
)


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest status of one name: as GitLab has it, as it reads, and whether we set it."""

    state: str
    status: CommitStatus
    ours: bool = True


def described(status: CommitStatus) -> str:
    """The words as they are sent; GitLab takes 255 characters."""
    return f"{ERROR_WORD}{status.description}" if status.state is StatusState.ERROR else status.description


def states_to_send(wanted: CommitStatus, stands: Standing | None) -> tuple[str, ...]:
    """One after the other. From pending one may only go on to running, and from running only end."""
    if wanted.state is not StatusState.PENDING:
        return (SENT[wanted.state],)
    if stands is None or stands.state not in UNFINISHED:
        return (PENDING,)
    return (RUNNING,) if stands.state == PENDING else (CANCELED, PENDING)


def sent(wanted: CommitStatus, states: tuple[str, ...]) -> Standing:
    """What stands when all of them were taken."""
    return Standing(states[-1], wanted)


def standing(entries: Iterable[Reading], revision: Revision, *, own: str) -> dict[str, Standing]:
    """The newest of each name; the entries come in any order and of every pipeline of the commit."""
    newest: dict[str, tuple[int, Standing]] = {}
    for one in entries:
        if one.text("sha") != revision:
            raise Rejected(f"{one.what}: a status of another commit is in the answer", key=MALFORMED)
        number, name = one.number("id"), one.text("name")
        if name not in newest or newest[name][0] < number:
            newest[name] = (number, _read(one, name, own))
    return {name: found for name, (_, found) in sorted(newest.items())}


def _read(one: Reading, name: str, own: str) -> Standing:
    raw, words = one.text("status"), one.maybe("description")
    state = READ.get(raw, StatusState.PENDING)
    if state is StatusState.FAILURE and words.startswith(ERROR_WORD):
        state, words = StatusState.ERROR, words.removeprefix(ERROR_WORD)
    return Standing(raw, CommitStatus(name, state, words, one.maybe("target_url")), ours=login(one, "author") == own)
