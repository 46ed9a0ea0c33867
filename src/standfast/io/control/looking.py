"""What a server answers to one question, asked over TCP: the RRset, none, or why there is no answer. Judges nothing."""

from collections.abc import Callable
from typing import Final

from standfast.control.verifier import Asked, Seen
from standfast.dns.codec import AA, RD
from standfast.dns.model import Rcode, RRset, rcode_name
from standfast.dns.requests import CLASS_IN, Message, message, question_octets
from standfast.dns.servers import Server
from standfast.io.dns_over_tcp import ask
from standfast.ports import Random

ANSWER_S: Final = 5.0  # a server that takes longer shows nobody anything


async def look(
    server: Server, asked: Asked, *, rng: Random, wall: Callable[[], float], recursive: bool = False
) -> Seen:
    """Ask `server`; `recursive` where it is a resolver, else it must have authority for what it says."""
    owner, rtype = asked
    wire = message(id_=rng.getrandbits(16), flags=RD if recursive else 0, question=question_octets(owner, rtype))
    answer = await ask(server, wire, None, wall=wall, answer_s=ANSWER_S)
    if not isinstance(answer, Message):
        return Seen(server=str(server), asked=asked, failure=answer.why)
    if answer.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
        return Seen(server=str(server), asked=asked, failure=f"it says {rcode_name(answer.rcode)}")
    if not (recursive or answer.flags & AA):
        return Seen(server=str(server), asked=asked, failure="it has no authority for the name")
    raws = [raw for raw in answer.answer if (raw.owner, raw.rtype, raw.rclass) == (owner, rtype, CLASS_IN)]
    if not raws:
        return Seen(server=str(server), asked=asked)
    found = RRset(owner=owner, rtype=rtype, ttl_s=raws[0].ttl_s, rdatas=tuple(raw.rdata for raw in raws))
    return Seen(server=str(server), asked=asked, rrset=found)
