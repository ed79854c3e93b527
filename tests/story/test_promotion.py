"""A tag that an environment's `promotion` means proposes one pull request, which is approved like any other (G19)."""

import re
from dataclasses import dataclass
from pathlib import Path

import pygit2
import pytest

from reconciler.errors import Unavailable
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Person
from reconciler.git.transport import Transport
from reconciler.git.write import merge
from reconciler.names import Revision
from reconciler.ports import ForgeWriter
from reconciler.sandbox.world import HOSTS
from reconciler.state.forge import PullRequest, PullRequestState
from tests.story.stage import RELEASE, Stage
from tests.story.twins import twin

STAGING = "releases/svc-a/staging.yaml"
PRODUCTION = "environments/env-k8s-prod.yaml"
OURS = "reconciler"


@dataclass(slots=True)
class Tags:
    """People who tag."""

    stage: Stage

    def push(self, name: str, revision: Revision, by: str = "", *, signed: bool = True) -> None:
        """A tag on the repository: of nobody, or with a message of somebody, signed unless said otherwise."""
        world = self.stage.world
        repository = BareRepository(world.origin, Transport(world.folder / "git-home"))
        target = revision
        if by:
            line = Person(by, f"{by}@example.invalid", world.clock.now()).line()
            raw = b"object %b\ntype commit\ntag %b\ntagger %b\n\nversion\n" % (
                revision.encode(), name.encode(), line,
            )  # fmt: skip
            signature = world.keys[by].sign(raw, "git").encode() if signed else b""
            target = Revision(str(repository.objects.odb.write(pygit2.enums.ObjectType.TAG, raw + signature)))
        repository.set_ref(f"refs/tags/{name}", target)


@pytest.fixture
def tags(stage: Stage) -> Tags:
    return Tags(stage)


def pinned_text(stage: Stage, revision: str, pattern: str = "v*") -> str:
    text = stage.world.example()[PRODUCTION].rstrip() + f'\n  promotion: {{tags: "{pattern}"}}\n'
    return text + (f'  revision: "{revision}"\n' if revision else "")


def pin(stage: Stage, revision: str, pattern: str = "v*") -> None:
    """Production is promoted by tags from now on, and stands at a revision; approved and merged."""
    number = stage.propose({PRODUCTION: pinned_text(stage, revision, pattern)}, branch="by-tags")
    stage.approve(number, reason=stage.preview(number).previewed.digest[:12])
    stage.merge(number)


def landed(stage: Stage, tag: str, *, author: str = "dev_user") -> Revision:
    """A new version for staging and production, approved and merged."""
    files = {RELEASE: stage.release_text(tag), STAGING: stage.world.example()[STAGING].replace("v2.0.0", tag)}
    number = stage.propose(files, branch=f"version-{tag}", author=author, title=f"version {tag}")
    stage.approve(number, "approver_user")
    return stage.merge(number)


def straight(stage: Stage, revision: str, pattern: str = "v*") -> Revision:
    """The same written straight onto the tracked branch, for what needs no approval."""
    return stage.world.commit("by tags", {PRODUCTION: pinned_text(stage, revision, pattern)}, author="dev_user")


def version(stage: Stage, tag: str, branch: str = "main") -> Revision:
    """A commit that nobody approved yet."""
    return stage.world.commit(tag, {RELEASE: stage.release_text(tag)}, author="dev_user", branch=branch)


def ours(stage: Stage, *states: PullRequestState) -> list[PullRequest]:
    """The pull requests that the reconciler opened, in whatever state unless named."""
    found = stage.desk("admin").person().pull_requests(*states)
    return [pull for pull in found if pull.author == OURS]


def titles(stage: Stage) -> list[str]:
    return [pull.title.removeprefix("Promote env-k8s-prod to ") for pull in ours(stage)]


def images(stage: Stage) -> tuple[str, str]:
    return stage.image("staging"), stage.image()


def verdict(stage: Stage, number: int) -> str:
    return stage.statuses(stage.pull(number).head)["reconciler/approval"][0]


def approve(stage: Stage, number: int, login: str) -> str:
    stage.approve(number, login, reason=stage.preview(number).previewed.digest[:12])
    return verdict(stage, number)


def told(stage: Stage) -> list[str]:
    return [row.text for row in stage.rows(environment="env-k8s-prod") if "proposes nothing" in row.text]


def test_g19_a_tag_proposes_production_which_an_approver_lets_go_while_main_goes_on(stage: Stage, tags: Tags) -> None:
    pin(stage, stage.tip())
    second = landed(stage, "v2.0.1")
    assert (ours(stage), images(stage)) == ([], ("v2.0.1", "v2.0.0"))
    tags.push("v2.0.1", second, by="admin")
    stage.settle()
    (pull,) = ours(stage)
    assert stage.ledger.promotions["env-k8s-prod", "v2.0.1"].promoting.asked == "admin"
    assert pull.title == "Promote env-k8s-prod to v2.0.1"
    (plan,) = stage.plans(pull.number).plans
    assert (plan.environment, plan.static) == ("env-k8s-prod", False)
    assert approve(stage, pull.number, "admin") == "pending"  # who signed the tag asked for it (G14)
    assert approve(stage, pull.number, "approver_user") == "success"
    landed(stage, "v2.0.2")
    assert images(stage) == ("v2.0.2", "v2.0.0")
    assert verdict(stage, pull.number) == "success"
    stage.merge(pull.number, "approver_user")
    assert images(stage) == ("v2.0.2", "v2.0.1")
    stage.restart()
    stage.settle()
    assert [one.state for one in ours(stage)] == [PullRequestState.MERGED]


def test_g19_an_environment_with_hosts_is_promoted_too_and_nothing_is_installed_again(tmp_path: Path) -> None:
    stage = Stage.build(tmp_path / "world", hosts=tuple(HOSTS))
    try:
        stage.accept_first()
        installed = stage.actions(environment="env-k8s-prod").count("install_step_succeeded")
        pin(stage, stage.tip())
        Tags(stage).push("v2.0.1", landed(stage, "v2.0.1"), by="dev_user")
        stage.settle()
        (pull,) = ours(stage)
        assert approve(stage, pull.number, "approver_user") == "success"
        stage.merge(pull.number, "approver_user")
        assert images(stage) == ("v2.0.1", "v2.0.1")
        assert installed == stage.actions(environment="env-k8s-prod").count("install_step_succeeded") > 0
    finally:
        stage.world.close()


def test_g14_a_tag_that_nobody_signed_takes_two_approvers(stage: Stage, tags: Tags) -> None:
    pin(stage, stage.tip())
    tags.push("v2.0.1", landed(stage, "v2.0.1"), by="dev_user", signed=False)
    stage.settle()
    (pull,) = ours(stage)
    begun = stage.ledger.promotions["env-k8s-prod", "v2.0.1"].promoting
    assert (begun.asked, begun.key, begun.tagger) == ("", "", "dev_user@example.invalid")
    assert approve(stage, pull.number, "approver_user") == "pending"
    assert approve(stage, pull.number, "admin") == "success"


def test_g19_what_somebody_adds_to_our_pull_request_makes_it_theirs(stage: Stage, tags: Tags) -> None:
    pin(stage, stage.tip())
    tags.push("v2.0.1", landed(stage, "v2.0.1"), by="dev_user")
    stage.settle()
    (pull,) = ours(stage)
    first = stage.ledger.promotions["env-k8s-prod", "v2.0.1"].promoting.branch
    main = landed(stage, "v2.0.2")
    clean = merged(stage, first, main)
    stage.settle()
    assert stage.pull(pull.number).head == clean
    assert approve(stage, pull.number, "approver_user") == "success"  # the tracked branch, merged in cleanly
    other = stage.world.example()[PRODUCTION].replace("dc-1", "dc-2") + "\n"
    stage.world.commit(
        "more", {"environments/more.yaml": other.replace("k8s-prod", "k8s-more")}, author="dev_user", branch=first
    )
    stage.settle()
    stage.approve(pull.number, "admin", reason=stage.preview(pull.number).previewed.digest[:12])
    assert approve(stage, pull.number, "approver_user") == "pending"


def merged(stage: Stage, branch: str, head: Revision) -> Revision:
    """A clean merge of a commit into a branch, as a forge's button makes it."""
    world = stage.world
    repository = BareRepository(world.origin, Transport(world.folder / "git-home"))
    base = repository.ref(f"refs/heads/{branch}")
    assert base is not None
    made = merge(repository, base, head, message="update", author=Person("x", "x@example.invalid", world.clock.now()))
    assert isinstance(made, str)
    repository.set_ref(f"refs/heads/{branch}", made)
    return made


def test_g19_one_pull_request_for_a_tag_whatever_comes_after(fresh: Stage) -> None:
    stage, tags = fresh, Tags(fresh)
    straight(stage, stage.tip())
    tags.push("v2.0.1", version(stage, "v2.0.1"))
    stage.settle()
    (pull,) = ours(stage)
    stage.restart()
    stage.settle()
    stage.desk("admin").person().close(pull.number)
    version(stage, "v2.0.2")
    stage.settle()
    stage.restart()
    stage.settle()
    assert [(one.number, one.state) for one in ours(stage)] == [(pull.number, PullRequestState.CLOSED)]


@dataclass(slots=True)
class Broken:
    """A forge that goes away while a pull request is opened: before it does anything, or before it answers."""

    forge: ForgeWriter
    after: bool

    def propose(self, branch: str, head: Revision, title: str, body: str) -> int:
        if self.after:
            self.forge.propose(branch, head, title, body)
        raise Unavailable("proposing: the line was cut")


@pytest.mark.parametrize("after", [False, True])
def test_g19_one_pull_request_after_a_crash_or_by_another_reconciler(
    stage: Stage, tags: Tags, tmp_path: Path, *, after: bool
) -> None:
    straight(stage, stage.tip())
    tags.push("v2.0.1", version(stage, "v2.0.1"))
    stage.world.opened.reconciler.promotions.writer = Broken(stage.world.opened.forge, after)  # type: ignore[assignment]
    assert any("the line was cut" in fault for fault in stage.settle())
    begun = stage.ledger.promotions["env-k8s-prod", "v2.0.1"]
    assert (begun.number, len(ours(stage))) == (None, int(after))
    other = twin(stage, tmp_path)
    try:
        other.reconciler.settle()
        stage.restart()
        stage.settle()
        (pull,) = ours(stage)
        assert (pull.head, pull.number) == (
            begun.promoting.head,
            stage.ledger.promotions["env-k8s-prod", "v2.0.1"].number,
        )
    finally:
        other.close()


def test_g19_only_the_newest_of_several_tags_is_proposed_by_version(fresh: Stage) -> None:
    stage, tags = fresh, Tags(fresh)
    straight(stage, stage.tip())
    older, newer = version(stage, "v2.0.10"), version(stage, "v2.0.9")
    for name, revision in (("v2.0.10", older), ("v2.0.9", newer), ("v2.0.10-rc.1", newer), ("other-9", newer)):
        tags.push(name, revision)
    stage.settle()
    assert titles(stage) == ["v2.0.10"]
    stage.restart()
    stage.settle()
    assert titles(stage) == ["v2.0.10"]  # a new process takes no older one either
    tags.push("v2.1", older)
    stage.settle()
    assert titles(stage) == ["v2.0.10", "v2.1"]
    tags.push("vnext", newer)  # no version: then the order is that of history
    stage.settle()
    assert titles(stage) == ["v2.0.10", "v2.1", "vnext"]


def test_g19_a_tag_that_is_no_step_ahead_proposes_nothing_and_says_so_once(fresh: Stage) -> None:
    stage, tags = fresh, Tags(fresh)
    old = stage.tip()
    beside = stage.world.commit("v2.0.5", {"NOTES.md": "beside\n"}, author="dev_user", branch="beside")
    first = version(stage, "v2.0.1")
    pinned = straight(stage, first)
    sneaked = version(stage, "v6.6.6", "side")
    for name, revision in (("v2.0.0", old), ("v2.0.1", first), ("v6.6.6", sneaked), ("v2.0.5", beside)):
        tags.push(name, revision)
    stage.settle()
    assert (titles(stage), len(told(stage))) == ([], 2)
    merged(stage, "main", beside)
    stage.settle()
    stage.restart()
    stage.settle()
    assert titles(stage) == []
    assert [text.partition(" proposes nothing: ")[2] for text in told(stage)] == [
        "it is not on the tracked branch",
        "it is not on the tracked branch",
        "it does not have what is in force there",
    ]
    tags.push("v2.0.2", pinned)
    stage.settle()
    assert titles(stage) == ["v2.0.2"]


def test_g19_a_tag_that_moves_after_it_was_proposed_is_told_and_not_followed(fresh: Stage) -> None:
    stage, tags = fresh, Tags(fresh)
    straight(stage, stage.tip())
    tags.push("v2.0.1", version(stage, "v2.0.1"))
    stage.settle()
    (pull,) = ours(stage)
    moved = version(stage, "v2.0.2")
    tags.push("v2.0.1", moved)
    stage.settle()
    stage.restart()
    stage.settle()
    assert [(one.number, one.head) for one in ours(stage)] == [(pull.number, pull.head)]
    said = [one.body for one in stage.world.opened.forge.comments(pull.number) if "was moved" in one.body]
    assert len(said) == 1
    assert f"`{moved[:12]}`" in said[0]
    assert len(told(stage)) == 1


def test_g19_what_cannot_be_run_at_a_tag_proposes_nothing(fresh: Stage) -> None:
    stage, tags = fresh, Tags(fresh)
    first = stage.tip()
    straight(stage, first)
    gone = stage.world.commit("gone", {PRODUCTION: None}, author="dev_user")
    straight(stage, first)
    tags.push("v2.0.1", gone)
    stage.settle()
    assert titles(stage) == []
    assert "what stands there cannot be run" in told(stage)[0]


def test_an_environment_without_a_revision_is_pinned_by_its_first_tag(fresh: Stage) -> None:
    stage, tags = fresh, Tags(fresh)
    tags.push("v1.0.0", stage.tip())
    first = straight(stage, "")
    stage.settle()
    assert titles(stage) == []  # that tag is older than the wish
    tags.push("v2.0.0", first)
    version(stage, "v2.0.1")
    stage.settle()
    assert titles(stage) == ["v2.0.0"]


HOSTILE = ("v1](evil.example)|<img/src=x>", "v1@admin#1;$(reboot)&&`x`", "v1/-" + "x" * 200, "v\u6771\u4eac")


def test_hostile_names_of_tags_break_no_title_no_branch_and_no_log(fresh: Stage) -> None:
    stage, tags = fresh, Tags(fresh)
    straight(stage, stage.tip())
    for index, name in enumerate(HOSTILE):
        tags.push(name, version(stage, f"v2.0.{index + 1}"))
        assert stage.settle() == []
    found = ours(stage)
    assert len(found) == len(HOSTILE)
    for pull in found:
        assert re.fullmatch(r"Promote env-k8s-prod to [A-Za-z0-9._+-]{1,60}", pull.title), pull.title
    branches = [state.promoting.branch for state in stage.ledger.promotions.values()]
    assert len(set(branches)) == len(HOSTILE)
    for branch in branches:
        assert re.fullmatch(r"reconciler/promote-env-k8s-prod-[A-Za-z0-9._+-]{1,60}", branch), branch
    bodies = [pull.body for pull in found]
    assert not [body for body in bodies if re.search(r"(?<!`)(evil|@admin|<img)", re.sub(r"(`+).*?\1", "", body))]
    said = [row.text for row in stage.rows(environment="env-k8s-prod") if "promotion of" in row.text]
    assert len(said) == len(HOSTILE)
    assert all(text.isprintable() and len(text) < 250 for text in said)
