"""Releases whose way back has steps: their texts, and the moments in which nobody has looked at their merge yet."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.failpoints.watched import JUDGES, Refusal
from tests.story.stage import RELEASE, Stage

JOB = "releases/svc-a/manifests/jobs.yaml"
STAGING = "releases/svc-a/staging.yaml"
SHOP = "releases/shop.yaml"
SHOP_OBJECTS = "releases/shop/all.yaml"
SHOP_JOB = "releases/shop/jobs.yaml"
NOBODY = "{traffic: {url: 'http://127.0.0.1:9/', requests: 1}}"  # answers it


@dataclass(frozen=True, slots=True)
class End:
    """How a way back that fails leaves production. `pods` by Deployment; `runs`: Jobs that were made; `back`: the one
    that went back wholly."""

    pods: Mapping[str, tuple[str, int]]
    words: str
    runs: int = 1
    outcome: str = "rollback_failed"
    stopped: bool = False
    back: str = ""


BACK = "is given back its 2 pods"
ASKED = "is asked for its 2 pods: 0 are ready"  # of what is broken
# By scene. What fails is tried and told again by whoever comes back, so its end alone has to be the same.
ENDS: Mapping[str, End] = {
    "no-way-back": End({"svc-a": ("v2.0.1-broken", 2)}, ASKED),
    "unmade": End({"svc-a": ("v2.0.1-broken", 2)}, ASKED, runs=0),
    "unreturned": End({"svc-a": ("v2.0.1-broken", 2)}, ASKED),
    "unrestored": End({"svc-a": ("v2.0.0", 0)}, "AND TRAFFIC IS STOPPED", stopped=True),
    "unanswered": End({"svc-a": ("v2.0.0", 2)}, "rollback.success[0] is not answered well"),
    "not-reverted": End({"svc-a": ("v2.0.1", 2)}, BACK, outcome="failed"),
    "one-way-back": End({"svc-a": ("v2.0.1", 2), "shop": ("v2.0.1-broken", 2)}, ASKED),
    "one-went-back": End({"svc-a": ("v2.0.0", 2), "shop": ("v2.0.1-broken", 2)}, ASKED, runs=2, back="svc-a"),
}


def job(name: str, tag: str = "v1") -> str:
    """A Job of a source."""
    return f"""apiVersion: batch/v1
kind: Job
metadata: {{name: {name}}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: it, image: "registry.example.invalid/db:{tag}"}}]
"""


def with_steps(
    text: str, *, said: str = ", reversible: true", automatic: bool = True, name: str = "downgrade", asked: str = ""
) -> str:
    """A release's text with a way back of five steps."""
    asked = asked or "{http: {url: 'http://svc-a.svc-a.svc.cluster.local/healthz'}}"
    first = f"{{action: stop_traffic}}, {{action: migrate_database, job: {name}{said}}}, {{action: roll_back}}"
    return (
        f"{text.replace('  rollback: {automatic: true}', '').rstrip()}\n  rollback:\n"
        f"    automatic: {str(automatic).lower()}\n    success: [{asked}]\n"
        f"    steps: [{first}, {{action: restore_traffic}}, {{action: verify}}]\n"
    )


def landed(stage: Stage, files: Mapping[str, str | None], branch: str = "change") -> None:
    """An approved pull request whose merge nobody has looked at; two approve it, as a removal takes."""
    number = stage.propose(files, branch=branch)
    for login in ("approver_user", "admin"):
        stage.approve(number, login)
    stage.merge(number, settle=False)


def failing(stage: Stage, tag: str = "v1", asked: str = "") -> None:
    """An approved version that fails, and goes back by steps. `tag`: of the migration's image."""
    landed(stage, {RELEASE: with_steps(stage.release_text("v2.0.1-broken"), asked=asked), JOB: job("downgrade", tag)})


def reverted(stage: Stage, tag: str = "v1") -> None:
    """The approved revert of a version that is left by steps."""
    landed(stage, {RELEASE: with_steps(stage.release_text("v2.0.1")), JOB: job("downgrade", tag)})
    stage.settle()
    landed(stage, {RELEASE: stage.release_text("v2.0.0"), JOB: None}, "revert")


def refusing(stage: Stage, refusal: Refusal) -> None:
    """From now on the cluster refuses something."""
    judge = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "judge"}, "data": {"refuses": refusal}}
    stage.world.sandbox("prod").place(JUDGES, judge, "kubectl-create")


def shop_text(stage: Stage, tag: str, *, after: str = "") -> str:
    """A second release of the same environment. `after`: the release that it depends on."""
    text = (
        stage.release_text(tag)
        .replace("{name: svc-a}", "{name: shop}")
        .replace("releases/svc-a/manifests", "releases/shop")
    )
    return text + (f"  dependsOn: [{after}]\n" if after else "")


def with_shop(stage: Stage, *, after: str = "") -> None:
    """It runs beside svc-a."""
    example = stage.world.example()
    parts = [example[f"releases/svc-a/manifests/{name}.yaml"] for name in ("configmap", "deployment", "service")]
    objects = re.sub(r"svc-a\b", "shop", "---\n".join(parts)).replace("invalid/shop", "invalid/svc-a")
    landed(stage, {SHOP: shop_text(stage, "v2.0.0", after=after), SHOP_OBJECTS: objects}, "shop")
    stage.settle()


def both(stage: Stage, *, shop: str, ours: str = "v2.0.1", after: str = "", tag: str = "v1") -> None:
    """One change of two releases that are both left by steps. `tag`: of the shop's migration."""
    with_shop(stage, after=after)
    files = {
        RELEASE: with_steps(stage.release_text(ours)),
        JOB: job("downgrade"),
        SHOP: with_steps(shop_text(stage, shop, after=after), name="downshop"),
        SHOP_JOB: job("downshop", tag),
    }
    landed(stage, files, "both")


def everywhere(stage: Stage) -> None:
    """Two environments that fail at the same time, each by steps of its own."""
    staging = stage.world.example()[STAGING].replace("v2.0.0", "v2.0.1-broken")
    files = {
        RELEASE: with_steps(stage.release_text("v2.0.1-broken")),
        STAGING: with_steps(staging),
        JOB: job("downgrade"),
    }
    landed(stage, files, "everywhere")
