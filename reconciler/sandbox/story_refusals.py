"""The steps of the story in which the reconciler says no, and the one in which a release fails and goes back.

Knows what people try and what must not happen then. The rule of every refusal: its key stands on the commit, what was
refused is held with a preview and a way forward, and no cluster saw a write; the clusters count themselves.
"""

from datetime import timedelta

from reconciler.approval.decision import Verb
from reconciler.names import SHORT, Revision
from reconciler.report.timeline import Question, timeline
from reconciler.sandbox.story_acts import APPLY, runs
from reconciler.sandbox.story_screen import Screen
from reconciler.sandbox.story_stage import COLLEAGUE, CONFIG, Stage

LATE = timedelta(hours=25)  # a high-risk approval ends after 24 h


def refusals(stage: Stage, screen: Screen) -> None:
    """Past the gate, too late, and on a changed cluster."""
    _pushed(stage, screen)
    _late(stage, screen)


def _pushed(stage: Stage, screen: Screen) -> None:
    before = stage.writes()
    screen.say("A hurried fix goes straight to main, past the pull request.")
    screen.types("dev_user", "git push origin main")
    pushed = stage.world.commit("svc-a v2.0.9, quickly", stage.release("v2.0.9"), author="dev_user")
    stage.settle()
    ticket = f"dep-appr-{pushed[:SHORT]}"
    _refused(stage, screen, pushed, "preview_required", before)
    screen.say("It is held with a preview. Somebody looks at it, and does not want it:")
    screen.types("approver_user", f"reconciler reject {ticket}@{stage.short(ticket)} --reason 'as a pull request'")
    stage.decide(ticket, "approver_user", Verb.REJECT, "as a pull request")
    revert = next(pull for pull in stage.world.opened.forge.open_pull_requests() if pull.author == "reconciler")
    screen.answers(f"#{revert.number} {revert.title}, opened by the {revert.author}")
    screen.types("approver_user", f"reconciler pr merge {revert.number}")
    stage.merge(revert.number, "approver_user")
    seen = (
        f"{len(stage.ledger.waiting)} held, {stage.writes() - before} writes, {stage.image().rpartition(':')[2]} runs"
    )
    screen.expect("main says what runs again", seen, holds=seen == "0 held, 0 writes, v2.0.1 runs")


def _late(stage: Stage, screen: Screen) -> None:
    before = stage.writes()
    number = stage.propose("v2.0.2")
    ticket = f"dep-appr-{number}"
    screen.pause()
    screen.say(f"Pull request #{number}, svc-a v2.0.2, is approved. The clock is moved by 25 hours. Then it is merged.")
    screen.types("approver_user", f"reconciler pr approve {number} --digest {stage.short(ticket)}")
    stage.approve(number, "approver_user")
    stage.clock.advance(LATE)
    screen.types("dev_user", f"reconciler pr merge {number}")
    merged = stage.merge(number, "dev_user")
    _refused(stage, screen, merged, "preview_expired", before)

    screen.pause()
    screen.say("It is held with a fresh preview. Somebody changes the cluster by hand before that is approved.")
    screen.types(COLLEAGUE, "kubectl -n svc-a edit configmap svc-a   # LOG_LEVEL: warn -> trace")
    screen.types("approver_user", f"reconciler approve {ticket}@{stage.short(ticket)}")
    stage.clusters["prod"].edit(CONFIG, {"data": {"LOG_LEVEL": "trace"}})
    stage.decide(ticket, "approver_user", Verb.APPROVE, "still wanted")
    _refused(stage, screen, merged, "preview_mismatch", before)

    screen.say("The way forward: take the hand-made change back, and approve what is shown then.")
    screen.types(COLLEAGUE, "kubectl -n svc-a edit configmap svc-a   # LOG_LEVEL: trace -> warn")
    stage.clusters["prod"].edit(CONFIG, {"data": {"LOG_LEVEL": "warn"}})
    stage.settle()
    screen.types("approver_user", f"reconciler approve {ticket}@{stage.short(ticket)}")
    stage.decide(ticket, "approver_user", Verb.APPROVE, "as it was")
    runs(stage, screen, "v2.0.2")


def _refused(stage: Stage, screen: Screen, commit: Revision, key: str, before: int) -> None:
    state, words = stage.statuses(commit)[APPLY]
    screen.status(APPLY, state, words)
    said = words.partition(" ")[0]
    seen = f"{state}, {said}, {stage.writes() - before} writes"
    screen.expect(f"refused with {key}", seen, holds=seen == f"failure, {key}, 0 writes")


def failure(stage: Stage, screen: Screen) -> None:
    """A version that never gets ready goes back by itself, and is nowhere called a success."""
    number = stage.propose("v2.0.3-broken")
    ticket = f"dep-appr-{number}"
    screen.say(f"Pull request #{number} brings v2.0.3-broken, which never gets ready. It is approved and merged.")
    screen.types("approver_user", f"reconciler pr approve {number} --digest {stage.short(ticket)}")
    stage.approve(number, "approver_user")
    screen.types("dev_user", f"reconciler pr merge {number}")
    merged = stage.merge(number, "dev_user")
    screen.types("anybody", f"reconciler timeline --pr {number}")
    rows = timeline(stage.events, Question(ticket=ticket))
    screen.rows((), [(row.cells()[0][11:19], row.action, row.actor, row.text[:48]) for row in rows])
    for context, said in stage.statuses(merged).items():
        screen.status(context, *said)
    state, words = stage.statuses(merged)[APPLY]
    seen = f"{state}, {words.partition(',')[0]}"
    screen.expect("the merge commit says", seen, holds=seen == "failure, rolled back")
    green = [context for context, said in stage.statuses(merged).items() if said[0] == "success"]
    green += [row.action for row in rows if row.action == "applied"]
    screen.expect("nothing calls it a success", ", ".join(green) or "nothing does", holds=not green)
    runs(stage, screen, "v2.0.2")
