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

from standfast.drills.account import Absent, Account, duration

FRAMES_PER_S = 4
LINE_EVERY_S = 10.0  # real seconds between two lines where there is no terminal
ERROR_LETTERS_MAX = 60
BAR_WIDTH = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contestant now. `error` is None while its calls go well."""

    name: str
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
                f"{row.name} {'ok' if row.error is None else 'failing'}, {duration(row.outage_s)} of outage"
                for row in frame.rows
            )
            self._print(f"{frame.clock}  {standings}")

    def _print(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


def result_table(account: Account) -> Table:
    """Return the scores of `account` as a table for people."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("RESOLVED THROUGH")
    for suffered in account.contestants[0].suffered:
        table.add_column(f"OUTAGE OF\n{suffered.lane.title}", justify="right", overflow="fold")
    for title in ("WRONG\nHOLD", "ATTACK", "CALLS\nFAILED", "FIRST\nFAILED", "RECOVERY\nAFTER THE FIX"):
        table.add_column(title, justify="right")
    for contestant in account.contestants:
        total = contestant.total
        table.add_row(
            Text(contestant.name, style="bold"),
            *(_seconds(suffered.score.outage_s) for suffered in contestant.suffered),
            _seconds(total.wrong_hold_s),
            _seconds(total.attack_s),
            f"{total.bad_lookups} of {total.lookups}",
            "-" if total.first_bad_at_s is None else account.clock(total.first_bad_at_s),
            "-" if total.recovery_s is None else duration(total.recovery_s),
        )
    for absent in account.absent:
        table.add_row(Text(absent.name, style="dim"), Text(f"not installed: {absent.install}", style="dim"))
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
    table.add_column("resolved through")
    table.add_column("now", min_width=10)
    for title in ("calls", "failed", "outage so far"):
        table.add_column(title, justify="right", min_width=8)
    table.add_column("its clients see", overflow="ellipsis", no_wrap=True)
    for row in rows:
        now = Text("● ok", style="bold green") if row.error is None else Text("✖ failing", style="bold red")
        name, error = Text(row.name, style="bold"), Text((row.error or "")[:ERROR_LETTERS_MAX], style="dim")
        table.add_row(name, now, str(row.calls), str(row.failed), _seconds(row.outage_s), error)
    for each in absent:
        install = Text(each.install, style="dim")
        table.add_row(Text(each.name, style="dim"), Text("not installed", style="dim"), "", "", "", install)
    return table


def _verdicts(frame: Frame) -> list[Text]:
    if not frame.verdicts:
        return [Text("the guard holds nothing", style="dim")]
    return [Text.assemble(("the guard: ", "dim"), (verdict, "blue")) for verdict in frame.verdicts]


def _seconds(seconds: float) -> Text:
    return Text(duration(seconds), style="bold red" if seconds else "bold green")
