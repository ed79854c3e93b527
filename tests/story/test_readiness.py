"""Custom resources whose conditions say nothing: what their release says of them decides over a rollout."""

from tests.story.stage import RELEASE, Stage

LONGER = frozenset({"test_a_rollout_whose_custom_resource_says_that_it_failed_goes_back"})
DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  names: {kind: Widget, plural: widgets}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
"""
WIDGET = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: SIZE}\n"
PATH = "apis/example.com/v1/namespaces/svc-a/widgets/w"
HEALTH = "health: {readiness: [{group: example.com, kind: Widget, ready: spec.size > 2, failed: spec.size < 0}]}"


def land(stage: Stage, size: int) -> int:
    manifests = RELEASE.rpartition("/")[0] + "/manifests"
    files = {
        RELEASE: stage.release_text("v2.0.0", **{"health: {timeout: 5m}": HEALTH}),
        f"{manifests}/definition.yaml": DEFINITION,
        f"{manifests}/widget.yaml": WIDGET.replace("SIZE", str(size)),
    }
    number = stage.propose(files, branch=f"widget-{size}")
    stage.approve(number)
    assert stage.merge(number)
    return number


def size(stage: Stage) -> int | None:
    found = stage.world.clusters["prod"].look(PATH)
    return found["spec"]["size"] if found is not None else None


def test_a_rollout_whose_custom_resource_says_that_it_failed_goes_back(stage: Stage) -> None:
    land(stage, 3)
    assert stage.ledger.units["release/svc-a"].outcome == "applied"
    number = land(stage, -1)
    comment = stage.desk("admin").person().show(number).comments[0].body
    assert "`Widget.example.com` counts as ready where: `spec.size > 2`; as failed where: `spec.size < 0`" in comment
    assert stage.ledger.units["release/svc-a"].outcome == "rolled_back"
    told = [row.text for row in stage.rows()]
    assert any("Widget.example.com svc-a/w: it failed: spec.size < 0" in words for words in told), told
    live = stage.world.clusters["prod"].look(PATH)
    assert live is not None
    assert live["spec"]["size"] == 3
