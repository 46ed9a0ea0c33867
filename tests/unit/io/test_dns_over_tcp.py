"""One message and its answer over TCP: what is proven to be the answer, and what says nothing of what was done."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from bound_sockets import bound_pair, nobody_listening
from peers.servers import hostile
from standfast.dns.codec import QR
from standfast.dns.model import Rcode, RRType
from standfast.dns.requests import Message, Opcode, Request, message, question_octets, read_request, response, sealed
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey
from standfast.dns.wire import WireError
from standfast.io.dns_over_tcp import Unanswered, Unsent, ask

KEY = TsigKey(name="updater.example.", algorithm="hmac-sha256", secret=b"0123456789abcdef")
OTHER = TsigKey(name="updater.example.", algorithm="hmac-sha256", secret=b"fedcba9876543210")
NOW_S = 1_800_000_000.0
WIRE = message(id_=7, flags=Opcode.UPDATE << 11, question=question_octets("example.org.", RRType.SOA))

Answers = Callable[[Request], Sequence[bytes]]


def asked(answers: Answers, *, key: TsigKey | None = KEY, known: TsigKey = KEY) -> Message | Unsent | Unanswered:
    """Return what comes of WIRE at a server that knows the key `known`, and answers what is right by `answers`."""

    def serve(wire: bytes, tcp: bool) -> Sequence[bytes]:
        got = read_request(wire, {known.name: known}, now=NOW_S)
        assert got is not None
        return answers(got) if isinstance(got, Request) else [got.wire]

    with hostile(serve) as server:
        return asyncio.run(ask(server, WIRE, key, wall=lambda: NOW_S))


def said(request: Request, rcode: Rcode = Rcode.NOERROR) -> bytes:
    return sealed(request, response(request, rcode), now=NOW_S)


def why(found: Message | Unsent | Unanswered) -> str:
    assert isinstance(found, Unanswered), found
    return found.why


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize("rcode", [Rcode.NOERROR, Rcode.NXRRSET])
def test_the_answer_comes_with_its_code(key: TsigKey | None, rcode: Rcode) -> None:
    found = asked(lambda request: [said(request, rcode)], key=key)
    assert isinstance(found, Message)
    assert (found.id, found.opcode, found.rcode) == (7, Opcode.UPDATE, rcode)


def test_an_answer_that_is_not_signed_says_nothing() -> None:
    assert why(asked(lambda request: [response(request, Rcode.NOERROR)])) == "its answer is not signed"
    assert "it says REFUSED" in why(asked(lambda request: [response(request, Rcode.REFUSED)]))


def test_an_answer_that_somebody_changed_says_nothing() -> None:
    assert "BADSIG" in why(asked(lambda request: [said(request)[:3] + b"\x05" + said(request)[4:]]))


def test_a_server_that_does_not_take_the_signature_says_so() -> None:
    assert why(asked(lambda request: [said(request)], known=OTHER)) == "it says of our signature: BADSIG"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "closed the connection"),
        (b"\0\x07", "malformed"),
        (message(id_=8, flags=QR | Opcode.UPDATE << 11), "was not asked"),
        (message(id_=7, flags=QR), "was not asked"),
        (message(id_=7, flags=Opcode.UPDATE << 11), "was not asked"),
    ],
)
def test_what_is_no_answer_to_it_says_nothing(answer: bytes, words: str) -> None:
    assert words in why(asked(lambda request: [answer] if answer else [], key=None))


def test_silence_says_nothing() -> None:
    udp, tcp = bound_pair()
    with udp, tcp:  # takes connections, and never anything from them
        found = asyncio.run(ask(Server(*tcp.getsockname()), WIRE, KEY, wall=lambda: NOW_S, answer_s=0.1))
    assert why(found) == "it is silent"


def test_nobody_there_is_nothing_sent() -> None:
    with nobody_listening() as server:
        assert isinstance(asyncio.run(ask(server, WIRE, KEY, wall=lambda: NOW_S)), Unsent)


def test_what_is_too_long_with_its_signature_is_not_sent() -> None:
    with pytest.raises(WireError):
        asyncio.run(ask(Server("127.0.0.1", 1), WIRE + b"x" * 65_500, KEY, wall=lambda: NOW_S))
