"""The moments in which the reconciler is killed, as data: what people did before, which process runs, what it leaves.

A scene begins where the reconciler has not looked yet. Its first run is the one that is killed; then all of its runs
follow, so what a restart makes of it is compared with what the same runs leave where nobody was killed.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.app.settings import FILE_NAME, load_settings
from reconciler.approval.decision import Verb
from reconciler.names import Revision
from tests.failpoints import pinned, stepped
from tests.failpoints.points import Point
from tests.failpoints.stepped import JOB as JOB
from tests.failpoints.stepped import job as job
from tests.failpoints.stepped import landed as _landed
from tests.failpoints.stepped import with_steps as with_steps
from tests.failpoints.theatre import Theatre
from tests.failpoints.watched import Refusal
from tests.story.connecting import rotation, withdraw
from tests.story.gateway import DEFINITION, DEFINITIONS, TEXT
from tests.story.gateway import MANIFEST as ROUTES
from tests.story.stage import RELEASE, Stage

SERVICE = "releases/svc-a/manifests/service.yaml"
MANIFEST = "releases/svc-a/manifests/deployment.yaml"
SETTINGS = "policy/settings.yaml"

Runs = Callable[[Theatre], tuple[tuple[str, ...], ...]]

_PUSHES = frozenset({Point.STEP_PUSH, Point.STEP_REF})
_RECORDS = _PUSHES | {Point.AUDIT_APPEND, Point.STEP_ANCHOR}
_SAYS = _RECORDS | {Point.FORGE_STATUS}
_NEW = frozenset({Point.FORGE_COMMENT, Point.STEP_CACHE})  # a commit that nobody parsed is parsed, and commented on
_APPLIES = _SAYS | {Point.KUBE_BEGIN, Point.KUBE_APPLY, Point.STEP_REQUEST}
_WALKS = _APPLIES | {Point.KUBE_STOP, Point.KUBE_RESTORE, Point.KUBE_RUN_JOB}
_GIVES_UP = (_WALKS | {Point.KUBE_DELETE}) - {Point.KUBE_APPLY}
_INSTALLS = _RECORDS | {
    *(Point.HOST_DELIVER, Point.HOST_RUN_HOOK, Point.HOST_RECORD, Point.STEP_QUESTION),
    *(Point.KUBE_BEGIN, Point.KUBE_APPLY, Point.STEP_REQUEST, Point.FORGE_STATUS),
}


def once(theatre: Theatre) -> tuple[tuple[str, ...], ...]:
    """The reconciler looks until nothing changes."""
    return (theatre.reconciler("run", "--once"),)


def a_member_approves(theatre: Theatre) -> tuple[tuple[str, ...], ...]:
    """A person's command, and then the reconciler."""
    world = theatre.world
    digest = theatre.digest_of("dep-appr-1")
    who = ("--repo", str(world.origin), "--branch", "main", "--as", "approver_user")
    key = ("--key", str(world.folder / "keys" / "approver_user"))
    return ((*who, *key, "pr", "approve", "1", "--digest", digest), *once(theatre))


@dataclass(frozen=True, slots=True)
class Scene:
    """`reaches`: every point that its first run comes to; the cache only where something new is surely parsed."""

    name: str
    prepare: Callable[[Stage], object]
    reaches: frozenset[Point]
    runs: Runs = once
    world: str = "plain"
    meanwhile: Callable[[Theatre], None] = lambda _theatre: None  # between a death and the next process


def _opened(stage: Stage, tag: str = "v2.0.1") -> int:
    """A pull request that nobody has looked at."""
    stage.world.commit("next", {RELEASE: stage.release_text(tag)}, author="dev_user", branch="change")
    return stage.desk("dev_user").person().open("change", "main", "a change")


def _merged(stage: Stage, tag: str = "v2.0.1") -> None:
    """An approved pull request whose merge nobody has looked at."""
    number = stage.propose(tag=tag)
    stage.approve(number)
    stage.merge(number, settle=False)


def _moved(stage: Stage) -> None:
    """A previewed pull request with a newer commit."""
    _opened(stage)
    stage.settle()
    stage.world.commit("other", {RELEASE: stage.release_text("v2.0.2")}, author="dev_user", branch="change")


def _removed(stage: Stage) -> None:
    """An approved removal of one object."""
    number = stage.propose({SERVICE: None}, branch="less")
    stage.approve(number)
    stage.merge(number, settle=False)


def _pushed(stage: Stage) -> str:
    """A commit that came without a pull request."""
    return stage.world.commit("straight", {RELEASE: stage.release_text("v2.0.1")}, author="dev_user")


def _refused(stage: Stage) -> None:
    """A pull request that was rejected and merged all the same: its plan is held under the digest that it had."""
    number = stage.propose()
    state = stage.preview(number)
    stage.desk("approver_user").person().reject(
        number,
        reason="no",
        expected_head=stage.pull(number).head,
        digest=state.previewed.digest,
        event=str(state.event),
    )
    stage.settle()
    desk = stage.desk("dev_user")
    desk.required = ()
    stage.merge(number, settle=False)


def _decided(verb: Verb) -> Callable[[Stage], None]:
    """A held commit about which somebody decided."""

    def prepare(stage: Stage) -> None:
        pushed = _pushed(stage)
        stage.settle()
        state = stage.ledger.previews[f"dep-appr-{pushed[:12]}"]
        stage.desk("approver_user").decide(state, verb, reason="looked at it")

    return prepare


def _ordered(verb: Verb) -> Callable[[Stage], None]:
    """An order about a release that was applied."""

    def prepare(stage: Stage) -> None:
        _merged(stage)
        stage.settle()
        stage.desk("dev_user").order("release/svc-a", verb, reason="now")

    return prepare


def _asked(stage: Stage) -> None:
    """A comment that asks to hold, under a pull request that was previewed."""
    number = stage.propose()
    stage.desk("dev_user").person().comment(number, "/reconciler hold")


def _blue_green(stage: Stage) -> None:
    """An approved pull request that makes a release blue-green, with a new version; nobody has looked at its merge."""
    strategy = "strategy: {type: blue_green, blueGreen: {service: svc-a, scaleDownDelay: 0s}}"
    asked = "health: {timeout: 5m, checks: [{http: {url: 'http://svc-a.svc-a.svc/healthz'}}]}"
    text = stage.release_text("v2.0.1").replace("health: {timeout: 5m}", asked).rstrip() + f"\n  {strategy}\n"
    number = stage.propose({RELEASE: text})
    stage.approve(number)
    stage.merge(number, settle=False)


def _refused_back(refusal: Refusal) -> Callable[[Stage], None]:
    """A version that fails, and goes back by steps of which the cluster refuses one."""

    def prepare(stage: Stage) -> None:
        stepped.failing(stage)
        stepped.refusing(stage, refusal)

    return prepare


def _hooked(stage: Stage) -> None:
    """An approved pull request of a next version with a Job before it and one after it."""
    hooks = "hooks: [{name: up, when: before, job: upgrade}, {name: warm, when: after, job: warm}]"
    text = f"{stage.release_text('v2.0.1').rstrip()}\n  {hooks}\n"
    number = stage.propose({RELEASE: text, JOB: job("upgrade") + "---\n" + job("warm")})
    stage.approve(number)
    stage.merge(number, settle=False)


def _canary(stage: Stage) -> None:
    """An approved pull request of a next version with a canary whose merge nobody has looked at."""
    strategy = "strategy: {type: canary, canary: {steps: [{weight: 20, pause: 0s}, {weight: 80, pause: 0s}]}}"
    number = stage.propose({RELEASE: stage.release_text("v2.0.1").rstrip() + f"\n  {strategy}\n"})
    stage.approve(number)
    stage.merge(number, settle=False)


def _more(stage: Stage, words: str) -> None:
    _landed(stage, {RELEASE: f"{stage.release_text('v2.0.1').rstrip()}\n  {words}\n"})


def _replaced(stage: Stage) -> None:
    """A Deployment with another selector, which is deleted and made again."""
    text = stage.world.example()[MANIFEST].replace("{app: svc-a}", "{app: svc-a, side: web}")
    text = text.replace("metadata:\n", "metadata:\n  annotations: {opspilot.spec/replace: allowed}\n", 1)
    _landed(stage, {MANIFEST: text, RELEASE: stage.release_text("v2.0.1")})


def _let_go(stage: Stage) -> None:
    """A release that goes and leaves everything running."""
    _landed(stage, {RELEASE: f"{stage.release_text('v2.0.0').rstrip()}\n  onRemoval: forget\n"}, "forget")
    stage.settle()
    _landed(stage, {RELEASE: None})


def _adopted(stage: Stage) -> None:
    """A new release that takes over what somebody runs."""
    cluster = stage.world.sandbox("prod")
    (body,) = (one for one in cluster.contents().values() if one["kind"] == "Deployment")
    spec = json.loads(json.dumps(body["spec"]).replace("svc-a", "shop"))
    shop = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"}, "spec": spec}
    cluster.place("apis/apps/v1/namespaces/svc-a/deployments", shop, "kubectl-client-side-apply")
    text = stage.world.example()[RELEASE].replace("name: svc-a", "name: shop").replace("/manifests}", "/shop}")
    _landed(stage, {"releases/shop.yaml": text, "releases/svc-a/shop/all.json.yaml": json.dumps(shop)})


def _routed(stage: Stage) -> None:
    """The same where an HTTPRoute has weights, and old and new pods are told apart already."""
    for cluster in ("prod", "staging"):
        stage.world.sandbox(cluster).place(DEFINITIONS, DEFINITION)
    strategy = "strategy: {type: canary, canary: {steps: [{weight: 20, pause: 0s}, {weight: 80, pause: 0s}]}}"
    for tag in ("v2.0.0", "v2.0.1"):
        text = f"{stage.release_text(tag).rstrip()}\n  {strategy}\n"
        number = stage.propose({RELEASE: text, ROUTES: TEXT}, branch=f"route-{tag}")
        stage.approve(number)
        stage.merge(number, settle=tag == "v2.0.0")


def _returned(stage: Stage) -> None:
    """The merged revert pull request of what was rolled back, which is ours and needs no approval."""
    _ordered(Verb.ROLLBACK)(stage)
    stage.settle()
    (revert,) = stage.world.opened.forge.open_pull_requests()
    stage.merge(revert.number, settle=False)


def _failed(stage: Stage) -> None:
    """A release that failed and returned, and somebody who says that it is to be tried again."""
    _merged(stage, "v2.0.1-broken")
    stage.settle()
    stage.desk("dev_user").order("release/svc-a", Verb.RETRY, reason="again")


def _burning(stage: Stage) -> int:
    """A small change for which somebody broke the glass."""
    manifest = stage.world.example()[MANIFEST].replace("replicas: 2", "replicas: 5")
    number = stage.propose({MANIFEST: manifest}, branch="scale")
    stage.desk("admin").decide(stage.preview(number), Verb.EMERGENCY, reason="it burns")
    return number


def _burnt(stage: Stage) -> tuple[int, Revision]:
    """The same, merged."""
    number = _burning(stage)
    stage.settle()
    return number, stage.merge(number, settle=False)


def _looked_at(stage: Stage) -> None:
    """A second person looked at it after it was applied."""
    number, merged = _burnt(stage)
    stage.settle()
    desk = stage.desk("approver_user")
    desk.decide_commit(stage.preview(number), merged, Verb.APPROVE, reason="was right")


def _drifted(stage: Stage) -> None:
    """Somebody changed what was applied, and putting it right was recorded and not begun."""
    stage.settle()
    patch = {"data": {"LOG_LEVEL": "trace"}}
    stage.world.sandbox("prod").edit("api/v1/namespaces/svc-a/configmaps/svc-a", patch, "kubectl-edit")
    assert stage.world.opened.reconciler.drift.look(taken_in=True)


def _left(stage: Stage) -> None:
    """An approved next version, of which fields that only we set so far are left to others."""
    rule = '{kind: ConfigMap, name: svc-a, jsonPointers: ["/data/LOG_LEVEL"]}'
    pods = '{kind: Deployment, name: svc-a, jsonPointers: ["/spec/replicas"]}'
    _more(stage, f"ignoreDifferences: [{rule}, {pods}]")


def _rotated(stage: Stage) -> None:
    """A return on order, after the connection was changed and the old one withdrawn."""
    _merged(stage)
    stage.settle()
    _landed(stage, rotation(stage), "rotate")
    stage.settle()
    withdraw(stage)
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="back")


def _caches_gone(theatre: Theatre) -> None:
    """Deleting them loses nothing: the mirror, the records kept while the branch is away, parsed specs."""
    shutil.rmtree(load_settings(theatre.world.home / FILE_NAME).cache)


def _first(stage: Stage) -> None:
    """The first plan, which a root signature approved."""
    stage.settle()
    (state, *_) = stage.ledger.previews.values()
    stage.desk("root").decide(state, Verb.APPROVE, reason="first plan")


SCENES = {
    scene.name: scene
    for scene in (
        Scene("preview", _opened, _SAYS | _NEW),
        Scene("release", _merged, _APPLIES),
        Scene("pinned", pinned.merged, _APPLIES),
        Scene("moved", _moved, _SAYS | _NEW),
        Scene("broken", lambda stage: _merged(stage, "v2.0.1-broken"), _APPLIES),
        Scene("canary", _canary, _APPLIES | {Point.KUBE_DELETE}),
        Scene("weights", _routed, _APPLIES | {Point.KUBE_DELETE}),
        Scene("blue-green", _blue_green, _APPLIES | {Point.KUBE_DELETE}),
        Scene("recreate", lambda stage: _more(stage, "strategy: {type: recreate}"), _APPLIES),
        Scene(
            "autoscaled", lambda stage: _more(stage, "autoscaling: {minReplicas: 1, maxReplicas: 9, cpu: 50}"), _APPLIES
        ),
        Scene("left", _left, _APPLIES),
        Scene("rotated", _rotated, _APPLIES | {Point.FORGE_PROPOSE, Point.FORGE_COMMENT}),
        Scene("replace", _replaced, _APPLIES | {Point.KUBE_DELETE}),
        Scene("adoption", _adopted, _APPLIES),
        Scene(
            "removed",
            lambda stage: _landed(stage, {RELEASE: None}),
            (_APPLIES | {Point.KUBE_DELETE}) - {Point.KUBE_APPLY},
        ),
        Scene("let-go", _let_go, (_APPLIES | {Point.KUBE_DELETE}) - {Point.KUBE_APPLY}),
        Scene("way-back", stepped.failing, _WALKS),
        Scene("no-way-back", lambda stage: stepped.failing(stage, "broken"), _WALKS),
        Scene("unanswered", lambda stage: stepped.failing(stage, asked=stepped.NOBODY), _WALKS),
        Scene("unrestored", _refused_back(Refusal.PODS), _WALKS),
        Scene("unreturned", _refused_back(Refusal.OLD), _WALKS),
        Scene("unmade", _refused_back(Refusal.JOBS), _WALKS),
        Scene("reverted", stepped.reverted, _WALKS | {Point.KUBE_DELETE}),
        Scene("not-reverted", lambda stage: stepped.reverted(stage, "broken"), _GIVES_UP),
        Scene("two-ways-back", lambda stage: stepped.both(stage, shop="v2.0.1-broken"), _WALKS),
        Scene(
            "one-way-back",
            lambda stage: stepped.both(stage, shop="v2.0.1-broken", tag="broken"),
            _WALKS,
        ),
        Scene(
            "one-went-back",
            lambda stage: stepped.both(stage, shop="v2.0.1-broken", tag="broken", after="svc-a"),
            _WALKS,
        ),
        Scene(
            "depended-on", lambda stage: stepped.both(stage, ours="v2.0.1-broken", shop="v2.0.1", after="svc-a"), _WALKS
        ),
        Scene("dependent", lambda stage: stepped.both(stage, shop="v2.0.1-broken", after="svc-a"), _WALKS),
        Scene("everywhere", stepped.everywhere, _WALKS),
        Scene("hooks", _hooked, _APPLIES | {Point.KUBE_RUN_JOB}),
        Scene("removal", _removed, (_APPLIES | {Point.KUBE_DELETE}) - {Point.KUBE_APPLY}),
        Scene("held", _pushed, _SAYS | {Point.STEP_CACHE}),
        Scene("refused", _refused, _SAYS | {Point.FORGE_COMMENT}),
        Scene("admitted", _decided(Verb.APPROVE), _APPLIES),
        Scene("rejected", _decided(Verb.REJECT), _SAYS | {Point.FORGE_PROPOSE}),
        Scene("rollback", _ordered(Verb.ROLLBACK), _APPLIES | {Point.FORGE_PROPOSE, Point.FORGE_COMMENT}),
        Scene("hold", _ordered(Verb.HOLD), _SAYS),
        Scene("comment", _asked, _SAYS | {Point.FORGE_COMMENT}),
        Scene("approve", Stage.propose, _PUSHES, a_member_approves),
        Scene("retry", _failed, _APPLIES),
        Scene("returned", _returned, _SAYS),
        Scene("forgotten", _merged, _APPLIES, meanwhile=_caches_gone),
        Scene("glass", _burning, _SAYS | {Point.FORGE_COMMENT}, world="told"),
        Scene("emergency", _burnt, _APPLIES | {Point.PEOPLE_ANNOUNCE}, world="told"),
        Scene("looked", _looked_at, _SAYS | {Point.PEOPLE_ANNOUNCE}, world="told"),
        Scene("heal", _drifted, _APPLIES, world="healing"),
        Scene("install", _first, _INSTALLS, world="hosts"),
    )
}
