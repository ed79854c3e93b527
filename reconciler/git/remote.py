"""A remote: its URL, and what it takes to reach it.

Knows which URLs are acceptable and how a token becomes a header. Knows no process and no connection. The rule: a URL
comes from reconciler.toml alone, names one scheme and one origin, carries no secret, and a token leaves only for that
origin (threats T12, T21). Plain http is for loopback, where tests and demos live.
"""

import base64
import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from reconciler.errors import Refused, Rejected
from reconciler.loopback import is_loopback
from reconciler.secret import MASK, FixedToken, Secret, TokenSource

_SCP = re.compile(r"([A-Za-z0-9_][A-Za-z0-9._-]*)@([A-Za-z0-9][A-Za-z0-9.-]*):([A-Za-z0-9_.~][^\x00-\x20\x7f]*)")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9a-fA-F:.]+")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_FILE_FOR_SSH = re.compile(r"/[A-Za-z0-9._/@+-]+")  # neither a shell nor ssh's own expansion finds anything in it
_HEADER_TEXT = re.compile(r"[\x21-\x7e]+")
_ENCODED_CONTROL = re.compile(r"%(0|1|7f)", re.IGNORECASE)


class TokenRefused(Rejected):
    """The remote does not know who we are (401), and did nothing."""


class Token:
    """A forge token that leaves this value only as an Authorization header. It cannot be printed, copied or pickled.

    It comes from a source where it ends after a while and has to be asked for anew.
    """

    __slots__ = ("_lent", "_source", "_user")

    def __init__(self, secret: str | TokenSource, user: str = "x-access-token") -> None:
        self._source = FixedToken(Secret(secret)) if isinstance(secret, str) else secret
        self._user = user
        self._lent: deque[str] = deque(maxlen=4)  # a far side may echo one that was renewed meanwhile
        if isinstance(self._source, FixedToken):
            self.authorization()

    def authorization(self) -> str:
        """The header's value, now. Only the transport and the poller ask for it."""
        secret = self._source.token().reveal()
        if not _HEADER_TEXT.fullmatch(secret) or not _HEADER_TEXT.fullmatch(self._user) or ":" in self._user:
            raise Refused("reading the forge token: it holds characters that no token has", key="validation_error")
        if secret not in self._lent:
            self._lent.append(secret)
        return f"Basic {self._encoded(secret)}"

    def renew(self) -> bool:
        """It was refused: whether there may be another now."""
        return self._source.renew()

    def scrub(self, text: str) -> str:
        """A text without this token, should a far side have echoed it."""
        for secret in tuple(self._lent):
            text = text.replace(secret, MASK).replace(self._encoded(secret), MASK)
        return text

    def _encoded(self, secret: str) -> str:
        return base64.b64encode(f"{self._user}:{secret}".encode()).decode()

    def __repr__(self) -> str:
        return "Token(hidden)"  # tracebacks and failing asserts print it; str and format are always a mistake

    def __str__(self) -> NoReturn:
        raise TypeError("a token is not printed")

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("a token is not printed")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a token is not copied or pickled")


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a repository lives. `identity` and `known_hosts` are for ssh, `ca_file` for https with an own authority.

    Raises Refused on anything that is not `https://`, `http://` to loopback, `ssh://`, `user@host:path`, `file:///` or
    an absolute path.
    """

    url: str
    token: Token | None = None
    identity: Path | None = None
    known_hosts: Path | None = None
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        if not self.url or len(self.url) > 2048 or not self.url.isprintable() or self.url != self.url.strip():
            self._refuse("it is empty, too long or holds characters that no URL has")
        if _ENCODED_CONTROL.search(self.url):
            self._refuse("it holds an encoded control character")
        match self.scheme:
            case "file":
                if not self.url.startswith(("/", "file:///")) or any(mark in self.url for mark in "?#%"):
                    self._refuse("a local repository is named by its absolute path")
            case "ssh":
                self._check_ssh()
            case "https" | "http":
                self._check_http(self._split())
            case _:
                self._refuse("only https, ssh and local paths are followed")
        if self.token and self.scheme not in ("https", "http"):
            self._refuse("a token goes with https only")

    @property
    def scheme(self) -> str:
        """`file`, `ssh`, `https` or `http`; anything else is refused at the door."""
        if self.url.startswith("/"):
            return "file"
        if _SCP.fullmatch(self.url) and "://" not in self.url:
            return "ssh"
        return self.url.partition("://")[0].lower() if "://" in self.url else ""

    @property
    def origin(self) -> str:
        """Scheme, host and port, with a slash at the end: what a token is bound to."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/"

    @property
    def directory(self) -> Path:
        """The folder of a local repository."""
        return Path(self.url.removeprefix("file://"))

    def ssh_command(self) -> str:
        """What git starts for ssh: pinned host keys, one identity, nothing of the machine's own configuration."""
        options = (
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self.known_hosts}",
            "GlobalKnownHostsFile=/dev/null",
            "UpdateHostKeys=no",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "ConnectTimeout=15",
            "ServerAliveInterval=10",
            "ServerAliveCountMax=3",
        )
        return " ".join(["ssh", "-F", "/dev/null", "-i", str(self.identity), *(f"-o {option}" for option in options)])

    def _check_http(self, parts: SplitResult) -> None:
        host = self._check_host(parts)
        if parts.username is not None or parts.password is not None or "@" in parts.netloc:
            self._refuse("credentials do not belong into a URL")
        if parts.query or parts.fragment or "?" in self.url or "#" in self.url:
            self._refuse("a repository's URL has no query")
        if parts.scheme == "http" and not is_loopback(host):
            self._refuse("plain http is for loopback only; use https")

    def _check_ssh(self) -> None:
        if "://" in self.url:
            parts = self._split()
            self._check_host(parts)
            if parts.password is not None or (parts.username is not None and not _USER.fullmatch(parts.username)):
                self._refuse("the user name is not one that ssh should see")
            if not parts.path.startswith("/") or parts.path.startswith("/-"):
                self._refuse("the path is not one that ssh should see")
        for name, path in (("identity", self.identity), ("known_hosts", self.known_hosts)):
            if path is None or not _FILE_FOR_SSH.fullmatch(str(path)):
                self._refuse(f"ssh needs an absolute {name} file whose path has letters, digits and ._/@+- only")

    def _split(self) -> SplitResult:
        try:
            return urlsplit(self.url)
        except ValueError as error:
            raise Refused(f"reading the remote's URL: {error}", key="validation_error") from error

    def _check_host(self, parts: SplitResult) -> str:
        try:
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise Refused(f"reading the remote's URL: {error}", key="validation_error") from error
        if not _HOST.fullmatch(host) or port == 0:
            self._refuse("it names no host that can be looked up")
        return host

    def _refuse(self, why: str) -> NoReturn:
        raise Refused(f"reading the remote's URL: {why}", key="validation_error")
