"""The benchmarks' own parts: a measurement that cannot see a wrong answer, or a bad mean, is worth nothing."""

import asyncio
import itertools
import os
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # `bench` is no installed package

from bench import loadgen
from bench.loadgen import Load, Tools
from bench.machine import CpuTime
from bench.peers import start_responder
from bench.profile_guard import read
from bench.queries import Style, address_of, denied_name, name, write_mixture, write_queries
from bench.summary import merged, paired_ratio, percentile, spread

from standfast.dns.codec import decode_query
from standfast.dns.model import Query
from standfast.drills.live.loopback import Endpoint

CORE = min(os.sched_getaffinity(0))


# The generator sees what is wrong.


def test_every_kind_of_wrong_answer_is_counted_as_what_it_is(tools: Tools, tmp_path: Path) -> None:
    replies: list[Callable[[bytes], list[bytes]]] = [
        lambda query: [right(query)],
        lambda query: [right(query), right(query)],
        lambda query: [],
        lambda query: [bytes([query[0] ^ 0x80]) + right(query)[1:]],  # another ID
        lambda query: [query],  # no answer at all: its QR bit is not set
        lambda query: [truncated(right(query))],
        lambda query: [right(query)[:11]],
        lambda query: [with_rcode(right(query), 2)],
        lambda query: [right(query).replace(b"bench", b"Bench", 1)],  # the question in other letters
        lambda query: [without_answer(right(query))],
        lambda query: [right(query)[:-1] + b"\x00"],  # the address of no name here
    ]
    write_queries(tmp_path / "queries", range(len(replies)), Style())
    with scripted_server(lambda query: replies[number_of(query)](query)) as server:
        load = Load(
            queries=tmp_path / "queries", core=CORE, duration_s=10, count=len(replies), window=len(replies), sockets=1
        )
        (told,) = asyncio.run(load.run(tools, [server], tmp_path)).servers
    assert (told.sent, told.answered, told.lost, told.unexpected) == (11, 2, 2, 2)
    assert told.wrong == 7
    counted = {"header": 2, "short": 1, "rcode": 1, "question": 1, "count": 1, "address": 1}
    assert told.wrong_by == counted | {"denial": 0}


def test_a_denial_must_be_one_that_can_be_remembered_and_nothing_else_may_come_in_its_place(
    tools: Tools, tmp_path: Path
) -> None:
    replies: list[Callable[[bytes], bytes]] = [
        denial,
        lambda query: denial(query, owner=b"\0"),
        right,
        lambda query: with_rcode(denial(query), 0),
        lambda query: with_rcode(right(query), 3),
        lambda query: denial(query).replace(b"\0\x06\0\1", b"\0\x02\0\1"),  # NS
        lambda query: denial(query)[:-1],
        lambda query: denial(query)[:8] + bytes(2) + denial(query)[10:],
    ]
    write_mixture(tmp_path / "queries", 1, iter(range(8)), share=1.0, count=8, style=Style())
    order = [denied_name(number) for number in range(8)]
    with scripted_server(lambda query: [replies[order.index(asked(query))](query)]) as server:
        load = Load(queries=tmp_path / "queries", core=CORE, duration_s=10, count=8, sockets=1)
        (told,) = asyncio.run(load.run(tools, [server], tmp_path)).servers
    assert (told.answered, told.lost) == (2, 0)
    assert {kind: count for kind, count in told.wrong_by.items() if count} == {"rcode": 2, "count": 1, "denial": 3}


def test_a_mixture_has_the_share_of_denials_that_is_asked_for_and_none_of_them_twice(tmp_path: Path) -> None:
    write_mixture(tmp_path / "queries", 50, itertools.count(), share=0.1, count=5_000, style=Style(edns=True))
    octets = (tmp_path / "queries").read_bytes()
    size = 2 + int.from_bytes(octets[:2], "big")
    messages = [octets[at + 2 : at + size] for at in range(0, len(octets), size)]
    denied = [asked(each) for each in messages if each[:2] == b"\0\3"]
    assert len(messages) == 5_000
    assert 350 < len(denied) == len(set(denied)) < 650
    assert {asked(each) for each in messages} - set(denied) == {name(number) for number in range(50)}
    assert len({denied_name(number) for number in range(100_000)}) == 100_000


def test_the_letters_of_a_question_must_come_back_as_they_went(tools: Tools, tmp_path: Path) -> None:
    write_queries(tmp_path / "queries", range(50), Style(mixed_case=True, edns=True))
    load = Load(queries=tmp_path / "queries", core=CORE, duration_s=10, count=50, window=10)
    with scripted_server(lambda query: [right(query)]) as server:
        (kept,) = asyncio.run(load.run(tools, [server], tmp_path)).servers
    with scripted_server(lambda query: [right(query).lower()]) as server:
        (lowered,) = asyncio.run(load.run(tools, [server], tmp_path)).servers
    assert (kept.answered, kept.wrong) == (50, 0)
    assert (lowered.answered, lowered.wrong_by["question"]) == (0, 50)


def test_the_responder_answers_all_rightly_and_servers_are_asked_in_turn(tools: Tools, tmp_path: Path) -> None:
    write_queries(tmp_path / "queries", range(600), Style(edns=True, do=True, mixed_case=True))
    load = Load(queries=tmp_path / "queries", core=CORE, duration_s=20, count=600)

    async def ask() -> loadgen.Run:
        near = await start_responder(tools, folder=tmp_path / "near", core=CORE)
        far = await start_responder(tools, folder=tmp_path / "far", core=CORE, delay_us=2_000)
        async with near, far:
            assert CpuTime.of(near.pid).ran_s > 0
            return await load.run(tools, [near.endpoint, far.endpoint], tmp_path)

    near, far = asyncio.run(ask()).servers
    assert (near.answered, far.answered) == (300, 300)
    assert near.wrong == far.wrong == near.lost == far.lost == 0
    assert near.p50_us < 2_000 <= far.p50_us


def test_a_rate_that_is_asked_for_is_kept(tools: Tools, tmp_path: Path) -> None:
    write_queries(tmp_path / "queries", range(10), Style())

    async def ask() -> loadgen.Run:
        async with await start_responder(tools, folder=tmp_path, core=CORE) as server:
            load = Load(queries=tmp_path / "queries", core=CORE, duration_s=1, rate_qps=200)
            return await load.run(tools, [server.endpoint], tmp_path)

    (told,) = asyncio.run(ask()).servers
    assert 20 < told.sent <= 201  # below where this machine is busy, above never
    assert told.answered == told.sent


def test_a_missing_compiler_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(loadgen.BuildFailed, match=r"gcc is not on this machine.*apt-get install gcc"):
        asyncio.run(loadgen.build(tmp_path / "tools"))


# Medians, ratios and percentiles.


def test_a_spread_is_the_median_and_the_quartiles() -> None:
    measured = spread([5, 1, 4, 2, 3])
    assert (measured.low, measured.median, measured.high) == (2, 3, 4)
    assert measured.relative == pytest.approx(1 / 3)
    assert spread([7]).relative == 0


def test_what_slows_a_whole_round_leaves_the_ratio() -> None:
    ratio = paired_ratio([100, 50, 10], [200, 100, 20])
    assert ratio is not None
    assert (ratio.low, ratio.median, ratio.high) == (0.5, 0.5, 0.5)


def test_a_ratio_to_a_server_that_answered_nothing_is_none() -> None:
    assert paired_ratio([1, 2], [0, 0]) is None


def test_percentiles_are_of_all_blocks_together() -> None:
    histogram = merged([[(10, 98)], [(10, 1), (500, 1)]])
    assert percentile(histogram, 0.5) == 10
    assert percentile(histogram, 0.99) == 10
    assert percentile(histogram, 1.0) == 500


def test_a_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile({}, 0.5)


# A server whose every answer is written down here, and the answers.


@contextmanager
def scripted_server(replies: Callable[[bytes], list[bytes]]) -> Iterator[Endpoint]:
    """Serve on loopback; for each query the datagrams that `replies` makes of it go back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        address = sock.getsockname()

        def serve() -> None:
            while True:
                query, client = sock.recvfrom(512)
                if not query:
                    return
                for reply in replies(query):
                    sock.sendto(reply, client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Endpoint(address=address[0], port=address[1])
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
                waker.sendto(b"", address)
            thread.join()


def asked(query: bytes) -> str:
    decoded = decode_query(query)
    assert isinstance(decoded, Query)
    return decoded.question.qname


def number_of(query: bytes) -> int:
    return int(query[14:21])  # after the header, a length and "n"


def right(query: bytes) -> bytes:
    """Return the right answer, its letters as they came."""
    decoded = decode_query(query)
    assert isinstance(decoded, Query)
    question = query[12 : 12 + len(decoded.cased_qname) + 1 + 4]
    record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04" + address_of(name(number_of(query))).packed
    return query[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + question + record


def denial(query: bytes, *, owner: bytes = b"\xc0\x15") -> bytes:
    """Return the answer that there is no such name, with the SOA of the zone."""
    question = query[12 : query.index(0, 12) + 5]
    soa = owner + b"\0\x06\0\1\0\0\0\x3c\0\x16" + bytes(22)
    return query[:2] + b"\x81\x83\0\1\0\0\0\1\0\0" + question + soa


def truncated(answer: bytes) -> bytes:
    return answer[:2] + bytes([answer[2] | 0x02]) + answer[3:]


def with_rcode(answer: bytes, rcode: int) -> bytes:
    return answer[:3] + bytes([answer[3] & 0xF0 | rcode]) + answer[4:]


def without_answer(answer: bytes) -> bytes:
    return answer[:6] + b"\x00\x00" + answer[8:-16]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    if shutil.which(loadgen.COMPILER) is None:
        pytest.skip("no gcc: sudo apt-get install gcc libc6-dev")
    return asyncio.run(loadgen.build(tmp_path_factory.mktemp("tools")))


def test_a_profile_counts_work_by_the_innermost_part_that_did_it_or_had_it_done() -> None:
    parts, lines = read(
        "main (/x/standfast/cli/main.py:1);on_query (/x/standfast/guard/resolver.py:9);__hash__ (<string>:2) 3\n"
        "main (/x/standfast/cli/main.py:1);_run (/p/python3.11/asyncio/events.py:5) 2\n"
        "run (/x/standfast/io/state/store.py:1);Condition.wait (/p/python3.11/threading.py:5) 40\n"
        "_run (/p/python3.11/asyncio/events.py:5);EpollSelector.select (/p/python3.11/selectors.py:468) 50\n"
        "_start (/nowhere.py:1) 1\n"
        "py-spy> Stopped\n"
    )
    assert parts == {"decisions, cache and memory": 3, "event loop": 2, "everything else": 1}
    assert lines == {"guard/resolver.py  on_query": 3, "asyncio/events.py  _run": 2}
