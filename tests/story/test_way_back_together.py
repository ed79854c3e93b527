"""Ways back of several releases at once, which were accepted at different commits."""

from itertools import count

from tests.failpoints.scenes import JOB, job
from tests.failpoints.stepped import SHOP, SHOP_JOB, shop_text, with_shop, with_steps
from tests.story.stage import RELEASE, Stage
from tests.story.stepping import steps_are_trusted  # noqa: F401  a fixture
from tests.story.test_way_back import land, made

SHOP_DEPLOYMENT = "apis/apps/v1/namespaces/svc-a/deployments/shop"


def accepted(stage: Stage, name: str) -> str:
    found = stage.ledger.units[f"release/{name}"].successful
    assert found is not None
    return str(found.revision)


def shop_image(stage: Stage) -> str:
    found = stage.world.sandbox("prod").look(SHOP_DEPLOYMENT)
    assert found is not None
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"]).rpartition(":")[2]


def test_g21_what_one_release_goes_back_to_does_not_wait_for_another_one_that_failed(stage: Stage) -> None:
    with_shop(stage, after="svc-a")
    for number in count():
        if accepted(stage, "shop") < accepted(stage, "svc-a"):
            break  # commits are gone back to in their order
        land(stage, {SHOP: shop_text(stage, f"v1.9.{number}", after="svc-a")}, f"shop-{number}")
    before = shop_image(stage)
    files: dict[str, str | None] = {
        RELEASE: with_steps(stage.release_text("v2.0.1-broken")),
        JOB: job("downgrade"),
        SHOP: with_steps(shop_text(stage, "v2.0.1", after="svc-a"), name="downshop"),
        SHOP_JOB: job("downshop"),
    }
    land(stage, files, "both")
    outcomes = {name: stage.ledger.units[f"release/{name}"].outcome for name in ("svc-a", "shop")}
    assert outcomes == {"svc-a": "rolled_back", "shop": "rolled_back"}
    assert (stage.image(), shop_image(stage)) == ("v2.0.0", before)
    assert [name.partition("-")[0] for name in made(stage)] == ["downgrade"]  # of the shop nothing was done yet
