"""Rules of people and rights between specs: one identity belongs to one person, and rights name what exists."""

from collections.abc import Iterator

from reconciler.specs.complaint import Complaint
from reconciler.specs.desired import Desired
from reconciler.specs.finding import CONFLICT
from reconciler.specs.kinds import BUILT_IN_ROLES, AnySpec, Project, Role, RoleBinding, Service, Settings, User
from reconciler.specs.kinds.project import DEFAULT_PROJECT, DEFAULT_TEAM
from reconciler.specs.references import Steps
from reconciler.specs.spec import Spec
from reconciler.specs.topology import webhook_rules


def groups_of(desired: Desired) -> frozenset[str]:
    """Every group that some user is in."""
    return frozenset(group for user in desired.users.values() for group in user.spec.groups)


def teams_of(project: str, desired: Desired) -> tuple[str, ...]:
    """The teams of a project; the default project exists without a spec."""
    spec: Spec[Project] | None = desired.projects.get(project)
    if spec is not None:
        return spec.spec.teams
    return (DEFAULT_TEAM,) if project == DEFAULT_PROJECT else ()


def identity_rules(desired: Desired) -> Iterator[Complaint]:
    """A login, an e-mail address or a key belongs to one user: they decide who counts as author and approver (G14)."""
    taken: dict[tuple[str, str], str] = {}
    for user in sorted(desired.users.values(), key=lambda user: user.name):
        for sort, value, steps in _identities(user):
            other = taken.setdefault((sort, value), user.name)
            if other != user.name:
                yield Complaint(user, steps, f"User/{other} has it, too", "it decides who somebody is", CONFLICT)


def _identities(user: Spec[User]) -> Iterator[tuple[str, str, Steps]]:
    logins = user.spec.logins
    yield "embedded", (logins.embedded or user.name).lower(), ("logins", "embedded") if logins.embedded else ()
    for forge, login in (("github", logins.github), ("gitlab", logins.gitlab), ("gitea", logins.gitea)):
        if login is not None:
            yield forge, login.lower(), ("logins", forge)
    for number, email in enumerate(user.spec.emails):
        yield "email", email.lower(), ("emails", number)
    for number, key in enumerate(user.spec.ssh_keys):
        yield "key", " ".join(key.split(" ")[:2]), ("sshKeys", number)


def role_rules(role: Spec[Role]) -> Iterator[Complaint]:
    """The built-in roles stay what they are."""
    if role.name in BUILT_IN_ROLES:
        yield Complaint(role, (), "this role is built in", "choose another name")


def group_rules(binding: Spec[RoleBinding], groups: frozenset[str]) -> Iterator[Complaint]:
    """Groups exist. For when every User could be read."""
    for number, subject in enumerate(binding.spec.subjects):
        if subject.group is not None and subject.group not in groups:
            message, hint = f"no user is in a group {subject.group}", "name it in the groups of a User"
            yield Complaint(binding, ("subjects", number, "group"), message, hint, meant=(subject.group, groups))


def binding_rules(binding: Spec[RoleBinding], desired: Desired) -> Iterator[Complaint]:
    """Teams exist."""
    scope = binding.spec.scope
    if scope.team is not None and scope.project is not None:
        yield from team_rule(binding, ("scope", "team"), scope.project, scope.team, desired)


def team_rule(spec: Spec[AnySpec], steps: Steps, project: str, team: str, desired: Desired) -> Iterator[Complaint]:
    """A team is one of its project's, where the project is known."""
    teams = teams_of(project, desired)
    if teams and team not in teams:
        yield Complaint(spec, steps, f"the project {project} has no team {team}", meant=(team, teams))


def service_rules(service: Spec[Service], desired: Desired) -> Iterator[Complaint]:
    """Its team exists."""
    yield from team_rule(service, ("team",), service.spec.project, service.spec.team, desired)


def owner_rules(service: Spec[Service], known: frozenset[str]) -> Iterator[Complaint]:
    """Its owners are among the users and groups. For when every User could be read."""
    for number, owner in enumerate(service.spec.owners):
        if owner not in known:
            message = f"there is no user or group {owner}"
            yield Complaint(service, ("owners", number), message, meant=(owner, known))


def settings_rules(settings: Spec[Settings], desired: Desired) -> Iterator[Complaint]:
    """Who is told in an emergency can be told."""
    for number, webhook in enumerate(settings.spec.emergency.notify):
        yield from webhook_rules(settings, ("emergency", "notify", number), webhook, desired)
