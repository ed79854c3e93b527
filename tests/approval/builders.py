"""A small company and one pull request, to be varied: alice proposes, bob and carol may approve, and others around."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.approval.decision import CommitSubject, Decision, PullSubject, Subject, Verb
from reconciler.approval.judge import judge
from reconciler.approval.judgement import Judgement, Why
from reconciler.approval.persons import ForgeKind
from reconciler.approval.policy import Policies, Policy
from reconciler.approval.question import BroughtCommit, PreviewFacts, Question, Side, SignedDecision
from reconciler.approval.roles import Scope
from reconciler.errors import Place
from reconciler.names import BlobId, Digest, EventId, Revision
from reconciler.plan.change import PRIORITIES, Plan, PlanSet, Risk, UnitPlan
from reconciler.specs.kinds import AnySpec, Kind, Role, RoleBinding, Settings, User
from reconciler.specs.kinds.role_binding import BindingScope
from reconciler.specs.kinds.role_binding import Subject as BoundSubject
from reconciler.specs.kinds.user import Logins
from reconciler.specs.spec import Spec
from reconciler.state.forge import PullRequest, PullRequestState, Review, Verdict

REPOSITORY = "example/desired-state"
POSTED = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)  # a Monday
NOW = POSTED + timedelta(minutes=20)
HEAD = Revision("a" * 40)
OTHER_HEAD = Revision("b" * 40)
HELD = Revision("d" * 40)
PLAN_DIGEST = Digest("1234567890ab" + "c" * 52)
TICKET_DIGEST = Digest("fedcba098765" + "4" * 52)
EVENT = EventId("01-preview")
ALPHA = Scope("proj-alpha", "team-app", "prod")


def minutes(count: float) -> datetime:
    """So many minutes after the digest was posted."""
    return POSTED + timedelta(minutes=count)


REVIEWED = minutes(10)


def key(name: str) -> str:
    """A public key line that nobody has the private half of."""
    kind = b"ssh-ed25519"
    blob = len(kind).to_bytes(4, "big") + kind + (32).to_bytes(4, "big") + hashlib.sha256(name.encode()).digest()
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} {name}@laptop"


def user(name: str, **fields: Any) -> User:
    """A User as everybody here has it: login, e-mail and key named after them."""
    logins = Logins(**dict.fromkeys(ForgeKind, f"{name}-login"))
    return User(**{"logins": logins, "emails": (f"{name}@example.com",), "ssh_keys": (key(name),), **fields})


def bind(role: str, *users: str, group: str = "", **scope: str) -> RoleBinding:
    """A binding of users or one group to a role."""
    subjects = [BoundSubject(user=name) for name in users] + ([BoundSubject(group=group)] if group else [])
    return RoleBinding(role=role, subjects=tuple(subjects), scope=BindingScope(**scope))


USERS: Mapping[str, User] = {
    "alice": user("alice"),
    "bob": user("bob"),
    "carol": user("carol", groups=("approvers",)),
    "dave": user("dave"),
    "admin": user("admin"),
    "robot": user("robot", bot=True),
    "oracle": user("oracle", ai=True),
    "stranger": user("stranger"),
}
BINDINGS: Sequence[RoleBinding] = (
    bind("operator", "alice", "bob", "robot", "oracle", project="proj-alpha"),
    bind("approver", "alice", "bob", "dave", "robot", "oracle", project="proj-alpha"),
    bind("approver", group="approvers", environment="prod"),
    bind("admin", "admin"),
)


def spec(kind: Kind, name: str, content: AnySpec) -> Spec[Any]:
    """A spec as loading gives it."""
    return Spec(kind, name, {}, {}, content, Place(f"{name}.yaml", 1, 1), BlobId("0" * 40))


def policy(
    users: Mapping[str, User] = USERS,
    bindings: Sequence[RoleBinding] = BINDINGS,
    roles: Mapping[str, Role] | None = None,
    forge: ForgeKind = ForgeKind.GITHUB,
    roots: Sequence[str] = ("root",),
    **settings: Any,
) -> Policy:
    """The policy in force, from specs."""
    return Policy.of(
        Settings(**settings),
        {name: spec(Kind.ROLE, name, role) for name, role in (roles or {}).items()},
        {name: spec(Kind.USER, name, one) for name, one in users.items()},
        {f"binding-{n}": spec(Kind.ROLE_BINDING, f"binding-{n}", one) for n, one in enumerate(bindings)},
        root_signers=[key(name) for name in roots],
        forge=forge,
    )


def always(*args: Any, **fields: Any) -> Policies:
    """One policy since ever."""
    return Policies.always(policy(*args, **fields))


def side(**fields: Any) -> Side:
    """The production environment as it was accepted."""
    given = {"scope": ALPHA, "tier": "production", "runtime": "k8s", "self_approval": False, **fields}
    return Side(**given)


def unit(name: str = "release/svc-a", **fields: Any) -> UnitPlan:
    """One unit's part of a plan."""
    return UnitPlan(unit=name, artifact=Digest("9" * 64), **fields)


def plan(**fields: Any) -> Plan:
    """A release to production, high risk."""
    risk = fields.get("risk", Risk.HIGH)
    given: dict[str, Any] = {
        "environment": "prod",
        "project": "proj-alpha",
        "team": "team-app",
        "tier": "production",
        "units": (unit(),),
        "changes": (),
        "batches": (),
        "checks": (),
        "touched": (),
        "risk": risk,
        "priority": PRIORITIES[risk],
        "reasons": (),
        "artifact": Digest("8" * 64),
        "digest": PLAN_DIGEST,
        "observed_at": POSTED,
        **fields,
    }
    return Plan(**given)


def preview(**fields: Any) -> PreviewFacts:
    """Posted once, looked at just before."""
    given: dict[str, Any] = {
        "event": EVENT,
        "posted_at": POSTED,
        "changed_at": None,
        "looked_at": POSTED - timedelta(seconds=5),
        "base": "main",
        "head": HEAD,
        "truncated": False,
        **fields,
    }
    return PreviewFacts(**given)


def pull(**fields: Any) -> PullRequest:
    """Alice's open pull request."""
    given: dict[str, Any] = {
        "number": 7,
        "title": "raise the image",
        "body": "",
        "author": "alice-login",
        "base": "main",
        "head_ref": "raise",
        "head": HEAD,
        "state": PullRequestState.OPEN,
        "created_at": POSTED - timedelta(hours=1),
        **fields,
    }
    return PullRequest(**given)


def merged(at: datetime = NOW, by: str = "bob-login", **fields: Any) -> PullRequest:
    """The same, merged."""
    state = PullRequestState.MERGED
    return pull(state=state, merged_at=at, merged_by=by, merge_commit=Revision("c" * 40), **fields)


def commit(**fields: Any) -> BroughtCommit:
    """Alice's signed commit, pushed by her."""
    given: dict[str, Any] = {
        "revision": HEAD,
        "author_email": "alice@example.com",
        "committer_email": "alice@example.com",
        "signing_key": key("alice"),
        "pusher": "alice-login",
        **fields,
    }
    return BroughtCommit(**given)


def review(by: str = "bob", verdict: Verdict = Verdict.APPROVE, at: datetime = REVIEWED, **fields: Any) -> Review:
    """An unsigned review through the forge."""
    given: dict[str, Any] = {
        "id": f"{by}-{verdict}-{at:%H%M%S.%f}",
        "author": f"{by}-login",
        "verdict": verdict,
        "commit": HEAD,
        "base": "main",
        "body": "",
        "submitted_at": at,
        **fields,
    }
    return Review(**given)


def decision(verb: Verb = Verb.APPROVE, subject: Subject | None = None, **fields: Any) -> Decision:
    """A decision about this ticket."""
    given: dict[str, Any] = {
        "repository": REPOSITORY,
        "subject": subject or PullSubject(7, "main", HEAD),
        "verb": verb,
        "digest": TICKET_DIGEST,
        "event": EVENT,
        "reason": "",
        "at": minutes(10),
        **fields,
    }
    return Decision(**given)


def signed(
    by: str = "bob", made: Decision | None = None, at: datetime = REVIEWED, *, late: bool = False
) -> SignedDecision:
    """A decision with a verified signature."""
    return SignedDecision(made or decision(), key(by), at, late)


def signed_review(by: str = "bob", made: Decision | None = None, **fields: Any) -> Review:
    """A review that carries a signed decision, as in the embedded forge."""
    text = (made or decision()).signed_bytes.decode()
    return review(by, **{"signer": key(by), "decision": text, **fields})


def on_held(by: str = "bob", verb: Verb = Verb.APPROVE, **fields: Any) -> SignedDecision:
    """`reconciler approve REF` of the held commit."""
    return signed(by, decision(verb, CommitSubject(HELD), **fields))


def question(**fields: Any) -> Question:
    """What is asked, with whatever is different this time."""
    one = fields.get("plan", plan())
    given: dict[str, Any] = {
        "repository": REPOSITORY,
        "ticket": "dep-appr-7",
        "plans": PlanSet(plans=(one,), digest=TICKET_DIGEST),
        "plan": one,
        "preview": preview(),
        "sides": (side(),),
        "pull": pull(),
        "held": None,
        "commits": (commit(),),
        "reviews": (),
        "author_is_bot": False,
        "requester": None,
        "changed_kinds": None,
        **fields,
    }
    return Question(**given)


def held_question(**fields: Any) -> Question:
    """A direct push that is held: signed by alice, pushed by alice."""
    given: dict[str, Any] = {
        "pull": None,
        "held": HELD,
        "preview": preview(head=HELD),
        "commits": (commit(revision=HELD),),
        **fields,
    }
    return question(**given)


def ask(policies: Policies | None = None, now: datetime = NOW, **fields: Any) -> Judgement:
    """Judge a variation of the question."""
    return judge(question(**fields), policies or always(), now)


def why(judgement: Judgement, by: str = "bob") -> list[Why]:
    """Why the statements of a person were ignored."""
    return [ignored.why for ignored in judgement.ignored if ignored.person == by]
