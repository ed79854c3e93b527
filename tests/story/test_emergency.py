"""Break glass, on the whole product: signed, previewed, small, told to others, looked at by a second person (G23)."""

from dataclasses import dataclass, field

from reconciler.approval.decision import Verb
from reconciler.errors import Unavailable
from reconciler.secret import Secret
from reconciler.state.observed import Json
from tests.story.stage import DEPLOYMENT, Stage

MANIFEST = "releases/svc-a/manifests/deployment.yaml"
SETTINGS = "policy/settings.yaml"
HOOK = "https://hooks.invalid/emergency"


@dataclass
class Heard:
    """Who was told what; away as long as `away` says so."""

    told: list[tuple[str, Json]] = field(default_factory=list)
    away: bool = False

    def announce(self, url: str, token: Secret | None, message: Json) -> None:
        if self.away:
            raise Unavailable(f"telling {url}: nobody answers")
        assert token is None
        self.told.append((url, message))


def scaled(stage: Stage, replicas: int) -> dict[str, str | None]:
    text = stage.world.example()[MANIFEST]
    assert "replicas: 2" in text
    return {MANIFEST: text.replace("replicas: 2", f"replicas: {replicas}")}


def replicas(stage: Stage) -> int:
    found = stage.world.clusters["prod"].look(DEPLOYMENT)
    assert found is not None
    return int(found["spec"]["replicas"])


def break_glass(stage: Stage, number: int, login: str = "admin") -> None:
    stage.desk(login).decide(stage.preview(number), Verb.EMERGENCY, reason="it burns")
    stage.settle()


def test_g23_an_emergency_scales_at_once_and_holds_what_follows_until_a_second_look(stage: Stage) -> None:
    heard = Heard()
    stage.world.opened.reconciler.emergencies.announcer = heard
    number = stage.propose(scaled(stage, 5), branch="scale")
    break_glass(stage, number)
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"] == (
        "success",
        "emergency approval by admin; a second look is due",
    )
    merged = stage.merge(number)
    assert replicas(stage) == 5
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "success"
    assert stage.ledger.emergencies[f"dep-appr-{number}", "env-k8s-prod"].passed.emergency == "admin"

    following = stage.propose(tag="v2.0.1")
    stage.approve(following)
    assert stage.statuses(stage.pull(following).head)["reconciler/approval"][0] == "pending"
    state = stage.preview(number)
    stage.desk("admin").decide_commit(state, merged, Verb.APPROVE, reason="I look at my own")
    stage.settle()
    assert stage.ledger.emergencies
    stage.desk("approver_user").decide_commit(state, merged, Verb.APPROVE, reason="was right")
    stage.settle()
    assert not stage.ledger.emergencies
    stage.settle()
    assert stage.statuses(stage.pull(following).head)["reconciler/approval"][0] == "success"


def test_g23_an_emergency_changes_no_image_and_needs_the_permission(stage: Stage) -> None:
    number = stage.propose(tag="v2.0.1")
    break_glass(stage, number)
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] == "pending"
    small = stage.propose(scaled(stage, 5), branch="scale")
    break_glass(stage, small, login="dev_user")
    assert stage.statuses(stage.pull(small).head)["reconciler/approval"][0] == "pending"
    assert "permission_denied" in stage.actions(ticket=small)


def test_g23_whom_the_settings_name_is_told_of_it_as_soon_as_they_can_be(stage: Stage) -> None:
    text = stage.world.example()[SETTINGS]
    told = f"{text.rstrip()}\n  emergency: {{notify: [{{url: '{HOOK}'}}]}}\n"
    policy = stage.propose({SETTINGS: told}, branch="notify", author="admin")
    stage.desk("root").decide(stage.preview(policy), Verb.APPROVE, reason="fine")
    stage.settle()
    stage.merge(policy)
    heard = Heard(away=True)
    stage.world.opened.reconciler.emergencies.announcer = heard
    number = stage.propose(scaled(stage, 5), branch="scale")
    break_glass(stage, number)
    stage.merge(number)
    assert not any(glass.notified for glass in stage.ledger.emergencies.values())
    heard.away = False
    stage.settle()
    stage.settle()
    assert sorted((url, message["person"], message["units"][0]) for url, message in heard.told) == [
        (HOOK, "admin", "release/svc-a"),
        (HOOK, "admin", "release/svc-a-staging"),
    ]
