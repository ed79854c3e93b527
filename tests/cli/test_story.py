"""The story typed: propose, read, approve, merge, and the ways back; in the sandbox's world."""

import pytest

from tests.cli.conftest import Place
from tests.story.stage import RELEASE


def proposed(place: Place, tag: str = "v2.0.1") -> str:
    """Propose a version as dev_user and let it be previewed; its digest."""
    place.person("dev_user").well(
        "propose", "release", "svc-a", "--environment", "env-k8s-prod", "--set", f"image_tag={tag}"
    )
    place.operator.well("run", "--once")
    return str(place.reader.well("pr", "list", "-o", "json").json[-1]["digest"])


def released(place: Place, tag: str = "v2.0.1") -> None:
    """The same, approved, merged and applied."""
    digest = proposed(place, tag)
    number = str(place.reader.well("pr", "list", "-o", "json").json[-1]["number"])
    place.person("approver_user").well("pr", "approve", number, "--digest", digest[:12])
    place.operator.well("run", "--once")
    place.person("dev_user").well("pr", "merge", number)
    place.operator.type("run", "--once")


def test_from_a_proposal_to_a_running_release(place: Place) -> None:
    digest = proposed(place)
    page = place.reader.well("pr", "show", "1")
    assert digest[:12] in page.out
    place.person("approver_user").well("pr", "approve", "1", "--digest", digest[:12], "--reason", "fine")
    place.operator.well("run", "--once")
    merged = place.person("dev_user").well("pr", "merge", "1", "--method", "squash").out
    place.operator.well("run", "--once")
    assert place.stage.image() == "v2.0.1"
    shown = place.reader.well("pr", "show", "1", "-o", "json").json
    assert shown["merge_commit"] in merged
    assert {one["context"]: one["state"] for one in shown["merge_statuses"]}[
        "reconciler/apply: env-k8s-prod"
    ] == "success"
    assert [(one["author"], one["verdict"], one["signed"]) for one in shown["reviews"]] == [
        ("approver_user", "approve", True)
    ]
    told = [row["action"] for row in place.reader.well("timeline", "--pr", "1", "-o", "json").json]
    order = [told.index(action) for action in ("previewed", "pending_approval", "approved", "applying", "applied")]
    assert order == sorted(order)


def test_the_rest_of_a_proposed_file_stays_as_it_was(place: Place) -> None:
    before = place.stage.world.example()[RELEASE]
    proposed(place, "v2.0.1")
    opened = place.stage.world.opened
    head = place.stage.pull(1).head
    from reconciler.git.trees import find  # the test looks into the repository itself

    opened.mirror.sync()
    found = find(opened.mirror.repository, head, RELEASE)
    assert found is not None
    text = (opened.mirror.repository.blob(found.blob, 1 << 20) or b"").decode()
    assert text == before.replace("v2.0.0", "v2.0.1")


def test_a_proposal_that_is_not_valid_is_not_pushed(place: Place) -> None:
    words = ("propose", "release", "svc-a", "--environment", "env-k8s-prod", "--set")
    wrong = place.person("dev_user").type(*words, "no good name=1")
    assert wrong.code == 1
    same = place.person("dev_user").type(*words, "image_tag=v2.0.0")
    assert same.code == 2
    assert place.reader.well("pr", "list", "--state", "all", "-o", "json").json == []
    assert not [ref for ref in place.stage.desk("admin").mirror.sync().after if "svc-a" in ref]


@pytest.mark.parametrize(("digest", "key"), [("0" * 12, "preview_mismatch"), ("39", "validation_error")])
def test_an_approval_names_the_digest_that_was_read(place: Place, digest: str, key: str) -> None:
    proposed(place)
    seen = place.person("approver_user").type("pr", "approve", "1", "--digest", digest)
    assert seen.code == 2
    assert key in seen.err
    assert place.reader.well("pr", "show", "1", "-o", "json").json["reviews"] == []


def test_nobody_approves_their_own(place: Place) -> None:
    digest = proposed(place)
    seen = place.person("dev_user").type("pr", "approve", "1", "--digest", digest[:12])
    assert seen.code == 2
    assert "approval_permission_denied" in seen.err


def test_what_moved_after_it_was_previewed_cannot_be_approved(place: Place) -> None:
    digest = proposed(place)
    text = place.stage.release_text("v2.0.2")
    place.stage.world.commit("one more", {RELEASE: text}, author="dev_user", branch="svc-a-v2.0.1")
    seen = place.person("approver_user").type("pr", "approve", "1", "--digest", digest[:12])
    assert seen.code == 2
    assert "moved" in seen.err


def test_without_a_key_nothing_is_signed(place: Place) -> None:
    digest = proposed(place)
    for words in (
        ("pr", "approve", "1", "--digest", digest[:12]),
        ("pr", "merge", "1"),
        ("pr", "comment", "1", "hello"),
        ("hold", "svc-a"),
    ):
        seen = place.reader.type(*words)
        assert seen.code == 2
        assert "--key" in seen.err


def test_a_direct_push_is_approved_by_its_reference(place: Place) -> None:
    place.stage.world.commit("straight", {RELEASE: place.stage.release_text("v2.0.2")}, author="dev_user")
    waits = place.operator.well("run", "--once").out
    ref = waits.split()[-1]
    inbox = place.person("approver_user").well("inbox", "-o", "json").json["tickets"]
    assert [(one["ref"], one["held"]) for one in inbox] == [(ref, True)]
    place.person("approver_user").well("approve", ref, "--reason", "looked at it")
    place.operator.well("run", "--once")
    assert place.stage.image() == "v2.0.2"
    again = place.person("approver_user").type("approve", ref)
    assert again.code == 2


def test_a_rejected_push_gets_its_revert(place: Place) -> None:
    place.stage.world.commit("straight", {RELEASE: place.stage.release_text("v2.0.2")}, author="dev_user")
    ref = place.operator.well("run", "--once").out.split()[-1]
    place.person("approver_user").well("reject", ref, "--reason", "not like this")
    place.operator.well("run", "--once")
    assert place.stage.image() == "v2.0.0"
    listed = place.reader.well("pr", "list", "-o", "json").json
    assert [one["author"] for one in listed] == ["reconciler"]


def test_an_open_pull_request_is_approved_by_its_reference_too(place: Place) -> None:
    digest = proposed(place)
    place.person("approver_user").well("approve", f"dep-appr-1@{digest[:12]}")
    place.operator.well("run", "--once")
    assert place.reader.well("pr", "list", "-o", "json").json[0]["approval"] == "success"


def test_a_rejection_blocks_the_merge(place: Place) -> None:
    digest = proposed(place)
    place.person("approver_user").well("pr", "reject", "1", "--reason", "not on a Friday", "--digest", digest[:12])
    place.operator.well("run", "--once")
    merge = place.person("dev_user").type("pr", "merge", "1")
    assert merge.code == 2
    assert place.stage.image() == "v2.0.0"


def test_a_hold_is_seen_and_ends(place: Place) -> None:
    place.person("dev_user").well("hold", "svc-a", "--reason", "wait")
    place.operator.well("run", "--once")
    assert place.reader.well("get", "release", "svc-a", "-o", "json").json["state"] == "applied (held)"
    place.person("dev_user").well("resume", "release/svc-a")
    place.operator.well("run", "--once")
    assert place.reader.well("get", "release", "svc-a", "-o", "json").json["state"] == "applied"


def test_an_unknown_unit_is_not_ordered_about(place: Place) -> None:
    seen = place.person("dev_user").type("hold", "svc-z")
    assert seen.code == 2
    assert "release_not_found" in seen.err


def test_a_rollback_is_proposed_as_a_revert(place: Place) -> None:
    released(place)
    place.person("dev_user").well("rollback", "svc-a", "--reason", "errors rise")
    place.operator.well("run", "--once")
    listed = place.reader.well("pr", "list", "-o", "json").json
    assert [(one["author"], one["preview"]) for one in listed] == [("dev_user", "success")]
    place.person("approver_user").well("pr", "approve", "2", "--digest", listed[0]["digest"])
    place.operator.well("run", "--once")
    place.person("dev_user").well("pr", "merge", "2")
    place.operator.well("run", "--once")
    assert place.stage.image() == "v2.0.0"


def test_a_rollback_at_once_needs_a_reason_and_goes_back(place: Place) -> None:
    released(place)
    assert place.person("dev_user").type("rollback", "svc-a", "--now").code == 2
    place.person("dev_user").well("rollback", "svc-a", "--now", "--reason", "errors rise")
    place.operator.type("run", "--once")
    assert place.stage.image() == "v2.0.0"
    assert place.reader.well("get", "release", "svc-a", "-o", "json").json["state"] == "rolled_back"


def test_the_first_version_cannot_be_taken_out(place: Place) -> None:
    seen = place.person("dev_user").type("rollback", "svc-a")
    assert seen.code == 2
    assert "release_state_invalid" in seen.err


def test_a_failed_rollout_is_tried_again_by_order(place: Place) -> None:
    released(place, "v2.0.1-broken")
    assert place.reader.well("get", "release", "svc-a", "-o", "json").json["state"] == "rolled_back"
    before = place.stage.effects()
    place.person("dev_user").well("retry", "svc-a", "--reason", "the registry was away")
    place.operator.type("run", "--once")
    assert place.stage.effects() > before


def test_comment_assign_and_close(place: Place) -> None:
    proposed(place)
    dev = place.person("dev_user")
    dev.well("pr", "comment", "1", "please look, \u0430dmin")  # a Cyrillic letter
    dev.well("pr", "assign", "1", "approver_user")
    page = place.reader.well("pr", "show", "1")
    assert "please look, \\u{430}dmin" in page.out
    assert place.reader.well("pr", "show", "1", "-o", "json").json["assignees"] == ["approver_user"]
    dev.well("pr", "close", "1")
    assert place.reader.well("pr", "list", "-o", "json").json == []
    assert [one["state"] for one in place.reader.well("pr", "list", "--state", "all", "-o", "json").json] == ["closed"]
