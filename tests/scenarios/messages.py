"""The far side's messages: what servers of a script send, and what its clients see, by another pen than the guard's."""

from collections.abc import Iterator

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rrset

from scenarios.script import Datagram, Gets

OPT_OCTETS = 11  # of an OPT record without options, which a response ends with


def octets_of(query: dns.message.Message, datagram: Datagram) -> bytes:
    """Return what a server sends that answers `query` with `datagram`."""
    flags = datagram.flags
    message = dns.message.make_response(query, recursion_available="noRA" not in flags)
    for section, rrset in datagram.records:
        getattr(message, section).append(rrset)
    for name in ("AA", "AD", "TC"):
        message.flags |= dns.flags.from_text(name) if name in flags else 0
    if query.edns >= 0 and "bare" not in flags:
        options: list[dns.edns.Option] = [
            dns.edns.EDEOption(dns.edns.EDECode.make(code), None) for code in datagram.errors
        ]
        message.use_edns(0, payload=1232, options=options)
    else:
        message.use_edns(-1)
    message.set_rcode(dns.rcode.from_text(datagram.what))
    if "wrong-id" in flags:
        message.id ^= 0x5555
    qname = message.question[0].name
    if "other-case" in flags:
        qname = dns.name.from_text(qname.to_text().swapcase())
    if "wrong-name" in flags:
        qname = dns.name.from_text("other.example.")
    message.question = [dns.rrset.RRset(qname, rdclass=dns.rdataclass.IN, rdtype=message.question[0].rdtype)]
    if "header-only" in flags:
        message.question = []
        message.use_edns(-1)
    wire = message.to_wire(max_size=65_535)
    if "second-opt" in flags:
        wire = wire[:10] + (len(message.additional) + 2).to_bytes(2, "big") + wire[12:] + wire[-OPT_OCTETS:]
    return wire[:-3] if "cut" in flags else wire


def shown(message: dns.message.Message) -> Iterator[str]:
    """Say all that a script says of a response, a line for each record."""
    yield dns.rcode.to_text(message.rcode())
    yield dns.flags.to_text(message.flags)
    yield "with EDNS" if message.edns >= 0 else "plain"
    yield "DO" if message.ednsflags & dns.flags.DO else "no DO"
    errors = [str(int(o.code)) for o in message.options if isinstance(o, dns.edns.EDEOption)]
    yield f"EDE={','.join(errors)}"
    for section in ("answer", "authority", "additional"):
        for rrset in getattr(message, section):
            yield f"{section} {rrset.to_text().lower()}"


def wanted(gets: Gets, asked: dns.message.Message) -> Iterator[str]:
    """Say, as `shown` does, what a client that `asked` must get."""
    flags = dns.flags.QR | dns.flags.RA | asked.flags & dns.flags.RD
    for name in gets.flags:
        flags |= dns.flags.from_text(name)
    yield gets.rcode
    yield dns.flags.to_text(flags)
    yield "with EDNS" if asked.edns >= 0 else "plain"  # RFC 6891 section 6.1.1
    yield "DO" if asked.ednsflags & dns.flags.DO else "no DO"
    yield f"EDE={','.join(map(str, gets.errors))}"
    yield from (f"{section} {rrset.to_text().lower()}" for section, rrset in gets.records)


def difference(wanted: list[str], came: list[str]) -> str:
    """Say what is missing and what came in its place."""
    lines = [f"  - {line}" for line in wanted if line not in came] + [
        f"  + {line}" for line in came if line not in wanted
    ]
    order = [] if lines else ["  the same in another order or number:", *(f"  + {line}" for line in came)]
    return "\n".join(["  (-) wanted, (+) came:", *lines, *order])
