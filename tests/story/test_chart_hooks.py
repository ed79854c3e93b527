"""Hooks of charts: run at their moments, before anything else, and never in silence left out."""

# ruff: noqa: F401, F811
import copy
import re
from typing import Any

import pytest

from reconciler.app.perform import Performer
from reconciler.plan.change import Operation
from tests.story.test_helm import FOLDER, KEPT, RELEASE, Shop, chart, sandbox_shop  # a fixture

HOOKS = """\
apiVersion: v1
kind: ServiceAccount
metadata: {name: migrating, annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "-5"}}
---
""" + "---\n".join(
    f"""\
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}, annotations: {{helm.sh/hook: "{moments}"}}}}
spec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: it, image: "x.invalid/{name}:IMAGE"}}]}}}}}}
"""
    for name, moments in (("fill", "pre-install"), ("migrate", "pre-install,pre-upgrade"), ("warm", "post-upgrade"))
)


UPGRADING = ["Job.batch svc-a/migrate (migrate.pre-upgrade)", "Job.batch svc-a/warm (warm.post-upgrade)"]


def hooked(tag: str, image: str = "v1", *, replicas: int = 0) -> dict[str, str | None]:
    return {**chart(tag, replicas=replicas), f"{FOLDER}/templates/hooks.yaml": HOOKS.replace("IMAGE", image)}


def written(shop: Shop) -> list[str]:
    """What was made or changed on the cluster of the chart, in order; without what tells one run from another."""
    paths = [one.path.partition("?")[0] for one in shop.stage.world.sandbox("prod").real_effects]
    names = [path.rpartition("/")[2] for path in paths if "/namespaces/svc-a/" in path]
    return [re.sub("-[0-9a-f]{10}$", "", name) for name in names if not name.startswith(("reconciler.", "svc-a"))]


def test_hooks_of_a_chart_are_run_at_their_moments(sandbox_shop: Shop) -> None:
    shop = sandbox_shop
    assert shop.release(hooked("v1"), "install")[1] == "success"
    kept = ["shop-settings", "shop"]
    assert written(shop) == ["secrets", "migrating", "fill", "migrate", *kept, "sh.helm.release.v1.shop.v1"]
    known = len(written(shop))
    number, ended = shop.release(hooked("v2"), "upgrade")
    assert ended == "success"
    ended_as = ["sh.helm.release.v1.shop.v1", "sh.helm.release.v1.shop.v2"]
    gone = ["fill", "migrate"]  # the runs of the plan before
    told = written(shop)[known:]
    assert told[:-2] == ["secrets", "migrate", *kept, "warm", *ended_as]
    assert sorted(told[-2:]) == gone  # of one batch, so in any order
    (plan,) = shop.stage.plans(number).plans
    assert [change.subject for change in plan.changes if change.operation is Operation.RUN] == UPGRADING


def test_what_was_never_installed_is_installed_again_and_nothing_follows_a_failed_hook(sandbox_shop: Shop) -> None:
    shop = sandbox_shop
    assert shop.release(hooked("v1", "broken"), "install")[1] == "failure"
    assert shop.history() == {1: "failed"}
    assert [name for name in written(shop) if name in ("shop", "shop-settings")] == []
    assert shop.release(hooked("v1-broken", replicas=1), "again")[1] == "failure"
    assert shop.history() == {1: "failed", 2: "failed"}
    known = len(written(shop))
    assert shop.release(hooked("v2"), "third")[1] == "success"
    assert [name for name in written(shop)[known:] if name in ("fill", "migrate", "warm")][:2] == ["fill", "migrate"]
    assert shop.history() == {1: "failed", 2: "failed", 3: "deployed"}
    number = shop.stage.propose(hooked("v3"), branch="fourth")
    (plan,) = shop.stage.plans(number).plans
    assert [change.subject for change in plan.changes if change.operation is Operation.RUN] == UPGRADING


KEEPING = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: kept, annotations: {helm.sh/hook: pre-install, helm.sh/resource-policy: keep}}
data: {precious: state}
"""


def running(shop: Shop, number: int) -> list[str]:
    (plan,) = shop.stage.plans(number).plans
    return [change.subject for change in plan.changes if change.operation is Operation.RUN]


def test_g28_a_hook_that_helm_is_told_to_keep_goes_on_when_it_leaves_the_chart(sandbox_shop: Shop) -> None:
    shop, kept = sandbox_shop, f"{FOLDER}/templates/kept.yaml"
    assert shop.release({**chart(), kept: KEEPING}, "install")[1] == "success"
    assert shop.look(KEPT) is not None
    assert shop.release({**chart("v2"), kept: None}, "upgrade")[1] == "success"
    assert shop.look(KEPT) is not None


NEW_VERSION = {f"{FOLDER}/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.2.4\n"}
ONE_MORE = {"releases/shop/values.yaml": "tag: '${tag}'\nreplicas: 1\n"}


@pytest.mark.parametrize("more", [{}, NEW_VERSION, {**NEW_VERSION, **ONE_MORE}, ONE_MORE])
def test_one_that_changed_is_run_whatever_changes_beside_it(sandbox_shop: Shop, more: dict[str, str]) -> None:
    shop = sandbox_shop
    assert shop.release(hooked("v1"), "install")[1] == "success"
    known = len(written(shop))
    number, ended = shop.release({**hooked("v1", "v2"), **more}, "upgrade")
    assert (ended, running(shop, number)) == ("success", UPGRADING)
    assert "migrate" in written(shop)[known:]
    assert shop.history() == {1: "superseded", 2: "deployed"}


def test_g23_scaling_a_chart_runs_none(sandbox_shop: Shop) -> None:
    assert sandbox_shop.release(hooked("v1"), "install")[1] == "success"
    number, ended = sandbox_shop.release({**hooked("v1"), **ONE_MORE}, "scale")
    assert (ended, running(sandbox_shop, number)) == ("success", [])


def test_one_that_the_release_names_itself_is_run_as_it_says_and_nowhere_else(sandbox_shop: Shop) -> None:
    files = hooked("v1")
    text = files[RELEASE]
    assert text is not None
    files[RELEASE] = f"{text.rstrip()}\n  hooks: [{{name: late, when: after, job: migrate}}]\n"
    number, ended = sandbox_shop.release(files, "install")
    assert (ended, running(sandbox_shop, number)) == (
        "success",
        ["Job.batch svc-a/fill (fill.pre-install)", "Job.batch svc-a/migrate (late)"],
    )


def test_g20_none_is_run_where_somebody_ran_helm_after_the_plan_passed(
    sandbox_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = sandbox_shop
    assert shop.release(hooked("v1"), "install")[1] == "success"
    known = len(written(shop))
    apply, calls = Performer.apply, list[int]()

    def by_hand(self: Any, *args: Any, **named: Any) -> Any:
        if not calls:
            body = copy.deepcopy(shop.look("api/v1/namespaces/svc-a/secrets/sh.helm.release.v1.shop.v1"))
            assert body is not None
            body["metadata"]["name"] = "sh.helm.release.v1.shop.v2"
            body["metadata"]["labels"] |= {"version": "2", "status": "deployed"}
            for field in ("uid", "resourceVersion", "managedFields", "creationTimestamp", "annotations"):
                body["metadata"].pop(field, None)
            for label in [one for one in body["metadata"]["labels"] if "/" in one]:
                del body["metadata"]["labels"][label]
            shop.stage.world.sandbox("prod").place("api/v1/namespaces/svc-a/secrets", body, "helm")
        calls.append(1)
        return apply(self, *args, **named)

    monkeypatch.setattr(Performer, "apply", by_hand)
    _, ended = shop.release(hooked("v2"), "upgrade")
    assert ended == "error"
    assert [name for name in written(shop)[known:] if name in ("migrating", "migrate", "warm")] == []
