"""Turns what happens to the units of a plan into notes for the journal, in the words of the event dictionary."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.app.journal import SYSTEM, Note
from reconciler.app.operations import Step
from reconciler.errors import ReconcilerError
from reconciler.machine.entry import BackStep, Connected, Entry
from reconciler.machine.stages import ACTIONS, BY_CERTIFICATE, RESOURCE_TYPES, STATUSES, Stage
from reconciler.names import UnitKind, UnitRef
from reconciler.plan.change import ActionKind, Operation, Plan
from reconciler.specs.desired import Desired
from reconciler.state.event import Domain, EventStatus, Severity, Source

EXCERPT = 2_000  # characters of stderr that an event keeps; the whole log lies beside it


@dataclass(frozen=True, slots=True)
class Story:
    """What all notes of one plan have in common. `desired` names services and strategies."""

    plan: Plan
    ticket: str
    preview_ref: str
    desired: Desired
    actor: str = SYSTEM
    source: Source = Source.SYSTEM_SCHEDULER

    def tell(
        self,
        stage: Stage,
        *,
        entry: Entry | None = None,
        failure: ReconcilerError | None = None,
        summary: str = "",
        only: Collection[str] | None = None,
    ) -> Iterator[Note]:
        """A note for each unit that has a word for the stage; the entry goes with the first one. `only`: of these."""
        carried = entry
        for ref in self.plan.unit_refs:
            named = ACTIONS.get((ref.kind, stage))
            if named is None or (only is not None and str(ref) not in only):
                continue
            domain, action = named
            if ref.kind is UnitKind.CLUSTER and self._by_certificate(ref.name):
                action = BY_CERTIFICATE.get(action, action)
            yield self.note(domain, action, ref, stage, carried, failure, summary)
            carried = None
        if carried is not None:
            yield self.carrier(stage, carried, failure, summary)

    def adopted(self) -> Iterator[Note]:
        """A note for each release that adopted what was running, once its rollout ended well (G27)."""
        taken: dict[str, list[str]] = {}
        for change in self.plan.changes:
            if change.operation is Operation.ADOPT:
                taken.setdefault(change.unit, []).append(change.subject)
        for unit, subjects in taken.items():
            words = f"adopted {len(subjects)}: {', '.join(subjects[:10])}"
            yield self.note(Domain.RELEASE, "adopted", UnitRef.parse(unit), Stage.APPLIED, None, None, words)

    def carrier(self, stage: Stage, entry: Entry | None, failure: ReconcilerError | None, summary: str) -> Note:
        """A note for what no unit has a word for (a plan of policy or of connections only)."""
        applied = stage in {Stage.REQUESTED, Stage.APPLIED, Stage.APPROVED}
        return Note(
            domain=Domain.RELEASE,
            action="applied" if stage is Stage.APPLIED else "apply_requested" if applied else "applying",
            resource_type="plan",
            resource_id=self.plan.environment,
            actor=self.actor,
            source=self.source,
            status=STATUSES.get(stage, EventStatus.SUCCESS),
            severity=Severity(self.plan.risk.value),
            environment=self.plan.environment,
            project=self.plan.project or None,
            team=self.plan.team or None,
            detail=self._common(failure, summary),
            entry=entry,
        )

    def note(
        self,
        domain: Domain,
        action: str,
        ref: UnitRef,
        stage: Stage,
        entry: Entry | None,
        failure: ReconcilerError | None,
        summary: str,
    ) -> Note:
        """One unit's note."""
        return Note(
            domain=domain,
            action=action,
            resource_type=RESOURCE_TYPES[ref.kind],
            resource_id=ref.name,
            actor=self.actor,
            source=self.source,
            status=STATUSES.get(stage, EventStatus.SUCCESS),
            severity=Severity(self.plan.risk.value),
            environment=self.plan.environment,
            project=self.plan.project or None,
            team=self.plan.team or None,
            detail={**self._common(failure, summary), **self._detail(ref)},
            entry=entry,
        )

    def steps(self, steps: tuple[Step, ...], task: str) -> Iterator[Note]:
        """What hosts and Jobs did: one note for each step, with its whole log beside it."""
        for index, step in enumerate(steps):
            if step.action.kind is ActionKind.RUN_JOB:
                yield self._of_job(step, task)
                continue
            host = step.action.target.partition("/")[2]
            name = step.action.hook or step.action.kind.value
            failed = step.failure is not None
            result = step.result
            files: dict[str, bytes] = {}
            if result is not None and step.action.kind is ActionKind.RUN_HOOK:
                files[f"tasks/{task}/{host}-{name}.log"] = result.log.encode()
            yield Note(
                domain=Domain.ENVIRONMENT,
                action="install_step_failed" if failed else "install_step_succeeded",
                resource_type="install_task",
                resource_id=task,
                status=EventStatus.FAILED if failed else EventStatus.SUCCESS,
                severity=Severity(self.plan.risk.value),
                environment=self.plan.environment,
                project=self.plan.project or None,
                team=self.plan.team or None,
                detail={
                    "environment_id": self.plan.environment,
                    "task_id": task,
                    "runtime_type": step.action.runtime,
                    "manifest_version": step.action.bundle_version,
                    "step_name": name,
                    "step_index": index,
                    "host_id": host,
                    "exit_code": result.exit_code if result is not None else None,
                    "duration_ms": int(result.duration.total_seconds() * 1000) if result is not None else None,
                    "stderr_excerpt": result.stderr[-EXCERPT:] if result is not None else "",
                    "outputs": dict(result.outputs) if result is not None else {},
                    "log": next(iter(files), ""),
                    "error_key": step.failure.key if step.failure is not None else "",
                    "approval_ticket": self.ticket,
                },
                files=files,
            )

    def connected(self) -> Iterator[Note]:
        """The identity of each cluster that the plan connected to, once its rollout ended well."""
        actions = (one for batch in self.plan.batches for one in batch if one.kind is ActionKind.CONNECT_CLUSTER)
        for action in actions:
            name = action.target.partition("/")[2]
            yield Note(
                domain=Domain.CLUSTER,
                action="connection_test_succeeded",
                resource_type="cluster",
                resource_id=name,
                environment=self.plan.environment,
                project=self.plan.project or None,
                team=self.plan.team or None,
                status=EventStatus.SUCCESS,
                detail={"cluster_id": name, "approval_ticket": self.ticket},
                entry=Connected(cluster=name, uid=action.post),
            )

    def walked(
        self, place: tuple[str, int], unit: str, number: int, action: str, more: str = "", *, done: bool
    ) -> Note:
        """A step of a way back, before it or after; or (0) that what was stopped gets its pods."""
        entry = BackStep(environment=place[0], generation=place[1], unit=unit, number=number, action=action, done=done)
        words = f"step {number} of its way back, {action}, {'is done' if done else 'was begun'}" if number else action
        ref = UnitRef.parse(unit)
        told = f"{words}{more and '; '}{more}"
        note = self.note(Domain.RELEASE, "applying", ref, Stage.APPLYING, entry, None, told)
        return replace(note, status=EventStatus.SUCCESS) if done else note

    def _of_job(self, step: Step, task: str) -> Note:
        """What became of a Job that was run, with its log beside it."""
        ref, failure, result = UnitRef.parse(step.action.unit), step.failure, step.result
        name = step.action.object.name if step.action.object is not None else ""
        # a folder of its own for each release, and a file for each run: no two of either share a name
        files = {f"tasks/{task}/{ref.name}/{step.run}.log": result.log.encode()} if result is not None else {}
        action = "deploy_apply_succeeded" if failure is None else "deploy_apply_failed"
        status = EventStatus.SUCCESS if failure is None else EventStatus.FAILED
        note = self.note(Domain.K8S, action, ref, Stage.APPLYING, None, failure, f"Job {name} ({step.action.hook}) ran")
        more = {
            "step_name": step.action.hook,
            "task_id": task,
            "cluster_id": step.action.target.partition("/")[2],
            "exit_code": result.exit_code if result is not None else None,
            "duration_ms": int(result.duration.total_seconds() * 1000) if result is not None else None,
            "stderr_excerpt": result.stderr[-EXCERPT:] if result is not None else "",
            "log": next(iter(files), ""),
        }
        return replace(note, status=status, detail={**note.detail, **more}, files=files)

    def _common(self, failure: ReconcilerError | None, summary: str) -> dict[str, Any]:
        return {
            "approval_ticket": self.ticket,
            "preview_ref": self.preview_ref,
            "plan_digest": self.plan.digest,
            "env": self.plan.environment,
            "error_key": failure.key if failure is not None else "",
            "summary": failure.message if failure is not None else summary,
        }

    def _detail(self, ref: UnitRef) -> Mapping[str, Any]:
        if ref.kind is UnitKind.RELEASE:
            release = self.desired.releases.get(ref.name)
            spec = release.spec if release is not None else None
            return {
                "release_id": ref.name,
                "service_id": (spec.service or ref.name) if spec is not None else ref.name,
                "target_id": (spec.cluster or "") if spec is not None else "",
                "runtime_type": "k8s",
                "strategy": spec.strategy.type.value if spec is not None else "",
                "version": spec.variables.get("image_tag", "") if spec is not None else "",
            }
        if ref.kind is UnitKind.CLUSTER:
            cluster = self.desired.clusters.get(ref.name)
            return {
                "cluster_id": ref.name,
                "source_type": cluster.spec.source_type.value if cluster is not None else "",
                "auth_type": cluster.spec.auth_type.value if cluster is not None else "",
                "endpoint": (cluster.spec.endpoint or "") if cluster is not None else "",
            }
        environment = self.desired.environments.get(ref.name)
        bundle = environment.spec.bundle if environment is not None else None
        return {"environment_id": ref.name, "manifest_version": bundle.version if bundle is not None else ""}

    def _by_certificate(self, cluster: str) -> bool:
        spec = self.desired.clusters.get(cluster)
        return spec is not None and spec.spec.auth_type.value != "kubeconfig"
