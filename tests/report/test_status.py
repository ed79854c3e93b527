"""Commit statuses: every situation in 140 characters and both languages, and no failure as a success."""

from datetime import timedelta
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler import catalogue
from reconciler.errors import Place, Problem, ReconcilerError, Refused, Rejected, SpecError, Unavailable, Untrusted
from reconciler.report.phrases import Locale
from reconciler.report.status import (
    ON_HEAD,
    PER_ENVIRONMENT,
    TEXTS,
    Check,
    Situation,
    commit_status,
    error_status,
    facts_of,
    unmanaged,
)
from reconciler.state.forge import CommitStatus, StatusState

from .test_neutral import TEXT

# The only situations in which something is well; whatever joins the enum is not, until it is written here too.
WELL = {
    Situation.VALID,
    Situation.PREVIEWED,
    Situation.UNMANAGED_VALID,
    Situation.UNMANAGED_PREVIEW,
    Situation.UNMANAGED_APPROVAL,
    Situation.APPROVED,
    Situation.SELF_APPROVED,
    Situation.STANDING_APPROVED,
    Situation.RESTORES,
    Situation.EMERGENCY,
    Situation.APPLIED,
    Situation.NO_CHANGE,
    Situation.HEALTHY,
    Situation.AS_APPLIED,
}
ENDED_BADLY = {
    Situation.INVALID,
    Situation.PREVIEW_BLOCKED,
    Situation.PREVIEW_CONFLICT,
    Situation.PREVIEW_CUT,
    Situation.APPROVAL_EXPIRED,
    Situation.REJECTED,
    Situation.PARTIALLY_APPLIED,
    Situation.FAILED,
    Situation.ROLLED_BACK,
    Situation.ROLLBACK_FAILED,
    Situation.SUPERSEDED,
    Situation.UNHEALTHY,
    Situation.DRIFTED,
    Situation.HEAL_FAILED,
}
FAR = timedelta(seconds=1)
ERRORS: dict[type[ReconcilerError], tuple[ReconcilerError, StatusState]] = {
    SpecError: (SpecError([Problem(Place("a.yaml", 1, 2), "validation_error", "bad")]), StatusState.FAILURE),
    Refused: (Refused("applying x: moved", key="preview_mismatch"), StatusState.FAILURE),
    Unavailable: (Unavailable("connecting to cp-1: timed out", key="ssh_unreachable"), StatusState.PENDING),
    Rejected: (Rejected("applying x: forbidden"), StatusState.FAILURE),
    Untrusted: (Untrusted("verifying bundle v1: bad signature"), StatusState.ERROR),
}


def told(situation: Situation, text: str = "x", locale: Locale = Locale.EN) -> CommitStatus:
    environment = "env-k8s-prod" if TEXTS[situation].check in PER_ENVIRONMENT else ""
    return commit_status(situation, environment=environment, locale=locale, **dict.fromkeys(facts_of(situation), text))


@pytest.mark.parametrize("situation", Situation)
def test_a_failure_is_never_success(situation: Situation) -> None:
    state = told(situation).state
    assert (state is StatusState.SUCCESS) == (situation in WELL)
    assert (state in {StatusState.FAILURE, StatusState.ERROR}) == (situation in ENDED_BADLY)


@pytest.mark.parametrize("situation", Situation)
def test_both_languages_ask_for_the_same_facts(situation: Situation) -> None:
    text = TEXTS[situation]
    english, chinese = ({f for _, f, _, _ in Formatter().parse(words) if f is not None} for words in (text.en, text.zh))
    assert english == chinese == facts_of(situation)
    assert text.en != text.zh


@given(st.sampled_from(Situation), st.sampled_from(Locale), TEXT)
def test_t27_no_fact_makes_a_description_too_long_or_more_than_a_line(
    situation: Situation, locale: Locale, text: str
) -> None:
    described = told(situation, text * 5, locale).description
    assert 0 < len(described) <= 140
    assert described.isprintable()


def test_a_status_reads_as_counts() -> None:
    assert commit_status(
        Situation.APPROVAL_WANTED, given=1, needed=2, ticket="dep-appr-42", digest="3fa2b1c09d77"
    ) == CommitStatus("reconciler/approval", StatusState.PENDING, "approvals: 1 of 2; dep-appr-42@3fa2b1c09d77")
    assert commit_status(
        Situation.ROLLED_BACK, environment="env-k8s-prod", key="release_apply_failed", first="web: 0 of 2 ready"
    ) == CommitStatus(
        "reconciler/apply: env-k8s-prod",
        StatusState.FAILURE,
        "rolled back, main ahead: release_apply_failed: web: 0 of 2 ready",
    )


def test_the_reason_at_the_end_of_a_long_message_is_kept() -> None:
    told = (
        "rolling out release/shop-frontend in env-k8s-production: apps/Deployment/shop/frontend: 0 of 3 ready after "
        "600 s: pod frontend-6d9f: image registry.example.invalid/shop/frontend:v2 cannot be pulled"
    )
    described = commit_status(
        Situation.ROLLED_BACK, environment="env-k8s-prod", key="release_apply_failed", first=told
    ).description
    assert len(described) <= 140
    assert described.startswith("rolled back, main ahead: release_apply_failed: rolling out release/")
    assert described.endswith("shop/frontend:v2 cannot be pulled")


def test_a_pull_request_that_changes_nothing_managed_gets_all_three_successes() -> None:
    statuses = unmanaged()
    assert [status.context for status in statuses] == list(ON_HEAD)
    assert {status.state for status in statuses} == {StatusState.SUCCESS}


def test_facts_that_do_not_fit_the_text_are_a_bug() -> None:
    with pytest.raises(AssertionError):
        commit_status(Situation.VALID)
    with pytest.raises(AssertionError):
        commit_status(Situation.VALID, specs=1, problems=0)


def test_an_environment_belongs_to_apply_and_health_only() -> None:
    with pytest.raises(AssertionError):
        commit_status(Situation.VALID, environment="env-k8s-prod", specs=1)
    with pytest.raises(AssertionError):
        commit_status(Situation.NO_CHANGE)


def test_every_kind_of_error_has_a_state_and_none_is_a_success() -> None:
    assert set(ERRORS) == set(ReconcilerError.__subclasses__())
    for error, state in ERRORS.values():
        status = error_status(error, Check.PREVIEW)
        assert status.state is state
        assert status.description.startswith(f"{error.key} ({error.code}): ")
    assert error_status(ReconcilerError("looking"), Check.PREVIEW).state is StatusState.ERROR


def test_waiting_for_an_approval_is_pending_and_every_other_refusal_is_not() -> None:
    for key in catalogue.errors():
        expected = StatusState.PENDING if key == "approval_required" else StatusState.FAILURE
        assert error_status(Refused("no", key=key), Check.APPLY, environment="e").state is expected


def test_a_status_never_changes_because_time_passed() -> None:
    soon, late = (Unavailable("x: away", key="ssh_unreachable", retry_after=FAR * n) for n in (1, 99))
    assert error_status(soon, Check.PREVIEW) == error_status(late, Check.PREVIEW)
