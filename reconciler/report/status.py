"""What we say about a commit: every commit status that the product writes, as a table.

Knows situations and words, in each language; knows no forge. The rules it keeps: counts rather than adjectives, at most
140 characters, a failure is never success (a rolled-back rollout is a failure), and a pull request in which nothing
managed changes gets its successes, so that required checks never hang.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from string import Formatter
from types import MappingProxyType

from reconciler.errors import ReconcilerError, Refused, Rejected, SpecError, Unavailable, Untrusted
from reconciler.report.neutral import name, plain
from reconciler.report.phrases import Locale
from reconciler.state.forge import CommitStatus, StatusState

DESCRIPTION = 140  # characters; GitHub's limit, the smallest
_FACT_CAP = 100  # characters of one fact, so that a long name leaves room for the rest
_REASON = "first"  # the fact that is a message: what was done to what, and at its end why it went wrong
_SHORTEST_REASON = 40  # characters


class Check(StrEnum):
    """The contexts. The last two stand once for each environment: `reconciler/apply: env-k8s-prod`."""

    VALIDATE = "reconciler/validate"
    PREVIEW = "reconciler/preview"
    APPROVAL = "reconciler/approval"
    APPLY = "reconciler/apply"
    HEALTH = "reconciler/health"


PER_ENVIRONMENT = frozenset({Check.APPLY, Check.HEALTH})
ON_HEAD = (Check.VALIDATE, Check.PREVIEW, Check.APPROVAL)


class Situation(StrEnum):
    """Where something stands that a status tells."""

    VALIDATING = "validating"
    VALID = "valid"
    INVALID = "invalid"
    PLANNING = "planning"
    PREVIEWED = "previewed"
    PREVIEW_STATIC = "preview_static"
    PREVIEW_BLOCKED = "preview_blocked"
    PREVIEW_WAITS = "preview_waits"
    PREVIEW_CONFLICT = "preview_conflict"
    PREVIEW_CUT = "preview_cut"
    UNMANAGED_VALID = "unmanaged_valid"
    UNMANAGED_PREVIEW = "unmanaged_preview"
    UNMANAGED_APPROVAL = "unmanaged_approval"
    APPROVAL_WANTED = "approval_wanted"
    APPROVAL_BLOCKED = "approval_blocked"
    APPROVAL_VOID = "approval_void"
    APPROVAL_EXPIRED = "approval_expired"
    APPROVED = "approved"
    SELF_APPROVED = "self_approved"
    STANDING_APPROVED = "standing_approved"
    RESTORES = "restores"
    EMERGENCY = "emergency"
    REJECTED = "rejected"
    APPLY_WAITS = "apply_waits"
    HELD_BY_PERSON = "held_by_person"
    APPLYING = "applying"
    VERIFYING = "verifying"
    APPLIED = "applied"
    NO_CHANGE = "no_change"
    PARTIALLY_APPLIED = "partially_applied"
    FAILED = "failed"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"
    SUPERSEDED = "superseded"
    HEALTH_UNKNOWN = "health_unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRIFTED = "drifted"
    HEALING = "healing"
    HEAL_FAILED = "heal_failed"
    AS_APPLIED = "as_applied"


@dataclass(frozen=True, slots=True)
class Text:
    """One situation: its check, its state, and its words with what is filled in."""

    check: Check
    state: StatusState
    en: str
    zh: str


_P, _S, _F, _E = StatusState.PENDING, StatusState.SUCCESS, StatusState.FAILURE, StatusState.ERROR
_V, _W, _O, _A, _H = Check.VALIDATE, Check.PREVIEW, Check.APPROVAL, Check.APPLY, Check.HEALTH
_S_ = Situation

TEXTS: Mapping[Situation, Text] = MappingProxyType(
    {
        _S_.VALIDATING: Text(_V, _P, "reading specs", "正在读取规格"),
        _S_.VALID: Text(_V, _S, "specs: {specs}, problems: 0", "{specs} 个规格，0 个问题"),
        _S_.INVALID: Text(_V, _F, "problems: {problems}; first: {first}", "{problems} 个问题；第一个：{first}"),
        _S_.PLANNING: Text(_W, _P, "looking at the targets", "正在查看目标"),
        _S_.PREVIEWED: Text(_W, _S, "{counts}; digest {digest}", "{counts}；摘要 {digest}"),
        _S_.PREVIEW_STATIC: Text(
            _W, _P, "{counts}; targets not looked at; new addresses to accept: {addresses}",
            "{counts}；未查看目标；待接受的新地址 {addresses} 个",
        ),
        _S_.PREVIEW_BLOCKED: Text(
            _W, _F, "cannot be approved; errors: {errors}; first: {first}", "不能审批；{errors} 个错误；第一个：{first}"
        ),
        _S_.PREVIEW_WAITS: Text(
            _W, _P, "{counts}; environments that wait: {waiting}; first: {first}",
            "{counts}；{waiting} 个环境在等待；第一个：{first}",
        ),
        _S_.PREVIEW_CONFLICT: Text(_W, _F, "head conflicts with {base}: no plan", "与 {base} 冲突：没有计划"),
        _S_.PREVIEW_CUT: Text(
            _W, _F, "{counts}; the comment is cut and changes production: split it",
            "{counts}；评论被截断且涉及生产环境：请拆分",
        ),
        _S_.UNMANAGED_VALID: Text(_V, _S, "0 specs changed", "0 个规格变化"),
        _S_.UNMANAGED_PREVIEW: Text(_W, _S, "0 changes", "0 项变化"),
        _S_.UNMANAGED_APPROVAL: Text(_O, _S, "0 changes, no approval", "0 项变化，无需审批"),
        _S_.APPROVAL_WANTED: Text(
            _O, _P, "approvals: {given} of {needed}; {ticket}@{digest}", "审批 {given}/{needed}；{ticket}@{digest}"
        ),
        _S_.APPROVAL_BLOCKED: Text(
            _O, _P, "approvals: {given} of {needed}, but {first}", "审批 {given}/{needed}，但 {first}"
        ),
        _S_.APPROVAL_VOID: Text(
            _O, _P, "approvals: 0 of {needed}; the plan moved to {digest}", "审批 0/{needed}；计划已变为 {digest}"
        ),
        _S_.APPROVAL_EXPIRED: Text(
            _O, _F, "preview_expired (32002): approve {ticket} again", "preview_expired (32002)：请重新审批 {ticket}"
        ),
        _S_.APPROVED: Text(_O, _S, "approvals: {given} of {needed}; {people}", "审批 {given}/{needed}；{people}"),
        _S_.SELF_APPROVED: Text(_O, _S, "self-approved on merge by {people}", "由 {people} 合并时自行审批"),
        _S_.STANDING_APPROVED: Text(_O, _S, "standing approval of {digest}", "常设审批 {digest}"),
        _S_.EMERGENCY: Text(_O, _S, "emergency approval by {people}; a second look is due", "{people} 紧急审批,待复核"),
        _S_.RESTORES: Text(_O, _S, "accepts what runs after the return; no approval", "接受回滚后的现状,无需审批"),
        _S_.REJECTED: Text(_O, _F, "rejected by {people}", "被 {people} 拒绝"),
        _S_.APPLY_WAITS: Text(_A, _P, "waits for {what}", "等待 {what}"),
        _S_.HELD_BY_PERSON: Text(
            _A, _P, "held by {people}; batches: {done} of {all}", "被 {people} 暂停；批次 {done}/{all}"
        ),
        _S_.APPLYING: Text(_A, _P, "batch {batch} of {all}", "第 {batch}/{all} 批"),
        _S_.VERIFYING: Text(_A, _P, "objects ready: {ready} of {all}", "对象就绪 {ready}/{all}"),
        _S_.APPLIED: Text(_A, _S, "changes: {done} of {all}", "变化 {done}/{all}"),
        _S_.NO_CHANGE: Text(_A, _S, "0 changes", "0 项变化"),
        _S_.PARTIALLY_APPLIED: Text(
            _A, _F, "changes: {done} of {all}, then {key}: {first}", "变化 {done}/{all}，然后 {key}：{first}"
        ),
        _S_.FAILED: Text(
            _A, _F, "batches: {done} of {all}, then {key}: {first}", "批次 {done}/{all}，然后 {key}：{first}"
        ),
        _S_.ROLLING_BACK: Text(_A, _P, "rolling back: {key}", "正在回滚：{key}"),
        _S_.ROLLED_BACK: Text(
            _A, _F, "rolled back, main ahead: {key}: {first}", "已回滚，主分支领先：{key}：{first}"
        ),
        _S_.ROLLBACK_FAILED: Text(
            _A, _E, "rollback failed, act by hand: {key}: {first}", "回滚失败，请人工处理：{key}：{first}"
        ),
        _S_.SUPERSEDED: Text(_A, _F, "not applied: superseded by {by}", "未执行：被 {by} 取代"),
        _S_.HEALTH_UNKNOWN: Text(_H, _P, "not looked at yet", "尚未查看"),
        _S_.HEALTHY: Text(_H, _S, "checks: {good} of {all}", "检查 {good}/{all}"),
        _S_.DRIFTED: Text(
            _H, _F, "drift: releases {releases}, objects {objects}; reconciler explain-drift {first}",
            "漂移：{releases} 个发布，{objects} 个对象；reconciler explain-drift {first}",
        ),
        _S_.HEALING: Text(_H, _P, "putting drift of {first} right: {what}", "正在修复 {first} 的漂移：{what}"),
        _S_.HEAL_FAILED: Text(
            _H, _F, "drift of {release} was not put right: {key}: {first}", "{release} 的漂移未能修复：{key}：{first}"
        ),
        _S_.AS_APPLIED: Text(
            _H, _S, "as applied again; drift: {objects} objects", "已恢复为所应用的状态；漂移：{objects} 个对象"
        ),
        _S_.UNHEALTHY: Text(_H, _F, "checks: {good} of {all}; failing: {first}", "检查 {good}/{all}；失败：{first}"),
    }
)  # fmt: skip


def commit_status(
    situation: Situation, *, environment: str = "", locale: Locale = Locale.EN, url: str = "", **facts: str | int
) -> CommitStatus:
    """The status of a situation. `facts` are the names that its text asks for, no more and no fewer.

    `environment` belongs to apply and health, and to nothing else.
    """
    text = TEXTS[situation]
    if wrong := facts.keys() ^ facts_of(situation):
        raise AssertionError(f"status {situation}: facts {sorted(wrong)} are missing or unknown")
    shown = {key: str(value) if isinstance(value, int) else plain(value, cap=_FACT_CAP) for key, value in facts.items()}
    template = text.zh if locale is Locale.ZH else text.en
    if _REASON in facts:
        room = DESCRIPTION - len(template.format(**{**shown, _REASON: ""}))
        shown[_REASON] = _ends(plain(str(facts[_REASON])), max(room, _SHORTEST_REASON))
    return CommitStatus(_context(text.check, environment), text.state, _shorten(template.format(**shown)), url)


def facts_of(situation: Situation) -> frozenset[str]:
    """The names of the facts that a situation's text asks for."""
    return frozenset(field for _, field, _, _ in Formatter().parse(TEXTS[situation].en) if field is not None)


def unmanaged(*, locale: Locale = Locale.EN) -> tuple[CommitStatus, ...]:
    """The three successes of a pull request in which nothing managed changes."""
    situations = (Situation.UNMANAGED_VALID, Situation.UNMANAGED_PREVIEW, Situation.UNMANAGED_APPROVAL)
    return tuple(commit_status(situation, locale=locale) for situation in situations)


# What stops for a person or a commit is a failure, what will be looked at again is pending, what may be an attack is an
# error: nothing here is ever a success.
STATES: Mapping[type[ReconcilerError], StatusState] = MappingProxyType(
    {
        SpecError: StatusState.FAILURE,
        Refused: StatusState.FAILURE,
        Unavailable: StatusState.PENDING,
        Rejected: StatusState.FAILURE,
        Untrusted: StatusState.ERROR,
    }
)
# Waiting for the approval that was asked for is not a failure of anybody.
_WAITING_KEYS = frozenset({"approval_required"})


def error_status(error: ReconcilerError, check: Check, *, environment: str = "", url: str = "") -> CommitStatus:
    """What an error says about a commit: `preview_mismatch (32003): applying ...`."""
    state = next((state for kind, state in STATES.items() if isinstance(error, kind)), StatusState.ERROR)
    if error.key in _WAITING_KEYS and isinstance(error, Refused):
        state = StatusState.PENDING
    said = f"{error.key} ({error.code}): "
    described = _shorten(said + _ends(plain(error.message), DESCRIPTION - len(said)))
    return CommitStatus(_context(check, environment), state, described, url)


def _context(check: Check, environment: str) -> str:
    if bool(environment) != (check in PER_ENVIRONMENT):
        raise AssertionError(f"status {check} with environment {environment!r}")
    return f"{check}: {name(environment)}" if environment else check.value


def _ends(text: str, room: int) -> str:
    """Both ends of a message that is too long: it begins with the object, and its reason stands at the end."""
    if len(text) <= room:
        return text
    head = (room - 1) // 3
    return f"{text[:head].rstrip()}\u2026{text[head + 1 - room :].lstrip()}"


def _shorten(text: str) -> str:
    return text if len(text) <= DESCRIPTION else text[: DESCRIPTION - 1] + "\u2026"
