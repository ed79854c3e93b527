"""A cluster that answers, and says no: a token that ended, a server that is busy, a return that is refused."""

from datetime import timedelta

import pytest

from reconciler.app import rollouts
from reconciler.approval.decision import Verb
from reconciler.sandbox.cluster_http import Asked
from tests.faults.far_cluster import FarCluster, Wanted, any_request, is_write
from tests.faults.release import STATUS, check, cluster_of, next_version, state_of
from tests.story.stage import Stage

STAGING = "releases/svc-a/staging.yaml"
FORWARD = 3  # writes of a release: the parent, the ConfigMap, the Deployment


def after_writes(cluster: FarCluster, number: int) -> Wanted:
    """Whether so many writes happened from now."""
    begun = len(cluster.real_effects)
    return lambda _asked: len(cluster.real_effects) - begun >= number


def test_f15_a_token_that_ends_in_the_middle_is_never_a_success(behind: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "replaceable", lambda _desired, _plan: False)  # as where it is sealed in Git
    cluster = cluster_of(behind)
    pull, tag = next_version(behind)
    cluster.refuse(401, after_writes(cluster, 2))
    merged = behind.merge(pull)
    state, words = behind.statuses(merged)[STATUS]
    assert state == "error"  # going back was refused, too
    assert "cluster_permission_insufficient" in words
    assert "applied" not in behind.actions(ticket=pull)
    asked = cluster.requests.total()
    behind.settle()
    assert cluster.requests.total() == asked, "it is not tried again by itself"
    cluster.heal()
    behind.desk("dev_user").order("release/svc-a", Verb.RETRY, reason="a new token")
    behind.settle()
    assert (behind.image(), state_of(behind, merged)) == (tag, "success")


def test_f15_a_rollout_waits_for_a_credential_that_is_replaced_in_place(behind: Stage) -> None:
    """The staging cluster's token is a variable of the reconciler's machine: no commit has to bring another one."""
    cluster = behind.world.clusters["staging"]
    assert isinstance(cluster, FarCluster)
    staging = behind.world.example()[STAGING].replace("v2.0.0", "v2.0.1")
    number = behind.propose({STAGING: staging}, branch="staging-next")
    behind.approve(number)
    cluster.refuse(401, after_writes(cluster, 2))
    merged = behind.merge(number)
    state, words = behind.statuses(merged)["reconciler/apply: env-staging"]
    assert (state, words.startswith("waits for a new credential")) == ("pending", True)
    assert not {"applied", "failed"} & set(behind.actions(ticket=number))
    cluster.heal()
    behind.settle()
    assert behind.statuses(merged)["reconciler/apply: env-staging"][0] == "success"
    assert behind.image("staging") == "v2.0.1"


def test_f19_a_busy_server_is_waited_for(behind: Stage) -> None:
    cluster = cluster_of(behind)
    pull, tag = next_version(behind)
    cluster.refuse(503, after_writes(cluster, 1))
    merged = behind.merge(pull)
    assert state_of(behind, merged) == "pending"
    cluster.heal()
    behind.settle()
    check(behind, pull, tag, merged)


def test_f27_a_return_that_is_refused_is_a_failure_and_frozen(behind: Stage) -> None:
    cluster = cluster_of(behind)
    pull, _ = next_version(behind, "-broken")
    forward = after_writes(cluster, FORWARD)

    def the_return(asked: Asked) -> bool:
        return is_write(asked) and forward(asked)

    cluster.refuse(403, the_return)
    merged = behind.merge(pull)
    assert state_of(behind, merged) == "error"
    assert behind.ledger.units["release/svc-a"].outcome == "rollback_failed"
    cluster.heal()
    before = behind.effects()
    behind.settle()
    assert behind.effects() == before, "nobody goes on by himself from here"
    assert state_of(behind, merged) == "error"
    pull, tag = next_version(behind)
    merged = behind.merge(pull)
    check(behind, pull, tag, merged)


@pytest.mark.parametrize("code", [401, 403])
def test_g11_a_look_that_is_refused_while_it_lands_is_waited_for(behind: Stage, code: int) -> None:
    """Nobody has seen the target: that is no other preview, so the approval stands while the last look is fresh."""
    cluster = cluster_of(behind)
    pull, tag = next_version(behind)
    cluster.refuse(code, any_request)
    merged = behind.merge(pull)
    state, words = behind.statuses(merged)[STATUS]
    assert (state, "cluster_permission_insufficient" in words) == ("pending", True), words
    assert not {"held", "voided", "applying"} & set(behind.actions(ticket=pull))
    cluster.heal()
    behind.settle()
    check(behind, pull, tag, merged)


def test_g12_a_look_that_stays_refused_ends_the_approval(behind: Stage) -> None:
    cluster = cluster_of(behind)
    pull, tag = next_version(behind)
    cluster.refuse(403, any_request)
    merged = behind.merge(pull)
    behind.clock.advance(timedelta(minutes=31))
    behind.settle()
    state, words = behind.statuses(merged)[STATUS]
    assert (state, "preview_expired" in words) == ("failure", True), words
    cluster.heal()
    behind.settle()
    assert behind.image() != tag
