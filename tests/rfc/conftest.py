"""A guard that runs on loopback in a process of its own, and the upstream that it asks, for tests by the wire."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from running_guard import ASK_TIMEOUT_S, RunningGuard, write_config
from unit.drills.live.scripted_dns import ScriptedDns

ORIGIN = dns.name.from_text("example.org.")
RECORDS = {
    "A": ["192.0.2.1"],
    "TXT": [f'"{letter * 200}"' for letter in "abcdefgh"],  # too much for 1,232 octets
    "SOA": ["ns.example.org. host.example.org. 1 7200 900 1209600 300"],
    "TYPE1000": ["\\# 2 c00c"],
}


@dataclass(frozen=True, slots=True)
class Wire:
    """The guard by the wire. `seen` gives each query that its upstream had, and the port it came from."""

    port: int
    seen: Callable[[], list[tuple[dns.message.Message, int]]]

    def udp(self, query: dns.message.Message) -> dns.message.Message:
        """Ask by UDP; dnspython sees that ID, question and sender fit."""
        return dns.query.udp(query, "127.0.0.1", port=self.port, timeout=ASK_TIMEOUT_S)

    def tcp(self, query: dns.message.Message) -> dns.message.Message:
        """Ask by TCP."""
        return dns.query.tcp(query, "127.0.0.1", port=self.port, timeout=ASK_TIMEOUT_S)

    def asked(self, qname: str) -> list[dns.message.Message]:
        """Return what the upstream was asked about a name, whatever the letter case."""
        name = dns.name.from_text(qname)
        return [query for query, _ in self.seen() if query.question[0].name == name]


def answer(query: dns.message.Message, transport: str) -> bytes:
    """Speak for example.org as a validating recursive server would: every name below it has every type in `RECORDS`."""
    reply = dns.message.make_response(query, recursion_available=True, our_payload=1232)
    reply.flags |= dns.flags.AD
    (question,) = query.question
    types = {rtype: data for rtype, data in RECORDS.items() if rtype == dns.rdatatype.to_text(question.rdtype)}
    if not question.name.is_subdomain(ORIGIN) or question.name.labels[0].lower() == b"none":
        reply.set_rcode(dns.rcode.NXDOMAIN)
        types = {}
    for rtype, data in types.items():
        reply.answer = [dns.rrset.from_text_list(question.name, 300, "IN", rtype, data)]
    if not reply.answer:
        reply.authority = [dns.rrset.from_text_list(ORIGIN, 300, "IN", "SOA", RECORDS["SOA"])]
    if transport == "udp" and len(reply.to_wire(max_size=65_535)) > 1232:
        reply.answer = []
        reply.flags |= dns.flags.TC
    return reply.to_wire(max_size=65_535)


@pytest.fixture(scope="session")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A guard, and its upstream."""
    with ScriptedDns(answer) as upstream:
        endpoint = upstream.endpoint
        config = write_config(tmp_path_factory.mktemp("guard"), f"{endpoint.address}:{endpoint.port}")
        with RunningGuard(config) as guard:
            yield Wire(guard.port, lambda: list(upstream.seen))
