"""One pull request as the log tells it so far.

Knows values only; whether a claimed merge really happened is asked elsewhere (landing.py). Only the fold changes a
Thread; everybody else reads it.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.forges.embedded.record import Method
from reconciler.names import Revision
from reconciler.state.forge import Comment, PullRequest, PullRequestState, Review, Verdict


@dataclass(frozen=True, slots=True)
class Claim:
    """A record that says "merged": `head` went onto `parent` and made `merge_commit`. True only once it is proven."""

    by: str
    method: Method
    base: str
    parent: Revision
    head: Revision
    merge_commit: Revision
    at: datetime
    position: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a base branch stood for the author of a record. `ours`: the reconciler saw it.

    `decisive` ones (a review, a dismissal, a closing, another base) undo a claim that had not come true when they were
    written: nobody merges with an approval that was withdrawn in between.
    """

    position: int
    at: datetime
    tip: Revision  # empty: its author did not say, which is as good as not having seen anything
    ours: bool
    decisive: bool


@dataclass(slots=True)
class Thread:
    """A pull request's records, folded.

    `head` is the last commit of its branch that a record named; it counts only where the branch is gone, and decides
    nothing.
    """

    number: int
    title: str
    body: str
    author: str
    base: str
    head_ref: str
    head: Revision
    created_at: datetime
    ours: bool
    closed_at: datetime | None = None
    assignees: tuple[str, ...] = ()
    comments: dict[str, Comment] = field(default_factory=dict)
    markers: dict[str, str] = field(default_factory=dict)  # marker -> id of our comment
    reviews: dict[str, Review] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)

    def dismiss(self, review: str) -> None:
        """Take a review's verdict away; its text stays."""
        self.reviews[review] = replace(self.reviews[review], verdict=Verdict.DISMISSED)

    def edit(self, comment: str, body: str) -> None:
        """Change a comment's text; that it was edited stays visible, because an edited one asks nothing."""
        self.comments[comment] = replace(self.comments[comment], body=body, edited=True)

    def value(self, tip: Revision | None, landed: Claim | None) -> PullRequest:
        """The pull request now: `tip` is where its branch stands (None: gone), `landed` the claim that came true."""
        closed_at: datetime | None
        if landed:
            state, head, closed_at = PullRequestState.MERGED, landed.head, landed.at
        elif self.closed_at or tip is None:
            state, head, closed_at = PullRequestState.CLOSED, tip or self.head, self.closed_at
        else:
            state, head, closed_at = PullRequestState.OPEN, tip, None
        return PullRequest(
            number=self.number,
            title=self.title,
            body=self.body,
            author=self.author,
            base=landed.base if landed else self.base,
            head_ref=self.head_ref,
            head=head,
            state=state,
            created_at=self.created_at,
            merge_commit=landed.merge_commit if landed else None,
            merged_by=landed.by if landed else "",
            merged_at=landed.at if landed else None,
            closed_at=closed_at,
            assignees=self.assignees,
        )
