"""How much a release needs and may take."""

from typing import Annotated

from pydantic import Field, model_validator

from reconciler.specs.kinds.fields import Counts, Percent, Quantity, ResourceName
from reconciler.specs.kinds.model import Model, rule

Limit = Annotated[int, Field(ge=1, le=100_000_000)]
Replicas = Annotated[int, Field(ge=0, le=10_000)]


class Quantities(Model):
    """Amounts of what a container uses."""

    cpu: Quantity | None = Field(default=None, description='Processor time in cores, such as "500m".')
    memory: Quantity | None = Field(default=None, description='Memory in bytes, such as "256Mi".')


class Resources(Model):
    """What a container asks for and may take at most."""

    container: ResourceName | None = Field(default=None, description="Container it is for; the only one unless set.")
    requests: Quantities = Field(default=Quantities(), description="What is reserved for it.")
    limits: Quantities = Field(default=Quantities(), description="What it may take at most.")


class Concurrency(Model):
    """How much may happen at once; in the ConfigMap RELEASE-capacity."""

    max_connections: Limit | None = Field(default=None, description="Connections that may be open at once.")
    max_requests_per_second: Limit | None = Field(default=None, description="Requests that may come in a second.")
    max_concurrent_requests: Limit | None = Field(default=None, description="Requests that may be worked on at once.")


class Capacity(Model):
    """How much a release needs and may take."""

    replicas: Replicas | None = Field(
        default=None, description="Number of pods, in place of what the source says; not beside autoscaling."
    )
    resources: Resources | None = Field(default=None, description="What a container asks for and may take.")
    concurrency: Concurrency = Field(default=Concurrency(), description="How much may happen at once.")
    queues: Counts = Field(
        default={},
        description="Length of each queue, by its name; in the ConfigMap RELEASE-capacity.",
        validate_default=True,
    )
    pools: Counts = Field(
        default={},
        description="Size of each pool, by its name; in the ConfigMap RELEASE-capacity.",
        validate_default=True,
    )
    rate_limits: Counts = Field(
        default={},
        description="Requests per second, by the name of the limit; in the ConfigMap RELEASE-capacity.",
        validate_default=True,
    )


class Autoscaling(Model):
    """How many pods, by how busy they are."""

    min_replicas: Annotated[int, Field(ge=1, le=10_000)] = Field(default=1, description="Fewest pods.")
    max_replicas: Annotated[int, Field(ge=1, le=10_000)] = Field(description="Most pods.")
    cpu: Percent | None = Field(default=None, description="Wanted use of the requested processor time, in percent.")
    memory: Percent | None = Field(default=None, description="Wanted use of the requested memory, in percent.")

    @model_validator(mode="after")
    def _a_range_and_a_measure(self) -> "Autoscaling":
        if self.min_replicas > self.max_replicas:
            raise rule("minReplicas is larger than maxReplicas", "min_replicas")
        if self.cpu is None and self.memory is None:
            raise rule("one of cpu and memory is needed", "")
        return self
