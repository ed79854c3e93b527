"""Release: a service's version in an environment."""

from enum import StrEnum

from pydantic import Field, model_validator

from reconciler.specs.kinds.capacity import Autoscaling, Capacity
from reconciler.specs.kinds.fields import (
    Duration,
    Images,
    Name,
    PositiveDuration,
    RepositoryPath,
    ResourceName,
    Variables,
    parse_duration,
)
from reconciler.specs.kinds.ignoring import MOST_RULES, IgnoredFields
from reconciler.specs.kinds.model import Model, rule
from reconciler.specs.kinds.probes import Probe
from reconciler.specs.kinds.readiness import ReadyWhen
from reconciler.specs.kinds.strategy import Strategy


class SourceKind(StrEnum):
    """What a release's source is written in."""

    MANIFESTS = "manifests"
    KUSTOMIZE = "kustomize"
    HELM = "helm"
    COMPOSE = "compose"


class OnRemoval(StrEnum):
    """What happens to what runs when the release is removed (G28)."""

    DELETE = "delete"
    FORGET = "forget"


class RollbackAction(StrEnum):
    """A step of the way back, in the order in which they stand; only those that migrate may be several."""

    STOP_TRAFFIC = "stop_traffic"
    MIGRATE_DATABASE = "migrate_database"
    ROLL_BACK = "roll_back"
    RESTORE_TRAFFIC = "restore_traffic"
    VERIFY = "verify"


class HookPoint(StrEnum):
    """When a hook runs."""

    BEFORE = "before"
    AFTER = "after"


class Source(Model):
    """Where the release's desired state is written."""

    type: SourceKind = Field(description="What it is written in.")
    path: RepositoryPath = Field(description="Folder or file, from the root of the repository.")
    values: tuple[RepositoryPath, ...] = Field(
        default=(), description="Value files for helm, later ones win; from the root of the repository."
    )


class Health(Model):
    """When a release counts as healthy."""

    timeout: PositiveDuration = Field(
        default=parse_duration("10m"), description="How long it may take to become ready."
    )
    stable_for: Duration = Field(default=parse_duration("0s"), description="How long it must stay ready.")
    checks: tuple[Probe, ...] = Field(default=(), description="Questions that must be answered well besides readiness.")
    readiness: tuple[ReadyWhen, ...] = Field(
        default=(),
        description="When its custom resources are ready; by their conditions where none is named.",
        max_length=20,
    )

    @model_validator(mode="after")
    def _one_of_a_kind(self) -> "Health":
        named = [(one.group, one.kind) for one in self.readiness]
        for number, kind in enumerate(named):
            if kind in named[:number]:
                raise rule("the readiness of {kind} is said twice", "readiness", kind=".".join(reversed(kind)))
        return self


class RollbackStep(Model):
    """One step of the way back."""

    action: RollbackAction = Field(description="What is done.")
    job: ResourceName | None = Field(
        default=None, description="For migrate_database: the Job of the source, or Compose service, that migrates back."
    )
    timeout: PositiveDuration = Field(default=parse_duration("10m"), description="How long it may take.")
    reversible: bool = Field(
        default=False,
        description="For migrate_database: whether the Job loses nothing. Else a return needs an approval of its own.",
        exclude_if=lambda value: not value,  # what does not say it is the artifact that it was
    )

    @model_validator(mode="after")
    def _job_of_a_migration(self) -> "RollbackStep":
        if (self.action is RollbackAction.MIGRATE_DATABASE) != (self.job is not None):
            raise rule("migrate_database, and only that, names a job", "job")
        if self.reversible and self.job is None:
            raise rule("reversible is said of migrate_database; every other step is", "reversible")
        return self

    @property
    def returns(self) -> bool:
        """Whether what it does can be undone, so that a granted return may do it (G21)."""
        return self.action is not RollbackAction.MIGRATE_DATABASE or self.reversible


DEFAULT_WAY_BACK = (RollbackStep(action=RollbackAction.ROLL_BACK), RollbackStep(action=RollbackAction.VERIFY))
MOST_STEPS = 12


class Rollback(Model):
    """The way back to what ran before."""

    automatic: bool = Field(
        default=False, description="Whether a failed rollout goes back by itself, within its approval."
    )
    steps: tuple[RollbackStep, ...] = Field(
        default=DEFAULT_WAY_BACK, description="What is done, in order.", min_length=1, max_length=MOST_STEPS
    )
    success: tuple[Probe, ...] = Field(default=(), description="Questions that tell whether the way back succeeded.")

    @model_validator(mode="after")
    def _a_way_that_arrives(self) -> "Rollback":
        actions = [step.action for step in self.steps]
        for action in RollbackAction:
            if action is not RollbackAction.MIGRATE_DATABASE and actions.count(action) > 1:
                raise rule("{action} is there twice", "steps", action=action.value)
        if RollbackAction.ROLL_BACK not in actions:
            raise rule("a way back holds the step roll_back", "steps")
        if actions != sorted(actions, key=list(RollbackAction).index):
            raise rule("the order of the steps is {order}", "steps", order=", ".join(RollbackAction))
        if (RollbackAction.STOP_TRAFFIC in actions) != (RollbackAction.RESTORE_TRAFFIC in actions):
            raise rule("stop_traffic and restore_traffic go together", "steps")
        if self.success and RollbackAction.VERIFY not in actions:
            raise rule("success is asked by the step verify, which is not there", "steps")
        return self

    @property
    def plain(self) -> bool:
        """Whether a return is what it is for everybody: the old artifact, and the questions."""
        return self.steps == DEFAULT_WAY_BACK


MOST_HOOKS = 20


class Hook(Model):
    """A job that runs around an apply."""

    name: Name = Field(description="What it is called in the plan.")
    when: HookPoint = Field(description="Before or after the other objects are applied.")
    job: ResourceName = Field(description="The Job of the source, or Compose service, that is run.")
    timeout: PositiveDuration = Field(default=parse_duration("10m"), description="How long it may take.")
    reversible: bool = Field(
        default=False,
        description="Whether the version before can run on what it leaves, so that a return has nothing to undo.",
        exclude_if=lambda value: not value,  # what does not say it is the artifact that it was
    )


class Release(Model):
    """A service's version in an environment."""

    service: Name | None = Field(
        default=None, description="Service that is released; a release without one is its own."
    )
    environment: Name = Field(description="Environment that it runs in.")
    cluster: Name | None = Field(default=None, description="Cluster of the environment; not for compose.")
    namespace: Name | None = Field(default=None, description="Namespace of objects that name none; not for compose.")
    source: Source = Field(description="Where its desired state is written.")
    variables: Variables = Field(
        default={},
        description="Values for ${name} in the source; they win over the environment's.",
        validate_default=True,
    )
    images: Images = Field(
        default={}, description="Image name to tag or digest, in place of what the source says.", validate_default=True
    )
    strategy: Strategy = Field(default=Strategy(), description="How the new version takes the place of the old one.")
    capacity: Capacity = Field(default=Capacity(), description="How much it needs and may take.")
    autoscaling: Autoscaling | None = Field(
        default=None, description="A HorizontalPodAutoscaler for its workload; none unless set."
    )
    health: Health = Field(default=Health(), description="When it counts as healthy.")
    rollback: Rollback = Field(default=Rollback(), description="The way back to what ran before.")
    on_removal: OnRemoval = Field(
        default=OnRemoval.DELETE, description="When this spec is removed: delete what runs, or leave it running."
    )
    depends_on: tuple[Name, ...] = Field(
        default=(), description="Releases of the same environment that must be healthy first."
    )
    hooks: tuple[Hook, ...] = Field(default=(), description="Jobs that run around an apply.", max_length=MOST_HOOKS)
    ignore_differences: tuple[IgnoredFields, ...] = Field(
        default=(),
        description="Fields of its objects that are left to others.",
        max_length=MOST_RULES,
        exclude_if=lambda value: not value,  # what does not say it is the artifact that it was
    )
    suspend: bool = Field(default=False, description="Whether this release is left as it is for now.")

    @model_validator(mode="after")
    def _target_of_its_runtime(self) -> "Release":
        on_cluster = self.source.type is not SourceKind.COMPOSE
        for name in ("cluster", "namespace"):
            if on_cluster and getattr(self, name) is None:
                raise rule("a release of {type} needs {name}", name, type=str(self.source.type), name=name)
            if not on_cluster and getattr(self, name) is not None:
                raise rule("a compose release has no {name}", name, name=name)
        if self.autoscaling is not None and not on_cluster:
            raise rule("autoscaling is for releases on a cluster", "autoscaling")
        if self.autoscaling is not None and self.capacity.replicas is not None:
            raise rule("capacity.replicas and autoscaling exclude each other", "autoscaling")
        if self.health.readiness and not on_cluster:
            raise rule("health.readiness is for releases on a cluster", "health")
        if self.source.values and self.source.type is not SourceKind.HELM:
            raise rule("source.values is for helm", "source")
        if self.ignore_differences and not on_cluster:
            raise rule("ignoreDifferences is for releases on a cluster", "ignore_differences")
        names = [hook.name for hook in self.hooks]
        if len(set(names)) < len(names):
            raise rule("two hooks have one name", "hooks")
        return self
