"""Whom a preview asks what its tags mean, what it says where nobody answers, and of which sources."""

from datetime import timedelta

import pytest
import yaml

from reconciler.app import pinning
from reconciler.app.asking_again import FIRST
from reconciler.app.settings import FILE_NAME
from reconciler.doors.health import examine
from reconciler.doors.reading import Where
from reconciler.plan.change import Operation
from tests.registries.far import FarRegistry, always
from tests.story.stage import RELEASE, Stage
from tests.story.test_helm import OBJECTS, Known, Shop, chart
from tests.story.test_image_pins import APPLY, HOST, NAME, UNIT, infos, live, plan, released, tagged
from tests.story.test_kustomize import Echo, kustomized, with_renderer

LONGER = frozenset(
    {
        "test_an_image_that_is_gone_at_a_later_look_blocks",
        "test_what_a_kustomization_renders_to_is_pinned",
        "test_an_expired_preview_is_renewed_by_asking_again",
        "test_two_pull_requests_are_asked_for_one_image_each_and_the_first_to_land_says_what_it_means",
        "test_a_digest_that_is_written_is_asked_of_nobody",
        "test_the_settings_are_what_lists_a_registry_and_nothing_in_the_repository",
    }
)
SHOP = """\
apiVersion: opspilot.spec/v1
kind: Release
metadata: {name: shop}
spec:
  environment: env-k8s-prod
  cluster: k8s-prod-external
  namespace: shop
  source: {type: manifests, path: apps/shop}
"""
WORKLOAD = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: shop, labels: {{app: shop}}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: shop}}}}
  template:
    metadata: {{labels: {{app: shop}}}}
    spec: {{containers: [{{name: shop, image: "{HOST}/shop:v1"}}]}}
"""


def shop_image(stage: Stage) -> str:
    found = stage.world.clusters["prod"].look("apis/apps/v1/namespaces/shop/deployments/shop")
    assert found is not None
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def test_an_expired_preview_is_renewed_by_asking_again(listed: Stage, far: FarRegistry) -> None:
    far.push(NAME, "v2.0.1")
    number = listed.propose()
    listed.clock.advance(timedelta(hours=1))
    listed.approve(number)
    assert far.manifests() == [("HEAD", f"{NAME}:v2.0.1")] * 2


@pytest.mark.parametrize(("code", "key"), [(404, "artifact_missing"), (503, "internal_error")])
def test_what_a_registry_does_not_say_blocks_the_preview_in_words_until_it_does(
    listed: Stage, far: FarRegistry, code: int, key: str
) -> None:
    digest = far.push(NAME, "v2.0.1")
    far.odd = always(code)
    number = listed.propose()
    (check,) = plan(listed, number).blocked
    assert (check.key, check.unit) == (key, UNIT)
    assert f"asking registry {HOST} for {NAME}:v2.0.1" in check.message
    assert infos(listed, number) == [
        f"{UNIT}: 0 of 1 images pinned by digest; by tag only: {tagged('v2.0.1')} (its registry did not say)"
    ]
    asked = len(far.asked)
    listed.settle()
    assert len(far.asked) == asked
    far.odd = None
    listed.desk("dev_user").person().comment(number, "/reconciler preview")
    listed.settle()
    assert plan(listed, number).blocked == ()
    listed.approve(number)
    listed.merge(number)
    assert live(listed) == tagged("v2.0.1", digest)


def test_a_registry_that_is_away_at_a_later_look_voids_nothing(listed: Stage, far: FarRegistry) -> None:
    digest = far.push(NAME, "v2.0.1")
    number = listed.propose()
    listed.approve(number)
    first = listed.preview(number).previewed.digest
    far.odd = always(503)
    listed.desk("dev_user").person().comment(number, "/reconciler preview")
    listed.settle()
    assert listed.preview(number).previewed.digest == first
    listed.merge(number)
    assert live(listed) == tagged("v2.0.1", digest)


def test_an_image_that_is_gone_at_a_later_look_blocks(listed: Stage, far: FarRegistry) -> None:
    far.push(NAME, "v2.0.1")
    number = listed.propose()
    far.images.clear()
    listed.desk("dev_user").person().comment(number, "/reconciler preview")
    listed.settle()
    assert [check.key for check in plan(listed, number).blocked] == ["artifact_missing"]


def test_a_registry_that_is_not_listed_is_never_asked_and_the_preview_says_so(listed: Stage, far: FarRegistry) -> None:
    manifest = "releases/svc-a/manifests/deployment.yaml"
    there = f"{far.url.removeprefix('http://')}/evil"
    text = listed.world.example()[manifest].replace(f"{HOST}/{NAME}", there)
    number = listed.propose({manifest: text}, branch="elsewhere")
    host = there.partition("/")[0]
    assert infos(listed, number) == [
        f"{UNIT}: 0 of 1 images pinned by digest; by tag only: {there}:v2.0.0 (registry {host} is not listed)"
    ]
    assert far.asked == []


def test_g4_who_may_not_have_targets_looked_at_has_no_registry_asked(listed: Stage, far: FarRegistry) -> None:
    far.push(NAME, "v2.0.1")
    number = listed.propose(author="approver_user")
    assert plan(listed, number).static
    assert far.asked == []
    assert any("(no registry was asked)" in words for words in infos(listed, number))


def test_two_pull_requests_are_asked_for_one_image_each_and_the_first_to_land_says_what_it_means(
    listed: Stage, far: FarRegistry
) -> None:
    first = far.push(NAME, "v2.0.1")
    one = listed.propose(branch="one")
    far.push(NAME, "v2.0.1", "another")
    two = listed.propose(branch="two", title="the same again")
    assert len(far.asked) == 2
    listed.approve(one)
    listed.merge(one)
    assert live(listed) == tagged("v2.0.1", first)
    assert listed.statuses(listed.pull(two).head)["reconciler/preview"][0] == "success"
    asked = len(far.asked)
    listed.settle()
    assert len(far.asked) == asked
    assert asked == 2  # what it says was accepted meanwhile


def test_a_digest_that_is_written_is_asked_of_nobody(listed: Stage, far: FarRegistry) -> None:
    digest = far.push(NAME, "v2.0.0", "another look")
    text = listed.release_text("v2.0.0") + f"  images: {{{HOST}/{NAME}: '{digest}'}}\n"
    number = listed.propose({RELEASE: text}, branch="by-hand")
    listed.approve(number)
    listed.merge(number)
    assert live(listed) == f"{HOST}/{NAME}@{digest}"
    assert far.asked == []


@pytest.mark.parametrize("there", [True, False])
def test_g27_what_is_taken_over_as_it_runs_is_not_pinned_and_restarts_nothing(
    listed: Stage, far: FarRegistry, *, there: bool
) -> None:
    cluster = listed.world.sandbox("prod")
    cluster.place("api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    body = yaml.safe_load(WORKLOAD)
    cluster.place("apis/apps/v1/namespaces/shop/deployments", body, "kubectl-client-side-apply")
    if there:  # else nobody pulls it any more, and it runs
        far.push("shop", "v1")
    files = {"releases/shop.yaml": SHOP, "apps/shop/workload.yaml": WORKLOAD}
    number = listed.propose(files, branch="adopt", author="admin")
    (change,) = plan(listed, number).changes
    assert (change.operation, change.restarts) == (Operation.ADOPT, False)
    assert all(field.path.startswith("manager of ") for field in change.fields)
    assert infos(listed, number)[-1].endswith(
        f"by tag only: {HOST}/shop:v1 (runs already: taking it over restarts nothing)"
    )
    listed.approve(number)
    merged = listed.merge(number)
    assert listed.statuses(merged)[APPLY][0] == "success"
    assert shop_image(listed) == f"{HOST}/shop:v1"
    asked = len(far.asked)
    digest = far.push("shop", "v2")
    number = listed.propose({"apps/shop/workload.yaml": WORKLOAD.replace(":v1", ":v2")}, branch="next", author="admin")
    listed.approve(number)
    listed.merge(number)
    assert shop_image(listed) == f"{HOST}/shop:v2@{digest}"
    assert len(far.asked) == asked + 1


def test_the_settings_are_what_lists_a_registry_and_nothing_in_the_repository(stage: Stage, far: FarRegistry) -> None:
    far.push(NAME, "v2.0.1")
    released(stage, "v2.0.1")
    assert far.asked == []
    assert live(stage) == tagged("v2.0.1")
    accepted = stage.ledger.units[UNIT].accepted
    assert (accepted.base, accepted.pins) == ("", ())


def test_what_a_chart_renders_to_is_pinned_and_helm_keeps_it_so(listed: Stage, far: FarRegistry) -> None:
    shop = Shop(listed, Known())
    listed.world.opened.planner.desires.charts = shop.charts
    digest = far.push("shop", "v1")
    _, ended = shop.release(chart(), "chart")
    assert ended == "success"
    body = shop.look(OBJECTS[1])
    assert body is not None
    assert body["spec"]["template"]["spec"]["containers"][0]["image"] == f"{HOST}/shop:v1@{digest}"
    assert f"{HOST}/shop:v1@{digest}" in shop.records()[1]["manifest"]
    asked, effects = len(far.asked), listed.effects()
    shop.start_again()
    listed.settle()
    listed.world.opened.reconciler.look_for_drift()
    assert (len(far.asked), listed.effects()) == (asked, effects)
    assert "drift_detected" not in listed.actions()


def test_what_a_kustomization_renders_to_is_pinned(listed: Stage, far: FarRegistry) -> None:
    with_renderer(listed, Echo(text="replicas: 2"))
    digest = far.push(NAME, "v2.0.1")
    number = listed.propose(kustomized(listed))
    listed.approve(number)
    listed.merge(number)
    assert live(listed) == tagged("v2.0.1", digest)


def test_doctor_asks_each_listed_registry(listed: Stage, far: FarRegistry) -> None:
    where = Where(config=listed.world.home / FILE_NAME)
    found = {one["name"]: one for one in examine(where)["checks"]}
    assert found[f"registry {HOST}"]["message"] == f"{far.url} answers"
    assert [one.path for one in far.asked] == ["/v2/"]
    settings = {one["setting"]: one["value"] for one in examine(where)["settings"]}
    assert settings["registries"] == [f"{HOST} (as nobody)"]
    far.wants = "basic"
    found = {one["name"]: one for one in examine(where)["checks"]}
    assert found[f"registry {HOST}"]["status"] == "error"
    assert "permission_denied" in found[f"registry {HOST}"]["message"]


def test_g17_a_push_whose_registry_is_away_waits_for_it(listed: Stage, far: FarRegistry) -> None:
    digest = far.push(NAME, "v2.0.1")
    far.odd = always(503)
    pushed = listed.world.commit("pushed", {RELEASE: listed.release_text("v2.0.1")}, author="dev_user")
    listed.settle()
    ticket = f"dep-appr-{pushed[:12]}"
    artifact = listed.world.opened.reconciler.landings.previews.artifact
    (held,) = artifact(listed.ledger.previews[ticket]).plans
    assert [check.key for check in held.blocked] == ["internal_error"]
    assert held.units[0].unanswered == (tagged("v2.0.1"),)
    far.odd = None
    listed.settle()
    listed.clock.advance(FIRST)
    listed.settle()
    (held,) = artifact(listed.ledger.previews[ticket]).plans
    assert [(pin.image, pin.digest) for pin in held.units[0].pins] == [(tagged("v2.0.1"), digest)]
    assert held.blocked == ()
    asked = len(far.asked)
    listed.settle()
    assert len(far.asked) == asked


def test_g2_the_first_plan_asks_once_for_an_image_of_two_environments(fresh: Stage, far: FarRegistry) -> None:
    digest = far.push(NAME, "v2.0.0")
    path = fresh.world.home / FILE_NAME
    path.write_text(f'{path.read_text()}\n[registries."{HOST}"]\nurl = "{far.url}"\n')
    fresh.restart()
    fresh.accept_first()
    assert live(fresh) == tagged("v2.0.0", digest)
    assert far.manifests() == [("HEAD", f"{NAME}:v2.0.0")]
    accepted = [fresh.ledger.units[unit].accepted for unit in (UNIT, "release/svc-a-staging")]
    assert [pin.digest for one in accepted for pin in one.pins] == [digest, digest]


def test_more_images_than_one_preview_may_ask_for_block_it_in_words(
    listed: Stage, far: FarRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinning, "MOST_ASKED", 0)
    far.push(NAME, "v2.0.1")
    (check,) = plan(listed, listed.propose()).blocked
    words = f"{UNIT}: 1 images would be asked for at once, and 0 are the most"
    assert (check.key, check.message, far.asked) == ("validation_error", words, [])
