"""Cluster: how a Kubernetes API is reached, its certificates, and its network entry."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from reconciler.specs.kinds.fields import HttpsUrl, Interface, Ipv4, Name, Pem, Port, PositiveDuration, parse_duration
from reconciler.specs.kinds.model import Model, rule


class SourceType(StrEnum):
    """Where a cluster comes from."""

    PLATFORM_CREATED = "platform_created"
    EXTERNAL_IMPORTED = "external_imported"


class AuthType(StrEnum):
    """How the reconciler proves who it is."""

    KUBECONFIG = "kubeconfig"
    CERT_TOKEN = "cert_token"
    CERT_KEY = "cert_key"


class EntryMode(StrEnum):
    """How the API and ingress are reached from outside."""

    STANDARD = "standard"
    LVS_VIP = "lvs_vip"


class LbKind(StrEnum):
    """How LVS forwards packets; DR is preferred."""

    DR = "DR"
    NAT = "NAT"
    TUN = "TUN"


class LbAlgorithm(StrEnum):
    """How LVS chooses a real server."""

    RR = "rr"
    WRR = "wrr"
    LC = "lc"
    WLC = "wlc"


class LvsVip(Model):
    """One virtual IP, kept by keepalived and balanced by LVS (contracts: bundle.md)."""

    address: Ipv4 = Field(description="The virtual IP; it must answer nowhere yet.")
    prefix: Annotated[int, Field(ge=1, le=32)] = Field(default=24, description="Prefix length of its network.")
    interface: Interface = Field(description="Network interface that carries it on every node, such as eth0.")
    virtual_router_id: Annotated[int, Field(ge=1, le=255)] = Field(description="VRRP router id, free in the subnet.")
    auth_credential: Name = Field(
        description="Credential of type password, 8 to 32 characters; keepalived reads only the first 8."
    )
    backend_nodes: tuple[Name, ...] = Field(description="Hosts that stand behind the virtual IP, at least two.")
    health_check_port: Port = Field(default=6443, description="TCP port that tells whether a backend lives.")
    lb_kind: LbKind = Field(default=LbKind.DR, description="How packets are forwarded.")
    lb_algorithm: LbAlgorithm = Field(default=LbAlgorithm.RR, description="How a backend is chosen.")
    advert_interval: Annotated[int, Field(ge=1, le=255)] = Field(
        default=1, description="Seconds between two VRRP advertisements."
    )
    garp_master_delay: Annotated[int, Field(ge=0, le=255)] = Field(
        default=1, description="Seconds after which a new master announces itself again."
    )
    garp_master_repeat: Annotated[int, Field(ge=1, le=255)] = Field(
        default=2, description="How many announcements a new master sends."
    )


class NetworkEntry(Model):
    """How the cluster is reached from outside. lvs_vip is optional, never the default."""

    mode: EntryMode = Field(default=EntryMode.STANDARD, description="standard: as it is; lvs_vip: one virtual IP.")
    lvs_vip: LvsVip | None = Field(default=None, description="The virtual IP, for mode lvs_vip.")

    @model_validator(mode="after")
    def _vip_with_its_mode(self) -> "NetworkEntry":
        if self.mode is EntryMode.LVS_VIP and self.lvs_vip is None:
            raise rule("mode lvs_vip needs lvsVip", "mode")
        if self.mode is EntryMode.STANDARD and self.lvs_vip is not None:
            raise rule("lvsVip needs mode: lvs_vip", "lvs_vip")
        return self


class Certificates(Model):
    """Renewal of the cluster's certificates."""

    renew_before: PositiveDuration = Field(
        default=parse_duration("30d"), description="How long before they end people are told."
    )
    rotation: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=0, description="A counter; raising it rotates the certificates."
    )


class Cluster(Model):
    """How a Kubernetes API is reached."""

    environment: Name = Field(description="Environment that it belongs to.")
    source_type: SourceType = Field(
        description="platform_created: installed by the reconciler; external_imported: exists already."
    )
    auth_type: AuthType = Field(default=AuthType.KUBECONFIG, description="How the reconciler proves who it is.")
    endpoint: HttpsUrl | None = Field(
        default=None, description="Address of the API server; a kubeconfig may say it instead."
    )
    credential: Name | None = Field(
        default=None,
        description="Credential of type kubeconfig, token (cert_token) or cert_bundle (cert_key).",
    )
    certificate_authority: Pem | None = Field(
        default=None, description="Certificates that the API server's certificate must lead to; not a secret."
    )
    certificates: Certificates = Field(default=Certificates(), description="Renewal of its certificates.")
    network_entry: NetworkEntry = Field(default=NetworkEntry(), description="How it is reached from outside.")

    @model_validator(mode="after")
    def _reachable(self) -> "Cluster":
        if self.source_type is SourceType.EXTERNAL_IMPORTED and self.credential is None:
            raise rule("an imported cluster needs a credential", "credential")
        if (
            self.source_type is SourceType.EXTERNAL_IMPORTED
            and self.auth_type is not AuthType.KUBECONFIG
            and self.endpoint is None
        ):
            raise rule("authType {auth} needs an endpoint", "endpoint", auth=str(self.auth_type))
        return self
