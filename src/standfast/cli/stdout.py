"""Standard output that ends the command where it cannot be written: a full disk is told, a reader who left is not."""

import os
import sys
from contextlib import suppress
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING, Final

import click

from standfast.cli.exits import UNUSABLE

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

READER_LEFT: Final = 128 + 13  # what a shell says of a command that SIGPIPE ended, as it ends most others


def guarded(stdout: TextIOWrapper) -> TextIOWrapper:
    """Return what takes the place of `stdout`: the same file, and `SystemExit` where it cannot be written."""
    raw = _File(stdout.fileno(), "wb", closefd=False)
    return TextIOWrapper(
        BufferedWriter(raw),
        encoding=stdout.encoding,
        errors="backslashreplace",  # as standard error: a name that has no octets is still shown
        line_buffering=stdout.line_buffering,
        write_through=stdout.write_through,
    )


def say_if_read(line: str) -> None:
    """Print a line on which nothing hangs: a service serves also where nobody can read that it does."""
    with suppress(SystemExit):
        click.echo(line)


class _File(FileIO):
    def write(self, octets: "ReadableBuffer", /) -> int:
        try:
            return super().write(octets)
        except OSError as error:
            self._give_up()
            if isinstance(error, BrokenPipeError):
                sys.exit(READER_LEFT)
            click.echo(f"standfast: cannot write to standard output: {os.strerror(error.errno or 0)}", err=True)
            sys.exit(UNUSABLE)

    def _give_up(self) -> None:
        """Have what is still in buffers, or is written while the command ends, go nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
