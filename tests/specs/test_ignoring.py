"""What a release leaves to others: what may be left, and at which line it is said what may not."""

import pytest

from reconciler.specs.ignoring import ignored
from reconciler.specs.reader import Reader
from reconciler.specs.ways import words
from tests.specs.repository import Repository
from tests.specs.test_release_source import ENVIRONMENT, release

SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {a: b, app: x, app.kubernetes.io/name: z}}
data: {LEVEL: info, a/b: x}
"""
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\ndata: {}\n"
ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: reads}\nrules: []\n"
THING = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: it, labels: {a: b}}\nspec: {replicas: 1, size: 1}\n"
OWN = "apiVersion: example.com/v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {LEVEL: info}\n"
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: one, labels: {a: b}}\nspec: {containers: [{name: a, image: a}]}\n"
PLACE = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: place, labels: {pod-security.kubernetes.io/enforce: "x"}}\n'
SCALER = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {minReplicas: 1, maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: web}}
"""
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {opspilot.spec/prune: disabled, meta.helm.sh/release-name: x, example.com/at: noon}}
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
FILES = {
    f"app/{n}.yaml": text
    for n, text in enumerate((SETTINGS, SECRET, ROLE, THING, OWN, POD, PLACE, SCALER, WEB, SERVICE))
}
TEMPLATE = "/spec/template/spec"


def world(kind: str, name: str, pointer: str, more: str = "") -> Repository:
    rule = f"  ignoreDifferences:\n    - kind: {kind}\n      name: {name}\n      jsonPointers:\n        - {pointer}\n"
    return Repository.of({"env.yaml": ENVIRONMENT, "release.yaml": release(more=rule + more), **FILES})


ONLY = "only single keys of a ConfigMap's data"
KEPT = "the reconciler or Helm writes it"
MAY: list[tuple[str, str, str, str]] = [
    ("ConfigMap", "settings", "/data/LEVEL", "data.LEVEL"),
    ("ConfigMap", "settings", "/data/a~1b", "data.a/b"),
    ("ConfigMap", "settings", "/metadata/labels/a", "metadata.labels.a"),
    ("Deployment", "web", "/spec/replicas", "spec.replicas"),
    ("Deployment", "web", "/metadata/annotations/example.com~1at", "metadata.annotations.example.com/at"),
    ("HorizontalPodAutoscaler", "web", "/spec/minReplicas", "spec.minReplicas"),
    ("HorizontalPodAutoscaler", "web", "/spec/maxReplicas", "spec.maxReplicas"),
    ("Thing", "it", "/metadata/labels/a", "metadata.labels.a"),
]
MAY_NOT: list[tuple[str, str, str, str]] = [
    ("ConfigMap", "settings", "/data/NONE", "the source does not set it"),
    *(("ConfigMap", "settings", one, ONLY) for one in ("/data", "/data/LEVEL/x", "/metadata", "/metadata/name")),
    *(
        ("ConfigMap", "settings", one, ONLY)
        for one in ("/metadata/labels", "/metadata/labels/a/b", "/kind", "/binaryData/x")
    ),
    *(("ConfigMap", "settings", f"/metadata/labels/{one}", KEPT) for one in ("app", "app.kubernetes.io~1name")),
    ("ConfigMap", "own", "/data/LEVEL", ONLY),
    ("Secret", "keys", "/data", "a Secret"),
    ("Secret", "keys", "/metadata/labels/a", "a Secret"),
    ("Role", "reads", "/metadata/labels/a", "rights are left to nobody"),
    *(("Deployment", "web", one, ONLY) for one in ("/spec", "/spec/selector", "/spec/strategy/type", "/spec/template")),
    *(("Deployment", "web", one, ONLY) for one in ("/spec/template/metadata/labels/app", TEMPLATE, "/status")),
    ("Deployment", "web", "/spec/template/metadata/annotations/example.com~1restarted", ONLY),
    *(
        ("Deployment", "web", f"{TEMPLATE}/{one}", ONLY)
        for one in ("terminationGracePeriodSeconds", "containers", "containers/1/image", "containers/1/env/0/value")
    ),
    *(
        ("Deployment", "web", f"/metadata/annotations/{one}", KEPT)
        for one in ("opspilot.spec~1prune", "meta.helm.sh~1release-name")
    ),
    ("HorizontalPodAutoscaler", "web", "/spec/scaleTargetRef/name", ONLY),
    ("Service", "web", "/spec/selector/app", ONLY),
    ("Service", "web", "/spec/ports", ONLY),
    ("Thing", "it", "/spec/size", ONLY),
    ("Thing", "it", "/spec/replicas", ONLY),
    ("Pod", "one", "/metadata/labels/a", KEPT),
    ("Namespace", "place", "/metadata/labels/pod-security.kubernetes.io~1enforce", KEPT),
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


def both(rules: str) -> Repository:
    """A source with two of one kind and name, of two groups."""
    own = "apiVersion: example.com/v1\nkind: ConfigMap\nmetadata: {name: settings, labels: {a: b}}\n"
    made = release(more=f"  ignoreDifferences:\n{rules}")
    return Repository.of({"env.yaml": ENVIRONMENT, "release.yaml": made, **FILES, "app/own.yaml": own})


def test_of_two_of_one_kind_and_name_each_is_named_by_its_group(reader: Reader) -> None:
    rule = "    - {{group: {}, kind: ConfigMap, name: settings, jsonPointers: [/metadata/labels/a]}}\n"
    desired = both(rule.format('""')).resolve(reader)
    assert desired.problems == ()
    assert [ref.group for ref in ignored(desired.releases["app"].spec, desired.sources["app"].objects)] == [""]
    desired = both(rule.format("example.com")).resolve(reader)
    assert [ref.group for ref in ignored(desired.releases["app"].spec, desired.sources["app"].objects)] == [
        "example.com"
    ]


def test_of_two_of_one_kind_and_name_one_has_to_be_named(reader: Reader) -> None:
    made = both("    - {kind: ConfigMap, name: settings, jsonPointers: [/metadata/labels/a]}\n")
    [problem] = made.resolve(reader).problems
    assert ("several objects" in problem.message, problem.hint) == (True, "name its namespace, or group")
