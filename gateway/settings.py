"""The gateway's settings, from ``GATEWAY_*``."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gateway.core.errors import InsecureBind
from gateway.core.limits import ThrottleMs
from schemas.dead_letters import Limit
from schemas.deployment import CLICKHOUSE_URL, GATEWAY_PORT

Network = IPv4Network | IPv6Network
SECRET_LENGTH = 32
THIS_MACHINE: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class GatewaySettings(BaseSettings):
    """Where the gateway listens, what it reads, and what it allows."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True, env_ignore_empty=True, populate_by_name=True)

    kafka: dict[str, str]
    """librdkafka's connection settings (``schemas.deployment.kafka_config``)."""
    topic_prefix: str
    host: str = "127.0.0.1"
    port: int = Field(default=GATEWAY_PORT, ge=0, le=65_535)
    """0 takes a free one."""
    insecure: bool = False
    """Whether to listen on an address that others can reach, though there are no accounts."""
    jwt_secret: SecretStr | None = None
    """What clients' tokens are signed with (HS256), 32 characters at least: then there are accounts."""
    jwks_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    """Where the issuer of tokens publishes its keys (RS256, ES256), in the place of a secret."""
    jwt_audience: str | None = None
    """Whom a token must be for (``aud``); None: anybody."""
    jwt_issuer: str | None = None
    """Whom a token must be from (``iss``); None: anybody who can sign it."""
    origins: Annotated[frozenset[str], NoDecode] = frozenset()
    """Origins beside the gateway's own whose pages may connect, comma separated: ``https://board.example``."""
    hosts: Annotated[frozenset[str], NoDecode] = frozenset()
    """Names beside the gateway's own by which requests may call it, comma separated: ``board.internal``. Numeric addresses need
    not be listed, nor the hosts of ``origins``."""
    proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    """Addresses and networks, comma separated, of proxies, which are believed when they say whom they speak for
    (``X-Forwarded-For``)."""
    metrics_from: Annotated[tuple[Network, ...], NoDecode] = THIS_MACHINE
    """Addresses and networks, comma separated, that may read ``/metrics``; by default this machine, and not through a proxy."""
    throttle_ms: ThrottleMs = 500
    """Update interval of clients that do not ask for one; 0 is every change."""
    fetch_wait_ms: int = Field(default=25, ge=0, le=500)
    """How long Kafka may collect rows before it hands them over; 0 for the least delay, at several times the CPU."""
    compress: bool = False
    """Whether clients that ask for it are sent what groups share as it is compressed once for all of them."""
    max_connections: int = Field(default=5_000, ge=1)
    max_age_s: int | None = Field(default=None, ge=60)
    """How long a connection may last, in seconds, up to a tenth less, so that not all end at once; None: for ever."""
    max_replays: int = Field(default=20, ge=0)
    """Clients that may have the past played at a time; 0 for none."""
    max_per_address: int = Field(default=200, ge=1)
    """Connections from one address; this machine's own, and proxies', are not counted."""
    archive_url: str = Field(default=CLICKHOUSE_URL, repr=False, validation_alias="CLICKHOUSE_URL")
    """The archive's HTTP interface, which answers what REST is asked of the past (``CLICKHOUSE_URL``); it may name a user."""
    archive_user: str | None = None
    """Who asks the archive; None is whom the URL names, else nobody by name."""
    archive_password: SecretStr = SecretStr("")
    archive_ca_file: Path | None = Field(default=None, validation_alias="CLICKHOUSE_CA_FILE")
    """Certificates, in PEM, of those who may vouch for the server of an ``https`` URL; None takes the system's."""
    archive_database: str = Field(default="market", validation_alias="ARCHIVE_DATABASE")
    dead_letter_limit: Limit = Limit()
    """How much of what the gateway reads may be unreadable, as :func:`schemas.deployment.dead_letter_limit` reads it."""

    @field_validator("origins", mode="before")
    @classmethod
    def _split(cls, origins: object) -> object:
        if not isinstance(origins, str):
            return origins
        listed = {origin.strip().rstrip("/").lower() for origin in origins.split(",") if origin.strip()}
        if wrong := sorted(origin for origin in listed if not re.fullmatch(r"https?://[^/\s]+", origin)):
            raise ValueError(f"{', '.join(wrong)}: an origin is a scheme, a host and maybe a port, as in https://board.example")
        return listed

    @field_validator("hosts", mode="before")
    @classmethod
    def _split_hosts(cls, hosts: object) -> object:
        return frozenset(name.strip().lower() for name in hosts.split(",") if name.strip()) if isinstance(hosts, str) else hosts

    @field_validator("proxies", "metrics_from", mode="before")
    @classmethod
    def _split_networks(cls, networks: object) -> object:
        if not isinstance(networks, str):
            return networks
        return tuple(ip_network(network.strip(), strict=False) for network in networks.split(",") if network.strip())

    @model_validator(mode="after")
    def _one_way_to_sign(self) -> Self:
        if self.jwt_secret is not None and self.jwks_url is not None:
            raise ValueError("GATEWAY_JWT_SECRET, GATEWAY_JWKS_URL: set one of them")
        if (self.jwt_audience or self.jwt_issuer) and not self.has_accounts:
            raise ValueError("GATEWAY_JWT_AUDIENCE, GATEWAY_JWT_ISSUER: they need GATEWAY_JWT_SECRET or GATEWAY_JWKS_URL")
        if self.jwt_secret is not None and len(self.jwt_secret.get_secret_value()) < SECRET_LENGTH:
            raise ValueError(f"GATEWAY_JWT_SECRET: {SECRET_LENGTH} characters at least, as `openssl rand -hex 32` makes them")
        return self

    @property
    def has_accounts(self) -> bool:
        """Whether clients have to show a token."""
        return self.jwt_secret is not None or self.jwks_url is not None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def require_safe_bind(self) -> None:
        """Refuse an address that others can reach unless that was said to be meant.

        Raises:
            InsecureBind: It was not.
        """
        if not self.is_loopback and not self.insecure and not self.has_accounts:
            raise InsecureBind(self.host)
