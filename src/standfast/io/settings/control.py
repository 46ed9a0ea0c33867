"""The settings that a control plane runs with, and how they are shown: never a secret."""

import re
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from standfast.authority.remote import Remote
from standfast.control.rules.bounds import Bounds
from standfast.dns.model import Name
from standfast.dns.name import parse_name
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey
from standfast.io.settings.addresses import KEY_PREFIX, parse_local, parse_remote, parse_server, read_resolv_conf
from standfast.io.settings.certificate_files import CertificateFiles
from standfast.io.settings.control_keys import (
    NAME_MAX,
    SQLITE,
    Approval,
    ControlKeys,
    PublisherKeys,
    PublisherKind,
    Role,
)
from standfast.io.settings.key_rules import keys_of
from standfast.io.settings.places import CONTROL_NAME
from standfast.io.settings.toml_lines import Where


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherSettings:
    """One `[[control.publisher]]`: where records are published, and how it is reached.

    `server` is there for RFC 2136 and only there; `verify` are servers that must show what is published, beside it.
    `zones` are all that it can publish, None where that is not known.
    """

    name: str
    kind: PublisherKind
    server: Remote | None = None
    verify: tuple[Server, ...] = ()
    zone_ids: Mapping[Name, str] = field(default_factory=dict)
    endpoint_url: str | None = None
    zones: frozenset[Name] | None = None

    def servers(self, served_at: tuple[Server, ...]) -> tuple[Server, ...]:
        """Return those who must show what is published there; our own authority answers at `served_at`."""
        if self.kind is PublisherKind.AUTHORITY:
            return served_at + self.verify
        return self.verify if self.server is None else (self.server.server, *self.verify)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenIntent:
    """`[intent]` of the file `file`, as TOML has it, and the line of each of its parts."""

    file: str
    content: Mapping[str, Any]
    lines: Mapping[Where, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlConfig:
    """The settings of `[control]`, paths absolute. `resolvers` are asked for names that are not ours.

    `store_certificate` is what a store is shown that wants to know by TLS who comes.
    """

    intent: tuple[Path, ...]
    state_dir: Path
    written: WrittenIntent | None = None
    store: str = SQLITE
    store_certificate: CertificateFiles | None = None
    run: frozenset[Role] = frozenset(Role)
    name: str = "standfast"
    quorum: int = 1
    verify_every_s: float = 60.0
    approval: Approval = Approval.FINDINGS
    resolvers: tuple[Server, ...] = ()
    ca_file: Path | None = None
    metrics: Server | None = None
    rules: Bounds = field(default_factory=Bounds)
    publishers: tuple[PublisherSettings, ...] = ()
    keys: Mapping[Name, TsigKey] = field(default_factory=dict)


def control_of(
    keys: ControlKeys,
    *,
    base: Path,
    state_dir: Path,
    written: WrittenIntent | None,
    resolv_conf: Path,
    served: frozenset[Name] | None = None,
) -> ControlConfig:
    """Return the settings that `keys` stand for; nothing is wrong with them.

    Args:
        keys: as they are in the file.
        base: the directory that relative paths start from.
        state_dir: that of the guard, which ours is in unless it is set.
        written: what is wanted, where it stands in the same file.
        resolv_conf: whose resolvers are asked where none are set.
        served: the zones of the authority in the same file that come from its own files; None: not known.
    """
    named = keys.resolvers
    return ControlConfig(
        intent=tuple(base / text for text in keys.intent),
        state_dir=base / keys.state_dir if keys.state_dir else state_dir / CONTROL_NAME,
        written=written,
        store=keys.store,
        store_certificate=store_certificate_of(keys, base),
        run=frozenset(keys.run),
        name=keys.name or own_name(socket.gethostname()),
        quorum=keys.quorum,
        verify_every_s=keys.verify_every_s,
        approval=keys.approval,
        resolvers=read_resolv_conf(resolv_conf) if named is None else tuple(parse_server(text) for text in named),
        ca_file=base / keys.ca_file if keys.ca_file else None,
        metrics=parse_local(keys.metrics) if keys.metrics else None,
        rules=Bounds(**{key: getattr(keys.rules, key) for key in type(keys.rules).model_fields}),
        publishers=tuple(_publisher(each, served) for each in keys.publisher),
        keys=keys_of(keys.keys, base),
    )


def describe_control(control: ControlConfig) -> dict[str, object]:
    """Return the settings as JSON in the words of `standfast.toml`."""
    return {
        "intent": [*map(str, control.intent), *([control.written.file] if control.written else [])],
        "state_dir": str(control.state_dir),
        "store": control.store,
        "store_certificate": str(shown.certificate) if (shown := control.store_certificate) else None,
        "store_key": str(shown.key) if shown else None,
        "run": [role for role in Role if role in control.run],
        "name": control.name,
        "quorum": control.quorum,
        "verify_every_s": control.verify_every_s,
        "approval": control.approval,
        "resolvers": [str(server) for server in control.resolvers],
        "ca_file": str(control.ca_file) if control.ca_file else None,
        "metrics": str(control.metrics) if control.metrics else None,
        "rules": asdict(control.rules),
        "publisher": [_describe_publisher(publisher) for publisher in control.publishers],
        "keys": [{"name": key.name, "algorithm": key.algorithm} for key in control.keys.values()],
    }


def store_certificate_of(keys: ControlKeys, base: Path) -> CertificateFiles | None:
    """Return the files of the certificate that the store is shown, if both are named."""
    if not keys.store_certificate or not keys.store_key:
        return None
    return CertificateFiles(certificate=base / keys.store_certificate, key=base / keys.store_key)


def own_name(host: str) -> str:
    """Return what a process is called on the machine `host`, where nothing else is said."""
    return re.sub(r"[^a-zA-Z0-9_-]", "-", host.partition(".")[0])[:NAME_MAX] or "standfast"


def _publisher(keys: PublisherKeys, served: frozenset[Name] | None) -> PublisherSettings:
    return PublisherSettings(
        name=keys.name,
        kind=keys.kind,
        server=parse_remote(keys.server) if keys.server is not None else None,
        verify=tuple(parse_server(text) for text in keys.verify),
        zone_ids={parse_name(name): zone_id for name, zone_id in keys.zone_ids.items()},
        endpoint_url=keys.endpoint_url,
        zones=served if keys.kind is PublisherKind.AUTHORITY else None,
    )


def _describe_publisher(publisher: PublisherSettings) -> dict[str, object]:
    described: dict[str, object] = {"name": publisher.name, "kind": publisher.kind}
    if publisher.server is not None:
        key = publisher.server.key
        described["server"] = f"{publisher.server.server}{f' {KEY_PREFIX}{key}' if key else ''}"
    if publisher.kind is PublisherKind.ROUTE53:
        described |= {"zone_ids": dict(publisher.zone_ids), "endpoint_url": publisher.endpoint_url}
    return described | {"verify": [str(server) for server in publisher.verify]}
