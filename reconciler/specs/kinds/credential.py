"""Credential: a secret by reference, and the addresses it may be used for."""

from enum import StrEnum

from pydantic import Field, model_validator

from reconciler.specs.kinds.fields import AgeText, EnvReference, FileReference, Name, UseAddress
from reconciler.specs.kinds.model import Model, exactly_one
from reconciler.specs.kinds.project import DEFAULT_PROJECT


class CredentialType(StrEnum):
    """What a secret is."""

    SSH_KEY = "ssh_key"
    PASSWORD = "password"
    KUBECONFIG = "kubeconfig"
    CERT_BUNDLE = "cert_bundle"
    TOKEN = "token"


class Credential(Model):
    """A secret by reference: exactly one of age, file and env."""

    type: CredentialType = Field(description="What the secret is.")
    project: Name = Field(default=DEFAULT_PROJECT, description="The only project that may use it.")
    addresses: tuple[UseAddress, ...] = Field(
        default=(),
        description="Hosts, host:port or https://host:port it may be sent to; age binds them inside, too.",
    )
    age: AgeText | None = Field(default=None, description="The secret, encrypted with age to the reconciler, armored.")
    file: FileReference | None = Field(default=None, description="Name of a file that reconciler.toml lists.")
    env: EnvReference | None = Field(
        default=None, description="Name of an environment variable that reconciler.toml lists."
    )

    @model_validator(mode="after")
    def _one_source(self) -> "Credential":
        exactly_one({"age": self.age, "file": self.file, "env": self.env})
        return self
