"""Every script in this folder, replayed against the real core; and that a script which is wrong does fail."""

from pathlib import Path

import pytest

from scenarios.replay import Difference, play
from scenarios.script import ScriptError, read_script

SCRIPTS = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_goes_as_the_script_says(script: Path) -> None:
    play(script)


RIGHT = """\
# A name is answered, then comes from the cache.
server one www.example.org A: NOERROR
  answer www.example.org 300 A 192.0.2.1
ask www.example.org A
get NOERROR after=10ms
  answer www.example.org 300 A 192.0.2.1
sent www.example.org A: one
ask www.example.org A
get NOERROR after=0
  answer www.example.org 300 A 192.0.2.1
sent www.example.org A: nothing
"""


@pytest.mark.parametrize(
    ("right", "wrong", "line", "difference"),
    [
        ("get NOERROR after=0", "get NXDOMAIN", 9, "- NXDOMAIN"),
        ("get NOERROR after=0", "get NOERROR AD", 9, "- QR RD RA AD"),
        ("get NOERROR after=0", "get NOERROR EDE=3", 9, "- EDE=3"),
        ("get NOERROR after=0", "get NOERROR after=1.8", 9, "- after 1.800 s"),
        (
            "after=10ms\n  answer www.example.org 300",
            "\n  answer www.example.org 299",
            5,
            "+ answer www.example.org. 300",
        ),
        ("after=10ms\n  answer", "\n  authority", 5, "- authority www.example.org. 300"),
        ("A: one", "A: one, one", 7, "number"),
        ("A: one", "A: one tcp", 7, "- one tcp"),
        ("A: nothing", "A: 2 times", 11, "it was 0 times"),
        ("A: nothing", "A: nothing\nask www.example.net A\nask as=b www.example.org A\nwaits as=b", 14, "already"),
    ],
)
def test_what_does_not_come_out_as_written_is_shown_with_its_line_and_the_difference(
    tmp_path: Path, right: str, wrong: str, line: int, difference: str
) -> None:
    path = tmp_path / "script.txt"
    path.write_text(RIGHT)
    play(path)
    path.write_text(RIGHT[::-1].replace(right[::-1], wrong[::-1], 1)[::-1])
    with pytest.raises(Difference, match=rf"script.txt:{line}: ") as failure:
        play(path)
    assert difference in str(failure.value)


@pytest.mark.parametrize(
    "line",
    [
        "server one www.example.org A: NOEROR",
        "server one www.example.org A: NOERROR XX",
        "ask www.example.org A DONT",
        "ask www.example.org",
        "get",
        "frobnicate",
        "  answer www.example.org 300 A 192.0.2.1",
        "server one www.example.org A: NOERROR\n  elsewhere www.example.org 300 A 192.0.2.1",
        "server one www.example.org A: NOERROR\n  answer www.example.org 300 A 192.0.2",
        "wait 5",
    ],
)
def test_a_line_that_cannot_be_read_is_an_error_with_its_place(tmp_path: Path, line: str) -> None:
    path = tmp_path / "script.txt"
    path.write_text(line if line == "wait 5" else f"# A line that is wrong.\n{line}\n")
    with pytest.raises(ScriptError, match=r"script.txt:"):
        read_script(path)
