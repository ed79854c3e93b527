"""Whether a webhook is our forge's: its signature or token, and whether it was here before.

Knows each forge's headers, and bytes; a hook's content is never parsed, because nothing in it is believed. Rules: what
is compared with the secret is compared in constant time; a forge is known by reconciler.toml, never by what a header
says; no id is trusted to be new, because signatures do not cover it: the same bytes again are a replay as well.

GitHub: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
GitLab: https://docs.gitlab.com/user/project/integrations/webhooks/#delivery-headers
Gitea: https://docs.gitea.com/usage/webhooks
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from reconciler.approval.persons import ForgeKind
from reconciler.secret import Secret

MOST_REMEMBERED = 4_096  # deliveries; a flood of new ones costs a look, never memory


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a forge proves that a delivery is its own. `signature`: a header with the HMAC-SHA256 of the body in hex,
    behind `prefix`; `token`: a header with the secret itself. `delivery`: headers that name a delivery, best first."""

    delivery: tuple[str, ...]
    signature: str = ""
    prefix: str = ""
    token: str = ""


_GITHUB = Dialect(("x-github-delivery",), signature="x-hub-signature-256", prefix="sha256=")
DIALECTS: Mapping[ForgeKind, Dialect] = MappingProxyType(
    {
        ForgeKind.GITHUB: _GITHUB,
        ForgeKind.GITLAB: Dialect(("idempotency-key", "x-gitlab-event-uuid"), token="x-gitlab-token"),
        ForgeKind.GITEA: Dialect(("x-gitea-delivery",), signature="x-gitea-signature"),
        ForgeKind.EMBEDDED: _GITHUB,  # a post-receive hook of a bare repository can sign as GitHub does
    }
)


class Verdict(StrEnum):
    """What a delivery is."""

    OURS = "ours"
    FORGED = "forged"
    REPLAYED = "replayed"


@dataclass(slots=True)
class Deliveries:
    """The last deliveries that were ours, by marks of their id and of their bytes."""

    most: int = MOST_REMEMBERED
    _seen: OrderedDict[bytes, None] = field(default_factory=OrderedDict)

    def seen(self, *marks: bytes) -> bool:
        """Whether any of these was here before. From now on all of them were."""
        found = any(mark in self._seen for mark in marks)
        for mark in marks:
            self._seen[mark] = None
            self._seen.move_to_end(mark)
        while len(self._seen) > self.most:
            self._seen.popitem(last=False)
        return found


class Delivery:
    """One delivery while its body arrives. Keeps digests of the body, and no body."""

    def __init__(self, forge: ForgeKind, secret: Secret) -> None:
        self._dialect = DIALECTS[forge]
        self._key = secret.reveal().encode()
        if not self._key:
            raise ValueError("an empty secret would let everybody in")
        self._signed = hmac.new(self._key, digestmod=hashlib.sha256)
        self._bytes = hashlib.sha256()

    def take(self, part: bytes) -> None:
        """The body's next bytes."""
        self._signed.update(part)
        self._bytes.update(part)

    def verdict(self, headers: Mapping[str, str], before: Deliveries) -> Verdict:
        """What it is, once the body has ended. `headers` have lower-case names."""
        if not self._genuine(headers):
            return Verdict.FORGED  # and nothing of it is remembered: a stranger cannot make us deaf to a real one
        marks = [b"bytes" + self._bytes.digest()]
        name = next((headers[one] for one in self._dialect.delivery if headers.get(one)), "")
        if name:
            marks.append(b"name" + hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest())
        return Verdict.REPLAYED if before.seen(*marks) else Verdict.OURS

    def _genuine(self, headers: Mapping[str, str]) -> bool:
        dialect = self._dialect
        if dialect.token:
            said = headers.get(dialect.token, "").encode("utf-8", "surrogateescape")
            return hmac.compare_digest(_alike(self._key), _alike(said))
        wanted = dialect.prefix + self._signed.hexdigest()
        said = headers.get(dialect.signature, "").encode("utf-8", "surrogateescape")
        return hmac.compare_digest(wanted.encode(), said)


def _alike(text: bytes) -> bytes:
    """Of one length, so that comparing tells nothing of a secret's."""
    return hashlib.sha256(text).digest()
