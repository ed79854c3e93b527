"""The two clocks of a change: how old the look may be, and how long an approval stands (contracts: G11, G12).

Knows no forge and no person. Rule: every end is exclusive, so at the named moment it is over; a look or a start that
lies in the future proves a clock wrong and counts for nothing.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from reconciler.approval.denial import Denial
from reconciler.approval.question import LONGEST_GATE_WAIT, PreviewFacts, Question, Wait
from reconciler.plan.change import Risk
from reconciler.specs.kinds import Risk as SettingsRisk
from reconciler.specs.kinds import Settings
from reconciler.state.forge import PullRequestState

CLOCK_SKEW = timedelta(minutes=5)  # how far a forge's clock may run ahead of ours
BEHIND = "the forge's clock is behind ours; set both (NTP)"
AHEAD = "the forge's clock is ahead of ours; set both (NTP)"


def preview_ends(preview: PreviewFacts, risk: Risk, settings: Settings) -> datetime | None:
    """When the last look is too old to apply on; None where nobody looked."""
    return preview.looked_at + _preview_ttl(risk, settings) if preview.looked_at else None


def stale(preview: PreviewFacts, risk: Risk, settings: Settings, now: datetime) -> Denial | None:
    """None while the last look is fresh enough to apply on (G11)."""
    look = preview.looked_at
    if look is None:
        return Denial("preview_required", "the targets were never looked at")
    if look > now:
        return Denial("preview_expired", "the last look at the targets lies in the future: a clock is wrong")
    if now >= look + _preview_ttl(risk, settings):
        return Denial("preview_expired", f"the last look at the targets was at {_when(look)}: too old")
    return None


def fresh(preview: PreviewFacts, risk: Risk, settings: Settings, now: datetime) -> bool:
    """Whether the last look is fresh enough to apply on (G11)."""
    return stale(preview, risk, settings, now) is None


def behind(question: Question) -> str:
    """How a wrong clock shows, in words: the forge dates a merge before the preview that was posted before it."""
    pull, posted = question.pull, question.preview.posted_at
    merged = pull.merged_at if pull is not None and pull.state is PullRequestState.MERGED else None
    if question.held is not None or merged is None or merged > posted - CLOCK_SKEW:
        return ""
    return f"it was merged at {_when(merged)} and previewed at {_when(posted)}: {BEHIND}, then review it again"


def approval_ends(question: Question, settings: Settings, given: datetime, now: datetime) -> datetime:
    """When an approval that was given then ends (G12), or with its preview where the environment says so (G11)."""
    risk = question.plan.risk
    ends = given + settings.approval_ttl.at(SettingsRisk(risk)) + waited(question.waits, given, now)
    if all(side.renewal for side in question.sides):
        return ends
    preview = question.preview
    looks = [look for look in (*preview.earlier_looks, preview.looked_at) if look is not None and look <= given]
    seen = max(looks, default=None)  # the look that the approver saw
    return min(ends, seen + _preview_ttl(risk, settings)) if seen else given


def waited(waits: Iterable[Wait], since: datetime, now: datetime) -> timedelta:
    """How long the approval clock stood still since then, at most 7 days. Overlapping waits count once."""
    total, reached = timedelta(), since
    for wait in sorted(waits, key=lambda wait: wait.start):
        start, end = max(wait.start, reached), min(wait.end or now, now)
        total += max(end - start, timedelta())
        reached = max(reached, end)
    return min(total, LONGEST_GATE_WAIT)


def _preview_ttl(risk: Risk, settings: Settings) -> timedelta:
    return settings.preview_ttl_at(SettingsRisk(risk))


def _when(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
