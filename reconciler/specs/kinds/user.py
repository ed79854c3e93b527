"""User: a person, or a bot, and the logins, e-mails and keys by which they are known."""

from pydantic import Field

from reconciler.specs.kinds.fields import Email, Line, Login, Name, SshPublicKey
from reconciler.specs.kinds.model import Model


class Logins(Model):
    """Accounts of a person on the forges."""

    github: Login | None = Field(default=None, description="Login on GitHub.")
    gitlab: Login | None = Field(default=None, description="Login on GitLab.")
    gitea: Login | None = Field(default=None, description="Login on Gitea or Forgejo.")
    embedded: Login | None = Field(
        default=None, description="Name in the embedded forge; the User's own name unless set."
    )


class User(Model):
    """A person, or a bot."""

    name: Line | None = Field(default=None, description="The name to show, such as Ada Lovelace.")
    logins: Logins = Field(default=Logins(), description="Accounts on the forges.")
    emails: tuple[Email, ...] = Field(default=(), description="E-mail addresses that stand in this person's commits.")
    ssh_keys: tuple[SshPublicKey, ...] = Field(
        default=(), description="SSH public keys that sign this person's approvals and commits."
    )
    groups: tuple[Name, ...] = Field(default=(), description="Groups for role bindings and owners.")
    bot: bool = Field(default=False, description="Whether this account is a program.")
    ai: bool = Field(
        default=False,
        description="Whether this account is an AI; it counts as a bot and never approves, whatever its roles.",
    )

    @property
    def automated(self) -> bool:
        """Whether no person acts through this account."""
        return self.bot or self.ai
