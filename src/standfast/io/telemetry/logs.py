"""Events to standard error: for people on a terminal, one JSON object a line elsewhere. Never fails.

What others have to say goes the same way: the messages of libraries, warnings, and threads that end in an error.
"""

import logging
import sys
import threading
from contextlib import suppress
from typing import TextIO

import structlog

log = structlog.get_logger("standfast")


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
    logging.basicConfig(handlers=[_Others()], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    threading.excepthook = _tell_of_thread


class _Others(logging.Handler):
    """Makes an event of what a library logs, asyncio's word of a callback that failed among it."""

    def emit(self, record: logging.LogRecord) -> None:
        fields = {"library": record.name, "detail": record.getMessage(), "exc_info": record.exc_info}
        if record.levelno >= logging.ERROR:
            log.error("library.message", **fields)
        else:
            log.warning("library.message", **fields)


def _tell_of_thread(failed: threading.ExceptHookArgs) -> None:
    trace = None if failed.exc_value is None else (failed.exc_type, failed.exc_value, failed.exc_traceback)
    log.error("thread.failed", thread=failed.thread.name if failed.thread else None, exc_info=trace)


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
