"""The timeline of a drill as one inline SVG: what was true, what each contestant suffered, what the guard decided.

Draws only. Colours are the page's (`report.css`); a bad time is also thicker than a good one and hatched, so that it
can be told without colours.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from itertools import pairwise

from standfast.drills.account import Account, Decision, Lane, Span, State, duration

WIDTH, GUTTER, MARGIN = 1080, 232, 16  # in the SVG's own units, about a pixel each
LABEL_END = GUTTER - 12
AXIS_Y, MOMENTS_Y, LANES_Y = 14, 44, 76
ROW, ROW_GAP, GROUP_GAP = 15, 4, 17
WELL_HEIGHT = 5
MARKER_RADIUS = 9
MARKER_ROWS = 3  # of events that come thick and fast; further ones overlap
MARKERS_APART = 2 * MARKER_RADIUS + 3
HATCH = (
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="2" height="6" class="hatch"/></pattern></defs>'
)
LETTER, LETTER_BOLD = 6.3, 8.0  # the usual widths of one, to tell whether a text fits
TICK_STEPS_S = (60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
TICKS_MAX = 9


def draw(account: Account) -> str:
    """Return the timeline of `account` as an SVG element."""
    return _Drawing(account).svg()


@dataclass(frozen=True, slots=True)
class _Bar:
    from_s: float
    to_s: float
    kind: str  # its class in the style sheet
    label: str
    tooltip: str

    @property
    def thin(self) -> bool:
        return self.kind == State.WELL


@dataclass(frozen=True, slots=True)
class _Row:
    label: str
    bars: tuple[_Bar, ...]


@dataclass(frozen=True, slots=True)
class _Group:
    title: str
    rows: tuple[_Row, ...]


class _Drawing:
    def __init__(self, account: Account) -> None:
        self._account = account
        self._groups = tuple(self._make_groups())
        self._markers = tuple(self._place_markers())
        self._lanes_y = LANES_Y + MARKERS_APART * max((row for _, row in self._markers), default=0)
        rows = sum(len(group.rows) for group in self._groups)
        self._bottom = self._lanes_y + rows * (ROW + ROW_GAP) + len(self._groups) * GROUP_GAP

    def svg(self) -> str:
        said = "; ".join(
            f"{contestant.name}: {duration(contestant.suffered[0].score.outage_s)} of outage"
            for contestant in self._account.contestants
        )
        parts = [
            f'<svg class="timeline" viewBox="0 0 {WIDTH} {self._bottom}" role="img" aria-label="{escape(said)}">',
            HATCH,
            *self._axis(),
            *self._moments(),
            *self._lanes(),
            "</svg>",
        ]
        return "\n".join(parts)

    # What there is to be drawn ------------------------------------------------------------------------------

    def _make_groups(self) -> Iterator[_Group]:
        if self._account.background:
            yield _Group("what was true", tuple(self._row(lane) for lane in self._account.background))
        for contestant in self._account.contestants:
            yield _Group(contestant.name, tuple(self._row(each.lane) for each in contestant.suffered))
        verdicts = self._verdict_bars(self._account.decisions)
        if verdicts:
            rows = (_Row(question if len(verdicts) > 1 else "", bars) for question, bars in verdicts.items())
            yield _Group("guard's verdict", tuple(rows))

    def _row(self, lane: Lane) -> _Row:
        return _Row(lane.title, tuple(self._bar(span) for span in lane.spans))

    def _bar(self, span: Span) -> _Bar:
        lasted = duration(span.to_s - span.from_s)
        label = "" if span.state is State.WELL else lasted
        return _Bar(span.from_s, span.to_s, span.state, label, f"{span.state}, {self._period(span)} ({lasted})")

    def _period(self, span: Span) -> str:
        return f"{self._account.clock(span.from_s)} to {self._account.clock(span.to_s)}"

    def _verdict_bars(self, decisions: Iterable[Decision]) -> dict[str, tuple[_Bar, ...]]:
        """Return the bars of each question; a verdict stands until the next one on the same question."""
        by_question: dict[str, list[Decision]] = {}
        for decision in decisions:
            by_question.setdefault(decision.question, []).append(decision)
        return {
            question: tuple(
                _Bar(
                    decision.at_s,
                    until_s,
                    f"verdict-{decision.action}",
                    f"{decision.action} · {decision.cause}" if decision.action != "fresh" else "fresh",
                    f"{self._account.clock(decision.at_s)} {decision.reason}",
                )
                for decision, until_s in _until_next(found, self._account.ends_at_s)
            )
            for question, found in by_question.items()
        }

    # How it is drawn ----------------------------------------------------------------------------------------

    def _x(self, at_s: float) -> float:
        share = min(max(at_s / self._account.ends_at_s, 0.0), 1.0)
        return round(GUTTER + share * (WIDTH - GUTTER - MARGIN), 1)

    def _axis(self) -> Iterator[str]:
        starts_at = self._account.starts_at
        yield f'<text class="tick" x="0" y="{AXIS_Y}">{escape(self._dates())}</text>'
        for at_s in self._ticks():
            x = self._x(at_s)
            shown = (starts_at + timedelta(seconds=at_s)).strftime("%H:%M")
            yield f'<line class="grid" x1="{x}" x2="{x}" y1="{AXIS_Y + 6}" y2="{self._bottom}"/>'
            yield f'<text class="tick" x="{x}" y="{AXIS_Y}" text-anchor="middle">{shown}</text>'

    def _dates(self) -> str:
        first = self._account.starts_at
        last = first + timedelta(seconds=self._account.ends_at_s)
        until = "" if first.date() == last.date() else f"{first.day} {first:%b} - "
        return f"{until}{last.day} {last:%b %Y}, {self._account.zone}"

    def _ticks(self) -> Iterator[float]:
        ends_at_s = self._account.ends_at_s
        step_s = next((step for step in TICK_STEPS_S if ends_at_s / step <= TICKS_MAX), TICK_STEPS_S[-1])
        starts_at = self._account.starts_at
        since_midnight_s = starts_at.hour * 3600 + starts_at.minute * 60 + starts_at.second
        at_s = -since_midnight_s % step_s
        while at_s < ends_at_s:
            yield at_s
            at_s += step_s

    def _moments(self) -> Iterator[str]:
        for number, (moment, (x, row)) in enumerate(zip(self._account.moments, self._markers, strict=True), start=1):
            y = MOMENTS_Y + row * MARKERS_APART
            title = f"<title>{self._account.clock(moment.at_s)} {escape(moment.text)}</title>"
            yield f'<line class="moment" x1="{x}" x2="{x}" y1="{y + MARKER_RADIUS}" y2="{self._bottom}"/>'
            yield f'<g class="marker">{title}<circle cx="{x}" cy="{y}" r="{MARKER_RADIUS}"/>'
            yield f'<text x="{x}" y="{y + 4}" text-anchor="middle">{number}</text></g>'

    def _place_markers(self) -> Iterator[tuple[float, int]]:
        """Yield where each moment's marker goes, and in which row: those too close to the last one go below it."""
        last = [float("-inf")] * MARKER_ROWS
        for moment in self._account.moments:
            x = self._x(moment.at_s)
            row = next((row for row in range(MARKER_ROWS) if x - last[row] >= MARKERS_APART), MARKER_ROWS - 1)
            last[row] = x
            yield x, row

    def _lanes(self) -> Iterator[str]:
        y = self._lanes_y
        for group in self._groups:
            yield f'<line class="rule" x1="0" x2="{WIDTH}" y1="{y - GROUP_GAP / 2 - 1}" y2="{y - GROUP_GAP / 2 - 1}"/>'
            yield f'<text class="group" x="0" y="{y + ROW - 4}">{escape(group.title)}</text>'
            for row in group.rows:
                place = f'x="{LABEL_END}" y="{y + ROW - 4}" text-anchor="end"'
                label = _shortened(
                    row.label, LABEL_END - (LETTER_BOLD * len(group.title) if row is group.rows[0] else 0)
                )
                yield f'<text class="row" {place}><title>{escape(row.label)}</title>{escape(label)}</text>'
                for bar in row.bars:
                    yield from self._draw_bar(bar, y)
                y += ROW + ROW_GAP
            y += GROUP_GAP

    def _draw_bar(self, bar: _Bar, y: float) -> Iterator[str]:
        x, width = self._x(bar.from_s), max(self._x(bar.to_s) - self._x(bar.from_s), 1.0)
        height = WELL_HEIGHT if bar.thin else ROW
        top = y + (ROW - height) / 2
        box = f'x="{x}" y="{top}" width="{width:.1f}" height="{height}" rx="2"'
        yield f'<g><title>{escape(bar.tooltip)}</title><rect class="{escape(bar.kind)}" {box}/>'
        if not bar.thin and not bar.kind.startswith("verdict"):
            yield f'<rect fill="url(#hatch)" {box}/>'
        if bar.label and len(bar.label) * LETTER < width - 8:
            yield f'<text class="in-bar" x="{x + 6}" y="{y + ROW - 4}">{escape(bar.label)}</text>'
        yield "</g>"


def _shortened(label: str, width: float) -> str:
    letters = int(width / LETTER)
    return label if len(label) <= letters else f"{label[: letters - 1]}\N{HORIZONTAL ELLIPSIS}"


def _until_next(decisions: list[Decision], ends_at_s: float) -> Iterator[tuple[Decision, float]]:
    for decision, following in pairwise(decisions):
        yield decision, following.at_s
    yield decisions[-1], ends_at_s
