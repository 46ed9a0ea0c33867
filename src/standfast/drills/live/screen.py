"""What a live drill shows while it runs: a table that is renewed on a terminal, plain lines elsewhere. Shows only."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from standfast.drills.account import Absent, Account, Grid, State, duration

FRAMES_PER_S = 4
LINE_EVERY_S = 10.0  # real seconds between two lines where there is no terminal
BAR_WIDTH = 40
DECISIONS_SHOWN_MAX = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contestant now. `error` is what its clients see, None while their calls succeed."""

    name: str
    state: State
    error: str | None
    calls: int
    failed: int
    outage_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """All that is shown at one moment. `share` is how much of the story is over, from 0 to 1."""

    clock: str
    share: float
    event: str
    rows: tuple[Row, ...]
    absent: tuple[Absent, ...]
    verdicts: tuple[str, ...]
    at_real_s: float


class Screen:
    """The console of one drill; a context manager that leaves the terminal as it was."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._live = Live(console=console, refresh_per_second=FRAMES_PER_S, transient=True, auto_refresh=False)
        self._line_at_s = float("-inf")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """Say what is done before the story begins, and after it."""
        if self._console.is_terminal:
            self._live.update(Group(Text(self._title, style="bold"), Text(text, style="dim")), refresh=True)
        else:
            self._print(text)

    def happened(self, clock: str, text: str) -> None:
        """Tell an event of the story."""
        if not self._console.is_terminal:
            self._print(f"{clock}  {text}")

    def show(self, frame: Frame) -> None:
        """Show how it stands."""
        if self._console.is_terminal:
            self._live.update(_picture(self._title, frame), refresh=True)
        elif frame.at_real_s - self._line_at_s >= LINE_EVERY_S:
            self._line_at_s = frame.at_real_s
            standings = "; ".join(
                f"{row.name} {_word(row)[1]}, {duration(row.outage_s)} of outage" for row in frame.rows
            )
            self._print(f"{frame.clock}  {standings}")

    def _print(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


def show_account(console: Console, account: Account) -> None:
    """Print what came of a drill."""
    console.print(
        Text(f"{account.title} ({'live, on loopback' if account.mode == 'live' else 'simulated'})", style="bold")
    )
    console.print(Text(account.lesson), soft_wrap=True)
    console.print()
    for grid in account.grids:
        console.print(grid_table(grid))
        console.print()
    console.print(result_table(account))
    for absent in account.absent:
        console.print(Text(f"{absent.name} did not take part, it is not installed: {absent.install}"), soft_wrap=True)
    console.print()
    for decision in account.decisions[:DECISIONS_SHOWN_MAX]:
        verdict = f"{decision.action}/{decision.cause}"
        line = Text.assemble((account.clock(decision.at_s), "dim"), f"  {decision.question}  ", (verdict, "bold blue"))
        console.print(line.append(f"  {decision.reason}"), soft_wrap=True)
    if len(account.decisions) > DECISIONS_SHOWN_MAX:
        console.print(Text(f"... and {len(account.decisions) - DECISIONS_SHOWN_MAX} verdicts more", style="dim"))
    for note in filter(None, (account.ledger, *account.notes)):
        console.print(Text(note, style="dim"), soft_wrap=True)
    console.print()
    if account.passed:
        console.print(Text("PASSED: Standfast did all that was expected of it.", style="bold green"))
        return
    console.print(Text("FAILED:", style="bold red"))
    for failure in account.failures:
        console.print(Text(f"  {failure}"), soft_wrap=True)


def grid_table(grid: Grid) -> Table:
    """Return a grid as a table for people, whose cells are as long as they have to be."""
    table = Table(title=grid.title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    heads, *rows = grid.rows
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def result_table(account: Account) -> Table:
    """Return the scores of `account` as a table for people, a column each contestant; it fits into 80 columns."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for contestant in account.contestants:
        table.add_column(contestant.name.replace(" ", "\n"), justify="right", vertical="bottom")
    names = [suffered.lane.title for suffered in account.contestants[0].suffered]
    totals = [contestant.total for contestant in account.contestants]
    for number, name in enumerate(names):
        outages = (contestant.suffered[number].score.outage_s for contestant in account.contestants)
        table.add_row(f"outage of {name}" if number == 0 else f"  {name}", *map(_seconds, outages))
    table.add_row("wrong hold", *(_seconds(total.wrong_hold_s) for total in totals))
    table.add_row("attack", *(_seconds(total.attack_s) for total in totals))
    table.add_row("calls failed", *(f"{total.bad_lookups} of {total.lookups}" for total in totals))
    first = (total.first_bad_at_s for total in totals)
    table.add_row("first failed", *("-" if at_s is None else account.clock(at_s) for at_s in first))
    recovery = (total.recovery_s for total in totals)
    table.add_row("recovery after the fix", *("-" if seconds is None else duration(seconds) for seconds in recovery))
    return table


def _picture(title: str, frame: Frame) -> RenderableType:
    head = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=1.0, completed=frame.share, width=BAR_WIDTH, complete_style="cyan", finished_style="cyan")
    head.add_row(Text(frame.clock, style="bold cyan"), bar, Text(frame.event))
    return Group(
        Text(title, style="bold"), head, Text(), _standings(frame.rows, frame.absent), Text(), *_verdicts(frame)
    )


def _standings(rows: Sequence[Row], absent: Sequence[Absent]) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("resolved through", no_wrap=True)
    table.add_column("now", no_wrap=True, min_width=16)
    for title in ("calls", "failed", "outage so far"):
        table.add_column(title, no_wrap=True, justify="right", min_width=6)
    table.add_column("clients see")  # the one that gives way where the terminal is narrow
    for row in rows:
        glyph, word, style = _word(row)
        now = Text(f"{glyph} {word}", style=style)
        name, error = Text(row.name, style="bold"), _cut(row.error or "")
        table.add_row(name, now, str(row.calls), str(row.failed), _seconds(row.outage_s), error)
    for each in absent:
        table.add_row(Text(each.name, style="dim"), Text("not installed", style="dim"), "", "", "", _cut(each.install))
    return table


def _word(row: Row) -> tuple[str, str, str]:
    match row.state:
        case State.WELL if row.error is None:
            return "●", "ok", "bold green"
        case State.WELL:
            return "○", "gone, as meant", "green"
        case State.OUTAGE:
            return "✖", "failing", "bold red"
        case State.WRONG_HOLD | State.ATTACK:
            return "✖", row.state, "bold red"


def _verdicts(frame: Frame) -> list[Text]:
    if not frame.verdicts:
        return [Text("the guard holds nothing", style="dim")]
    return [Text.assemble(("the guard: ", "dim"), (verdict, "blue")) for verdict in frame.verdicts]


def _cut(text: str) -> Text:
    return Text(text, style="dim", no_wrap=True, overflow="ellipsis")


def _seconds(seconds: float) -> Text:
    return Text(duration(seconds), style="bold red" if seconds else "bold green")
