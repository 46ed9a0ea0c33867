"""Clients by HTTP/2 (RFC 9113): a stream for each query, and bounds on what a client can make of all the rest.

What is no HTTP/2 ends the connection. What costs and asks nothing (streams opened and reset at once, pings, settings,
windows opened by an octet) is counted against the queries that were answered; too much of it ends the connection as
well. What a request means is in `doh`.
"""

import asyncio
import ssl
from dataclasses import replace
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import H2Error

from standfast.dns.codec import Rejected, decode_query, encode_rejected, encode_response
from standfast.dns.model import Query, Reply
from standfast.dns.prepared import Preparable
from standfast.io.clients.client import Client
from standfast.io.clients.connections import SLOW_S, WRITE_OCTETS_MAX, Connection, Connections
from standfast.io.clients.doh import (
    MEDIA_TYPE,
    NO_QUERY,
    QUERY_OCTETS_MAX,
    TOO_LARGE,
    Refusal,
    Request,
    max_age_s,
    query_of,
)

STREAMS_MAX: Final = 100  # open at once, and queries that wait; "no smaller than 100" (RFC 9113 section 6.5.2)
HEADER_OCTETS_MAX: Final = 1 << 13  # of a request; the longest query in a path takes two thirds of it
HEADER_TABLE_OCTETS_MAX: Final = 4096  # that we keep to repeat headers shortly, however much a client offers
CLOSED_STREAMS_MAX: Final = 1024  # that are remembered, so that what was under way when they closed is no error
SILENT_OCTETS_MAX: Final = 3 << 14  # that mean nothing yet: the largest frame and the headers before it fit easily
PIECE_OCTETS: Final = 1 << 10  # read between two looks at the waste: a hundred of the smallest frames
WASTE_MAX: Final = 100  # frames that ask nothing; a client needs some five to begin with
WASTE_PER_ANSWER: Final = 4  # windows and pings that come with an honest query; each answer makes good for so many
WINDOW_OCTETS_MIN: Final = 256  # each so many that are sent make good for one window; who opens less at a time dribbles

_HTTP_1_WORDS: Final = b"only HTTP/2 is spoken here (RFC 8484 section 5.2)\n"
_NO_HTTP_2: Final = (
    b"HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_HTTP_1_WORDS), _HTTP_1_WORDS)
)


class _Http2(H2Connection):
    DEFAULT_MAX_HEADER_LIST_SIZE = HEADER_OCTETS_MAX
    MAX_CLOSED_STREAMS = CLOSED_STREAMS_MAX

    def __init__(self) -> None:
        # Our own headers need no check, which costs a tenth of an exchange.
        super().__init__(
            H2Configuration(
                client_side=False,
                header_encoding="latin-1",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )


class HttpConnection(Connection):
    """One client's connection by HTTP/2."""

    def __init__(self, connections: Connections, path: str) -> None:
        """`path` is where DNS is asked."""
        super().__init__(connections)
        self._path = path
        self._http = _Http2()
        self._refused = False  # it does not speak HTTP/2
        self._coming: dict[int, Request] = {}  # what is there of requests by now
        self._asked: set[int] = set()  # streams that a reply is owed to
        self._unsent: dict[int, bytes] = {}  # what the client's windows have no room for yet
        self._unsent_timer: asyncio.TimerHandle | None = None
        self._silent_octets = 0
        self._waste = 0
        self._receiving = False

    # What the event loop calls --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        spoken: ssl.SSLObject = transport.get_extra_info("ssl_object")
        self._refused = spoken.selected_alpn_protocol() != "h2"  # which RFC 9113 section 3.3 asks of clients
        if not self._refused:
            self._http.initiate_connection()
            self._flush()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._write(_NO_HTTP_2)
            self._transport.close()
            return
        self._receiving = True
        try:
            for at in range(0, len(data), PIECE_OCTETS):
                self._receive(data[at : at + PIECE_OCTETS])
                if self._transport.is_closing():
                    break
        except H2Error:
            self._end(None)  # h2 has written why
        finally:
            self._receiving = False
        self._flush()

    def eof_received(self) -> bool:
        return False  # it needs both ways

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._unsent_timer is not None:
            self._unsent_timer.cancel()

    # Requests -------------------------------------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        events = self._http.receive_data(data)
        if self._http.encoder.header_table_size > HEADER_TABLE_OCTETS_MAX:  # noqa: PLR1730  setting it anew has effects
            self._http.encoder.header_table_size = HEADER_TABLE_OCTETS_MAX
        self._silent_octets = 0 if events else self._silent_octets + len(data)
        # In what came at once, what is over at its end was over before its beginning could be acted upon.
        if any(isinstance(event, ConnectionTerminated) for event in events):
            self._end(None)
            return
        reset = {event.stream_id for event in events if isinstance(event, StreamReset)}
        for stream_id in reset:
            self._forget(stream_id)
        for event in events:
            if self._transport.is_closing():
                return
            self._heed(event, reset)
        self._send_on()
        if self._waste > WASTE_MAX or self._silent_octets > SILENT_OCTETS_MAX:
            self._end(ErrorCodes.ENHANCE_YOUR_CALM)

    def _heed(self, event: Event, reset: set[int]) -> None:
        match event:
            case RequestReceived(stream_id=stream_id, headers=headers) if stream_id not in reset:
                self._coming[stream_id] = _begun({str(name): str(value) for name, value in headers})
            case DataReceived(stream_id=stream_id, data=data) if data:
                self._http.acknowledge_received_data(event.flow_controlled_length, stream_id)
                self._collect(stream_id, data)
            case StreamEnded(stream_id=stream_id):
                coming = self._coming.pop(stream_id, None)
                if coming is not None:
                    self._take(stream_id, coming)
            case _:
                self._waste += 1

    def _forget(self, stream_id: int) -> None:
        self._coming.pop(stream_id, None)
        self._asked.discard(stream_id)
        self._unsent.pop(stream_id, None)

    def _collect(self, stream_id: int, data: bytes) -> None:
        coming = self._coming.get(stream_id)
        if coming is None:
            return
        self._waste += coming.body != b""  # a query in crumbs; one is sent whole
        body = coming.body + data
        self._coming[stream_id] = replace(coming, body=body)
        if len(body) > QUERY_OCTETS_MAX:
            self._refuse(stream_id, TOO_LARGE)
            self._forget(stream_id)
            self._http.reset_stream(stream_id, ErrorCodes.NO_ERROR)  # "stop sending" (RFC 9113 section 8.1)

    def _take(self, stream_id: int, request: Request) -> None:
        self.active_at_s = self._loop.time()
        if self._waiting >= STREAMS_MAX:  # of streams that were reset meanwhile
            self._http.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        wire = query_of(request, self._path)
        if isinstance(wire, Refusal):
            self._refuse(stream_id, wire)
            return
        query = decode_query(wire)
        if isinstance(query, Query):
            self._asked.add(stream_id)
            self._ask(_StreamClient(self, stream_id), query)
        elif isinstance(query, Rejected):
            self._answer(stream_id, encode_rejected(query, encrypted=True), 0)
        else:
            self._refuse(stream_id, NO_QUERY)

    # Answers --------------------------------------------------------------------------------------------------

    def reply(self, stream_id: int, query: Query, reply: Reply) -> None:
        """Send a reply, if its stream is still there."""
        self._waiting -= 1
        if stream_id not in self._asked or self._transport.is_closing():
            return
        self._asked.discard(stream_id)
        self.active_at_s = self._loop.time()
        self._make_good(WASTE_PER_ANSWER)
        try:
            self._answer(stream_id, encode_response(query, reply, tcp=True, encrypted=True), max_age_s(reply))
        except H2Error:  # whatever its client did to a stream, who answers goes on
            self.abort()
        if not self._receiving:
            self._flush()

    def _answer(self, stream_id: int, wire: bytes, age_s: int) -> None:
        keeps = ("cache-control", f"max-age={age_s}")
        self._respond(stream_id, wire, [(":status", "200"), ("content-type", MEDIA_TYPE), keeps])

    def _refuse(self, stream_id: int, refusal: Refusal) -> None:
        allow = [("allow", refusal.allow)] if refusal.allow else []
        headers = [(":status", str(refusal.status.value)), ("content-type", "text/plain; charset=utf-8"), *allow]
        self._respond(stream_id, f"{refusal.words}\n".encode(), headers)

    def _respond(self, stream_id: int, body: bytes, headers: list[tuple[str, str]]) -> None:
        self._http.send_headers(stream_id, [*headers, ("content-length", str(len(body)))])
        self._unsent[stream_id] = body
        self._send(stream_id)
        if sum(map(len, self._unsent.values())) > WRITE_OCTETS_MAX:
            self.abort()

    def _send_on(self) -> None:
        """Send what there is room for now, and see that there is some in time."""
        for stream_id in list(self._unsent):
            self._send(stream_id)
        if self._unsent_timer is not None and not self._unsent:
            self._unsent_timer.cancel()
            self._unsent_timer = None

    def _send(self, stream_id: int) -> None:
        body = self._unsent[stream_id]
        while room := min(
            self._http.local_flow_control_window(stream_id), self._http.max_outbound_frame_size, len(body)
        ):
            if room < 0:  # a window may be overdrawn when its client makes it smaller (RFC 9113 section 6.9.2)
                break
            self._http.send_data(stream_id, body[:room], end_stream=room == len(body))
            body = body[room:]
            self._make_good(room // WINDOW_OCTETS_MIN)
        if body:
            self._unsent[stream_id] = body
            if self._unsent_timer is None:
                self._unsent_timer = self._loop.call_later(SLOW_S, self.abort)
        else:
            del self._unsent[stream_id]

    def _make_good(self, waste: int) -> None:
        self._waste = max(0, self._waste - waste)

    def _flush(self) -> None:
        octets = self._http.data_to_send()
        if octets and not self._transport.is_closing():
            self._write(octets)

    # The end --------------------------------------------------------------------------------------------------

    def _retire(self) -> None:
        self._end(ErrorCodes.NO_ERROR)

    def _end(self, why: ErrorCodes | None) -> None:
        """Close, having said `why`; None where h2 has, or the client itself wants it."""
        if self._transport.is_closing():
            return
        if why is not None:
            self._http.close_connection(why)
        self._flush()
        self._transport.close()


def _begun(headers: dict[str, str]) -> Request:
    return Request(
        method=headers.get(":method", ""),
        target=headers.get(":path", ""),
        media_type=headers.get("content-type", ""),
    )


class _StreamClient(Client):
    __slots__ = ("_connection", "_stream_id")

    def __init__(self, connection: HttpConnection, stream_id: int) -> None:
        self._connection = connection
        self._stream_id = stream_id

    def respond(self, query: Query, reply: Reply, entry: Preparable | None = None) -> None:
        del entry  # a connection costs more than a reply
        self._connection.reply(self._stream_id, query, reply)
