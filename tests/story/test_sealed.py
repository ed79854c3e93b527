"""A Secret that SOPS encrypted to the reconciler, from the pull request to the cluster, and nowhere else."""

import base64
import subprocess
from typing import Any

import yaml

from reconciler.app.keys import age_recipient
from reconciler.plan.change import Severity
from reconciler.specs.sealed import BOUND
from tests.leaks.forms import Searcher
from tests.specs.sealing import sealed
from tests.story.stage import RELEASE, Stage
from tests.story.test_helm import FOLDER, Known, Shop, chart
from tests.story.test_helm import RELEASE as SHOP

LONGER = frozenset({"test_a_value_of_a_chart_reaches_its_secret_and_helms_own_record_and_nothing_else"})
CANARY = "Kx7canary9Qz2vLw8m"
PATH = "releases/svc-a/private/secret.yaml"
LIVE = "api/v1/namespaces/svc-a/secrets/db"


def encrypted(stage: Stage, password: str, environment: str = "env-k8s-prod", **plain: str) -> str:
    metadata: dict[str, Any] = {"name": "db", "annotations": {BOUND: environment, **plain}}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"password": password}}
    return yaml.safe_dump(sealed(body, age_recipient(stage.world.opened.keys)), sort_keys=False)


def proposed(stage: Stage, secret: str, branch: str) -> int:
    example = stage.world.example()
    parts = {
        f"releases/svc-a/private/{name}": example[f"releases/svc-a/manifests/{name}"]
        for name in ("configmap.yaml", "deployment.yaml", "service.yaml")
    }
    text = stage.release_text("v2.0.0").replace("/manifests}", "/private}")
    return stage.propose({RELEASE: text, PATH: secret, **parts}, branch=branch)


def everything_written(stage: Stage) -> bytes:
    """Every file of the world, and every object of every repository in it."""
    found = []
    for path in stage.world.folder.rglob("*"):
        if path.is_file():
            found.append(path.read_bytes())
        if path.name == "objects" and path.is_dir():
            command = ["git", "-C", str(path.parent), "cat-file", "--batch-all-objects", "--batch"]
            found.append(subprocess.run(command, capture_output=True, check=True).stdout)
    return b"\n".join(found)


def test_its_value_reaches_the_cluster_and_nothing_else(stage: Stage) -> None:
    number = proposed(stage, encrypted(stage, CANARY), "add")
    (plan,) = stage.plans(number).plans
    assert plan.blocked == ()
    assert [check.message for check in plan.checks if check.severity is Severity.WARNING] == []
    assert "create" in {change.operation.value for change in plan.changes if "Secret" in change.subject}
    stage.approve(number)
    stage.merge(number)
    live = stage.world.clusters["prod"].look(LIVE)
    assert live is not None
    assert base64.b64decode(live["data"]["password"]).decode() == CANARY
    assert BOUND not in str(live["metadata"].get("annotations"))

    number = proposed(stage, encrypted(stage, CANARY), "encrypted-again")
    assert f"dep-appr-{number}" not in stage.ledger.previews  # nothing would change
    number = proposed(stage, encrypted(stage, f"{CANARY}-2"), "another")
    (plan,) = stage.plans(number).plans
    (change,) = (change for change in plan.changes if "Secret" in change.subject)
    assert [field.path for field in change.fields] == ["data.password"]

    written = everything_written(stage)
    assert PATH.encode() in written or b"secret.yaml" in written
    assert CANARY.encode() not in written
    for shift in range(3):
        assert base64.b64encode(b"x" * shift + CANARY.encode())[4:-4] not in written


def charted(stage: Stage, password: str, *, environment: str = "env-k8s-prod", more: str = "") -> dict[str, str | None]:
    """A chart whose Secret holds an encrypted value."""
    made = chart()
    spec, values = made[SHOP], {"password": password, BOUND: environment}
    assert spec is not None
    written = sealed(values, age_recipient(stage.world.opened.keys), every=True)
    template = "apiVersion: v1\nkind: Secret\nmetadata: {name: shop}\nstringData: {p: '{{ .Values.password }}'}\n"
    return {
        **made,
        SHOP: spec.replace("shop/values.yaml]", "shop/values.yaml, releases/shop/secret.yaml]"),
        "releases/shop/secret.yaml": yaml.safe_dump(written, sort_keys=False),
        f"{FOLDER}/templates/secret.yaml": template + more,
    }


def test_a_value_of_a_chart_reaches_its_secret_and_helms_own_record_and_nothing_else(stage: Stage) -> None:
    shop = Shop(stage, Known())
    stage.world.opened.planner.desires.charts = shop.charts
    _, ended = shop.release(charted(stage, CANARY), "sealed")
    assert ended == "success"
    live = shop.look("api/v1/namespaces/svc-a/secrets/shop")
    assert live is not None
    assert base64.b64decode(live["data"]["p"]).decode() == CANARY
    assert shop.records()[1]["config"]["password"] == CANARY  # as Helm itself keeps it, in a Secret of the cluster
    again = stage.propose(charted(stage, CANARY), branch="encrypted-again")
    assert f"dep-appr-{again}" not in stage.ledger.previews
    another = stage.propose(charted(stage, f"{CANARY}2"), branch="another")
    (plan,) = stage.plans(another).plans
    (change,) = (change for change in plan.changes if change.subject == "Secret svc-a/shop")
    assert [field.path for field in change.fields] == ["data.p"]
    stolen = stage.propose(charted(stage, CANARY, environment="env-staging"), branch="stolen")
    assert stage.statuses(stage.pull(stolen).head)["reconciler/validate"][0] == "failure"
    shown = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: open}\ndata: {p: '{{ .Values.password }}'}\n"
    leaked = stage.propose(charted(stage, f"{CANARY}3", more=shown), branch="leaked")
    assert stage.statuses(stage.pull(leaked).head)["reconciler/validate"][0] == "failure"
    written = everything_written(stage)
    assert CANARY.encode() not in written
    assert not Searcher({"canary": CANARY}).found(written)


def test_one_of_another_environment_is_a_problem_and_changes_nothing(stage: Stage) -> None:
    number = proposed(stage, encrypted(stage, CANARY, environment="env-staging"), "stolen")
    assert stage.statuses(stage.pull(number).head)["reconciler/validate"][0] == "failure"
    assert CANARY.encode() not in everything_written(stage)


def test_one_in_plain_text_and_images_without_digest_are_told(stage: Stage) -> None:
    plain = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: not-so-secret}\n"
    (plan,) = stage.plans(proposed(stage, plain, "plain")).plans
    told = [(check.severity.value, check.message) for check in plan.checks]
    assert told == [
        (
            "info",
            "release/svc-a: 0 of 1 images pinned by digest; by tag only: registry.example.invalid/svc-a:v2.0.0",
        ),
        ("warning", "Secret svc-a/db stands in Git as plain text; who reads the repository reads its values"),
    ]
