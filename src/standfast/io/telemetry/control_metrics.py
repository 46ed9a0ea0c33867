"""What the control plane of a process counts. `CONTROL_METRICS` is the whole list; docs/operations.md explains each."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from standfast.io.telemetry.described import Described, Samples

if TYPE_CHECKING:
    from standfast.io.control.plane import ControlPlane


def _each(counts: Mapping[str, int]) -> Samples:
    return [((key,), number) for key, number in counts.items()]


def _lines(plane: "ControlPlane") -> Samples:
    lines = plane.enactor.lines.values() if plane.enactor else ()
    settled = sum(line.fence is not None and line.rest is None for line in lines)
    return [(("settled",), settled), (("unsettled",), len(lines) - settled)]


CONTROL_METRICS: "Final[tuple[Described[ControlPlane], ...]]" = (
    Described(
        "standfast_control_publications",
        "Zones, each at each of its publishers, by whether the newest plan stands there.",
        _lines,
        ("kind",),
    ),
    Described(
        "standfast_control_writes_total",
        "Writes at publishers, by what came of them.",
        lambda s: _each(s.enactor.outcomes) if s.enactor else [],
        ("outcome",),
    ),
    Described(
        "standfast_control_rests_total",
        "Times that an enactor could not go on, by cause.",
        lambda s: _each(s.enactor.rests) if s.enactor else [],
        ("cause",),
    ),
    Described(
        "standfast_control_leads",
        "1 where this process is the planner that plans.",
        lambda s: int(s.planner is not None and s.planner.leads),
    ),
    Described(
        "standfast_control_plans_total",
        "Plans that were made, by what became of them.",
        lambda s: _each(s.planner.verdicts) if s.planner else [],
        ("outcome",),
    ),
    Described(
        "standfast_control_waiting",
        "Zones of which something is wanted that is not planned: a rule is against it, or it waits for approval.",
        lambda s: sum(desk.is_open for desk in s.planner.desks.values()) if s.planner else 0,
    ),
    Described(
        "standfast_control_drifts_total",
        "Times that what is published was seen to differ from the plan.",
        lambda s: sum(s.verifier.drifts.values()) if s.verifier else 0,
    ),
    Described(
        "standfast_control_visible_seconds",
        "How long after its publication a server showed the last plan that it was seen to show; the slowest zone.",
        lambda s: s.verifier.visible_after_s() if s.verifier else [],
        ("server",),
    ),
    Described(
        "standfast_control_unseen_total",
        "Plans that a server which must show them did not show within a minute.",
        lambda s: sum(s.verifier.late.values()) if s.verifier else 0,
    ),
    Described(
        "standfast_vantage_endpoints",
        "Endpoints that are looked at, by how this vantage sees them.",
        lambda s: _each(s.vantage.states) if s.vantage else [],
        ("kind",),
    ),
    Described(
        "standfast_vantage_looks_total",
        "Looks at endpoints, by what they said.",
        lambda s: _each(s.vantage.outcomes) if s.vantage else [],
        ("outcome",),
    ),
    Described(
        "standfast_vantage_in_flight",
        "Looks that are under way.",
        lambda s: s.vantage.vantage.in_flight if s.vantage else 0,
    ),
)
