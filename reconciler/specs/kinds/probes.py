"""Questions that are asked of something running, and where people are told: parts that several kinds use.

Knows what to ask, not how. Rule: a probe is data; nothing in a spec is a command.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer, model_validator

from reconciler.specs.kinds.fields import (
    HostAndPort,
    HttpsUrl,
    Line,
    Name,
    PositiveDuration,
    TimeOfDay,
    TimeZone,
    Url,
    parse_duration,
)
from reconciler.specs.kinds.model import Model, exactly_one, rule

Bound = Annotated[float, Field(allow_inf_nan=False)]


class HttpProbe(Model):
    """An HTTP GET and the answer that counts as good."""

    url: Url = Field(description="What to ask, by GET.")
    status: Annotated[int, Field(ge=100, le=599)] = Field(
        default=200, description="The HTTP status that counts as good."
    )
    contains: Line | None = Field(default=None, description="Text that the answer must contain.")


class TcpProbe(Model):
    """A TCP connection that must be accepted."""

    address: HostAndPort = Field(description="Where to connect to, host:port.")


class TrafficProbe(Model):
    """Many requests and what share of them must be good and how fast."""

    url: Url = Field(description="What to ask, by GET.")
    requests: Annotated[int, Field(ge=1, le=10_000)] = Field(default=100, description="How many requests to send.")
    min_success_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.99, description="The share of 2xx answers that is needed, 0 to 1."
    )
    max_p95: PositiveDuration = Field(
        default=parse_duration("3s"), description="The longest 95th percentile of response times."
    )


class PrometheusProbe(Model):
    """A PromQL query that answers with one number, and between which bounds that number is good."""

    url: Url = Field(
        description="Where the Prometheus API is: a Service of the release's cluster, without a query string."
    )
    query: Annotated[str, StringConstraints(min_length=1, max_length=2048)] = Field(
        description="An instant query whose answer is one number: a scalar, or exactly one series."
    )
    min: Bound | None = Field(default=None, description="The smallest number that is good; itself is good.")
    max: Bound | None = Field(default=None, description="The largest number that is good; itself is good.")

    @model_validator(mode="after")
    def _between_bounds(self) -> "PrometheusProbe":
        if "?" in self.url or "#" in self.url:
            raise rule("the address takes no query string; what is asked stands in query", "url")
        if not self.query.strip():
            raise rule("a query is needed", "query")
        if self.min is None and self.max is None:
            raise rule("min, max or both are needed: without them every number would be good", "query")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise rule("min is larger than max, so no number would be good", "min")
        return self


class Probe(Model):
    """One question: exactly one of http, tcp, traffic and prometheus."""

    http: HttpProbe | None = Field(default=None, description="Ask by HTTP.")
    tcp: TcpProbe | None = Field(default=None, description="Connect by TCP.")
    traffic: TrafficProbe | None = Field(default=None, description="Ask many times and look at rate and latency.")
    prometheus: PrometheusProbe | None = Field(default=None, description="Ask Prometheus for one number.")
    timeout: PositiveDuration = Field(default=parse_duration("10s"), description="How long one answer may take.")

    @model_validator(mode="after")
    def _one_question(self) -> "Probe":
        asked = {"http": self.http, "tcp": self.tcp, "traffic": self.traffic, "prometheus": self.prometheus}
        exactly_one(asked)
        return self

    @property
    def url(self) -> str | None:
        """What is asked by HTTP."""
        asked = self.http or self.traffic or self.prometheus
        return asked.url if asked is not None else None

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what came later where it says nothing: an artifact that was approved before it keeps its digest."""
        found: dict[str, Any] = handler(self)
        if self.prometheus is None:
            found.pop("prometheus", None)
        return found


class Webhook(Model):
    """An address that is told of something, by POST."""

    url: HttpsUrl = Field(description="Where to POST to; no secret in it.")
    credential: Name | None = Field(default=None, description="Credential of type token, sent as bearer token.")


class Weekday(StrEnum):
    """A day of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class Window(Model):
    """A time of the week. Where `end` is before `start`, it runs past midnight."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1)] = Field(
        default=tuple(Weekday), description="Days on which the window begins."
    )
    start: TimeOfDay = Field(description='Time of day at which it begins, such as "09:00".')
    end: TimeOfDay = Field(description='Time of day at which it ends, such as "17:30".')
    timezone: TimeZone = Field(default="UTC", description="Time zone of start and end, such as Europe/Berlin.")

    @model_validator(mode="after")
    def _some_time(self) -> "Window":
        if self.start == self.end:
            raise rule("start and end are the same time", "end")
        if self.timezone != "UTC" and not _known_zone(self.timezone):
            raise rule("this time zone is not known here", "timezone")
        return self


def _known_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo  # rarely needed, and it reads the machine's tz database

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
