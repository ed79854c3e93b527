"""The timeline's words: which event tells of which stage of which unit, and how it went (contracts: events.yaml)."""

from reconciler.machine.proposal import Known, Seen
from reconciler.machine.stages import ACTIONS, BY_CERTIFICATE, RESOURCE_TYPES, STATUSES, Stage
from reconciler.names import Revision, UnitKind

STORIES = {
    UnitKind.RELEASE: (
        "previewed pending_approval approved rejected apply_requested applying applied failed rollback_requested "
        "rollback_completed rollback_failed forgotten"
    ),
    UnitKind.ENVIRONMENT: (
        "install_previewed - - - install_requested install_started install_succeeded install_failed "
        "install_rollback_started install_rollback_succeeded install_rollback_failed -"
    ),
    UnitKind.CLUSTER: (
        "- - - - import_kubeconfig_requested - import_kubeconfig_succeeded connection_test_failed - - - -"
    ),
    UnitKind.POLICY: "- - - - - - - - - - - -",
}


def test_every_stage_of_every_kind_has_its_word_or_is_no_event() -> None:
    for kind, words in STORIES.items():
        told = [ACTIONS.get((kind, stage)) for stage in STAGES]
        assert [action if found else "-" for found in told for _, action in [found or ("", "")]] == words.split()
        assert {str(domain) for domain, _ in filter(None, told)} <= {str(kind)}


STAGES = (
    Stage.PREVIEWED,
    Stage.PENDING_APPROVAL,
    Stage.APPROVED,
    Stage.REJECTED,
    Stage.REQUESTED,
    Stage.APPLYING,
    Stage.APPLIED,
    Stage.FAILED,
    Stage.ROLLBACK_REQUESTED,
    Stage.ROLLED_BACK,
    Stage.ROLLBACK_FAILED,
    Stage.FORGOTTEN,
)


def test_rule_8_what_failed_is_told_as_failed_and_nothing_bad_as_success() -> None:
    assert {stage: str(status) for stage, status in STATUSES.items()} == {
        Stage.PENDING_APPROVAL: "running",
        Stage.APPLYING: "running",
        Stage.FAILED: "failed",
        Stage.REJECTED: "warning",
        Stage.ROLLBACK_REQUESTED: "warning",
        Stage.ROLLED_BACK: "warning",
        Stage.ROLLBACK_FAILED: "failed",
    }


def test_every_kind_of_unit_has_the_name_that_the_contract_gives_it() -> None:
    assert {kind.value: name for kind, name in RESOURCE_TYPES.items()} == {
        "release": "deployment_release",
        "environment": "environment",
        "cluster": "cluster",
        "policy": "policy",
    }
    assert BY_CERTIFICATE == {
        "import_kubeconfig_requested": "import_cert_requested",
        "import_kubeconfig_succeeded": "import_cert_succeeded",
    }


def test_nothing_is_known_of_a_pull_request_before_it_was_looked_at() -> None:
    here = (Revision("1" * 40), Revision("2" * 40))
    assert Known() == Known(digest=None, inputs=None, static=False, ended=False)
    assert Seen(None, here) == Seen(None, here, static=False, closed=False)
