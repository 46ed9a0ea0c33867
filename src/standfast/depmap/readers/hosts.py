"""Hosts that a setting names: the value of a variable, an argument, an address in a trace. Only hosts come out of here.

Values hold passwords as well as hosts. What is not certain to be a host is taken for none, and never repeated.
"""

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Final

VALUE_CHARACTERS_MAX: Final = 4_096  # of a value that names hosts; a longer one is a file's contents
PORT_MAX: Final = 65_535

# The last word of a variable that says that its value, a bare word, is a host. Such words alone need a dot for it.
_HOST_WORDS: Final = frozenset("host hosts hostname addr addrs address addresses".split())
_HOST_WORDS_IF_DOTTED: Final = _HOST_WORDS | frozenset(
    "endpoint endpoints url urls uri uris server servers broker brokers upstream target backend fqdn".split()
)
# What the last word of a variable begins with or is whose value is no host, and may well be a secret.
_NO_HOST_WORD: Final = re.compile(
    r"\w*(?:pass|pwd|secret|token|credential|private|signature)\w*"
    r"|(?:auth|cert|cookie|hash|key|login|salt|seed|user)s?|account|certificate|tag|time|username|version"
)
# Words of variables whose hosts are those that it is itself, or lets in, and none that it asks.
_OWN_WORDS: Final = frozenset(
    "advertise advertised allow allowed bind callback cors image listen listener listeners no origin origins redirect"
    " trusted".split()
)
_OWN_HOSTS: Final = frozenset({"localhost", "localhost.localdomain", "host.docker.internal", "true", "false", "none"})
_OWN_VARIABLES: Final = (["host"], ["hostname"])

_URL: Final = re.compile(r"(?:[a-z0-9]+:){0,3}([a-z][a-z0-9+.-]*)://([^/?#;\s]*)(\S*)", re.IGNORECASE)
_NEXT_URL: Final = re.compile(r"[,;\s]+(?=[a-z][a-z0-9+.-]*://)", re.IGNORECASE)
_NO_HOSTS: Final = frozenset("arn data file gcs gs mem memory npipe s3 sqlite sqlite3 unix urn".split())  # schemes
_PAIRS: Final = re.compile(
    r"(?:^|[;\s])(?:data source|server|host|addr|address)\s*=\s*(?:tcp:)?([^;,:\s]+)", re.IGNORECASE
)
_HOST_AND_PORT: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^:/\[\]]+):([0-9]{1,5})(?:/\S*)?", re.IGNORECASE)
_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_OPTION: Final = re.compile(r"(-[^=]*|[A-Za-z_]\w*(?==))(?:=(.*))?")
_IN_CLUSTER: Final = re.compile(r"(?:[^.]+\.)*?([^.]+)\.([^.]+)\.svc(?:\..+)?")


def hosts_named(variable: str, value: str) -> tuple[str, ...]:
    """Return the hosts that `value` of the setting `variable` names: of several, any one will do. () for none.

    They are lower case, without a dot at the end; addresses as `ipaddress` writes them. `variable` may be empty.
    """
    words = re.findall(r"[a-z]+", variable.lower())
    if len(value) > VALUE_CHARACTERS_MAX or not _OWN_WORDS.isdisjoint(words):
        return ()
    if words and _NO_HOST_WORD.fullmatch(words[-1]):
        return ()
    value = value.strip().strip("\"'")
    if "://" in value:
        found = [host for part in _NEXT_URL.split(value) for host in _hosts_of_url(part)]
    elif "=" in value:
        found = [host_in(each) for each in _PAIRS.findall(value)]
    else:
        found = [_host_of(item, or_bare=_is_bare_host(item, words)) for item in re.split(r"[,;\s]+", value) if item]
    return tuple(dict.fromkeys(found)) if "" not in found else ()


def argument_settings(arguments: Iterable[tuple[str, int]]) -> Iterator[tuple[str, str, int]]:
    """Yield the settings that stand in a command's `arguments`, each with its line: name, value and line.

    They are `--name=value`, `--name value`, `NAME=value`, or a value alone. What has spaces is a script.
    """
    name = ""
    for argument, line in arguments:
        if any(character.isspace() for character in argument):
            name = ""
        elif (found := _OPTION.fullmatch(argument)) is None:
            yield name, argument, line
            name = ""
        else:
            name = found[1]
            if found[2] is not None:
                yield name, found[2], line
                name = ""


def host_in(text: str) -> str:
    """Return the host that `text`, a name or an address, is; "" where it is none, or this one."""
    text = text.strip("[]").rstrip(".").lower()
    try:
        address = ip_address(text)
    except ValueError:
        is_name = _NAME.fullmatch(text) and text not in _OWN_HOSTS and not text.replace(".", "").isdigit()
        return text if is_name else ""
    return "" if address.is_loopback or address.is_unspecified else str(address)


def service_in_cluster(host: str) -> str | None:
    """Return the service that the name `host` is within a cluster of Kubernetes; None for a name of elsewhere.

    Source: DNS-Based Service Discovery for Kubernetes, section 2 (`<service>.<namespace>.svc.<zone>`).
    """
    found = _IN_CLUSTER.fullmatch(host)
    return in_namespace(found[1], found[2]) if found else None


def in_namespace(name: str, namespace: str) -> str:
    """Return what the map calls the service `name` of `namespace`."""
    return name if namespace in ("", "default") else f"{namespace}/{name}"


def _hosts_of_url(url: str) -> list[str]:
    """Return the hosts of `url`; [""] where it is none that can be read safely."""
    found = _URL.fullmatch(url)
    if not found or "@" in found[3]:  # a password with a slash in it would stand where hosts do
        return [""]
    scheme, authority, rest = found[1].lower(), found[2].rpartition("@")[2], found[3]
    if scheme in _NO_HOSTS:
        return [""]
    if scheme == "dns" and not authority:  # gRPC's name for a target: dns:///host:port
        authority = rest.lstrip("/")
    return [_host_of(each, or_bare=True) for each in authority.split(",")]


def _host_of(item: str, *, or_bare: bool) -> str:
    """Return the host of `host:port`, or of `host` alone; else ""."""
    if found := _HOST_AND_PORT.fullmatch(item):
        host = found[1].rpartition("@")[2]  # a voter of Kafka's is 1@host:port
        return host_in(host) if 1 <= int(found[2]) <= PORT_MAX else ""
    return host_in(item) if or_bare else ""


def _is_bare_host(item: str, words: list[str]) -> bool:
    """Say whether a variable of `words` names a host with `item`, which has no port."""
    if not words or words in _OWN_VARIABLES:
        return False
    return words[-1] in (_HOST_WORDS_IF_DOTTED if "." in item or "[" in item else _HOST_WORDS)
