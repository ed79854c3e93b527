"""Making the adapter: where the API of github.com or of an Enterprise Server is, and as whom it is asked."""

from urllib.parse import urlsplit

from reconciler.forges.github.forge import Account, GitHubForge
from reconciler.forges.github.requests import HEADERS, Repository
from reconciler.forges.opening import Opening
from reconciler.forges.sending import Sender

PUBLIC = frozenset({"github.com", "ssh.github.com"})
PUBLIC_API = "https://api.github.com"
ENTERPRISE = "/api/v3"


def opened(opening: Opening) -> GitHubForge:
    """The adapter for the repository that reconciler.toml names. Connects to nothing."""
    root = root_of(opening)
    rest, graph = (
        Sender(one, opening.token, opening.clock, ca_file=opening.ca_file, headers=HEADERS)
        for one in (root, root.removesuffix("/v3"))  # GraphQL of an Enterprise Server is at /api/graphql
    )
    repository = Repository(opening.place.owner.rpartition("/")[2], opening.place.name)
    return GitHubForge(
        Account(rest, graph), repository, opening.mirror, opening.clock, tracked=opening.tracked, key=opening.key
    )


def root_of(opening: Opening) -> str:
    """The API's root. Raises Refused where it is no https URL."""
    public = urlsplit(opening.place.origin).hostname in PUBLIC
    return PUBLIC_API if public and not opening.api else opening.root(ENTERPRISE)
