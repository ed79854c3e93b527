"""What nobody may approve around ways back by steps: it would end in traffic that rests stopped, or not end at all."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.names import ObjectRef
from reconciler.plan.change import Plan
from reconciler.state.observed import Failure, Observed, ObservedCluster, ObservedObject
from tests.plan.test_way_back import ALL, BACK, HOURLY, MIGRATE, VERIFY, back, forth, stepped
from tests.plan.world import AT, DEPLOYMENT, WEB, Edit, Files, config, environment, plan, release, seen

WORKLOAD, CRON = "Deployment.apps web/web", "CronJob.batch web/hourly"


def stopped_at(mark: int | None, **spec: Any) -> Edit:
    """A way back left it so: this mark, and this number of pods."""

    def edit(item: ObservedObject) -> ObservedObject:
        return replace(item, stopped=mark, live={**item.live, "spec": {**item.live["spec"], **spec}})

    return edit


def blocked(made: Plan, words: str) -> list[str]:
    return [check.message for check in made.blocked if words in check.message]


# how it stands, and whether letting go of it is refused
LET_GO: dict[str, tuple[str, Edit, bool]] = {
    "without pods": (WORKLOAD, stopped_at(2, replicas=0), True),
    "without pods, and nobody can tell how many": (WORKLOAD, stopped_at(-1, replicas=0), True),
    "it had none": (WORKLOAD, stopped_at(0, replicas=0), False),
    "somebody gave it pods": (WORKLOAD, stopped_at(2, replicas=5), False),
    "somebody gave it one pod": (WORKLOAD, stopped_at(2, replicas=1), False),
    "never stopped": (WORKLOAD, stopped_at(None, replicas=0), False),
    "a CronJob that was suspended": (CRON, stopped_at(1, suspend=True), True),
    "a CronJob that goes on": (CRON, stopped_at(1, suspend=False), False),
}


@pytest.mark.parametrize("removed", [True, False], ids=["with its release", "by its mark"])
@pytest.mark.parametrize(("name", "edit", "refused"), LET_GO.values(), ids=LET_GO)
def test_g23_what_is_stopped_is_not_let_go_of_without_its_pods(
    files: Files,
    name: str,
    edit: Edit,
    refused: bool,  # noqa: FBT001
    removed: bool,  # noqa: FBT001
) -> None:
    old = files.but({"apps/web/hourly.yaml": HOURLY})
    if removed:
        old = old.but({"web.yaml": release("web", more=", onRemoval: forget")})
        new = old.but({"web.yaml": None})
    else:
        kept = ("{name: web, labels", "{name: web, annotations: {opspilot.spec/prune: disabled}, labels")
        hourly = HOURLY.replace("name: hourly", "name: hourly, annotations: {opspilot.spec/prune: disabled}")
        old = old.but({"apps/web/deployment.yaml": DEPLOYMENT.replace(*kept), "apps/web/hourly.yaml": hourly})
        new = old.but({"apps/web/deployment.yaml": None, "apps/web/hourly.yaml": None})
    made = plan(new.side, old.good, observed=seen(new.side, old.good, edit={name: edit}))
    message = f"letting go of {name}: a way back stopped its traffic, and it would be left without pods"
    assert blocked(made, "letting go") == ([message] if refused else [])


# as above, and whether suspending it is refused
REST = {name: found for name, found in LET_GO.items() if name != "somebody gave it one pod"}


@pytest.mark.parametrize("whose", ["release", "environment"])
@pytest.mark.parametrize(("name", "edit", "refused"), REST.values(), ids=REST)
def test_g23_what_is_stopped_is_not_suspended_without_its_pods(
    files: Files,
    name: str,
    edit: Edit,
    refused: bool,  # noqa: FBT001
    whose: str,
) -> None:
    old = files.but({"apps/web/hourly.yaml": HOURLY})
    more = ", suspend: true"
    new = old.but(
        {"web.yaml": release("web", more=more)} if whose == "release" else {"env.yaml": environment("dev", more=more)}
    )
    for before in (old, new):  # also a change while it is suspended
        then = new.edited("apps/web/deployment.yaml", "web:v1", "web:v2")
        made = plan(then.side, before.good, observed=seen(then.side, old.good, edit={name: edit}))
        message = f"suspending release/web: a way back stopped the traffic of {name}, and it would be left so"
        assert blocked(made, "suspending") == ([message] if refused else [])
        assert (made.changes, made.batches) == ((), ())


@pytest.mark.parametrize(
    ("steps", "unfinished", "refused"),
    [
        (ALL, True, True),
        (ALL, False, False),
        ((MIGRATE, BACK, VERIFY), True, False),
    ],
    ids=["it may be stopped", "it ended well", "it is never stopped"],
)
@pytest.mark.parametrize("left", ["accepted", "otherwise"])
def test_g23_what_may_be_stopped_is_not_suspended_unseen(
    files: Files,
    steps: tuple[str, ...],
    unfinished: bool,  # noqa: FBT001
    refused: bool,  # noqa: FBT001
    left: str,
) -> None:
    with_steps = stepped(files, *steps)
    last, other = (with_steps, files) if left == "accepted" else (files, with_steps)
    new = last.but({"env.yaml": environment("dev", more=", suspend: true")}).good
    away = ObservedCluster("one", failure=Failure("cluster_connect_failed", "it does not answer"))
    made = plan(
        new,
        last.good,
        observed=Observed("dev", AT, {"one": away}),
        unfinished=frozenset({WEB} if unfinished else ()),
        otherwise={WEB: other.good},
    )
    message = "suspending release/web: it did not end well, and nobody can look whether its traffic is stopped"
    assert blocked(made, "suspending") == ([message] if refused else [])


@pytest.mark.parametrize("run", ["", "abc"], ids=["a Job of the source", "a run of ours"])
def test_a_job_that_stands_may_be_running_beside_a_migration(files: Files, run: str) -> None:
    ref = ObjectRef("batch", "v1", "Job", "web", "index")
    there = ObservedObject(ref, exists=True, owner="web", run=run)
    made = back(files, stepped(files, *ALL), extra=(there,))
    message = f"stop_traffic cannot stop {ref}, which runs there: it has no replicas to take"
    assert blocked(made, "cannot stop") == ([] if run else [message])


CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
KEPT = CLAIM.replace("{name: data}", "{name: data, annotations: {opspilot.spec/prune: disabled}}")


def stateful(pods: int, policy: str) -> str:
    """A StatefulSet whose claims go so."""
    more = f"\n  persistentVolumeClaimRetentionPolicy: {{{policy}: Delete}}" if policy else ""
    told = DEPLOYMENT.replace("Deployment", "StatefulSet").replace("{name: web, labels", "{name: db, labels")
    return told.replace("  replicas: 2", f"  replicas: {pods}{more}")


DATA, SCALED = "PersistentVolumeClaim web/data with the data in it", "whenScaled"
DB = "StatefulSet.apps web/db"
ADDS: dict[str, tuple[str, str, str]] = {  # what the old version and the new one hold, and what would be deleted
    "it comes": ("", CLAIM, DATA),
    "it was there": (CLAIM, CLAIM, ""),
    "a return would leave it": ("", KEPT, ""),
    "claims that go with their workload": ("", stateful(2, "whenDeleted"), f"{DB} with the data in it"),
    "claims that stay": ("", stateful(2, ""), ""),
    "pods whose claims go with them": (
        stateful(2, SCALED),
        stateful(3, SCALED),
        f"claims of {DB}, which gets more pods, with the data in them",
    ),
    "fewer pods": (stateful(3, SCALED), stateful(2, SCALED), ""),
    "pods whose claims stay": (stateful(2, ""), stateful(3, ""), ""),
}


@pytest.mark.parametrize("stepwise", [True, False], ids=["by steps", "as every release"])
@pytest.mark.parametrize(("before", "after", "told"), ADDS.values(), ids=ADDS)
def test_g21_that_a_return_would_delete_data_is_said_when_it_is_granted(
    files: Files,
    before: str,
    after: str,
    told: str,
    stepwise: bool,  # noqa: FBT001
) -> None:
    old = files.but({"apps/web/claim.yaml": before or None})
    new = (
        stepped(old, MIGRATE, BACK, VERIFY) if stepwise else old.edited("apps/web/deployment.yaml", "web:v1", "web:v2")
    )
    made = forth(old, new.but({"apps/web/claim.yaml": after}))
    message = f"release/web: a return from this would be refused: it would delete {told}"
    assert [one.message for one in made.checks if "would be refused" in one.message] == ([message] if told else [])


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        (stateful(3, SCALED), stateful(2, SCALED), f"scaling {DB} deletes the claims of the pods that go"),
        (stateful(3, ""), stateful(2, ""), ""),
        (stateful(2, "whenDeleted"), None, f"deleting {DB} deletes the data in it"),
        (stateful(2, SCALED), None, ""),
    ],
)
def test_g21_data_that_goes_with_pods_or_their_workload_is_said_and_part_of_no_return(
    files: Files, old: str, new: str | None, lost: str
) -> None:
    before, after = (files.but({"apps/web/db.yaml": body}) for body in (old, new))
    made = plan(after.side, before.good)
    (change,) = (one for one in made.changes if one.subject == DB)
    assert change.reversible is not bool(lost)
    assert [one.message.partition(",")[0].partition(";")[0] for one in made.checks if DB in one.message] == (
        [lost] if lost else []
    )


def test_g21_what_would_take_its_data_along_is_not_stopped(files: Files) -> None:
    new = stepped(files, *ALL)
    body = {"kind": "StatefulSet", "spec": {"persistentVolumeClaimRetentionPolicy": {SCALED: "Delete"}}}
    there = ObservedObject(ObjectRef("apps", "v1", "StatefulSet", "web", "db"), exists=True, owner="web", live=body)
    message = f"stop_traffic would delete the data of {DB}, which runs there: its claims go with its pods"
    assert blocked(back(files, new, extra=(there,)), "stop_traffic") == [message]


@pytest.mark.parametrize("returning", [True, False], ids=["a return that was granted", "a revert"])
def test_what_a_rollout_made_goes_with_its_return_however_much_it_is(files: Files, returning: bool) -> None:  # noqa: FBT001
    made = {f"apps/web/more-{number}.yaml": config(f"more-{number}") for number in range(6)}
    new = files.but({**made})
    found = plan(files.good, new.side, observed=seen(files.good, new.side), returning=returning)
    assert blocked(found, "the cap is") == (
        [] if returning else ["deleting 6 of 9 owned objects: the cap is 3 objects or 10 %"]
    )
