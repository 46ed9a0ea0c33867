"""A DNS server on loopback that answers as a test tells it, built on dnspython to check what is not."""

import socketserver
import threading
from collections.abc import Callable, Iterable
from typing import Self

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from standfast.drills.live.loopback import Endpoint, free_endpoint

Script = Callable[[dns.message.Message, str], dns.message.Message | bytes | None]  # the text is "udp" or "tcp"


def addresses(*of_a: str, rcode: dns.rcode.Rcode = dns.rcode.NOERROR, ttl_s: int = 30) -> Script:
    """Answer A with `of_a`, anything else with no data and a SOA (RFC 2308 section 2.2); all with `rcode`."""

    def script(query: dns.message.Message, _: str) -> dns.message.Message:
        reply = dns.message.make_response(query, recursion_available=True)
        reply.set_rcode(rcode)
        if query.question[0].rdtype == dns.rdatatype.A:
            reply.answer += in_order(query.question[0].name, of_a, ttl_s)
        if not reply.answer:
            soa = f"ns.example. hostmaster.example. 1 3600 600 86400 {ttl_s}"
            reply.authority.append(dns.rrset.from_text("amazonaws.com.", ttl_s, "IN", "SOA", soa))
        return reply

    return script


def in_order(owner: dns.name.Name | str, of_a: Iterable[object], ttl_s: int = 30) -> list[dns.rrset.RRset]:
    """Return A records that dnspython writes in this order: it shuffles those of one set."""
    return [dns.rrset.from_text(owner, ttl_s, "IN", "A", str(address)) for address in of_a]


def lame(query: dns.message.Message, _: str) -> dns.message.Message:
    """Answer with no data and no authority, and offer no recursion: RFC 9499 calls that lame."""
    return dns.message.make_response(query)


def silence(_: dns.message.Message, __: str) -> None:
    """Answer nothing."""


class ScriptedDns:
    """Serves UDP and TCP on `endpoint` while it is entered; `script` may be changed at any time.

    `seen` holds every query that came, with the port of its client.
    """

    def __init__(self, script: Script, endpoint: Endpoint | None = None) -> None:
        self.script = script
        self.endpoint = endpoint or free_endpoint()
        self.seen: list[tuple[dns.message.Message, int]] = []
        scripted = self

        class OverUdp(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                message, sock = self.request
                if (reply := scripted._answer(message, self.client_address[1], "udp")) is not None:
                    sock.sendto(reply, self.client_address)

        class OverTcp(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while length := self.rfile.read(2):
                    message = self.rfile.read(int.from_bytes(length, "big"))
                    if (reply := scripted._answer(message, self.client_address[1], "tcp")) is not None:
                        self.wfile.write(len(reply).to_bytes(2, "big") + reply)

        where = (self.endpoint.address, self.endpoint.port)
        self._servers: tuple[socketserver.BaseServer, ...] = (
            socketserver.UDPServer(where, OverUdp),  # one after the other, so that answers keep their order
            socketserver.ThreadingTCPServer(where, OverTcp),
        )

    def __enter__(self) -> Self:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def times_asked(self, rdtype: dns.rdatatype.RdataType) -> int:
        return sum(query.question[0].rdtype == rdtype for query, _ in self.seen)

    def _answer(self, message: bytes, port: int, transport: str) -> bytes | None:
        query = dns.message.from_wire(message)
        self.seen.append((query, port))
        reply = self.script(query, transport)
        return reply.to_wire() if isinstance(reply, dns.message.Message) else reply
