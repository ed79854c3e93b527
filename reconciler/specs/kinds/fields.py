"""The types of single values: names, durations, addresses, quantities, keys.

Knows text and numbers only. Rule: each pattern has words beside it, so that no person ever reads a regular expression
as an error message.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, core_schema

WORDS: dict[str, str] = {}  # pattern -> what it asks for, in words


def _text(pattern: str, words: str, longest: int = 253) -> StringConstraints:
    WORDS[pattern] = words
    return StringConstraints(pattern=pattern, max_length=longest, min_length=1)


LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
PERSON = r"^[a-z0-9]([-_.a-z0-9]{0,61}[a-z0-9])?$"

Name = Annotated[
    str, _text(LABEL, "lower case letters, digits and '-', at most 63, with a letter or digit at both ends", 63)
]
PersonName = Annotated[
    str,
    _text(PERSON, "lower case letters, digits, '-', '_' and '.', at most 63, with a letter or digit at both ends", 63),
]
VariableName = Annotated[
    str, _text(r"^[A-Za-z_][A-Za-z0-9_]{0,62}$", "letters, digits and '_', not starting with a digit")
]
ResourceName = Annotated[
    str,
    _text(
        r"^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$",
        "the name of a Kubernetes object: lower case letters, digits, '-' and '.'",
    ),
]
ApiGroup = Annotated[
    str,
    _text(
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$",
        "the API group of custom resources, such as example.com",
    ),
]
ObjectKind = Annotated[str, _text(r"^[A-Z][A-Za-z0-9]{0,62}$", "a kind of Kubernetes objects, such as Database", 63)]
JsonPointer = Annotated[
    str, _text(r"^(/([^~/]|~[01])+)+$", "a JSON pointer such as /data/LEVEL, with ~1 for a slash in a name", 1000)
]
Text = Annotated[str, StringConstraints(max_length=4096)]
Line = Annotated[str, _text(r"^[^\r\n]*$", "one line", 512)]
Email = Annotated[str, _text(r"^[^@\s]+@[^@\s]+$", "an e-mail address")]
Login = Annotated[
    str, _text(r"^[A-Za-z0-9]([-_.A-Za-z0-9]{0,98}[A-Za-z0-9])?$", "a login of the forge, without '@'", 100)
]
UnixUser = Annotated[str, _text(r"^[a-z_][-a-z0-9_]{0,31}$", "a user name of the host", 32)]
Interface = Annotated[
    str, _text(r"^[A-Za-z0-9][-A-Za-z0-9_.:@]{0,14}$", "the name of a network interface, at most 15 characters", 15)
]
Url = Annotated[
    str,
    _text(r"^https?://[A-Za-z0-9\[][^\s@]*$", "an http:// or https:// address without user or password in it", 2048),
]
HttpsUrl = Annotated[
    str, _text(r"^https://[A-Za-z0-9\[][^\s@]*$", "an https:// address without user or password in it", 2048)
]
HostAddress = Annotated[
    str,
    _text(r"^([A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+)$", "a host name or an IP address"),
]
HostAndPort = Annotated[
    str,
    _text(
        r"^([A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$",
        "host:port, an IPv6 address in brackets",
    ),
]
UseAddress = Annotated[
    str,
    _text(
        r"^(https://)?([A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)(:[0-9]{1,5})?/?$",
        "a host, host:port or https://host:port",
    ),
]
RepositoryPath = Annotated[
    str,
    _text(
        r"^([A-Za-z0-9_-][A-Za-z0-9._-]*|\.[A-Za-z0-9_-][A-Za-z0-9._-]*)(/([A-Za-z0-9_-][A-Za-z0-9._-]*|\.[A-Za-z0-9_-][A-Za-z0-9._-]*))*/?$",
        "a path from the root of the repository, without '..', of letters, digits, '.', '_' and '-'",
        1024,
    ),
]
CommitId = Annotated[str, _text(r"^[0-9a-f]{40}([0-9a-f]{24})?$", "a full commit id, 40 hexadecimal digits", 64)]
TagPattern = Annotated[
    str, _text(r"^[A-Za-z0-9*?][A-Za-z0-9*?._/+-]*$", "a tag name, where '*' and '?' stand for anything")
]
Version = Annotated[
    str, _text(r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", "a version: letters, digits, '.', '_', '+' and '-'", 128)
]
ImageName = Annotated[
    str,
    _text(
        r"^([a-z0-9]([-.a-z0-9]*[a-z0-9])?(:[0-9]{1,5})?/)?[a-z0-9]([-._/a-z0-9]*[a-z0-9])?$",
        "an image name without tag, such as registry.example.com/app",
        255,
    ),
]
ImageTag = Annotated[
    str,
    _text(r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|sha256:[0-9a-f]{64})$", "a tag, or a digest sha256:<64 digits>", 128),
]
Quantity = Annotated[
    str,
    _text(
        r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$",
        'a Kubernetes quantity in quotes, such as "500m" or "256Mi"',
        32,
    ),
]
CountOrPercent = Annotated[str, _text(r"^[0-9]{1,4}%?$", 'a count or a percentage in quotes, such as "1" or "25%"', 5)]
TimeOfDay = Annotated[str, _text(r"^([01][0-9]|2[0-3]):[0-5][0-9]$", 'a time of day in quotes, such as "09:00"', 5)]
TimeZone = Annotated[
    str, _text(r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$", "a time zone of the tz database, such as Europe/Berlin", 64)
]
FileReference = Annotated[
    str, _text(r"^[A-Za-z0-9_][A-Za-z0-9._/-]*$", "the name under which reconciler.toml lists the file")
]
EnvReference = Annotated[
    str,
    _text(r"^[A-Z_][A-Z0-9_]*$", "the name of an environment variable that reconciler.toml lists: A-Z, 0-9 and '_'"),
]
AgeText = Annotated[
    str,
    _text(
        r"^-----BEGIN AGE ENCRYPTED FILE-----\r?\n[A-Za-z0-9+/=\r\n]+-----END AGE ENCRYPTED FILE-----\s*$",
        "an armored age file (-----BEGIN AGE ENCRYPTED FILE-----), as a block scalar",
        131072,
    ),
]
Pem = Annotated[
    str,
    _text(
        r"^-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=-]+-----END CERTIFICATE-----\s*$",
        "certificates in PEM form, as a block scalar",
        65536,
    ),
]

Port = Annotated[int, Field(ge=1, le=65535)]
Percent = Annotated[int, Field(ge=1, le=100)]


_KEY_TYPES = r"ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa|sk-ssh-ed25519@openssh\.com"
_KEY = rf"^({_KEY_TYPES}) [A-Za-z0-9+/]{{20,1400}}={{0,2}}( [^\r\n]*)?$"
WORDS[_KEY] = "an SSH public key in one line, such as: ssh-ed25519 AAAA..."


def _genuine_key(text: str) -> str:
    kind, encoded = text.split(" ")[:2]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        blob = b""
    if blob[4 : 4 + len(kind)] != kind.encode() or blob[:4] != len(kind).to_bytes(4, "big"):
        raise PydanticCustomError("ssh_key", "this is not the text of a {kind} public key", {"kind": kind})
    return text


SshPublicKey = Annotated[str, StringConstraints(pattern=_KEY, max_length=2048), AfterValidator(_genuine_key)]


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise PydanticCustomError(
            "cidr", "this is not a network such as 10.244.0.0/16: {why}", {"why": str(error)[:120]}
        ) from None
    return text


def _ipv4(text: str) -> str:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        raise PydanticCustomError("ipv4", "this is not an IPv4 address such as 10.0.0.100", {}) from None
    return text


Cidr = Annotated[str, StringConstraints(max_length=49), AfterValidator(_network)]
Ipv4 = Annotated[str, StringConstraints(max_length=15), AfterValidator(_ipv4)]

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)", re.ASCII)
LONGEST = timedelta(days=3660)


def parse_duration(text: object) -> timedelta:
    """`30s`, `10m`, `4h`, `7d`, `250ms`: one whole number and one unit."""
    if isinstance(text, timedelta):
        return text
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    value = int(match[1]) * _UNITS[match[2]] if match and len(match[1]) <= 9 and int(match[1]) <= 10**8 else None
    if value is None or value > LONGEST:
        raise PydanticCustomError(
            "duration", "a duration is a whole number and a unit (ms, s, m, h, d), such as 30s or 7d", {}
        )
    return value


def format_duration(value: timedelta) -> str:
    """The one spelling of a duration: the largest unit that divides it, so equal durations have equal text."""
    for unit in ("d", "h", "m", "s"):
        if value and value % _UNITS[unit] == timedelta():
            return f"{value // _UNITS[unit]}{unit}"
    return f"{value // _UNITS['ms']}ms" if value else "0s"


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise PydanticCustomError("duration", "this duration must be longer than nothing", {})
    return value


_DURATION_JSON = WithJsonSchema(
    {"type": "string", "pattern": "^[0-9]{1,9}(ms|s|m|h|d)$", "examples": ["30s", "10m", "7d"]}
)
Duration = Annotated[
    timedelta, PlainValidator(parse_duration), PlainSerializer(format_duration, return_type=str), _DURATION_JSON
]
PositiveDuration = Annotated[
    timedelta,
    PlainValidator(lambda text: _positive(parse_duration(text))),
    PlainSerializer(format_duration, return_type=str),
    _DURATION_JSON,
]


def _frozen_map(source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
    inner = handler.generate_schema(dict[get_args(source)])  # type: ignore[misc]
    thawed = core_schema.no_info_before_validator_function(
        lambda given: dict(given) if isinstance(given, MappingProxyType) else given, inner
    )
    written = core_schema.plain_serializer_function_ser_schema(dict)
    return core_schema.no_info_after_validator_function(MappingProxyType, thawed, serialization=written)


FROZEN_MAP = GetPydanticSchema(_frozen_map)  # read-only after validation, an ordinary object in JSON

LabelKey = Annotated[
    str,
    _text(
        r"^([a-z0-9]([-.a-z0-9]*[a-z0-9])?/)?[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$",
        "a label key, such as team or example.com/team",
    ),
]
Labels = Annotated[Mapping[LabelKey, Text], FROZEN_MAP]
Variables = Annotated[Mapping[VariableName, Text], FROZEN_MAP]
Images = Annotated[Mapping[ImageName, ImageTag], FROZEN_MAP]
Counts = Annotated[Mapping[VariableName, Annotated[int, Field(ge=0, le=10_000_000)]], FROZEN_MAP]
