"""`propose promote`: an environment's revision set by a pull request of whoever asks for it (G19)."""

from reconciler.git.bare import BareRepository
from reconciler.git.transport import Transport
from reconciler.git.trees import find
from reconciler.names import Revision
from tests.cli.conftest import Place
from tests.story.stage import RELEASE

PRODUCTION = "environments/env-k8s-prod.yaml"
PROMOTE = ("propose", "promote", "env-k8s-prod")


def tagged(place: Place, name: str, revision: Revision) -> None:
    repository = BareRepository(place.stage.world.origin, Transport(place.folder / "git-home"))
    repository.set_ref(f"refs/tags/{name}", revision)


def released(place: Place, tag: str) -> Revision:
    """A version on the tracked branch, named by a tag."""
    files = {RELEASE: place.stage.release_text(tag)}
    made = place.stage.world.commit(f"version {tag}", files, author="dev_user")
    tagged(place, tag, made)
    return made


def pinned(place: Place, revision: Revision) -> str:
    text = place.stage.world.example()[PRODUCTION].rstrip() + f'\n  revision: "{revision}"\n'
    place.stage.world.commit("pin production", {PRODUCTION: text}, author="dev_user")
    return text


def written(place: Place, number: int) -> str:
    mirror = place.stage.desk("admin").mirror
    mirror.sync()
    found = find(mirror.repository, place.stage.pull(number).head, PRODUCTION)
    assert found is not None
    return (mirror.repository.blob(found.blob, 1 << 20) or b"").decode()


def test_g19_a_promotion_says_what_moves_and_touches_nothing_but_the_revision(fresh: Place) -> None:
    first = fresh.stage.tip()
    tagged(fresh, "v2.0.0", first)
    text = pinned(fresh, first)
    second = released(fresh, "v2.0.1")
    fresh.person("dev_user").well(*PROMOTE, "--revision", "v2.0.1")
    pull = fresh.stage.pull(1)
    assert written(fresh, 1) == text.replace(first, second)
    assert (pull.title, pull.author) == ("Promote env-k8s-prod to v2.0.1", "dev_user")
    body = fresh.reader.well("pr", "show", "1", "-o", "json").json["body"]
    assert f"`{second[:12]}` (tag `v2.0.1`)" in body
    assert f"`{first[:12]}` (tag `v2.0.0`)" in body
    assert "1 of 1 releases move" in body
    assert "| `svc-a` | `v2.0.0` | `v2.0.1` |" in body
    rows = {row["name"]: row for row in fresh.reader.well("get", "releases", "-o", "json").json}
    assert {name: (row["version"], row["revision"], row["tag"]) for name, row in rows.items()} == {
        "svc-a": (["v2.0.0"], first, "v2.0.0"),
        "svc-a-staging": (["v2.0.0"], None, ""),
    }
    table = fresh.reader.well("get", "releases").out
    assert table.split("VERSION")[1].split()[0] == "REVISION"
    assert first[:12] in table
    assert "(v2.0.0)" in table
    again = fresh.person("dev_user").type(*PROMOTE, "--revision", second[:10])
    assert (again.code, "resource_conflict" in again.err) == (2, True)


def test_the_tag_before_the_one_in_force_is_proposed_by_its_order(fresh: Place) -> None:
    older = fresh.stage.tip()
    tagged(fresh, "v9.9.9", older)  # the oldest commit, and no version before the one in force
    first = released(fresh, "v2.0.0-rc.1")
    second = released(fresh, "v2.0.9")
    third = released(fresh, "v2.0.10")
    pinned(fresh, third)
    fresh.person("dev_user").well(*PROMOTE, "--previous")
    assert f'revision: "{second}"' in written(fresh, 1)
    assert fresh.stage.pull(1).title == "Promote env-k8s-prod to v2.0.9"
    pinned(fresh, first)
    last = fresh.person("dev_user").type(*PROMOTE, "--previous")
    assert (last.code, "release_state_invalid" in last.err, "no tag * stands before" in last.err) == (2, True, True)


REFUSED = (
    (("env-k8s-prod", "--revision", "v6.6.6"), "validation_error"),  # of a branch that nobody merged
    (("env-k8s-prod", "--revision", "e" * 40), "validation_error"),
    (("env-k8s-prod", "--revision", "../v1\x1b[31m"), "validation_error"),
    (("env-k8s-prod", "--revision", "-v6.6.6"), "validation_error"),
    (("env-k8s-prod", "--previous"), "release_state_invalid"),  # it follows the tip
    (("env-k8s-prod",), "--previous"),
    (("nowhere", "--revision", "v6.6.6"), "environment_not_found"),
)


def test_g19_what_is_no_commit_of_the_tracked_branch_is_refused_and_nothing_is_pushed(fresh: Place) -> None:
    world = fresh.stage.world
    side = world.commit("sneaked", {RELEASE: fresh.stage.release_text("v6.6.6")}, author="dev_user", branch="side")
    tagged(fresh, "v6.6.6", side)
    before = set(fresh.stage.desk("admin").mirror.sync().after)
    for words, key in REFUSED:
        seen = fresh.person("dev_user").type("propose", "promote", *words)
        assert (seen.code, key in seen.err, "\x1b[31m" in seen.err) == (2, True, False), seen.err
    assert set(fresh.stage.desk("admin").mirror.sync().after) == before


def test_the_revision_that_is_in_force_is_refused(fresh: Place) -> None:
    first = fresh.stage.tip()
    pinned(fresh, first)
    seen = fresh.person("dev_user").type(*PROMOTE, "--revision", first)
    assert (seen.code, "already there" in seen.err, "resource_conflict" in seen.err) == (2, True, True)
