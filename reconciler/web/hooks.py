"""The door for webhooks: `POST /hook`, answered in one plain line.

Knows HTTP. The rules: method, path, type and stated length are looked at first, then the body is read, at most 1 MB of
it and never kept; only its signature decides; a delivery that is ours does one thing: it asks for a look.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from reconciler.approval.persons import ForgeKind
from reconciler.forges.hooks import Deliveries, Delivery, Verdict
from reconciler.secret import Secret

PATH = "/hook"
LARGEST = 1024 * 1024  # bytes of one body: the largest that is read, not the largest that a forge may send
JSON = "application/json"


class Answered(StrEnum):
    """How a request to the door ended."""

    TAKEN = "taken"
    REPLAYED = "replayed"
    FORGED = "forged"
    WRONG_TYPE = "wrong_type"
    TOO_LARGE = "too_large"
    CUT = "cut"


WORDS = {
    Answered.TAKEN: (HTTPStatus.ACCEPTED, "a look was asked for"),
    Answered.REPLAYED: (HTTPStatus.OK, "this delivery was here before"),
    Answered.FORGED: (HTTPStatus.UNAUTHORIZED, "the signature or token is missing or wrong"),
    Answered.WRONG_TYPE: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"hooks are {JSON}"),
    Answered.TOO_LARGE: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"hooks have at most {LARGEST} bytes"),
    Answered.CUT: (HTTPStatus.BAD_REQUEST, "the body has no end"),
}
OUTCOMES = {Verdict.OURS: Answered.TAKEN, Verdict.REPLAYED: Answered.REPLAYED, Verdict.FORGED: Answered.FORGED}


@dataclass(frozen=True, slots=True)
class Door:
    """What takes hooks in. `told` hears how each request ended."""

    forge: ForgeKind
    secret: Secret
    press: Callable[[], None]
    told: Callable[[Answered], None]
    before: Deliveries = field(default_factory=Deliveries)

    def application(self) -> Starlette:
        """For the server."""
        endpoint: Callable[[Request], Awaitable[Response]] = self._take
        made = Starlette(routes=[Route(PATH, endpoint, methods=["POST"])])
        made.router.redirect_slashes = False  # no other path is a hook, and nobody is sent anywhere
        return made

    async def _take(self, request: Request) -> Response:
        try:
            answered = await self._answered(request)
        except ClientDisconnect:
            answered = Answered.CUT
        self.told(answered)
        if answered is Answered.TAKEN:
            self.press()
        status, words = WORDS[answered]
        # one request a connection: what is left of a body that was too large is never read
        return PlainTextResponse(f"{words}\n", status, {"Connection": "close"})

    async def _answered(self, request: Request) -> Answered:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
            return Answered.WRONG_TYPE
        stated = headers.get("content-length", "")
        if stated.isascii() and stated.isdigit() and (len(stated) > len(str(LARGEST)) or int(stated) > LARGEST):
            return Answered.TOO_LARGE
        delivery, size = Delivery(self.forge, self.secret), 0
        async for part in request.stream():
            size += len(part)
            if size > LARGEST:
                return Answered.TOO_LARGE
            delivery.take(part)
        return OUTCOMES[delivery.verdict(headers, self.before)]
