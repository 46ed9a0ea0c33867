"""One connection to an upstream: from its first octet to its end, with every query on it accounted for.

It ends when nothing has gone over it for a while, when the server closes it, and when it is silent. What is then done
about the queries that it leaves without an answer is for `upstream_pool`.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from standfast.guard.events import Ask
from standfast.io.faults import in_words
from standfast.io.upstreams.messages import Answer, NotAnswered, Pipeline

# After so long without an octet, while queries wait, a connection that answered before is taken for dead: a firewall
# or an address translation on the way forgets those that were idle, and tells nobody. Shorter than the core's patience
# with one server (`asking.EXCHANGE_MAX_S`), so that the same query is still answered over a new one.
STALL_S: Final = 1.0
FIRST_ANSWER_S: Final = 4.0  # one that never answered is given until nobody waits any more
WRITE_OCTETS_MAX: Final = 1 << 18  # that a server leaves unread; a query has a few hundred
_CLOSED: Final = "the connection was closed without an answer"


@dataclass(slots=True, eq=False)
class Asked:
    """A query of ours: which connection it is on, if it is on one, and under which key there."""

    ask: Ask
    connection: "UpstreamConnection | None" = None
    key: int = 0
    sent_again: bool = False


class UpstreamConnection(asyncio.Protocol):
    """A connection whose handshake is over as soon as it is `connection_made`."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        idle_s: float,
        on_answer: Callable[[Asked, Answer], None],
        on_room: Callable[[], None],
        on_lost: Callable[["UpstreamConnection", list[Asked], str], None],
    ) -> None:
        """`on_room` is told after answers, `on_lost` once, with what was not answered and why."""
        self._pipeline = pipeline
        self._idle_s = idle_s
        self._on_answer = on_answer
        self._on_room = on_room
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, Asked] = {}
        self._writable = True
        self._why = _CLOSED
        self.lost = ""  # why it is closed, in words, once it is
        self._active_at_s = self._loop.time()
        self._silent_since_s: float | None = None  # since the first query after the last octet that came
        self._idle_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self.has_answered = False

    @property
    def has_room(self) -> bool:
        """Whether one more query may be put."""
        return self._writable and not self._transport.is_closing() and self._pipeline.has_room

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session of an encrypted connection."""
        found: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object")
        return found

    def put(self, asked: Asked) -> None:
        """Take `asked` over; it goes out with the next `flush`."""
        asked.connection, asked.key = self, self._pipeline.put(asked.ask.query)
        self._waiting[asked.key] = asked
        self._active_at_s = self._loop.time()
        if self._silent_since_s is None:
            self._silent_since_s = self._active_at_s
        self._watch_silence()

    def flush(self) -> None:
        """Write what was put, and what the connection itself has to say."""
        if self._transport.is_closing():
            return
        octets = self._pipeline.to_send()
        if octets:
            self._transport.write(octets)
        if self._transport.get_write_buffer_size() > WRITE_OCTETS_MAX:
            self.close("it does not read what it is sent")

    def forget(self, asked: Asked) -> None:
        """Wait no longer for `asked`, if it is not over already."""
        if self._waiting.get(asked.key) is asked:
            del self._waiting[asked.key]

    def close(self, why: str) -> None:
        """End it now; `on_lost` is told soon."""
        if not self._transport.is_closing():
            self._why = why
            self._transport.abort()

    # What the event loop calls --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._end_idleness()

    def data_received(self, data: bytes) -> None:
        self._active_at_s = self._loop.time()
        # All taken out before the first is told of: who hears an answer may ask on, and be given the key of another.
        answers = [(self._waiting.pop(key, None), answer) for key, answer in self._pipeline.receive(data)]
        for asked, answer in answers:
            if not isinstance(answer, NotAnswered) and not self.has_answered:
                self.has_answered = True
                self._stop_watching()
            if asked is not None:
                self._on_answer(asked, answer)
        self._silent_since_s = self._active_at_s if self._waiting else None
        self._watch_silence()
        self.flush()
        if self._pipeline.ended is not None:
            self.close(self._pipeline.ended)
        elif answers:
            self._on_room()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._on_room()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._stop_watching()
        if isinstance(exc, OSError):
            self._why = in_words(exc) or self._why
        unanswered = list(self._waiting.values())
        self._waiting.clear()
        self.lost = self._why
        self._on_lost(self, unanswered, self._why)

    # Time -----------------------------------------------------------------------------------------------------

    def _end_idleness(self) -> None:
        left_s = self._idle_s if self._waiting else self._active_at_s + self._idle_s - self._loop.time()
        if left_s <= 0:
            self.close("nothing was asked for a while")
        else:
            self._idle_timer = self._loop.call_later(left_s, self._end_idleness)

    def _watch_silence(self) -> None:
        if self._silent_since_s is not None and self._stall_timer is None:
            self._end_silence()

    def _stop_watching(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _end_silence(self) -> None:
        if self._silent_since_s is None:
            self._stall_timer = None
            return
        silence_max_s = STALL_S if self.has_answered else FIRST_ANSWER_S
        left_s = self._silent_since_s + silence_max_s - self._loop.time()
        if left_s <= 0:
            self.close(f"nothing came for {silence_max_s:g} s")
        else:
            self._stall_timer = self._loop.call_later(left_s, self._end_silence)
