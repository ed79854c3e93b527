"""A claimed merge counts only where the commits prove it, in the order that other people's records prove."""

from dataclasses import dataclass
from datetime import timedelta

import pygit2
import pytest

from reconciler.errors import Refused
from reconciler.forges.embedded import record as rec
from reconciler.forges.embedded.forge import EmbeddedForge
from reconciler.forges.embedded.record import Method
from reconciler.names import Revision
from reconciler.state.forge import PullRequestState
from tests.forges.embedded.world import World

METHODS = list(Method)


@dataclass
class Scene:
    """A pull request with two commits on a branch, and main one commit further."""

    world: World
    forge: EmbeddedForge
    number: int
    parent: Revision
    head: Revision

    def made(self, method: Method, *, tree_of: Revision | None = None, on: Revision | None = None) -> Revision:
        """What a merge would make, written into the remote without moving anything; or with another tree."""
        parent = on or self.parent
        base = {"README.md": "hello\n", "a.yaml": "a: 1\n", "m.yaml": "m: 1\n"}
        one = base | {"one.yaml": "1\n"}
        both = one | {"two.yaml": "2\n"}
        if tree_of:
            return self.world.tree_commit(
                self.world.files(tree_of), [parent, self.head] if method is Method.MERGE else [parent]
            )
        match method:
            case Method.MERGE:
                return self.world.tree_commit(both, [parent, self.head])
            case Method.SQUASH:
                return self.world.tree_commit(both, [parent])
            case Method.REBASE:
                return self.world.tree_commit(both, [self.world.tree_commit(one, [parent])])

    def claim(self, method: Method, commit: Revision, by: str = "cleo", **changed: object) -> None:
        fields = {
            "method": method,
            "base": "main",
            "parent": self.parent,
            "head": self.head,
            "merge_commit": commit,
        }
        said = rec.Merged.model_validate({**fields, **changed})
        self.world.slip_in(self.world.record(said, by, self.number), self.world.keys[by])

    def land(self, commit: Revision) -> None:
        self.world.set_ref("refs/heads/main", commit)

    @property
    def state(self) -> PullRequestState:
        return self.forge.pull_request(self.number).state

    def named(self, commit: Revision) -> int | None:
        return self.forge.merged_pull_requests([commit]).get(commit)


@pytest.fixture
def scene(world: World) -> Scene:
    world.commit("feature", {"one.yaml": "1\n"})
    head = world.commit("feature", {"two.yaml": "2\n"})
    number = world.person("ana").open("feature", "main", "Two files")
    parent = world.commit("main", {"m.yaml": "m: 1\n"})
    return Scene(world, world.forge(), number, parent, head)


@pytest.mark.parametrize("method", METHODS)
def test_a_true_claim_is_a_merge(scene: Scene, method: Method) -> None:
    made = scene.made(method)
    scene.claim(method, made)
    scene.land(made)
    assert (scene.state, scene.named(made)) == (PullRequestState.MERGED, scene.number)


@pytest.mark.parametrize("method", METHODS)
def test_a_claim_whose_commit_never_landed_is_no_merge(scene: Scene, method: Method) -> None:
    made = scene.made(method)
    scene.claim(method, made)
    assert (scene.state, scene.named(made)) == (PullRequestState.OPEN, None)
    assert [pull.number for pull in scene.forge.open_pull_requests()] == [scene.number]


@pytest.mark.parametrize("method", METHODS)
def test_g17_a_direct_push_with_other_content_is_not_covered_by_a_claim(scene: Scene, method: Method) -> None:
    evil = scene.world.commit("evil", {"one.yaml": "1\n", "two.yaml": "2\n", "evil.yaml": "e\n"}, on=scene.parent)
    made = scene.made(method, tree_of=evil)
    scene.claim(method, made)
    scene.land(made)
    assert (scene.state, scene.named(made)) == (PullRequestState.OPEN, None)


@pytest.mark.parametrize("method", METHODS)
def test_g17_a_claim_with_another_head_covers_nothing(scene: Scene, method: Method) -> None:
    made = scene.made(method)
    other = scene.world.commit("other", {"one.yaml": "1\n"}, on=scene.world.tip("main"))
    scene.claim(method, made, head=other)
    scene.land(made)
    assert (scene.state, scene.named(made)) == (PullRequestState.OPEN, None)


@pytest.mark.parametrize("field", ["head", "parent", "merge_commit"])
@pytest.mark.parametrize("value", ["unknown", "a blob", "main"])
@pytest.mark.parametrize("method", METHODS)
def test_g17_a_claim_that_names_anything_at_all_covers_nothing(
    scene: Scene, method: Method, field: str, value: str
) -> None:
    made = scene.made(method)
    blob = str(scene.world.store[str(scene.parent)].peel(pygit2.Tree)["README.md"].id)  # one that mirrors have
    scene.claim(method, made, **{field: {"unknown": "e" * 40, "a blob": blob, "main": str(scene.parent)}[value]})
    scene.land(made)
    if (field, value) == ("parent", "main"):
        assert scene.state is PullRequestState.MERGED  # that is the truth
    else:
        assert (scene.state, scene.named(made)) == (PullRequestState.OPEN, None)
    assert not scene.forge.ledger.mirror.repository.suspect, "a lie is no damage of our mirror"


def test_g17_a_rebase_is_compared_commit_by_commit(scene: Scene) -> None:
    """The end is right, but something came and went on the way, and could have been deployed."""
    base = {"README.md": "hello\n", "a.yaml": "a: 1\n", "m.yaml": "m: 1\n"}
    evil = scene.world.tree_commit(base | {"one.yaml": "evil\n"}, [scene.parent])
    made = scene.world.tree_commit(base | {"one.yaml": "1\n", "two.yaml": "2\n"}, [evil])
    scene.claim(Method.REBASE, made)
    scene.land(made)
    assert (scene.state, scene.named(made), scene.named(evil)) == (PullRequestState.OPEN, None, None)


@pytest.mark.parametrize("method", METHODS)
def test_g17_the_wrong_method_covers_nothing(scene: Scene, method: Method) -> None:
    made = scene.made(method)
    scene.claim(METHODS[METHODS.index(method) - 1], made)
    scene.land(made)
    assert scene.state is PullRequestState.OPEN


def test_g17_a_merge_that_came_in_with_another_is_not_on_the_branch_itself(scene: Scene) -> None:
    """Its content is right, but what main went through is another commit."""
    made = scene.made(Method.MERGE)
    scene.claim(Method.MERGE, made)
    around = scene.world.tree_commit({"README.md": "something else\n"}, [scene.parent, made])
    scene.land(around)
    assert (scene.state, scene.named(made), scene.named(around)) == (PullRequestState.OPEN, None, None)


def test_g17_a_claim_that_nothing_came_in_covers_nothing(scene: Scene) -> None:
    scene.claim(Method.REBASE, scene.parent, head=scene.parent)
    assert (scene.state, scene.named(scene.parent)) == (PullRequestState.OPEN, None)


@pytest.mark.parametrize("decide", ["dismiss", "reject", "close", "retarget"])
def test_g13_nobody_claims_early_and_pushes_after_the_approval_was_withdrawn(scene: Scene, decide: str) -> None:
    ben = scene.world.person("ben")
    approval = ben.approve(scene.number, digest="ab" * 32, event="ev", expected_head=scene.head)
    made = scene.made(Method.SQUASH)
    scene.claim(Method.SQUASH, made)
    match decide:
        case "dismiss":
            ben.dismiss(scene.number, approval)
        case "reject":
            ben.reject(scene.number, reason="stop", expected_head=scene.head)
        case "close":
            ben.close(scene.number)
        case _:
            scene.world.commit("release", {"r.yaml": "r\n"})
            ben.retarget(scene.number, "release")
    scene.land(made)
    assert scene.state is not PullRequestState.MERGED
    assert scene.named(made) is None


def test_what_was_decided_before_the_merge_undoes_nothing(scene: Scene) -> None:
    scene.world.person("ben").approve(scene.number, digest="ab" * 32, event="ev", expected_head=scene.head)
    made = scene.made(Method.SQUASH)
    scene.claim(Method.SQUASH, made)
    scene.land(made)
    assert (scene.state, scene.named(made)) == (PullRequestState.MERGED, scene.number)


def test_what_is_said_after_the_merge_undoes_nothing(scene: Scene) -> None:
    made = scene.made(Method.SQUASH)
    scene.claim(Method.SQUASH, made)
    scene.land(made)
    scene.world.person("ben").comment(scene.number, "well done")
    said = rec.Reviewed(verdict="reject", commit=scene.head, base="main", body="too late", seen=made)
    scene.world.slip_in(scene.world.record(said, "ben", scene.number), scene.world.keys["ben"])
    assert (scene.state, scene.named(made)) == (PullRequestState.MERGED, scene.number)


def test_a_merge_that_we_saw_is_not_undone_by_a_record_that_pretends_not_to_have_seen_it(scene: Scene) -> None:
    made = scene.made(Method.SQUASH)
    scene.claim(Method.SQUASH, made)
    scene.land(made)
    scene.forge.write_comment(scene.number, "m", "applied")
    said = rec.Reviewed(verdict="reject", commit=scene.head, base="main", body="", seen=scene.parent)
    scene.world.slip_in(scene.world.record(said, "ben", scene.number), scene.world.keys["ben"])
    assert scene.state is PullRequestState.MERGED


def test_only_we_can_vouch_for_having_seen_a_merge(scene: Scene) -> None:
    """An accomplice says that the merge was there, before the approval is withdrawn and the merge pushed."""
    made = scene.made(Method.SQUASH)
    scene.claim(Method.SQUASH, made)
    said = rec.Commented(body="it is there already", seen=made)
    scene.world.slip_in(scene.world.record(said, "ana", scene.number), scene.world.keys["ana"])
    scene.world.person("ben").reject(scene.number, reason="stop", expected_head=scene.head)
    scene.land(made)
    assert scene.state is not PullRequestState.MERGED


@pytest.mark.parametrize(("minutes", "state"), [(1, PullRequestState.MERGED), (20, PullRequestState.OPEN)])
def test_g12_a_claim_that_we_did_not_see_come_true_in_time_never_does(
    scene: Scene, minutes: int, state: PullRequestState
) -> None:
    """Otherwise it could be kept until the approval has run out."""
    made = scene.made(Method.SQUASH)
    scene.claim(Method.SQUASH, made)
    scene.world.clock.wait(timedelta(minutes=minutes))
    scene.forge.write_comment(scene.number, "m", "still waiting for the merge")
    scene.land(made)
    assert scene.state is state


def test_a_merge_leaves_with_the_history_that_held_it(scene: Scene) -> None:
    made = scene.made(Method.SQUASH)
    scene.claim(Method.SQUASH, made)
    scene.land(made)
    assert scene.state is PullRequestState.MERGED
    scene.land(scene.parent)
    assert (scene.state, scene.named(made)) == (PullRequestState.OPEN, None)
    scene.land(made)
    assert scene.state is PullRequestState.MERGED


def test_a_merge_is_compared_once_also_across_restarts(scene: Scene) -> None:
    cleo = scene.world.person("cleo")
    made = cleo.merge(scene.number, Method.REBASE, expected_head=scene.head)
    assert scene.named(made) == scene.number
    for index in range(3):
        scene.world.commit("main", {f"later-{index}.yaml": "l\n"})
        assert scene.state is PullRequestState.MERGED
    assert scene.forge.ledger.merges_compared == 1
    mirror = scene.forge.ledger.mirror
    restarted = scene.world.ledger()
    restarted.mirror = mirror
    assert scene.world.forge(restarted).pull_request(scene.number).state is PullRequestState.MERGED
    assert restarted.merges_compared == 0


def test_a_claim_of_thousands_of_commits_is_not_compared(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.forges.embedded.landing.MOST_PICKS", 1)
    monkeypatch.setattr("reconciler.forges.embedded.merging.MOST_PICKS", 1)
    made = scene.made(Method.REBASE)
    scene.claim(Method.REBASE, made)
    scene.land(made)
    assert scene.state is PullRequestState.OPEN
    scene.land(scene.parent)
    with pytest.raises(Refused, match="more than 1 commits"):
        scene.world.person("cleo").merge(scene.number, Method.REBASE, expected_head=scene.head)
