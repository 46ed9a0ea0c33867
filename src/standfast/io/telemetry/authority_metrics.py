"""What the authority counts beside answers: zones, who takes them and from where they come, and their changes.

`AUTHORITY_METRICS` is the whole list; docs/operations.md explains each.
"""

from collections.abc import Mapping
from typing import Final

from standfast.io.authority.service import Parts
from standfast.io.telemetry.described import Described, Samples


def _each(counts: Mapping[str, int]) -> Samples:
    return [((key,), number) for key, number in counts.items()]


AUTHORITY_METRICS: Final[tuple[Described[Parts], ...]] = (
    Described("standfast_authority_zones", "Zones that are served.", lambda s: len(s.zones.zones)),
    Described(
        "standfast_authority_zones_withheld",
        "Of these, zones that get SERVFAIL: no primary has confirmed them for too long.",
        lambda s: len(s.zones.withheld),
    ),
    Described(
        "standfast_authority_published_total",
        "Versions of zones that were served from then on, by where they came from.",
        lambda s: _each(s.zones.published),
        ("cause",),
    ),
    Described(
        "standfast_authority_refused_total",
        "Versions of zones that must not be served, by where they came from.",
        lambda s: _each(s.zones.refused),
        ("cause",),
    ),
    Described(
        "standfast_authority_transfers_total",
        "Answers to AXFR and IXFR, by what they were.",
        lambda s: _each(s.transfers.outcomes),
        ("outcome",),
    ),
    Described(
        "standfast_authority_notices_total",
        "Notices of changes to secondaries, by what became of them.",
        lambda s: _each(s.notifier.outcomes),
        ("outcome",),
    ),
    Described(
        "standfast_authority_fetches_total",
        "Transfers from primaries, by what came of them.",
        lambda s: _each(s.secondaries.transfers),
        ("outcome",),
    ),
    Described(
        "standfast_authority_updates_total",
        "Dynamic updates that were allowed, by their response code.",
        lambda s: _each(s.updates.answered),
        ("rcode",),
    ),
    Described(
        "standfast_authority_signatures_due",
        "Signatures that are to be made anew, and are not yet.",
        lambda s: s.signer.due if s.signer else 0,
    ),
    Described(
        "standfast_authority_signing_failures_total",
        "Versions of zones that could not be signed, and looks at keys and signatures that failed.",
        lambda s: s.signer.failures if s.signer else 0,
    ),
    Described(
        "standfast_authority_turned_away_total",
        "Transfers, updates, notices and signed queries that went no further, by their response code.",
        lambda s: _each(s.desk.turned_away),
        ("rcode",),
    ),
    Described(
        "standfast_authority_requests_dropped_total",
        "Requests by UDP that were dropped, as too many were under way.",
        lambda s: s.requests.dropped,
    ),
)
