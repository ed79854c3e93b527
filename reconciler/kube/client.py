"""One API server, spoken to in raw JSON, with one identity, over one pool of connections.

Why so: the pool is the one of the `kubernetes` package (`ApiClient` over a `Configuration` built here by hand, never
loaded from a kubeconfig), because keep-alive, timeouts and TLS are solved there. Its generated models are not used:
they drop fields that they do not know, hide resource versions in copies, and cost five times the CPU of plain JSON.

Knows HTTP verbs, TLS and sizes; knows no kinds. The rules it keeps: TLS is verified against the given CA only; no
redirect is followed, no proxy and no environment is asked, so the token goes to one origin; an answer has a size and a
time that it may take; nothing here logs; an effect is never sent twice by itself (a dry run and a read may be, once).
"""

import copy
import json
import ssl
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit

from reconciler.errors import ReconcilerError, Unavailable
from reconciler.kube.answers import Answer, error_of, transport_error
from reconciler.kube.connection import Connection
from reconciler.kube.tls import Context, answered_within, tls_context
from reconciler.state.observed import Json

USER_AGENT: Final = "opspilot-reconciler"
WORKERS: Final = 8  # requests at once towards one API server; its own priority and fairness is the real limiter
CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 35.0  # the server itself gives up after 34 s of admission webhooks
ANSWER_SECONDS: Final = 90.0
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
# All answers of one look together: a thousand objects of 256 KiB, or 25 000 of 10 KiB as most are. Parsed they take
# several times as much memory, so a server that makes up objects without end must not be listened to for longer.
MAX_LOOK_BYTES: Final = 4 * MAX_ANSWER_BYTES
CHUNK_BYTES: Final = 256 * 1024

JSON_TYPE: Final = "application/json"
APPLY_TYPE: Final = "application/apply-patch+yaml"
MERGE_TYPE: Final = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `what` names it in messages; `secret` keeps the server's words out of them."""

    method: str
    path: str
    what: str
    query: Mapping[str, str] | None = None
    body: Json = None
    content_type: str = JSON_TYPE
    secret: bool = False
    accept: str = JSON_TYPE

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice has no effect that sending it once has not."""
        return self.method == "GET" or bool(self.query and "dryRun" in self.query)


class TooLarge(Unavailable):
    """One answer is larger than it may be: in pages it may be had."""


class Meter:
    """Bytes that may still be taken, by all threads together."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken = 0
        self._lock = threading.Lock()

    def holds(self, size: int) -> bool:
        """Whether so many more are within it; they count from now on."""
        with self._lock:
            self._taken += size
            return self._taken <= self.most

    def give_back(self, size: int) -> None:
        """So many are held no more."""
        with self._lock:
            self._taken -= size


class Client:
    """Use `close` when done; safe to share between threads. `requests` counts what was sent, by method."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.endpoint = connection.endpoint
        self._token = connection.token
        self._prefix = urlsplit(connection.endpoint).path
        self._context = tls_context(connection)
        self._pool = _pool(connection, self._context)
        self._meter: Meter | None = None
        self._counting = threading.Lock()
        self.requests: Counter[str] = Counter()

    @property
    def serving_certificate(self) -> bytes:
        """The API server's certificate in DER, as it was verified last; empty before the first request."""
        return self._context.peer

    def close(self) -> None:
        """Close the connections, those too that an exception's traceback still refers to."""
        self._pool.close()

    def metered(self) -> Self:
        """The same connections, for one look: all its answers together have a size. A metered one stays as it is."""
        if self._meter is not None:
            return self
        other = copy.copy(self)
        other._meter = Meter(MAX_LOOK_BYTES)
        return other

    def drop(self, size: int) -> None:
        """So many bytes of this look's answers are held no more: what else is answered may have their room."""
        if self._meter is not None:
            self._meter.give_back(size)

    def get(self, path: str, what: str, query: Mapping[str, str] | None = None, *, secret: bool = False) -> Json:
        """The object or list at this path."""
        return self.send(Request("GET", path, what, query, secret=secret)).json

    def find(self, path: str, what: str, *, secret: bool = False) -> Json:
        """The object at this path, or None where the server says that it is not there."""
        answer = self.ask(Request("GET", path, what, secret=secret))
        if answer.absent:
            return None
        found = self._good(answer).json
        if found is None:  # `null` is no way to say that it is not there
            raise transport_error(ValueError("the answer is null"), what, "")
        return found

    def send(self, request: Request) -> Answer:
        """The answer, or one of errors.py."""
        return self._good(self.ask(request))

    def ask(self, request: Request) -> Answer:
        """The answer, whatever its status. Raises Unavailable or Untrusted where there is none."""
        try:
            return self._once(request)
        except ReconcilerError:
            raise
        except (OSError, _transport_failure()) as error:
            failure = transport_error(error, request.what, self.endpoint)
            if not (request.repeatable and _is_stale(error)):
                raise failure from None
        try:  # a kept connection that the server had just closed: the one failure that looking again at once cures
            return self._once(request)
        except (OSError, _transport_failure()) as error:
            raise transport_error(error, request.what, self.endpoint) from None

    def through(self, path: str, what: str, seconds: float, most: int) -> tuple[int, bytes, float]:
        """What stands behind the API server's proxy answers to a GET: status, its first bytes, seconds it took."""
        from urllib3 import Timeout

        with self._counting:
            self.requests["GET"] += 1
        headers = {**self._headers(Request("GET", path, what)), "Accept": "*/*"}
        begun = monotonic()
        try:
            with answered_within(seconds):
                response = self._pool.request(
                    "GET",
                    self._prefix + path,
                    headers=headers,
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    timeout=Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds),
                )
                try:
                    data = response.read(most, decode_content=False)
                finally:
                    response.close()  # what is left of it is nobody's next answer
        except (OSError, _transport_failure()) as error:
            raise transport_error(error, what, self.endpoint) from None
        return int(response.status), data, monotonic() - begun

    def _once(self, request: Request) -> Answer:
        with self._counting:
            self.requests[request.method] += 1
        url = self._prefix + request.path + (f"?{urlencode(request.query)}" if request.query else "")
        with answered_within(ANSWER_SECONDS):
            response = self._pool.request(
                request.method,
                url,
                body=None if request.body is None else json.dumps(request.body, separators=(",", ":")).encode(),
                headers=self._headers(request),
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=_timeout(),
            )
            try:
                data = _read(response, request.what, self._meter)
            except BaseException:
                response.close()  # what is left of the answer must not be read as the next one
                raise
        response.release_conn()
        return Answer(
            response.status,
            data,
            request.what,
            retry_after=response.headers.get("Retry-After", ""),
            secret=request.secret,
            about_object=request.body,
            content_type=response.headers.get("Content-Type", ""),
        )

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {"Accept": request.accept, "User-Agent": USER_AGENT}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        return headers

    def _good(self, answer: Answer) -> Answer:
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return answer
        raise error_of(answer)


def _read(response: Any, what: str, meter: Meter | None) -> bytes:
    """The whole body within its size and within the look's. Raises Unavailable."""
    parts: list[bytes] = []
    size = 0
    for part in response.stream(CHUNK_BYTES, decode_content=True):
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            if meter is not None:
                meter.give_back(size - len(part))  # in pages it may be within the look's
            message = f"{what}: the answer is larger than {MAX_ANSWER_BYTES} bytes"
            raise TooLarge(message, key="cluster_connect_failed")
        if meter is not None and not meter.holds(len(part)):
            raise transport_error(ValueError(f"one look's answers are larger than {meter.most} bytes"), what, "")
        parts.append(part)
    return b"".join(parts)


def _pool(connection: Connection, context: Context) -> Any:
    """The package's connection pool of one origin: it cannot be made to speak to another one."""
    from kubernetes.client import ApiClient, Configuration  # lazily: 0.3 s that most commands never need

    configuration = Configuration(host=connection.endpoint)
    configuration.verify_ssl = True
    configuration.proxy = None  # set, so that the environment is not asked
    configuration.connection_pool_maxsize = WORKERS
    configuration.retries = False
    pools = ApiClient(configuration).rest_client.pool_manager
    # The context is handed to the pool as it is: the package's own settings know only files for certificates.
    pools.connection_pool_kw.update(ssl_context=context, block=True)
    return pools.connection_from_url(connection.endpoint)


def _timeout() -> Any:
    from urllib3 import Timeout

    return Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)


def _transport_failure() -> type[Exception]:
    from urllib3.exceptions import HTTPError

    return HTTPError


def _is_stale(error: BaseException) -> bool:
    """A connection that broke before any answer came, and not a TLS refusal or a timeout."""
    from urllib3.exceptions import ProtocolError, SSLError

    return isinstance(error, (ProtocolError, ConnectionError)) and not isinstance(error, (SSLError, ssl.SSLError))
