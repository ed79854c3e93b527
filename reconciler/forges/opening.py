"""Which adapter speaks to which forge, and where its API is.

Knows reconciler.toml's words for it and nothing of any forge's paths below the API's root. Rule: the token goes to the
one origin that reconciler.toml names, over https; plain http is for loopback alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from reconciler.approval.persons import ForgeKind
from reconciler.errors import Refused
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote
from reconciler.ports import ApiForge, Clock
from reconciler.secret import Secret, TokenSource


@dataclass(frozen=True, slots=True)
class Place:
    """Where a repository lies on its forge: `origin` such as https://forge.example.org, `path` such as team/desired."""

    origin: str
    path: str

    @classmethod
    def of(cls, repository: str) -> "Place":
        """From the URL by which Git reaches it. Raises Refused where it names no forge."""
        if "://" in repository:
            parts = urlsplit(repository)
            scheme, host, path = parts.scheme.lower(), parts.netloc.rpartition("@")[2], parts.path
            if scheme == "ssh":
                scheme, host = "https", host.partition(":")[0]
        else:  # user@host:path
            scheme, (left, _, path) = "https", repository.partition(":")
            host = left.rpartition("@")[2]
        path = path.strip("/").removesuffix(".git")
        if scheme not in {"https", "http"} or not host or "/" not in path:
            raise Refused(
                f"opening the forge of {repository}: this is no repository on a forge",
                key="validation_error",
                hint="name it as https://HOST/OWNER/NAME.git, or use the embedded forge",
            )
        return cls(f"{scheme}://{host}", path)

    @property
    def owner(self) -> str:
        """All but the last part of the path."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Opening:
    """What an adapter is made of. `api` is the API's root where it is not the usual one; `key` our public key line."""

    repository: str
    api: str
    token: Secret | TokenSource
    tracked: str
    key: str
    mirror: Mirror
    clock: Clock
    ca_file: Path | None = None

    @property
    def place(self) -> Place:
        """Where the repository lies."""
        return Place.of(self.repository)

    def root(self, usual: str) -> str:
        """The API's root: as configured, otherwise the usual path at the repository's own host.

        Raises Refused where it is no https URL.
        """
        return api_root(self.repository, self.api, usual)


def api_root(repository: str, api: str, usual: str) -> str:
    """Where the API is: `api`, otherwise the usual path at the repository's own host. Raises Refused as above."""
    found = (api or Place.of(repository).origin + usual).rstrip("/")
    if Remote(found).scheme not in {"https", "http"}:
        raise Refused(f"opening the forge's API at {found}: it is no https URL", key="validation_error")
    return found


def _gitea(opening: Opening) -> ApiForge:
    from reconciler.forges.gitea.forge import GiteaForge
    from reconciler.forges.gitea.requests import Repository
    from reconciler.forges.sending import Sender

    place = opening.place
    sender = Sender(opening.root("/api/v1"), opening.token, opening.clock, scheme="token", ca_file=opening.ca_file)
    repository = Repository(place.owner.rpartition("/")[2], place.name)
    return GiteaForge(sender, repository, opening.mirror, tracked=opening.tracked, key=opening.key)


def _gitlab(opening: Opening) -> ApiForge:
    from reconciler.forges.gitlab.forge import GitLabForge
    from reconciler.forges.gitlab.requests import Project
    from reconciler.forges.sending import Sender

    root = opening.root("/api/v4")
    below = urlsplit(root).path.removesuffix("/api/v4").strip("/")  # where GitLab itself lies below a path of its host
    project = Project(opening.place.path.removeprefix(f"{below}/" if below else ""))
    sender = Sender(root, opening.token, opening.clock, ca_file=opening.ca_file)
    return GitLabForge(sender, project, opening.mirror, opening.clock, tracked=opening.tracked, key=opening.key)


def _github(opening: Opening) -> ApiForge:
    from reconciler.forges.github.opening import opened

    return opened(opening)


OPENERS: Mapping[ForgeKind, Callable[[Opening], ApiForge]] = MappingProxyType(
    {ForgeKind.GITEA: _gitea, ForgeKind.GITHUB: _github, ForgeKind.GITLAB: _gitlab}
)


def open_forge(kind: ForgeKind, opening: Opening) -> ApiForge:
    """The adapter for a forge with an API. Connects to nothing. Raises Refused where it cannot be made."""
    opener = OPENERS.get(kind)
    if opener is None:
        known = ", ".join(sorted([ForgeKind.EMBEDDED, *OPENERS]))
        raise Refused(f"opening the forge {kind}: there is no adapter for it", key="validation_error", hint=known)
    return opener(opening)
