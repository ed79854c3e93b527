"""The steps of the story in which things go well: installing, a release by pull request, and reading the timeline.

Knows what people do and what has to be seen; how the world does it is the stage's. Each step ends in expectations that
clusters, hosts and Git answer, never the reconciler.
"""

import shutil

from rich.text import Text

from reconciler.approval.decision import Verb
from reconciler.git.audit_chain import findings
from reconciler.names import SHORT
from reconciler.sandbox.story_screen import Screen
from reconciler.sandbox.story_stage import COLLEAGUE, Stage

INSTALLED = "env-k8s-prod"
LOGGED = ("cp-1", "install-k8s-controlplane.sh")
APPLY = f"reconciler/apply: {INSTALLED}"
LOOK = "kubectl -n svc-a get deployment svc-a -o jsonpath='{..image}'"
FORMAT = "%h %G? %<(14)%(trailers:key=Actor,valueonly,separator=%x2C) %s"


def install(stage: Stage, screen: Screen) -> None:
    """The first commit, its plan, its approval, and hosts that are installed over SSH."""
    stage.start()
    first = stage.ledger.trusted or ""
    screen.say("A Git repository says what should be: four bare hosts, two clusters, one service, its people.")
    screen.types("admin", "git push origin main")
    screen.types("operator", f"reconciler run --trust {first[:SHORT]}")
    stage.settle()
    ticket = f"dep-appr-{first[:SHORT]}"
    plans = stage.world.opened.reconciler.landings.previews.artifact(stage.preview(ticket)).plans
    for plan in plans:
        counts = ", ".join(f"{number} to {operation}" for operation, number in plan.counts.items())
        screen.answers(f"{plan.environment:17} {counts}; {plan.risk} risk")
    done = f"{stage.writes()} writes, {len(stage.hooks())} hooks"
    waits = ticket in stage.ledger.waiting
    screen.expect("the first plan waits", done, holds=waits and done == "0 writes, 0 hooks")
    screen.types("root", f"reconciler approve {ticket}@{stage.short(ticket)}")
    stage.decide(ticket, "root", Verb.APPROVE, "the first plan")
    screen.say("The reconciler brings the signed bundle to each host over SSH and runs its hooks:")
    screen.types("operator", f"reconciler task show {INSTALLED}-1")
    _task(stage, screen)
    screen.types("operator", f"reconciler task logs {INSTALLED}-1 --host {LOGGED[0]}")
    log = stage.repository.git("show", f"reconciler/audit:tasks/{INSTALLED}-1/{LOGGED[0]}-{LOGGED[1]}.log").text
    screen.answers(*log.splitlines()[-2:])
    hooks = stage.hooks()
    said = f"{len(hooks)} hooks on {len(stage.hosts)} hosts, {len(hooks) - len(set(stage.hooks_by_host()))} twice"
    screen.expect("every hook ran once", said, holds=said == "12 hooks on 4 hosts, 0 twice")
    runs(stage, screen, "v2.0.0")


def _task(stage: Stage, screen: Screen) -> None:
    details = [
        event.detail
        for event in stage.events
        if event.action.startswith("install_step_") and event.environment_id == INSTALLED
    ]
    screen.rows(
        ("host", "step", "status", "exit", "time"),
        [
            (
                step["host_id"],
                step["step_name"],
                "failed" if step["error_key"] else "succeeded",
                str(step["exit_code"]),
                f"{step['duration_ms'] / 1000:.2f} s",
            )
            for step in details
            if step["log"]
        ],
    )


def runs(stage: Stage, screen: Screen, version: str) -> None:
    """What production runs, by the cluster's own answer."""
    screen.types("anybody", LOOK)
    seen = stage.image()
    screen.answers(seen)
    screen.expect(f"production runs {version}", seen, holds=seen.endswith(f":{version}"))


def release(stage: Stage, screen: Screen) -> None:
    """One pull request: preview, a refused approval, an approval, the merge, the apply."""
    screen.say("A developer changes one line, svc-a v2.0.0 -> v2.0.1, and opens a pull request.")
    screen.types("dev_user", "reconciler propose release svc-a --environment env-k8s-prod --set image_tag=v2.0.1")
    before = stage.writes()
    number = stage.propose("v2.0.1")
    page = stage.page(number)
    screen.say(f"The reconciler looks at the cluster and comments on pull request #{number}:")
    screen.comment(page.comments[-1].body)
    screen.pause()
    for status in page.statuses:
        screen.status(status.context, status.state.value, status.description)
    ticket = f"dep-appr-{number}"
    command = f"reconciler pr approve {number} --digest {stage.short(ticket)}"
    screen.types(COLLEAGUE, command)
    stage.approve(number, COLLEAGUE)
    denials = [event for event in stage.events if event.action == "permission_denied"]
    for event in denials:
        screen.answers(f"{event.detail['error_key']}: {event.detail['comment']}")
    state = stage.statuses(page.pull_request.head)["reconciler/approval"][0]
    seen = f"{len(denials)} denial recorded, approval {state}, {stage.writes() - before} writes"
    screen.expect(
        "nobody approves without the role", seen, holds=seen == "1 denial recorded, approval pending, 0 writes"
    )
    screen.types("approver_user", command)
    stage.approve(number, "approver_user")
    screen.status("reconciler/approval", *stage.statuses(page.pull_request.head)["reconciler/approval"])
    screen.types("dev_user", f"reconciler pr merge {number}")
    merged = stage.merge(number, "dev_user")
    for context, said in stage.statuses(merged).items():
        screen.status(context, *said)
    state = stage.statuses(merged)[APPLY][0]
    screen.expect("the merge commit says", state, holds=state == "success")
    runs(stage, screen, "v2.0.1")


def timeline(stage: Stage, screen: Screen) -> None:
    """Who did what, out of `git log` on the audit branch, and who signed it."""
    screen.say("Every decision and every effect is a signed commit on reconciler/audit, and git alone reads it:")
    signers = stage.folder / "signers"
    ours = stage.world.opened.keys.signing.public.line
    signers.write_text(f'reconciler namespaces="git" {ours}\n', encoding="utf-8")
    repository = stage.repository
    repository.git("config", "gpg.ssh.allowedSignersFile", str(signers))
    grep = "--grep=Approval-Ticket: dep-appr-1$"
    screen.types("auditor", f"git log --reverse '{grep}' \\")
    screen.show(Text(f"    --format='{FORMAT}' reconciler/audit", "bold"))
    lines = repository.git("log", "--reverse", grep, f"--format={FORMAT}", "reconciler/audit").text.splitlines()
    screen.answers(*lines)
    if shutil.which("ssh-keygen"):
        good = sum(line.split()[1] == "G" for line in lines)
        seen = f"{good} of {len(lines)} good (G)"
        screen.expect("git itself checks these signatures", seen, holds=0 < good == len(lines))
    else:
        screen.say(
            "There is no ssh-keygen here, so git cannot check signatures (N); the reconciler's own verifier does:"
        )
    tip = repository.ref("refs/heads/reconciler/audit")
    wrong = findings(repository, tip, {ours}) if tip is not None else ()
    count = int(repository.git("rev-list", "--count", "reconciler/audit").text)
    screen.types("auditor", "reconciler audit verify")
    seen = f"{count} commits, {len(wrong)} wrong"
    screen.expect("the whole chain is ours and unbroken", seen, holds=tip is not None and count > 0 and not wrong)
