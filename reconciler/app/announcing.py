"""Tells webhooks that the settings in force name: one POST of JSON, over TLS, following nobody elsewhere."""

from reconciler.errors import Rejected, Unavailable
from reconciler.secret import Secret
from reconciler.state.observed import Json

SECONDS = 5.0


class HttpAnnouncer:
    """The Announcer over HTTPS. The answer's body is never read: it is nobody's word here."""

    def announce(self, url: str, token: Secret | None, message: Json) -> None:
        """POST. Raises Unavailable where nobody answered in time, Rejected where the answer was no success."""
        import httpx

        headers = {"Authorization": f"Bearer {token.reveal().strip()}"} if token is not None else {}
        try:
            with (
                httpx.Client(trust_env=False, timeout=SECONDS) as client,
                client.stream("POST", url, json=message, headers=headers) as answer,
            ):
                code = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unavailable(f"telling {url}: {type(error).__name__}") from None
        if not httpx.codes.is_success(code):
            raise Rejected(f"telling {url}: it answered {code}")
