"""What the doors say when a way back failed and nobody is there who built it: where it stands, and what to do next."""

from pathlib import Path

import pytest

from reconciler.app.decisions import PREFIX
from reconciler.app.judging import Judge
from reconciler.approval.decision import Verb
from reconciler.doors.going_back import UNREAD, deleted, source_of
from reconciler.errors import Rejected
from reconciler.git.keys import SigningKey
from reconciler.specs.desired import Desired
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.release_source import ReleaseSource
from reconciler.specs.rendering import Unrendered
from tests.cli.conftest import Place
from tests.failpoints.scenes import JOB, job
from tests.faults.far_cluster import is_write
from tests.faults.release import cluster_of
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import RELEASE, Stage
from tests.story.test_way_back import land, pods, text
from tests.story.test_way_back_refused import after_stop


@pytest.fixture
def place(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(stage, tmp_path, monkeypatch)


def test_g23_every_door_says_that_a_way_back_failed_and_left_traffic_stopped_and_what_to_do(place: Place) -> None:
    stage = place.stage
    cluster_of(stage).refuse(403, after_stop(stage, is_write))
    merged = land(stage, {RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade")}, "bad")
    assert pods(stage) == 0
    who = place.person("approver_user")
    rows = [one for environment in who.well("tree", "-o", "json").json for one in environment["releases"]]
    row = next(one for one in rows if one["release"] == "svc-a")
    assert (row["state"], row["traffic"]) == ("rollback_failed", "TRAFFIC IS STOPPED")
    for words in (("tree",), ("get", "release")):
        assert "rollback_failed, TRAFFIC IS STOPPED" in who.well(*words).out
    listed = next(one for one in who.well("get", "release", "-o", "json").json if one["name"] == "svc-a")
    assert (listed["state"], listed["traffic"]) == ("rollback_failed", "TRAFFIC IS STOPPED")
    give, revert, again = listed["advice"]
    assert "`kubectl -n svc-a scale deployment/svc-a --replicas=N`" in give
    assert "`reconciler rollback svc-a --reason TEXT` opens the revert pull request" in revert
    assert f"`reconciler retry release/svc-a` carries out the last plan again: forward to commit {merged[:12]}" in again
    assert "--replicas=N" in " ".join(who.well("describe", "release", "svc-a").out.split())
    found = place.operator.type("doctor", "-o", "json")
    assert found.code == 1
    told = {one["name"]: one for one in found.json["checks"]}
    assert (told["traffic"]["status"], told["traffic"]["hint"]) == ("error", give)
    assert told["traffic"]["message"].startswith("release/svc-a: TRAFFIC IS STOPPED")
    assert told["rollouts"]["message"] == "did not go back: release/svc-a"
    assert "then retry" not in told["rollouts"]["hint"]
    seen = place.person("dev_user").well("retry", "svc-a").out
    assert seen.startswith(
        f"carries out the last plan again: forward to commit {merged[:12]}, whatever its way back has"
    )


NOTES = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\n"
MORE = "releases/svc-a/manifests/more.yaml"


def unreadable(*_: object) -> None:
    raise Rejected("no Helm", key="k8s_binary_missing")


def orders(stage: Stage) -> int:
    """Decisions that were signed and pushed."""
    return sum(name.startswith(PREFIX) for name in stage.world.opened.mirror.refs())


def test_g21_an_order_to_go_back_says_what_it_will_do_before_it_is_signed(place: Place) -> None:
    stage = place.stage
    before, known = stage.ledger.units["release/svc-a"].accepted.revision, orders(stage)
    early = place.person("dev_user").type("retry", "svc-a")
    assert (early.code, early.out, orders(stage)) == (2, "", known)
    assert "there is no failed or rolled-back rollout" in early.err
    merged = land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade"), MORE: NOTES}, "good")
    told = place.person("dev_user").well("rollback", "svc-a", "--now", "--reason", "it answers slowly").out.splitlines()
    assert told[0] == "release/svc-a in env-k8s-prod goes back, by this order:"
    assert told[1].startswith(f"  from commit {merged[:12]}: ")
    assert told[1].endswith("svc-a:v2.0.1")
    assert told[2].startswith(f"  to   commit {before[:12]}: ")
    assert told[2].endswith("svc-a:v2.0.0")
    assert [line.partition(",")[0] for line in told[3:8]] == [
        "  1. the traffic is stopped: every pod of `Deployment.apps svc-a/svc-a` is taken away",
        "  2. Job `Job.batch svc-a/downgrade` is run once",
        "  3. the old artifact is applied",
        "  4. the traffic is restored: `Deployment.apps svc-a/svc-a` gets its pods back",
        "  5. asked",
    ]
    assert told[8] == "  deleted, where it stands: ConfigMap svc-a/notes"
    assert told[9] == "  not undone of what the approved plan did: nothing"
    assert told[10].startswith("  the approval of dep-appr-1 grants one return, until ")
    assert told[11].endswith("the reconciler looks at the cluster freshly before it acts")
    assert told[12] == "rollback of release/svc-a signed as dev_user"
    stage.settle()
    assert stage.image() == "v2.0.0"
    known = orders(stage)
    again = place.person("dev_user").type("rollback", "svc-a", "--now", "--reason", "once more")
    assert (again.code, again.out, orders(stage)) == (2, "", known)
    assert "release/svc-a went back already" in again.err
    SigningKey.generate().save(stage.world.folder / "keys" / "stranger")
    unheard = place.person("stranger").type("hold", "svc-a")
    assert (unheard.code, unheard.out, orders(stage)) == (2, "", known)
    assert "such an order is not even heard" in unheard.err
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="from another machine")
    stage.settle()
    last = stage.rows()[-1]  # and not that it was taken in
    assert (last.action, last.release) == ("permission_denied", "svc-a")
    with place.patch.context() as patch:
        patch.setattr(Judge, "judged", unreadable)
        held = place.person("dev_user").well("hold", "svc-a").out
    assert held.splitlines() == [
        "what this would do cannot be told here: no Helm",
        "hold of release/svc-a signed as dev_user",
    ]


def source(*kinds: str, unrendered: Unrendered | None = None) -> Desired:
    metadata = {"name": "one", "namespace": "a"}
    objects = tuple({"apiVersion": "v1", "kind": kind, "metadata": metadata} for kind in kinds)
    return Desired(sources={"a": ReleaseSource(SourceKind.MANIFESTS, "a", objects=objects, unrendered=unrendered)})


@pytest.mark.parametrize(
    ("left", "there", "words"),
    [
        (source("ConfigMap", "Secret"), source("ConfigMap"), ["deleted, where it stands: Secret a/one"]),
        (source("ConfigMap"), source("ConfigMap"), ["deleted, where it stands: nothing"]),
        (source("ConfigMap"), source(unrendered=Unrendered("k8s_binary_missing", "no Helm")), [UNREAD]),
        (source(unrendered=Unrendered("k8s_binary_missing", "no Helm")), source("ConfigMap"), [UNREAD]),
        (source("PersistentVolumeClaim"), None, [UNREAD]),
        (
            source("PersistentVolumeClaim"),
            source(),
            [
                "deleted, where it stands: PersistentVolumeClaim a/one",
                (
                    "release/a: a return from this would be refused: "
                    "it would delete PersistentVolumeClaim a/one with the data in it"
                ),
            ],
        ),
    ],
)
def test_what_a_return_would_delete_is_told_or_said_to_be_unknown(
    left: Desired, there: Desired | None, words: list[str]
) -> None:
    assert [*deleted("release/a", source_of(left, "a"), source_of(there, "a"), removed=False)] == words
