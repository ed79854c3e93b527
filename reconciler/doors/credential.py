"""Sealing a secret to this reconciler, for a Credential spec. Needs only the public half of its age identity."""

import yaml

from reconciler.app.credentials import normal_address, seal
from reconciler.app.keys import age_recipient, load_keys
from reconciler.app.settings import Settings
from reconciler.errors import Refused
from reconciler.secret import Secret

RECIPIENT = "age1"
WORDS = frozenset({"token", "password"})


def recipient_of(settings: Settings) -> str:
    """The public half, where its keys are on this machine. Raises Unavailable."""
    return age_recipient(load_keys(settings))


def sealed_spec(typed: str, *, name: str, kind: str, project: str, addresses: tuple[str, ...], to: str) -> str:
    """A Credential spec that holds what was typed, sealed, ready to be committed.

    The line end after a token or a password is the terminal's and no part of it.
    """
    secret = Secret(typed.rstrip("\r\n") if kind in WORDS else typed)
    if not secret:
        raise Refused(
            f"sealing credential {name}: there is no secret on stdin",
            key="validation_error",
            hint="reconciler credential seal NAME ... < FILE",
        )
    if not to.startswith(RECIPIENT):
        raise Refused(
            f"sealing credential {name}: {to[:60]!r} is no age recipient",
            key="validation_error",
            hint="`reconciler doctor` on the reconciler's machine prints it: age1...",
        )
    for address in addresses:
        try:
            normal_address(address)
        except ValueError as error:
            raise Refused(
                f"sealing credential {name}: address {address[:80]!r}: {error}", key="endpoint_invalid"
            ) from error
    import pyrage

    try:
        armored = seal(secret, name=name, project=project, addresses=addresses, recipient=to)
    except (ValueError, pyrage.RecipientError) as error:
        raise Refused(f"sealing credential {name}: the recipient cannot be used", key="validation_error") from error
    head = {
        "apiVersion": "opspilot.spec/v1",
        "kind": "Credential",
        "metadata": {"name": name},
        "spec": {"type": kind, "project": project, "addresses": list(addresses)},
    }
    body = "".join(f"    {line}\n" for line in armored.strip().splitlines())
    return yaml.safe_dump(head, sort_keys=False) + "  age: |\n" + body
