"""A Job is run as one operation: made once, waited for, told of without secrets, and never left to run on."""

import base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.app.jobs import JobRunner
from reconciler.app.operations import Order, Step
from reconciler.errors import ReconcilerError, Refused, Rejected, Unavailable, Withdrawn
from reconciler.kube.kubeconfig import parse_kubeconfig
from reconciler.kube.target import KubeTarget
from reconciler.names import ObjectRef
from reconciler.plan.change import Action, Plan
from reconciler.plan.jobs import JobAsk, run_action
from reconciler.plan.units import ref_of
from reconciler.ports import Clock, Readiness
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.sandbox.cluster_http import Asked
from reconciler.secret import MASK
from reconciler.specs.desired import Desired
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.release_source import ReleaseSource
from reconciler.state.observed import Failure
from tests.faults.refusing import Fault, RefusingCluster, Strike
from tests.leaks.forms import Searcher
from tests.plan.said import release as released

KEY = b"k" * 32
PASSWORD = "tr0ub4dor-and-3"


class Fast:
    """A clock whose waits cost nothing."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def wait(self, duration: timedelta) -> bool:
        self.time += duration
        return False


class Admitting(Fast):
    """Time passes, and then somebody lets a Job go on that was made suspended, as Kueue does."""

    def __init__(self, cluster: SandboxCluster, after: int) -> None:
        super().__init__()
        self.cluster, self.left = cluster, after

    def wait(self, duration: timedelta) -> bool:
        self.left -= 1
        if self.left == 0:
            suspend(self.cluster, is_so=False)
        return super().wait(duration)


def suspend(cluster: SandboxCluster, *, is_so: bool) -> None:
    (name,) = jobs(cluster)
    cluster.edit(f"apis/batch/v1/namespaces/web/jobs/{name}", {"spec": {"suspend": is_so}}, "kueue")


@pytest.fixture
def cluster() -> Iterator[RefusingCluster]:
    with RefusingCluster() as found:
        found.place("api/v1/namespaces", {"metadata": {"name": "web"}})
        yield found


@pytest.fixture
def kube(cluster: SandboxCluster) -> Iterator[KubeTarget]:
    target = KubeTarget(parse_kubeconfig(cluster.kubeconfig()), installation="test")
    target.begin("web", "web", 7, "event-7")
    yield target
    target.close()


def job(tag: str = "v1", **spec: Any) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "it", "image": f"registry.example/db:{tag}"}]}
    metadata = {"name": "down", "namespace": "web"}
    body = {"template": {"spec": pod}, **spec}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": body}


def side(body: dict[str, Any], password: str = PASSWORD) -> Desired:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": password}}
    source = ReleaseSource(SourceKind.MANIFESTS, "web", objects=(secret,), jobs=(body,))
    return Desired(releases={"web": released()}, sources={"web": source})


def action(body: dict[str, Any], seconds: int = 30) -> Action:
    ask = JobAsk("release/web", "web", "one", Failure("", ""), KEY)
    return run_action(ask, body, "rollback.steps[1]: migrate_database", seconds, 2)


def order(once: str = "return 1") -> Order:
    plan = Plan.model_construct(environment="dev")  # type: ignore[call-arg]
    return Order(plan, 7, 1, "event-7", 1000, "dev-7", once)


def ran(
    kube: KubeTarget, body: dict[str, Any], *, once: str = "return 1", clock: Clock | None = None, old: str = ""
) -> Step:
    others = (side(body, old),) if old else ()
    runner = JobRunner(clock or Fast(), KEY, others=others)
    runner.start(kube, action(body), side(body), order(once))
    return runner.finish(kube, action(body), side(body), order(once))


def jobs(cluster: SandboxCluster) -> dict[str, dict[str, Any]]:
    return {body["metadata"]["name"]: body for body in cluster.contents().values() if body["kind"] == "Job"}


def wrote(cluster: SandboxCluster, text: str) -> None:
    """What the pod of the only Job wrote."""
    (name,) = jobs(cluster)
    metadata = {"name": f"{name}-x", "labels": {"job-name": name}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "it"}]}}
    cluster.place("api/v1/namespaces/web/pods", pod)
    cluster.logs[f"web/{name}-x"] = text


def test_it_is_run_once_however_often_it_is_entered(kube: KubeTarget, cluster: SandboxCluster) -> None:
    assert [ran(kube, job()).failure for _ in range(3)] == [None] * 3
    (name,) = jobs(cluster)
    assert name.startswith("down-")
    assert [one.verb for one in cluster.real_effects if "/jobs/" in one.path] == ["patch"]
    assert ran(kube, job(), once="return 2").failure is None  # another return is another operation
    assert len(jobs(cluster)) == 2


def test_g25_who_finds_it_running_counts_on_it_so_that_nobody_takes_it_away(
    kube: KubeTarget, cluster: SandboxCluster
) -> None:
    """Who made it may stand still, and find out later that its answer came too late."""
    ran(kube, job())
    ref = ObjectRef("batch", "v1", "Job", "web", *jobs(cluster))
    again = came_back(cluster)
    for _ in range(2):  # said once, and asked once whether it is the approved one
        assert ran(again, job()).failure is None
    seen = again.job(ref)
    assert seen is not None
    assert seen.claimed
    assert [(one.verb, one.dry_run) for one in cluster.effects if "/jobs" in one.path] == [
        ("patch", False),
        ("create", True),
        ("patch", False),
    ]
    again.close()


def test_one_that_failed_is_not_begun_again_and_says_what_it_wrote_without_secrets(
    kube: KubeTarget, cluster: SandboxCluster
) -> None:
    body = job("broken")
    JobRunner(Fast(), KEY).start(kube, action(body), side(body), order())
    wrote(cluster, f"opening with {PASSWORD}\npostgres://u:hunter22@db/x: no such column\n")
    step = ran(kube, body)
    assert step.failure is not None
    assert step.failure.key == "release_rollback_failed"
    assert "BackoffLimitExceeded" in step.failure.message
    assert "no such column" in step.failure.message
    assert step.result is not None
    for text in (step.failure.message, step.result.log, step.result.stderr):
        assert PASSWORD not in text
        assert "hunter22" not in text
    assert len([one for one in cluster.real_effects if "/jobs/" in one.path]) == 1


def test_what_a_job_says_of_itself_is_told_without_secrets(kube: KubeTarget, cluster: SandboxCluster) -> None:
    """Who ends it may repeat what it holds: a policy, or a controller in a condition."""
    JobRunner(Fast(), KEY).start(kube, action(job("hanging")), side(job("hanging")), order())
    (name,) = jobs(cluster)
    ended = {"type": "Failed", "status": "True", "reason": "Denied", "message": f"value {PASSWORD} is not allowed"}
    cluster.edit(f"apis/batch/v1/namespaces/web/jobs/{name}", {"status": {"conditions": [ended]}}, "policy")
    step = ran(kube, job("hanging"))
    assert step.failure is not None
    assert f"Denied: value {MASK} is not allowed" in step.failure.message


def test_one_that_does_not_end_is_stopped_so_that_it_does_nothing_later(
    kube: KubeTarget, cluster: SandboxCluster
) -> None:
    step = ran(kube, job("hanging"))
    assert step.failure is not None
    assert "it had not ended 0:01:30 after it was made, and is stopped" in step.failure.message
    (body,) = jobs(cluster).values()
    assert (body["spec"]["suspend"], body["spec"]["parallelism"], body["spec"]["activeDeadlineSeconds"]) == (True, 0, 1)
    again = ran(kube, job("hanging"))  # as after a crash: it is not begun again
    assert again.failure is not None
    assert len(jobs(cluster)) == 1


PULLS = "pod down-x: container it cannot pull image db:gone: ErrImagePull"
STOPPED = "it had not ended 0:01:30 after it was made, and is stopped"
DENIED = "FailedCreate: admission webhook denied the request: value "
LAST: dict[str, tuple[str, str | ReconcilerError, str]] = {  # its image, what its pods say, and what is told
    "it never ran": ("hanging", PULLS, f"{STOPPED}; last seen: {PULLS}"),
    "it ran": ("hanging", "", STOPPED),
    "it ended": ("broken", PULLS, f"BackoffLimitExceeded; last seen: {PULLS}"),
    "its event says what it says": ("broken", "BackoffLimitExceeded", "failed: BackoffLimitExceeded"),
    "it repeats a secret": ("broken", f"{DENIED}{PASSWORD}", f"last seen: {DENIED}{MASK}"),
    "nobody may look": ("hanging", Rejected("no", key=""), STOPPED),
    "nobody can look": ("broken", Unavailable("no", key=""), "failed: BackoffLimitExceeded"),
}


@pytest.mark.parametrize(("tag", "seen", "words"), LAST.values(), ids=LAST)
def test_one_whose_pod_never_ran_says_why(
    kube: KubeTarget, monkeypatch: pytest.MonkeyPatch, tag: str, seen: str | ReconcilerError, words: str
) -> None:
    def readiness(refs: list[ObjectRef]) -> tuple[Readiness, ...]:
        if isinstance(seen, ReconcilerError):
            raise seen
        return tuple(Readiness(ref, "InProgress", "it runs", seen) for ref in refs)

    monkeypatch.setattr(kube, "readiness", readiness)
    step = ran(kube, job(tag))
    assert step.failure is not None
    assert step.failure.message.endswith(words)


def test_one_that_admission_suspended_is_waited_for_and_not_taken_for_one_that_ended(
    kube: KubeTarget, cluster: SandboxCluster
) -> None:
    body = job()
    JobRunner(Fast(), KEY).start(kube, action(body), side(body), order())
    suspend(cluster, is_so=True)
    assert ran(kube, body, clock=Admitting(cluster, after=9)).failure is None


def test_one_that_admission_never_let_go_says_so_and_does_nothing_when_it_is_let_go_later(
    kube: KubeTarget, cluster: SandboxCluster
) -> None:
    body = job()
    JobRunner(Fast(), KEY).start(kube, action(body), side(body), order())
    suspend(cluster, is_so=True)
    step = ran(kube, body)
    assert step.failure is not None
    assert "it stood suspended 0:01:30 after it was made: whoever admits Jobs there" in step.failure.message
    suspend(cluster, is_so=False)
    (found,) = jobs(cluster).values()
    assert (found["spec"]["parallelism"], found["spec"]["activeDeadlineSeconds"]) == (0, 1)


def test_one_that_cannot_be_stopped_is_told_as_going_on(kube: KubeTarget, cluster: SandboxCluster) -> None:
    class Undoing(Fast):
        def wait(self, duration: timedelta) -> bool:
            (name,) = jobs(cluster)
            cluster.edit(f"apis/batch/v1/namespaces/web/jobs/{name}", {"spec": {"parallelism": 1}}, "somebody")
            return super().wait(duration)

    step = ran(kube, job("hanging"), clock=Undoing())
    assert step.failure is not None
    assert "GOES ON" in step.failure.message


def test_of_a_long_log_the_end_is_told_in_whole_lines(kube: KubeTarget, cluster: SandboxCluster) -> None:
    body = job("broken")
    JobRunner(Fast(), KEY).start(kube, action(body), side(body), order())
    wrote(cluster, "".join(f"{number}: {'x' * 1000}\n" for number in range(400)) + "no such column\n")
    step = ran(kube, body)
    assert step.result is not None
    assert step.result.log.endswith("no such column\n")
    assert step.failure is not None
    assert "no such column" in step.failure.message
    cluster.logs = dict.fromkeys(cluster.logs, "begins\n" + "x" * 2**21 + "\n")
    assert kube.job_log(ref_of(next(iter(jobs(cluster).values())))).startswith("(the last line of down-")
    cluster.logs = dict.fromkeys(cluster.logs, f"{'y' * 200000} {PASSWORD}")
    assert kube.job_log(ref_of(next(iter(jobs(cluster).values())))) == "(the last line of it is too long to be told)\n"


OLD = "the-old-p4ssword"
KEY_LINES = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n"
WROTE = {
    "the new one": f"with {PASSWORD}\n",
    "the old one": f"with {OLD}\n",
    "encoded": f"with {base64.b64encode(PASSWORD.encode()).decode()}\n",
    "the old one, encoded": f"with {base64.b64encode(OLD.encode()).decode()}\n",
    "encoded among others": f"with {base64.b64encode(f'user:{PASSWORD}@db'.encode()).decode()}\n",
    "encoded over lines": base64.encodebytes(f"{'user:'.rjust(50)}{PASSWORD}@db".encode()).decode(),
    "the end of a key": f"{KEY_LINES}-----END PRIVATE KEY-----\nand more\n",
}


@pytest.mark.parametrize("text", WROTE.values(), ids=WROTE)
def test_what_its_pods_wrote_holds_no_secret_of_either_version(
    text: str, kube: KubeTarget, cluster: SandboxCluster
) -> None:
    body = job()
    JobRunner(Fast(), KEY).start(kube, action(body), side(body), order())
    wrote(cluster, text)
    step = ran(kube, body, old=OLD)
    assert step.result is not None
    left = step.result.log
    assert MASK in left
    assert not Searcher({"new": PASSWORD, "old": OLD, "key": KEY_LINES}).found(left.encode())


def test_the_cluster_ends_it_by_itself_and_tries_it_once(kube: KubeTarget, cluster: SandboxCluster) -> None:
    ran(kube, job())
    (body,) = jobs(cluster).values()
    assert (body["spec"]["activeDeadlineSeconds"], body["spec"]["backoffLimit"]) == (30, 0)
    ran(kube, job(activeDeadlineSeconds=5, backoffLimit=2), once="return 2")
    other = next(one for one in jobs(cluster).values() if one != body)
    assert (other["spec"]["activeDeadlineSeconds"], other["spec"]["backoffLimit"]) == (5, 2)


def test_what_is_not_the_approved_job_is_not_run(kube: KubeTarget, cluster: SandboxCluster) -> None:
    with pytest.raises(Refused) as refused:
        JobRunner(Fast(), KEY).start(kube, action(job()), side(job("v2")), order())
    assert refused.value.key == "preview_mismatch"
    assert jobs(cluster) == {}


def test_one_that_somebody_took_away_has_an_end_that_nobody_knows(kube: KubeTarget) -> None:
    body = job()
    step = JobRunner(Fast(), KEY).finish(kube, action(body), side(body), order())
    assert step.failure is not None
    assert "nobody knows how it ended" in step.failure.message


def looks(asked: Asked) -> bool:
    """A look at one Job."""
    return asked.method == "GET" and "/jobs/down-" in asked.path


@pytest.mark.parametrize("look", [1, 3, 4], ids=["before it is made", "by who made it", "while it is waited for"])
def test_a_run_that_may_be_there_and_may_not_be_looked_at_is_waited_for(
    cluster: RefusingCluster, kube: KubeTarget, look: int
) -> None:
    """So its release gets no pods while it may be running: only what surely was not made has failed."""
    cluster.strike = Strike(Fault.FORBIDDEN, look, lasts=False, counts=looks)
    with suppress(Unavailable):
        ran(kube, job())
    assert (cluster.strike.met, len(jobs(cluster))) == (1, int(look > 1))
    step = ran(kube, job())
    assert (step.failure, len(jobs(cluster))) == (None, 1)


class Mirroring(RefusingCluster):
    """Admission writes another registry into every Job, as a policy does."""

    registry = "mirror.example"

    def _respond(self, asked: Asked) -> tuple[int, str | bytes]:
        if asked.method in ("POST", "PATCH") and "/jobs" in asked.path:
            for one in asked.body["spec"].get("template", {}).get("spec", {}).get("containers", []):
                one["image"] = f"{self.registry}/{one['image'].partition('/')[2]}"
        return super()._respond(asked)


def came_back(cluster: SandboxCluster) -> KubeTarget:
    target = KubeTarget(parse_kubeconfig(cluster.kubeconfig()), installation="test")
    target.begin("web", "web", 7, "event-7")
    return target


def test_a_run_that_admission_rewrites_is_known_again_after_a_restart() -> None:
    with Mirroring() as cluster:
        cluster.place("api/v1/namespaces", {"metadata": {"name": "web"}})
        assert ran(came_back(cluster), job()).failure is None
        assert ran(came_back(cluster), job()).failure is None
        cluster.registry = "other.example"  # nobody can tell any more whether that is what was approved
        with pytest.raises(Refused, match=r"is not made of what was approved .*image") as refused:
            ran(came_back(cluster), job())
        assert refused.value.key == "target_changed"


TRIAL: dict[Fault, type[ReconcilerError]] = {
    Fault.FORBIDDEN: Unavailable,
    Fault.INVALID: Unavailable,
    Fault.DENIED: Unavailable,
    Fault.BUSY: Unavailable,
    Fault.AWAY: Unavailable,
    Fault.EXPIRED: Withdrawn,
}


@pytest.mark.parametrize("fault", TRIAL)
def test_a_run_that_is_found_and_may_be_ours_is_waited_for_until_somebody_can_say(
    cluster: RefusingCluster, kube: KubeTarget, fault: Fault
) -> None:
    ran(kube, job())
    again = came_back(cluster)
    cluster.strike = Strike(
        fault, 1, lasts=False, counts=lambda asked: asked.method == "POST" and "/jobs" in asked.path
    )
    with pytest.raises(TRIAL[fault]):
        ran(again, job())
    assert (cluster.strike.met, ran(again, job()).failure, len(jobs(cluster))) == (1, None, 1)


def test_one_that_takes_the_place_of_a_run_while_that_is_waited_for_is_not_believed(
    kube: KubeTarget, cluster: SandboxCluster
) -> None:
    class Replacing(Fast):
        def wait(self, duration: timedelta) -> bool:
            ((name, live),) = jobs(cluster).items()
            if not live["status"].get("conditions"):
                cluster.remove(f"apis/batch/v1/namespaces/web/jobs/{name}")
                metadata = {key: live["metadata"][key] for key in ("name", "labels", "annotations")}
                done = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
                body = {**job("v0"), "metadata": metadata, "status": done}
                cluster.place("apis/batch/v1/namespaces/web/jobs", body, "somebody")
            return super().wait(duration)

    with pytest.raises(Refused, match="is not made of what was approved"):
        ran(kube, job("hanging"), clock=Replacing())


@pytest.mark.parametrize("wanted", [looks, lambda asked: asked.method == "PATCH"], ids=["a look", "the write"])
def test_a_run_that_surely_was_not_made_has_failed_at_once(
    cluster: RefusingCluster, kube: KubeTarget, wanted: Callable[[Asked], bool]
) -> None:
    cluster.strike = Strike(Fault.FORBIDDEN, 2 if wanted is looks else 1, lasts=False, counts=wanted)
    with pytest.raises(Rejected, match="cannot do this"):
        ran(kube, job())
    assert not jobs(cluster)


def test_a_hook_that_may_not_be_looked_at_has_failed_at_once(cluster: RefusingCluster, kube: KubeTarget) -> None:
    cluster.strike = Strike(Fault.FORBIDDEN, 1, lasts=True, counts=looks)
    hook = action(job()).model_copy(update={"step": 0})
    with pytest.raises(Rejected, match="cannot do this"):
        JobRunner(Fast(), KEY).start(kube, hook, side(job()), order())
