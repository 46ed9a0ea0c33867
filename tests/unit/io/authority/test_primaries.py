"""Primaries asked for serials and zones: what they say, what they get wrong, and silence."""

import asyncio
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import pytest

from bound_sockets import bound_pair
from peers.servers import hostile
from standfast.authority.secondary import Failed
from standfast.authority.transfer_in import Changed, UpToDate, Whole
from standfast.authority.zone import Zone
from standfast.dns.codec import AA, QR, TC
from standfast.dns.model import Rcode, RRType
from standfast.dns.requests import Message, Raw, read_message
from standfast.dns.servers import Server
from standfast.dns.tsig import SignedStream, TsigKey, Verified, sign, verify
from standfast.io.authority import primaries
from standfast.io.authority.primaries import Primaries, Primary
from transfers import ORIGIN, content, deltas, soa, version, whole, wire

KEY = TsigKey(name="secondary.example.", algorithm="hmac-sha256", secret=b"0123456789abcdef")
OTHER = TsigKey(name="secondary.example.", algorithm="hmac-sha256", secret=b"fedcba9876543210")
NOW_S = 1_800_000_000.0
WAIT_S = 20.0

Answers = Callable[[Message, bool], Sequence[bytes]]


def serving(answers: Answers) -> AbstractContextManager[Server]:
    return hostile(lambda query, tcp: answers(read_message(query), tcp))


def asking() -> Primaries:
    return Primaries(random.Random(7), wall=lambda: NOW_S)


def serial_from(answers: Answers, key: TsigKey | None = None) -> int | Failed:
    with serving(answers) as server:
        return asyncio.run(asking().serial(Primary(server=server, key=key), ORIGIN))


def transfer_from(
    answers: Answers, *, held: Zone | None = None, incremental: bool = False, key: TsigKey | None = None
) -> UpToDate | Whole | Changed | Failed:
    with serving(answers) as server:
        primary = Primary(server=server, key=key)
        return asyncio.run(asking().transfer(primary, ORIGIN, held=held, incremental=incremental))


def said(query: Message, *records: Raw, flags: int = QR | AA, id_: int | None = None) -> bytes:
    return wire(records, query.qtype, id_=query.id if id_ is None else id_, flags=flags)


def why(answer: object) -> str:
    assert isinstance(answer, Failed), answer
    return answer.why


# Serials.


def test_the_serial_comes_by_udp() -> None:
    assert serial_from(lambda query, tcp: [] if tcp else [said(query, soa(7))]) == 7


@pytest.mark.parametrize("serial", [7, 0])
def test_what_does_not_fit_comes_by_tcp(serial: int) -> None:
    assert (
        serial_from(lambda query, tcp: [said(query, soa(serial)) if tcp else said(query, flags=QR | AA | TC)]) == serial
    )


def test_an_answer_to_another_question_is_passed_over() -> None:
    def answers(query: Message, tcp: bool) -> list[bytes]:
        other = wire([soa(9)], RRType.SOA, id_=query.id, qname="example.net.")
        return [said(query, soa(9), id_=query.id ^ 1), other, b"", b"x" * 40, said(query, soa(7))]

    assert serial_from(answers) == 7


@pytest.mark.parametrize(
    ("flags", "records", "words"),
    [
        (QR | AA | Rcode.REFUSED, [], "says REFUSED"),
        (QR, [soa(7)], "no SOA of its own"),
        (QR | AA, [], "no SOA of its own"),
        (QR | AA, [soa(7), soa(8)], "no SOA of its own"),
        (QR | AA | TC, [], "truncated, by TCP too"),
    ],
)
def test_an_answer_without_the_serial_fails(flags: int, records: list[Raw], words: str) -> None:
    assert words in why(serial_from(lambda query, tcp: [said(query, *records, flags=flags)]))


def test_a_primary_that_is_silent_is_asked_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(primaries, "UDP_S", 0.05)
    asked = []

    def answers(query: Message, tcp: bool) -> list[bytes]:
        asked.append(query.id)
        return []

    assert "no answer to 3 queries" in why(serial_from(answers))
    assert len(asked) == 3


def test_a_primary_that_is_not_there_fails_at_once() -> None:
    udp, tcp = bound_pair()
    server = Server(*udp.getsockname())
    udp.close()
    tcp.close()
    primary = Primary(server=server, key=None)
    assert why(asyncio.run(asking().serial(primary, ORIGIN))) == "connection refused"
    broken = asyncio.run(asking().transfer(primary, ORIGIN, held=None, incremental=False))
    assert broken == Failed(why="connection refused", silent=True)


@pytest.mark.parametrize(
    ("key", "words"), [(KEY, ""), (OTHER, "not right (BADSIG)"), (None, "is not signed; it says NOTAUTH")]
)
def test_a_signed_question_wants_an_answer_signed_with_the_same_key(key: TsigKey | None, words: str) -> None:
    def answers(query: bytes, tcp: bool) -> list[bytes]:
        proven = verify(query, {KEY.name: KEY}, now=NOW_S)
        assert isinstance(proven, Verified)
        asked = read_message(proven.wire)
        if key is None:
            return [said(asked, flags=QR | Rcode.NOTAUTH)]
        return [sign(said(asked, soa(7)), key, now=NOW_S, request_mac=proven.mac).wire]

    with hostile(answers) as server:
        answer = asyncio.run(asking().serial(Primary(server=server, key=KEY), ORIGIN))
    assert answer == 7 if not words else words in why(answer)


# Zones.


def test_a_zone_comes_whole_in_many_messages() -> None:
    zone = version(3, "".join(f"n{i} A 192.0.2.{i}\n" for i in range(200)))
    records = whole(zone)
    came = transfer_from(lambda query, _: [said(query, *records[i : i + 50]) for i in range(0, len(records), 50)])
    assert isinstance(came, Whole)
    assert content(came.draft.zone()) == content(zone)


def test_deltas_are_asked_for_from_the_serial_that_is_held() -> None:
    old, new = version(1, "www A 192.0.2.1\n"), version(2, "www A 192.0.2.2\n")

    def answers(query: Message, tcp: bool) -> list[bytes]:
        assert [raw.rtype for raw in query.authority] == [RRType.SOA]
        assert query.authority[0].rdata == old.soa.rdatas[0]
        return [said(query, *deltas(old, new))]

    came = transfer_from(answers, held=old, incremental=True)
    assert isinstance(came, Changed)
    assert {(change.after or change.before).rtype for change in came.changes} == {RRType.SOA, RRType.A}  # type: ignore[union-attr]


@pytest.mark.parametrize("octets", [0, 1, 2, 40, -1])
def test_a_connection_that_is_cut_anywhere_leaves_nothing(octets: int) -> None:
    async def run() -> object:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            size = int.from_bytes(await reader.readexactly(2), "big")
            query = read_message(await reader.readexactly(size))
            answer = said(query, *whole(version(3)))
            writer.write((len(answer).to_bytes(2, "big") + answer)[:octets])
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            primary = Primary(server=Server(*server.sockets[0].getsockname()), key=None)
            return await asking().transfer(primary, ORIGIN, held=None, incremental=False)

    broken = asyncio.run(run())
    assert "without the SOA at its end" in why(broken)


def test_a_primary_that_falls_silent_within_a_transfer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(primaries, "SILENCE_MAX_S", 0.1)
    over = threading.Event()

    def answers(query: Message, tcp: bool) -> list[bytes]:
        over.wait(WAIT_S)
        return []

    with serving(answers) as server:
        primary = Primary(server=server, key=None)
        broken = asyncio.run(asking().transfer(primary, ORIGIN, held=None, incremental=False))
        over.set()
    assert broken == Failed(why="it is silent", silent=True)


def signed_transfer(key: TsigKey, make: Callable[[Message, SignedStream], list[bytes]]) -> object:
    def answers(query: bytes, tcp: bool) -> list[bytes]:
        proven = verify(query, {KEY.name: KEY}, now=NOW_S)
        assert isinstance(proven, Verified)
        return make(read_message(proven.wire), SignedStream(key, proven.mac))

    with hostile(answers) as server:
        primary = Primary(server=server, key=KEY)
        return asyncio.run(asking().transfer(primary, ORIGIN, held=None, incremental=False))


def test_a_signed_transfer_is_taken_with_the_right_key_alone() -> None:
    records = whole(version(3))

    def make(query: Message, stream: SignedStream) -> list[bytes]:
        return [stream.sign(said(query, *part), NOW_S) for part in (records[:2], records[2:])]

    assert isinstance(signed_transfer(KEY, make), Whole)
    assert "its signature is not right (BADSIG)" in why(signed_transfer(OTHER, make))


def test_a_signed_transfer_whose_last_message_is_not_signed_leaves_nothing() -> None:
    records = whole(version(3))

    def make(query: Message, stream: SignedStream) -> list[bytes]:
        return [stream.sign(said(query, *records[:2]), NOW_S), said(query, *records[2:])]

    assert "is not signed" in why(signed_transfer(KEY, make))


def test_what_is_refused_is_no_silence_so_that_the_whole_may_be_asked_for() -> None:
    broken = transfer_from(lambda query, _: [said(query, flags=QR | Rcode.NOTIMP)], held=version(1), incremental=True)
    assert broken == Failed(why="message 1: the primary says NOTIMP", silent=False)
