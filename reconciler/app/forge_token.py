"""Where the forge's token comes from: a variable of the environment, or the key of a GitHub App (reconciler.toml)."""

import os

from reconciler.app.settings import Settings
from reconciler.forges.github.access import App
from reconciler.forges.github.opening import app_token
from reconciler.ports import Clock
from reconciler.secret import FixedToken, Secret, TokenSource


def token_source(settings: Settings, clock: Clock) -> TokenSource | None:
    """None where reconciler.toml names none, or the variable is empty. Connects to nothing."""
    if settings.app is not None:
        return app_token(App(settings.app.id, settings.app.key), settings.repository, settings.forge_api, clock)
    text = os.environ.get(settings.token_variable, "") if settings.token_variable else ""
    return FixedToken(Secret(text)) if text else None
