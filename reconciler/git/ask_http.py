"""The poller's one request over http(s): POST, read within limits, close nothing that can be used again.

Knows urllib3, status codes and headers; knows nothing of git's answer but its type. The rule: one request, no redirect,
no second try, no proxy or password file of the machine, and the answer ends by size and by time (threats T12, T21).
"""

import ssl
import time
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from reconciler.errors import ReconcilerError, Rejected, Unavailable, Untrusted
from reconciler.git.outcry import UNREACHABLE
from reconciler.git.remote import Remote, TokenRefused

CAP = 32 * 1024 * 1024  # bytes; 65 for each ref of usual length
OVERALL = 60.0  # seconds for one poll
STILL = 20.0  # seconds without a byte
KEPT = 90.0  # seconds in which an unused connection is thought to be there still
_PART = 64 * 1024
_ANSWER = "application/x-git-upload-pack-result"
_LONGEST_WAIT = 3600  # seconds; what a server may ask us to stay away


class Line:
    """The kept connection to one remote."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._url = urlsplit(f"{remote.url.rstrip('/')}/git-upload-pack")
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._used = 0.0

    def ask(self, body: bytes) -> bytes:
        """The answer to a request of protocol v2. An error raises and is never an empty answer."""
        deadline = time.monotonic() + OVERALL
        try:
            answer = self._connected().urlopen(
                "POST", self._url.path, body, self._headers(),
                retries=False, redirect=False, preload_content=False,
                timeout=urllib3.Timeout(STILL),
            )  # fmt: skip
            try:
                return self._read(answer, deadline)
            except BaseException:
                answer.close()  # what still comes on this connection is nobody's answer
                raise
            finally:
                answer.release_conn()
        except (HTTPError, OSError, ValueError) as error:
            raise self._away(error) from error

    def close(self) -> None:
        """Close what is kept."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _read(self, answer: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        if answer.status != 200 or answer.headers.get("Content-Type") != _ANSWER:
            raise self._refusal(answer.status, answer.headers)
        data = bytearray()
        for part in answer.stream(_PART, decode_content=False):
            data += part
            if len(data) > CAP:
                raise Rejected(f"polling {self._remote.url}: more than {CAP} bytes of refs", key="endpoint_invalid")
            if time.monotonic() > deadline:
                raise Unavailable(f"polling {self._remote.url}: no end after {OVERALL:.0f} seconds", key=UNREACHABLE)
        return bytes(data)

    def _headers(self) -> Mapping[str, str]:
        headers = {
            "Content-Type": "application/x-git-upload-pack-request",
            "Accept": _ANSWER,
            "Accept-Encoding": "identity",
            "Git-Protocol": "version=2",
            "User-Agent": "git/2 (reconciler)",  # some forges answer git clients only
        }
        if self._remote.token:
            headers["Authorization"] = self._remote.token.authorization()
        return headers

    def _connected(self) -> urllib3.HTTPConnectionPool:
        now = time.monotonic()
        if now - self._used > KEPT:
            self.close()
        self._used = now
        if self._pool is None:
            host, port = self._url.hostname or "", self._url.port
            if self._url.scheme == "https":
                trusted = ssl.create_default_context(cafile=str(self._remote.ca_file) if self._remote.ca_file else None)
                self._pool = urllib3.HTTPSConnectionPool(host, port, ssl_context=trusted)
            else:
                self._pool = urllib3.HTTPConnectionPool(host, port)
        return self._pool

    def _refusal(self, status: int, headers: Mapping[str, str]) -> ReconcilerError:
        said = f"polling {self._remote.url}: HTTP {status}"
        match status:
            case 200:
                return Rejected(f"{said}: the answer is not git's protocol v2", key="endpoint_invalid")
            case 401 | 403:
                kind = TokenRefused if status == 401 else Rejected
                return kind(said, key="permission_denied", hint="the forge token is wrong, ended, or may not read this")
            case code if 300 <= code < 400:
                return Rejected(
                    f"{said}: redirects are not followed", key="endpoint_invalid", hint="configure the final URL"
                )
            case 429:
                return Unavailable(said, key="rate_limited", retry_after=_wait(headers.get("Retry-After", "")))
            case _:
                return Unavailable(said, key=UNREACHABLE, retry_after=_wait(headers.get("Retry-After", "")))

    def _away(self, error: Exception) -> ReconcilerError:
        said = f"polling {self._remote.url}: {type(error).__name__}: {error}"
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Untrusted(said, key="certificate_invalid")
        return Unavailable(said, key=UNREACHABLE)


def _wait(header: str) -> timedelta:
    return timedelta(seconds=min(int(header), _LONGEST_WAIT) if header.isascii() and header.isdigit() else 15)
