"""Laws of HTTP: clients and upstreams that speak DNS over HTTPS, and monitoring that reads pages."""

import asyncio
import base64
import http.client
import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection

from fuzz.messages import EVERYTHING, OUTBOUND, REPLIES
from fuzz.near_end import SENT_MAX, Transport, head, pieces, run, same_in_pieces
from fuzz.target import Target
from standfast.dns.codec import PADDING_BLOCK, encode_outbound, encode_response
from standfast.dns.model import Query
from standfast.dns.servers import Server
from standfast.io.clients import connections
from standfast.io.clients.doh import MEDIA_TYPE, QUERY_OCTETS_MAX, Refusal, Request, query_of
from standfast.io.clients.http2 import HttpConnection
from standfast.io.telemetry import pages
from standfast.io.upstreams.http2 import HttpsPipeline

H2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113 section 3.4
FRAME_OCTETS: Final = 9  # the smallest frame, its head (RFC 9113 section 4.1)
SMALLEST_QUERY_OCTETS: Final = 2 * FRAME_OCTETS + 17  # that is whole: two frames and the root's address
HEAD_MAX: Final = 200 + PADDING_BLOCK  # octets around an answer by HTTP/2, and in it
REFUSAL_MAX: Final = 300


def client_http2(octets: bytes) -> None:
    """A client may break HTTP/2 or DNS in any way: it is answered, refused or cut off, and costs us in proportion.

    The input: the size of a piece, whether replies wait until all was sent, and what follows the client's preface.
    """
    size, late, stream = head(octets)
    sent, asked = run(_browse([H2_PREFACE, *pieces(stream, size)], late=bool(late & 1)))
    assert asked <= 1 + len(stream) // SMALLEST_QUERY_OCTETS
    largest = len(encode_response(EVERYTHING, REPLIES[1], tcp=True)) + HEAD_MAX
    assert len(sent) <= SENT_MAX + asked * largest + REFUSAL_MAX * (1 + len(stream) // FRAME_OCTETS)


def upstream_http2(octets: bytes) -> None:
    """An upstream may break the rules of HTTP/2 in any way; see `same_in_pieces`."""
    same_in_pieces(octets, lambda: HttpsPipeline("dns.example.org", "/dns-query"))


def doh_request(octets: bytes) -> None:
    """A request by HTTP holds a query of bounded size or is refused; what is put in by the rules comes out again."""
    method, _, rest = octets.partition(b" ")
    target, _, body = rest.partition(b" ")
    given = Request(method=method.decode("latin-1"), target=target.decode("latin-1"), media_type=MEDIA_TYPE, body=body)
    found = query_of(given, "/dns-query")
    assert isinstance(found, Refusal) or len(found) <= QUERY_OCTETS_MAX
    if 0 < len(body) <= QUERY_OCTETS_MAX:
        text = base64.urlsafe_b64encode(body).rstrip(b"=").decode()
        assert query_of(Request(method="GET", target=f"/dns-query?dns={text}"), "/dns-query") == body


def page_request(octets: bytes) -> None:
    """Whatever a monitoring system sends gets a response that Python's own client can read, or is cut off."""
    try:
        response = run(_paged(octets))
    except asyncio.IncompleteReadError:
        assert b"\r\n\r\n" not in octets
        return
    method = octets.partition(b" ")[0].decode("latin-1")
    read = http.client.HTTPResponse(_Socket(response), method=method)  # type: ignore[arg-type]
    read.begin()
    body = read.read()
    assert read.status in (200, 400, 404, 405, 431)
    assert (body == b"fine\n") == (read.status == 200 and method != "HEAD")
    assert len(body) == (0 if method == "HEAD" else int(read.headers["Content-Length"]))


# The near end ----------------------------------------------------------------------------------------------------


class _Encrypted(Transport):
    """The near end of a connection on which HTTP/2 was agreed."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self if name == "ssl_object" else super().get_extra_info(name, default)

    def selected_alpn_protocol(self) -> str:
        return "h2"


async def _browse(parts: Iterable[bytes], *, late: bool) -> tuple[bytes, int]:
    waiting: list[tuple[Any, Query]] = []
    served = connections.Connections(lambda client, query: waiting.append((client, query)))
    transport, connection, asked = _Encrypted(), HttpConnection(served, "/dns-query"), 0
    connection.connection_made(transport)

    def reply() -> None:
        while waiting:
            client, query = waiting.pop()
            client.respond(query, REPLIES[1])

    for piece in parts:
        if not transport.closed:
            connection.data_received(piece)
        if not late:
            asked += len(waiting)
            reply()
    asked += len(waiting)
    reply()
    connection.connection_lost(None)
    return bytes(transport.written), asked


async def _paged(octets: bytes) -> bytes:
    server = pages.PageServer(Server("127.0.0.1", 0), {"/fine": lambda: pages.Page(body=b"fine\n")})
    reader = asyncio.StreamReader(limit=pages.REQUEST_OCTETS_MAX)
    reader.feed_data(octets)
    reader.feed_eof()
    return await server._exchange(reader)


class _Socket:
    """As much of a socket as a response of `http.client` is read from."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._octets)


# What the laws begin from ------------------------------------------------------------------------------------------


def _http2_streams() -> Iterator[bytes]:
    for status, media_type in (("200", "application/dns-message"), ("404", "text/html")):
        pipeline = HttpsPipeline("dns.example.org", "/dns-query")
        keys = [pipeline.put(replace(OUTBOUND, id=number)) for number in (7, 8)]
        server = H2Connection(H2Configuration(client_side=False))
        server.initiate_connection()
        server.receive_data(pipeline.to_send())
        for key in keys:
            body = encode_response(replace(EVERYTHING, id=0), REPLIES[1], tcp=True)
            fields = [(":status", status), ("content-type", media_type), ("age", "5")]
            server.send_headers(key, fields)
            server.send_data(key, body, end_stream=True)
        server.ping(bytes(8))
        server.close_connection()
        yield b"\x20\x01" + server.data_to_send()


def _client_http2_streams() -> Iterator[bytes]:
    client = H2Connection(H2Configuration(client_side=True))
    client.initiate_connection()
    head_fields = [(":scheme", "https"), (":authority", "dns.example.org")]
    posted = [(":method", "POST"), (":path", "/dns-query"), *head_fields]
    typed = [*posted, ("content-type", MEDIA_TYPE)]
    for stream_id, fields, body in ((1, typed, encode_outbound(OUTBOUND)), (3, posted, b"no query")):
        client.send_headers(stream_id, fields)
        client.send_data(stream_id, body, end_stream=True)
    text = base64.urlsafe_b64encode(encode_outbound(OUTBOUND)).rstrip(b"=").decode()
    client.send_headers(5, [(":method", "GET"), (":path", f"/dns-query?dns={text}"), *head_fields], end_stream=True)
    client.send_headers(7, [(":method", "PUT"), (":path", "/"), *head_fields])
    client.reset_stream(7)
    client.ping(bytes(8))
    octets = client.data_to_send().removeprefix(H2_PREFACE)
    yield b"\xff\x00" + octets
    yield b"\x21\x01" + octets


def _doh_requests() -> Iterator[bytes]:
    text = base64.urlsafe_b64encode(encode_outbound(OUTBOUND)).rstrip(b"=")
    yield b"GET /dns-query?dns=" + text + b" "
    yield b"POST /dns-query " + encode_outbound(OUTBOUND)
    yield b"PUT /dns-query?a=b&dns= "


WEB: Final = {
    "client-http2": Target(law=client_http2, seeds=_client_http2_streams),
    "doh-request": Target(law=doh_request, seeds=_doh_requests),
    "upstream-http2": Target(law=upstream_http2, seeds=_http2_streams),
    "page": Target(
        law=page_request,
        seeds=lambda: (
            b"GET /fine HTTP/1.1\r\nHost: a\r\n\r\n",
            b"HEAD /fine?a=b HTTP/1.0\r\n\r\n",
            b"PUT / HTTP/1.1\r\n\r\n",
        ),
    ),
}
