"""What runs keeps its pin, whatever becomes of its release's name, and what nobody was asked for is not settled."""

import pytest
import yaml

from reconciler.app.asking_again import FIRST
from reconciler.approval.decision import Verb
from reconciler.plan.change import Operation
from tests.registries.far import FarRegistry, always
from tests.story.stage import RELEASE, Stage
from tests.story.test_image_pins import APPLY, CONFIG, HOST, NAME, UNIT, live, plan, released, tagged
from tests.story.test_image_pins_asking import SHOP, WORKLOAD, shop_image

LONGER = frozenset(
    {
        "test_a_new_workload_beside_an_object_that_is_taken_over_is_pinned",
        "test_g28_a_rename_back_takes_the_pins_along",
        "test_g27_what_is_taken_over_needs_no_word_of_a_registry",
        "test_g27_what_is_taken_over_and_starts_anew_anyway_is_pinned",
    }
)
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop-settings}\ndata: {a: b}\n"


def test_what_merged_of_an_author_without_rights_is_pinned_when_it_is_held(listed: Stage, far: FarRegistry) -> None:
    digest = far.push(NAME, "v2.0.1")
    number = listed.propose(author="approver_user")
    assert (plan(listed, number).static, far.asked) == (True, [])
    listed.force_merge(number, "admin")
    listed.settle()
    shown = plan(listed, number)
    assert not shown.static  # it is held, and was looked at
    assert [(one.image, one.digest) for unit in shown.units for one in unit.pins] == [(tagged("v2.0.1"), digest)]


def test_a_new_workload_beside_an_object_that_is_taken_over_is_pinned(listed: Stage, far: FarRegistry) -> None:
    cluster = listed.world.sandbox("prod")
    cluster.place("api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    cluster.place("api/v1/namespaces/shop/configmaps", yaml.safe_load(SETTINGS), "kubectl-client-side-apply")
    digest = far.push("shop", "v1")
    files = {"releases/shop.yaml": SHOP, "apps/shop/workload.yaml": WORKLOAD, "apps/shop/settings.yaml": SETTINGS}
    number = listed.propose(files, branch="adopt", author="admin")
    found = {change.subject: change.operation for change in plan(listed, number).changes}
    assert found["Deployment.apps shop/shop"] is Operation.CREATE
    assert found["ConfigMap shop/shop-settings"] is Operation.ADOPT
    listed.approve(number)
    listed.merge(number)
    assert shop_image(listed) == f"{HOST}/shop:v1@{digest}"


def test_g27_g28_a_rename_that_also_takes_something_over_restarts_nothing(listed: Stage, far: FarRegistry) -> None:
    far.push(NAME, "v2.0.1")
    released(listed, "v2.0.1")
    before = live(listed)
    far.push(NAME, "v2.0.1", "another")
    cluster = listed.world.sandbox("prod")
    body = yaml.safe_load(SETTINGS)
    cluster.place("api/v1/namespaces/svc-a/configmaps", body, "kubectl-client-side-apply")
    text = listed.release_text("v2.0.1").replace("metadata: {name: svc-a}", "metadata: {name: svc-new}")
    files = {RELEASE: None, "releases/new.yaml": text, "releases/svc-a/manifests/taken.yaml": SETTINGS}
    number = listed.propose(files, branch="rename", author="admin")
    assert plan(listed, number).blocked == ()
    listed.approve(number)
    listed.merge(number)
    assert live(listed) == before


def test_g28_a_rename_back_takes_the_pins_along(listed: Stage, far: FarRegistry) -> None:
    far.push(NAME, "v2.0.1")
    released(listed, "v2.0.1")
    text = listed.release_text("v2.0.1").replace("metadata: {name: svc-a}", "metadata: {name: svc-new}")
    number = listed.propose({RELEASE: None, "releases/new.yaml": text}, branch="rename", author="admin")
    listed.approve(number)
    listed.merge(number)
    before, asked = live(listed), len(far.asked)
    far.push(NAME, "v2.0.1", "another")
    config = listed.world.example()[CONFIG].replace("${log_level}", "loud")
    back = {"releases/new.yaml": None, RELEASE: listed.release_text("v2.0.1"), CONFIG: config}
    number = listed.propose(back, branch="back", author="admin")
    listed.approve(number)
    merged = listed.merge(number)
    assert listed.statuses(merged)[APPLY][0] == "success"
    assert (live(listed), len(far.asked)) == (before, asked)


def test_an_image_that_runs_keeps_its_pin_after_another_version_failed(listed: Stage, far: FarRegistry) -> None:
    first = far.push(NAME, "v2.0.1")
    released(listed, "v2.0.1")
    far.push(NAME, "v2.0.2-broken")
    released(listed, "v2.0.2-broken")
    assert (listed.ledger.units[UNIT].outcome, live(listed)) == ("rolled_back", tagged("v2.0.1", first))
    far.push(NAME, "v2.0.1", "another")
    config = listed.world.example()[CONFIG].replace("${log_level}", "loud")
    number = listed.propose({RELEASE: listed.release_text("v2.0.1"), CONFIG: config}, branch="config")
    assert "Deployment.apps svc-a/svc-a" not in {change.subject for change in plan(listed, number).changes}
    listed.approve(number)
    listed.merge(number)
    assert live(listed) == tagged("v2.0.1", first)


def test_a_held_push_whose_registry_is_away_is_not_asked_at_rest(listed: Stage, far: FarRegistry) -> None:
    far.push(NAME, "v2.0.1")
    far.odd = always(503)
    listed.world.commit("pushed", {RELEASE: listed.release_text("v2.0.1")}, author="dev_user")
    listed.settle()
    events, asked = len(listed.world.opened.journal.events), len(far.asked)
    for _ in range(5):
        listed.settle()
    assert (len(far.asked), len(listed.world.opened.journal.events)) == (asked, events)


def test_an_approval_of_what_is_held_has_its_registry_asked_again(listed: Stage, far: FarRegistry) -> None:
    digest = far.push(NAME, "v2.0.1")
    far.odd = always(404)
    pushed = listed.world.commit("pushed", {RELEASE: listed.release_text("v2.0.1")}, author="dev_user")
    listed.settle()
    listed.settle()
    far.odd = None
    for _ in range(2):  # the first is of what stood, and what it brings has to be approved, too
        state = listed.ledger.previews[f"dep-appr-{pushed[:12]}"]
        assert live(listed) == tagged("v2.0.0")
        listed.desk("approver_user").decide_commit(state, pushed, Verb.APPROVE, reason="fine")
        listed.settle()
        listed.settle()
    assert live(listed) == tagged("v2.0.1", digest)


def test_a_held_push_whose_registry_came_back_can_be_applied(listed: Stage, far: FarRegistry) -> None:
    digest = far.push(NAME, "v2.0.1")
    far.odd = always(503)
    pushed = listed.world.commit("pushed", {RELEASE: listed.release_text("v2.0.1")}, author="dev_user")
    listed.settle()
    far.odd = None
    listed.settle()
    listed.clock.advance(FIRST)
    for _ in range(3):
        listed.settle()
    state = listed.ledger.previews[f"dep-appr-{pushed[:12]}"]
    listed.desk("approver_user").decide_commit(state, pushed, Verb.APPROVE, reason="fine")
    for _ in range(3):
        listed.settle()
    assert live(listed) == tagged("v2.0.1", digest)


def test_g27_what_is_taken_over_needs_no_word_of_a_registry(listed: Stage, far: FarRegistry) -> None:
    """Its tag went from the registry long ago; it runs, and would not be pinned anyway."""
    cluster = listed.world.sandbox("prod")
    cluster.place("api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    cluster.place("apis/apps/v1/namespaces/shop/deployments", yaml.safe_load(WORKLOAD), "kubectl-client-side-apply")
    files = {"releases/shop.yaml": SHOP, "apps/shop/workload.yaml": WORKLOAD}
    number = listed.propose(files, branch="adopt", author="admin")
    (change,) = plan(listed, number).changes
    assert change.operation is Operation.ADOPT
    assert [check.key for check in plan(listed, number).blocked] == []


def test_what_came_from_a_fork_is_not_applied_by_its_tag_alone(
    listed: Stage, far: FarRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`forks` allowed: the preview is static, so no registry is asked; merged it is held, looked at, and approved."""
    digest = far.push(NAME, "v2.0.1")
    with monkeypatch.context() as patch:
        patch.setattr("reconciler.app.proposals._MayLook.__call__", lambda *_: False)
        number = listed.propose()
        merged = listed.force_merge(number)
        listed.settle()
    state = listed.ledger.previews[f"dep-appr-{number}"]
    assert not plan(listed, number).static
    listed.desk("approver_user").decide_commit(state, merged, Verb.APPROVE, reason="fine")
    listed.settle()
    assert listed.statuses(merged)[APPLY][0] == "success"
    assert live(listed) == tagged("v2.0.1", digest)


def runs(stage: Stage, name: str) -> str:
    found = stage.world.sandbox("prod").look(f"apis/apps/v1/namespaces/shop/deployments/{name}")
    assert found is not None
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def spec(name: str, folder: str) -> str:
    return SHOP.replace("metadata: {name: shop}", f"metadata: {{name: {name}}}").replace("apps/shop", folder)


def work(name: str) -> str:
    return WORKLOAD.replace("name: shop, labels", f"name: {name}, labels")


def two_releases(stage: Stage, far: FarRegistry) -> list[str]:
    """Two of them of one tag, which moves between them; what each runs."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    stage.world.sandbox("prod").place("api/v1/namespaces", namespace)
    for name in ("one", "two"):
        far.push("shop", "v1", name)
        files = {f"releases/{name}.yaml": spec(name, f"apps/{name}"), f"apps/{name}/w.yaml": work(name)}
        number = stage.propose(files, branch=name, author="admin")
        stage.approve(number)
        stage.merge(number)
    return [runs(stage, name) for name in ("one", "two")]


def test_g28_two_releases_that_are_renamed_at_once_take_each_its_own_pins(listed: Stage, far: FarRegistry) -> None:
    before = two_releases(listed, far)
    assert before[0] != before[1]
    renamed: dict[str, str | None] = {"releases/one.yaml": None, "releases/two.yaml": None}
    renamed |= {f"releases/new-{name}.yaml": spec(f"new-{name}", f"apps/{name}") for name in ("one", "two")}
    number = listed.propose(renamed, branch="rename", author="admin")
    assert plan(listed, number).blocked == ()
    listed.approve(number)
    listed.merge(number)
    assert [runs(listed, name) for name in ("one", "two")] == before


def test_where_two_releases_become_one_nobody_guesses_whose_digest_it_is(listed: Stage, far: FarRegistry) -> None:
    two_releases(listed, far)
    digest = far.push("shop", "v1", "the third")
    files: dict[str, str | None] = {"releases/one.yaml": None, "releases/two.yaml": None}
    files |= {"apps/one/second.yaml": work("two"), "releases/both.yaml": spec("both", "apps/one")}
    number = listed.propose(files, branch="both", author="admin")
    moved = [change for change in plan(listed, number).changes if change.operation is Operation.HAND_OVER]
    shown = {field.after for change in moved for field in change.fields if field.path.endswith(".image")}
    assert (len(moved), shown) == (2, {f"{HOST}/shop:v1@{digest}"})


def test_g27_what_is_taken_over_and_starts_anew_anyway_is_pinned(listed: Stage, far: FarRegistry) -> None:
    cluster = listed.world.sandbox("prod")
    cluster.place("api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    body = yaml.safe_load(WORKLOAD.replace(":v1", ":v0"))
    cluster.place("apis/apps/v1/namespaces/shop/deployments", body, "kubectl-client-side-apply")
    digest = far.push("shop", "v1")
    files = {"releases/shop.yaml": SHOP, "apps/shop/workload.yaml": WORKLOAD}
    number = listed.propose(files, branch="adopt", author="admin")
    (change,) = plan(listed, number).changes
    assert (change.operation, change.restarts) == (Operation.ADOPT, True)
    listed.approve(number)
    listed.merge(number)
    assert shop_image(listed) == f"{HOST}/shop:v1@{digest}"


def test_what_a_registry_did_not_say_stays_said_over_a_restart(listed: Stage, far: FarRegistry) -> None:
    far.odd = always(404)
    pushed = listed.world.commit("pushed", {RELEASE: listed.release_text("v2.0.1")}, author="dev_user")
    listed.settle()
    asked = len(far.asked)
    listed.restart()
    assert (listed.settle(), listed.settle()) == ([], [])
    state = listed.ledger.previews[f"dep-appr-{pushed[:12]}"]
    (held,) = listed.world.opened.reconciler.landings.previews.artifact(state).plans
    assert [check.key for check in held.blocked] == ["artifact_missing"]
    assert len(far.asked) == asked


def test_pins_of_another_content_of_the_same_pull_request_are_not_taken(listed: Stage, far: FarRegistry) -> None:
    """Previewed with one tag; another is pushed and merged before anybody looks again: held, and asked for."""
    far.push(NAME, "v2.0.1")
    digest = far.push(NAME, "v2.0.2")
    number = listed.propose()
    listed.world.commit("later", {RELEASE: listed.release_text("v2.0.2")}, author="dev_user", branch="change-v2.0.1")
    listed.force_merge(number)
    listed.settle()
    shown = plan(listed, number)
    assert [(one.image, one.digest) for unit in shown.units for one in unit.pins] == [(tagged("v2.0.2"), digest)]
