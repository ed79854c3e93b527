"""Ways back of several releases at once, which were accepted at different commits.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

import re
from datetime import timedelta
from itertools import count, groupby

import pytest

from reconciler.approval.decision import Verb
from reconciler.sandbox.cluster_http import Asked
from tests.failpoints.scenes import JOB, job
from tests.failpoints.stepped import SHOP, SHOP_JOB, shop_text, with_shop, with_steps
from tests.faults.far_cluster import Cut, is_write
from tests.story.altered import altered, makes_job
from tests.story.altered import quick as quick  # a fixture
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import RELEASE, Stage
from tests.story.test_helm import RELEASE as CHART
from tests.story.test_helm import Known, Shop, chart
from tests.story.test_way_back import OURS, land, made

LONGER = frozenset({"test_a_chain_through_two_commits_goes_back_in_its_order_also_where_it_was_cut"})
SHOP_DEPLOYMENT = "apis/apps/v1/namespaces/svc-a/deployments/shop"


def shop_image(stage: Stage) -> str:
    found = stage.world.sandbox("prod").look(SHOP_DEPLOYMENT)
    assert found is not None
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"]).rpartition(":")[2]


def outcomes(stage: Stage) -> dict[str, str]:
    return {name: stage.ledger.units[f"release/{name}"].outcome for name in ("svc-a", "shop")}


def went_back(stage: Stage) -> None:
    assert outcomes(stage) == {"svc-a": "rolled_back", "shop": "rolled_back"}, stage.rows(release="shop")[-1].text
    assert (stage.image(), shop_image(stage)) == ("v2.0.0", "v2.0.0")


def written(stage: Stage, since: int) -> list[str]:
    """The Deployments that were written, in order; each once where it was written several times in a row."""
    paths = (one.path for one in stage.world.sandbox("prod").real_effects[since:])
    return [name for name, _ in groupby(path.rpartition("/")[2] for path in paths if "/deployments/" in path)]


def both(stage: Stage, ours: str, shop: str) -> None:
    """One change of both, which are left by steps; the shop depends on svc-a, and asks it."""
    with_shop(stage, after="svc-a")
    files: dict[str, str | None] = {
        RELEASE: with_steps(stage.release_text(ours)),
        JOB: job("downgrade"),
        SHOP: with_steps(shop_text(stage, shop, after="svc-a"), name="downshop"),
        SHOP_JOB: job("downshop"),
    }
    land(stage, files, "both")


def migrated(stage: Stage) -> list[str]:
    """Of which releases the database was taken back, each run once."""
    return [name.rpartition("-")[0] for name in dict.fromkeys(made(stage))]


def accepted(stage: Stage, name: str) -> str:
    found = stage.ledger.units[f"release/{name}"].successful
    assert found is not None
    return str(found.revision)


def test_a_release_goes_back_after_what_it_depends_on(stage: Stage) -> None:
    with_shop(stage, after="svc-a")
    for number in count():
        if accepted(stage, "shop") < accepted(stage, "svc-a"):
            break  # so neither name nor commit has the order that is wanted
        land(stage, {SHOP: shop_text(stage, f"v1.9.{number}", after="svc-a")}, f"shop-{number}")
    since = len(stage.world.sandbox("prod").real_effects)
    shop = shop_text(stage, "v2.0.1-broken", after="svc-a")
    land(stage, {RELEASE: stage.release_text("v2.0.1"), SHOP: shop}, "both")
    assert written(stage, since) == ["svc-a", "shop", "svc-a", "shop"]


def test_what_asks_another_release_at_its_end_waits_until_that_went_back(stage: Stage) -> None:
    both(stage, "v2.0.1-broken", "v2.0.1")
    went_back(stage)
    assert migrated(stage) == ["downgrade"]  # of the shop nothing was done yet


def test_g21_what_went_back_wholly_beside_one_that_failed_is_not_left_by_its_steps_again(stage: Stage) -> None:
    altered(stage).refuse(403, lambda asked: makes_job(asked) and "downshop" in asked.path)
    both(stage, "v2.0.1", "v2.0.1-broken")
    assert outcomes(stage) == {"svc-a": "rolled_back", "shop": "rollback_failed"}
    words = [row.action for row in stage.rows(release="svc-a")]
    assert words.count("rollback_completed") == 1
    assert "rollback_failed" not in words
    altered(stage).heal()
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="now")
    stage.settle()
    assert migrated(stage) == ["downgrade"]
    old: dict[str, str | None] = {
        RELEASE: stage.release_text("v2.0.0"),
        SHOP: shop_text(stage, "v2.0.0", after="svc-a"),
    }
    number = stage.propose({**old, JOB: None, SHOP_JOB: None}, branch="revert")
    for login in ("approver_user", "admin"):
        stage.approve(number, login, reason=stage.preview(number).previewed.digest)
    stage.merge(number)
    assert outcomes(stage) == {"svc-a": "applied", "shop": "applied"}
    assert (stage.image(), shop_image(stage), migrated(stage)) == ("v2.0.0", "v2.0.0", ["downgrade", "downshop"])


def test_g21_what_one_release_goes_back_to_does_not_wait_for_another_one_that_failed(stage: Stage) -> None:
    with_shop(stage)  # it depends on nothing, and is the first by name
    land(stage, {RELEASE: stage.release_text("v2.0.1-broken"), SHOP: shop_text(stage, "v2.0.1")}, "both")
    went_back(stage)


@pytest.mark.parametrize("write", [0, 2, 8])
def test_a_chain_through_two_commits_goes_back_in_its_order_also_where_it_was_cut(stage: Stage, write: int) -> None:
    """The cart needs the shop, which needs svc-a; svc-a and the cart go back to one commit, the shop to another."""
    with_shop(stage, after="svc-a")
    example = stage.world.example()
    parts = [example[f"releases/svc-a/manifests/{name}.yaml"] for name in ("configmap", "deployment", "service")]
    objects = re.sub(r"svc-a\b", "cart", "---\n".join(parts)).replace("invalid/cart", "invalid/svc-a")

    def cart(tag: str) -> str:
        return shop_text(stage, tag, after="shop").replace("{name: shop}", "{name: cart}").replace("s/shop", "s/cart")

    old: dict[str, str | None] = {RELEASE: stage.release_text("v1.9.0"), "releases/cart.yaml": cart("v2.0.0")}
    land(stage, {**old, "releases/cart/all.yaml": objects}, "cart")
    since = len(stage.world.sandbox("prod").real_effects)
    files: dict[str, str | None] = {
        RELEASE: with_steps(stage.release_text("v2.0.1")),
        JOB: job("downgrade"),
        SHOP: with_steps(shop_text(stage, "v2.0.1", after="svc-a"), name="downshop"),
        SHOP_JOB: job("downshop"),
        "releases/cart.yaml": cart("v2.0.1-broken"),
    }

    def of_return(asked: Asked) -> bool:
        return is_write(asked) and any(one.returning for one in stage.ledger.rollouts.values())

    cluster = altered(stage)
    if write:
        cluster.cut_at(Cut.UNANSWERED, write, of_return, away=True)
    land(stage, files, "all")
    assert cluster.cuts_met() == min(write, 1)
    cluster.heal()
    stage.clock.advance(timedelta(minutes=2))
    stage.settle()
    names = ("svc-a", "shop", "cart")
    assert {stage.ledger.units[f"release/{name}"].outcome for name in names} == {"rolled_back"}
    found = written(stage, since)
    assert (found[:3], [*dict.fromkeys(found[3:])]) == ([*names], [*names])
    assert cluster.numbers() == dict.fromkeys(names, 2)
    assert sorted(name.partition("-")[0] for name in made(stage)) == ["downgrade", "downshop"]


def test_one_whose_way_back_helm_was_not_told_of_has_not_gone_back(stage: Stage) -> None:
    """It is the shop, which goes back before svc-a and has done every step."""
    shop = Shop(stage, Known())
    stage.world.opened.planner.desires.charts = shop.charts
    shop.release(chart(), "install")
    steps = ", ".join(f"{{action: {name}}}" for name in ("stop_traffic", "roll_back", "restore_traffic"))
    way, plain = f"rollback: {{automatic: true, steps: [{steps}]}}", "rollback: {automatic: true}"
    files = chart("v2-broken", replicas=1)
    files[CHART] = str(files[CHART]).replace(plain, way)
    ours = stage.release_text("v2.0.1").replace(plain, way)
    altered(stage).refuse(403, lambda asked: asked.method == "PUT" and asked.path.endswith("release.v1.shop.v3"))
    shop.release({**files, RELEASE: ours}, "both")
    assert outcomes(stage) == {"svc-a": "rollback_failed", "shop": "rollback_failed"}
    assert (shop.settings(), shop.history()[3]) == ("v1", "pending-upgrade")
    altered(stage).heal()
    stage.desk("dev_user").order("release/shop", Verb.ROLLBACK, reason="now")
    stage.settle()
    assert outcomes(stage)["shop"] == "rolled_back"
    assert [*shop.history().values()] == ["superseded", "failed", "deployed"]
    word, said = stage.statuses(stage.ledger.units["release/svc-a"].accepted.revision)[OURS]
    assert (word, "release/svc-a is not back" in said) == ("error", True), said
