"""A tag that somebody pushes to a real Gitea proposes a promotion there, once (G19)."""

import pytest

from reconciler.forges.gitea.forge import GiteaForge
from reconciler.forges.keeping import SETTLED
from tests.story.gitea_people import GiteaWorld
from tests.story.stage import Stage
from tests.story.test_promotion import Tags, approve, images, landed, pin

pytestmark = pytest.mark.real


def test_g19_a_pushed_tag_proposes_production_on_gitea_and_a_look_at_rest_stays_one_request(gitea_stage: Stage) -> None:
    stage, world = gitea_stage, gitea_stage.world
    assert isinstance(world, GiteaWorld)
    pin(stage, stage.tip())
    second = landed(stage, "v2.0.1")
    world._git("fetch", "--quiet", world._pushing, "+refs/heads/*:refs/heads/*")  # merged on the forge
    Tags(stage).push("v2.0.1", second, by="dev_user")
    world._git("push", "--quiet", world._pushing, "refs/tags/v2.0.1:refs/tags/v2.0.1")
    stage.settle()
    forge = world.opened.forge
    assert isinstance(forge, GiteaForge)
    (pull,) = forge.open_pull_requests()
    assert (pull.title, pull.author) == ("Promote env-k8s-prod to v2.0.1", forge.own_login())
    assert pull.head == stage.ledger.promotions["env-k8s-prod", "v2.0.1"].promoting.head
    stage.restart()
    stage.settle()
    assert [one.number for one in world.opened.forge.open_pull_requests()] == [pull.number]
    for _ in range(2):  # stamps have to stand for a while before anything is kept
        stage.clock.advance(SETTLED)
        world.opened.reconciler.look()
    forge = world.opened.forge
    assert isinstance(forge, GiteaForge)
    before, polls = forge._sender.requests, world.opened.mirror.poller.requests
    world.opened.reconciler.look()
    assert (forge._sender.requests - before, world.opened.mirror.poller.requests - polls) == (1, 1)
    assert approve(stage, pull.number, "approver_user") == "success"
    stage.merge(pull.number, "approver_user")
    assert images(stage) == ("v2.0.1", "v2.0.1")
