"""Environment: where releases run, on what it is installed, and what has to be true before and after a change."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from reconciler.specs.kinds.fields import (
    Cidr,
    CommitId,
    Line,
    Name,
    PositiveDuration,
    TagPattern,
    Text,
    Url,
    Variables,
    Version,
    parse_duration,
)
from reconciler.specs.kinds.model import Model, rule
from reconciler.specs.kinds.probes import Probe, Webhook, Window
from reconciler.specs.kinds.project import DEFAULT_PROJECT, DEFAULT_TEAM


class Tier(StrEnum):
    """How much depends on an environment; listed from least to most."""

    DEV = "dev"
    STAGING = "staging"
    PRODUCTION = "production"


class RuntimeType(StrEnum):
    """What runs releases."""

    K8S = "k8s"
    COMPOSE = "compose"
    HYBRID = "hybrid"


class Mode(StrEnum):
    """Who installs the runtime."""

    PLATFORM_MANAGED = "platform_managed"
    EXTERNAL_MANAGED = "external_managed"


class NodeRole(StrEnum):
    """What a host does in an environment."""

    CONTROL_PLANE = "control_plane"
    WORKER = "worker"
    COMPOSE_MANAGER = "compose_manager"
    COMPOSE_WORKER = "compose_worker"


class Drift(StrEnum):
    """What happens when a target no longer holds what was last applied."""

    REPORT = "report"
    HEAL = "heal"


class PreviewRenewal(StrEnum):
    """Whether an expired preview is renewed by looking again (G11)."""

    ON_DEMAND = "on-demand"
    NEVER = "never"


class Node(Model):
    """A host in an environment."""

    host: Name = Field(description="Name of a Host.")
    role: NodeRole = Field(description="What the host does here.")
    weight: Annotated[int, Field(ge=1, le=255)] = Field(
        default=1, description="Its share of the traffic behind a virtual IP."
    )


class BundleChoice(Model):
    """Which offline bundle to install from."""

    version: Version = Field(description="Version of the bundle (bundleVersion of its index).")


class Install(Model):
    """What the installed cluster looks like."""

    cni: Name = Field(default="flannel", description="Network plugin, as the bundle names it.")
    pod_cidr: Cidr = Field(default="10.244.0.0/16", description="Network of the pods.")
    service_cidr: Cidr = Field(default="10.96.0.0/12", description="Network of the services.")


class Promotion(Model):
    """When the reconciler proposes a new revision (G19)."""

    tags: TagPattern = Field(description="Tags that propose a promotion, such as v*.")


class Soak(Model):
    """How long the same change must have run in an earlier environment."""

    environment: Name = Field(description="The earlier environment.")
    duration: PositiveDuration = Field(description="How long it must have been healthy there.")


class Gates(Model):
    """What has to be true before a plan of this environment is applied."""

    statuses: tuple[Line, ...] = Field(default=(), description="Commit statuses that must be green.")
    soak: Soak | None = Field(default=None, description="A soak in an earlier environment.")
    windows: tuple[Window, ...] = Field(
        default=(), description="Times in which changes are applied; always, unless set."
    )


class Criterion(Probe):
    """One exit criterion: an action, the outcome that is expected, and what to do when it fails."""

    name: Line = Field(description="What is verified.")
    tries: Annotated[int, Field(ge=1, le=3)] = Field(default=3, description="How often to try.")
    hint: Text = Field(default="", description="What to do when it fails.")


class Monitoring(Model):
    """How the environment is watched between changes."""

    health_url: Url | None = Field(
        default=None, description="Address that answers 2xx while the environment is healthy."
    )
    interval: PositiveDuration = Field(default=parse_duration("300s"), description="Time between two looks.")
    alerts: tuple[Webhook, ...] = Field(default=(), description="Addresses told of failing health and of recovery.")


class Environment(Model):
    """Where releases run."""

    project: Name = Field(default=DEFAULT_PROJECT, description="Project that it belongs to.")
    team: Name = Field(default=DEFAULT_TEAM, description="Team of the project that it belongs to.")
    tier: Tier = Field(description="How much depends on it.")
    runtime_type: RuntimeType = Field(description="What runs releases here.")
    mode: Mode = Field(
        description="platform_managed: installed by the reconciler on its nodes; external_managed: exists already."
    )
    region: Line | None = Field(default=None, description="Where it is.")
    nodes: tuple[Node, ...] = Field(default=(), description="Its hosts and what they do.")
    bundle: BundleChoice | None = Field(default=None, description="The offline bundle to install from.")
    install: Install = Field(default=Install(), description="What the installed cluster looks like.")
    variables: Variables = Field(
        default={}, description="Values for ${name} in the sources of its releases.", validate_default=True
    )
    revision: CommitId | None = Field(
        default=None, description="Commit at which its releases are read; the tip unless set."
    )
    promotion: Promotion | None = Field(default=None, description="When the reconciler proposes a new revision.")
    allow_self_approval: bool = Field(
        default=False, description="Whether the settings' allowSelfApproval holds here, though it is production."
    )
    preview_renewal: PreviewRenewal = Field(
        default=PreviewRenewal.ON_DEMAND, description="never: an approval ends with its preview."
    )
    gates: Gates = Field(default=Gates(), description="What has to be true before a plan is applied.")
    verification: tuple[Criterion, ...] = Field(default=(), description="Exit criteria, run after every apply.")
    monitoring: Monitoring = Field(default=Monitoring(), description="How it is watched between changes.")
    drift: Drift = Field(default=Drift.REPORT, description="What happens when a target changed under us.")
    suspend: bool = Field(default=False, description="Whether nothing is applied here for now.")

    @model_validator(mode="after")
    def _installed_from_something(self) -> "Environment":
        if self.mode is Mode.PLATFORM_MANAGED and self.bundle is None:
            raise rule("a platform_managed environment names the bundle it is installed from", "bundle")
        return self
