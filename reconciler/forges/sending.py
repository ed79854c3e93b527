"""The one sender to a forge's API: over one origin, bounded, and patient when it is told to stay away.

Knows HTTP and the token; no forge's paths or fields. Rules: the token goes to the configured origin alone, no redirect
is followed, a next page on another origin is refused, an answer has a bound and an end; a write whose answer was lost
is Unavailable and never sent again by itself: whoever asked reads first (faults F11 to F13).
"""

import json
import re
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from reconciler.errors import ReconcilerError, Rejected, Unavailable, Untrusted
from reconciler.forges.asking import MALFORMED, Answer, Request
from reconciler.ports import Clock
from reconciler.secret import Secret

CAP = 32 * 1024 * 1024  # bytes of one answer
LONGEST_REFUSAL = 65_536  # bytes of an answer that says no
MOST_PAGES = 1_000
PATIENCE = httpx.Timeout(20.0)
LONGEST_WAIT = timedelta(hours=1)
DEFAULT_WAIT = timedelta(seconds=30)
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,]*\brel="?next"?')
_AWAY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)


class Sender:
    """Sends to the API at `root`, such as https://forge.example.org/api/v1. `requests` counts what was sent."""

    def __init__(
        self, root: str, token: Secret, clock: Clock, *, scheme: str = "Bearer", ca_file: Path | None = None
    ) -> None:
        self.requests = 0
        self.root = root.rstrip("/")
        self._token = token
        self._scheme = scheme
        self._clock = clock
        self._ca_file = ca_file
        self._client: httpx.Client | None = None
        self._not_before: datetime | None = None

    def send(self, request: Request) -> Answer:
        """The answer to one request. Raises Unavailable, Rejected, Untrusted."""
        return self._sent(request, f"{self.root}{request.path}", dict(request.query))

    def pages(self, request: Request) -> Iterator[Answer]:
        """Every page of a list; all of them or an error."""
        answer = self.send(request)
        yield answer
        for _ in range(MOST_PAGES):
            if not answer.next_page:
                return
            self._same_origin(request.what, answer.next_page)
            answer = self._sent(request, answer.next_page, {})
            yield answer
        raise Rejected(f"{request.what}: more than {MOST_PAGES} pages", key=MALFORMED)

    def close(self) -> None:
        """Close kept connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _sent(self, request: Request, url: str, query: dict[str, str]) -> Answer:
        self._patient(request.what)
        try:
            return self._once(request, url, query)
        except (httpx.RemoteProtocolError, httpx.ConnectError) as error:
            if not request.reads:
                raise self._lost(request, error) from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            raise self._lost(request, error) from None
        try:  # a kept connection that the server closed meanwhile: reading again is harmless
            return self._once(request, url, query)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            raise self._lost(request, error) from None

    def _once(self, request: Request, url: str, query: dict[str, str]) -> Answer:
        self.requests += 1
        headers = {"Authorization": f"{self._scheme} {self._token.reveal()}", "Accept": "application/json"}
        with self._connected().stream(
            request.method, url, params=query or None, json=request.body, headers=headers
        ) as response:
            if not response.is_success:
                raise self._refusal(request, response)
            content = self._read(request, response)
            total = response.headers.get("X-Total-Count", "")
            return Answer(
                request.what,
                content,
                _next(response.headers.get("Link", "")),
                int(total[:9]) if total.isascii() and total.isdigit() else None,
            )

    def _read(self, request: Request, response: httpx.Response) -> Any:
        data = bytearray()
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) > CAP:
                raise Rejected(f"{request.what}: an answer of more than {CAP} bytes", key=MALFORMED)
        if not data:
            return None
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise Rejected(f"{request.what}: the answer is no JSON", key=MALFORMED) from error

    def _connected(self) -> httpx.Client:
        if self._client is None:
            trusted = ssl.create_default_context(cafile=str(self._ca_file) if self._ca_file else None)
            self._client = httpx.Client(verify=trusted, follow_redirects=False, trust_env=False, timeout=PATIENCE)
        return self._client

    def _refusal(self, request: Request, response: httpx.Response) -> ReconcilerError:
        code = response.status_code
        said = f"{request.what}: HTTP {code}{_words(response)}"
        wait = _wait(response.headers, self._clock.now())
        limited = code == HTTPStatus.FORBIDDEN and (
            wait is not None or response.headers.get("X-RateLimit-Remaining") == "0"
        )
        if code in _AWAY or limited:
            self._not_before = self._clock.now() + (wait or DEFAULT_WAIT)
            return Unavailable(said, key="rate_limited", retry_after=wait or DEFAULT_WAIT)
        if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unavailable(said, retry_after=wait or DEFAULT_WAIT)
        if code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            hint = "the forge's token is wrong, has ended, or may not do this: `reconciler doctor` says what it needs"
            return ForgeRefusal(said, code, key="permission_denied", hint=hint)
        if code < HTTPStatus.BAD_REQUEST:
            return Rejected(f"{said}: redirects are not followed", key=MALFORMED, hint="configure the final URL")
        return ForgeRefusal(said, code)

    def _patient(self, what: str) -> None:
        left = self._not_before - self._clock.now() if self._not_before is not None else timedelta()
        if left > timedelta():
            seconds = left.total_seconds()
            raise Unavailable(
                f"{what}: the forge asked for {seconds:.0f} s of peace", key="rate_limited", retry_after=left
            )

    def _lost(self, request: Request, error: Exception) -> ReconcilerError:
        said = f"{request.what}: {type(error).__name__}"
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Untrusted(f"{said}: its certificate does not check", key="certificate_invalid")
        return Unavailable(said)

    def _same_origin(self, what: str, url: str) -> None:
        ours, theirs = urlsplit(self.root), urlsplit(url)
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc) or not theirs.path.startswith(ours.path):
            raise Untrusted(f"{what}: the next page is on another origin", key=MALFORMED)


class ForgeRefusal(Rejected):
    """The forge said no with a code of its own; what that means is its adapter's to know."""

    def __init__(self, message: str, status: int, *, key: str = MALFORMED, hint: str = "") -> None:
        super().__init__(message, key=key, hint=hint)
        self.status = status


def _next(link: str) -> str:
    found = _NEXT.search(link)
    return found.group(1) if found else ""


def _wait(headers: httpx.Headers, now: datetime) -> timedelta | None:
    """How long we were asked to stay away: Retry-After in seconds, or until the limit is filled again."""
    after, reset = headers.get("Retry-After", ""), headers.get("X-RateLimit-Reset", "")
    if after.isascii() and after.isdigit():
        return min(timedelta(seconds=int(after[:6])), LONGEST_WAIT)
    if headers.get("X-RateLimit-Remaining") == "0" and reset.isascii() and reset.isdigit():
        left = timedelta(seconds=int(reset[:12]) - int(now.timestamp()))
        return min(max(left, timedelta(seconds=1)), LONGEST_WAIT)
    return None


def _words(response: httpx.Response) -> str:
    """What the forge says of it: the `message` of its JSON, shortened; nothing where it says nothing."""
    data = bytearray()
    try:
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) > LONGEST_REFUSAL:
                return ""
        said = json.loads(data)
    except (ValueError, RecursionError, httpx.HTTPError):
        return ""
    message = said.get("message") if isinstance(said, dict) else None
    return f": {' '.join(message.split())[:200]}" if isinstance(message, str) and message.strip() else ""
