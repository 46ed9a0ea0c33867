"""What is shown while a drill runs and when it is over, on terminals and where there is none."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from standfast.drills.account import Absent, State
from standfast.drills.live.screen import DECISIONS_SHOWN_MAX, LINE_EVERY_S, Frame, Row, Screen, show_account
from unit.drills.accounts import account, decision

FRAME = Frame(
    clock="01:15:32 PDT",
    share=0.5,
    event="first temporary mitigations",
    rows=(
        Row(
            name="plain forwarding",
            state=State.OUTAGE,
            error="gaierror: [Errno -5] No address associated with hostname",
            calls=152,
            failed=131,
            outage_s=5_244.0,
        ),
        Row(name="guard", state=State.WELL, error=None, calls=150, failed=0, outage_s=0.0),
    ),
    absent=(Absent(name="unbound", install="sudo apt-get install unbound"),),
    verdicts=("db.example.org. A  hold/mistake: the servers are there",),
    at_real_s=0.0,
)


def console(*, terminal: bool, width: int = 120) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=terminal, width=width, height=30, color_system=None), out


@pytest.mark.parametrize("width", [80, 160])
def test_on_a_terminal_the_whole_table_is_drawn_and_taken_away_at_the_end(width: int) -> None:
    shown, out = console(terminal=True, width=width)
    with Screen(shown, "The outage") as screen:
        screen.show(FRAME)
        drawn = out.getvalue()
    for words in (
        "The outage",
        "01:15:32 PDT",
        "first temporary mitigations",
        "failing",
        "gaierror",
        "1 h 27 min",
        "not installed",
        "sudo apt",
        "the guard: db.example.org. A  hold/mistake: the servers are there",
    ):
        assert words in drawn
    assert "\x1b[2K" in out.getvalue()[len(drawn) :]


def test_without_a_terminal_there_are_plain_lines_and_no_control_codes() -> None:
    shown, out = console(terminal=False)
    with Screen(shown, "The outage") as screen:
        screen.say("warming up")
        screen.happened("23:48:00", "the record is emptied")
        screen.show(FRAME)
    assert out.getvalue().splitlines() == [
        "warming up",
        "23:48:00  the record is emptied",
        "01:15:32 PDT  plain forwarding failing, 1 h 27 min of outage; guard ok, 0 s of outage",
    ]
    assert "\x1b" not in out.getvalue()


def test_without_a_terminal_a_line_comes_only_every_so_often() -> None:
    shown, out = console(terminal=False)
    with Screen(shown, "The outage") as screen:
        for tenths in range(101):
            screen.show(replace(FRAME, at_real_s=tenths / 10 * LINE_EVERY_S / 5))
    assert len(out.getvalue().splitlines()) == 3


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        (State.WELL, None, "ok"),
        (State.WELL, "gaierror", "gone, as meant"),
        (State.OUTAGE, "gaierror", "failing"),
        (State.WRONG_HOLD, "CertificateError", "wrong-hold"),
        (State.ATTACK, None, "attack"),
    ],
)
def test_how_a_contestant_does_is_said_in_a_word(state: State, error: str | None, words: str) -> None:
    shown, out = console(terminal=False)
    row = replace(FRAME.rows[0], state=state, error=error)
    with Screen(shown, "The outage") as screen:
        screen.show(replace(FRAME, rows=(row,)))
    assert f"plain forwarding {words}, 1 h 27 min of outage" in out.getvalue()


def test_text_in_brackets_is_shown_as_it_is() -> None:
    shown, out = console(terminal=True)
    with Screen(shown, "The [bold]outage") as screen:
        screen.show(replace(FRAME, event="[red]an event"))
        assert "The [bold]outage" in out.getvalue()
        assert "[red]an event" in out.getvalue()


def test_the_scores_fit_into_eighty_columns() -> None:
    shown, out = console(terminal=False, width=80)
    show_account(shown, account(notes=(), lesson="-", decisions=(), ledger=None, absent=()))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "outage of DynamoDB      2 h 52 min       0 s  " in lines
    assert "recovery after the fix      15 min         -  " in lines
    assert lines[-1] == "PASSED: Standfast did all that was expected of it."


def test_what_failed_is_told_last() -> None:
    shown, out = console(terminal=False)
    show_account(shown, account(failures=("after: seconds of outage through the guard: 76.2",)))
    assert out.getvalue().endswith("FAILED:\n  after: seconds of outage through the guard: 76.2\n")


def test_verdicts_and_who_was_absent_are_told() -> None:
    shown, out = console(terminal=False)
    show_account(shown, account(decisions=tuple(decision(at_s=720.0 + at) for at in range(DECISIONS_SHOWN_MAX + 3))))
    said = out.getvalue()
    assert said.count("hold/mistake") == DECISIONS_SHOWN_MAX
    assert "... and 3 verdicts more" in said
    assert "unbound did not take part, it is not installed: sudo apt-get install unbound" in said
