"""What the guard counts. Reads, when asked, what is counted anyway: no answer costs more for it.

`METRICS` is the whole list; docs/operations.md explains each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from standfast.guard.resolver import Resolver
from standfast.guard.upstreams import DOWN_AFTER
from standfast.guard.verdict import Serve
from standfast.io.guard_service import GuardService
from standfast.io.state.ledger_file import LedgerFile
from standfast.io.state.store import Store
from standfast.io.telemetry.described import Described, Samples

if TYPE_CHECKING:  # it needs libraries that are an extra
    from standfast.io.telemetry.otlp import OtlpExporter


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the numbers come from."""

    resolver: Resolver
    service: GuardService
    store: Store
    ledger: LedgerFile
    exporter: "OtlpExporter | None" = None


def _upstreams(sources: Sources, read: Callable[[float | None, int], float | None]) -> Samples:
    """Yield for each server, by its role, what `read` makes of its round-trip time and its failures in a row."""
    settings = sources.resolver.settings
    for role, servers in (("upstream", settings.upstreams), ("second_opinion", settings.second_opinions)):
        for server in servers:
            state = sources.resolver.upstreams.state(server)
            number = read(state.rtt_s, state.failures)
            if number is not None:
                yield (str(server), role), number


def _held(sources: Sources) -> float:
    losses = sources.resolver.losses
    watches = [losses.get(question) for question in losses.questions()]
    return sum(w is not None and w.verdict is not None and w.verdict.serve is Serve.KNOWN_GOOD for w in watches)


def _turned_away(sources: Sources) -> Samples:
    yield ("outside",), sources.service.outside
    yield ("limited",), sources.service.limited
    yield ("handshake",), sources.service.handshakes_failed


def _cached(sources: Sources) -> Samples:
    yield ("positive",), len(sources.resolver.positive)
    yield ("negative",), len(sources.resolver.negative)


def _queries(sources: Sources) -> Samples:
    by_connections = sources.service.connection_queries
    yield ("udp",), sources.resolver.queries - sum(by_connections.values())
    yield from (((transport,), number) for transport, number in by_connections.items())


def _certificate_expires(sources: Sources) -> Samples:
    expires_s = sources.service.certificate_expires_s
    return [] if expires_s is None else [((), expires_s)]


def _spans(sources: Sources) -> Samples:
    if sources.exporter is not None:
        yield ("exported",), sources.exporter.exported
        yield ("dropped",), sources.exporter.dropped


_SERVER = ("server", "role")

METRICS: Final[tuple[Described[Sources], ...]] = (
    Described(
        "standfast_build_info", "Always 1; which version runs.", lambda _: [((version("standfast"),), 1)], ("version",)
    ),
    Described("standfast_guard_enabled", "Whether the guard is on.", lambda s: s.resolver.enabled),
    Described("standfast_guard_queries_total", "Queries taken in.", _queries, ("transport",)),
    Described(
        "standfast_guard_answered_at_once_total",
        "Queries answered without asking: from the cache, or held.",
        lambda s: s.resolver.hits,
    ),
    Described(
        "standfast_guard_drops_total",
        "Answers by UDP that the system would not send, and queries that workers could not hand on.",
        lambda s: s.service.dropped,
    ),
    Described(
        "standfast_guard_turned_away_total", "Datagrams and connections that were not served.", _turned_away, ("why",)
    ),
    Described(
        "standfast_guard_certificate_expires_timestamp_seconds",
        "When the certificate that clients are shown expires; absent where there is none.",
        _certificate_expires,
    ),
    Described(
        "standfast_guard_workers",
        "Processes that answer now, the guard's own included.",
        lambda s: 1 + len(s.service.workers.serving),
    ),
    Described(
        "standfast_guard_workers_lost_total",
        "Workers that ended or hung, and were replaced.",
        lambda s: s.service.workers.lost,
    ),
    Described(
        "standfast_guard_upstream_queries_total",
        "Queries sent to upstreams and second opinions, repeated ones too.",
        lambda s: s.resolver.asking.sent,
    ),
    Described(
        "standfast_guard_upstream_late_total",
        "Of these, queries that had no answer when it was due.",
        lambda s: s.resolver.asking.timeouts,
    ),
    Described(
        "standfast_guard_upstream_connections_total",
        "Connections made to servers for them, over TCP, TLS and HTTPS.",
        lambda s: s.service.upstream_connections,
    ),
    Described("standfast_guard_exchanges", "Questions being asked upstream now.", lambda s: len(s.resolver.asking)),
    Described(
        "standfast_guard_upstream_up",
        f"1 unless the last {DOWN_AFTER} queries or more to the server failed.",
        lambda s: _upstreams(s, lambda _, failures: failures < DOWN_AFTER),
        _SERVER,
    ),
    Described(
        "standfast_guard_upstream_rtt_seconds",
        "Smoothed round-trip time (RFC 6298); absent until the server has answered.",
        lambda s: _upstreams(s, lambda rtt_s, _: rtt_s),
        _SERVER,
    ),
    Described(
        "standfast_guard_upstream_failures",
        "Failures of the server in a row; 0 after each answer.",
        lambda s: _upstreams(s, lambda _, failures: failures),
        _SERVER,
    ),
    Described("standfast_guard_cached", "Answers in the cache.", _cached, ("kind",)),
    Described(
        "standfast_guard_known_good",
        "Questions that have a known-good answer in memory.",
        lambda s: len(s.resolver.memory),
    ),
    Described(
        "standfast_guard_known_good_bytes",
        "Memory that known-good answers take, in octets.",
        lambda s: s.resolver.memory.bytes,
    ),
    Described(
        "standfast_guard_lost",
        "Questions whose known-good answer upstream does not give now.",
        lambda s: len(s.resolver.losses.questions()),
    ),
    Described("standfast_guard_held", "Lost questions that get their known-good answer now.", _held),
    Described(
        "standfast_guard_verdicts_total",
        "Verdicts recorded, by what they do and what they take the loss for.",
        lambda s: s.resolver.losses.verdicts.items(),
        ("action", "cause"),
    ),
    Described(
        "standfast_guard_probes_total",
        "Probes of servers sent to prove identities.",
        lambda s: s.resolver.gathering.prober.sent,
    ),
    Described("standfast_store_waiting", "Changed answers not on the disk yet.", lambda s: s.store.waiting),
    Described(
        "standfast_store_refused_total", "Changed answers lost to a full queue of the store.", lambda s: s.store.refused
    ),
    Described(
        "standfast_store_failing", "Whether the store cannot be written now.", lambda s: s.store.failure is not None
    ),
    Described(
        "standfast_ledger_records", "Records in the ledger that are on the disk.", lambda s: s.ledger.durable.seq
    ),
    Described("standfast_ledger_waiting", "Records not on the disk yet.", lambda s: s.ledger.waiting),
    Described(
        "standfast_ledger_lost",
        "Records lost to a full queue in the present outage of the disk.",
        lambda s: s.ledger.lost,
    ),
    Described(
        "standfast_ledger_failing", "Whether the ledger cannot be written now.", lambda s: s.ledger.refusal is not None
    ),
    Described(
        "standfast_traces_spans_total",
        "Spans that ended, by what became of them; absent without `traces`.",
        _spans,
        ("outcome",),
    ),
)
