"""The near end of a connection, for laws of what may come over one."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import cache
from typing import Any, Final, TypeVar

from fuzz.messages import OUTBOUND
from standfast.dns.exchange import Heard
from standfast.io.upstreams.messages import Answer, Pipeline

PIECES_MAX: Final = 64  # that a stream is cut into; more finds nothing new
SENT_MAX: Final = 1_000  # octets of a few control frames
T = TypeVar("T")


def same_in_pieces(octets: bytes, make: Callable[[], Pipeline]) -> None:
    """However what a server sends is cut into pieces, the same answers are read of it, each query's one at most.

    The input: the size of a piece, how many queries were put, and what the server sends.
    """
    size, queries, stream = head(octets)
    found = []
    for parts in ([stream], pieces(stream, size)):
        pipeline = make()
        keys = {pipeline.put(replace(OUTBOUND, id=number)) for number in range(7, 7 + queries % 4 + 1)}
        pipeline.to_send()
        answers: list[tuple[int, Answer]] = []
        for piece in parts:
            if pipeline.ended is None:  # then the connection is closed
                answers += pipeline.receive(piece)
        assert len({key for key, _ in answers}) == len(answers)
        assert {key for key, _ in answers} <= keys
        assert len(pipeline.to_send()) <= SENT_MAX + 2 * len(stream)
        heard = [(key, answer) for key, answer in answers if isinstance(answer, Heard)]
        found.append((heard, pipeline.ended is not None))
    (at_once, ended), (in_pieces, ended_too) = found
    assert ended is ended_too
    # What stands before a breach of the rules may be lost with it, and is then asked again over another connection.
    assert at_once == (in_pieces[: len(at_once)] if ended else in_pieces)


class Transport(asyncio.Transport):
    """The near end of a connection: keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 5300) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do `work` in an event loop that is kept: a new one for each input would cost more than most inputs."""
    return _loop().run_until_complete(work)


def head(octets: bytes) -> tuple[int, int, bytes]:
    """Part an input into two small numbers and a stream."""
    one, other = octets[:2].ljust(2, b"\0")
    return one, other, octets[2:]


def pieces(stream: bytes, size: int) -> list[bytes]:
    """Cut `stream` into pieces of `size` octets, or of more where there would be too many."""
    step = max(size, 1, len(stream) // PIECES_MAX + 1)
    return [stream[at : at + step] for at in range(0, len(stream), step)]
