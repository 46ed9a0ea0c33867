"""What the keys of `standfast.toml` must be to each other: one function a rule, which yields what it finds wrong.

Rules see what could be read of a file; a part of a wrong type has its finding already and is not here.
"""

import os
import ssl
import time
from collections.abc import Iterator
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any

from standfast.dns.model import Name
from standfast.dns.servers import Server
from standfast.evidence.model import ProbeSpec
from standfast.guard.policy import Policy, PolicyTable
from standfast.io.clients.certificates import CertificateError, read_certificate
from standfast.io.settings.addresses import (
    ListenAddress,
    Scheme,
    has_ipv6,
    own_address,
    parse_listen,
    parse_local,
    parse_upstream,
)
from standfast.io.settings.authority_rules import AUTHORITY_RULES
from standfast.io.settings.certificate_files import CertificateFiles
from standfast.io.settings.config_file import Draft, PolicyKeys, Rule
from standfast.io.settings.control_rules import CONTROL_RULES
from standfast.io.settings.key_rules import KEY_RULES
from standfast.io.settings.places import SOCKET_NAME, SOCKET_PATH_MAX, Finding
from standfast.io.settings.toml_lines import Where

DEFAULT_PORT = 5300


def check(draft: Draft) -> tuple[Finding, ...]:
    """Return everything that is wrong with `draft`, in the order of the file's lines."""
    found = [*draft.findings, *(finding for rule in RULES for finding in rule(draft))]
    return tuple(sorted(found, key=lambda finding: finding.line or 0))


def no_server_twice(draft: Draft) -> Iterator[Finding]:
    """Asking one server twice looks like two servers that agree."""
    guard = draft.content.guard
    asked = [("upstreams", guard.upstreams or []), ("second_opinions", guard.second_opinions)]
    for lists in ([("listen", guard.listen or [])], asked):
        seen: dict[tuple[str, int], str] = {}
        for key, texts in lists:
            for at, text in enumerate(texts):
                server = parse_listen(text).server if key == "listen" else parse_upstream(text)
                where = server.host, server.port
                if where in seen and server.port:  # port 0 is another free one each time
                    yield draft.finding(("guard", key, at), f'{key}: "{text}" is in {seen[where]} already')
                seen.setdefault(where, key)


def no_suffix_twice(draft: Draft) -> Iterator[Finding]:
    """Which of two policies for one suffix wins would be a guess."""
    first: dict[Name, int] = {}
    for at, policy in enumerate(draft.content.guard.policy):
        where = ("guard", "policy", at, "suffix")
        if policy.suffix in first:
            line = draft.lines.get(("guard", "policy", first[policy.suffix], "suffix"))
            yield draft.finding(where, f'suffix: "{policy.suffix}" has a policy already, in line {line}')
        first.setdefault(policy.suffix, at)


def no_loop(draft: Draft) -> Iterator[Finding]:
    """A guard that asks itself asks for ever."""
    guard = draft.content.guard
    listen = listen_of(draft)
    for key, texts in (("upstreams", guard.upstreams or []), ("second_opinions", guard.second_opinions)):
        for at, text in enumerate(texts):
            if own := own_address(parse_upstream(text), listen):
                what = f'{key}: "{text}" is this guard itself, which listens on {own} - asking it would be a loop'
                yield draft.finding(("guard", key, at), what)


def times_in_order(draft: Draft) -> Iterator[Finding]:
    """The shorter of two times must be the shorter one, also where it comes from another policy."""
    for less, more in (("recheck_min_s", "recheck_max_s"), ("grace_s", "hold_max_s")):
        for at, keys, policy in _policies(draft):
            low, high = getattr(policy, less), getattr(policy, more)
            here = next((key for key in (less, more) if getattr(keys, key) is not None), None)
            if low > high and here:
                what = f"{less} ({low:g}) is more than {more} ({high:g}) for {keys.suffix}"
                yield draft.finding(("guard", "policy", at, here), what)


def minimum_needs_a_pin(draft: Draft) -> Iterator[Finding]:
    """A minimum without a pin would be read as protection, and be none."""
    for at, keys, policy in _policies(draft):
        if keys.addresses_min and not policy.pinned:
            what = "addresses_min counts for pinned names only - add pinned = true"
            yield draft.finding(("guard", "policy", at, "addresses_min"), what)


def metrics_stay_here(draft: Draft) -> Iterator[Finding]:
    """They tell everybody who can reach them how things are; whoever wants that must say so."""
    guard, authority, control = draft.content.guard, draft.content.authority, draft.content.control
    listen = list(listen_of(draft)) if draft.content.has_guard else []
    listen += [ListenAddress(parse_local(text)) for text in (authority.listen if authority else [])]
    for table, keys in (("guard", guard), ("authority", authority), ("control", control)):
        if keys is None or keys.metrics is None:
            continue
        server = parse_local(keys.metrics)
        if not ip_address(server.host).is_loopback and not keys.metrics_beyond_loopback:
            what = f'metrics: others can reach "{keys.metrics}" - if they may, add metrics_beyond_loopback = true'
            yield draft.finding((table, "metrics"), what)
        if server.port and (own := own_address(server, listen)):
            what = f'metrics: "{keys.metrics}" is taken by listen ({own}), by TCP as well - choose another port'
            yield draft.finding((table, "metrics"), what)
        listen.append(ListenAddress(server))


def traces_have_their_libraries(draft: Draft) -> Iterator[Finding]:
    """They are many and large, and most guards need none of them."""
    if draft.content.guard.traces is not None and find_spec("opentelemetry") is None:
        what = "traces: this installation lacks the libraries - pip install 'standfast[otel]'"
        yield draft.finding(("guard", "traces"), what)


def ca_file_is_readable(draft: Draft) -> Iterator[Finding]:
    """Without it every probe would call the name's own servers strangers."""
    guard, control = draft.content.guard.tls, draft.content.control
    named: list[tuple[Where, str | None]] = [(("guard", "tls"), guard.ca_file)]
    named.append((("control",), control.ca_file if control else None))
    for where, ca_file in named:
        if ca_file is None:
            continue
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(draft.base / ca_file)
        except ssl.SSLError:
            trouble = "holds no certificate in PEM form"
        except OSError as error:
            trouble = f"cannot be read: {error.strerror}"
        else:
            continue
        yield draft.finding((*where, "ca_file"), f"ca_file: {draft.base / ca_file} {trouble}")


def certificate_for_encryption(draft: Draft) -> Iterator[Finding]:
    """Whoever comes encrypted must be shown who answers."""
    tls = draft.content.guard.tls
    for given, lacking in (("certificate", "key"), ("key", "certificate")):
        if getattr(tls, given) and not getattr(tls, lacking):
            yield draft.finding(("guard", "tls", given), f"{given} is of no use without {lacking} - name both files")
    if tls.certificate or tls.key:
        return
    for at, text in enumerate(draft.content.guard.listen or []):
        if parse_listen(text).scheme is not Scheme.DO53:
            what = f'listen: "{text}" needs a certificate - name its files in [guard.tls], certificate and key'
            yield draft.finding(("guard", "listen", at), what)


def certificate_is_usable(draft: Draft) -> Iterator[Finding]:
    """Without it no client would come encrypted."""
    files = certificate_of(draft)
    if files is None:
        return
    try:
        read_certificate(files)
    except CertificateError as error:
        key = "key" if error.path == files.key else "certificate"
        yield draft.finding(("guard", "tls", key), f"{key}: {error}")


def certificate_is_valid_now(draft: Draft) -> Iterator[Finding]:
    """Clients will refuse it; but whoever comes without TLS can be served, so this is no reason not to start."""
    files = certificate_of(draft)
    if files is not None and (trouble := read_certificate(files).trouble(time.time())):
        yield draft.finding(("guard", "tls", "certificate"), f"certificate: {files.certificate} {trouble}")


def authority_listens_elsewhere(draft: Draft) -> Iterator[Finding]:
    """One address cannot be both: a resolver for its clients and an authority for everybody."""
    authority = draft.content.authority
    if authority is None:
        return
    listen = listen_of(draft) if draft.content.has_guard else ()
    for at, text in enumerate(authority.listen):
        server = parse_local(text)
        if server.port and (own := own_address(server, listen)):
            what = f'listen: "{text}" is taken by the guard ({own}) - choose another port'
            yield draft.finding(("authority", "listen", at), what)
        if server.port and text in authority.listen[:at]:
            yield draft.finding(("authority", "listen", at), f'listen: "{text}" is there already')


def state_dir_is_short(draft: Draft) -> Iterator[Finding]:
    """The control socket lies in it, and the path of a socket is short."""
    state_dir = draft.content.guard.state_dir
    if state_dir is None:
        return
    size = len(os.fsencode(draft.base / state_dir / SOCKET_NAME))
    if size > SOCKET_PATH_MAX:
        what = f"state_dir: the path is {size - SOCKET_PATH_MAX} octets too long for the control socket in it"
        yield draft.finding(("guard", "state_dir"), what)


RULES: tuple[Rule, ...] = (
    no_server_twice,
    no_suffix_twice,
    no_loop,
    times_in_order,
    minimum_needs_a_pin,
    metrics_stay_here,
    traces_have_their_libraries,
    ca_file_is_readable,
    certificate_for_encryption,
    certificate_is_usable,
    state_dir_is_short,
    authority_listens_elsewhere,
    *AUTHORITY_RULES,
    *CONTROL_RULES,
    *KEY_RULES,
)


def listen_of(draft: Draft) -> tuple[ListenAddress, ...]:
    """Return the addresses to listen on: those of the file, else this machine's own two."""
    if draft.content.guard.listen is not None:
        return tuple(parse_listen(text) for text in draft.content.guard.listen)
    hosts = ("127.0.0.1", "::1") if has_ipv6() else ("127.0.0.1",)
    return tuple(ListenAddress(Server(host, DEFAULT_PORT)) for host in hosts)


def certificate_of(draft: Draft) -> CertificateFiles | None:
    """Return the files of the certificate that clients are shown, if both are named."""
    tls = draft.content.guard.tls
    if not tls.certificate or not tls.key:
        return None
    return CertificateFiles(certificate=draft.base / tls.certificate, key=draft.base / tls.key)


def policies_of(draft: Draft) -> tuple[tuple[Name, dict[str, Any]], ...]:
    """Return the policies of the file as `guard.policy.PolicyTable` takes them."""
    return tuple((keys.suffix, _settings(keys)) for keys in draft.content.guard.policy)


def _settings(keys: PolicyKeys) -> dict[str, Any]:
    given = {key: getattr(keys, key) for key in keys.model_fields_set - {"suffix"}}
    if keys.probe is not None:
        given["probe"] = ProbeSpec(kind=keys.probe.kind.value, port=keys.probe.port)
    return given


def _policies(draft: Draft) -> Iterator[tuple[int, PolicyKeys, Policy]]:
    """Yield each policy's place and keys, and what holds for its suffix with all that it inherits."""
    table = PolicyTable(policies_of(draft))
    for at, keys in enumerate(draft.content.guard.policy):
        yield at, keys, table.lookup(keys.suffix)
