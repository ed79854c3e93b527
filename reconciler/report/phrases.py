"""What a preview says in words, in each language. The types see to it that every phrase exists in both.

Knows no plan. Placeholders are filled by report/preview.py with text that is already harmless.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from reconciler.plan.change import Operation, Risk, Severity, Told, Ungranted
from reconciler.report.step_phrases import EN_STEPS, ZH_STEPS


class Locale(StrEnum):
    """The languages that Settings may name."""

    EN = "en"
    ZH = "zh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """One language. `{...}` names what is filled in."""

    space: str
    comma: str
    colon: str
    headline: str
    risk_of: str
    risks: Mapping[Risk, str]
    counts: Mapping[Operation, str]
    words: Mapping[Operation, str]
    restarts_count: str
    restarts: str
    accepts_count: str
    accepts: str
    removed: str
    nothing_managed: str
    no_action: str
    deletes: str
    and_more: str
    held: str
    blocked: str
    static: str
    includes_held: str
    moved_headline: str
    environments_head: str
    approve: str
    approve_nobody: str
    approve_alone: str
    approved_by: str
    waits: str
    valid_until: str
    valid_static: str
    looked_at: str
    renewed_at: str
    digest: str
    made_of: str
    changes: str
    changes_head: str
    yes: str
    no: str
    checks: str
    severities: Mapping[Severity, str]
    next: str
    moved: str
    moved_kinds: Mapping[str, str]
    diffs: str
    spec_of: str
    later: str
    lines_left_out: str
    way: str
    ways: Mapping[Told, str]
    rollback: str
    rollback_first: str
    rollback_to: str
    rollback_automatic: str
    rollback_by_hand: str
    rollback_granted: str
    rollback_not_granted: str
    rollback_ungranted: Mapping[Ungranted, str]
    rollback_by_revert: str
    rollback_stays: str
    left_out: Mapping[str, str]
    long_text: str
    cut: str
    cut_production: str
    whole: str
    next_blocked: str
    next_static: str
    next_approve: str
    next_quote: str
    next_command: str
    unmanaged: str


EN = Phrases(
    space=" ",
    comma=", ",
    colon=": ",
    headline="Preview{ticket}: {counts}",
    risk_of="{risk} risk",
    risks=MappingProxyType({risk: risk.value for risk in Risk}),
    counts=MappingProxyType(
        {
            Operation.DELETE: "{n} to delete",
            Operation.REPLACE: "{n} to delete and create again",
            Operation.FORGET: "{n} to let go",
            Operation.ADOPT: "{n} to adopt",
            Operation.HAND_OVER: "{n} to hand over",
            Operation.CREATE: "{n} to create",
            Operation.UPDATE: "{n} to update",
            Operation.RUN: "{n} to run",
            Operation.CONNECT: "{n} to connect",
            Operation.UNCHANGED: "{n} unchanged",
        }
    ),
    words=MappingProxyType(
        {
            Operation.DELETE: "**delete**",
            Operation.REPLACE: "**delete and create again**",
            Operation.FORGET: "**let go** (keeps running)",
            Operation.ADOPT: "adopt",
            Operation.HAND_OVER: "hand over",
            Operation.CREATE: "create",
            Operation.UPDATE: "update",
            Operation.RUN: "run",
            Operation.CONNECT: "connect",
            Operation.UNCHANGED: "unchanged",
        }
    ),
    restarts_count="{n} to restart",
    restarts=" and restart",
    accepts_count="{n} changed only in the specs",
    accepts="specs only",
    removed="removed from the specs",
    nothing_managed="Nothing managed changes",
    no_action="nothing to do",
    deletes="**Deletes** {names}",
    and_more="and {n} more",
    held="**Held** with {error}. {hint}",
    blocked="**This plan cannot be approved**. Errors: {errors}, see the checks below.",
    static="**Made without looking at the targets**: what is there now is not known.",
    includes_held="Includes commits that are held: {commits}",
    moved_headline="**The plan moved** from {old} to {new}: approvals given before are void. See what moved below.",
    environments_head="| Environment | Risk | Changes | Who must approve |",
    approve="{n} of {people}",
    approve_nobody="{n}, and nobody has the role",
    approve_alone="{people}, by self-approval",
    approved_by="so far {people}",
    waits="**waits, unapproved**: {error}. {hint}",
    valid_until="**Valid until** {time}",
    valid_static="**Valid until** the targets are looked at",
    looked_at="targets looked at {time}",
    renewed_at="renewed {time}, nothing moved",
    digest="**Digest** {digest}",
    made_of="{head} merged into {base}",
    changes="Changes",
    changes_head="| Change | What | Where | Reversible |",
    yes="yes",
    no="**no**",
    checks="Checks",
    severities=MappingProxyType({Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}),
    next="What to do next",
    moved="What moved since the last preview",
    moved_kinds=MappingProxyType(
        {
            "desired": "the specs or sources",
            "observed": "what is on the target",
            "tool": "how this version of the reconciler plans it",
        }
    ),
    diffs="Differences",
    spec_of="specs of",
    later="known after apply",
    lines_left_out="{n} more lines are left out here",
    way="How it goes",
    ways=MappingProxyType(
        {
            Told.BESIDE: "{name} is made beside what runs, and waited for until it is ready",
            Told.ASK_BESIDE: "the new version alone is asked through Service {service}: {what}",
            Told.SWITCH: "one write of Service {service} moves all traffic to it",
            Told.ASK: "asked: {what}",
            Told.ASK_BACK: "a return is good where, asked: {what}",
            Told.PAUSE: "nothing is done for {time}; {names} is kept",
            Told.LEAVE: "{names} is deleted",
            Told.SHARE: "{weight} % of {of} replicas: {pods} new pods beside them, about {share} % of the traffic",
            Told.WATCH: "they are watched for {time}",
            Told.PROMOTE: "{name} gets the new version, all {of} replicas, a few at a time",
            Told.BACK_CANARY: "before {name} is touched, a return only deletes the canary",
            Told.READY: "{kind} counts as ready where: {ready}",
            Told.READY_OR_FAILED: "{kind} counts as ready where: {ready}; as failed where: {failed}",
            Told.SHARE_BETWEEN: "{weight} % of the {of} to {to} pods that the autoscaler has then: {pods} to {most} "
            "new pods beside them",
            Told.SHARE_THEN: "{weight} % of the pods that the autoscaler has then, and at least one, as new pods "
            "beside them",
            Told.PROMOTE_COUNTED: "{name} gets the new version, all its pods, a few at a time",
            Told.PASSING: "{names} are there for the time of these steps",
            Told.PODS: "{weight} % of {of} replicas: {pods} new pods beside them",
            Told.WEIGH: "one write of {name}: of what {service} gets, {weight} % go to {canary}",
            Told.UNWEIGH: "one write of {name}: {service} gets everything again",
            Told.BACK_WEIGHTS: "a return first writes {routes}, so that the old name gets everything, then deletes the "
            "canary; only a return from after {name} was touched rolls that back, too",
            Told.BACK: "before that, a return is one write of Service {service}; after it, the old one is made first",
            **EN_STEPS,
        }
    ),
    rollback="Going back",
    rollback_first="{unit}: the first version here; there is nothing to go back to.",
    rollback_to="{unit}: back to revision {revision} ({counts}), {how}.",
    rollback_automatic="by itself if the rollout fails, or by {command}",
    rollback_by_hand="by {command}",
    rollback_granted="Approving this also grants one such return, for {days} days.",
    rollback_not_granted="No return is granted: it needs a pull request of its own.",
    rollback_ungranted=MappingProxyType(
        {
            Ungranted.IRREVERSIBLE: "No return is granted, by itself or by order: a step of it cannot be undone."
            " The revert pull request shows the steps in its preview, and approving it approves them.",
            Ungranted.GOES_BACK: "No return from it is granted: this is itself a way back. If it fails, its traffic"
            " goes to what stands then, and a person decides.",
            Ungranted.OLDER: "No return from it is granted: it leads to an older version, and the steps of that one"
            " lead further back. If it fails, a person decides.",
        }
    ),
    rollback_by_revert="by its revert pull request",
    rollback_stays="Not undone: {names}.",
    left_out=MappingProxyType(
        {
            "environments": "environments",
            "changes": "changes",
            "checks": "checks",
            "moved": "moves",
            "diffs": "differences",
            "way": "steps",
            "rollback": "ways back",
        }
    ),
    long_text="parts of long texts",
    cut="**This comment is cut**: {parts} left out. Counts and risk cover everything.",
    cut_production="It changes production, so it cannot be approved while it is cut: split the pull request.",
    whole="Whole preview: {artifact} on the audit branch, digest {digest}",
    next_blocked="Solve the errors above and push; the preview is then made again by itself.",
    next_static="A reviewer's approval accepts these addresses; a preview with a look at the targets follows.",
    next_approve="Approve it in a review, then merge. The merge applies exactly this plan.",
    next_quote="This risk is critical: the review must quote {digest}.",
    next_command="From a terminal",
    unmanaged="This pull request changes nothing that the reconciler manages. Nothing will be applied when it is "
    "merged, and it needs no approval here.",
)

ZH = Phrases(
    space="",
    comma="，",
    colon="：",
    headline="预览{ticket}：{counts}",
    risk_of="风险{risk}",
    risks=MappingProxyType({Risk.LOW: "低", Risk.MEDIUM: "中", Risk.HIGH: "高", Risk.CRITICAL: "严重"}),
    counts=MappingProxyType(
        {
            Operation.DELETE: "删除 {n}",
            Operation.REPLACE: "删除并重建 {n}",
            Operation.FORGET: "放手 {n}",
            Operation.ADOPT: "接管 {n}",
            Operation.HAND_OVER: "移交 {n}",
            Operation.CREATE: "新建 {n}",
            Operation.UPDATE: "更新 {n}",
            Operation.RUN: "执行 {n}",
            Operation.CONNECT: "接入 {n}",
            Operation.UNCHANGED: "不变 {n}",
        }
    ),
    words=MappingProxyType(
        {
            Operation.DELETE: "**删除**",
            Operation.REPLACE: "**删除并重建**",
            Operation.FORGET: "**放手**（继续运行）",
            Operation.ADOPT: "接管",
            Operation.HAND_OVER: "移交",
            Operation.CREATE: "新建",
            Operation.UPDATE: "更新",
            Operation.RUN: "执行",
            Operation.CONNECT: "接入",
            Operation.UNCHANGED: "不变",
        }
    ),
    restarts_count="重启 {n}",
    restarts="并重启",
    accepts_count="仅规格变化 {n}",
    accepts="仅规格变化",
    removed="从规格中移除",
    nothing_managed="没有受管内容变化",
    no_action="无需操作",
    deletes="**将删除** {names}",
    and_more="另有 {n} 项",
    held="**已暂停**，原因 {error}。{hint}",
    blocked="**该计划不能审批**。错误 {errors} 个，见下方检查。",
    static="**未查看目标**：目标上现有的内容未知。",
    includes_held="包含被暂停的提交：{commits}",
    moved_headline="**计划已变化**，由 {old} 变为 {new}：此前的审批作废。变化见下方。",
    environments_head="| 环境 | 风险 | 变化 | 审批人 |",
    approve="{people} 中 {n} 人",
    approve_nobody="{n} 人，但没有人拥有该角色",
    approve_alone="{people}，自行审批",
    approved_by="已审批 {people}",
    waits="**等待，未审批**：{error}。{hint}",
    valid_until="**有效期至** {time}",
    valid_static="**有效期至**查看目标为止",
    looked_at="查看目标于 {time}",
    renewed_at="续期于 {time}，无变化",
    digest="**摘要** {digest}",
    made_of="{head} 合并到 {base}",
    changes="变化",
    changes_head="| 变化 | 对象 | 位置 | 可撤销 |",
    yes="是",
    no="**否**",
    checks="检查",
    severities=MappingProxyType({Severity.ERROR: "错误", Severity.WARNING: "警告", Severity.INFO: "说明"}),
    next="下一步",
    moved="自上次预览以来的变化",
    moved_kinds=MappingProxyType(
        {"desired": "规格或来源", "observed": "目标上的内容", "tool": "本版本 reconciler 的计划方式"}
    ),
    diffs="差异",
    spec_of="规格",
    later="执行后可知",
    lines_left_out="此处省略 {n} 行",
    way="步骤",
    ways=MappingProxyType(
        {
            Told.BESIDE: "在现有版本旁新建 {name}，并等待就绪",
            Told.ASK_BESIDE: "通过 Service {service} 单独检查新版本：{what}",
            Told.SWITCH: "写入一次 Service {service}，全部流量切换到新版本",
            Told.ASK: "检查：{what}",
            Told.ASK_BACK: "回滚后检查：{what}",
            Told.PAUSE: "等待 {time}，期间保留 {names}",
            Told.LEAVE: "删除 {names}",
            Told.SHARE: "{of} 个副本的 {weight} % 为 {pods} 个新版本 Pod，与旧版本并存，约占流量 {share} %",
            Told.WATCH: "观察 {time}",
            Told.PROMOTE: "{name} 的全部 {of} 个副本逐步更新到新版本",
            Told.BACK_CANARY: "在更新 {name} 之前，回滚只需删除金丝雀",
            Told.READY: "{kind} 就绪的条件：{ready}",
            Told.READY_OR_FAILED: "{kind} 就绪的条件：{ready}；失败的条件：{failed}",
            Told.SHARE_BETWEEN: "届时自动伸缩的 {of} 到 {to} 个 Pod 的 {weight} %：新增 {pods} 到 {most} 个新版本 Pod",
            Told.SHARE_THEN: "届时自动伸缩的 Pod 数的 {weight} %（至少一个）为新版本 Pod，与旧版本并存",
            Told.PROMOTE_COUNTED: "{name} 的全部 Pod 逐步更新到新版本",
            Told.PASSING: "{names} 仅在这些步骤期间存在",
            Told.PODS: "{of} 个副本的 {weight} %：{pods} 个新版本 Pod，与旧版本并存",
            Told.WEIGH: "写入一次 {name}：{service} 的流量中 {weight} % 转到 {canary}",
            Told.UNWEIGH: "写入一次 {name}：全部流量回到 {service}",
            Told.BACK_WEIGHTS: "回滚先写入 {routes}，使全部流量回到旧名称，再删除金丝雀；{name} 已更新时也一并回滚",
            Told.BACK: "在此之前回滚只需写入一次 Service {service}；之后则先重新创建旧版本",
            **ZH_STEPS,
        }
    ),
    rollback="回滚",
    rollback_first="{unit}：这里的第一个版本，没有可以回滚的版本。",
    rollback_to="{unit}：回到修订 {revision}（{counts}），{how}。",
    rollback_automatic="发布失败时自动回滚，或执行 {command}",
    rollback_by_hand="执行 {command}",
    rollback_granted="审批同时授权一次这样的回滚，有效 {days} 天。",
    rollback_not_granted="未授权回滚：需要另开拉取请求。",
    rollback_ungranted=MappingProxyType(
        {
            Ungranted.IRREVERSIBLE: "未授权自动或命令回滚：其中有不可撤销的步骤。"
            "还原拉取请求的预览会列出这些步骤，审批即批准这些步骤。",
            Ungranted.GOES_BACK: "未授权从这里再回滚：本次变更本身就是回滚。若失败，流量回到当时存在的版本，由人决定。",
            Ungranted.OLDER: "未授权从这里再回滚：本次变更指向更早的版本，而该版本的步骤会退得更远。若失败，由人决定。",
        }
    ),
    rollback_by_revert="通过还原拉取请求",
    rollback_stays="不会撤销：{names}。",
    left_out=MappingProxyType(
        {
            "environments": "环境",
            "changes": "变化",
            "checks": "检查",
            "moved": "移动",
            "diffs": "差异",
            "way": "步骤",
            "rollback": "回滚",
        }
    ),
    long_text="过长的文本",
    cut="**本评论被截断**：省略了{parts}。计数和风险包含全部内容。",
    cut_production="它改变生产环境，截断时不能审批：请拆分拉取请求。",
    whole="完整预览：审计分支上的 {artifact}，摘要 {digest}",
    next_blocked="请先解决上面的错误并推送，预览会自动重新生成。",
    next_static="审批人同意即接受这些地址，随后会给出查看目标后的预览。",
    next_approve="请在评审中批准，然后合并。合并时只执行这个计划。",
    next_quote="风险为严重：评审中必须引用 {digest}。",
    next_command="命令行",
    unmanaged="该拉取请求不改变任何受管内容。合并后不会执行任何操作，这里也不需要审批。",
)

PHRASES: Mapping[Locale, Phrases] = MappingProxyType({Locale.EN: EN, Locale.ZH: ZH})
