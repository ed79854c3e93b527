"""The only place that builds adapters: from settings to everything that one process holds."""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

from reconciler.app.announcing import HttpAnnouncer
from reconciler.app.clock import SystemClock
from reconciler.app.commands import Commands
from reconciler.app.credentials import AgeIdentity, Vault
from reconciler.app.desire import Desires
from reconciler.app.drift import Drift
from reconciler.app.emergencies import Emergencies
from reconciler.app.forge_token import token_in, token_source
from reconciler.app.gate import Gate
from reconciler.app.healing import Healing
from reconciler.app.holding import Holding
from reconciler.app.journal import Journal
from reconciler.app.keys import Keys, load_keys
from reconciler.app.landings import Landings
from reconciler.app.loop import Reconciler
from reconciler.app.orders import Orders
from reconciler.app.patience import Patience
from reconciler.app.pinning import Pinner
from reconciler.app.planning import Planner
from reconciler.app.previews import Previews
from reconciler.app.problems import Problems
from reconciler.app.promoting import Promotions
from reconciler.app.proposals import Proposals
from reconciler.app.questions import Questions
from reconciler.app.registry_settings import password_of
from reconciler.app.reverts import Reverts
from reconciler.app.rollouts import Rollouts
from reconciler.app.settings import Settings
from reconciler.app.standings import Standings
from reconciler.app.targets import Connections
from reconciler.approval.persons import ForgeKind
from reconciler.bundle.folder import FolderBundles
from reconciler.errors import Refused
from reconciler.forges.embedded.forge import EmbeddedForge
from reconciler.forges.embedded.ledger import Ledger as ForgeLedger
from reconciler.forges.opening import Opening, Place, open_forge
from reconciler.git.audit_branch import OURS, AuditBranch
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote, Token
from reconciler.git.transport import Transport
from reconciler.kube.target import KubeTarget
from reconciler.names import Revision
from reconciler.ports import ApiForge, Clock, HostApi
from reconciler.registries.asking import HttpRegistries
from reconciler.rendering.helm import Helm
from reconciler.rendering.kustomize import Kustomize
from reconciler.secret import Secret, TokenSource
from reconciler.specs.cache import SqliteCache
from reconciler.specs.kinds import Host
from reconciler.specs.kinds.host import Become
from reconciler.ssh.host import SshHost
from reconciler.ssh.identity import Address, HostKey

RENDERED = "render"  # folder of the state, where sources lie while they are rendered


@dataclass(slots=True)
class Assembly:
    """Everything that one process holds. `close` ends connections."""

    settings: Settings
    clock: Clock
    keys: Keys
    mirror: Mirror
    journal: Journal
    planner: Planner
    forge: ApiForge
    reconciler: Reconciler
    connections: Connections
    repository_id: str

    def catch_up(self) -> None:
        """Look at the repositories, and fold in what was recorded. Raises as `Journal.catch_up`."""
        self.journal.sync()
        self.mirror.sync()
        self.journal.catch_up()

    def close(self) -> None:
        """End every connection."""
        self.connections.close()
        self.forge.close()


def open_mirror(settings: Settings, token: TokenSource | None = None) -> Mirror:
    """The local mirror of the configured repository. Connects to nothing. `token`: where another part uses it too."""
    transport = Transport(settings.cache / "git-home")
    token = token or token_source(settings, SystemClock())
    over_http = settings.repository.startswith(("https://", "http://"))  # over ssh the token is for the API alone
    remote = Remote(
        settings.repository,
        token=Token(token) if token and over_http else None,
        identity=settings.git_identity,
        known_hosts=settings.git_known_hosts,
    )
    return Mirror(settings.cache / "mirror", remote, transport)


def renderer_of(settings: Settings) -> Kustomize:
    """What renders kustomizations. Looks for its tool when it is asked."""
    return Kustomize(settings.state / RENDERED)


def charts_of(settings: Settings) -> Helm:
    """What renders charts. Looks for its tool when it is asked."""
    return Helm(settings.state / RENDERED)


def registries_of(settings: Settings) -> HttpRegistries:
    """The registries that may be asked. Connects to nothing."""
    return HttpRegistries(settings.registries, password_of)


def open_audit_mirror(settings: Settings, mirror: Mirror) -> Mirror:
    """The mirror that the audit branch is in: the desired state's own, unless reconciler.toml names another
    repository. Connects to nothing. Raises Refused where its token is none."""
    place = settings.audit
    if not place.repository:
        return mirror
    token = token_in(place.token_variable) if place.token_variable else None
    remote = Remote(
        place.repository,
        token=Token(token) if token else None,
        identity=settings.git_identity,
        known_hosts=settings.git_known_hosts,
    )
    return Mirror(settings.cache / "audit-mirror", remote, Transport(settings.cache / "git-home"), OURS)


def repository_id(settings: Settings) -> str:
    """What decisions are bound to (G5): the repository and its tracked branch as reconciler.toml names them."""
    named = f"{settings.repository}#{settings.branch}"
    return hashlib.sha256(named.encode()).hexdigest()[:40]


def assemble(
    settings: Settings,
    clock: Clock | None = None,
    stopping: Callable[[], bool] = lambda: False,
    around: Callable[[ApiForge], ApiForge] = lambda forge: forge,
) -> Assembly:
    """Build everything, with `around` put around the forge.

    Raises Unavailable where keys are missing or the cache cannot be written.
    """
    clock = clock or SystemClock()
    keys = load_keys(settings)
    token = token_source(settings, clock)
    mirror = open_mirror(settings, token)
    bundles = FolderBundles(settings.bundle_folders, settings.bundle_keys)
    cache = SqliteCache(settings.cache / "specs.sqlite")
    tools = renderer_of(settings), AgeIdentity(keys), charts_of(settings)
    audit = open_audit_mirror(settings, mirror)
    branch = AuditBranch(audit, keys.signing, settings.audit_tip, apart=audit is not mirror)
    journal = Journal(branch, clock)
    desires = Desires(mirror, cache, bundles, keys.hmac, settings.branch, *tools, lambda: journal.ledger.pins)
    name = repository_id(settings)
    vault = Vault(settings, keys)
    connections = Connections(
        vault,
        # a stable label of this reconciler among others on the same cluster
        lambda _cluster, connection: KubeTarget(connection, installation=f"r{name[:16]}"),
        lambda host, spec, key: _host(host, spec, key, clock),
    )
    pinner = Pinner(desires, journal, registries_of(settings))
    planner = Planner(desires, journal, connections, settings, clock, keys.hmac, pinner)
    forge = around(forge_of(settings, mirror, planner, keys, clock, name, token))
    reconciler = loop_of(Adapters(settings, clock, keys, mirror, planner, forge, vault, name, stopping))
    return Assembly(settings, clock, keys, mirror, journal, planner, forge, reconciler, connections, name)


def forge_of(
    settings: Settings,
    mirror: Mirror,
    planner: Planner,
    keys: Keys,
    clock: Clock,
    repository: str,
    token: TokenSource | None,
) -> ApiForge:
    """The forge that reconciler.toml names, as the reconciler. Connects to nothing."""
    if settings.forge_kind is not ForgeKind.EMBEDDED:
        return api_forge(settings, mirror, clock, keys.signing.public.line, token)
    ledger = ForgeLedger(
        mirror,
        repository_id=repository,
        logins=lambda login: keys_of(planner, login),
        our_keys=[keys.signing.public.line],
        clock=clock,
    )
    return EmbeddedForge(ledger, key=keys.signing, tracked=settings.branch)


def api_forge(settings: Settings, mirror: Mirror, clock: Clock, key: str, token: TokenSource | None = None) -> ApiForge:
    """A forge with an API, as the account or App whose token it is. Raises Refused where there is no token."""
    token = token or token_source(settings, clock)
    if token is None:
        raise Refused(
            f"opening the forge {settings.forge}: there is no token",
            key="permission_denied",
            hint=f"set the variable {settings.token_variable or 'that token_variable names'} to the account's token",
        )
    return open_forge(
        settings.forge_kind,
        Opening(
            repository=settings.repository,
            api=settings.forge_api,
            token=token,
            tracked=settings.branch,
            key=key,
            mirror=mirror,
            clock=clock,
        ),
    )


def audit_forge(settings: Settings, clock: Clock, key: str) -> ApiForge | None:
    """The forge that a separate audit repository is on, to ask how it is protected; None where it is not on the forge
    of the desired state, or there is no token for its API. Connects to nothing."""
    place = settings.audit
    token = token_in(place.token_variable) if place.token_variable else None
    if settings.forge_kind is ForgeKind.EMBEDDED or token is None:
        return None
    if Place.of(place.repository).origin != Place.of(settings.repository).origin:
        return None
    mirror = open_audit_mirror(settings, open_mirror(settings))
    at = Opening(place.repository, settings.forge_api, token, settings.branch, key, mirror, clock)
    return open_forge(settings.forge_kind, at)


@dataclass(frozen=True, slots=True)
class Adapters:
    """What the loop stands on. `repository_id` is what decisions are bound to."""

    settings: Settings
    clock: Clock
    keys: Keys
    mirror: Mirror
    planner: Planner
    forge: ApiForge
    vault: Vault
    repository_id: str
    stopping: Callable[[], bool] = lambda: False


def loop_of(on: Adapters) -> Reconciler:
    """The loop with all of its parts: the same ones on whatever adapters."""
    settings, clock, keys, mirror, planner, forge = on.settings, on.clock, on.keys, on.mirror, on.planner, on.forge
    desires, journal = planner.desires, planner.journal
    previews = Previews(journal, forge, clock)
    questions = Questions(on.repository_id, mirror, desires, planner)
    gate = Gate(questions, planner, journal, clock)
    shared = {
        "forge": forge,
        "writer": forge,
        "mirror": mirror,
        "desires": desires,
        "planner": planner,
        "journal": journal,
        "previews": previews,
        "gate": gate,
        "questions": questions,
        "clock": clock,
        "branch": settings.branch,
    }
    standings = Standings(forge, journal)
    patience = Patience(clock)
    rollouts = Rollouts(
        planner=planner,
        desires=desires,
        journal=journal,
        connections=planner.connections,
        bundles=desires.bundles,
        clock=clock,
        key=keys.hmac,
        report=standings.report,
        running=standings.running,
        patience=patience,
        stopping=on.stopping,
        workers=settings.workers,
    )
    reverts = Reverts(mirror, forge, clock, keys.signing)
    orders = Orders(mirror, journal, planner, reverts, clock, on.repository_id)
    holding = Holding(mirror, planner, journal, previews, gate, forge, clock, settings.branch)
    landings = Landings(**shared, reverts=reverts, holding=holding)  # type: ignore[arg-type]
    return Reconciler(
        mirror=mirror,
        forge=forge,
        journal=journal,
        proposals=Proposals(**shared, problems=Problems(forge), reverts=reverts),  # type: ignore[arg-type]
        landings=landings,
        emergencies=Emergencies(landings, gate, planner, journal, desires, on.vault, HttpAnnouncer(), clock),
        rollouts=rollouts,
        orders=orders,
        commands=Commands(forge, forge, journal, planner, orders),
        drift=Drift(planner, journal, Healing(planner, journal, clock), rollouts.unsay),
        promotions=Promotions(desires, journal, planner, forge, clock, keys.signing),
        speakers=(previews, standings),
        locale=settings.locale,
        clock=clock,
        patience=patience,
        branch=settings.branch,
        workers=settings.workers,
        stopping=on.stopping,
    )


def keys_of(planner: Planner, login: str) -> Collection[str]:
    """The SSH keys that speak for a login, under every policy that was ever accepted (a key given up is not stolen)."""
    found: set[str] = set()
    for _, revision in planner.journal.ledger.policies:
        found |= keys_at(planner.desires, revision, login)
    return found


def keys_at(desires: Desires, revision: Revision, login: str) -> set[str]:
    """The SSH keys that a revision's User specs give to a login of the embedded forge."""
    users = desires.at(revision).desired.users
    return {
        key
        for name, user in users.items()
        if (user.spec.logins.embedded or name) == login
        for key in user.spec.ssh_keys
    }


def _host(name: str, spec: Host, key: Secret, clock: Clock) -> HostApi:
    address = Address(
        host=name,
        address=spec.address,
        port=spec.port,
        user=spec.user,
        become=spec.become is Become.SUDO,
        host_key=HostKey.parse(spec.host_key),
    )
    return SshHost(address, key, clock)
