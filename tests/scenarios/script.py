"""Scenario scripts as data: what a line may say, and how it is read. Plays nothing.

One file is one scenario. Its first lines are comments that say what it shows and by which RFC; then come steps, one a
line, in the order of time. README.md beside this file shows them all.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Record = tuple[str, dns.rrset.RRset]  # the section, and one record
SECTIONS = ("answer", "authority", "additional")
SILENCE, UNREACHABLE = "silence", "unreachable"
SPOILS = frozenset({"wrong-id", "wrong-name", "other-case", "header-only", "cut", "second-opt"})
SERVER_FLAGS = frozenset({"AA", "AD", "TC", "noRA", "bare"})
CLIENT_FLAGS = frozenset({"DO", "CD", "AD", "noRD", "plain", "tcp"})
REPLY_FLAGS = frozenset({"AD", "CD", "TC"})
SENT_FLAGS = frozenset({"tcp", "plain", "DO", "CD"})
CONDITIONS = frozenset({"udp", "tcp", "edns", "plain", "DO", "CD"})
_UNITS_S = {"": 1, "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}


class ScriptError(Exception):
    """A line that says nothing that can be played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """What a server sends back to one query. `what` is a response code, `SILENCE` or `UNREACHABLE`."""

    what: str
    flags: frozenset[str] = frozenset()
    after_s: float | None = None
    errors: tuple[int, ...] = ()
    records: list[Record] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Says:
    """From now on a server answers a question like this, `times` times (None: always). `*` stands for any."""

    server: str
    qname: str
    qtype: str
    conditions: frozenset[str]
    times: int | None
    datagrams: list[Datagram]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asks:
    """A client asks, and does not wait."""

    client: str
    qname: str
    qtype: str
    flags: frozenset[str]
    payload: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gets:
    """Time passes until the client has its response, which must be this and nothing else."""

    client: str
    rcode: str
    flags: frozenset[str]
    errors: tuple[int, ...]
    after_s: float | None
    records: list[Record] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Servers were asked the question so often, or in just these ways, since the last such line for it."""

    qname: str
    qtype: str
    times: int | None
    ways: tuple[tuple[str, frozenset[str]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """How the guard is set up; only before anything else."""

    what: str
    words: tuple[str, ...]
    keys: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """`wait`, `waits`, `restart`, `probes`, `operator` or `verdict`, with what follows it."""

    verb: str
    words: tuple[str, ...]
    keys: dict[str, str]


Deed = Says | Asks | Gets | Sent | Guard | Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, and the line that it stands on."""

    line: int
    text: str
    deed: Deed


def read_script(path: Path) -> list[Step]:
    """Return the steps of the file at `path`.

    Raises:
        ScriptError: a line that cannot be read; the text names file and line.
    """
    steps: list[Step] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = re.sub(r"(^|\s)#(\s.*|$)", "", line).rstrip()
        if not text:
            continue
        try:
            if not text[0].isspace():
                steps.append(Step(line=number, text=text, deed=_deed(text)))
            elif steps:
                _add(steps[-1].deed, text.split())
            else:
                raise ScriptError("a record before any step")
        except (ScriptError, ValueError, KeyError, IndexError, dns.exception.DNSException) as error:
            raise ScriptError(f"{path.name}:{number}: {text.strip()}\n  {error!r}") from error
    if not steps or not path.read_text().startswith("# "):
        raise ScriptError(f"{path.name}: it must begin with a comment that says what it shows, and have steps")
    return steps


def seconds(text: str) -> float:
    """Return the seconds that `1.8`, `30s`, `15m`, `2h` or `1d` stand for."""
    found = re.fullmatch(r"([\d.]+)([a-z]*)", text)
    if found is None:
        raise ScriptError(f"{text} is no time")
    return float(found[1]) * _UNITS_S[found[2]]


def _deed(text: str) -> Deed:
    verb, _, rest = text.partition(" ")
    match verb:
        case "server":
            return _says(rest)
        case "ask":
            words, keys = _words(rest)
            client = keys.get("as", "")
            qname, qtype, *flags = words
            size = int(keys.get("size", 1232))
            return Asks(client=client, qname=_name(qname), qtype=qtype, flags=_flags(flags, CLIENT_FLAGS), payload=size)
        case "get":
            words, keys = _words(rest)
            return Gets(
                client=keys.get("as", ""),
                rcode=_rcode(words[0]),
                flags=_flags(words[1:], REPLY_FLAGS),
                errors=_errors(keys),
                after_s=seconds(keys["after"]) if "after" in keys else None,
            )
        case "sent":
            return _sent(rest)
        case "guard":
            words, keys = _words(rest)
            return Guard(what=words[0], words=tuple(words[1:]), keys=keys)
        case "wait" | "waits" | "restart" | "probes" | "operator" | "verdict":
            words, keys = _words(rest)
            return Plain(verb=verb, words=tuple(words), keys=keys)
        case _:
            raise ScriptError(f'there is no step "{verb}"')


def _says(rest: str) -> Says:
    head, _, tail = rest.partition(":")
    words, keys = _words(head)
    server, qname, qtype, *conditions = words
    times = int(keys["times"]) if "times" in keys else None
    return Says(
        server=server,
        qname=qname if qname == "*" else _name(qname),
        qtype=qtype,
        conditions=_flags(conditions, CONDITIONS),
        times=times,
        datagrams=[_datagram(tail)],
    )


def _datagram(text: str) -> Datagram:
    words, keys = _words(text)
    what = words[0] if words[0] in (SILENCE, UNREACHABLE) else _rcode(words[0])
    after_s = seconds(keys["after"]) if "after" in keys else None
    return Datagram(what=what, flags=_flags(words[1:], SERVER_FLAGS | SPOILS), after_s=after_s, errors=_errors(keys))


def _sent(rest: str) -> Sent:
    head, _, tail = rest.partition(":")
    qname, qtype = head.split()
    number = re.fullmatch(r" *(\d+) times", tail)
    ways = () if number or tail.strip() == "nothing" else tuple(_ways(tail))
    return Sent(qname=_name(qname), qtype=qtype, times=int(number[1]) if number else None, ways=ways)


def _ways(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    for way in text.split(","):
        server, *flags = way.split()
        yield server, _flags(flags, SENT_FLAGS)


def _add(deed: Deed, words: list[str]) -> None:
    """Add an indented line to the step above it: a record, or `then` another datagram."""
    match deed:
        case Says(datagrams=datagrams) if words[0] == "then":
            datagrams.append(_datagram(" ".join(words[1:])))
        case Says(datagrams=[*_, Datagram(records=records)]) | Gets(records=records):
            section, owner, ttl, rtype, *rdata = words
            if section not in SECTIONS:
                raise ScriptError(f'there is no section "{section}"')
            rrset = dns.rrset.from_text(_name(owner), int(ttl), "IN", rtype, " ".join(rdata))
            records.append((section, rrset))
        case _:
            raise ScriptError("records belong to what a server says or a client gets")


def _words(text: str) -> tuple[list[str], dict[str, str]]:
    """Part `text` into its plain words and its `key=value` ones."""
    words = shlex.split(text)
    keys = dict(word.split("=", 1) for word in words if "=" in word)
    return [word for word in words if "=" not in word], keys


def _flags(words: list[str], known: frozenset[str]) -> frozenset[str]:
    unknown = set(words) - known
    if unknown:
        raise ScriptError(f"{', '.join(sorted(unknown))} not among {', '.join(sorted(known))}")
    return frozenset(words)


def _errors(keys: dict[str, str]) -> tuple[int, ...]:
    return tuple(int(code) for code in keys.get("EDE", "").split(",") if code)


def _name(text: str) -> str:
    return dns.name.from_text(text).to_text()


def _rcode(text: str) -> str:
    return dns.rcode.to_text(dns.rcode.from_text(text))
