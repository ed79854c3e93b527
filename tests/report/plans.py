"""A realistic pull request: one image updated, one object created, one deleted, a secret changed, warnings."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler.canonical import digest_of
from reconciler.names import Digest, Revision
from reconciler.plan.change import (
    Change,
    Check,
    FieldChange,
    Operation,
    Plan,
    PlanSet,
    Risk,
    Severity,
    Touched,
    UnitPlan,
)
from reconciler.report.phrases import Locale
from reconciler.report.preview import Approvers, Context

MARKER = "<!-- reconciler:preview 1 5f1c -->"
LOOKED = datetime(2026, 3, 4, 5, 6, 30, tzinfo=UTC)
UNTIL = datetime(2026, 3, 4, 5, 36, 30, tzinfo=UTC)
HEAD = Revision("8c2b7e1fd0a94c35b6e7f8091a2b3c4d5e6f7081")
BASE = Revision("1f0e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c")
ACCEPTED = Revision("9d8c7b6a5f4e3d2c1b0a99887766554433221100")
SECRET = "<secret {}>"

CONFIG = "listen 8080\nworkers 2\nlog info\n"


def changes(unit: str = "release/svc-a") -> tuple[Change, ...]:
    cluster = "cluster k8s-prod-platform"
    image = FieldChange(
        path="spec.template.spec.containers[name=web].image",
        before="registry.example/svc-a:v2.0.0",
        after="registry.example/svc-a:v2.0.1",
    )
    limit = FieldChange(
        path="spec.template.spec.containers[name=web].resources.limits", after={"cpu": "500m", "memory": "256Mi"}
    )
    token = FieldChange(path="data.token", before=SECRET.format("1" * 32), after=SECRET.format("2" * 32))
    config = FieldChange(path="data.app.conf", before=CONFIG, after=CONFIG.replace("workers 2", "workers 4"))
    scaler = {"minReplicas": 2, "maxReplicas": 6, "scaleTargetRef": {"kind": "Deployment", "name": "web"}}
    return (
        Change(
            unit=unit,
            operation=Operation.DELETE,
            subject="Service default/svc-a-old",
            where=cluster,
            fields=(FieldChange(path="", before={"spec": {"ports": [{"port": 80}], "type": "ClusterIP"}}),),
            reversible=True,
        ),
        Change(
            unit=unit,
            operation=Operation.CREATE,
            subject="HorizontalPodAutoscaler.autoscaling default/web",
            where=cluster,
            fields=(FieldChange(path="", after={"spec": scaler}),),
        ),
        Change(unit=unit, operation=Operation.UPDATE, subject="ConfigMap default/web", where=cluster, fields=(config,)),
        Change(unit=unit, operation=Operation.UPDATE, subject="Secret default/web", where=cluster, fields=(token,)),
        Change(
            unit=unit,
            operation=Operation.UPDATE,
            subject="Deployment.apps default/web",
            where=cluster,
            fields=(image, limit),
            restarts=True,
        ),
    )


def plan(**changed: Any) -> Plan:
    fields: dict[str, Any] = {
        "environment": "env-k8s-prod",
        "project": "proj-alpha",
        "team": "team-app",
        "tier": "production",
        "units": (
            UnitPlan(
                unit="release/svc-a",
                artifact=digest_of("artifact", "svc-a"),
                specs=(FieldChange(path="spec.variables.image_tag", before="v2.0.0", after="v2.0.1"),),
                rollback=True,
                accepted=ACCEPTED,
            ),
        ),
        "changes": changes(),
        "batches": (),
        "checks": (
            Check(
                severity=Severity.WARNING,
                key="",
                message="ConfigMap default/web: no checksum annotation, pods keep the old content until they restart",
                unit="release/svc-a",
                hint="annotate the pod template with the digest of the ConfigMap",
            ),
            Check(
                severity=Severity.WARNING,
                key="ssh_unreachable",
                message="looking at host wk-2: no answer within 10 s; nothing of this plan runs there",
            ),
        ),
        "touched": (
            Touched(
                subject="cluster/k8s-prod-platform: Deployment.apps default/web", state={"uid": "u1", "image": "a"}
            ),
        ),
        "risk": Risk.HIGH,
        "priority": "p1",
        "reasons": ("tier: high", "deletion: high"),
        "artifact": digest_of("artifact", "x"),
        "digest": Digest("3fa2b1c09d77e1aa00112233445566778899aabbccddeeff0011223344556677"),
        "observed_at": LOOKED,
    }
    return Plan(**(fields | changed))


def plans(*each: Plan) -> PlanSet:
    listed = each or (plan(),)
    return PlanSet(plans=listed, digest=listed[0].digest)


def context(**changed: Any) -> Context:
    approvers: Mapping[str, Approvers] = {"env-k8s-prod": Approvers(1, ("approver_user", "admin"))}
    fields: dict[str, Any] = {
        "marker": MARKER,
        "ticket": "dep-appr-42",
        "head": HEAD,
        "base": "main",
        "base_revision": BASE,
        "command": "reconciler approve dep-appr-42@3fa2b1c09d77",
        "artifact": "previews/dep-appr-42/3fa2b1c09d77.json",
        "locale": Locale.EN,
        "approvers": approvers,
        "valid_until": UNTIL,
        "looked_at": LOOKED,
    }
    return Context(**(fields | changed))
