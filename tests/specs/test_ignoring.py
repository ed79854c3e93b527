"""What a release leaves to others: what may be left, and at which line it is said what may not."""

from typing import Any

import pytest

from reconciler.names import ObjectRef
from reconciler.specs.ignoring import ignored
from reconciler.specs.reader import Reader
from reconciler.specs.ways import Item, words
from tests.specs.repository import Repository
from tests.specs.test_release_source import ENVIRONMENT, release

SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, labels: {a: b}}\ndata: {LEVEL: info, a/b: x}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\ndata: {}\n"
ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: reads}\nrules: []\n"
ROUTE = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: it}\nspec: {env: [{name: A, value: x}], size: 1}\n"
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {opspilot.spec/prune: disabled, example.com/at: noon}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  strategy: {type: Recreate}
  template:
    metadata: {labels: {app: web}, annotations: {example.com/restarted: monday}}
    spec:
      terminationGracePeriodSeconds: 5
      volumes: [{name: data, emptyDir: {}}]
      containers:
        - {name: side, image: "i:1"}
        - name: web
          image: "i:2"
          args: [a]
          ports: [{containerPort: 80}]
          resources: {limits: {cpu: 1}}
          env: [{name: LEVEL, value: info}, {name: B, value: x}]
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n"
FILES = {f"app/{n}.yaml": text for n, text in enumerate((SETTINGS, SECRET, ROLE, ROUTE, WEB, SERVICE))}
TEMPLATE = "/spec/template/spec"


def world(kind: str, name: str, pointer: str, more: str = "") -> Repository:
    rule = f"  ignoreDifferences:\n    - kind: {kind}\n      name: {name}\n      jsonPointers:\n        - {pointer}\n"
    return Repository.of({"env.yaml": ENVIRONMENT, "release.yaml": release(more=rule + more), **FILES})


MAY: list[tuple[str, str, str, str]] = [
    ("ConfigMap", "settings", "/data/LEVEL", "data.LEVEL"),
    ("ConfigMap", "settings", "/data/a~1b", "data.a/b"),
    ("ConfigMap", "settings", "/data", "data"),
    ("ConfigMap", "settings", "/metadata/labels/a", "metadata.labels.a"),
    ("Deployment", "web", "/spec/replicas", "spec.replicas"),
    ("Deployment", "web", "/metadata/annotations/example.com~1at", "metadata.annotations.example.com/at"),
    (
        "Deployment",
        "web",
        "/spec/template/metadata/annotations/example.com~1restarted",
        "spec.template.metadata.annotations.example.com/restarted",
    ),
    (
        "Deployment",
        "web",
        f"{TEMPLATE}/terminationGracePeriodSeconds",
        "spec.template.spec.terminationGracePeriodSeconds",
    ),
    (
        "Deployment",
        "web",
        f"{TEMPLATE}/containers/1/env/0/value",
        "spec.template.spec.containers[name=web].env[name=LEVEL].value",
    ),
    ("Deployment", "web", f"{TEMPLATE}/containers/1/env/1", "spec.template.spec.containers[name=web].env[name=B]"),
    ("Deployment", "web", f"{TEMPLATE}/containers/1/resources", "spec.template.spec.containers[name=web].resources"),
    ("Deployment", "web", f"{TEMPLATE}/containers/1/ports", "spec.template.spec.containers[name=web].ports"),
    ("Service", "web", "/spec/ports", "spec.ports"),
    ("Thing", "it", "/spec/size", "spec.size"),
]
MAY_NOT: list[tuple[str, str, str, str]] = [
    ("ConfigMap", "settings", "/data/NONE", "the source does not set it"),
    ("ConfigMap", "settings", "/metadata", "single labels and annotations"),
    ("ConfigMap", "settings", "/metadata/name", "single labels and annotations"),
    ("ConfigMap", "settings", "/metadata/labels", "single labels and annotations"),
    ("ConfigMap", "settings", "/kind", "what the object is"),
    ("ConfigMap", "settings", "/apiVersion", "what the object is"),
    ("Secret", "keys", "/data", "a Secret"),
    ("Role", "reads", "/rules", "rights are left to nobody"),
    ("Deployment", "web", "/spec", "that would be everything"),
    ("Deployment", "web", "/spec/selector", "whom the object selects"),
    ("Deployment", "web", "/spec/selector/matchLabels/app", "whom the object selects"),
    ("Deployment", "web", "/spec/strategy/type", "the release's strategy"),
    ("Deployment", "web", "/spec/template", "single labels and annotations"),
    ("Deployment", "web", "/spec/template/metadata/labels/app", "selectors find the pods"),
    ("Deployment", "web", "/metadata/annotations/opspilot.spec~1prune", "the reconciler"),
    ("Deployment", "web", TEMPLATE, "what runs"),
    ("Deployment", "web", f"{TEMPLATE}/containers", "what runs"),
    ("Deployment", "web", f"{TEMPLATE}/containers/1", "what runs"),
    ("Deployment", "web", f"{TEMPLATE}/containers/1/image", "what runs"),
    ("Deployment", "web", f"{TEMPLATE}/containers/1/name", "which item"),
    ("Deployment", "web", f"{TEMPLATE}/containers/1/env/0/name", "which item"),
    ("Deployment", "web", f"{TEMPLATE}/containers/1/ports/0", "no names"),
    ("Deployment", "web", f"{TEMPLATE}/containers/1/args/0", "no names"),
    ("Deployment", "web", f"{TEMPLATE}/containers/7", "the source does not set it"),
    ("Service", "web", "/spec/selector/app", "whom the object selects"),
    ("Thing", "it", "/spec/env/0/value", "one value to the API server"),
]


@pytest.mark.parametrize(("kind", "name", "pointer", "told"), MAY)
def test_what_may_be_left_to_others(kind: str, name: str, pointer: str, told: str, reader: Reader) -> None:
    desired = world(kind, name, pointer).resolve(reader)
    assert desired.problems == ()
    found = ignored(desired.releases["app"].spec, desired.sources["app"].objects)
    assert [(ref.kind, words(way)) for ref, ways in found.items() for way in ways] == [(kind, told)]


@pytest.mark.parametrize(("kind", "name", "pointer", "why"), MAY_NOT)
def test_what_may_not_is_a_problem_at_its_line(kind: str, name: str, pointer: str, why: str, reader: Reader) -> None:
    desired = world(kind, name, pointer).resolve(reader)
    [problem] = desired.problems
    assert why in problem.message
    assert (problem.place.path, problem.place.line) == ("release.yaml", 13)
    assert desired.broken == {"dev"}
    assert ignored(desired.releases["app"].spec, desired.sources["app"].objects) == {}


@pytest.mark.parametrize("pointer", ["data", "/", "/data/", "/a~2", "''", "/data//x"])
def test_what_is_no_pointer_is_a_problem_at_its_line(pointer: str, reader: Reader) -> None:
    problems = world("ConfigMap", "settings", pointer).resolve(reader).problems
    assert any(one.place.line == 13 and "jsonPointers" in one.message for one in problems)


def test_an_object_that_is_not_there_is_a_problem_at_its_line(reader: Reader) -> None:
    [problem] = world("ConfigMap", "setings", "/data/LEVEL").resolve(reader).problems
    assert "no object of the source is ConfigMap setings" in problem.message
    assert (problem.place.line, problem.hint) == (11, 'did you mean "settings"?')


@pytest.mark.parametrize(
    "strategy", ["blue_green, blueGreen: {service: web}", "canary, canary: {steps: [{weight: 20}]}"]
)
def test_what_is_written_anew_in_steps_is_left_to_nobody(strategy: str, reader: Reader) -> None:
    made = world("Deployment", "web", "/spec/replicas", f"  strategy: {{type: {strategy}}}\n")
    assert any("writes it anew in steps" in one.message for one in made.resolve(reader).problems)


def test_a_way_within_another_says_nothing_more(reader: Reader) -> None:
    desired = world("ConfigMap", "settings", "/data\n        - /data/LEVEL").resolve(reader)
    found: dict[ObjectRef, Any] = ignored(desired.releases["app"].spec, desired.sources["app"].objects)
    assert list(found.values()) == [(("data",),)]


def test_ways_go_through_lists_by_name() -> None:
    assert words(("a", Item("b"), "c")) == "a[name=b].c"
