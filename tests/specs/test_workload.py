"""What a release says of its workload becomes fields of its objects, or a problem at the line that says it."""

from typing import Any

import pytest
import yaml

from reconciler.specs.desired import Desired
from reconciler.specs.reader import Reader
from reconciler.specs.workload import CAPACITY_MARK
from tests.specs.repository import lines
from tests.specs.test_release_source import world

AUTOSCALING = "  autoscaling: {minReplicas: 2, maxReplicas: 5, cpu: 70, memory: 80}\n"


def workload(kind: str = "Deployment", name: str = "web", containers: tuple[str, ...] = ("web",), **spec: Any) -> str:
    pods = {"containers": [{"name": one, "image": f"r.x/{one}:v1"} for one in containers]}
    body = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"template": {"metadata": {"labels": {"app": name}}, "spec": pods}, **spec},
    }
    return yaml.safe_dump(body)


def resolved(reader: Reader, more: str, *files: str) -> Desired:
    return world({f"app/{number}.yaml": text for number, text in enumerate(files)}, more).resolve(reader)


def objects(reader: Reader, more: str, *files: str) -> list[dict[str, Any]]:
    desired = resolved(reader, more, *files)
    assert lines(desired.problems) == []
    return list(desired.sources["app"].objects)


def problem(reader: Reader, more: str, *files: str) -> str:
    desired = resolved(reader, more, *files)
    (said,) = lines(desired.problems)
    assert desired.broken == {"dev"}
    return said


def test_the_releases_number_of_pods_wins(reader: Reader) -> None:
    (found,) = objects(reader, "  capacity: {replicas: 3}\n", workload(replicas=9))
    assert found["spec"]["replicas"] == 3
    (found,) = objects(reader, "", workload(replicas=9))
    assert found["spec"]["replicas"] == 9
    (found,) = objects(reader, "  capacity: {replicas: 0}\n", workload("StatefulSet"))
    assert found["spec"]["replicas"] == 0


MANY = (workload(name="a"), workload(name="b"))
NOT_PLAIN = {
    "two workloads have no one number": (
        "  capacity: {replicas: 3}\n",
        MANY,
        (
            "24: this is for one workload, and the source has Deployment.apps apps/a and"
            " Deployment.apps apps/b (make it a release of its own, or write this in the source)"
        ),
    ),
    "a daemon set has no number": (
        "  capacity: {replicas: 3}\n",
        (workload("DaemonSet"),),
        "24: the source has no Deployment and no StatefulSet that this could be said of",
    ),
    "one autoscaler scales one workload": (
        AUTOSCALING,
        MANY,
        (
            "16: this is for one workload, and the source has Deployment.apps apps/a and"
            " Deployment.apps apps/b (make it a release of its own, or write this in the source)"
        ),
    ),
    "one of several containers has to be named": (
        "  capacity: {resources: {requests: {cpu: '1'}}}\n",
        (workload(containers=("web", "proxy")),),
        ("25: this is for one container, and the source has proxy, web (name it in capacity.resources.container)"),
    ),
    "a container that is not there": (
        "  capacity: {resources: {container: wep, requests: {cpu: '1'}}}\n",
        (workload(containers=("web", "proxy")),),
        ('37: no Deployment, StatefulSet or DaemonSet has a container wep (did you mean "web"?)'),
    ),
    "a container of two workloads": (
        "  capacity: {resources: {container: web, requests: {cpu: '1'}}}\n",
        (workload(name="a"), workload(name="b")),
        (
            "37: container web is in Deployment.apps apps/a and Deployment.apps apps/b"
            " (make it a release of its own, or write this in the source)"
        ),
    ),
    "no container at all": (
        "  capacity: {resources: {requests: {cpu: '1'}}}\n",
        (workload(containers=()),),
        "25: the source has no Deployment, StatefulSet or DaemonSet with a container",
    ),
    "only a deployment is recreated": (
        "  strategy: {type: recreate}\n",
        (workload(), workload("StatefulSet", "db")),
        (
            "20: StatefulSet.apps apps/db: a StatefulSet cannot stop all of its pods before"
            " it starts new ones; only a Deployment can"
        ),
    ),
    "a way needs a workload": (
        "  strategy: {type: recreate}\n",
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n",),
        ("20: the source has no Deployment, StatefulSet or DaemonSet that this could be said of"),
    ),
    "nothing would move": (
        "  strategy: {rolling: {maxSurge: '0%', maxUnavailable: '0'}}\n",
        (workload(),),
        ("23: Deployment.apps apps/web: maxSurge and maxUnavailable are both 0, so no pod could ever be replaced"),
    ),
    "a stateful set has no surge": (
        "  strategy: {rolling: {maxSurge: '1'}}\n",
        (workload("StatefulSet"),),
        (
            "23: StatefulSet.apps apps/web: a StatefulSet has no maxSurge: its pods have"
            " names, and one takes the place of another"
        ),
    ),
    "a stateful set that never moves": (
        "  strategy: {rolling: {maxUnavailable: '0%'}}\n",
        (workload("StatefulSet"),),
        ("23: StatefulSet.apps apps/web: maxUnavailable is 0, so no pod could ever be replaced"),
    ),
    "a daemon set takes one of the two": (
        "  strategy: {rolling: {maxSurge: '1', maxUnavailable: '1'}}\n",
        (workload("DaemonSet"),),
        ("23: DaemonSet.apps apps/web: a DaemonSet takes exactly one of maxSurge and maxUnavailable, the other is 0"),
    ),
    "settings that nobody reads": (
        "  capacity: {queues: {orders: 500}}\n",
        (workload(),),
        (
            "22: nothing in the source reads the ConfigMap app-capacity, so no application"
            " would be told (add to its container: envFrom: [{configMapRef: {name: app-capacity}}])"
        ),
    ),
}


@pytest.mark.parametrize("case", NOT_PLAIN, ids=lambda case: case.replace(" ", "-"))
def test_what_fits_nowhere_or_in_two_places_is_a_problem(reader: Reader, case: str) -> None:
    more, files, said = NOT_PLAIN[case]
    column, _, message = said.partition(": ")
    assert problem(reader, more, *files) == f"release.yaml:9:{column}: validation_error: {message}"


def test_a_single_workload_beside_others_is_the_one(reader: Reader) -> None:
    files = (workload(), workload("DaemonSet", "agent"), "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n")
    found = objects(reader, "  capacity: {replicas: 4}\n", *files)
    assert [item["spec"].get("replicas") for item in found if "spec" in item] == [4, None]


def test_amounts_go_into_the_only_container_and_leave_the_others_there(reader: Reader) -> None:
    text = workload()
    body = yaml.safe_load(text)
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {
        "requests": {"cpu": "2", "ephemeral-storage": "1Gi"},
        "claims": [{"name": "gpu"}],
    }
    more = "  capacity: {resources: {requests: {cpu: 500m}, limits: {memory: 256Mi}}}\n"
    (found,) = objects(reader, more, yaml.safe_dump(body))
    assert found["spec"]["template"]["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "500m", "ephemeral-storage": "1Gi"},
        "limits": {"memory": "256Mi"},
        "claims": [{"name": "gpu"}],
    }


def test_a_named_container_is_found_in_any_workload(reader: Reader) -> None:
    more = "  capacity: {resources: {container: agent, limits: {cpu: '1'}}}\n"
    web, agents = objects(reader, more, workload(), workload("DaemonSet", "agents", ("agent", "proxy")))
    assert "resources" not in web["spec"]["template"]["spec"]["containers"][0]
    shown = [one.get("resources") for one in agents["spec"]["template"]["spec"]["containers"]]
    assert shown == [{"limits": {"cpu": "1"}}, None]


def test_an_autoscaler_is_made_and_the_number_of_pods_is_its_own(reader: Reader) -> None:
    found, autoscaler = objects(reader, AUTOSCALING, workload(replicas=9))
    assert "replicas" not in found["spec"]
    assert autoscaler == {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "apps"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 2,
            "maxReplicas": 5,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
                },
                {
                    "type": "Resource",
                    "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 80}},
                },
            ],
        },
    }


def hpa(name: str, scales: str) -> str:
    return (
        f"apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: {name}}}\n"
        f"spec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {scales}}}, maxReplicas: 3}}\n"
    )


def test_two_autoscalers_of_one_workload_are_a_conflict(reader: Reader) -> None:
    assert problem(reader, AUTOSCALING, workload(), hpa("mine", "web")).startswith(
        "app/1.yaml:1:1: resource_conflict: HorizontalPodAutoscaler.autoscaling apps/mine scales Deployment.apps"
    )


def test_an_autoscaler_of_our_name_for_something_else_is_a_conflict(reader: Reader) -> None:
    assert "release.yaml:9:16: resource_conflict: HorizontalPodAutoscaler.autoscaling apps/web is also at" in problem(
        reader, AUTOSCALING, workload(), hpa("web", "elsewhere")
    )


ROLLING = {"type": "RollingUpdate"}
WAYS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "recreate": ("{type: recreate}", {"strategy": {**ROLLING, "rollingUpdate": {"maxSurge": 1}}}, {"type": "Recreate"}),
    "rolling over recreate": ("{type: rolling}", {"strategy": {"type": "Recreate"}}, ROLLING),
    "rolling leaves rolling": (
        "{type: rolling}",
        {"strategy": {**ROLLING, "rollingUpdate": {"maxSurge": 1}}},
        {**ROLLING, "rollingUpdate": {"maxSurge": 1}},
    ),
    "unsaid leaves all": ("{}", {"strategy": {"type": "Recreate"}}, {"type": "Recreate"}),
    "counts and percentages": (
        "{rolling: {maxSurge: '2', maxUnavailable: 10%}}",
        {},
        {**ROLLING, "rollingUpdate": {"maxSurge": 2, "maxUnavailable": "10%"}},
    ),
    "one given": (
        "{rolling: {maxUnavailable: '0'}}",
        {},
        {**ROLLING, "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
    ),
    "stateful": (
        "{rolling: {maxUnavailable: '2'}}",
        {"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}},
        {**ROLLING, "rollingUpdate": {"maxUnavailable": 2, "partition": 1}},
    ),
    "stateful, nothing given": (
        "{rolling: {}}",
        {"updateStrategy": {"type": "OnDelete"}},
        {**ROLLING, "rollingUpdate": {}},
    ),
    "daemons with a surge": (
        "{rolling: {maxSurge: 10%}}",
        {},
        {**ROLLING, "rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 0}},
    ),
    "daemons without": ("{rolling: {}}", {}, {**ROLLING, "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
}


@pytest.mark.parametrize("case", WAYS, ids=lambda case: case.replace(" ", "-"))
def test_a_way_is_said_in_the_words_of_the_kind(reader: Reader, case: str) -> None:
    strategy, before, after = WAYS[case]
    kind = {"s": "StatefulSet", "d": "DaemonSet"}.get(case[0], "Deployment")
    (found,) = objects(reader, f"  strategy: {strategy}\n", workload(kind, **before))
    assert found["spec"]["strategy" if kind == "Deployment" else "updateStrategy"] == after


def reading(kind: str = "Deployment") -> str:
    body = yaml.safe_load(workload(kind))
    body["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "app-capacity"}}]
    return yaml.safe_dump(body)


SETTINGS = (
    "  capacity:\n    concurrency: {maxConnections: 100, maxConcurrentRequests: 20}\n"
    "    queues: {orders: 500}\n    pools: {db: %d}\n    rateLimits: {api: 50}\n"
)


def test_what_is_for_the_application_stands_in_a_config_map(reader: Reader) -> None:
    _, other, settings = objects(reader, SETTINGS % 10, reading(), workload(name="other"))
    assert settings == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "app-capacity", "namespace": "apps"},
        "data": {
            "MAX_CONCURRENT_REQUESTS": "20",
            "MAX_CONNECTIONS": "100",
            "POOL_db": "10",
            "QUEUE_orders": "500",
            "RATE_LIMIT_api": "50",
        },
    }
    assert "annotations" not in other["spec"]["template"]["metadata"]


def test_another_value_restarts_the_pods_that_read_it(reader: Reader) -> None:
    marks = [
        objects(reader, SETTINGS % size, reading())[0]["spec"]["template"]["metadata"]["annotations"][CAPACITY_MARK]
        for size in (10, 10, 11)
    ]
    assert marks[0] == marks[1] != marks[2]


@pytest.mark.parametrize("spec", ["text", "[]", "{template: text}", "{template: {spec: {containers: {a: b}}}}", "null"])
def test_an_object_of_another_shape_is_no_workload(reader: Reader, spec: str) -> None:
    text = f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec: {spec}\n"
    more = "  capacity: {resources: {requests: {cpu: '1'}}}\n"
    assert "no Deployment, StatefulSet or DaemonSet with a container" in problem(reader, more, text)
