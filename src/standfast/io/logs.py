"""Events to standard error: for people on a terminal, one JSON object a line elsewhere. Never fails."""

import sys
from contextlib import suppress
from typing import TextIO

import structlog


def configure() -> None:
    """Set the form of events for this process."""
    people = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(_Unfailing(sys.stderr)),  # type: ignore[arg-type]
    )


class _Unfailing:
    """Drops what nobody takes: a reader that is gone, or a full disk, must not stop the guard from answering."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()
