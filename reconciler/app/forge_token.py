"""Where the forge's token comes from: a variable of the environment, or the key of a GitHub App (reconciler.toml)."""

import os

from reconciler.app.settings import Settings
from reconciler.errors import Refused
from reconciler.forges.github.access import App
from reconciler.forges.github.opening import app_token
from reconciler.ports import Clock
from reconciler.secret import FixedToken, Secret, TokenSource, fits_a_header


def token_source(settings: Settings, clock: Clock) -> TokenSource | None:
    """None where reconciler.toml names none, or the variable is empty. Connects to nothing.

    Raises Refused where the variable holds what no header can carry.
    """
    if settings.app is not None:
        return app_token(App(settings.app.id, settings.app.key), settings.repository, settings.forge_api, clock)
    return token_in(settings.token_variable) if settings.token_variable else None


def token_in(variable: str) -> FixedToken | None:
    """The token that a variable of the environment holds; None where it is empty. Raises Refused as above."""
    secret = Secret(os.environ.get(variable, ""))
    if not secret:
        return None
    if not fits_a_header(secret):
        raise Refused(
            f"reading the token in {variable}: it holds characters that no token has",
            key="permission_denied",
            hint=f"set {variable} to the token alone: printed ASCII, without spaces, line ends or quotes around it",
        )
    return FixedToken(secret)
