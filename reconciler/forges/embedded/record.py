"""What one record of the log says, how large it may be, and the canonical bytes that its author signs.

Knows no Git and no state. The rule: a record binds repository, place in the log (`previous`), author and time, so that
a signature is worth nothing in another repository, in another order or a second time. Whatever does not parse exactly
(unknown fields, duplicate keys, other bytes than the canonical ones, caps) raises Malformed with the reason.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from reconciler.canonical import canonical_json
from reconciler.git.refnames import is_ref
from reconciler.state.forge import StatusState

NAMESPACE = "reconciler-forge"  # of the SSH signature over a record

MAX_RECORD = 256 * 1024  # bytes of one record: a body and a decision of full size, escaped, fit
MAX_SIGNATURE = 16 * 1024  # bytes of an armored signature; the largest RSA ones stay below 5 KiB
MAX_BODY = 65_536  # characters, as on GitHub
MAX_TITLE = 256
MAX_DECISION = 16_384
MAX_DESCRIPTION = 140  # of a commit status, as the product says

S = TypeVar("S", bound="Said")

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # a terminal would obey them
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")


class Malformed(Exception):
    """Bytes that are no record; the text says why. No ValueError, because Git's door wraps those."""


class Method(StrEnum):
    """How a pull request reaches its base branch."""

    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"


def _branch_name(name: str) -> str:
    if name.startswith("-") or name == "HEAD" or not is_ref(f"refs/heads/{name}"):
        raise ValueError("not a branch name that git accepts")
    return name


def _one_line(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("empty, or holds characters that cannot be printed on one line")
    return text


def _no_control(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("holds control characters")
    return text


def _utc(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise ValueError("not a time in UTC with microseconds")
    datetime.fromisoformat(text)
    return text


CommitId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Branch = Annotated[str, StringConstraints(max_length=250), AfterValidator(_branch_name)]
Line = Annotated[str, StringConstraints(max_length=MAX_TITLE), AfterValidator(_one_line)]
Body = Annotated[str, StringConstraints(max_length=MAX_BODY), AfterValidator(_no_control)]
Login = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$")]
Place = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,9}$")]  # a record's position in the log, as an id


class Said(BaseModel):
    """What happened. `seen` is the tip of the base branch when it was written: it orders records and merges."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Began(Said):
    """The first record of a log: it gives the others something to stand on."""

    kind: Literal["began"] = "began"


class Opened(Said):
    kind: Literal["opened"] = "opened"
    title: Line
    body: Body
    base: Branch
    head_ref: Branch
    head: CommitId


class Commented(Said):
    kind: Literal["commented"] = "commented"
    body: Body
    marker: Annotated[str, StringConstraints(max_length=200)] = ""
    seen: CommitId | Literal[""] = ""


class CommentEdited(Said):
    kind: Literal["comment_edited"] = "comment_edited"
    comment: Place
    body: Body
    seen: CommitId | Literal[""] = ""


class Reviewed(Said):
    """`decision` is the canonical JSON that its signer signed; empty for a review that decides nothing."""

    kind: Literal["reviewed"] = "reviewed"
    verdict: Literal["approve", "reject", "comment"]
    commit: CommitId
    base: Branch
    body: Body
    seen: CommitId | Literal[""] = ""
    decision: Annotated[str, StringConstraints(max_length=MAX_DECISION)] = ""
    decision_signature: Annotated[str, StringConstraints(max_length=MAX_SIGNATURE)] = ""


class ReviewDismissed(Said):
    kind: Literal["review_dismissed"] = "review_dismissed"
    review: Place
    body: Body = ""
    seen: CommitId | Literal[""] = ""


class Assigned(Said):
    kind: Literal["assigned"] = "assigned"
    assignees: Annotated[list[Login], Field(max_length=20)]


class Retargeted(Said):
    kind: Literal["retargeted"] = "retargeted"
    base: Branch
    seen: CommitId | Literal[""] = ""


class Merged(Said):
    """An intent, recorded before the branch moves: `parent` is the tip that it goes onto, `head` what comes in."""

    kind: Literal["merged"] = "merged"
    method: Method
    base: Branch
    parent: CommitId
    head: CommitId
    merge_commit: CommitId


class Closed(Said):
    kind: Literal["closed"] = "closed"
    head: CommitId
    seen: CommitId | Literal[""] = ""


class Reopened(Said):
    kind: Literal["reopened"] = "reopened"
    seen: CommitId | Literal[""] = ""


class StatusSet(Said):
    """About a commit, of no pull request: the record's number is 0."""

    kind: Literal["status_set"] = "status_set"
    revision: CommitId
    context: Line
    state: StatusState
    description: Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION), AfterValidator(_no_control)]
    url: Annotated[str, StringConstraints(max_length=2048), AfterValidator(_no_control)] = ""


Something = (
    Began
    | Opened
    | Commented
    | CommentEdited
    | Reviewed
    | ReviewDismissed
    | Assigned
    | Retargeted
    | Merged
    | Closed
    | Reopened
    | StatusSet
)


class Record(BaseModel):
    """One record. `previous` is the commit of the log that it was written after, empty for the first."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = 1
    repository: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    previous: CommitId | Literal[""]
    number: Annotated[int, Field(ge=0, lt=2**31)]
    author: Login
    time: Annotated[str, AfterValidator(_utc)]
    said: Annotated[Something, Field(discriminator="kind")]

    @property
    def at(self) -> datetime:
        """The time that the author claims."""
        return datetime.fromisoformat(self.time)

    def canonical(self) -> bytes:
        """The bytes that are signed and stored."""
        return canonical_json(self.model_dump(mode="json"))


def written(moment: datetime) -> str:
    """A time as records carry it: UTC, microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(content: bytes) -> Record:
    """Bytes of the log -> a record. Raises Malformed."""
    if len(content) > MAX_RECORD:
        raise Malformed(f"larger than {MAX_RECORD} bytes")
    try:
        record = Record.model_validate_json(content)
        canonical = record.canonical()
    except ValidationError as error:
        raise Malformed(_first(error)) from error
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not canonical JSON: {type(error).__name__}") from error
    if canonical != content:  # duplicate keys, left-out defaults, other spellings
        raise Malformed("not the canonical bytes of what it says")
    return record


def said_by(kind: type[S], fields: dict[str, Any]) -> S:
    """Make what is to be recorded from what a person typed. Raises Malformed naming the field that is out of bounds."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise Malformed(_first(error)) from error


def _first(error: ValidationError) -> str:
    """The first complaint without the value: that is somebody else's text."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in found["loc"])[:100]
    return f"{where}: {found['msg'][:200]}"
