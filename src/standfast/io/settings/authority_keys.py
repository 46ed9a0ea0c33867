"""The form of `[authority]` in `standfast.toml`: which keys there are, of what type and in which range."""

# ruff: noqa: RUF012  pydantic copies the defaults

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from standfast.authority.defaults import (
    DNSKEY_TTL_DEFAULT_S,
    DS_TTL_DEFAULT_S,
    LIFETIME_DEFAULT_S,
    LOSS_MAX,
    PARENT_PROPAGATION_DEFAULT_S,
    PROPAGATION_DEFAULT_S,
)
from standfast.dns.tsig import ALGORITHMS
from standfast.io.clients.limits import RATE_LIMIT_DEFAULT_QPS
from standfast.io.settings.config_types import (
    CHOICE,
    AccessText,
    Count,
    LocalText,
    MetricsText,
    NameText,
    Rate,
    RemoteText,
    Seconds,
    Table,
)

LIFETIME_MIN_S: Final = 3_600  # shorter than that, and nobody could mend anything in time
LIFETIME_MAX_S: Final = 366 * 86_400
DNSKEY_TTL_MAX_S: Final = 7 * 86_400  # a roll waits for it several times

NSID_MAX = 64  # octets; it takes its room from records in every answer that it goes with
_BROKEN = frozenset({"hmac-md5", "hmac-md5.sig-alg.reg.int", "hmac-sha1"})  # RFC 8945 section 6


def _algorithm(text: str) -> str:
    if text not in ALGORITHMS:
        why = f"{text} is not for use any more" if text in _BROKEN else f'"{text}" is not known here'
        raise ValueError(f"{why} - there are {', '.join(ALGORITHMS)}")
    return text


def parse_nsid(text: str) -> bytes:
    """Return what a server calls itself (RFC 5001), given as text, or as octets in hexadecimal after `0x`.

    Raises:
        ValueError: it is too long, or no hexadecimal.
    """
    try:
        octets = bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode("utf-8")
    except ValueError:
        raise ValueError(f'"{text}" does not have two hexadecimal digits for each octet') from None
    if len(octets) > NSID_MAX:
        raise ValueError(f"at most {NSID_MAX} octets, and this has {len(octets)}")
    return octets


def _nsid(text: str) -> str:
    parse_nsid(text)
    return text


class PromiseKeys(Table):
    """One `[[authority.promise]]`; see `authority.checks.Promise`."""

    name: NameText
    addresses_min: Count = 1


class KeyKeys(Table):
    """One `[[authority.keys]]`; see `dns.tsig.TsigKey`. The secret is base64, here or in a file of its own."""

    name: NameText
    algorithm: Annotated[str, AfterValidator(_algorithm)] = "hmac-sha256"
    secret: SecretStr | None = None
    secret_file: str | None = None


class Algorithm(StrEnum):
    """What zones are signed with."""

    ECDSAP256SHA256 = "ecdsap256sha256"
    ED25519 = "ed25519"


class KeyScheme(StrEnum):
    """One key for all, or one for the keys and one for the rest."""

    CSK = "csk"
    KSK_ZSK = "ksk-zsk"


class DenialScheme(StrEnum):
    """How it is proven that a name is not there."""

    NSEC = "nsec"
    COMPACT = "compact"


class ZoneKeys(Table):
    """One `[[authority.zone]]`: what differs for one zone. What is left out is as in `[authority]`."""

    origin: NameText
    allow_transfer: list[AccessText] | None = None
    allow_update: list[AccessText] | None = None
    notify: list[RemoteText] | None = None
    primaries: list[RemoteText] = []
    sign: bool = False
    algorithm: Annotated[Algorithm, CHOICE] = Algorithm.ECDSAP256SHA256
    keys: Annotated[KeyScheme, CHOICE] = KeyScheme.CSK
    denial: Annotated[DenialScheme, CHOICE] = DenialScheme.NSEC
    signature_lifetime_s: Annotated[int, Field(ge=LIFETIME_MIN_S, le=LIFETIME_MAX_S)] = LIFETIME_DEFAULT_S
    dnskey_ttl_s: Annotated[int, Field(ge=0, le=DNSKEY_TTL_MAX_S)] = DNSKEY_TTL_DEFAULT_S
    propagation_s: Seconds = PROPAGATION_DEFAULT_S
    parent: list[RemoteText] = []
    parent_propagation_s: Seconds = PARENT_PROPAGATION_DEFAULT_S
    ds_ttl_s: Seconds = DS_TTL_DEFAULT_S


class AuthorityKeys(Table):
    """`[authority]`."""

    listen: Annotated[list[LocalText], Field(min_length=1)] = ["127.0.0.1:5310"]
    zones: list[str] = []
    rate_limit_qps: Rate = RATE_LIMIT_DEFAULT_QPS
    nsid: Annotated[str, AfterValidator(_nsid)] = ""
    loss_max: Annotated[float, Field(gt=0, le=1)] = LOSS_MAX
    state_dir: str | None = None
    metrics: MetricsText | None = None
    metrics_beyond_loopback: bool = False
    allow_transfer: list[AccessText] = []
    allow_update: list[AccessText] = []
    notify: list[RemoteText] = []
    promise: list[PromiseKeys] = []
    keys: list[KeyKeys] = []
    zone: list[ZoneKeys] = []
