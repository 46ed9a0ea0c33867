"""Laws of requests: transfers, NOTIFY, updates and signatures, from whoever sends them."""

from collections.abc import Iterator
from typing import Final

import dns.message
import dns.opcode
import dns.update

from fuzz.target import Target
from standfast.dns.changes import Change
from standfast.dns.codec import rrset_from_text
from standfast.dns.model import Rcode, RRType
from standfast.dns.requests import Faulty, Request, is_request, message, read_message, read_request, response, sealed
from standfast.dns.stored import pack_changes, pack_rrsets, unpack_changes, unpack_rrsets
from standfast.dns.tsig import SignedStream, TsigFault, TsigKey, Verified, VerifiedStream, is_signed, sign, verify
from standfast.dns.wire import WireError

NOW: Final = 1_790_000_000.0
KEY: Final = TsigKey(name="key.example.", algorithm="hmac-sha256", secret=b"s" * 32)
KEYS: Final = {KEY.name: KEY}
GROWS_MAX: Final = 200  # octets by which an error is larger than what it answers: an OPT and our time under the key


def request(wire: bytes) -> None:
    """Any octets get silence, one error, or are a request that stays the same written again."""
    more = is_request(wire)
    found = read_request(wire, KEYS, now=NOW)
    match found:
        case None:
            assert not more
        case Faulty():
            read = read_message(found.wire)
            assert found.wire[:2] == wire[:2]
            assert len(found.wire) <= len(wire) + GROWS_MAX  # nobody is flooded by us
            assert read.flags & 0x8000
        case Request():
            again = message(
                id_=found.id,
                flags=found.flags,
                question=found.question,
                answer=found.answer,
                authority=found.authority,
                additional=found.additional,
            )
            read_again = read_message(again)
            sections = (found.answer, found.authority, found.additional)
            lower = [[each._replace(rdata=each.rdata.lower()) for each in section] for section in sections]
            assert lower == [
                [each._replace(rdata=each.rdata.lower()) for each in section]
                for section in (read_again.answer, read_again.authority, read_again.additional)
            ]
            assert (found.key is not None) == is_signed(wire)
            answer = sealed(found, response(found, Rcode.REFUSED), now=NOW)
            if found.key is not None:
                assert isinstance(verify(answer, KEYS, now=NOW, request_mac=found.mac), Verified)


def signature(wire: bytes) -> None:
    """What is signed is right, and is not any more with any octet of it changed; any octets can be looked at."""
    verify(wire, KEYS, now=NOW)
    stream = VerifiedStream(KEY, wire[:32])
    if not isinstance(stream.verify(wire, NOW), TsigFault):
        stream.verify(wire, NOW)
    stream.end()
    if verify(wire, {}, now=NOW) is not None or not 12 <= len(wire) <= 4096:
        return
    try:
        read_message(wire)
    except WireError:  # this is no message
        return
    signed = sign(wire, KEY, now=NOW).wire
    found = verify(signed, KEYS, now=NOW)
    assert isinstance(found, Verified)
    assert found.wire == wire
    assert VerifiedStream(KEY, b"m").verify(SignedStream(KEY, b"m").sign(wire, NOW), NOW) == wire
    at = 2 + wire[-1] % (len(signed) - 2)
    changed = signed[:at] + bytes((signed[at] ^ 0x81,)) + signed[at + 1 :]
    assert not isinstance(verify(changed, KEYS, now=NOW), Verified)


def kept(octets: bytes) -> None:
    """What the disk gives back is what was kept, or is told to be broken."""
    for unpack in (unpack_rrsets, unpack_changes):
        try:
            list(unpack(octets))
        except WireError:
            continue


def _requests() -> Iterator[bytes]:
    update = dns.update.UpdateMessage("Example.org", id=7)
    update.present("there")
    update.absent("gone", "A")
    update.add("www", 300, "MX", "10 mx.example.org.")
    update.delete("old", "A", "192.0.2.1")
    plain = [update.to_wire(), dns.message.make_query("example.org", "A", id=7).to_wire()]
    notify = dns.message.make_query("example.org", "SOA", id=7)
    notify.set_opcode(dns.opcode.NOTIFY)
    plain += [notify.to_wire(), dns.message.make_query("example.org", "IXFR", id=7, use_edns=True).to_wire()]
    yield from plain
    for wire in plain:
        yield sign(wire, KEY, now=NOW).wire
    yield sign(plain[0], KEY, now=NOW - 1000).wire


def _kept() -> Iterator[bytes]:
    address = rrset_from_text("www.example.org.", RRType.A, 60, ["192.0.2.1", "192.0.2.2"])
    yield pack_rrsets([address])
    yield pack_changes([Change(before=address, after=None)])


REQUESTS: Final = {
    "request": Target(law=request, seeds=_requests),
    "signature": Target(law=signature, seeds=_requests),
    "kept-zone": Target(law=kept, seeds=_kept),
}
