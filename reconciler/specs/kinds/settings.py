"""Settings: how the reconciler treats this repository. One per repository, or none."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import Field

from reconciler.specs.kinds.fields import Duration, Percent, PositiveDuration, parse_duration
from reconciler.specs.kinds.model import Model
from reconciler.specs.kinds.probes import Webhook, Window

T = TypeVar("T")


class Risk(StrEnum):
    """How much a change can break; listed from least to most."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Locale(StrEnum):
    """The language of hints."""

    EN = "en"
    ZH = "zh"


class ForkPolicy(StrEnum):
    """What happens to a pull request from a fork."""

    DENIED = "denied"
    STATIC = "static"


class PrivateTier(StrEnum):
    """The tiers that standing approval may cover."""

    DEV = "dev"
    STAGING = "staging"


class ApprovalTtl(Model):
    """How long an approval stands, by risk (G12)."""

    critical: PositiveDuration = Field(default=parse_duration("4h"), description="For critical risk.")
    high: PositiveDuration = Field(default=parse_duration("24h"), description="For high risk.")
    medium: PositiveDuration = Field(default=parse_duration("3d"), description="For medium risk.")
    low: PositiveDuration = Field(default=parse_duration("7d"), description="For low risk.")

    def at(self, risk: Risk) -> timedelta:
        """The time to live at a risk."""
        return _by_risk(risk, (self.low, self.medium, self.high, self.critical))


ApprovalCount = Annotated[int, Field(ge=1, le=10)]


class Approvals(Model):
    """How many people have to approve, by risk."""

    critical: ApprovalCount = Field(default=1, description="Approvals needed for critical risk.")
    high: ApprovalCount = Field(default=1, description="Approvals needed for high risk.")
    medium: ApprovalCount = Field(default=1, description="Approvals needed for medium risk.")
    low: ApprovalCount = Field(default=1, description="Approvals needed for low risk.")

    def at(self, risk: Risk) -> int:
        """The number needed at a risk."""
        return _by_risk(risk, (self.low, self.medium, self.high, self.critical))


class Sla(Model):
    """When a waiting ticket counts as overdue, by risk, and the hours in which the clock runs."""

    critical: PositiveDuration = Field(
        default=parse_duration("15m"), description="For critical risk; its clock always runs."
    )
    high: PositiveDuration = Field(default=parse_duration("30m"), description="For high risk.")
    medium: PositiveDuration = Field(default=parse_duration("2h"), description="For medium risk.")
    low: PositiveDuration = Field(default=parse_duration("8h"), description="For low risk.")
    hours: Window | None = Field(default=None, description="Hours in which the clocks run; always, unless set.")

    def at(self, risk: Risk) -> timedelta:
        """The time to react at a risk."""
        return _by_risk(risk, (self.low, self.medium, self.high, self.critical))


class Emergency(Model):
    """Who is told when somebody breaks the glass (G23)."""

    notify: tuple[Webhook, ...] = Field(default=(), description="Addresses told of every emergency approval.")


class StandingApproval(Model):
    """Approval given in advance, of low-risk changes only (G15)."""

    tiers: Annotated[tuple[PrivateTier, ...], Field(min_length=1)] = Field(
        description="Tiers in which low-risk changes are approved in advance."
    )


class Prune(Model):
    """How much one plan may delete. The larger of both limits holds; beyond it the plan is refused."""

    max_percent: Percent = Field(
        default=10, description="Share of a release's objects that one plan may delete, in percent."
    )
    max_objects: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=3, description="Number of objects that one plan may delete whatever their share."
    )


class Settings(Model):
    """How the reconciler treats this repository."""

    poll_interval: PositiveDuration = Field(
        default=parse_duration("30s"), description="Time between two looks at the repository."
    )
    preview_ttl: PositiveDuration = Field(
        default=parse_duration("30m"), description="How old the last look at the targets may be at apply."
    )
    preview_ttl_critical: PositiveDuration = Field(
        default=parse_duration("10m"), description="The same for critical risk."
    )
    approval_ttl: ApprovalTtl = Field(default=ApprovalTtl(), description="How long an approval stands, by risk.")
    approvals: Approvals = Field(default=Approvals(), description="How many people have to approve, by risk.")
    rollback_grant: Duration = Field(
        default=parse_duration("7d"),
        description="How long an approval covers the return to what was before; 0s for never.",
    )
    emergency: Emergency = Field(default=Emergency(), description="What happens on an emergency approval.")
    locale: Locale = Field(default=Locale.EN, description="Language of hints in comments and messages.")
    sla: Sla = Field(default=Sla(), description="When a waiting ticket is overdue, by risk.")
    allow_self_approval: bool = Field(
        default=False, description="Whether an approver's own merge is the approval, for teams of one."
    )
    standing_approval: StandingApproval | None = Field(
        default=None, description="Low-risk changes that are approved in advance; none unless set."
    )
    require_signed_commits: bool = Field(
        default=False, description="Whether commits must be signed by a key of their author's User."
    )
    prune: Prune = Field(default=Prune(), description="How much one plan may delete.")
    forks: ForkPolicy = Field(
        default=ForkPolicy.DENIED, description="Pull requests from forks: denied, or a preview that looks at no target."
    )

    def preview_ttl_at(self, risk: Risk) -> timedelta:
        """How old the last look may be at a risk (G11): the stricter one where both apply."""
        return min(self.preview_ttl, self.preview_ttl_critical) if risk is Risk.CRITICAL else self.preview_ttl


def _by_risk(risk: Risk, values: tuple[T, T, T, T]) -> T:
    return values[tuple(Risk).index(risk)]
