"""An environment with a `revision` stands still until a pull request moves that; then it goes the whole way (G19)."""

from reconciler.names import Revision
from tests.story.stage import RELEASE, Stage

STAGING = "releases/svc-a/staging.yaml"
PRODUCTION = "environments/env-k8s-prod.yaml"


def pinned_text(stage: Stage, revision: str) -> str:
    return stage.world.example()[PRODUCTION].rstrip() + f'\n  revision: "{revision}"\n'


def move(stage: Stage, revision: str, *, author: str = "dev_user") -> int:
    """A pull request that pins production to a revision."""
    return stage.propose(
        {PRODUCTION: pinned_text(stage, revision)}, branch=f"pin-{revision[:8]}-on-{stage.tip()[:8]}", author=author
    )


def moved(stage: Stage, revision: str, *, approver: str = "approver_user") -> None:
    number = move(stage, revision)
    stage.approve(number, approver, reason=stage.preview(number).previewed.digest[:12])
    stage.merge(number)


def landed(stage: Stage, tag: str, author: str = "dev_user", approver: str = "approver_user") -> Revision:
    """A new version for staging and production, approved and merged; dev_user opens its pull request."""
    files = {RELEASE: stage.release_text(tag), STAGING: stage.world.example()[STAGING].replace("v2.0.0", tag)}
    stage.world.commit(f"version {tag}", files, author=author, branch=tag)
    number = stage.desk("dev_user").person().open(tag, "main", f"version {tag}")
    stage.settle()
    stage.approve(number, approver)
    return stage.merge(number)


def images(stage: Stage) -> tuple[str, str]:
    return stage.image("staging"), stage.image()


def approval(stage: Stage, number: int) -> str:
    return stage.statuses(stage.pull(number).head)["reconciler/approval"][0]


def test_g19_a_pinned_environment_moves_only_by_its_revision_which_its_authors_cannot_approve(stage: Stage) -> None:
    first, before = stage.tip(), stage.effects()
    moved(stage, first)
    assert (stage.effects(), stage.ledger.waiting) == (before, {})
    second = landed(stage, "v2.0.1", author="approver_user", approver="admin")
    assert images(stage) == ("v2.0.1", "v2.0.0")
    assert stage.ledger.waiting == {}
    number = move(stage, second)
    (plan,) = stage.plans(number).plans
    assert plan.environment == "env-k8s-prod"
    assert any("v2.0.1" in str(field.after) for change in plan.changes for field in change.fields)
    digest = stage.preview(number).previewed.digest[:12]
    stage.approve(number, "approver_user", reason=digest)  # who wrote what comes in now, though not this change (G14)
    assert approval(stage, number) == "pending"
    stage.approve(number, "admin", reason=digest)
    assert approval(stage, number) == "success"
    stage.merge(number)
    assert images(stage) == ("v2.0.1", "v2.0.1")
    moved(stage, first, approver="admin")
    assert images(stage) == ("v2.0.1", "v2.0.0")


def test_g19_an_unmerged_commit_and_an_unknown_one_are_refused(stage: Stage) -> None:
    sneaked = stage.world.commit("sneaked", {RELEASE: stage.release_text("v6.6.6")}, author="dev_user", branch="side")
    stage.settle()
    for revision, words in ((sneaked, "is not on the tracked branch"), ("e" * 40, "there is no commit")):
        number = move(stage, revision)
        said = "\n".join(comment.body for comment in stage.world.opened.forge.comments(number))
        assert f"{PRODUCTION}:" in said
        assert words in said
        assert stage.statuses(stage.pull(number).head)["reconciler/validate"][0] == "failure"
        assert stage.statuses(stage.pull(number).head)["reconciler/preview"][0] != "success"
        stage.force_merge(number)
        assert images(stage) == ("v2.0.0", "v2.0.0")


def test_an_environment_that_cannot_be_read_fails_its_pull_request_and_is_no_defect(stage: Stage) -> None:
    text = stage.world.example()[PRODUCTION].rstrip() + f"\n  revision: 0b{'1' * 38}\n"  # without quotes: a number
    number = stage.propose({PRODUCTION: text}, branch="unclear")
    assert stage.settle() == []
    assert stage.statuses(stage.pull(number).head)["reconciler/validate"][0] == "failure"
    assert stage.statuses(stage.pull(number).head)["reconciler/preview"][0] != "success"
