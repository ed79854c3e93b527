"""One small request that tells whether a ref moved.

Knows three ways of asking: a protocol-v2 `ls-refs` POST over http(s), reading a local repository, `git ls-remote`
over ssh. Knows nothing of what the refs mean. The rule: exactly one request for each poll, no redirect is followed,
the token goes to the configured URL alone, and an answer that does not parse exactly is no answer (threats T12, T21;
fault F6).
"""

import ssl
import time
from collections.abc import Mapping
from datetime import timedelta

import httpx
import pygit2

from reconciler.errors import ReconcilerError, Rejected, Unavailable, Untrusted
from reconciler.git import pktline
from reconciler.git.bare import opened
from reconciler.git.refnames import WANTED, prefix_of, wanted
from reconciler.git.remote import Remote
from reconciler.git.transport import Transport
from reconciler.names import Revision

CAP = 32 * 1024 * 1024  # bytes; 65 for each ref of usual length
OVERALL = 60.0  # seconds for one poll
_LIMITS = httpx.Limits(max_connections=2, keepalive_expiry=90.0)
_ANSWER = "application/x-git-upload-pack-result"
_LONGEST_WAIT = 3600  # seconds; what a server may ask us to stay away


class Poller:
    """Asks one remote for its refs. `requests` counts what was sent; connections are kept between polls."""

    def __init__(self, remote: Remote, transport: Transport, patterns: tuple[str, ...] = WANTED) -> None:
        self.requests = 0
        self._remote = remote
        self._transport = transport
        self._patterns = patterns
        self._client: httpx.Client | None = None

    def poll(self) -> Mapping[str, Revision]:
        """Every wanted ref of the remote. An error raises and is never an empty answer."""
        self.requests += 1
        match self._remote.scheme:
            case "file":
                found = self._read()
            case "ssh":
                found = self._list()
            case _:
                found = self._ask()
        return {name: revision for name, revision in sorted(found.items()) if wanted(name, self._patterns)}

    def close(self) -> None:
        """Close kept connections."""
        if self._client:
            self._client.close()
            self._client = None

    def _read(self) -> Mapping[str, Revision]:
        return direct_refs(opened(self._remote.directory))

    def _list(self) -> Mapping[str, Revision]:
        answer = self._transport.run(
            ["ls-remote", "--quiet", "--refs", "--end-of-options", self._remote.url],
            remote=self._remote,
            timeout=OVERALL,
        )
        found: dict[str, Revision] = {}
        for line in answer.out.splitlines():
            revision, tab, name = line.partition(b"\t")
            if not tab or len(revision) != 40:
                raise Rejected(f"listing refs of {self._remote.url}: a line is not `id name`", key="endpoint_invalid")
            if text := pktline.readable(name):
                found[text] = Revision(revision.decode())
        return found

    def _ask(self) -> Mapping[str, Revision]:
        headers = {
            "Content-Type": "application/x-git-upload-pack-request",
            "Accept": _ANSWER,
            "Accept-Encoding": "identity",
            "Git-Protocol": "version=2",
            "User-Agent": "git/2 (reconciler)",  # some forges answer git clients only
        }
        if self._remote.token:
            headers["Authorization"] = self._remote.token.authorization()
        body = pktline.ls_refs_request(prefix_of(pattern) for pattern in self._patterns)
        deadline = time.monotonic() + OVERALL
        url = f"{self._remote.url.rstrip('/')}/git-upload-pack"
        try:
            client = self._connected()
            with client.stream("POST", url, content=body, headers=headers) as response:
                if response.status_code != 200 or response.headers.get("Content-Type") != _ANSWER:
                    raise self._refusal(response)
                data = bytearray()
                for chunk in response.iter_bytes():
                    data += chunk
                    if len(data) > CAP:
                        raise Rejected(
                            f"polling {self._remote.url}: more than {CAP} bytes of refs", key="endpoint_invalid"
                        )
                    if time.monotonic() > deadline:
                        raise Unavailable(f"polling {self._remote.url}: no end after {OVERALL:.0f} seconds")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            raise self._away(error) from error
        return pktline.refs(bytes(data))

    def _connected(self) -> httpx.Client:
        if self._client is None:
            trusted = ssl.create_default_context(cafile=str(self._remote.ca_file) if self._remote.ca_file else None)
            self._client = httpx.Client(
                verify=trusted, follow_redirects=False, trust_env=False, limits=_LIMITS, timeout=httpx.Timeout(20.0)
            )
        return self._client

    def _refusal(self, response: httpx.Response) -> ReconcilerError:
        said = f"polling {self._remote.url}: HTTP {response.status_code}"
        match response.status_code:
            case 200:
                return Rejected(f"{said}: the answer is not git's protocol v2", key="endpoint_invalid")
            case 401 | 403:
                return Rejected(
                    said, key="permission_denied", hint="the forge token is wrong, ended, or may not read this"
                )
            case code if 300 <= code < 400:
                return Rejected(
                    f"{said}: redirects are not followed", key="endpoint_invalid", hint="configure the final URL"
                )
            case 429:
                return Unavailable(said, key="rate_limited", retry_after=_wait(response.headers.get("Retry-After", "")))
            case _:
                return Unavailable(said, retry_after=_wait(response.headers.get("Retry-After", "")))

    def _away(self, error: Exception) -> ReconcilerError:
        said = f"polling {self._remote.url}: {type(error).__name__}: {error}"
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Untrusted(said, key="certificate_invalid")
        return Unavailable(said)


def direct_refs(repository: pygit2.Repository) -> dict[str, Revision]:
    """Refs of an opened repository that name an object; symbolic and unprintable ones are left out."""
    found: dict[str, Revision] = {}
    try:
        for reference in repository.references.iterator():
            name = pktline.readable(reference.raw_name)
            if name and isinstance(reference.raw_target, pygit2.Oid):
                found[name] = Revision(str(reference.raw_target))
    except (pygit2.GitError, KeyError, ValueError, OSError) as error:
        raise Unavailable(f"reading the refs of {repository.path}: {error}") from error
    return found


def _wait(header: str) -> timedelta:
    return timedelta(seconds=min(int(header), _LONGEST_WAIT) if header.isascii() and header.isdigit() else 15)
