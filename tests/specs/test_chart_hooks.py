"""What a chart calls hooks: which are run, which stand, which are refused."""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.specs.chart_hooks import hooks_of, is_run, is_test, kept, moments, prepares, wrong


def body(said: object, kind: str = "Job", name: str = "x", **more: object) -> dict[str, Any]:
    api = "batch/v1" if kind == "Job" else "v1"
    annotations = {"helm.sh/hook": said, **{f"helm.sh/hook-{key}": value for key, value in more.items()}}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "annotations": annotations}, "spec": {}}


def names(*jobs: dict[str, Any], install: bool) -> list[str]:
    return [hook.name for hook in hooks_of(jobs, install=install, timeout=timedelta(minutes=3))]


def test_each_is_run_at_its_moments_by_weight_and_then_by_name() -> None:
    jobs = (
        body("post-install,post-upgrade", name="last"),
        body("pre-install, pre-upgrade", name="c", weight="5"),
        body("pre-upgrade", name="b"),
        body("pre-install", name="a", weight="-5"),
        body("pre-install,post-install,test", name="both", weight="10"),
        body("", name="stands"),
    )
    assert names(*jobs, install=True) == [
        "a.pre-install",
        "c.pre-install",
        "both.pre-install",
        "last.post-install",
        "both.post-install",
    ]
    assert names(*jobs, install=False) == ["b.pre-upgrade", "c.pre-upgrade", "last.post-upgrade"]
    (hook,) = hooks_of([body("pre-install")], install=True, timeout=timedelta(minutes=3))
    assert (hook.job, hook.when, hook.timeout) == ("x", "before", timedelta(minutes=3))


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (body("pre-delete"), "moments that this version does not run (pre-delete)"),
        (body("pre-upgrade,post-rollback"), "(post-rollback)"),
        (body("crd-install", "CustomResourceDefinition"), "(crd-install)"),
        (body("pre-install", "Pod"), "of those only Jobs are run"),
        (body("pre-install", weight="heavy"), "that is no number"),
        (body("pre-install", weight=5), "that is no number"),
        (body("pre-install", weight="²"), "that is no number"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(one: dict[str, Any], words: str) -> None:
    found = wrong(one)
    assert found is not None
    assert words in found[0]


@pytest.mark.parametrize(
    "one",
    [
        body("pre-install,test"),
        body("pre-install", "ServiceAccount", weight="-12"),
        body("", weight="heavy"),
        {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c", "annotations": None}},
    ],
)
def test_what_can_is_not(one: dict[str, Any]) -> None:
    assert wrong(one) is None


def test_what_prepares_stands_and_only_before_the_first_it_is_early() -> None:
    account = body("pre-install", "ServiceAccount")
    assert (is_run(account), prepares(account), moments(account)) == (False, True, frozenset({"pre-install"}))
    assert not prepares(body("post-install", "ServiceAccount"))
    assert not prepares(body("pre-install"))  # it is run


def test_a_test_is_nothing_else() -> None:
    assert is_test(body("test,test-success"))
    assert not is_test(body("test,pre-install"))
    assert not is_test(body(""))


def test_a_job_is_seen_to_its_end_and_tried_as_charts_count_on() -> None:
    one = body("pre-install")
    one["spec"] = {"ttlSecondsAfterFinished": 0, "template": {}}
    assert kept(one)["spec"] == {"backoffLimit": 6, "template": {}}
    one["spec"]["backoffLimit"] = 1
    assert kept(one)["spec"] == {"backoffLimit": 1, "template": {}}
    assert kept({**one, "spec": "nothing"})["spec"] == "nothing"  # said as wrong elsewhere
