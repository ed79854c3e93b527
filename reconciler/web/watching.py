"""Pages for whoever watches the process: `/healthz`, `/readyz`, `/metrics`.

Knows HTTP and the gauges. The rule: nothing is asked of Git, a forge or a target to answer.
"""

from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from reconciler.web.gauges import CONTENT_TYPE, Gauges


def watching(gauges: Gauges, late: Callable[[], timedelta], stopping: Callable[[], bool]) -> Starlette:
    """`late`: how old the last look may be where none runs."""

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        lacks = "stopping" if stopping() else gauges.lacks(late())
        status = HTTPStatus.SERVICE_UNAVAILABLE if lacks else HTTPStatus.OK
        return PlainTextResponse(f"{lacks or 'ok'}\n", status)

    async def metrics(_request: Request) -> Response:
        return Response(gauges.page(), media_type=CONTENT_TYPE)

    return Starlette(
        routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)],
    )
