"""Host: a machine reached by SSH."""

from enum import StrEnum

from pydantic import Field

from reconciler.specs.kinds.fields import HostAddress, Name, Port, SshPublicKey, UnixUser
from reconciler.specs.kinds.model import Model


class Become(StrEnum):
    """How the login user becomes root."""

    NONE = "none"
    SUDO = "sudo"


class Host(Model):
    """A machine reached by SSH. Its labels stand in the metadata."""

    address: HostAddress = Field(description="Host name or IP address.")
    port: Port = Field(default=22, description="Port of the SSH server.")
    user: UnixUser = Field(default="root", description="User to log in as.")
    become: Become = Field(
        default=Become.NONE, description="How that user becomes root: none, or sudo (without a password)."
    )
    credential: Name = Field(description="Credential of type ssh_key or password to log in with.")
    host_key: SshPublicKey = Field(
        description="The server's public key, pinned: ssh-ed25519 AAAA... (ssh-keyscan ADDRESS prints it)."
    )
