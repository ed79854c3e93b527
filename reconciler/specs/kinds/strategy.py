"""How a release's new version takes the place of the old one."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from reconciler.specs.kinds.fields import CountOrPercent, Duration, Percent, ResourceName, parse_duration
from reconciler.specs.kinds.model import Model, rule
from reconciler.specs.kinds.probes import Probe


class StrategyType(StrEnum):
    """The ways."""

    ROLLING = "rolling"
    RECREATE = "recreate"
    BLUE_GREEN = "blue_green"
    CANARY = "canary"


class Rolling(Model):
    """Pods are replaced a few at a time."""

    max_surge: CountOrPercent = Field(
        default="25%", description="How many more pods than wanted may exist; a count or a percentage."
    )
    max_unavailable: CountOrPercent = Field(
        default="25%", description="How many fewer pods than wanted may serve; a count or a percentage."
    )


class BlueGreen(Model):
    """The new version stands beside the old one, then a Service is switched."""

    service: ResourceName = Field(description="The Kubernetes Service that is switched.")
    scale_down_delay: Duration = Field(
        default=parse_duration("10m"), description="How long the old version stays after the switch."
    )


class CanaryStep(Model):
    """A share of the traffic, and how long to look at it."""

    weight: Percent = Field(description="Share of the new version, in percent.")
    pause: Duration = Field(default=parse_duration("1m"), description="How long to look before the next step.")


class Canary(Model):
    """The new version takes a growing share."""

    steps: Annotated[tuple[CanaryStep, ...], Field(min_length=1)] = Field(
        description="Shares in growing order; the rest follows after the last."
    )
    checks: tuple[Probe, ...] = Field(default=(), description="Questions that must be answered well at every step.")

    @model_validator(mode="after")
    def _growing(self) -> "Canary":
        weights = [step.weight for step in self.steps]
        if weights != sorted(set(weights)):
            raise rule("the weights of canary steps grow from step to step", "steps")
        return self


class Strategy(Model):
    """One way, and what it needs."""

    type: StrategyType = Field(default=StrategyType.ROLLING, description="The way.")
    rolling: Rolling | None = Field(default=None, description="For type rolling.")
    blue_green: BlueGreen | None = Field(default=None, description="For type blue_green; required there.")
    canary: Canary | None = Field(default=None, description="For type canary; required there.")

    @model_validator(mode="after")
    def _settings_of_its_type(self) -> "Strategy":
        for of, given in (
            (StrategyType.ROLLING, self.rolling),
            (StrategyType.BLUE_GREEN, self.blue_green),
            (StrategyType.CANARY, self.canary),
        ):
            if given is not None and self.type is not of:
                raise rule("this belongs to type {of}, not {type}", of.value, of=of.value, type=self.type.value)
            if given is None and self.type is of and of is not StrategyType.ROLLING:
                raise rule("type {of} needs its settings", "type", of=of.value)
        return self
