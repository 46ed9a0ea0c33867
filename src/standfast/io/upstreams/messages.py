"""Many queries and answers on one connection, as octets (RFC 7766 section 6.2.1). No socket, no clock.

`MessagePipeline` is DNS over TCP and over TLS; `upstream_http2` has the one for HTTPS.
"""

from dataclasses import dataclass, replace
from typing import Final, Protocol

from standfast.dns.codec import decode_incoming, encode_outbound
from standfast.dns.exchange import Heeded, NotOurs, Outbound

PIPELINE_MAX: Final = 256  # queries without an answer on one connection; a server that is slower has its load already
NOT_OURS_MAX: Final = 32  # answers that match nothing, on one socket: then something is wrong, or an attack
_LENGTH_OCTETS: Final = 2  # before each message (RFC 1035 section 4.2.2)
_IDS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class NotAnswered:
    """The server said, without a DNS message, that one query gets no answer.

    With `untouched` it did not even look at it, and may be asked again over another connection.
    """

    detail: str
    untouched: bool = False


Answer = Heeded | NotAnswered


class Pipeline(Protocol):
    """The octets of one connection, both ways.

    A query that nobody waits for any more stays under way until it is answered, so that its late answer is not taken
    for one to another query.
    """

    @property
    def ended(self) -> str | None:
        """Why nothing more will be answered here, in words; None while it may be."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether one more query may be put."""
        ...

    def put(self, query: Outbound) -> int:
        """Send `query`, whose ID is of no account here; return the key of its answer."""
        ...

    def receive(self, octets: bytes) -> list[tuple[int, Answer]]:
        """Take in what came; return the answers that are whole now, in the order in which they came."""
        ...

    def to_send(self) -> bytes:
        """Return what is to be sent, once."""
        ...


class MessagePipeline:
    """Messages with their length before them."""

    def __init__(self, *, padded: bool = False) -> None:
        """`padded` is for encrypted connections alone (RFC 7830 section 6)."""
        self.ended: str | None = None
        self._padded = padded
        self._under_way: dict[int, Outbound] = {}  # by message ID; what nobody waits for stays until it is answered
        self._received = bytearray()
        self._out = bytearray()
        self._not_ours = 0

    @property
    def has_room(self) -> bool:
        """Whether one more query may be put."""
        return len(self._under_way) < PIPELINE_MAX

    def put(self, query: Outbound) -> int:
        """Send `query` with its own ID, or the next that no other query here has (RFC 7766 section 6.2.1)."""
        key = query.id
        while key in self._under_way:
            key = (key + 1) % _IDS
        self._under_way[key] = sent = replace(query, id=key)
        wire = encode_outbound(sent, padded=self._padded)
        self._out += len(wire).to_bytes(_LENGTH_OCTETS, "big") + wire
        return key

    def receive(self, octets: bytes) -> list[tuple[int, Answer]]:
        """Return the answers that are whole now; what matches no query is passed over, so many times."""
        self._received += octets
        received, at = self._received, 0
        answers: list[tuple[int, Answer]] = []
        while self.ended is None and len(received) >= (start := at + _LENGTH_OCTETS):
            end = start + int.from_bytes(received[at:start], "big")
            if len(received) < end:
                break
            self._take(bytes(received[start:end]), answers)
            at = end
        del received[:at]
        return answers

    def to_send(self) -> bytes:
        """Return what is to be sent, once."""
        octets = bytes(self._out)
        self._out.clear()
        return octets

    def _take(self, wire: bytes, answers: list[tuple[int, Answer]]) -> None:
        key = int.from_bytes(wire[:2], "big")
        query = self._under_way.get(key)
        heard = NotOurs() if query is None else decode_incoming(wire, query)
        if not isinstance(heard, NotOurs):
            del self._under_way[key]
            answers.append((key, heard))
            return
        self._not_ours += 1
        if self._not_ours >= NOT_OURS_MAX:
            self.ended = f"{NOT_OURS_MAX} answers to something that was not asked"
