"""How hooks and the steps of a way back are told, in the languages of phrases.py."""

from collections.abc import Mapping
from typing import Final

from reconciler.plan.change import Told

EN_STEPS: Final[Mapping[Told, str]] = {
    Told.HOOK_BEFORE: "first of all, Job {job} is run ({name}), at most {time}; if it fails, nothing follows; "
    "it is said to be reversible",
    Told.HOOK_BEFORE_LOSING: "first of all, Job {job} is run ({name}), at most {time}; if it fails, nothing follows; "
    "**no return undoes what it does**",
    Told.HOOK_AFTER: "when everything is applied, Job {job} is run ({name}), at most {time}; "
    "it is said to be reversible",
    Told.HOOK_AFTER_LOSING: "when everything is applied, Job {job} is run ({name}), at most {time}; "
    "**no return undoes what it does**",
    Told.STEP_STOP: "the traffic is stopped: every pod of {names} is taken away, within {time}",
    Told.STEP_MIGRATE: "Job {job} is run once, at most {time}; it is said to be reversible",
    Told.STEP_MIGRATE_LOSING: "Job {job} is run once, at most {time}; **it cannot be undone**",
    Told.STEP_ROLL_BACK: "the old artifact is applied, within {time}",
    Told.STEP_RESTORE: "the traffic is restored: {names} gets its pods back, within {time}",
    Told.STEP_VERIFY: "asked, all within {time}: {what}",
    Told.STEP_READY: "nothing is asked: that it is ready counts",
}
ZH_STEPS: Final[Mapping[Told, str]] = {
    Told.HOOK_BEFORE: "首先运行 Job {job}（{name}），最长 {time}；失败则不应用任何内容；声明为可逆",
    Told.HOOK_BEFORE_LOSING: "首先运行 Job {job}（{name}），最长 {time}；失败则不应用任何内容；**回滚不会撤销其结果**",
    Told.HOOK_AFTER: "全部应用之后运行 Job {job}（{name}），最长 {time}；声明为可逆",
    Told.HOOK_AFTER_LOSING: "全部应用之后运行 Job {job}（{name}），最长 {time}；**回滚不会撤销其结果**",
    Told.STEP_STOP: "停止流量：在 {time} 内移除 {names} 的全部 Pod",
    Told.STEP_MIGRATE: "运行一次 Job {job}，最长 {time}；声明为可逆",
    Told.STEP_MIGRATE_LOSING: "运行一次 Job {job}，最长 {time}；**不可撤销**",
    Told.STEP_ROLL_BACK: "在 {time} 内应用旧版本",
    Told.STEP_RESTORE: "恢复流量：在 {time} 内恢复 {names} 的 Pod",
    Told.STEP_VERIFY: "在 {time} 内检查：{what}",
    Told.STEP_READY: "不做检查，就绪即可",
}
