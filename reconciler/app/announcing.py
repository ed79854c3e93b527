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

        headers = {"Authorization": f"Bearer {_header_text(url, token)}"} if token is not None else {}
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


def _header_text(url: str, token: Secret) -> str:
    """What a header may carry (RFC 9110, 5.5); what httpx says of anything else holds the token."""
    text = token.reveal().strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Rejected(f"telling {url}: its credential is not one line of visible ASCII", key="validation_error")
    return text
