"""The settings that a guard runs with: read from `standfast.toml`, checked, and filled in where it is silent.

No file at all is fine: the guard then listens on this machine only and asks the resolvers of `/etc/resolv.conf`.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from standfast.dns.model import Name
from standfast.dns.name import ROOT
from standfast.dns.servers import Server
from standfast.guard.policy import PolicyTable
from standfast.io.authority.zone_files import origin_of
from standfast.io.clients.limits import ALLOW_DEFAULT, Limits
from standfast.io.settings import config_rules
from standfast.io.settings.addresses import (
    RESOLV_CONF,
    ListenAddress,
    own_address,
    parse_local,
    parse_network,
    parse_upstream,
    read_resolv_conf,
)
from standfast.io.settings.authority import AuthorityConfig, authority_of, describe_authority
from standfast.io.settings.authority_rules import AUTHORITY_RULES
from standfast.io.settings.certificate_files import CertificateFiles
from standfast.io.settings.config_file import Draft, FileKeys, read
from standfast.io.settings.control import ControlConfig, WrittenIntent, control_of, describe_control
from standfast.io.settings.control_keys import PublisherKind
from standfast.io.settings.control_rules import PUBLISHING_RULES
from standfast.io.settings.places import (
    CONFIG_NAME,
    ConfigError,
    Finding,
    default_state_dir,
    find_state_dir,
    read_config,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings, paths absolute. `source` is the file they come from, None where there is none.

    Without `has_guard`, what is a guard's counts for nothing. `warnings` are what will need a hand, but is no reason
    not to run.
    """

    source: Path | None
    has_guard: bool
    authority: AuthorityConfig | None
    listen: tuple[ListenAddress, ...]
    workers: int
    upstreams: tuple[Server, ...]
    second_opinions: tuple[Server, ...]
    limits: Limits
    state_dir: Path
    ca_file: Path | None
    certificate: CertificateFiles | None
    client_timeout_s: float
    cache_max: int
    known_max: int
    metrics: Server | None
    traces: str | None
    survey_pause_s: float | None
    policies: tuple[tuple[Name, Mapping[str, Any]], ...]
    control: ControlConfig | None = None
    warnings: tuple[Finding, ...] = ()

    @property
    def policy_table(self) -> PolicyTable:
        """The policies, ready to be looked up."""
        return PolicyTable(self.policies)


def load(path: Path | None, *, environ: Mapping[str, str] = os.environ, resolv_conf: Path = RESOLV_CONF) -> Config:
    """Return the settings of the file at `path`, or without one (None) those that fit this machine.

    Raises:
        ConfigError: with everything that is wrong.
    """
    draft = _draft(path)
    findings = config_rules.check(draft)
    if findings:
        raise ConfigError(*findings)
    guard = draft.content.guard
    control = draft.content.control
    listen = config_rules.listen_of(draft)
    state_dir = draft.base / guard.state_dir if guard.state_dir else default_state_dir(environ).absolute()
    return Config(
        source=path,
        has_guard=draft.content.has_guard,
        authority=_authority_of(draft, state_dir),
        listen=listen,
        workers=guard.workers,
        upstreams=_upstreams(draft, listen, resolv_conf) if draft.content.has_guard else (),
        second_opinions=tuple(parse_upstream(text) for text in guard.second_opinions),
        limits=Limits(
            allow=ALLOW_DEFAULT if guard.allow is None else tuple(parse_network(text) for text in guard.allow),
            rate_limit_qps=guard.rate_limit_qps,
        ),
        state_dir=state_dir,
        ca_file=draft.base / guard.tls.ca_file if guard.tls.ca_file else None,
        certificate=config_rules.certificate_of(draft),
        client_timeout_s=guard.client_timeout_s,
        cache_max=guard.cache_max,
        known_max=guard.known_max,
        metrics=parse_local(guard.metrics) if guard.metrics else None,
        traces=guard.traces,
        survey_pause_s=60 / per_minute if (per_minute := draft.content.map.queries_per_minute) else None,
        policies=config_rules.policies_of(draft),
        control=control_of(
            control,
            base=draft.base,
            state_dir=state_dir,
            written=_written(draft),
            resolv_conf=resolv_conf,
            served=_served(draft),
        )
        if control
        else None,
        warnings=tuple(config_rules.certificate_is_valid_now(draft)),
    )


def load_publishing(
    path: Path | None, *, environ: Mapping[str, str] = os.environ, resolv_conf: Path = RESOLV_CONF
) -> tuple[ControlConfig, AuthorityConfig | None] | None:
    """Return `[control]` as far as it takes to publish, whatever else is wrong with the file; None without one.

    Names are restored when something is wrong, which may well be the intent. With it comes `[authority]`, unless there
    is none, or something is wrong with that.

    Raises:
        ConfigError: with everything that is wrong with the publishers and their keys.
    """
    draft = _draft(path)
    control, authority = draft.content.control, draft.content.authority
    findings = [*draft.findings] if control is None else []
    findings += [finding for rule in PUBLISHING_RULES for finding in rule(draft)]
    if findings:
        raise ConfigError(*findings)
    if control is None:
        return None
    state_dir = find_state_dir(path, environ)
    of_control = control_of(control, base=draft.base, state_dir=state_dir, written=None, resolv_conf=resolv_conf)
    if authority is None or any(finding for rule in AUTHORITY_RULES for finding in rule(draft)):
        return of_control, None
    return of_control, _authority_of(draft, state_dir)


def _authority_of(draft: Draft, state_dir: Path) -> AuthorityConfig | None:
    authority, control = draft.content.authority, draft.content.control
    if authority is None:
        return None
    planned = control is not None and any(each.kind is PublisherKind.AUTHORITY for each in control.publisher)
    return authority_of(authority, base=draft.base, state_dir=state_dir, planned=planned)


def describe(config: Config) -> dict[str, object]:
    """Return `config` as JSON in the words of `standfast.toml`, each policy with all that it inherits."""
    table = config.policy_table
    return {
        "config": str(config.source) if config.source else None,
        "listen": [str(address) for address in config.listen],
        "workers": config.workers,
        "upstreams": [str(server) for server in config.upstreams],
        "second_opinions": [str(server) for server in config.second_opinions],
        "allow": [str(network) for network in config.limits.allow],
        "rate_limit_qps": config.limits.rate_limit_qps,
        "state_dir": str(config.state_dir),
        "ca_file": str(config.ca_file) if config.ca_file else None,
        "certificate": str(config.certificate.certificate) if config.certificate else None,
        "key": str(config.certificate.key) if config.certificate else None,
        "client_timeout_s": config.client_timeout_s,
        "cache_max": config.cache_max,
        "known_max": config.known_max,
        "metrics": str(config.metrics) if config.metrics else None,
        "traces": config.traces,
        "map": {"queries_per_minute": round(60 / config.survey_pause_s) if config.survey_pause_s else 0},
        "authority": config.authority and describe_authority(config.authority),
        "control": config.control and describe_control(config.control),
        "policy": [{"suffix": suffix, **asdict(table.lookup(suffix))} for suffix in sorted({ROOT, *table.suffixes()})],
    }


def _draft(path: Path | None) -> Draft:
    if path is None:
        return Draft(name=CONFIG_NAME, base=Path.cwd(), content=FileKeys(), lines={}, findings=())
    return read(read_config(path), name=str(path), base=path.parent.absolute())


def _written(draft: Draft) -> WrittenIntent | None:
    if draft.content.intent is None:
        return None
    lines = {where[1:]: line for where, line in draft.lines.items() if where[0] == "intent"}
    return WrittenIntent(file=draft.name, content=draft.content.intent, lines=lines)


def _served(draft: Draft) -> frozenset[Name] | None:
    """Return the zones that the authority has from files of its own; None where a file has none to be seen."""
    authority = draft.content.authority
    origins = [origin_of(draft.base / text) for text in authority.zones] if authority else []
    known = frozenset(origin for origin in origins if origin is not None)
    return known if len(known) == len(origins) else None


def _upstreams(draft: Draft, listen: tuple[ListenAddress, ...], resolv_conf: Path) -> tuple[Server, ...]:
    if draft.content.guard.upstreams is not None:
        return tuple(parse_upstream(text) for text in draft.content.guard.upstreams)
    found = read_resolv_conf(resolv_conf)
    others = tuple(server for server in found if not own_address(server, listen))
    if not others:
        names = f"only this guard itself ({found[0]})" if found else "no name server"
        text = f'{resolv_conf} names {names} - set upstreams in [guard], like ["192.0.2.1"]'
        raise ConfigError(Finding(file=draft.name, text=text))
    return others
