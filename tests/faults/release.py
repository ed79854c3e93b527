"""One release after the other in a world of one file, and what must hold of each when its fault is over."""

from collections import Counter
from itertools import count

from reconciler.names import Revision
from tests.faults.far_cluster import FarCluster
from tests.git.world import git
from tests.story.stage import DEPLOYMENT, RELEASE, Stage

CONFIG = "api/v1/namespaces/svc-a/configmaps/svc-a"
STATUS = "reconciler/apply: env-k8s-prod"
TOLD = [  # of one release, also where nothing goes wrong: approvals and requests are told of ticket and release
    *("posted", "previewed", "created", "pending_approval", "approved", "approved"),
    *("apply_requested", "apply_requested", "applying", "applying", "applying", "applied"),
]
_VERSIONS = count(1)


def cluster_of(stage: Stage) -> FarCluster:
    found = stage.world.clusters["prod"]
    assert isinstance(found, FarCluster)
    return found


def next_version(stage: Stage, suffix: str = "") -> tuple[int, str]:
    """A pull request with a version that never was, approved; from here the cluster counts changes anew."""
    tag = f"v3.0.{next(_VERSIONS)}{suffix}"
    number = stage.propose({RELEASE: stage.release_text(tag)}, branch=f"change-{tag}")
    stage.approve(number)
    cluster_of(stage).changed = Counter()
    return number, tag


def state_of(stage: Stage, merged: Revision) -> str:
    return stage.statuses(merged).get(STATUS, ("none", ""))[0]


def check(stage: Stage, pull: int, tag: str, merged: Revision) -> None:
    """Done once, said once and after it was done: the oracle of every fault that passes."""
    cluster = cluster_of(stage)
    assert stage.image() == tag
    assert cluster.changed["/" + DEPLOYMENT] == cluster.changed["/" + CONFIG] == 1
    assert state_of(stage, merged) == "success"
    told = stage.actions(ticket=pull)
    assert told.count("applied") == 1
    assert "failed" not in told
    comments = stage.world.opened.forge.comments(pull)
    assert len([comment for comment in comments if "### Preview" in comment.body]) == 1
    events = [event.event_id for event in stage.world.opened.journal.events]
    assert len(events) == len(set(events))
    trees = git(stage.world.origin, "log", "--format=%T", "reconciler/audit").split()
    assert len(trees) == len(set(trees)), "an audit commit that adds nothing says a record again"
