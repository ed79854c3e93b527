"""One small request that tells whether a ref moved.

Knows three ways of asking: a protocol-v2 `ls-refs` POST over http(s), reading a local repository, `git ls-remote`
over ssh. Knows nothing of what the refs mean. The rule: exactly one request for each poll, no redirect is followed,
the token goes to the configured URL alone, and an answer that does not parse exactly is no answer (threats T12, T21;
fault F6).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pygit2

from reconciler.errors import Rejected, Unavailable
from reconciler.git import pktline
from reconciler.git.bare import opened
from reconciler.git.refnames import WANTED, prefix_of, wanted
from reconciler.git.remote import Remote, TokenRefused
from reconciler.git.transport import Transport
from reconciler.names import Revision

if TYPE_CHECKING:
    from reconciler.git.ask_http import Line

OVERALL = 60.0  # seconds for one poll


class Poller:
    """Asks one remote for its refs. `requests` counts what was sent; connections are kept between polls."""

    def __init__(self, remote: Remote, transport: Transport, patterns: tuple[str, ...] = WANTED) -> None:
        self.requests = 0
        self._remote = remote
        self._transport = transport
        self._patterns = patterns
        self._kept: Line | None = None

    def poll(self) -> Mapping[str, Revision]:
        """Every wanted ref of the remote. An error raises and is never an empty answer."""
        self.requests += 1
        match self._remote.scheme:
            case "file":
                found = self._read()
            case "ssh":
                found = self._list()
            case _:
                found = self._ask_patiently()
        return {name: revision for name, revision in sorted(found.items()) if wanted(name, self._patterns)}

    def close(self) -> None:
        """Close kept connections."""
        if self._kept is not None:
            self._kept.close()

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

    def _ask_patiently(self) -> Mapping[str, Revision]:
        """Once more where the token had ended and there is another (F15)."""
        try:
            return self._ask()
        except TokenRefused:
            if self._remote.token is None or not self._remote.token.renew():
                raise
        self.requests += 1
        return self._ask()

    def _ask(self) -> Mapping[str, Revision]:
        if self._kept is None:
            from reconciler.git.ask_http import Line  # urllib3 is for those who poll over http

            self._kept = Line(self._remote)
        return pktline.refs(self._kept.ask(pktline.ls_refs_request(prefix_of(pattern) for pattern in self._patterns)))


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
