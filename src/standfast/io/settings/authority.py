"""The settings that an authority runs with, and how they are shown: never a secret."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from standfast.authority.access import NO_RULES, NOBODY, Access, ZoneRules
from standfast.authority.checks import Promise
from standfast.authority.defaults import LOSS_MAX
from standfast.authority.keyroll import Timing
from standfast.authority.keys import ALGORITHMS
from standfast.authority.remote import Remote
from standfast.authority.signing import SigningPolicy
from standfast.dns.model import Name
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey
from standfast.io.clients.limits import EVERYBODY, Limits
from standfast.io.settings.addresses import KEY_PREFIX, parse_access, parse_local, parse_remote
from standfast.io.settings.authority_keys import AuthorityKeys, KeyScheme, ZoneKeys, parse_nsid
from standfast.io.settings.key_rules import keys_of

NO_LIMITS = Limits(allow=EVERYBODY, rate_limit_qps=0)
STATE_NAME = "authority"  # of its directory, in that of the guard unless it is set


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityConfig:
    """The settings of `[authority]`, paths absolute. `rules` are of single zones, `default_rules` of all others."""

    listen: tuple[Server, ...]
    zones: tuple[Path, ...]
    limits: Limits = NO_LIMITS
    loss_max: float = LOSS_MAX
    nsid: bytes = b""  # what it calls itself to those who ask; nothing: it does not say
    state_dir: Path | None = None  # None: nothing is kept
    metrics: Server | None = None
    planned: bool = False  # plans are published here
    keys: Mapping[Name, TsigKey] = field(default_factory=dict)
    default_rules: ZoneRules = NO_RULES
    rules: Mapping[Name, ZoneRules] = field(default_factory=dict)

    @property
    def needs_state(self) -> bool:
        """Whether anything may be served that is more than what a file says, and so has to be kept."""
        return self.planned or any(
            rules.primaries or rules.allow_update != NOBODY or rules.signing is not None
            for rules in (self.default_rules, *self.rules.values())
        )


def authority_of(keys: AuthorityKeys, *, base: Path, state_dir: Path, planned: bool) -> AuthorityConfig:
    """Return the settings that `keys` stand for; nothing is wrong with them.

    Args:
        keys: as they are in the file.
        base: the directory that relative paths start from.
        state_dir: that of the guard, which ours is in unless it is set.
        planned: a control plane of the same file publishes plans here.
    """
    promises = tuple(Promise(name=each.name, addresses_min=each.addresses_min) for each in keys.promise)
    return AuthorityConfig(
        listen=tuple(parse_local(text) for text in keys.listen),
        zones=tuple(base / text for text in keys.zones),
        limits=Limits(allow=EVERYBODY, rate_limit_qps=keys.rate_limit_qps),
        loss_max=keys.loss_max,
        nsid=parse_nsid(keys.nsid),
        state_dir=base / keys.state_dir if keys.state_dir else state_dir / STATE_NAME,
        metrics=parse_local(keys.metrics) if keys.metrics else None,
        planned=planned,
        keys=keys_of(keys.keys, base),
        default_rules=_rules(keys, None, promises),
        rules={zone.origin: _rules(keys, zone, promises) for zone in keys.zone},
    )


def describe_authority(authority: AuthorityConfig) -> dict[str, object]:
    """Return the settings as JSON in the words of `standfast.toml`, those of each zone with all that it inherits."""
    return {
        "listen": [str(server) for server in authority.listen],
        "zones": [str(path) for path in authority.zones],
        "rate_limit_qps": authority.limits.rate_limit_qps,
        "nsid": authority.nsid.decode("ascii") if authority.nsid.isascii() else "0x" + authority.nsid.hex(),
        "loss_max": authority.loss_max,
        "state_dir": str(authority.state_dir) if authority.state_dir else None,
        "metrics": str(authority.metrics) if authority.metrics else None,
        **_describe_rules(authority.default_rules),
        "promise": [asdict(promise) for promise in authority.default_rules.promises],
        "keys": [{"name": key.name, "algorithm": key.algorithm} for key in authority.keys.values()],
        "zone": [{"origin": origin, **_describe_rules(rules)} for origin, rules in authority.rules.items()],
    }


def _rules(keys: AuthorityKeys, zone: ZoneKeys | None, promises: tuple[Promise, ...]) -> ZoneRules:
    def of_zone(name: str) -> list[str]:
        own: list[str] | None = None if zone is None else getattr(zone, name)
        found: list[str] = getattr(keys, name) if own is None else own
        return found

    return ZoneRules(
        allow_transfer=_access(of_zone("allow_transfer")),
        allow_update=_access(of_zone("allow_update")),
        notify=tuple(parse_remote(text) for text in of_zone("notify")),
        primaries=tuple(parse_remote(text) for text in (zone.primaries if zone else [])),
        promises=promises,
        signing=_signing(zone) if zone and zone.sign else None,
    )


def _signing(zone: ZoneKeys) -> SigningPolicy:
    return SigningPolicy(
        algorithm=ALGORITHMS[zone.algorithm],
        split=zone.keys is KeyScheme.KSK_ZSK,
        denial=zone.denial.value,
        lifetime_s=zone.signature_lifetime_s,
        dnskey_ttl_s=zone.dnskey_ttl_s,
        timing=Timing(
            propagation_s=zone.propagation_s,
            parent_propagation_s=zone.parent_propagation_s,
            ds_ttl_s=zone.ds_ttl_s,
        ),
        parent=tuple(parse_remote(text).server for text in zone.parent),
    )


def _access(texts: Iterable[str]) -> Access:
    found = [parse_access(text) for text in texts]
    return Access(
        keys=frozenset(each for each in found if isinstance(each, str)),
        networks=tuple(each for each in found if not isinstance(each, str)),
    )


def _describe_rules(rules: ZoneRules) -> dict[str, object]:
    return {
        "allow_transfer": _access_in_words(rules.allow_transfer),
        "allow_update": _access_in_words(rules.allow_update),
        "notify": [_remote_in_words(remote) for remote in rules.notify],
        "primaries": [_remote_in_words(remote) for remote in rules.primaries],
        **_describe_signing(rules.signing),
    }


def _describe_signing(signing: SigningPolicy | None) -> dict[str, object]:
    if signing is None:
        return {"sign": False}
    return {
        "sign": True,
        "algorithm": next(name for name, number in ALGORITHMS.items() if number == signing.algorithm),
        "keys": KeyScheme.KSK_ZSK if signing.split else KeyScheme.CSK,
        "denial": signing.denial,
        "signature_lifetime_s": signing.lifetime_s,
        "dnskey_ttl_s": signing.dnskey_ttl_s,
        "parent": [str(server) for server in signing.parent],
        **asdict(signing.timing),
    }


def _access_in_words(access: Access) -> list[str]:
    return [*sorted(KEY_PREFIX + key for key in access.keys), *map(str, access.networks)]


def _remote_in_words(remote: Remote) -> str:
    return f"{remote.server} {KEY_PREFIX}{remote.key}" if remote.key else str(remote.server)
