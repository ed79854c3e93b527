"""The comment of a pull request: what an approver reads first, what is never left out, what text cannot do in it."""

import string
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import catalogue
from reconciler.names import Digest, Revision
from reconciler.plan.change import Change, Check, FieldChange, Operation, PlanSet, Risk, Severity, UnitPlan
from reconciler.report.moved import Move, Side
from reconciler.report.neutral import CUT, LINE_CAP
from reconciler.report.phrases import PHRASES, Locale, Phrases
from reconciler.report.preview import FORGE_LIMIT, Approvers, Preview, render_preview
from reconciler.state.observed import Failure

from .markdown import dangers, skeleton
from .plans import HEAD, MARKER, changes, context, plan, plans
from .test_neutral import TEXT

CASES = Path(__file__).parent / "cases"
NO_PLANS = PlanSet(plans=(), digest=Digest("0" * 64))


def render(*each: Any, **changed: Any) -> Preview:
    return render_preview(plans(*each), context(**changed))


@pytest.mark.parametrize("locale", Locale)
def test_a_realistic_pull_request_reads_as_the_golden_file(locale: Locale) -> None:
    shown = render(locale=locale)
    assert shown.body == (CASES / f"preview-{locale}.md").read_text(encoding="utf-8")
    assert not shown.truncated
    assert not dangers(shown.body)


@pytest.mark.parametrize("locale", Locale)
def test_the_marker_comes_first_and_the_same_input_gives_the_same_bytes(locale: Locale) -> None:
    assert render(locale=locale).body.startswith(MARKER + "\n")
    assert render(locale=locale) == render(locale=locale)


def deployments(count: int) -> tuple[Change, ...]:
    return tuple(
        Change(
            unit="release/svc-a",
            operation=Operation.UPDATE,
            subject=f"Deployment.apps default/web-{n}",
            where="cluster k8s-prod-platform",
            fields=(FieldChange(path="spec.replicas", before=1, after=2),),
            restarts=True,
        )
        for n in range(count)
    )


@pytest.mark.parametrize(
    ("environments", "counts"),
    [(1, "1 to delete, 10000 to update, 10000 to restart"), (40, "40 to delete, 39 to create, 10117 to update")],
)
def test_t28_a_delete_at_the_end_of_ten_thousand_changes_is_in_the_first_twenty_lines(
    environments: int, counts: str
) -> None:
    delete = changes()[0]
    big = plan(changes=(*deployments(10_000), delete))
    others = [plan(environment=f"env-{n}") for n in range(environments - 1)]
    shown = render(big, *others)
    top = shown.body.splitlines()[:20]
    assert any(delete.subject in line for line in top)
    assert counts in top[1]
    assert len(shown.body) <= FORGE_LIMIT
    assert shown.truncated
    assert "cannot be approved while it is cut" in shown.body
    assert not dangers(shown.body)


@given(st.integers(3_500, 30_000), st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=30)
def test_t28_deletions_outlast_everything_else_and_no_comment_is_too_long(
    limit: int, updates: int, deletes: int
) -> None:
    gone = tuple(
        changes()[0].model_copy(update={"subject": f"Service default/gone-{n:03}-end"}) for n in range(deletes)
    )
    everything = (*deployments(updates), *gone)
    shown = render(plan(changes=everything), limit=limit)
    assert len(shown.body) <= limit
    table = shown.body.split("#### Changes")[-1]
    kept = sum(f"| **delete** | `{change.subject}`" in table for change in gone)
    others = table.count("| update and restart |")
    whole = render(plan(changes=everything), limit=1_000_000)
    assert shown.truncated == (shown.body != whole.body)
    assert kept == deletes or others == 0
    assert f"{updates} to update" in shown.body or not updates


def test_t28_what_is_left_out_is_counted_and_the_whole_is_named() -> None:
    shown = render(plan(changes=deployments(500), tier="dev"), limit=20_000)
    kept = shown.body.count("| update and restart |")
    assert f"| and {500 - kept} more | | | |" in shown.body
    assert f"changes {500 - kept}" in shown.body.splitlines()[4] + shown.body.splitlines()[5]
    assert "previews/dep-appr-42/3fa2b1c09d77.json" in shown.body
    assert plan().digest in shown.body
    assert "cannot be approved while it is cut" not in shown.body  # not production


def test_t28_a_long_diff_is_cut_at_a_line_and_says_so() -> None:
    text = "\n".join(f"line {n}" for n in range(3000))
    field = FieldChange(path="data.text", before=None, after=text)
    shown = render(plan(changes=(changes()[3].model_copy(update={"fields": (field,)}),)), limit=12_000)
    assert shown.truncated
    assert "more lines are left out here @@\n```\n\n</details>" in shown.body


@pytest.mark.parametrize(
    "cut",
    [
        {"subject": "x" * 500},
        {"where": "x" * 500},
        {"fields": (FieldChange(path="a", before="x" * (LINE_CAP + 1), after="y"),)},
    ],
)
def test_t28_a_text_cut_anywhere_makes_the_preview_truncated(cut: dict[str, Any]) -> None:
    shown = render(plan(changes=(changes()[3].model_copy(update=cut),)))
    assert shown.truncated
    assert CUT in shown.body
    assert "cannot be approved while it is cut" in shown.body


def filled(text: str) -> Preview:
    """A preview with the same text in every place that somebody else can fill."""
    text = f"x{text}"
    field = FieldChange(path=text, before=text, after={text: [text], "b": f"{text}\nb"})
    lines = FieldChange(path=text, before=f"{text}\na", after=f"{text}\nb")
    unit = UnitPlan(unit=f"release/{text}", artifact=Digest("a"), specs=(field, lines), accepted=Revision(text))
    cluster = UnitPlan(unit=f"cluster/{text}", artifact=Digest("b"), removed=True)
    change = Change(
        unit=f"release/{text}", operation=Operation.DELETE, subject=text, where=text, fields=(field,), reversible=False
    )
    checks = tuple(
        Check(severity=severity, key=key, message=text, unit=text, hint=hint)
        for severity in Severity
        for key, hint in (("ssh_unreachable", ""), ("", text))
    )
    filled_plan = plan(
        environment=text,
        tier=text,
        units=(unit, cluster),
        changes=(change, change.model_copy(update={"operation": Operation.UPDATE, "known_after_apply": True})),
        checks=checks,
        reasons=(text,),
        held=(Revision(text),),
    )
    return render(
        filled_plan,
        plan(),
        ticket=text,
        head=text,
        base=text,
        base_revision=text,
        command=text,
        artifact=text,
        approvers={text: Approvers(1, (text,), (text,))},
        replaces=Digest(text),
        moved=(Move(Side.OBSERVED, text, text, (text,)),),
        unreachable={text: Failure("ssh_unreachable", text)},
        refused=Failure("preview_required", text),
        limit=1_000_000,
    )


BENIGN = filled("benign")


@given(TEXT)
@settings(max_examples=150)
def test_t27_no_text_of_others_makes_anything_in_any_field(text: str) -> None:
    shown = filled(text)
    assert not dangers(shown.body)
    if not shown.truncated:
        assert skeleton(shown.body) == skeleton(BENIGN.body)


def test_a_pull_request_that_changes_nothing_managed_says_so() -> None:
    shown = render_preview(NO_PLANS, context())
    assert "needs no approval" in shown.body
    assert shown.body.startswith(MARKER)
    assert not shown.truncated


def test_g10_an_unreachable_environment_waits_with_its_key_while_the_others_go_on() -> None:
    away = {"env-edge": Failure("ssh_unreachable", "connecting to edge-1: timed out")}
    shown = render(unreachable=away).body
    (row,) = [line for line in shown.splitlines() if line.startswith("| `env-edge`")]
    assert "**waits, unapproved**: `ssh_unreachable` (32015): `connecting to edge-1: timed out`" in row
    assert "check network and credentials" in row
    assert "Approve it in a review" in shown
    assert "env-edge" in render_preview(NO_PLANS, context(unreachable=away)).body


def test_an_error_forbids_the_approval_above_everything_else() -> None:
    check = Check(severity=Severity.ERROR, key="deletion_cap_exceeded", message="10 of 12 objects", hint="split it")
    shown = render(plan(checks=(*plan().checks, check))).body
    assert "**This plan cannot be approved**. Errors: 1" in shown.splitlines()[3]
    checks = shown.split("#### Checks")[1].strip().splitlines()
    assert checks[0] == "- **error** `deletion_cap_exceeded` (37005): `10 of 12 objects`<br>→ `split it`"
    assert "Solve the errors above" in shown
    assert "Approve it in a review" not in shown


def test_g4_a_static_preview_says_that_nothing_was_looked_at() -> None:
    shown = render(plan(static=True, observed_at=None)).body
    assert "**Made without looking at the targets**" in shown
    assert "05:36" not in shown
    assert "Approve it in a review" not in shown


def test_g11_a_moved_plan_voids_approvals_and_says_what_moved() -> None:
    moves = (
        Move(Side.DESIRED, "env-k8s-prod", "release/svc-a", ("spec.variables.image_tag",)),
        Move(Side.OBSERVED, "env-k8s-prod", "Deployment.apps default/web", ("spec.replicas",)),
        Move(Side.TOOL, "env-k8s-prod", "env-k8s-prod"),
    )
    shown = render(replaces=Digest("f" * 64), moved=moves).body
    assert "**The plan moved** from `ffffffffffff` to `3fa2b1c09d77`" in shown
    assert "- the specs or sources: `env-k8s-prod` `release/svc-a` (`spec.variables.image_tag`)" in shown
    assert "- what is on the target: `env-k8s-prod` `Deployment.apps default/web` (`spec.replicas`)" in shown
    assert "- how this version of the reconciler plans it" in shown
    assert "plan moved" not in render(replaces=plan().digest).body


def test_g13_a_critical_plan_asks_for_the_digest_in_the_review() -> None:
    assert "must quote `3fa2b1c09d77`" in render(plan(risk=Risk.CRITICAL)).body
    assert "must quote" not in render().body


def test_g18_a_held_commit_is_shown_with_its_key_and_a_way_forward() -> None:
    shown = render(refused=Failure("preview_required", "commit 8c2b7e1fd0a9 came without a pull request")).body
    assert "**Held** with `preview_required` (32001): `commit 8c2b7e1fd0a9 came without a pull request`" in shown
    assert catalogue.errors()["preview_required"].hint["en"] in shown


def test_g7_a_changed_spec_without_an_action_and_included_held_commits_are_shown() -> None:
    tier = UnitPlan(
        unit="environment/env-k8s-prod",
        artifact=Digest("a"),
        specs=(FieldChange(path="spec.tier", before="dev", after="production"),),
    )
    shown = render(plan(units=(tier,), changes=(), held=(HEAD,))).body
    assert "1 changed only in the specs" in shown.splitlines()[1]
    assert "| specs only | `environment/env-k8s-prod` |" in shown
    assert "+ spec.tier: production" in shown
    assert "Includes commits that are held: `8c2b7e1fd0a9`" in shown


def test_g21_the_way_back_says_what_it_does_what_it_does_not_and_whether_it_is_granted() -> None:
    job = changes()[1].model_copy(update={"subject": "Job.batch default/migrate", "reversible": False})
    shown = render(plan(changes=(*changes(), job))).body.split("#### Going back")[1]
    assert "back to revision `9d8c7b6a5f4e` (1 to delete, 1 to create, 3 to update), by itself" in shown
    assert "grants one such return, for 7 days" in shown
    assert "Not undone: `Job.batch default/migrate`." in shown
    assert "No return is granted" in render(rollback_grant=timedelta(0)).body
    first = plan().units[0].model_copy(update={"accepted": None, "added": True})
    assert "`release/svc-a`: the first version here" in render(plan(units=(first,))).body


def test_g10_several_environments_say_where_each_change_goes_and_who_approves_it() -> None:
    other = plan(environment="env-compose-prod", risk=Risk.CRITICAL)
    approvers = {"env-k8s-prod": Approvers(2, ("a", "b"), ("a",)), "env-compose-prod": Approvers(1, ())}
    shown = render(plan(), other, approvers=approvers).body
    assert "| 2 of `a`, `b`, so far `a` |" in shown
    assert "| 1, and nobody has the role |" in shown
    assert "| `env-compose-prod`, `cluster k8s-prod-platform` |" in shown
    assert "critical risk" in shown.splitlines()[1]


def test_g15_whoever_may_approve_their_own_change_is_named_where_nobody_else_may() -> None:
    plain = plan(checks=())
    shown = render(plain, approvers={plain.environment: Approvers(1, (), (), ("ada",))}).body
    assert "| `ada`, by self-approval |" in shown
    assert "nobody has the role" not in shown
    shown = render(plain, approvers={plain.environment: Approvers(1, ("bob",), (), ("ada",))}).body
    assert "| 1 of `bob` |" in shown


def test_what_may_be_lost_comes_first_whatever_the_order_of_the_plan() -> None:
    found = [change.model_copy(update={"operation": operation}) for change in changes()[:1] for operation in Operation]
    shown = render(plan(changes=tuple(found))).body.split("#### Changes")[1].split("#### Checks")[0]
    words = [line.split(" | ")[0] for line in shown.splitlines() if "svc-a-old" in line]
    assert words == [
        "| **delete**",
        "| **delete and create again**",
        "| **let go** (keeps running)",
        "| adopt",
        "| hand over",
        "| run",
        "| connect",
        "| create",
        "| update",
    ]


def test_a_renewed_preview_says_when_and_that_nothing_moved() -> None:
    assert "renewed 2026-03-04 05:36 UTC, nothing moved" in render(renewed_at=context().valid_until).body


def placeholders(value: object) -> object:
    if isinstance(value, str):
        return sorted(name for _, name, _, _ in string.Formatter().parse(value) if name is not None)
    assert hasattr(value, "items")
    return {key: placeholders(text) for key, text in value.items()}


@pytest.mark.parametrize("name", [field.name for field in fields(Phrases)])
def test_both_languages_say_the_same_things(name: str) -> None:
    english, chinese = (getattr(PHRASES[locale], name) for locale in (Locale.EN, Locale.ZH))
    assert placeholders(english) == placeholders(chinese)
    assert CUT not in str(english) + str(chinese)
    if name not in {"comma", "colon", "space"}:
        assert english != chinese


@pytest.mark.parametrize("people", [(), ("approver_user",)])
def test_what_cannot_be_approved_names_no_approver_and_no_command_to_approve(people: tuple[str, ...]) -> None:
    error = Check(severity=Severity.ERROR, key="resource_conflict", message="somebody else holds it", unit="", hint="")
    blocked = plan(checks=(error,))
    asked = {blocked.environment: Approvers(1, people, ())}
    shown = render(blocked, approvers=asked, command="reconciler pr approve 42 --digest 3fa2b1c09d77").body
    fine = render(plan(checks=()), approvers=asked, command="reconciler pr approve 42 --digest 3fa2b1c09d77").body
    for words in ("nobody has the role", "approver_user", "reconciler pr approve"):
        assert words not in shown
    assert ("approver_user" if people else "nobody has the role") in fine
    assert "reconciler pr approve" in fine
