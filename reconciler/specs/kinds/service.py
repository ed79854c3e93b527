"""Service: what is released, who owns it, and what it depends on outside."""

from pydantic import Field

from reconciler.specs.kinds.environment import RuntimeType
from reconciler.specs.kinds.fields import Line, Name, PersonName, Text, Version
from reconciler.specs.kinds.model import Model
from reconciler.specs.kinds.probes import Probe
from reconciler.specs.kinds.project import DEFAULT_PROJECT, DEFAULT_TEAM


class Dependency(Model):
    """Something outside that a service needs."""

    name: Line = Field(description="What it is.")
    version: Version | None = Field(default=None, description="Version that is expected, in quotes.")
    purpose: Text = Field(default="", description="What it is needed for.")
    without: Text = Field(default="", description="What the service does while it is away.")
    check: Probe | None = Field(default=None, description="How to tell, before a release, whether it is there.")


class Service(Model):
    """What is released."""

    project: Name = Field(default=DEFAULT_PROJECT, description="Project that it belongs to.")
    team: Name = Field(default=DEFAULT_TEAM, description="Team of the project that it belongs to.")
    runtime_type: RuntimeType = Field(description="What it runs on.")
    owners: tuple[PersonName, ...] = Field(default=(), description="Users and groups that answer for it.")
    dependencies: tuple[Dependency, ...] = Field(
        default=(), description="What it needs from outside, checked before a release."
    )
