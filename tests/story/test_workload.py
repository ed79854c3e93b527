"""A release's own words about its workload, from the pull request to the cluster."""

from tests.story.stage import DEPLOYMENT, RELEASE, Stage

AUTOSCALER = "apis/autoscaling/v2/namespaces/svc-a/horizontalpodautoscalers/svc-a"


def changed(stage: Stage, more: str, tag: str = "v2.0.0") -> int:
    number = stage.propose({RELEASE: stage.release_text(tag) + more}, branch=f"change-{len(more)}")
    stage.approve(number)
    assert stage.merge(number)
    return number


def fields(stage: Stage, number: int) -> dict[str, tuple[object, object]]:
    (plan,) = stage.plans(number).plans
    assert plan.blocked == ()
    return {
        f"{change.subject.partition(' ')[0]} {one.path}": (one.before, one.after)
        for change in plan.changes
        for one in change.fields
    }


def test_what_a_release_says_of_its_workload_is_shown_and_sent(stage: Stage) -> None:
    number = changed(
        stage, "  strategy: {type: recreate}\n  capacity: {replicas: 3, resources: {limits: {cpu: '1'}}}\n"
    )
    shown = fields(stage, number)
    assert shown["Deployment.apps spec.replicas"] == (2, 3)
    assert shown["Deployment.apps spec.strategy"] == (None, {"type": "Recreate"})
    live = stage.world.clusters["prod"].look(DEPLOYMENT)
    assert live is not None
    assert (live["spec"]["replicas"], live["spec"]["strategy"]) == (3, {"type": "Recreate"})
    assert live["spec"]["template"]["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "100m", "memory": "64Mi"},
        "limits": {"cpu": "1", "memory": "128Mi"},
    }


def test_g9_the_live_number_of_pods_stays_when_an_autoscaler_takes_over(stage: Stage) -> None:
    number = changed(stage, "  autoscaling: {minReplicas: 1, maxReplicas: 9, cpu: 50}\n")
    shown = fields(stage, number)
    assert "Deployment.apps spec.replicas" not in shown
    (made,) = (after for name, (_, after) in shown.items() if name == "HorizontalPodAutoscaler.autoscaling spec")
    assert isinstance(made, dict)
    assert (made["minReplicas"], made["maxReplicas"]) == (1, 9)
    cluster = stage.world.clusters["prod"]
    live, autoscaler = cluster.look(DEPLOYMENT), cluster.look(AUTOSCALER)
    assert live is not None
    assert autoscaler is not None
    assert live["spec"]["replicas"] == 2
    assert autoscaler["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "svc-a"}
    written = stage.effects()
    stage.settle()
    assert stage.effects() == written


def test_g9_when_an_autoscaler_goes_again_the_number_of_pods_is_the_sources(stage: Stage) -> None:
    """What kept the number meanwhile is ours, and no stranger whose field could not be written any more."""
    changed(stage, "  autoscaling: {minReplicas: 1, maxReplicas: 9, cpu: 50}\n", "v2.0.1")
    number = changed(stage, "  capacity: {replicas: 5}\n", "v2.0.2")
    assert fields(stage, number)["Deployment.apps spec.replicas"] == (2, 5)
    live = stage.world.clusters["prod"].look(DEPLOYMENT)
    assert live is not None
    assert live["spec"]["replicas"] == 5
