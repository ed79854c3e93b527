"""The one sender to a forge's API: over one origin, bounded, and patient when it is told to stay away.

Knows HTTP and the token; no forge's paths or fields. Rules: the token goes to the configured origin alone, no redirect
is followed, a next page on another origin is refused, an answer has a bound and an end; a write whose answer was lost
is Unavailable and never sent again by itself: whoever asked reads first (faults F11 to F13). A refused token is renewed
once, where it can be (F15). One request at a time: forges ask for that.
"""

import json
import re
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import httpx

from reconciler.errors import ReconcilerError, Rejected, Unavailable, Untrusted
from reconciler.forges.asking import MALFORMED, Answer, Reading, Request, readings
from reconciler.forges.limits import Limits, asked_wait
from reconciler.forges.remembering import Place, Remembered
from reconciler.ports import Clock
from reconciler.secret import MASK, FixedToken, Secret, TokenSource, fits_a_header

CAP = 32 * 1024 * 1024  # bytes of one answer
LONGEST_REFUSAL = 65_536  # bytes of an answer that says no
MOST_PAGES = 1_000
MOST_BYTES = 64 * 1024 * 1024  # of all pages of a list
MOST_READINGS = 4  # of a list of several pages, until two in a row say the same
PATIENCE = httpx.Timeout(20.0)
OVERALL = 120.0  # seconds for one answer, however slowly it drips
DEFAULT_WAIT = timedelta(seconds=30)
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,]*\brel="?next"?')
_TOTAL = ("X-Total-Count", "X-Total")


class Sender:
    """Sends to the API at `root`, such as https://forge.example.org/api/v1. `requests` counts what was sent.

    `headers` go with every request and say what kind of answer is wanted.
    """

    def __init__(
        self,
        root: str,
        token: Secret | TokenSource,
        clock: Clock,
        *,
        scheme: str = "Bearer",
        ca_file: Path | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        self.requests = 0
        self.root = root.rstrip("/")
        self._token = FixedToken(token) if isinstance(token, Secret) else token
        self._scheme = scheme
        self.clock = clock
        self._ca_file = ca_file
        self._headers = {"Accept": "application/json", "User-Agent": "reconciler", **headers}
        self._client: httpx.Client | None = None
        self._limits = Limits(clock)
        self._remembered = Remembered()
        self._turn = threading.RLock()

    def send(self, request: Request) -> Answer:
        """The answer to one request. Raises Unavailable, Rejected, Untrusted."""
        return self._sent(request, f"{self.root}{request.path}", dict(request.query))

    def pages(self, request: Request) -> Iterator[Answer]:
        """Every page of a list; all of them or an error."""
        answer = self.send(request)
        yield answer
        named, size = {str(httpx.URL(f"{self.root}{request.path}", params=dict(request.query)))}, answer.size
        for _ in range(MOST_PAGES):
            if not answer.next_page:
                return
            self._same_origin(request.what, answer.next_page)
            if answer.next_page in named:
                raise Rejected(f"{request.what}: a page names one that came before as the next", key=MALFORMED)
            named.add(answer.next_page)
            answer = self._sent(request, answer.next_page, {})
            size += answer.size
            if size > MOST_BYTES:
                raise Rejected(f"{request.what}: pages of more than {MOST_BYTES} bytes in all", key=MALFORMED)
            yield answer
        raise Rejected(f"{request.what}: more than {MOST_PAGES} pages", key=MALFORMED)

    def whole(self, request: Request) -> tuple[Reading, ...]:
        """Every entry of a list. Several pages are read until two readings in a row say the same: what came or went
        meanwhile moves entries over a page's end, where they would be missed or come twice (F13)."""
        before: list[Answer] = []
        for _ in range(MOST_READINGS):
            now = list(self.pages(request))
            if any(answer.content is None for answer in now):
                raise Rejected(f"{request.what}: the answer is no list", key=MALFORMED)
            if len(now) == 1 or [one.content for one in now] == [one.content for one in before]:
                found = tuple(entry for answer in now for entry in readings(answer))
                if any(answer.content is None for answer in now):
                    raise Rejected(f"{request.what}: the answer is no list", key=MALFORMED)
                if len(found) < max(answer.total or 0 for answer in now):
                    raise Unavailable(f"{request.what}: {len(found)} entries came, and there are more")
                return found
            before = now
        raise Unavailable(f"{request.what}: its pages change faster than they can be read")

    def close(self) -> None:
        """Close kept connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _sent(self, request: Request, url: str, query: dict[str, str]) -> Answer:
        with self._turn:
            self._limits.check(request.what)
            if not request.reads:
                self._limits.pace(request.what)
            try:
                return self._tried(request, url, query)
            except ForgeRefusal as refusal:
                if refusal.status != HTTPStatus.UNAUTHORIZED or not self._token.renew():
                    raise
            return self._tried(request, url, query)  # what was not authorized was not done

    def _tried(self, request: Request, url: str, query: dict[str, str]) -> Answer:
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
        token = self._token.token()
        if not fits_a_header(token):
            raise Rejected(f"{request.what}: the token holds characters that no token has", key="permission_denied")
        self.requests += 1
        place: Place = (url, tuple(query.items()))
        headers = {**self._headers, "Authorization": f"{self._scheme} {token.reveal()}"}
        tag = self._remembered.tag(place) if request.reads else ""
        if tag:
            headers["If-None-Match"] = tag
        with self._connected().stream(
            request.method, url, params=query or None, json=request.body, headers=headers
        ) as response:
            if response.status_code == HTTPStatus.NOT_MODIFIED and tag:
                self._limits.answered(response.headers)
                return self._remembered.again(place)
            if not response.is_success:
                raise self._refusal(request, response, token)
            self._limits.answered(response.headers)
            answer = self._read(request, response)
            if request.reads:
                self._remembered.keep(place, request, answer, response.headers.get("ETag", ""))
            return answer

    def _read(self, request: Request, response: httpx.Response) -> Answer:
        data = bytearray()
        deadline = time.monotonic() + OVERALL
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) > CAP:
                raise Rejected(f"{request.what}: an answer of more than {CAP} bytes", key=MALFORMED)
            if time.monotonic() > deadline:
                raise Unavailable(f"{request.what}: no end of the answer after {OVERALL:.0f} seconds")
        if request.reads and not data:  # not even an empty list: taken for one it would take rejections away
            raise Rejected(f"{request.what}: an answer without a word", key=MALFORMED)
        try:
            content = json.loads(data) if data else None
        except (ValueError, RecursionError) as error:
            raise Rejected(f"{request.what}: the answer is no JSON", key=MALFORMED) from error
        following = _next(response.headers.get("Link", ""))
        return Answer(request.what, content, following, _total(response), size=len(data))

    def _connected(self) -> httpx.Client:
        if self._client is None:
            trusted = _trusted(self._ca_file)
            self._client = httpx.Client(verify=trusted, follow_redirects=False, trust_env=False, timeout=PATIENCE)
        return self._client

    def _refusal(self, request: Request, response: httpx.Response, token: Secret) -> ReconcilerError:
        code = response.status_code
        words = _words(response).replace(token.reveal(), MASK)
        said = f"{request.what}: HTTP {code}{f': {words}' if words else ''}"
        peace = self._limits.refused(code, response.headers, words)
        if peace is not None:
            return Unavailable(said, key="rate_limited", retry_after=peace)
        if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            wait = asked_wait(response.headers, self.clock.now())
            return Unavailable(said, retry_after=wait or DEFAULT_WAIT)
        if code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            hint = "the forge's token is wrong, has ended, or may not do this: `reconciler doctor` says what it needs"
            return ForgeRefusal(said, code, key="permission_denied", hint=hint)
        if code < HTTPStatus.BAD_REQUEST:
            return Rejected(f"{said}: redirects are not followed", key=MALFORMED, hint="configure the final URL")
        return ForgeRefusal(said, code)

    def _lost(self, request: Request, error: Exception) -> ReconcilerError:
        said = f"{request.what}: {type(error).__name__}"
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Untrusted(f"{said}: its certificate does not check", key="certificate_invalid")
        return Unavailable(said)

    def _same_origin(self, what: str, url: str) -> None:
        ours = urlsplit(self.root)
        try:
            theirs = urlsplit(url)
        except ValueError:
            raise Rejected(f"{what}: the next page has no address", key=MALFORMED) from None
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc) or not theirs.path.startswith(ours.path):
            raise Untrusted(f"{what}: the next page is on another origin", key=MALFORMED)


class ForgeRefusal(Rejected):
    """The forge said no with a code of its own; what that means is its adapter's to know."""

    def __init__(self, message: str, status: int, *, key: str = MALFORMED, hint: str = "") -> None:
        super().__init__(message, key=key, hint=hint)
        self.status = status


@cache
def _trusted(ca_file: Path | None) -> ssl.SSLContext:
    """Read once: the system's certificates take a tenth of a second."""
    return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)


def _next(link: str) -> str:
    found = _NEXT.search(link)
    return found.group(1) if found else ""


def _total(response: httpx.Response) -> int | None:
    said = next((response.headers[name] for name in _TOTAL if name in response.headers), "")
    return int(said[:9]) if said.isascii() and said.isdigit() else None


def _words(response: httpx.Response) -> str:
    """What the forge says of it: `message` of its JSON and of its `errors`, shortened; empty where it says nothing."""
    data = bytearray()
    try:
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) > LONGEST_REFUSAL:
                return ""
        said = json.loads(data)
    except (ValueError, RecursionError, httpx.HTTPError):
        return ""
    if not isinstance(said, dict):
        return ""
    details = said.get("errors")
    parts = [said.get("message"), said.get("error"), *(details if isinstance(details, list) else ())]
    words = [part.get("message") if isinstance(part, dict) else part for part in parts]
    return " ".join("; ".join(word for word in words if isinstance(word, str)).split())[:200]
