"""Making the adapter: where the API of github.com or of an Enterprise Server is, and as whom it is asked."""

from pathlib import Path
from urllib.parse import urlsplit

from reconciler.forges.github.access import App, AppJwt, AppToken
from reconciler.forges.github.forge import Account, GitHubForge
from reconciler.forges.github.requests import HEADERS, Repository
from reconciler.forges.opening import Opening, Place, api_root
from reconciler.forges.sending import Sender
from reconciler.ports import Clock

PUBLIC = frozenset({"github.com", "ssh.github.com"})
PUBLIC_API = "https://api.github.com"
ENTERPRISE = "/api/v3"


def opened(opening: Opening) -> GitHubForge:
    """The adapter for the repository that reconciler.toml names. Connects to nothing."""
    root = root_of(opening.repository, opening.api)
    rest, graph = (
        Sender(one, opening.token, opening.clock, ca_file=opening.ca_file, headers=HEADERS)
        for one in (root, root.removesuffix("/v3"))  # GraphQL of an Enterprise Server is at /api/graphql
    )
    login = opening.token.login if isinstance(opening.token, AppToken) else None
    repository = _named(opening.repository)
    account = Account(rest, graph, login)
    return GitHubForge(account, repository, opening.mirror, opening.clock, tracked=opening.tracked, key=opening.key)


def app_token(app: App, repository: str, api: str, clock: Clock, ca_file: Path | None = None) -> AppToken:
    """The source of an App's tokens for the repository that reconciler.toml names. Connects to nothing."""
    asks = Sender(root_of(repository, api), AppJwt(app, clock), clock, ca_file=ca_file, headers=HEADERS)
    return AppToken(asks, _named(repository), clock)


def _named(repository: str) -> Repository:
    place = Place.of(repository)
    return Repository(place.owner.rpartition("/")[2], place.name)


def root_of(repository: str, api: str) -> str:
    """The API's root. Raises Refused where it is no https URL."""
    public = urlsplit(Place.of(repository).origin).hostname in PUBLIC
    return PUBLIC_API if public and not api else api_root(repository, api, ENTERPRISE)
